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
    let image = Image::at(engine.store.handle(), step.slot.as_str());
    if let (None, Some(before), Ok(Some(image))) = (step.from(), step.trade.before(), image)
        && before.ino == image.ino
    {
        step.trade.set_before(Image { hash: image.hash.or(before.hash), ..image });
    }
}

/// How many steps were made. None if that cannot be told.
fn count_made(engine: Engine<'_>, steps: &[Step]) -> Option<usize> {
    let mut told = vec![Told::Nothing; steps.len()];
    for nth in 0..steps.len() {
        if told.get(nth) == Some(&Told::Nothing) {
            tell(engine, steps, nth, &mut told)?;
        }
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

/// What the slots say of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Made,
    NotMade,
    /// It uses no slot.
    Nothing,
}

/// What its slot says of a step, and of those after it that use the same: one after the other they
/// leave different things in it. None if what is there is none of them.
fn tell(engine: Engine<'_>, steps: &[Step], first: usize, told: &mut [Told]) -> Option<()> {
    let step = steps.get(first).filter(|step| step.from().is_none());
    let Some(Step { slot, .. }) = step else { return Some(()) };
    let uses = |step: &&Step| step.slot == *slot && step.from().is_none();
    let held = steps.iter().filter(uses).map(|step| step.trade.after());
    let last = steps.iter().rfind(uses)?.trade.before();
    let found = Image::at(engine.store.handle(), slot.as_str()).ok()?;
    let is = |held: Option<&Image>| match (held, &found) {
        (Some(held), Some(found)) => held.is_still(found),
        (None, None) => true,
        _ => false,
    };
    let mut fits = held.chain([last]).enumerate().filter(|(_, held)| is(*held));
    let (made, _) = fits.next().filter(|_| fits.next().is_none())?;
    let own = steps.iter().zip(told).filter(|(step, _)| uses(step));
    for (nth, (_, told)) in own.enumerate() {
        *told = if nth < made { Told::Made } else { Told::NotMade };
    }
    Some(())
}

fn is_shifted(engine: Engine<'_>, step: &Step, made: bool) -> bool {
    let Trade::Shift { from, after } = &step.trade else { return true };
    match look_shifted(engine, step, from, after) {
        Found::Made { .. } => made,
        Found::NotMade => !made,
        Found::Unclear => false,
    }
}
