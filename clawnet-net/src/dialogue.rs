//! A session at rest: everything one kernel holds of it, as the fold of what both sides signed.
//!
//! It is a plain enum and counters here. Whoever wants to *drive* a session gets a typed
//! `Session` from it, and both consents are verified again for that.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clawnet_core::{AgentId, Digest, OwnerId, SignedAct, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    address::Address,
    entry::{End, Ending, LedgerHead, Mark, SignedEntry, What},
    id::SessionId,
    reason::Reason,
    terms::{DEPTH_MAX, Terms},
};

/// One session, at one of its two kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Dialogue {
    /// The record by which both had agreed to the terms in force.
    pub(crate) agreed: u64,
    /// Other terms that would take their place, while one owner has agreed and the other not yet.
    pub amended: Option<Box<Wording>>,
    /// Sessions beneath this one that were drafted here, over or not.
    pub(crate) children: Vec<SessionId>,
    /// All terms this owner has said yes to: something may be on its way under any of them.
    pub(crate) consented: Vec<Digest>,
    /// How many turns it cost the session above, counted when it ended.
    pub(crate) cost: u32,
    /// Turns set aside for sessions beneath this one, until they come back.
    pub drawn: BTreeMap<SessionId, Drawn>,
    /// How often turns were set aside, by either side.
    pub(crate) draws: u32,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
    /// Counts what changes what may be done because of it.
    pub(crate) epoch: u64,
    /// Who may say the next thing.
    pub floor: Side,
    /// The other side's ledger, as its last entry showed it.
    pub(crate) head: Option<LedgerHead>,
    /// The content digest of what the other side said last.
    pub(crate) heard: Option<Digest>,
    /// Entries sent from here that are not known to have arrived, the oldest first.
    pub(crate) in_flight: VecDeque<SignedEntry>,
    /// The number of the last entry held here.
    pub last: u64,
    /// When anything was last said, or it was drafted.
    pub last_at: Timestamp,
    /// Whether both have agreed once.
    pub opened: bool,
    /// Whether this owner, the other, or both have to resume it.
    pub pauses: Pauses,
    /// The digest of the last entry, or of the terms.
    pub(crate) previous: Digest,
    /// The size of this ledger that the other side is known to have been shown.
    pub(crate) proven: Option<u64>,
    /// The result of this session that its far end let be told one level up.
    pub released: Option<Digest>,
    /// How many results were released.
    pub(crate) releases: u32,
    /// How often each side said its last turn: this one's first.
    pub(crate) repeated: [Option<(Digest, u8)>; 2],
    /// What came back of turns this side had set aside, to undo that if it never arrived.
    pub(crate) returned: BTreeMap<SessionId, Drawn>,
    /// Which side of it this is.
    pub role: Side,
    /// The records of all entries held here, in their order.
    pub(crate) said: Vec<u64>,
    /// The one agent that may speak here, if the owner chose one.
    pub speaker: Option<AgentId>,
    /// Whether the other side knows that it ended.
    pub(crate) told: bool,
    /// Whether the identity did anything else because of this session since its last turn.
    pub(crate) touched: bool,
    /// Sessions beneath this one that something came from, and whose result was not released.
    pub(crate) unreleased: BTreeSet<SessionId>,
    /// How many turns were said, those on the way included, and those of children that came back.
    pub used: u32,
    /// The terms agreed on, or to be agreed on.
    pub wording: Wording,
}

/// One of the two sides of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a session has two sides")]
pub enum Side {
    /// Who began it.
    Initiator,
    /// Who was invited.
    Responder,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// Terms, and who has agreed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Wording {
    /// Their digest.
    pub digest: Digest,
    /// This owner's consent.
    pub ours: Option<SignedAct>,
    /// The terms.
    pub terms: Terms,
    /// The other owner's.
    pub theirs: Option<SignedAct>,
}

impl Wording {
    pub(crate) fn new(terms: Terms) -> Self {
        let digest = terms.digest();
        Self { terms, digest, ours: None, theirs: None }
    }

    pub(crate) fn agreed(&self) -> bool {
        self.ours.is_some() && self.theirs.is_some()
    }
}

/// How a session ended here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: Ending,
}

/// Who has to resume a session before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Pauses {
    /// This owner.
    pub ours: bool,
    /// The other owner.
    pub theirs: bool,
}

/// Turns set aside for a session beneath another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Drawn {
    /// The side that has the session, and gives back what is left of them.
    pub by: Side,
    /// How many.
    pub turns: u32,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "only one of them lets anybody speak")]
pub enum Standing {
    /// Both owners have not agreed yet.
    Invited,
    /// Both have, and it goes on.
    Open,
    /// Both have, and somebody has to resume it, or agree to what was amended.
    Paused,
    /// It is over.
    Ended(Ending),
}

impl Dialogue {
    pub(crate) fn new(role: Side, terms: Terms, at: Timestamp) -> Self {
        let wording = Wording::new(terms);
        Self {
            role,
            previous: wording.digest,
            wording,
            amended: None,
            opened: false,
            ended: None,
            used: 0,
            drawn: BTreeMap::new(),
            last: 0,
            floor: Side::Initiator,
            released: None,
            speaker: None,
            pauses: Pauses::default(),
            last_at: at,
            heard: None,
            said: Vec::new(),
            consented: Vec::new(),
            draws: 0,
            releases: 0,
            in_flight: VecDeque::new(),
            head: None,
            proven: None,
            repeated: [None, None],
            touched: false,
            children: Vec::new(),
            returned: BTreeMap::new(),
            cost: 0,
            unreleased: BTreeSet::new(),
            agreed: 0,
            told: false,
            epoch: 1,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.ended {
            Some(Ended { reason, .. }) => Standing::Ended(reason),
            None if !self.opened => Standing::Invited,
            None if self.pauses.ours || self.pauses.theirs || self.amended.is_some() => {
                Standing::Paused
            }
            None => Standing::Open,
        }
    }

    /// The terms in force, or to be agreed on.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.wording.terms
    }

    /// The identity that takes part from here.
    #[must_use]
    pub fn ours(&self) -> Address {
        self.party(self.role)
    }

    /// The identity that takes part from there.
    #[must_use]
    pub fn theirs(&self) -> Address {
        self.party(self.role.other())
    }

    /// The other owner.
    #[must_use]
    pub fn peer(&self) -> OwnerId {
        self.theirs().owner()
    }

    fn party(&self, side: Side) -> Address {
        match side {
            Side::Initiator => self.terms().initiator,
            Side::Responder => self.terms().responder,
        }
    }

    /// The terms that stand to be agreed on, or that were.
    pub(crate) fn present(&self) -> &Wording {
        self.amended.as_deref().unwrap_or(&self.wording)
    }

    /// Other terms were worded: nobody has agreed to them.
    pub(crate) fn reword(&mut self, terms: &Terms) {
        let wording = Wording::new(terms.clone());
        if self.opened {
            self.amended = Some(Box::new(wording));
        } else {
            self.previous = wording.digest;
            self.wording = wording;
        }
    }

    /// How many turns are left to both, those set aside for children left out.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.terms().turns_max.saturating_sub(self.used).saturating_sub(self.set_aside())
    }

    /// How many turns are set aside for children.
    #[must_use]
    pub fn set_aside(&self) -> u32 {
        self.drawn.values().fold(0, |sum, drawn| sum.saturating_add(drawn.turns))
    }

    /// Whether `what` may be the next entry, by `side`, at `at`. The rules are the same for what
    /// leaves and for what came.
    pub(crate) fn check_next(&self, side: Side, what: &What, at: Timestamp) -> Result<(), Reason> {
        match self.standing() {
            Standing::Ended(_) => return Err(Reason::Closed),
            Standing::Invited => return Err(Reason::NotOpen),
            Standing::Paused => return Err(Reason::Paused),
            Standing::Open => {}
        }
        if at >= self.terms().expires_at {
            return Err(Reason::Expired);
        }
        if self.floor != side {
            return Err(Reason::WrongTurn);
        }
        match what {
            What::Turn(turn) => {
                if turn.size_bytes > self.terms().bytes_max || turn.results.len() > RESULTS_MAX {
                    return Err(Reason::TooLarge);
                }
                if self.left() == 0 { Err(Reason::Limit) } else { Ok(()) }
            }
            What::Draw { child, turns } => {
                let known = self.drawn.contains_key(child) || *child == self.terms().session;
                let deep = self.terms().depth() >= DEPTH_MAX;
                let often = self.draws >= self.terms().turns_max;
                let many = often || self.drawn.len() >= CHILDREN_MAX;
                // One turn must be left to say what came of it.
                let poor = *turns == 0 || *turns >= self.left();
                if known || deep || many || poor { Err(Reason::Limit) } else { Ok(()) }
            }
            What::GiveBack { child, used } => match self.drawn.get(child) {
                Some(drawn) if drawn.by == side && *used <= drawn.turns => Ok(()),
                Some(_) | None => Err(Reason::Mismatch),
            },
        }
    }

    /// Counts `entry`, the next one, by `side`. Gives how the session ends by it, if it does.
    pub(crate) fn count(
        &mut self,
        side: Side,
        entry: &SignedEntry,
        at: Timestamp,
    ) -> Option<Ending> {
        self.last = entry.entry.number;
        self.previous = entry.entry.digest();
        self.last_at = at;
        match &entry.entry.what {
            What::Draw { child, turns } => {
                self.draws = self.draws.saturating_add(1);
                self.drawn.insert(*child, Drawn { by: side, turns: *turns });
                None
            }
            What::GiveBack { child, used } => {
                let drawn = self.drawn.remove(child);
                self.returned.extend(drawn.map(|drawn| (*child, drawn)));
                self.used = self.used.saturating_add(*used);
                None
            }
            What::Turn(turn) => {
                self.used = self.used.saturating_add(1);
                self.floor = side.other();
                self.note_repetition(side, turn.body);
                match turn.mark {
                    Mark::Resolved => Some(Ending::Resolved),
                    Mark::Deadlock => Some(Ending::Deadlock),
                    Mark::Continue if self.left() == 0 => Some(Ending::Limit),
                    Mark::Continue => None,
                }
            }
        }
    }

    /// Who says the same again and again makes no progress: both owners have to look at it.
    fn note_repetition(&mut self, side: Side, body: Digest) {
        let slot = usize::from(side != self.role);
        let Some(said) = self.repeated.get_mut(slot) else { return };
        let times = said.filter(|(before, _)| *before == body).map_or(1, |(_, times)| times + 1);
        *said = Some((body, times));
        if times >= REPEATED_MAX {
            self.pauses = Pauses { ours: true, theirs: true };
            *said = None;
        }
    }

    /// Why the other side ended it, as far as this one can tell. That the last turn was the last is
    /// for the turn to say, which is on its way from here; whatever else they say of it, they
    /// stopped it.
    pub(crate) fn ended_by(&self, end: &End) -> Ending {
        let arrived = self.in_flight.back().filter(|sent| sent.entry.number <= end.after);
        let said = arrived.and_then(|sent| sent.entry.turn()).and_then(|turn| match turn.mark {
            Mark::Resolved => Some(Ending::Resolved),
            Mark::Deadlock => Some(Ending::Deadlock),
            Mark::Continue => (self.left() == 0).then_some(Ending::Limit),
        });
        let by_turn = matches!(end.reason, Ending::Deadlock | Ending::Limit | Ending::Resolved);
        // What is above it over there is no concern of this side.
        let others = end.reason == Ending::Parent || (by_turn && said != Some(end.reason));
        if others { Ending::Owner } else { end.reason }
    }

    /// Whether a result may be released: not the one that was released last. That is the same
    /// decision, signed again, and covers nothing that was said since.
    pub(crate) fn check_released(&self, body: Digest) -> Result<(), Reason> {
        if self.released == Some(body) { Err(Reason::Replayed) } else { Ok(()) }
    }

    /// Everything sent up to `number` arrived.
    pub(crate) fn arrived(&mut self, number: u64) {
        while let Some(first) = self.in_flight.front() {
            if first.entry.number > number {
                return;
            }
            self.proven = Some(first.head.size);
            self.in_flight.pop_front();
        }
    }

    /// What was sent after `number` never arrived: it does not count.
    pub(crate) fn take_back(&mut self, number: u64) {
        while let Some(last) = self.in_flight.pop_back_if(|sent| sent.entry.number > number) {
            self.said.pop();
            self.last = last.entry.number.saturating_sub(1);
            self.previous = last.entry.previous;
            match &last.entry.what {
                What::Draw { child, .. } => drop(self.drawn.remove(child)),
                What::GiveBack { child, used } => {
                    self.used = self.used.saturating_sub(*used);
                    self.drawn.extend(self.returned.remove_entry(child));
                }
                What::Turn(_) => {
                    self.used = self.used.saturating_sub(1);
                    self.floor = self.role;
                }
            }
        }
    }
}

/// How many results of one session are released, one after the other.
pub(crate) const RELEASES_MAX: u32 = 8;
/// How many results of other sessions a turn may draw on.
pub(crate) const RESULTS_MAX: usize = 8;
/// How many sessions at once one session may have beneath it.
const CHILDREN_MAX: usize = 2;
/// How often a side may say the same.
const REPEATED_MAX: u8 = 3;
