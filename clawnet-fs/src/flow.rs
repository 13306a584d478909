//! Information flow: content goes from one label to another only by the owner's rule.
//!
//! Every folder has a label. Content keeps the label of the folder it was in, in the store too. A
//! *run* (the caller's job if it has one, else its agent) that was told content of a label carries
//! that label for good: whatever it writes may hold what it knows. So before content goes to a
//! place, each label it may carry has to be allowed to flow to the place's label:
//!
//! | content goes | and carries |
//! |---|---|
//! | to a run: read, search text | the folder's label, recorded before the bytes are given |
//! | from a run: write, append, new directories and their names | every label the run was told |
//! | from a folder: copy, move, rename | the label of where it was |
//! | from the store: undo, redo, rollback | the label of where it was when it was put away |
//!
//! **Promises** that nothing in this table happens without a rule, after a restart too. A rule goes
//! one way, and two rules are not a third: with `a` to `b` and `b` to `c`, a run that was told `a`
//! does not write to `c`. What was put into `b` is `b`'s from then on.
//!
//! **Not covered**: that something exists, its name, size and times, which change is taken back, the
//! digest in a conflict or a condition, and what runs tell each other outside the files.
use std::sync::{Arc, PoisonError};

use clawnet_core::Caller;

use crate::{
    folders::Folders,
    handle::EntryKind,
    journal::{Event, History, Key},
    node::{Changing, Node},
    path::FsPath,
    refusal::FsError,
    source::Sources,
    step::{Step, Trade, passed_on},
};

/// How many pairs of run and label a node remembers.
const TOLD_MAX: usize = 1_000_000;

impl Node {
    /// Whether content of `from` may come to `to`, by copying or moving.
    pub(crate) fn may_flow(&self, from: &FsPath, to: &FsPath) -> Result<(), FsError> {
        let folders = self.folders();
        let (from, to) = (folders.locate(from)?, folders.locate(to)?);
        folders.lets_flow(from.root.label(), to.root.label())
    }

    /// Notes that a run is about to be told content of `path`, from where on it may write it only
    /// where that may flow. What is not known yet is recorded first.
    ///
    /// Not for use while a change is made: the journal is busy then.
    pub(crate) fn tell(&self, caller: &Caller, path: &FsPath) -> Result<(), FsError> {
        let folders = self.folders();
        let place = folders.locate_for(caller.identity(), path)?;
        self.tell_of(caller, place.root.label())
    }

    /// The same of a place that is known, and so its label.
    pub(crate) fn tell_of(&self, caller: &Caller, label: &Arc<str>) -> Result<(), FsError> {
        let is_known = || self.labels_told(caller, |told| told.contains(label));
        if is_known() {
            return Ok(());
        }
        let mut journal = self.journal()?;
        journal.is_open()?;
        if is_known() {
            return Ok(());
        }
        if journal.history().told().len() >= TOLD_MAX {
            let max = TOLD_MAX as u64;
            return Err(FsError::LimitExceeded { what: "runs and what they were told", max });
        }
        let (owner, who) = (caller.owner(), caller.into());
        let event = Event::Told { owner, who, label: label.clone() };
        self.noting(journal.append(event))?;
        let mut told = self.told().write().unwrap_or_else(PoisonError::into_inner);
        told.add(owner, &caller.into(), label);
        Ok(())
    }

    /// Whether all that a run was told may flow to `path`.
    pub(crate) fn may_write(&self, caller: &Caller, path: &FsPath) -> Result<(), FsError> {
        let folders = self.folders();
        let place = folders.locate_for(caller.identity(), path)?;
        self.lets_write(caller, &folders, place.root.label())
    }

    /// The same by one list, to a place of a label.
    pub(crate) fn lets_write(
        &self,
        caller: &Caller,
        folders: &Folders,
        to: &str,
    ) -> Result<(), FsError> {
        self.labels_told(caller, |told| {
            told.iter().try_for_each(|label| folders.lets_flow(label, to))
        })
    }

    /// Layer 2 on every step of a change, by one list: whether it is served to the caller, may change,
    /// and whether what it brings may come there.
    pub(crate) fn permits(
        &self,
        folders: &Folders,
        change: &Changing<'_>,
        (steps, carried): (&[Step], &[Carried]),
    ) -> Result<(), FsError> {
        let identity = change.caller.identity();
        let label =
            |path| folders.locate_change_for(identity, path).map(|place| place.root.label());
        for (step, carried) in steps.iter().zip(carried) {
            let to = label(&step.path)?;
            match carried {
                Carried::Nothing => {}
                Carried::OfTheRun => self.lets_write(change.caller, folders, to)?,
                Carried::Copied(from) => {
                    self.lets_write(change.caller, folders, to)?;
                    let from = folders.locate_for(identity, from)?;
                    folders.lets_flow(from.root.label(), to)?;
                }
                Carried::Kept(label) => folders.lets_flow(label, to)?,
                Carried::Moved { from, home } => {
                    let from = label(from)?;
                    if home.as_ref() != Some(to) {
                        folders.lets_flow(from, to)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn labels_told<T>(&self, caller: &Caller, look: impl FnOnce(&[Arc<str>]) -> T) -> T {
        let told = self.told().read().unwrap_or_else(PoisonError::into_inner);
        look(told.of(caller.owner(), caller.agent(), caller.job()))
    }
}

impl Changing<'_> {
    /// Whose content each step of the change brings along.
    pub(crate) fn carried(
        &self,
        history: &History,
        (steps, sources): (&[Step], &Sources),
    ) -> Result<Vec<Carried>, FsError> {
        let carried = steps.iter().enumerate().map(|(nth, step)| {
            let home = |alone| home(history, self, &step.path).filter(|_| alone);
            if let Some(from) = passed_on(steps, nth, step) {
                return Ok(Carried::Moved { from: from.clone(), home: home(true) });
            }
            Ok(match &step.trade {
                Trade::Take { .. } => Carried::Nothing,
                Trade::Exchange { .. } | Trade::Place { .. } if step.fresh => {
                    let copied = sources.of(nth).from().cloned();
                    copied.map_or(Carried::OfTheRun, Carried::Copied)
                }
                Trade::Exchange { .. } | Trade::Place { .. } => {
                    let item = history.shelf().item(&step.slot).ok_or(FsError::Expired)?;
                    Carried::Kept(item.label.clone())
                }
                Trade::Shift { from, after } => {
                    let alone = after.kind != EntryKind::Directory;
                    Carried::Moved { from: from.clone(), home: home(alone) }
                }
            })
        });
        carried.collect()
    }
}

/// The label of a path at the time of the moves that a change takes back: what comes back there is
/// at home. A move that took back another did not take its content from where that belongs.
fn home(history: &History, change: &Changing<'_>, path: &FsPath) -> Option<Arc<str>> {
    let owner = change.caller.owner();
    let mut homes = change.reverses.iter().map(|intent| {
        let row = history.get(Key { intent: *intent, owner })?;
        let (_, label) = history.labels_of(row).of(path.as_str())?;
        row.reverses.is_empty().then(|| label.clone())
    });
    let first = homes.next()??;
    homes.all(|home| home.as_ref() == Some(&first)).then_some(first)
}

/// Whose content a step brings to its path.
#[derive(Debug)]
pub(crate) enum Carried {
    Nothing,
    /// Whatever the run was told.
    OfTheRun,
    /// What is at another path; and where it comes to, the run chose.
    Copied(FsPath),
    /// What was kept, of this label.
    Kept(Arc<str>),
    /// What was at another path; and if it only returns, the label it had.
    Moved {
        from: FsPath,
        home: Option<Arc<str>>,
    },
}
