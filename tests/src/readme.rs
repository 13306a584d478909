//! The README's program, compiled and run; and the folders it works on.
use std::io;

use cap_std::{ambient_authority, fs::Dir};
use tempfile::TempDir;

/// A folder with drafts in it, a place for a node's state beside it, and what removes both.
pub fn folders() -> io::Result<(Dir, Dir, TempDir)> {
    let place = tempfile::tempdir()?;
    let root = Dir::open_ambient_dir(place.path(), ambient_authority())?;
    root.create_dir_all("docs/drafts")?;
    root.create_dir("state")?;
    Ok((root.open_dir("docs")?, root.open_dir("state")?, place))
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
