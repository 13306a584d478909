//! A directory held while something in it is decided and done.
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd},
};

use crate::{
    folders::{Place, Root},
    handle::{self, Facts},
    image::Image,
    refusal::FsError,
};

/// The directory that holds one path, by handle, and the path's last component.
///
/// What is done to the entry is done through the handle. The path is looked at a second time only
/// to refuse: when it no longer leads to this directory.
#[derive(Debug)]
pub(crate) struct Pin<'a> {
    root: &'a Root,
    above: String,
    name: String,
    directory: File,
    facts: Facts,
}

impl<'a> Pin<'a> {
    pub(crate) fn of(place: &Place<'a, '_>) -> Result<Self, FsError> {
        let root = place.root;
        root.is_there()?;
        let (above, name) = place.split()?;
        let directory = handle::directory(root.handle(), &above).map_err(FsError::of_parent)?;
        let directory = File::from(directory);
        let facts = Facts::of(directory.as_fd())?;
        Ok(Self { root, above, name, directory, facts })
    }

    /// Refuses if the path leads elsewhere by now.
    pub(crate) fn is_there(&self) -> Result<(), FsError> {
        self.root.is_there()?;
        match handle::look(self.root.handle(), &self.above) {
            Ok(facts) if facts.is_same_object(&self.facts) => Ok(()),
            _ => Err(FsError::Moved),
        }
    }

    /// What the name leads to now.
    pub(crate) fn image(&self) -> Result<Option<Image>, FsError> {
        Image::at(self.handle(), &self.name)
    }

    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub(crate) fn directory(&self) -> &File {
        &self.directory
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
