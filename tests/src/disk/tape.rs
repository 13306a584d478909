//! What happened to a disk, in order, and every moment at which the power may fail.
use std::sync::Arc;

use super::{
    SimDisk,
    fate::Fate,
    platter::{Change, End, Platter},
};

/// One thing that happened.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    Begins(Arc<str>, Change),
    Ends(Arc<str>, Change, End),
    Noted,
}

/// Everything that happened to a disk.
#[derive(Debug, Clone)]
pub struct Tape {
    pub(super) start: Platter,
    pub(super) moments: Vec<Moment>,
}

/// Where in a call the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else a call has")]
pub enum Stage {
    /// It has not begun, and the one before has ended.
    Before,
    /// It has begun.
    In,
    /// It was the last, and has ended.
    After,
}

/// A moment at which the power fails, and the disk at that moment.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Which call, counted from 1.
    pub call: u64,
    /// Where in it.
    pub stage: Stage,
    /// How many moments are on the tape until then: what was noted at most there, happened.
    pub at: usize,
    platter: Platter,
}

impl Tape {
    /// Every boundary of every call, as late as it can be, which is when most was promised.
    pub fn cuts(&self) -> impl Iterator<Item = Cut> {
        let (mut platter, mut call) = (self.start.clone(), 0);
        let moments = self.moments.iter().map(Some).chain([None]).enumerate();
        moments.filter_map(move |(at, moment)| {
            let cut = |(call, stage), platter: &Platter| {
                let platter = platter.clone();
                Some(Cut { call, stage, at, platter })
            };
            match moment {
                Some(Moment::Begins(name, change)) => {
                    call += 1;
                    let cut = cut((call, Stage::Before), &platter);
                    platter.begin(name, change);
                    cut
                }
                Some(Moment::Ends(name, change, end)) => {
                    let cut = cut((call, Stage::In), &platter);
                    platter.end(name, change, *end);
                    cut
                }
                Some(Moment::Noted) => None,
                None => cut((call, Stage::After), &platter),
            }
        })
    }
}

impl Cut {
    /// Whether there is only one way for it to end.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.platter.is_certain()
    }

    /// What is found when the power is back.
    #[must_use]
    pub fn after(&self, fate: Fate) -> Platter {
        self.platter.after(fate, self.call * 2 + u64::from(self.stage == Stage::In))
    }

    /// The same, as a disk.
    #[must_use]
    pub fn disk_after(&self, fate: Fate) -> SimDisk {
        SimDisk::holding(self.after(fate))
    }
}
