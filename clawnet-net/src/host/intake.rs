//! What comes to a host, before any work is done for it: limits, whom it is for, and a queue.
use std::collections::{BTreeMap, HashMap};

use clawnet_core::{OwnerId, Timestamp};

use super::{
    bucket::Buckets,
    header::Header,
    limits::HostLimits,
    queue::{Bounds, Queues, Sender, Weighed},
};
use crate::transport::Proven;

/// How a frame came.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// From the kernel of this owner, which is open here.
    Within(OwnerId),
    /// Over a link.
    Over(Proven),
}

/// A frame that waits for a kernel.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) frame: Vec<u8>,
    pub(super) from: Option<OwnerId>,
    pub(super) way: Way,
}

impl Weighed for Waiting {
    fn size_bytes(&self) -> usize {
        self.frame.len()
    }
}

/// A frame to be worked on, and what was turned away since the one before it.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) owner: OwnerId,
    pub(super) waiting: Waiting,
    pub(super) turned_away: Vec<(Sender, u64)>,
}

/// There is no room for a frame, or no right to any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Over;

/// Everything that waits, and what everybody may still send.
#[derive(Debug)]
pub(super) struct Intake {
    queues: Queues<Waiting>,
    links: Buckets,
    senders: Buckets,
    owners: Buckets,
    /// What was turned away for whom, from whom, since their kernel was told last.
    turned_away: HashMap<OwnerId, BTreeMap<Sender, u64>>,
}

impl Intake {
    pub(super) fn new(limits: &HostLimits) -> Self {
        let HostLimits { frames_waiting_max, bytes_waiting_max, .. } = *limits;
        let bounds = Bounds { frames_max: frames_waiting_max, bytes_max: bytes_waiting_max };
        Self {
            queues: Queues::new(bounds),
            links: Buckets::new(limits.from_link),
            senders: Buckets::new(limits.from_sender),
            owners: Buckets::new(limits.for_owner),
            turned_away: HashMap::new(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queues.waiting()
    }

    /// Counts a frame that came over a link, before anybody looks at whom it is for.
    pub(super) fn count(
        &mut self,
        (header, proven): (&Header, &Proven),
        now: Timestamp,
    ) -> Result<Sender, Over> {
        let sender = proven.speaks_for(header.from).is_ok().then_some(header.from);
        let ready = match sender {
            Some(_) => self.senders.ready(sender, now),
            None => self.links.ready(proven.first(), now),
        };
        ready.map_err(|_| Over)?.take();
        Ok(sender)
    }

    /// Counts a frame for an owner who is hosted here.
    pub(super) fn count_for(&mut self, owner: OwnerId, now: Timestamp) -> Result<(), Over> {
        self.owners.ready(Some(owner), now).map_err(|_| Over)?.take();
        Ok(())
    }

    /// Lets a frame wait for its kernel. Says whose frames found no room.
    pub(super) fn push(&mut self, owner: OwnerId, sender: Sender, waiting: Waiting) -> Vec<Sender> {
        let dropped = self.queues.push(owner, sender, waiting);
        let senders: Vec<_> = dropped.into_iter().map(|dropped| dropped.sender).collect();
        for sender in &senders {
            self.turn_away((owner, *sender), 1);
        }
        senders
    }

    /// Counts what was turned away, for the owner's own record.
    pub(super) fn turn_away(&mut self, (owner, sender): (OwnerId, Sender), times: u64) {
        if self.turned_away.len() >= OWNERS_MAX && !self.turned_away.contains_key(&owner) {
            return;
        }
        let counts = self.turned_away.entry(owner).or_default();
        let sender = if counts.len() < SENDERS_MAX { sender } else { None };
        let count = counts.entry(sender).or_default();
        *count = count.saturating_add(times);
    }

    /// The next frame to work on.
    pub(super) fn next(&mut self) -> Option<Taken> {
        let (owner, _, waiting) = self.queues.next()?;
        let turned_away = self.turned_away.remove(&owner).into_iter().flatten().collect();
        Some(Taken { owner, waiting, turned_away })
    }

    /// Of whom frames wait for `owner`.
    #[cfg(test)]
    pub(super) fn senders_of(&self, owner: OwnerId) -> Vec<Sender> {
        self.queues.senders_of(owner)
    }

    /// What was worked on for `owner` is done.
    pub(super) fn done(&mut self, owner: OwnerId) {
        self.queues.done(owner);
    }
}

/// For how many owners it is counted what was turned away.
const OWNERS_MAX: usize = 65_536;
/// From how many senders each.
const SENDERS_MAX: usize = 16;
