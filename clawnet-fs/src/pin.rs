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

    /// What the name leads to now, and only what it is: nothing is read.
    pub(crate) fn facts_of_entry(&self) -> Result<Option<Facts>, FsError> {
        match handle::look(self.handle(), &self.name) {
            Err(error) if error.is_absence() => Ok(None),
            other => other.map(Some),
        }
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

/// The directories a step acts in, held: where it leads to, and where it comes from if that is
/// another path and not the store.
#[derive(Debug)]
pub(crate) struct Pins<'a> {
    pub(crate) at: Pin<'a>,
    pub(crate) from: Option<Pin<'a>>,
}

impl<'a> Pins<'a> {
    /// Refuses if either path leads elsewhere by now.
    pub(crate) fn are_there(&self) -> Result<(), FsError> {
        self.iter().try_for_each(Pin::is_there)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pin<'a>> {
        std::iter::once(&self.at).chain(&self.from)
    }

    pub(crate) const fn ends(&self) -> Ends<'_, 'a> {
        Ends { at: &self.at, from: self.from.as_ref() }
    }
}

/// The same, as one looks at them: forwards or backwards.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends<'p, 'a> {
    pub(crate) at: &'p Pin<'a>,
    pub(crate) from: Option<&'p Pin<'a>>,
}

impl Ends<'_, '_> {
    /// As the step that takes this one back has them.
    pub(crate) fn reversed(self) -> Self {
        self.from.map_or(self, |from| Self { at: from, from: Some(self.at) })
    }
}
