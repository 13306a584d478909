//! When whom is to be sent what, and when whose kernel is to look for what is over.
//!
//! What is to be sent is kernel state; here is only for whom something is, and how often it was
//! tried. Losing all of it loses nothing: [`Host::wake`](super::Host::wake) finds it again.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clawnet_core::{OwnerId, Timestamp};

/// From whom, to whom.
pub(super) type Lane = (OwnerId, OwnerId);

/// What a host has to do, and when.
#[derive(Debug)]
pub(super) struct Agenda {
    /// What is tried, by who sends and to whom.
    lanes: BTreeMap<OwnerId, BTreeMap<OwnerId, Trying>>,
    /// Lanes in which there may be something new.
    looks: BTreeSet<Lane>,
    /// When each lane is tried again.
    times: BTreeSet<(Timestamp, Lane)>,
    visits: BTreeMap<OwnerId, Timestamp>,
    visit_times: BTreeSet<(Timestamp, OwnerId)>,
    patience: Patience,
}

/// How long to wait for an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) first: Duration,
    pub(super) longest: Duration,
    /// Where chance comes from: hosts with different ones do not try at the same moments.
    pub(super) seed: u64,
}

#[derive(Debug)]
struct Trying {
    at: Timestamp,
    tries: u32,
}

/// A lane whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) lane: Lane,
    /// Whether what was sent before is to be sent again.
    pub(super) again: bool,
}

impl Agenda {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            lanes: BTreeMap::new(),
            looks: BTreeSet::new(),
            times: BTreeSet::new(),
            visits: BTreeMap::new(),
            visit_times: BTreeSet::new(),
            patience,
        }
    }

    /// There may be something new in `lane`.
    pub(super) fn note(&mut self, lane: Lane) {
        self.looks.insert(lane);
    }

    /// The next lane to send something in, at `now`.
    pub(super) fn next(&mut self, now: Timestamp) -> Option<Turn> {
        if let Some(lane) = self.looks.pop_first() {
            return Some(Turn { lane, again: false });
        }
        let (_, lane) = *self.times.first().filter(|(at, _)| *at <= now)?;
        let tries = self.lane(lane).map_or(0, |trying| trying.tries).saturating_add(1);
        // Whoever takes it may be dropped before it is done: it is tried again then.
        self.set(lane, tries, now);
        Some(Turn { lane, again: true })
    }

    /// So many frames were sent in `turn`, at `now`. Where nothing is to be sent again, nothing is
    /// waited for.
    pub(super) fn sent(&mut self, turn: Turn, frames: usize, now: Timestamp) {
        match (turn.again, frames) {
            (true, 0) => self.forget(turn.lane),
            // It waits its time already.
            (true, _) | (false, 0) => {}
            // Something new: who made it made progress.
            (false, _) => self.set(turn.lane, 0, now),
        }
    }

    /// Something came from the peer of `lane`: it is there, and need not be waited for so long.
    pub(super) fn heard(&mut self, lane: Lane, now: Timestamp) {
        if let Some(tries) = self.lane(lane).map(|trying| trying.tries)
            && tries > TRIES_OF_WHO_IS_THERE
        {
            self.set(lane, TRIES_OF_WHO_IS_THERE, now);
        }
    }

    /// All lanes of `owner` are tried at once.
    pub(super) fn hurry(&mut self, owner: OwnerId, now: Timestamp) {
        for (peer, trying) in self.lanes.get_mut(&owner).into_iter().flatten() {
            let lane = (owner, *peer);
            self.times.remove(&(trying.at, lane));
            (trying.tries, trying.at) = (0, now);
            self.times.insert((now, lane));
        }
    }

    /// All lanes to `peer` are tried at once. It looks at every lane there is.
    pub(super) fn reach(&mut self, peer: OwnerId, now: Timestamp) {
        for (owner, peers) in &mut self.lanes {
            if let Some(trying) = peers.get_mut(&peer) {
                let lane = (*owner, peer);
                self.times.remove(&(trying.at, lane));
                *trying = Trying { at: now, tries: 0 };
                self.times.insert((now, lane));
            }
        }
    }

    /// How often what waits in a lane was tried, and when it is tried again.
    pub(super) fn trying(&self, lane: Lane) -> Option<(u32, Timestamp)> {
        self.lane(lane).map(|trying| (trying.tries, trying.at))
    }

    /// In how many lanes something waits.
    #[cfg(test)]
    pub(super) fn lanes_waiting(&self) -> usize {
        self.times.len() + self.looks.len()
    }

    /// `owner`'s kernel is to look for what is over, at `at` and at no other time.
    pub(super) fn visit(&mut self, owner: OwnerId, at: Option<Timestamp>) {
        if let Some(before) = self.visits.remove(&owner) {
            self.visit_times.remove(&(before, owner));
        }
        if let Some(at) = at {
            self.visits.insert(owner, at);
            self.visit_times.insert((at, owner));
        }
    }

    /// Whose kernel is to look for what is over, at `now`.
    pub(super) fn next_visit(&mut self, now: Timestamp) -> Option<OwnerId> {
        let (_, owner) = *self.visit_times.first().filter(|(at, _)| *at <= now)?;
        self.visit(owner, None);
        Some(owner)
    }

    /// When there is something to do next.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if !self.looks.is_empty() {
            return Some(Timestamp::default());
        }
        let lane = self.times.first().map(|(at, _)| *at);
        let visit = self.visit_times.first().map(|(at, _)| *at);
        lane.into_iter().chain(visit).min()
    }

    fn set(&mut self, lane: Lane, tries: u32, now: Timestamp) {
        self.forget_time(lane);
        let at = now.after(self.patience.of(lane, tries));
        self.lanes.entry(lane.0).or_default().insert(lane.1, Trying { at, tries });
        self.times.insert((at, lane));
    }

    fn forget(&mut self, lane: Lane) {
        self.forget_time(lane);
        if let Some(peers) = self.lanes.get_mut(&lane.0) {
            peers.remove(&lane.1);
            if peers.is_empty() {
                self.lanes.remove(&lane.0);
            }
        }
    }

    fn lane(&self, (owner, peer): Lane) -> Option<&Trying> {
        self.lanes.get(&owner)?.get(&peer)
    }

    fn forget_time(&mut self, lane: Lane) {
        if let Some(trying) = self.lane(lane) {
            self.times.remove(&(trying.at, lane));
        }
    }
}

impl Patience {
    /// How long to wait after so many tries: twice as long each time, up to a bound, and up to a
    /// quarter more by chance.
    fn of(self, (owner, peer): Lane, tries: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << tries.min(30)).min(self.longest);
        let mut mixed = self.seed ^ u64::from(tries);
        for byte in owner.as_bytes().iter().chain(peer.as_bytes()) {
            mixed = (mixed ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        mixed ^= mixed >> 32;
        let per_mille = u32::try_from(mixed % 250).unwrap_or(0);
        doubled.saturating_add(doubled.saturating_mul(per_mille) / 1000)
    }
}

/// As how often tried something counts for a peer that was heard of since.
const TRIES_OF_WHO_IS_THERE: u32 = 3;

#[cfg(test)]
mod tests;
