//! What a crash left half way: found by looking, finished or taken back, and recorded.
//!
//! | the slot holds | the path holds | so |
//! |---|---|---|
//! | nothing, or part of the new content | what it held | nothing happened: clear up, ABORT |
//! | what the path held | the new content | it happened: COMMIT |
//! | something else, a person's | the new content | it happened, they were first: COMMIT, raced |
//! | nothing | what was to be placed | it happened: COMMIT |
//! | what was to be taken | nothing, or something new | it happened: COMMIT |
//! | (of a move) | what was at the other path | it happened: COMMIT |
//! | anything else | anything else | touch nothing, keep everything: CONFLICT |
//!
//! Looking changes nothing, so a crash in here is recovered from in the same way.
use std::os::fd::{AsFd, BorrowedFd};

use crate::{
    engine::Engine,
    handle::{self, EntryKind, Facts},
    image::{self, Image},
    journal::{Change, Event, Journal},
    path::FsPath,
    pause::Point,
    pin::Pins,
    refusal::FsError,
    step::{Step, Trade},
    tree,
};

mod resume;

/// What opening a node found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Recovered {
    /// Bytes of a last journal record that was never finished, and was dropped.
    pub torn_bytes: u64,
    /// The first line of the journal that is not what was written. The node then changes nothing.
    pub broken_at: Option<u64>,
    /// Intents that turned out to be done.
    pub committed: Vec<u64>,
    /// Intents that turned out not to be done, or were taken back.
    pub aborted: Vec<u64>,
    /// Intents whose traces fit nothing: everything is kept, and the owner has to look.
    pub conflicts: Vec<u64>,
    /// Intents in folders that are not declared now. They wait.
    pub waiting: Vec<u64>,
}

/// What is found of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// It was made, and displaced this.
    Made { displaced: Option<Image>, raced: bool },
    /// It was not.
    NotMade,
    /// It cannot be told.
    Unclear,
}

/// Brings every open change to an end.
pub(crate) fn recover(
    engine: Engine<'_>,
    journal: &mut Journal,
    report: &mut Recovered,
) -> Result<(), FsError> {
    if journal.is_open().is_err() {
        return Ok(());
    }
    for change in journal.history().open() {
        let intent = change.by.intent;
        let steps = change.steps.clone();
        match close(engine, change) {
            Some(event) => {
                let pins: Vec<Pins<'_>> =
                    steps.iter().filter_map(|step| engine.pin(step).ok()).collect();
                engine.flush(&pins)?;
                engine.hook.at(Point::Flushed);
                match &event {
                    Event::Commit { .. } => report.committed.push(intent),
                    Event::Abort { .. } => report.aborted.push(intent),
                    Event::Begin { .. }
                    | Event::Intent(_)
                    | Event::Conflict { .. }
                    | Event::Labels(_)
                    | Event::Told { .. }
                    | Event::Weighed { .. }
                    | Event::Pruned { .. } => {
                        report.conflicts.push(intent);
                    }
                }
                journal.append(event)?;
                engine.hook.at(Point::Committed);
            }
            None => report.waiting.push(intent),
        }
    }
    Ok(())
}

/// How one open change ends, or none if its folder is not here.
fn close(engine: Engine<'_>, change: Change) -> Option<Event> {
    let declared = |path: &FsPath| engine.folders.locate_for_change(path).is_ok();
    if !change.steps.iter().flat_map(Step::paths).all(declared) {
        return None;
    }
    if !change.reverses.is_empty() {
        return Some(resume::close(engine, change));
    }
    let Change { by, mut steps, .. } = change;
    let found: Vec<Found> = steps.iter().map(|step| look(engine, step)).collect();
    let found = in_order(&steps, found);
    engine.hook.at(Point::Confirmed);
    if found.contains(&Found::Unclear) {
        let why = "what is there after a crash is not what the node left".into();
        return Some(Event::Conflict { by, why });
    }
    if !found.contains(&Found::NotMade) {
        let mut raced = false;
        for (step, found) in steps.iter_mut().zip(found) {
            raced |= finish(engine, step, found);
        }
        return Some(Event::Commit { by, steps, raced, recovered: true });
    }
    let mut whole = true;
    for (step, found) in steps.iter().zip(&found).rev() {
        whole &= match found {
            Found::Made { .. } => take_back(engine, step),
            Found::NotMade | Found::Unclear => true,
        };
        whole &= !step.fresh || clear(engine, step);
        engine.hook.at(Point::Verified);
    }
    let why = "interrupted".into();
    Some(if whole { Event::Abort { by, why } } else { Event::Conflict { by, why } })
}

/// What is found of each, given that they were made in order: where two use one slot, in turn,
/// the slot shows what the last of them did.
fn in_order(steps: &[Step], mut found: Vec<Found>) -> Vec<Found> {
    for (nth, step) in steps.iter().enumerate() {
        let same = |(at, other): &(usize, &Step)| *at < nth && other.slot == step.slot;
        let Some((earlier, _)) = steps.iter().enumerate().find(same) else { continue };
        match (found.get(earlier), found.get(nth)) {
            (Some(Found::NotMade), Some(Found::Unclear)) => {
                found.iter_mut().skip(nth).take(1).for_each(|found| *found = Found::NotMade);
            }
            (_, Some(Found::Made { .. })) => {
                let made = Found::Made { displaced: None, raced: false };
                found.iter_mut().skip(earlier).take(1).for_each(|found| *found = made.clone());
            }
            _ => {}
        }
    }
    found
}

/// Fills in what a step left and displaced. True if that was not what it expected.
fn finish(engine: Engine<'_>, step: &mut Step, found: Found) -> bool {
    let is_shift = step.from().is_some();
    if let (false, Ok(Some(left))) = (is_shift, at_path(engine, step)) {
        match step.trade.after().cloned() {
            // It was made so, whatever the steps after it put there.
            Some(Image { kind: EntryKind::Directory, size_bytes, hash, .. }) => {
                step.trade.set_after(Image { size_bytes, hash, ..left });
            }
            // What was planned has no inode yet; what was put back has.
            Some(Image { ino: 0, hash, .. }) if hash == left.hash => step.trade.set_after(left),
            Some(Image { ino, .. }) if ino == left.ino => step.trade.set_after(left),
            _ => {}
        }
    }
    let Found::Made { displaced, raced } = found else { return false };
    if let Some(image) = displaced {
        step.trade.set_before(image);
    }
    raced
}

fn take_back(engine: Engine<'_>, step: &Step) -> bool {
    let Ok(pins) = engine.pin(step) else { return false };
    let mut step = step.clone();
    // A planned image has no inode yet; what is there has.
    let planned = step.trade.after().filter(|_| step.fresh).cloned();
    if let (Some(Image { size_bytes, hash, .. }), Ok(Some(left))) =
        (planned, at_path(engine, &step))
    {
        // It holds what it was made with: what a person put into it since does not go along.
        step.trade.set_after(Image { size_bytes, hash, ..left });
    }
    engine.revert(pins.ends(), &step)
}

/// Removes what was made for a step that was not.
fn clear(engine: Engine<'_>, step: &Step) -> bool {
    matches!(step.trade, Trade::Take { .. } | Trade::Shift { .. })
        || is_own(engine, step) && engine.discard(step).is_ok()
}

/// Whether a slot holds what was to be made in it, or a part of that. What is something else and
/// was renamed since it was last written was at its path, and a person may have saved into it.
fn is_own(engine: Engine<'_>, step: &Step) -> bool {
    let (at, slot) = (engine.store.handle(), step.slot.as_str());
    match Facts::of_entry(at, slot) {
        Err(error) => return error.is_absence(),
        Ok(facts) if facts.changed == facts.modified => return true,
        Ok(_) => {}
    }
    let (Some(planned), Ok(Some(found))) = (step.trade.after(), seen(at, slot, step)) else {
        return false;
    };
    if found.kind != EntryKind::Directory {
        return found.size_bytes == 0 || planned.holds_what(&found);
    }
    let digest = || tree::digest_of(handle::directory(at, slot)?.as_fd());
    !found.holds() || planned.hash.is_some() && planned.hash == digest().ok()
}

/// What became of one step. Only looks.
fn look(engine: Engine<'_>, step: &Step) -> Found {
    let slot = seen(engine.store.handle(), step.slot.as_str(), step);
    let (Ok(slot), Ok(at_path)) = (slot, at_path(engine, step)) else { return Found::Unclear };
    match &step.trade {
        Trade::Take { before } => match slot {
            None => Found::NotMade,
            Some(slot) if before.is(&slot) => made(slot, false),
            Some(_) => Found::Unclear,
        },
        Trade::Place { after } => look_placed(step, after, slot.as_ref(), at_path.as_ref()),
        Trade::Shift { from, after } => look_shifted(engine, step, from, after),
        Trade::Exchange { before, after } => match slot {
            None if step.fresh => Found::NotMade,
            None => Found::Unclear,
            Some(slot) if before.is(&slot) => made(slot, false),
            Some(slot) if !step.fresh => {
                if after.is(&slot) {
                    Found::NotMade
                } else {
                    Found::Unclear
                }
            }
            Some(slot) => match at_path {
                _ if after.holds_what(&slot) => Found::NotMade,
                Some(path) if path.ino == before.ino => Found::NotMade,
                Some(path) if after.holds_what(&path) => made(slot, true),
                Some(_) | None => Found::Unclear,
            },
        },
    }
}

fn look_placed(step: &Step, after: &Image, slot: Option<&Image>, path: Option<&Image>) -> Found {
    let is_it = |image: &Image| {
        if step.fresh {
            let directory =
                (after.kind, image.kind) == (EntryKind::Directory, EntryKind::Directory);
            directory || after.holds_what(image)
        } else {
            after.kind == image.kind && after.ino == image.ino
        }
    };
    match (slot, path) {
        (Some(slot), _) if step.fresh || is_it(slot) => Found::NotMade,
        (None, Some(path)) if is_it(path) => Found::Made { displaced: None, raced: false },
        (None, None) if step.fresh => Found::NotMade,
        _ => Found::Unclear,
    }
}

/// By what is at the two paths: the thing is the same one wherever it is.
fn look_shifted(engine: Engine<'_>, step: &Step, from: &FsPath, after: &Image) -> Found {
    let entry = |path: &FsPath| match engine.pin_of(path).and_then(|pin| pin.facts_of_entry()) {
        Err(error) if error.is_absence() => Ok(None),
        other => other,
    };
    let (Ok(at_from), Ok(at_path)) = (entry(from), entry(&step.path)) else {
        return Found::Unclear;
    };
    let is = |facts: &Option<Facts>, image: &Image| {
        facts.is_some_and(|facts| (facts.kind, facts.ino) == (image.kind, image.ino))
    };
    if is(&at_from, after) || at_from.is_some() && at_path.is_none() {
        Found::NotMade
    } else if is(&at_path, after) {
        Found::Made { displaced: None, raced: false }
    } else {
        Found::Unclear
    }
}

/// What is at the path of a step.
fn at_path(engine: Engine<'_>, step: &Step) -> Result<Option<Image>, FsError> {
    match engine.pin_of(&step.path).and_then(|pin| seen(pin.handle(), pin.name(), step)) {
        Err(error) if error.is_absence() => Ok(None),
        other => other,
    }
}

/// What is there, with its digest if it is as long as what the step was to write: after a crash
/// that is worth reading all of it.
fn seen(at: BorrowedFd<'_>, name: &str, step: &Step) -> Result<Option<Image>, FsError> {
    match Image::open(at, name) {
        Ok((file, mut image)) => {
            let written = step.trade.after().filter(|after| after.hash.is_some());
            if image.kind == EntryKind::File
                && written.is_some_and(|after| after.size_bytes == image.size_bytes)
            {
                image.hash = Some(image::digest(&file, image.size_bytes)?);
            }
            Ok(Some(image))
        }
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

fn made(displaced: Image, raced: bool) -> Found {
    Found::Made { displaced: Some(displaced), raced }
}
