//! A simulated disk under the embedded store: which of its calls fails, and what a power cut leaves.
use std::io::ErrorKind;

use clawnet_core::{LocalStore, StoreError};
use serde::Deserialize;

use crate::disk::{Fate, Fault, Platter, SimDisk, Stage, Then};

/// The disk, and what is to befall it.
#[derive(Debug, Default)]
pub(super) struct Spindle {
    disk: SimDisk,
    plan: Option<Plan>,
    /// What a power cut left that came before the process ended, and after how many calls.
    left: Option<(Platter, u64)>,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    /// What a power cut in that call leaves, if it is one.
    leaves: Option<Fate>,
}

/// What the operating system says.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Says {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    Full,
}

/// What a power cut leaves of what was not flushed.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Leaves {
    #[default]
    Nothing,
    All,
    Zeros,
    Half,
    LastOnly,
    FirstLost,
    LastLost,
    OnePiece,
    Stale,
    Garbage,
}

impl Leaves {
    fn fate(self) -> Fate {
        match self {
            Self::Nothing => Fate::NOTHING,
            Self::All => Fate::ALL,
            Self::Zeros => Fate::partial(0),
            Self::Half => Fate::partial(1),
            Self::LastOnly => Fate::partial(2),
            Self::FirstLost => Fate::partial(3),
            Self::LastLost => Fate::partial(4),
            Self::OnePiece => Fate::partial(5),
            Self::Stale => Fate::partial(6),
            Self::Garbage => Fate::partial(7),
        }
    }
}

impl Spindle {
    /// The store on this disk.
    pub(super) fn open(&self) -> Result<LocalStore, StoreError> {
        let disk = Box::new(self.disk.clone());
        LocalStore::open_on(disk, LocalStore::SEGMENT_SIZE_BYTES_MAX).map(|(store, _)| store)
    }

    /// The `nth` call from now on that changes something fails; `lasting`: and all after it.
    pub(super) fn fail(&mut self, nth: u64, says: Says, lasting: bool) {
        let kind = match says {
            Says::Io => ErrorKind::Other,
            Says::Full => ErrorKind::StorageFull,
        };
        let then = if lasting { Then::Fails } else { Then::Works };
        self.plan((nth, kind, then), None);
    }

    /// The power fails in the `nth` call from now on that changes something.
    pub(super) fn lose_power(&mut self, nth: u64, leaves: Leaves) {
        self.plan((nth, ErrorKind::Other, Then::Nothing), Some(leaves.fate()));
    }

    fn plan(&mut self, (nth, kind, then): (u64, ErrorKind, Then), leaves: Option<Fate>) {
        let call = self.disk.calls().saturating_add(nth);
        let fault = Fault { call, kind, then, seed: 0 };
        self.disk.fails(fault);
        self.plan = Some(Plan { fault, leaves });
    }

    /// The power fails now, and takes everything that was not flushed.
    pub(super) fn cut(&mut self) {
        let left = self.lost().unwrap_or_else(|| self.disk.platter().after(Fate::NOTHING, 0));
        self.left = Some((left, self.disk.calls()));
    }

    /// The process ended: the next one finds what is left. What is to happen still will.
    pub(super) fn stopped(&mut self) {
        let (left, calls) = self.left.take().unwrap_or_else(|| {
            (self.lost().unwrap_or_else(|| self.disk.platter()), self.disk.calls())
        });
        self.disk = SimDisk::holding(left);
        if let Some(Plan { fault, leaves }) =
            self.plan.take().filter(|plan| plan.fault.call > calls)
        {
            let fault = Fault { call: fault.call - calls, ..fault };
            self.disk.fails(fault);
            self.plan = Some(Plan { fault, leaves });
        }
    }

    /// What the planned power cut left, if it came.
    fn lost(&self) -> Option<Platter> {
        let Plan { fault, leaves } = self.plan?;
        let fate = leaves.filter(|_| fault.call <= self.disk.calls())?;
        let tape = self.disk.tape();
        let mut cuts = tape.cuts();
        let cut = cuts.find(|cut| cut.call == fault.call && cut.stage == Stage::In)?;
        Some(cut.after(fate))
    }
}
