//! The one way anything changes: recorded, staged, confirmed, traded, verified, recorded.
//!
//! ```text
//!  journal INTENT --> fill slots --> confirm --> trade places --> verify what came out --> COMMIT
//!                                                     \            \_ not it: trade back, ABORT
//!                                                      \_ the slot holds the backup from here on
//! ```
use std::{fs::File, sync::Arc};

use clawnet_core::{Fault, Timestamp};

use crate::{
    folders::Folders,
    journal::{Durability, Event, Journal, Key, Opened, Who},
    path::FsPath,
    pause::{Hook, Point},
    pin::{Ends, Grip, Pin, Pins},
    refusal::FsError,
    source::Sources,
    step::{Step, Trade},
    store::Store,
};

mod fill;
mod resume;
mod trade;

use trade::GivenBack;

/// What a change works with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine<'n> {
    pub(crate) folders: &'n Folders,
    pub(crate) store: &'n Store,
    pub(crate) durability: Durability,
    pub(crate) hook: &'n Hook,
}

/// One change to make.
pub(crate) struct Order<'a> {
    pub(crate) by: Key,
    pub(crate) who: Who,
    pub(crate) at: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) reverses: Vec<u64>,
    pub(crate) steps: Vec<Step>,
    /// What a fresh file will hold, and where the rest of it comes from.
    pub(crate) content: &'a [u8],
    pub(crate) sources: Sources,
    /// What is at one of the paths, held since layer 2 was asked.
    pub(crate) held: Option<(FsPath, Arc<Grip>)>,
    /// Whether displacing something else than was expected takes the change back. If not, it is
    /// kept all the same, and the change is said to have raced.
    pub(crate) strict: bool,
    /// Asks the kernel once more.
    pub(crate) confirm: &'a dyn Fn() -> Result<(), Fault>,
}

/// A change that is made and recorded.
#[derive(Debug)]
pub(crate) struct Done {
    /// Something else than was expected was displaced, and is kept.
    pub(crate) raced: bool,
}

/// Where a change stands.
struct Progress<'n> {
    steps: Vec<Step>,
    /// The directories of the steps that were made.
    pins: Vec<Pins<'n>>,
    /// What was made for them. While it is held its number is nobody else's: a person's save that
    /// sends it away for good cannot be taken for it.
    held: Vec<File>,
    raced: bool,
}

impl<'n> Engine<'n> {
    /// Makes the change, all of it or nothing.
    pub(crate) fn run(self, journal: &mut Journal, order: &Order<'_>) -> Result<Done, FsError> {
        let Order { by, at, kind, .. } = *order;
        if journal.history().get(by).is_some() {
            return Err(FsError::ForeignLedger { intent: by.intent });
        }
        let steps = order.steps.clone();
        let (who, reverses) = (order.who.clone(), order.reverses.clone());
        let opened = Opened { by, who, at, kind: kind.into(), reverses, steps };
        journal.append(Event::Intent(opened))?;
        self.hook.at(Point::Recorded);
        let steps = order.steps.clone();
        let mut progress = Progress { steps, pins: Vec::new(), held: Vec::new(), raced: false };
        while progress.pins.len() < progress.steps.len() {
            if let Err(stop) = self.step(order, &mut progress) {
                let end = self.take_back(by, &progress, &stop);
                journal.append(end)?;
                return Err(stop.error);
            }
        }
        if let Err(error) = self.flush(&progress.pins) {
            // What may not be there after a power cut is not done: an intent does not stay open.
            let end = self.take_back(by, &progress, &error.clone().into());
            journal.append(end)?;
            return Err(error);
        }
        self.hook.at(Point::Flushed);
        let Progress { steps, raced, .. } = progress;
        journal.append(Event::Commit { by, steps, raced, recovered: false })?;
        self.hook.at(Point::Committed);
        Ok(Done { raced })
    }

    /// Makes the next step.
    fn step(self, order: &Order<'_>, progress: &mut Progress<'n>) -> Result<(), Stop> {
        let nth = progress.pins.len();
        let Some(step) = progress.steps.get_mut(nth) else { return Ok(()) };
        let pins = match &order.held {
            Some((path, grip)) if *path == step.path && step.from().is_none() => {
                let place = self.folders.locate_for_change(path)?;
                Pins { at: Pin::held(&place, grip), from: None }
            }
            _ => self.pin(step)?,
        };
        let ends = pins.ends();
        if step.fresh {
            let made = self.fill(&pins.at, step, (order.sources.of(nth), order.content))?;
            progress.held.extend(made);
        }
        self.hook.at(Point::Filled);
        (order.confirm)().map_err(FsError::Stopped)?;
        pins.are_there()?;
        self.hook.at(Point::Confirmed);
        self.trade(ends, step)?;
        self.hook.at(Point::Traded);
        match self.verify(ends, step, order.strict) {
            Ok(raced) => progress.raced |= raced,
            Err(error) => return Err(Stop { given_back: self.give_back(ends, step), error }),
        }
        self.hook.at(Point::Verified);
        progress.pins.push(pins);
        Ok(())
    }

    /// Pins the directories of a step. Layer 2's list is asked again: it is the same list, but what
    /// is about to happen is not taken on trust.
    pub(crate) fn pin(self, step: &Step) -> Result<Pins<'n>, FsError> {
        let from = step.from().map(|from| self.pin_of(from)).transpose()?;
        Ok(Pins { at: self.pin_of(&step.path)?, from })
    }

    /// Pins the directory of one path that is to change.
    pub(crate) fn pin_of(self, path: &FsPath) -> Result<Pin<'n>, FsError> {
        Pin::of(&self.folders.locate_for_change(path)?)
    }

    /// After a step failed: takes back those before it, clears up, and says how that ends.
    ///
    /// The way back is flushed before it is recorded: an ABORT must not outlive what it says.
    fn take_back(self, by: Key, progress: &Progress<'n>, failed: &Stop) -> Event {
        let mut whole = failed.given_back == GivenBack::Whole;
        for (pins, made) in progress.pins.iter().zip(&progress.steps).rev() {
            whole &= self.revert(pins.ends(), made);
        }
        whole &= progress.steps.iter().all(|step| self.clear(step));
        let failed_at = progress.steps.get(progress.pins.len());
        let pins = failed_at.and_then(|step| self.pin(step).ok());
        whole &= pins.is_none_or(|pins| self.flush(&[pins]).is_ok());
        whole &= self.flush(&progress.pins).is_ok();
        let why = failed.error.to_string();
        if whole { Event::Abort { by, why } } else { Event::Conflict { by, why } }
    }

    /// Takes back one step that was made. False if something had to be left as it is.
    pub(crate) fn revert(self, ends: Ends<'_, '_>, step: &Step) -> bool {
        let (ends, mut back) = (ends.reversed(), step.reversed());
        if self.trade(ends, &back).is_err() {
            return false;
        }
        self.hook.at(Point::Traded);
        if self.verify(ends, &mut back, true).is_ok() {
            return true;
        }
        self.give_back(ends, &back);
        false
    }

    /// Removes what was made in a fresh slot, if that is what is there, and as it was made: while it
    /// was at its path a person may have saved into it.
    fn clear(self, step: &Step) -> bool {
        let made = match &step.trade {
            Trade::Exchange { after, .. } | Trade::Place { after } if step.fresh => after.ino,
            Trade::Exchange { .. }
            | Trade::Place { .. }
            | Trade::Take { .. }
            | Trade::Shift { .. } => return true,
        };
        match crate::handle::look(self.store.handle(), step.slot.as_str()) {
            Ok(facts) if facts.ino == made => self.is_as_made(step) && self.discard(step).is_ok(),
            Ok(_) => false,
            Err(error) => error.is_absence(),
        }
    }

    /// Makes the names in these directories and in the store last, if that is wanted.
    pub(crate) fn flush(self, pins: &[Pins<'_>]) -> Result<(), FsError> {
        if self.durability == Durability::ProcessSafe {
            return Ok(());
        }
        for pin in pins.iter().flat_map(Pins::iter) {
            pin.directory().sync_all()?;
        }
        self.store.flush()
    }
}

/// Why a step stopped, and whether the path is again as it was.
struct Stop {
    given_back: GivenBack,
    error: FsError,
}

impl From<FsError> for Stop {
    fn from(error: FsError) -> Self {
        Self { given_back: GivenBack::Whole, error }
    }
}
