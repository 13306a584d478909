//! What two owners agree on before a word is said: the terms of one session.
//!
//! Both sign the *digest* of the same terms. Changing anything makes another digest, which neither
//! has signed.
use std::time::Duration;

use clawnet_core::{Digest, Grant, OwnerId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{address::Address, id::SessionId, text};

/// The terms of one session, as both owners sign them.
///
/// **Promises** nothing by itself: only two consents over [`Terms::digest`] open a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Terms {
    /// The sessions this one is beneath, the outermost first. Empty for one of its own.
    pub ancestry: Vec<Level>,
    /// How many bytes one turn may have.
    pub bytes_max: u32,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// After how long without an entry it ends.
    pub idle_ms: u64,
    /// Who begins.
    pub initiator: Address,
    /// Who is invited.
    pub responder: Address,
    /// Which wording this is, counted from 1.
    pub revision: u32,
    /// What either identity may do on account of this session, in its own house: every one of these
    /// grants *and* its own scope must allow it. A child's begin with its parent's.
    pub scope: Vec<Grant>,
    /// Which session.
    pub session: SessionId,
    /// What it is about.
    pub topic: String,
    /// How many turns both have together, those of children included.
    pub turns_max: u32,
}

/// A session another one is beneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Level {
    /// Who began it.
    pub initiator: OwnerId,
    /// With whom.
    pub responder: OwnerId,
    /// Which.
    pub session: SessionId,
}

impl Terms {
    /// What is signed: the digest of a line that says what this is, and the canonical JSON.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut bytes = b"clawnet terms v1\n".to_vec();
        // Plain data with text keys: writing it to memory cannot fail, and the digest of a cut
        // text is of no terms at all.
        if serde_json::to_writer(&mut bytes, self).is_err() {
            bytes.clear();
        }
        Digest::of_content(&bytes)
    }

    /// How deep it is: 0 for a session of its own.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.ancestry.len()
    }

    /// The session right above.
    #[must_use]
    pub fn parent(&self) -> Option<SessionId> {
        self.ancestry.last().map(|level| level.session)
    }

    /// What children name as their last ancestor.
    #[must_use]
    pub fn level(&self) -> Level {
        let (initiator, responder) = (self.initiator.owner(), self.responder.owner());
        Level { initiator, responder, session: self.session }
    }

    /// Every owner on the way from the outermost session to this one, each once per level, in order:
    /// the outermost initiator, then who each level added.
    pub fn owners(&self) -> impl Iterator<Item = OwnerId> {
        let levels = self.ancestry.iter().flat_map(|level| [level.initiator, level.responder]);
        levels.chain([self.initiator.owner(), self.responder.owner()])
    }

    /// Whether anybody may be asked to agree to this at all.
    ///
    /// # Errors
    /// When a bound is outside what any session may have, or an owner would meet twice.
    pub fn check(&self) -> Result<(), TermsError> {
        let bound = |what, value: u64, max: u64| {
            if (1..=max).contains(&value) { Ok(()) } else { Err(TermsError::Bound { what, max }) }
        };
        bound("turns", self.turns_max.into(), TURNS_MAX)?;
        bound("bytes in a turn", self.bytes_max.into(), BYTES_MAX)?;
        bound("hours without an entry", self.idle_ms.div_ceil(HOUR_MS), IDLE_MS_MAX / HOUR_MS)?;
        bound("characters of topic", self.topic.chars().count() as u64, TOPIC_CHARS_MAX)?;
        if text::is_seen(&self.topic).is_none() {
            return Err(TermsError::Topic);
        }
        bound("revisions", self.revision.into(), REVISIONS_MAX)?;
        bound("grants", self.scope.len() as u64, self.ancestry.len() as u64 + 1)?;
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |bytes| bytes.len());
        bound("bytes in all terms", bytes as u64, TERMS_BYTES_MAX)?;
        if self.scope.len() != self.ancestry.len() + 1 {
            return Err(TermsError::Scope);
        }
        if self.scope.iter().flat_map(Grant::rules).any(|rule| rule.budget().is_some()) {
            return Err(TermsError::Metered);
        }
        if self.ancestry.len() > DEPTH_MAX {
            return Err(TermsError::TooDeep);
        }
        self.check_chain()
    }

    /// Each level is begun by one of the two above it, with somebody who is nowhere above.
    fn check_chain(&self) -> Result<(), TermsError> {
        let mut met: Vec<OwnerId> = Vec::new();
        let mut sessions = Vec::new();
        for level in self.ancestry.iter().copied().chain([self.level()]) {
            let linked = match sessions.last() {
                None => true,
                Some(Level { initiator, responder, .. }) => {
                    [*initiator, *responder].contains(&level.initiator)
                }
            };
            let named_twice = sessions.iter().any(|above: &Level| above.session == level.session);
            if !linked || named_twice {
                return Err(TermsError::Ancestry);
            }
            if level.initiator == level.responder || met.contains(&level.responder) {
                return Err(TermsError::Cycle);
            }
            if met.is_empty() {
                met.push(level.initiator);
            }
            met.push(level.responder);
            sessions.push(level);
        }
        Ok(())
    }

    /// Whether `next` is another wording of the same session: same parties, same place, same topic.
    ///
    /// # Errors
    /// When it is another session, or not the next revision.
    pub fn check_amended(&self, next: &Self) -> Result<(), TermsError> {
        self.check_reworded(next)?;
        let follows = next.revision == self.revision.saturating_add(1);
        if follows { Ok(()) } else { Err(TermsError::NotAnAmendment) }
    }

    /// Whether `next` is a wording of the same session.
    pub(crate) fn check_reworded(&self, next: &Self) -> Result<(), TermsError> {
        next.check()?;
        let same = self.session == next.session
            && self.initiator == next.initiator
            && self.responder == next.responder
            && self.ancestry == next.ancestry
            && self.topic == next.topic
            && self.scope.split_last().map(|(_, above)| above)
                == next.scope.split_last().map(|(_, above)| above);
        if same { Ok(()) } else { Err(TermsError::NotAnAmendment) }
    }
}

/// What an agent or an owner would like to agree on. The kernel makes [`Terms`] of it: it knows who
/// meets whom.
///
/// ```
/// # use clawnet_core::{Action, Grant, OwnerId, Region};
/// # use clawnet_net::Proposal;
/// # fn example(supplier: OwnerId) -> Result<Proposal, Box<dyn std::error::Error>> {
/// let scope = Grant::new().allow(Action::Read, Region::subtree("fs:/offers")?);
/// Ok(Proposal::to(supplier, "2,000 valves, delivery in March").turns(6).scope(scope))
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a proposal is nothing until it is drafted"]
pub struct Proposal {
    pub(crate) bytes_max: u32,
    pub(crate) expires_in: Duration,
    pub(crate) idle: Duration,
    pub(crate) parent: Option<SessionId>,
    pub(crate) peer: OwnerId,
    pub(crate) scope: Grant,
    pub(crate) topic: String,
    pub(crate) turns_max: u32,
}

impl Proposal {
    /// A session with `peer` about `topic`: 10 turns of at most 16 KiB, over within a week, and
    /// after a day without a word. In it nothing may be done but speak.
    pub fn to(peer: OwnerId, topic: impl Into<String>) -> Self {
        Self {
            bytes_max: 16 << 10,
            expires_in: Duration::from_hours(7 * 24),
            idle: Duration::from_hours(24),
            parent: None,
            peer,
            scope: Grant::new(),
            topic: topic.into(),
            turns_max: 10,
        }
    }

    /// How many turns both have together.
    pub fn turns(mut self, turns_max: u32) -> Self {
        self.turns_max = turns_max;
        self
    }

    /// How many bytes one turn may have.
    pub fn bytes(mut self, bytes_max: u32) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// When it ends at the latest.
    pub fn expiring_in(mut self, duration: Duration) -> Self {
        self.expires_in = duration;
        self
    }

    /// After how long without an entry it ends.
    pub fn idle(mut self, duration: Duration) -> Self {
        self.idle = duration;
        self
    }

    /// What either side's agents may do because of this session, each in its own house.
    pub fn scope(mut self, scope: Grant) -> Self {
        self.scope = scope;
        self
    }

    /// A question on the way to an answer: beneath `parent`, on its turns, within its scope.
    pub fn within(mut self, parent: SessionId) -> Self {
        self.parent = Some(parent);
        self
    }
}

/// Why nobody can agree to these terms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// A bound is zero, or above what any session may have.
    #[error("a session has from 1 to {max} {what}")]
    Bound {
        /// Of what.
        what: &'static str,
        /// At most.
        max: u64,
    },
    /// There is not one grant for each level.
    #[error("a session has one grant for each level above it, and its own")]
    Scope,
    /// Something in the topic is not to be seen, or turns it around.
    #[error("a topic has visible characters only")]
    Topic,
    /// It would be deeper than sessions go.
    #[error("sessions are at most {DEPTH_MAX} levels beneath another")]
    TooDeep,
    /// A rule counts uses, for which sessions have no meter: nothing could be done in it.
    #[error("no rule of a session counts uses")]
    Metered,
    /// The levels above do not lead here.
    #[error("the sessions above do not lead to this one")]
    Ancestry,
    /// An owner would meet again further down.
    #[error("an owner would meet themselves")]
    Cycle,
    /// Not the next wording of the same session.
    #[error("not the next wording of the same session")]
    NotAnAmendment,
}

/// How deep a session can be beneath others.
pub const DEPTH_MAX: usize = 2;
const TURNS_MAX: u64 = 100;
const BYTES_MAX: u64 = 64 << 10;
const TERMS_BYTES_MAX: u64 = 16 << 10;
const TOPIC_CHARS_MAX: u64 = 1000;
const REVISIONS_MAX: u64 = 64;
const HOUR_MS: u64 = 3_600_000;
const IDLE_MS_MAX: u64 = 7 * 24 * HOUR_MS;
