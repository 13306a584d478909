//! What was handed out for whom, and what they say to have: in memory only.
//!
//! What is *to be* sent follows from the ledger. This only keeps it from being sent twice within
//! one life of the process, and wakes whoever sends.
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    future::{Future, poll_fn},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use clawnet_core::{Digest, OwnerId};

use crate::id::SessionId;

/// The way to each counterpart.
#[derive(Default)]
pub(crate) struct Lanes(Mutex<State>);

#[derive(Default)]
struct State {
    lanes: HashMap<OwnerId, Lane>,
    /// Those for whom there is something new.
    stirred: BTreeSet<OwnerId>,
    waiting: Vec<Waker>,
}

/// The way to one counterpart.
#[derive(Default)]
struct Lane {
    /// Frames nobody has taken to send yet.
    fresh: Vec<Vec<u8>>,
    /// Whether that is all there is to send.
    seen: bool,
    /// How often it was said that there may be more.
    stirs: u64,
    /// What was handed out last, to know what an answer is about.
    sent: VecDeque<(Digest, Token)>,
    /// What they say to have.
    taken: VecDeque<Token>,
}

/// Something a counterpart is sent, until it is known that they have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// An act, by its number.
    Act(u64),
    /// The end of a session.
    End(SessionId),
    /// An entry, by its number.
    Entry(SessionId, u64),
}

/// What there is to send to one counterpart.
pub(crate) enum Load {
    /// Just these frames.
    Fresh(Vec<Vec<u8>>),
    /// Whatever the ledger says, but for what they say to have. Tell [`Lanes::seen`] when it was
    /// looked at.
    All(Vec<Token>, Look),
}

/// One look at everything there is to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look(u64);

/// Has a lane looked at when it goes: whatever became of what was begun, a dropped future too, the
/// ledger knows it.
#[must_use]
pub(crate) struct Stirring<'l> {
    lanes: &'l Lanes,
    peer: Option<OwnerId>,
}

impl Stirring<'_> {
    /// All there is to send was handed over.
    pub(crate) fn calm(mut self) {
        self.peer = None;
    }
}

impl Drop for Stirring<'_> {
    fn drop(&mut self) {
        self.peer.into_iter().for_each(|peer| self.lanes.stir(peer));
    }
}

/// How many frames are remembered, and answers: a counterpart has at most 256 sessions here.
const REMEMBERED_MAX: usize = 512;
/// How many new frames wait before the ledger is asked instead.
const FRESH_MAX: usize = 32;
/// How many may wait at once for something to send.
const WAITING_MAX: usize = 64;
/// How many counterparts are remembered. Whoever is forgotten is sent things once more.
const LANES_MAX: usize = 4096;

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame for `peer` that was just made: what answers call it, and what it is.
    pub(crate) fn put(&self, peer: OwnerId, (of, token): (Digest, Token), frame: Vec<u8>) {
        let mut state = self.lock();
        let lane = state.lane(peer);
        lane.note(of, token);
        if lane.fresh.len() < FRESH_MAX {
            lane.fresh.push(frame);
        } else {
            lane.unsee();
        }
        state.stir(peer);
    }

    /// Something is about to be written down that `peer` may have to be told.
    pub(crate) fn stirring(&self, peer: OwnerId) -> Stirring<'_> {
        Stirring { lanes: self, peer: Some(peer) }
    }

    /// There may be more for `peer` than was put here.
    pub(crate) fn stir(&self, peer: OwnerId) {
        let mut state = self.lock();
        state.lane(peer).unsee();
        state.stir(peer);
    }

    /// The same, unless this was handed out.
    pub(crate) fn stir_for(&self, peer: OwnerId, token: Token) {
        let mut state = self.lock();
        let lane = state.lane(peer);
        let handed = lane.sent.iter().any(|(_, sent)| *sent == token);
        if !handed && !lane.taken.contains(&token) {
            lane.unsee();
            state.stir(peer);
        }
    }

    /// What there is to send to `peer`.
    pub(crate) fn load(&self, peer: OwnerId) -> Load {
        let mut state = self.lock();
        let lane = state.lane(peer);
        let fresh = std::mem::take(&mut lane.fresh);
        if lane.seen {
            state.stirred.remove(&peer);
            return Load::Fresh(fresh);
        }
        Load::All(lane.taken.iter().copied().collect(), Look(lane.stirs))
    }

    /// Everything there was for `peer` is handed out, unless something came up meanwhile.
    pub(crate) fn seen(&self, peer: OwnerId, Look(stirs): Look) {
        let mut state = self.lock();
        let lane = state.lane(peer);
        if lane.stirs == stirs {
            lane.seen = true;
            state.stirred.remove(&peer);
        }
    }

    /// Everything `peer` may still miss is to be sent again.
    pub(crate) fn again(&self, peer: OwnerId) {
        self.lock().lane(peer).unsee();
    }

    /// A frame is handed out: what answers call it, and what it is.
    pub(crate) fn note(&self, peer: OwnerId, (of, token): (Digest, Token)) {
        self.lock().lane(peer).note(of, token);
    }

    /// What `peer` says to have, or never to take.
    pub(crate) fn answered(&self, peer: OwnerId, of: Digest) -> Option<Token> {
        let mut state = self.lock();
        let lane = state.lanes.get_mut(&peer)?;
        let place = lane.sent.iter().rposition(|(sent, _)| *sent == of)?;
        lane.sent.remove(place).map(|(_, token)| token)
    }

    /// `peer` says to have it.
    pub(crate) fn taken(&self, peer: OwnerId, token: Token) {
        let mut state = self.lock();
        let lane = state.lane(peer);
        lane.taken.push_back(token);
        if lane.taken.len() > REMEMBERED_MAX {
            lane.taken.pop_front();
        }
    }

    /// Whether `peer` says to have it: `None` then.
    pub(crate) fn missing(&self, peer: OwnerId, token: Token) -> Option<()> {
        let mut state = self.lock();
        (!state.lane(peer).taken.contains(&token)).then_some(())
    }

    /// Waits until there is something new for anybody, and says for whom.
    pub(crate) fn stirred(&self) -> impl Future<Output = Vec<OwnerId>> + Send + '_ {
        poll_fn(|context| {
            let mut state = self.lock();
            if !state.stirred.is_empty() {
                return Poll::Ready(std::mem::take(&mut state.stirred).into_iter().collect());
            }
            state.waiting.retain(|waker| !waker.will_wake(context.waker()));
            // Those who stopped waiting do not say so.
            if state.waiting.len() >= WAITING_MAX {
                std::mem::take(&mut state.waiting).into_iter().for_each(Waker::wake);
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
    }
}

impl State {
    fn lane(&mut self, peer: OwnerId) -> &mut Lane {
        if self.lanes.len() >= LANES_MAX && !self.lanes.contains_key(&peer) {
            self.lanes.clear();
        }
        self.lanes.entry(peer).or_default()
    }

    fn stir(&mut self, peer: OwnerId) {
        self.stirred.insert(peer);
        std::mem::take(&mut self.waiting).into_iter().for_each(Waker::wake);
    }
}

impl Lane {
    fn unsee(&mut self) {
        self.seen = false;
        self.stirs = self.stirs.wrapping_add(1);
    }

    fn note(&mut self, of: Digest, token: Token) {
        self.sent.retain(|(_, sent)| *sent != token);
        self.sent.push_back((of, token));
        if self.sent.len() > REMEMBERED_MAX {
            self.sent.pop_front();
        }
    }
}
