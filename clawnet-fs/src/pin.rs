//! A directory held while something in it is decided and done.
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
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
    grip: Arc<Grip>,
}

/// What of a pin can be held on to while layer 1 and the ledger have their say.
#[derive(Debug)]
pub(crate) struct Grip {
    above: String,
    name: String,
    directory: Arc<File>,
    facts: Facts,
    seen: Option<Seen>,
}

/// What was at the name when it was looked at, still open.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) file: File,
    pub(crate) facts: Facts,
    pub(crate) image: Image,
}

impl<'a> Pin<'a> {
    pub(crate) fn of(place: &Place<'a, '_>) -> Result<Self, FsError> {
        let root = place.root;
        let there = root.is_there()?;
        let (above, name) = place.split()?;
        let (directory, facts) = if above == "." {
            (root.directory().map_err(FsError::of_parent)?, there)
        } else {
            let directory = handle::directory(root.handle(), &above).map_err(FsError::of_parent)?;
            let facts = Facts::of(directory.as_fd())?;
            (Arc::new(File::from(directory)), facts)
        };
        Ok(Self { root, grip: Arc::new(Grip { above, name, directory, facts, seen: None }) })
    }

    /// The same, and what the name leads to, both to be held on to.
    pub(crate) fn seeing(place: &Place<'a, '_>) -> Result<Self, FsError> {
        let Self { root, grip } = Self::of(place)?;
        let seen = match Seen::of(grip.directory.as_fd(), &grip.name) {
            Err(error) if error.is_absence() => None,
            other => Some(other?),
        };
        let grip = Arc::into_inner(grip).ok_or(FsError::Moved)?;
        Ok(Self { root, grip: Arc::new(Grip { seen, ..grip }) })
    }

    /// What was held, under the same list; none if the path leads elsewhere by now.
    pub(crate) fn again(place: &Place<'a, '_>, grip: &Arc<Grip>) -> Option<Self> {
        let held = Self::held(place, grip);
        held.is_there().is_ok().then_some(held)
    }

    /// The same without a look: for who looks before it acts.
    pub(crate) fn held(place: &Place<'a, '_>, grip: &Arc<Grip>) -> Self {
        Self { root: place.root, grip: grip.clone() }
    }

    pub(crate) fn grip(&self) -> &Arc<Grip> {
        &self.grip
    }

    /// Refuses if the path leads elsewhere by now.
    pub(crate) fn is_there(&self) -> Result<(), FsError> {
        self.root.is_there()?;
        let Grip { above, facts, .. } = &*self.grip;
        if above == "." {
            return Ok(());
        }
        match handle::look_near((self.root.handle(), self.root.facts().mount), above) {
            Ok(found) if found.is_same_object(facts) => Ok(()),
            _ => Err(FsError::Moved),
        }
    }

    /// What the name leads to now. What was seen there before is read again only if anything about
    /// it changed: every write, chmod and rename leaves a mark that nobody can take off.
    pub(crate) fn image(&self) -> Result<Option<Image>, FsError> {
        if let Some(seen) = &self.grip.seen
            && Facts::of(seen.file.as_fd())? == seen.facts
        {
            return Ok(Some(seen.image.clone()));
        }
        Image::at(self.handle(), self.name())
    }

    /// What came to `name` in the directory `at`, read through the handle that is held if it is the
    /// same object.
    pub(crate) fn image_at(
        &self,
        at: BorrowedFd<'_>,
        name: &str,
    ) -> Result<Option<Image>, FsError> {
        if let Some(Seen { file, facts, .. }) = &self.grip.seen
            && let Ok(found) = Facts::of_entry(at, name)
            && found.is_same_object(facts)
        {
            return Image::read(file, &found).map(Some);
        }
        Image::at(at, name)
    }

    /// What is held, if that is what the change was planned on.
    pub(crate) fn seen(&self) -> Option<&Seen> {
        self.grip.seen.as_ref()
    }

    /// What the name leads to now, and only what it is: nothing is read.
    pub(crate) fn facts_of_entry(&self) -> Result<Option<Facts>, FsError> {
        match handle::look(self.handle(), self.name()) {
            Err(error) if error.is_absence() => Ok(None),
            other => other.map(Some),
        }
    }

    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.grip.directory.as_fd()
    }

    pub(crate) fn directory(&self) -> &File {
        &self.grip.directory
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.grip.facts
    }

    pub(crate) fn name(&self) -> &str {
        &self.grip.name
    }
}

impl Grip {
    /// Whether this is what a change was planned on.
    pub(crate) fn shows(&self, before: Option<&Image>) -> bool {
        self.seen.as_ref().map(|seen| &seen.image) == before
    }

    pub(crate) fn image(&self) -> Option<&Image> {
        self.seen.as_ref().map(|seen| &seen.image)
    }
}

impl Seen {
    fn of(at: BorrowedFd<'_>, name: &str) -> Result<Self, FsError> {
        let (file, facts, image) = Image::open_whole(at, name)?;
        Ok(Self { file, facts, image })
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
