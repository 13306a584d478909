//! One trade between a path and a slot, or two paths: the rename, the look at what came out, and the way back.
use std::os::fd::AsFd;

use clawnet_core::Digest;
use rustix::fs::{RenameFlags, renameat_with};

use super::Engine;
use crate::{
    handle::{self, EntryKind},
    image::Image,
    pin::{Ends, Pin},
    refusal::FsError,
    step::{Slot, Step, Trade},
    tree,
};

/// What trading back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenBack {
    /// The path holds what it held, or something newer that somebody else put there.
    Whole,
    /// Something that is not the node's own stays in the slot, for the owner to look at.
    Kept,
}

impl Engine<'_> {
    /// Lets the path and the slot trade places, in one step nobody can get between.
    pub(super) fn trade(self, ends: Ends<'_, '_>, step: &Step) -> Result<(), FsError> {
        let (store, slot) = (self.store.handle(), step.slot.as_str());
        let (at, name) = (ends.at.handle(), ends.at.name());
        let done = match &step.trade {
            Trade::Exchange { .. } => renameat_with(store, slot, at, name, RenameFlags::EXCHANGE),
            Trade::Place { .. } => renameat_with(store, slot, at, name, RenameFlags::NOREPLACE),
            Trade::Take { .. } => renameat_with(at, name, store, slot, RenameFlags::NOREPLACE),
            Trade::Shift { .. } => {
                let from = ends.from.ok_or(FsError::NotReversible)?;
                renameat_with(from.handle(), from.name(), at, name, RenameFlags::NOREPLACE)
            }
        };
        let moved = match &step.trade {
            Trade::Exchange { before, .. } | Trade::Take { before } => Some(before),
            Trade::Shift { after, .. } => Some(after),
            Trade::Place { .. } => None,
        };
        done.map_err(|errno| match (FsError::from(errno), moved) {
            (FsError::NotFound, Some(image)) => {
                FsError::Conflict { expected: image.hash, found: None }
            }
            (FsError::NotFound, None) => FsError::Moved,
            (other, _) => other,
        })
    }

    /// Looks at what came out of the path, now in the slot where nobody else changes names, and
    /// whether the directory is still where it was. True if it is something else, but kept.
    pub(super) fn verify(
        self,
        ends: Ends<'_, '_>,
        step: &mut Step,
        strict: bool,
    ) -> Result<bool, FsError> {
        let mut raced = false;
        if let Trade::Shift { after, .. } = &mut step.trade {
            shifted(ends.at, after)?;
        } else if let Some(before) = step.trade.before() {
            let displaced = ends.at.image_at(self.store.handle(), step.slot.as_str())?;
            let mut displaced = displaced.ok_or(FsError::Tampered)?;
            if before.hash.is_some() && displaced.kind == EntryKind::Directory {
                displaced.hash = Some(self.all_in(&step.slot));
            }
            raced = !if step.fresh { before.is(&displaced) } else { before.is_left(&displaced) };
            let is_file = (before.kind, displaced.kind) == (EntryKind::File, EntryKind::File);
            // A mode that somebody just changed is not one to put back.
            if raced && (strict || !is_file || !before.belongs_as(&displaced)) {
                return Err(FsError::Conflict { expected: before.hash, found: displaced.hash });
            }
            step.trade.set_before(displaced);
        }
        ends.at.is_there()?;
        ends.from.map_or(Ok(()), Pin::is_there)?;
        Ok(raced)
    }

    /// Whether a slot holds what was made for it, untouched.
    pub(super) fn is_as_made(self, step: &Step) -> bool {
        let found = Image::at(self.store.handle(), step.slot.as_str());
        let (Some(made), Ok(Some(mut found))) = (step.trade.after(), found) else { return false };
        if made.hash.is_some() && found.kind == EntryKind::Directory {
            found.hash = Some(self.all_in(&step.slot));
        }
        made.is(&found)
    }

    /// The digest of all that a directory in the store holds.
    fn all_in(self, slot: &Slot) -> Digest {
        let directory = handle::directory(self.store.handle(), slot.as_str());
        let digest = directory.and_then(|directory| tree::digest_of(directory.as_fd()));
        digest.unwrap_or(Digest::ZERO)
    }

    /// Trades back after something unexpected came out.
    pub(super) fn give_back(self, ends: Ends<'_, '_>, step: &Step) -> GivenBack {
        let (there, back) = (ends.reversed(), step.reversed());
        match &step.trade {
            Trade::Exchange { after, .. } => self.exchange_back(there, &back, after),
            Trade::Place { after } => {
                if self.trade(there, &back).is_err() || self.slot_holds(step, after.ino) {
                    return GivenBack::Whole;
                }
                // Somebody saved over what was placed: theirs goes back, ours is gone by them.
                self.trade(ends, step).map_or(GivenBack::Kept, |()| GivenBack::Whole)
            }
            Trade::Take { .. } | Trade::Shift { .. } => {
                self.trade(there, &back).map_or(GivenBack::Kept, |()| GivenBack::Whole)
            }
        }
    }

    /// Exchanges until the newest thing that is not ours is at the path. Usually that is once; but
    /// whoever saves by renaming over the path while ours is there sends ours away for good, and
    /// then what we hold is older than what is at the path.
    fn exchange_back(self, ends: Ends<'_, '_>, back: &Step, ours: &Image) -> GivenBack {
        let mut held: Vec<u64> = self.slot_ino(back).into_iter().collect();
        for _ in 0..EXCHANGES_MAX {
            if self.trade(ends, back).is_err() {
                return GivenBack::Kept;
            }
            match self.slot_ino(back) {
                Some(ino) if ino == ours.ino => return GivenBack::Whole,
                Some(ino) if !held.contains(&ino) => held.push(ino),
                _ => return GivenBack::Kept,
            }
        }
        GivenBack::Kept
    }

    fn slot_holds(self, step: &Step, ino: u64) -> bool {
        self.slot_ino(step) == Some(ino)
    }

    fn slot_ino(self, step: &Step) -> Option<u64> {
        let look = handle::Facts::of_entry(self.store.handle(), step.slot.as_str());
        look.ok().map(|facts| facts.ino)
    }
}

/// Whether what came to a path is what was to come, and how it is there.
fn shifted(pin: &Pin<'_>, expected: &mut Image) -> Result<(), FsError> {
    let Some(found) = pin.image()? else {
        return Err(FsError::Conflict { expected: expected.hash, found: None });
    };
    // Of an empty directory nobody was asked about what it holds.
    let filled = expected.kind == EntryKind::Directory && !expected.holds() && found.holds();
    if filled || !expected.is_still(&found) {
        return Err(FsError::Conflict { expected: expected.hash, found: found.hash });
    }
    *expected = found;
    Ok(())
}

const EXCHANGES_MAX: u32 = 8;
