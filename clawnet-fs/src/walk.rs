//! Directories as one operation may see them: every entry judged by both layers before anything
//! else is asked about it.
use std::os::fd::{BorrowedFd, OwnedFd};

use clawnet_core::{Action, Authorized, Operation};
use rustix::fs::{FileType, RawDir};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind, Facts, kind_of},
    path::FsPath,
    refusal::{FsError, within},
};

/// What an operation on a directory may be shown of it, and of the directories in it.
///
/// **Promises** that nothing is shown which layer 2 protects, which layer 1 does not let be listed,
/// or which cannot be asked for by name; and that nothing of it is looked at first. A directory
/// that is not shown is not walked either.
pub(crate) struct Walk<'a, O> {
    pub(crate) task: &'a Authorized<'a, O>,
    pub(crate) folders: &'a Folders,
    pub(crate) place: &'a Place<'a, 'a>,
    /// The path that is walked.
    pub(crate) top: &'a FsPath,
    /// Whether names that begin with a dot are shown.
    pub(crate) hidden: bool,
    /// How many entries were looked at.
    pub(crate) scanned: u64,
}

/// How many entries one operation looks at.
pub(crate) const SCANNED_MAX: u64 = 100_000;

/// A directory on the way.
pub(crate) struct Ahead {
    /// Its path below the top, empty for the top itself.
    pub(crate) below: String,
    /// How deep its entries are; those of the top are at 1.
    pub(crate) depth: u32,
    /// Layer 1 says the same of everything in it as of itself.
    pub(crate) alike: bool,
}

/// One entry that may be shown.
pub(crate) struct Seen<'a> {
    pub(crate) name: &'a str,
    /// Its path below the top.
    pub(crate) relative: &'a str,
    pub(crate) kind: EntryKind,
    pub(crate) directory: BorrowedFd<'a>,
}

impl Seen<'_> {
    /// What the operating system says about it: none if it went away.
    pub(crate) fn facts(&self, mount: u64) -> Result<Option<Facts>, FsError> {
        facts_of(self.directory, self.name, mount)
    }
}

/// What an entry is, none if it went away. Where another mount begins is nothing of ours.
pub(crate) fn facts_of(
    directory: BorrowedFd<'_>,
    name: &str,
    mount: u64,
) -> Result<Option<Facts>, FsError> {
    match Facts::of_entry(directory, name) {
        Ok(facts) if facts.mount == mount => Ok(Some(facts)),
        Ok(facts) => Ok(Some(Facts { kind: EntryKind::Other, ..facts })),
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

impl<O: Operation> Walk<'_, O> {
    /// Where it begins.
    pub(crate) fn top(&self) -> Ahead {
        let alike = self.task.extends_below(Action::List, self.top.resource()).is_ok();
        Ahead { below: String::new(), depth: 1, alike }
    }

    /// A directory in `above` to walk next.
    pub(crate) fn next(&self, above: &Ahead, relative: &str) -> Ahead {
        let alike = above.alike
            || self
                .path_of(relative)
                .is_some_and(|path| self.task.extends_below(Action::List, path.resource()).is_ok());
        Ahead { below: relative.to_owned(), depth: above.depth + 1, alike }
    }

    /// The path of what is `relative` to the top, if it can be named.
    pub(crate) fn path_of(&self, relative: &str) -> Option<FsPath> {
        self.top.below(relative).ok()
    }

    /// Opens a directory on the way. None if there is no such directory any more, or if it cannot
    /// be opened.
    pub(crate) fn open(&self, ahead: &Ahead) -> Result<Option<OwnedFd>, FsError> {
        let path = format!("{}/{}", self.place.relative(), ahead.below);
        match handle::directory(self.place.root.handle(), &path) {
            Ok(directory) => Ok(Some(directory)),
            Err(error) if is_in_the_way(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Shows what a directory holds, in the directory's own order.
    pub(crate) fn directory(
        &mut self,
        (ahead, directory): (&Ahead, BorrowedFd<'_>),
        mut show: impl FnMut(Seen<'_>) -> Result<(), FsError>,
    ) -> Result<(), FsError> {
        self.goes_on()?;
        let mount = self.place.root.facts().mount;
        let taken = self.folders.standing_in(self.place, &ahead.below);
        let mut relative = ahead.below.clone();
        if !relative.is_empty() {
            relative.push('/');
        }
        let start = relative.len();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        let mut entries = RawDir::new(directory, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            self.scanned += 1;
            within("the number of entries to look at", self.scanned, SCANNED_MAX)?;
            // A name that is no text cannot be asked for, so it is not shown.
            let Ok(name) = entry.file_name().to_str() else { continue };
            let hidden = name.starts_with('.') && !self.hidden;
            if hidden || !self.folders.shows(name) || taken.contains(&name) {
                continue;
            }
            relative.truncate(start);
            relative.push_str(name);
            if !self.lets(ahead, &relative) {
                continue;
            }
            let mut kind = kind_of(entry.file_type());
            if entry.file_type() == FileType::Unknown {
                // This file system's directories do not tell.
                let Some(facts) = facts_of(directory, name, mount)? else { continue };
                kind = facts.kind;
            }
            show(Seen { name, relative: &relative, kind, directory })?;
        }
        Ok(())
    }

    /// Whether layer 1 lets an entry be listed. A name that layer 1 cannot read is nobody's.
    fn lets(&self, ahead: &Ahead, relative: &str) -> bool {
        if ahead.alike && self.is_readable(ahead, relative) {
            return true;
        }
        self.path_of(relative).is_some_and(|path| {
            ahead.alike || self.task.extends_to(Action::List, path.resource()).is_ok()
        })
    }

    /// Whether a name that is plain to layer 2 is certainly a path to layer 1 too.
    fn is_readable(&self, ahead: &Ahead, relative: &str) -> bool {
        let short = self.top.as_str().len() + relative.len() <= SHORT_BYTES_MAX;
        relative.is_ascii() && short && ahead.depth <= SHALLOW_MAX && self.place.rest.len() <= 16
    }

    /// Stops as soon as something was revoked. That it takes long is no reason.
    pub(crate) fn goes_on(&self) -> Result<(), FsError> {
        goes_on(self.task)
    }
}

/// Stops a long look as soon as something was revoked.
pub(crate) fn goes_on<O: Operation>(task: &Authorized<'_, O>) -> Result<(), FsError> {
    match task.confirm() {
        Err(fault) if fault.code() != LATE => Err(FsError::Stopped(fault)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What the kernel says of an effect that did not begin at once: this one did.
const LATE: &str = "late";

/// A directory that changed under the walk, or that its owner closed to this process.
fn is_in_the_way(error: &FsError) -> bool {
    error.is_absence()
        || matches!(error, FsError::NotRegular | FsError::CrossesMount | FsError::WrongKind)
        || matches!(error, FsError::Io(_))
}

/// How much of a directory is read at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// What is shorter than this in whole, and not deeper, is no longer than a path may be.
const SHORT_BYTES_MAX: usize = 1024;
const SHALLOW_MAX: u32 = 64;
