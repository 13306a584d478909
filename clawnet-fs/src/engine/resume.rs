//! The rest of a plan that a crash interrupted.
use super::{Engine, trade::GivenBack};
use crate::step::Step;

impl Engine<'_> {
    /// Makes a step of a plan whose intent was recorded before a crash. The kernel is not asked
    /// again: it is not there yet, and what it allowed is half way.
    pub(crate) fn resume(self, step: &mut Step) -> Result<(), Stopped> {
        let untouched = |_| Stopped { whole: true };
        let pins = self.pin(step).map_err(untouched)?;
        pins.are_there().map_err(untouched)?;
        let ends = pins.ends();
        self.trade(ends, step).map_err(untouched)?;
        if self.verify(ends, step, true).is_ok() {
            return Ok(());
        }
        Err(Stopped { whole: self.give_back(ends, step) == GivenBack::Whole })
    }
}

/// A step was not made.
pub(crate) struct Stopped {
    /// Whether the path is as it was.
    pub(crate) whole: bool,
}
