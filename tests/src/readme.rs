//! The README's program, compiled and run; and the place it works in.
#![expect(clippy::disallowed_methods, reason = "a test makes its own folders")]

use std::{fs, io};

use tempfile::TempDir;

/// A home with drafts in it and a place for a node's state, removed when dropped.
pub fn home() -> io::Result<TempDir> {
    let home = tempfile::tempdir()?;
    fs::create_dir_all(home.path().join("docs/drafts"))?;
    fs::create_dir(home.path().join("node"))?;
    Ok(home)
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
