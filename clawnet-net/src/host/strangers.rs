//! Who is nobody's acquaintance, and how many kernels are opened for such.
use std::collections::HashSet;

use clawnet_core::{OwnerId, Timestamp};

use super::{
    agenda::Lane,
    bucket::{Buckets, Spent},
    limits::Rate,
};

/// Whom owners here have heard, and what strangers may cost.
///
/// An address is no secret: whoever knows many can name each of them once, and have as many kernels
/// opened, which costs more than anything else a frame brings about.
///
/// **Promises** bounded memory: who has not been heard for long is forgotten, and counts as a
/// stranger until they are heard again; and that nobody is forgotten who is heard again before
/// 65 536 others were.
#[derive(Debug)]
pub(super) struct Strangers {
    /// What all may have opened together.
    openings: Buckets,
    /// What each of them may, so that one leaves some to others.
    each: Buckets,
    young: HashSet<Lane>,
    old: HashSet<Lane>,
}

impl Strangers {
    pub(super) fn new(rate: Rate) -> Self {
        let (openings, each) = (Buckets::new(rate), Buckets::new(rate.quarter()));
        Self { openings, each, young: HashSet::new(), old: HashSet::new() }
    }

    /// Whether the peer of `lane` is known to its owner.
    pub(super) fn knows(&self, lane: Lane) -> Result<(), Stranger> {
        let known = self.young.contains(&lane) || self.old.contains(&lane);
        if known { Ok(()) } else { Err(Stranger) }
    }

    /// Whether the peer of `lane` was met so lately that nothing is to be kept of it again. Who was
    /// met before that is forgotten next, unless they are [met](Self::meet) again.
    pub(super) fn met_lately(&self, lane: Lane) -> bool {
        self.young.contains(&lane)
    }

    /// The peer of `lane` is a contact of its owner, and was heard.
    pub(super) fn meet(&mut self, lane: Lane) {
        if self.young.len() >= KEPT_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(lane);
    }

    /// Counts a kernel to be opened for `sender`, whom nobody there knows. Whoever has not proven
    /// who they are is one sender together.
    pub(super) fn open(&mut self, sender: Option<OwnerId>, now: Timestamp) -> Result<(), Spent> {
        let own = self.each.ready(sender, now)?;
        self.openings.ready(None, now)?.take();
        own.take();
        Ok(())
    }
}

/// Nobody there knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stranger;

/// How many acquaintances are kept at least, and half as many as are kept at most.
pub(super) const KEPT_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acquaintances_cost_bounded_memory() {
        let mut strangers = Strangers::new(Rate::per_second(1));
        let owner = OwnerId::of_key(&[1; 32]);
        let peer = |nth: usize| {
            let mut key = [2; 32];
            key[..8].copy_from_slice(&nth.to_le_bytes());
            (owner, OwnerId::of_key(&key))
        };
        for nth in 0..3 * KEPT_MAX {
            assert_eq!(strangers.knows(peer(nth)), Err(Stranger));
            strangers.meet(peer(nth));
            assert_eq!(strangers.knows(peer(nth)), Ok(()));
        }
        assert!(strangers.young.len() + strangers.old.len() <= 2 * KEPT_MAX);
        assert_eq!(strangers.knows(peer(2 * KEPT_MAX)), Ok(()));
        assert_eq!(strangers.knows(peer(0)), Err(Stranger));
    }
}
