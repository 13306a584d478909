//! What will be where, once steps that are only planned are made.
//!
//! A step of a longer plan stands on those before it: they moved directories, and put things in the
//! store or took them out. So where a path leads *then* is found by going back over them: what is
//! at a path after a step was, before it, at the step's other end. What is reached in the end is a
//! place as it is now, and that can be looked at.
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
};

use crate::{
    folders::Folders,
    handle::{self, EntryKind},
    image::Image,
    path::FsPath,
    pin::Pin,
    refusal::FsError,
    step::{Slot, Step, Trade},
    store::Store,
    tree,
};

/// The folders and the store as they will be.
///
/// It only looks. **Promises** that a step that fits was looked at in full: what it takes is what
/// was left there, what it puts back is what was put away, and what it fills is empty.
pub(crate) struct Sight<'n> {
    folders: &'n Folders,
    store: &'n Store,
    steps: Vec<Step>,
}

/// Where something is now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Now {
    /// At this path.
    Path(FsPath),
    /// In this slot, or so far beneath what is in it.
    Slot(Slot, String),
    /// It is still to be made by this plan, and then it will be this.
    Made(Image),
    /// Nothing will be there.
    Nowhere,
}

impl<'n> Sight<'n> {
    pub(crate) fn of(folders: &'n Folders, store: &'n Store) -> Self {
        Self { folders, store, steps: Vec::new() }
    }

    /// The steps taken as made, in order.
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Takes a step as made.
    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Forgets the last steps, down to `len`.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.steps.truncate(len);
    }

    /// What will be at a path. Where there will be no directory for it is no answer but an error.
    pub(crate) fn image(&self, path: &FsPath) -> Result<Option<Image>, FsError> {
        self.folders.locate_for_change(path)?;
        let now = self.at(path)?;
        if now == Now::Nowhere {
            self.has_parent(path)?;
        }
        self.look(&now)
    }

    /// A way back over a change: the steps in order, if every one of them fits on those before it.
    pub(crate) fn follow(&mut self, steps: impl Iterator<Item = Step>) -> Result<(), FsError> {
        let from = self.len();
        for step in steps {
            match self.fitted(step) {
                Ok(step) => self.push(step),
                Err(error) => {
                    self.truncate(from);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The step as it can be made now: with files as they are found, which hold the same as those
    /// that were left.
    fn fitted(&self, mut step: Step) -> Result<Step, FsError> {
        let path = &step.path;
        match &mut step.trade {
            Trade::Exchange { before, after } => {
                self.is_left(path, before)?;
                self.is_kept(&step.slot, after)?;
            }
            Trade::Place { after } => {
                self.is_free(path)?;
                self.is_kept(&step.slot, after)?;
            }
            Trade::Take { before } => {
                self.is_left(path, before)?;
                self.is_untouched(path, before)?;
                self.is_vacant(&step.slot)?;
            }
            Trade::Shift { from, after } => {
                self.is_left(from, after)?;
                self.is_free(path)?;
            }
        }
        Ok(step)
    }

    /// Refuses if what will be at `path` is not what was left there. A directory has to be the same
    /// one; and if it was left empty, nobody was asked about what it holds by now.
    fn is_left(&self, path: &FsPath, left: &mut Image) -> Result<(), FsError> {
        let conflict = |found: Option<&Image>| FsError::Conflict {
            expected: left.hash,
            found: found.and_then(|image| image.hash),
        };
        let Some(found) = self.found(path)? else { return Err(conflict(None)) };
        if left.kind == EntryKind::Directory {
            let same = (left.kind, left.ino) == (found.kind, found.ino);
            if !same || left.size_bytes == 0 && !self.is_empty(path)? {
                return Err(conflict(Some(&found)));
            }
            return self.may_go(path, left);
        }
        if !left.holds_what(&found) {
            return Err(conflict(Some(&found)));
        }
        *left = found;
        Ok(())
    }

    /// Refuses to take along what an agent could not name, of what lies in a directory now.
    fn may_go(&self, path: &FsPath, left: &Image) -> Result<(), FsError> {
        match self.at(path)? {
            Now::Path(now) if left.size_bytes > 0 => {
                tree::may_go(self.folders, &self.folders.locate(&now)?)
            }
            Now::Path(_) | Now::Slot(..) | Now::Made(_) | Now::Nowhere => Ok(()),
        }
    }

    /// Refuses a directory that goes to the store and holds something else than was left in it, as
    /// far as that can be told before the steps before it are made: the engine looks again.
    fn is_untouched(&self, path: &FsPath, left: &Image) -> Result<(), FsError> {
        let conflict = |found| Err(FsError::Conflict { expected: left.hash, found });
        if left.kind != EntryKind::Directory {
            return Ok(());
        }
        let touched = !self.touched(path)?.is_empty();
        let now = self.at(path)?;
        match self.look(&now)? {
            Some(found) if !left.belongs_as(&found) => return conflict(None),
            Some(found) if left.size_bytes > 0 && left.hash.is_none() => {
                let same = touched || left.modified == found.modified;
                return if same { Ok(()) } else { conflict(None) };
            }
            Some(_) | None => {}
        }
        let Some(directory) = self.directory(&now)?.filter(|_| left.hash.is_some() && !touched)
        else {
            return Ok(());
        };
        let found = Some(tree::digest_of(directory.as_fd())?);
        if found == left.hash { Ok(()) } else { conflict(found) }
    }

    fn is_free(&self, path: &FsPath) -> Result<(), FsError> {
        self.image(path)?
            .map_or(Ok(()), |found| Err(FsError::Conflict { expected: None, found: found.hash }))
    }

    fn found(&self, path: &FsPath) -> Result<Option<Image>, FsError> {
        match self.image(path) {
            Err(error) if error.is_absence() || error == FsError::WrongKind => Ok(None),
            other => other,
        }
    }

    /// Refuses if what will be in a slot is not what was put away.
    fn is_kept(&self, slot: &Slot, kept: &Image) -> Result<(), FsError> {
        let now = self.back_from(Now::Slot(slot.clone(), String::new()))?;
        let image = self.look(&now)?.ok_or(FsError::Tampered)?;
        let whole = match &now {
            Now::Slot(..) if kept.kind == EntryKind::Directory && kept.hash.is_some() => {
                let directory = self.directory(&now)?.ok_or(FsError::Tampered)?;
                kept.seals(&image) && Some(tree::digest_of(directory.as_fd())?) == kept.hash
            }
            Now::Slot(..) => kept.seals(&image),
            // An earlier step of this plan puts it there, and was looked at.
            Now::Path(_) | Now::Made(_) | Now::Nowhere => kept.is_still(&image),
        };
        if whole { Ok(()) } else { Err(FsError::Tampered) }
    }

    /// Refuses if a slot is not free to put something away.
    fn is_vacant(&self, slot: &Slot) -> Result<(), FsError> {
        match self.look(&self.back_from(Now::Slot(slot.clone(), String::new()))?)? {
            None => Ok(()),
            Some(_) => Err(FsError::Tampered),
        }
    }

    /// Where what will be at `path` is now.
    fn at(&self, path: &FsPath) -> Result<Now, FsError> {
        self.back_from(Now::Path(path.clone()))
    }

    fn back_from(&self, now: Now) -> Result<Now, FsError> {
        self.steps.iter().rev().try_fold(now, before)
    }

    fn look(&self, now: &Now) -> Result<Option<Image>, FsError> {
        match now {
            Now::Path(path) => Pin::of(&self.folders.locate_for_change(path)?)?.image(),
            Now::Slot(slot, below) => Image::at(self.store.handle(), &within(slot, below)),
            Now::Made(image) => Ok(Some(image.clone())),
            Now::Nowhere => Ok(None),
        }
    }

    /// Refuses where there will be no directory to hold `path`.
    fn has_parent(&self, path: &FsPath) -> Result<(), FsError> {
        let parent = path.parent().ok_or(FsError::RootProtected)?;
        let now = self.at(&parent)?;
        let is_directory = match &now {
            Now::Made(image) => image.kind == EntryKind::Directory,
            Now::Path(_) | Now::Slot(..) => match self.directory(&now) {
                Ok(directory) => directory.is_some(),
                Err(error) if error.is_absence() => false,
                Err(error) => return Err(error),
            },
            Now::Nowhere => false,
        };
        if is_directory { Ok(()) } else { Err(FsError::ParentNotFound) }
    }

    /// Opens a directory where it is now: none if it is still to be made.
    fn directory(&self, now: &Now) -> Result<Option<OwnedFd>, FsError> {
        match now {
            Now::Path(path) => {
                let place = self.folders.locate(path)?;
                handle::directory(place.root.handle(), &place.relative()).map(Some)
            }
            Now::Slot(slot, below) => {
                handle::directory(self.store.handle(), &within(slot, below)).map(Some)
            }
            Now::Made(_) | Now::Nowhere => Ok(None),
        }
    }

    /// Whether a directory will hold nothing.
    fn is_empty(&self, path: &FsPath) -> Result<bool, FsError> {
        let touched = self.touched(path)?;
        for name in &touched {
            let child = path.child(name).map_err(|_| FsError::InvalidPath)?;
            if self.found(&child)?.is_some() {
                return Ok(false);
            }
        }
        let Some(directory) = self.directory(&self.at(path)?)? else { return Ok(true) };
        for entry in rustix::fs::Dir::read_from(directory.as_fd())? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            // What is there now and does not go by a step will still be there.
            let goes = std::str::from_utf8(name).is_ok_and(|name| touched.contains(name));
            if !matches!(name, b"." | b"..") && !goes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The names in a directory at or beneath which a step does something, under whatever name the
    /// directory went then.
    fn touched(&self, path: &FsPath) -> Result<BTreeSet<String>, FsError> {
        let mut names = BTreeSet::new();
        let mut now = Now::Path(path.clone());
        for step in self.steps.iter().rev() {
            if let Now::Path(at) = &now {
                let inside = step.paths().filter_map(|path| path.rest_below(at));
                let inside = inside.filter_map(|rest| rest.split('/').next());
                names.extend(inside.filter(|name| !name.is_empty()).map(str::to_owned));
            }
            now = before(now, step)?;
        }
        Ok(names)
    }
}

/// Where what is at `now` after a step was before it.
fn before(now: Now, step: &Step) -> Result<Now, FsError> {
    match (now, &step.trade) {
        (Now::Path(at), Trade::Shift { from, .. }) => {
            if let Some(rest) = at.rest_below(&step.path) {
                return join(from, rest).map(Now::Path);
            }
            Ok(if at.rest_below(from).is_some() { Now::Nowhere } else { Now::Path(at) })
        }
        (Now::Path(at), trade) => {
            let Some(rest) = at.rest_below(&step.path) else { return Ok(Now::Path(at)) };
            Ok(match trade.after() {
                None => Now::Nowhere,
                Some(after) if step.fresh && rest.is_empty() => Now::Made(after.clone()),
                Some(_) if step.fresh => Now::Nowhere,
                Some(_) => Now::Slot(step.slot.clone(), rest.to_owned()),
            })
        }
        (Now::Slot(slot, rest), Trade::Exchange { .. } | Trade::Take { .. })
            if slot == step.slot =>
        {
            join(&step.path, &rest).map(Now::Path)
        }
        (Now::Slot(slot, _), Trade::Place { .. }) if slot == step.slot => Ok(Now::Nowhere),
        (now, _) => Ok(now),
    }
}

fn join(base: &FsPath, rest: &str) -> Result<FsPath, FsError> {
    if rest.is_empty() {
        return Ok(base.clone());
    }
    format!("{base}/{rest}").parse().map_err(|_| FsError::InvalidPath)
}

fn within(slot: &Slot, below: &str) -> String {
    if below.is_empty() { slot.as_str().to_owned() } else { format!("{}/{below}", slot.as_str()) }
}
