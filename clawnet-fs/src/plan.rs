//! From what is there to what has to be done: the steps of one change.
use std::{cell::Cell, sync::Arc};

use clawnet_core::{Caller, Version};

use crate::{
    folders::Folders,
    handle::EntryKind,
    image::{self, Image},
    journal::Key,
    node::Node,
    path::FsPath,
    pin::{Grip, Pin},
    refusal::FsError,
    source::{Planned, Source, Sources},
    step::{Slot, Step, Trade},
};

/// The steps of one change, as they are found to be needed.
pub(crate) struct Plan<'n> {
    folders: &'n Folders,
    by: Key,
    steps: Vec<Step>,
    held: Option<(&'n FsPath, Arc<Grip>)>,
    /// What is held is not any more where the path leads.
    lost: Cell<bool>,
}

impl<'n> Plan<'n> {
    pub(crate) fn new(folders: &'n Folders, by: Key) -> Self {
        Self { folders, by, steps: Vec::new(), held: None, lost: Cell::new(false) }
    }

    /// And what `admit` looked at at one path is what this is about, if the owner's list is still
    /// the same.
    pub(crate) fn holding(self, path: &'n FsPath, look: Option<&Look>) -> Self {
        let same = look.filter(|look| std::ptr::eq(&raw const *look.folders, self.folders));
        let held = same.and_then(|look| Some((path, look.grip.clone()?)));
        Self { held, ..self }
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    /// What is at a path. Below a directory that this plan makes there is nothing yet.
    pub(crate) fn image(&self, path: &FsPath) -> Result<Option<Image>, FsError> {
        let place = self.folders.locate_for_change(path)?;
        let parent = path.parent();
        if self.steps.iter().any(|step| Some(&step.path) == parent.as_ref()) {
            return Ok(None);
        }
        let held = self.held.as_ref().filter(|(held, _)| *held == path);
        let again = held.and_then(|(_, grip)| Pin::again(&place, grip));
        if held.is_some() && again.is_none() {
            self.lost.set(true);
        }
        again.map_or_else(|| Pin::of(&place), Ok)?.image()
    }

    /// Makes a directory, unless it is there.
    pub(crate) fn directory(&mut self, path: &FsPath) -> Result<(), FsError> {
        match self.image(path)? {
            Some(image) if image.kind == EntryKind::Directory => {}
            Some(_) => return Err(FsError::WrongKind),
            None => self.trade(path, Trade::Place { after: Image::planned_directory() }),
        }
        Ok(())
    }

    /// The steps, and the source of what the last of them brings.
    pub(crate) fn bringing(self, source: Source) -> Planned {
        let mut sources = Sources::default();
        sources.set(self.steps.len().saturating_sub(1), source);
        let last = self.steps.last().and_then(|step| step.trade.before());
        let held = self.held.filter(|(_, grip)| grip.shows(last) && !self.lost.get());
        let held = held.map(|(path, grip)| (path.clone(), grip));
        Planned { steps: self.steps, sources, held }
    }

    /// Brings something to a path: where nothing is, or in place of a file.
    pub(crate) fn bring(
        &mut self,
        path: &FsPath,
        target: Option<Image>,
        after: Image,
    ) -> Result<(), FsError> {
        let trade = match target {
            None => Trade::Place { after },
            Some(before) if is_file(&before) && is_file(&after) => {
                Trade::Exchange { before, after }
            }
            Some(before) if before.kind == after.kind => return Err(FsError::Exists),
            Some(_) => return Err(FsError::WrongKind),
        };
        self.trade(path, trade);
        Ok(())
    }

    /// Moves something to a path: where nothing is by one rename, else by way of the store, so that
    /// what is replaced lands where nobody can save over it.
    pub(crate) fn shift(
        &mut self,
        (from, path): (&FsPath, &FsPath),
        moved: Image,
        target: Option<Image>,
    ) -> Result<(), FsError> {
        let Some(before) = target else {
            let trade = Trade::Shift { from: from.clone(), after: moved };
            self.trade(path, trade);
            return Ok(());
        };
        match (is_file(&before), is_file(&moved)) {
            (true, true) => {}
            (false, false) => return Err(FsError::Exists),
            _ => return Err(FsError::WrongKind),
        }
        self.trade(from, Trade::Take { before: moved.clone() });
        let slot = self.steps.last().map(|step| step.slot.clone()).ok_or(FsError::Moved)?;
        let trade = Trade::Exchange { before, after: moved };
        self.steps.push(Step { path: path.clone(), slot, fresh: false, trade });
        Ok(())
    }

    pub(crate) fn trade(&mut self, path: &FsPath, trade: Trade) {
        let slot = Slot::of(self.by.owner, self.by.intent, self.steps.len());
        self.steps.push(Step { path: path.clone(), slot, fresh: true, trade });
    }
}

/// What `admit` looked at, under which list, for the plan to stand on.
#[derive(Debug)]
pub(crate) struct Look {
    folders: Arc<Folders>,
    grip: Option<Arc<Grip>>,
}

impl Look {
    /// Looks at a path that is to change, and holds on to it.
    pub(crate) fn of((node, caller): (&Node, &Caller), path: &FsPath) -> Result<Self, FsError> {
        node.is_writable()?;
        let folders = node.folders();
        let grip = match Pin::seeing(&folders.locate_change_for(caller.identity(), path)?) {
            Ok(pin) => Some(pin.grip().clone()),
            Err(error) if error.is_absence() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { folders, grip })
    }

    pub(crate) fn image(&self) -> Option<&Image> {
        self.grip.as_ref().and_then(|grip| grip.image())
    }
}

/// Refuses if what is there is not what layer 2 said was there when it was asked.
pub(crate) fn is_version(
    admitted: Option<&Version>,
    images: &[Option<&Image>],
) -> Result<(), FsError> {
    match admitted {
        Some(version) if *version != image::version(images) => {
            let found = images.iter().flatten().find_map(|image| image.hash);
            Err(FsError::Conflict { expected: None, found })
        }
        _ => Ok(()),
    }
}

fn is_file(image: &Image) -> bool {
    image.kind == EntryKind::File
}

/// Refuses directories to make that do not lead to `path` without a gap, topmost first.
pub(crate) fn leads_to(directories: &[FsPath], path: &FsPath) -> Result<(), FsError> {
    let next = directories.iter().skip(1).chain([path]);
    let gap =
        directories.iter().zip(next).any(|(above, below)| below.parent().as_ref() != Some(above));
    if gap {
        return Err(FsError::InvalidRequest("the directories to make do not lead to the path"));
    }
    Ok(())
}
