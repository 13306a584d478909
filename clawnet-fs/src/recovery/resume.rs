//! A way back that a crash interrupted: followed to its end, or not begun.
//!
//! The plan is in the journal, and its steps are made one by one, in order, each in one rename. So
//! what is there is what so many of them leave. How many is told by the slots, each of which belongs
//! to one step of the plan, and of a move between two paths by what is at them.
//!
//! | steps made | so |
//! |---|---|
//! | none | ABORT: nothing happened, and somebody may have been forbidden it since |
//! | all | COMMIT |
//! | some, and all others still fit | the others are made: COMMIT |
//! | some, and one does not fit any more | those made are taken back: ABORT |
//! | neither can be done, or it cannot be told | what is there stays: CONFLICT |
//!
//! Both ways leave what so many steps leave after each rename, so a crash in here is recovered from
//! in the same way.
use super::{Found, look_shifted};
use crate::{
    engine::Engine,
    image::Image,
    journal::{Change, Event},
    pause::Point,
    refusal::FsError,
    sight::Sight,
    step::{Step, Trade},
};

/// How an open change that takes back others ends.
pub(super) fn close(engine: Engine<'_>, change: Change) -> Event {
    let Change { by, mut steps, .. } = change;
    let aborted = || Event::Abort { by, why: "interrupted".into() };
    let Some(made) = count_made(engine, &steps) else {
        let why = "what is there after a crash is not what the node left".into();
        return Event::Conflict { by, why };
    };
    if made == 0 {
        return aborted();
    }
    let (done, rest) = steps.split_at_mut(made);
    for step in done.iter_mut() {
        fill_in(engine, step);
    }
    match make(engine, rest) {
        Ok(()) => Event::Commit { by, steps, raced: false, recovered: true },
        Err(Stuck { made: again, whole }) => {
            let back = done.iter().chain(rest.iter().take(again)).rev();
            let whole = back.fold(whole, |whole, step| whole & take_back(engine, step));
            let why = "what was left to take back changed".into();
            if whole { aborted() } else { Event::Conflict { by, why } }
        }
    }
}

/// How far the rest of a plan came.
struct Stuck {
    made: usize,
    whole: bool,
}

/// Makes the rest of a plan, if all of it fits.
fn make(engine: Engine<'_>, rest: &mut [Step]) -> Result<(), Stuck> {
    let mut sight = Sight::of(engine.folders, engine.store);
    if sight.follow(rest.iter().cloned()).is_err() {
        return Err(Stuck { made: 0, whole: true });
    }
    for (made, (step, fitted)) in rest.iter_mut().zip(sight.into_steps()).enumerate() {
        *step = fitted;
        if let Err(stopped) = engine.resume(step) {
            return Err(Stuck { made, whole: stopped.whole });
        }
        engine.hook.at(Point::Traded);
    }
    Ok(())
}

fn take_back(engine: Engine<'_>, step: &Step) -> bool {
    let taken = engine.pin(step).is_ok_and(|pins| engine.revert(pins.ends(), step));
    engine.hook.at(Point::Traded);
    taken
}

/// What a step displaced lies in its slot.
fn fill_in(engine: Engine<'_>, step: &mut Step) {
    if matches!(step.trade, Trade::Exchange { .. } | Trade::Take { .. })
        && let Ok(Some(image)) = in_slot(engine, step)
    {
        step.trade.set_before(image);
    }
}

/// How many steps were made. None if that cannot be told.
fn count_made(engine: Engine<'_>, steps: &[Step]) -> Option<usize> {
    let told: Vec<Told> = steps.iter().map(|step| tell(engine, step)).collect();
    if told.contains(&Told::Unclear) {
        return None;
    }
    let least = told.iter().rposition(|told| *told == Told::Made).map_or(0, |last| last + 1);
    let most = told.iter().position(|told| *told == Told::NotMade).unwrap_or(steps.len());
    // Between the two are moves. If two counts fit, they leave the same.
    (least..=most).rev().find(|made| {
        let latest = made.checked_sub(1).filter(|nth| *nth >= least);
        let latest = latest.and_then(|nth| steps.get(nth));
        let next = steps.get(*made).filter(|_| *made < most);
        latest.is_none_or(|step| is_shifted(engine, step, true))
            && next.is_none_or(|step| is_shifted(engine, step, false))
    })
}

/// What the slot says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Made,
    NotMade,
    /// It uses no slot.
    Nothing,
    Unclear,
}

fn tell(engine: Engine<'_>, step: &Step) -> Told {
    let Ok(slot) = in_slot(engine, step) else { return Told::Unclear };
    let is = |image: &Image| slot.as_ref().is_some_and(|slot| image.is(slot));
    match &step.trade {
        Trade::Shift { .. } => Told::Nothing,
        Trade::Place { after } if is(after) => Told::NotMade,
        Trade::Take { before } | Trade::Exchange { before, .. } if is(before) => Told::Made,
        Trade::Exchange { after, .. } if is(after) => Told::NotMade,
        Trade::Place { .. } if slot.is_none() => Told::Made,
        Trade::Take { .. } if slot.is_none() => Told::NotMade,
        Trade::Place { .. } | Trade::Take { .. } | Trade::Exchange { .. } => Told::Unclear,
    }
}

fn is_shifted(engine: Engine<'_>, step: &Step, made: bool) -> bool {
    let Trade::Shift { from, after, before } = &step.trade else { return true };
    match look_shifted(engine, step, from, (after, before.as_ref())) {
        Found::Made { .. } => made,
        Found::NotMade => !made,
        Found::Unclear => false,
    }
}

fn in_slot(engine: Engine<'_>, step: &Step) -> Result<Option<Image>, FsError> {
    Image::at(engine.store.handle(), step.slot.as_str())
}
