//! The owners' folders, and what a person does in them with their own hands.
use std::path::{Path, PathBuf};

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;

use super::trouble::Trouble;

/// Where all folders of a world are. Gone with the world, unless somebody named a place for it.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    _temporary: Option<TempDir>,
}

impl Home {
    pub(super) fn new(store: Option<&Path>) -> Result<Self, Trouble> {
        let (root, temporary) = match store {
            Some(path) => (path.join("home"), None),
            None => {
                let temporary = TempDir::new()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        Dir::create_ambient_dir_all(&root, ambient_authority())?;
        Ok(Self { root, _temporary: temporary })
    }

    /// Lets go of every handle.
    pub(super) fn close(&mut self) {}
}
