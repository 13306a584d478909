//! Where the folders of a world's owners are.
use std::path::{Path, PathBuf};

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;

use super::trouble::Trouble;

/// Where all folders of a world are. Gone with the world, unless somebody named a place for it.
#[derive(Debug)]
pub(super) struct Home {
    root: PathBuf,
    places: u32,
    _temporary: Option<TempDir>,
}

impl Home {
    pub(super) fn new(store: Option<&Path>) -> Result<Self, Trouble> {
        let temporary = if store.is_none() { Some(TempDir::new()?) } else { None };
        let root = match (store, &temporary) {
            (None, Some(temporary)) => temporary.path().to_owned(),
            (store, _) => store.unwrap_or(Path::new(".")).join("home"),
        };
        Dir::create_ambient_dir_all(&root, ambient_authority())?;
        Ok(Self { root, places: 0, _temporary: temporary })
    }

    /// Where the owner of this name is at home. A name is taken for what it is, whatever it holds.
    pub(super) fn of(&self, owner: &str) -> PathBuf {
        self.root.join(blake3::hash(owner.as_bytes()).to_hex().as_str())
    }

    /// A place where nothing is yet.
    pub(super) fn another(&mut self) -> PathBuf {
        self.places += 1;
        self.root.join(format!("place{}", self.places))
    }
}
