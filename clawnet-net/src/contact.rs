//! What one kernel knows of one counterpart: who they are, how each appears to the other, and what
//! both have agreed to be.
use std::{collections::VecDeque, time::Duration};

use clawnet_core::{
    Act, Claim, Credential, Digest, IdentityId, OwnerId, PublicKey, SignedAct, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{reason::Reason, said::Review, terms::Terms};

/// A counterpart, as the fold of everything both owners decided about each other.
///
/// **Promises** that [`Bond::Mutual`] rests on one owner's ask and the other's confirmation of just
/// that ask, both signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Contact {
    /// The number of their last act that counted.
    pub(crate) acts: u64,
    /// The numbers of the acts this owner asked with, while it stands: more than one where it was
    /// signed again.
    pub(crate) asked: Vec<u64>,
    /// The number of the act they asked with, while it stands.
    pub(crate) asking: Option<u64>,
    /// Whether this owner wants to hear nothing of them.
    pub blocked: bool,
    /// What they are to each other.
    pub bond: Bond,
    /// Whether their ledger was found not to be kept as ledgers are.
    pub distrusted: bool,
    /// Their keys, once they have shown them.
    pub keys: Option<Keys>,
    /// What came of them lately.
    pub(crate) lately: Lately,
    /// What they wrote when they asked.
    pub(crate) note: String,
    /// How this owner appears to them.
    pub ours: Option<Presenting>,
    /// Decisions they have not been shown for certain, the oldest first.
    pub(crate) pending: VecDeque<Pending>,
    /// The act by which this owner's keys changed, until they are shown to have been told.
    pub(crate) rekeyed: Option<u64>,
    /// Which turns to them the owner reads before they leave.
    pub review: Review,
    /// How many sessions with them are not over.
    pub(crate) sessions: u32,
    /// Since when the bond is what it is.
    pub since: Timestamp,
    /// How they appear to this owner.
    pub theirs: Option<Presenting>,
}

/// What two owners are to each other, at one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "only one of them lets anybody speak")]
pub enum Bond {
    /// This owner asked.
    Asked,
    /// They asked, and this owner has not answered.
    Asking,
    /// Not any more, or not after all.
    Ended,
    /// Both said yes.
    Mutual,
}

/// How an owner appears to a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "an identity and what it is called")]
pub struct Presenting {
    /// Which identity they meet.
    pub identity: IdentityId,
    /// What it is called.
    pub name: String,
}

impl Presenting {
    /// `identity`, called `name`.
    #[must_use]
    pub fn new(identity: IdentityId, name: impl Into<String>) -> Self {
        Self { identity, name: name.into() }
    }
}

/// The keys of a counterpart, pinned when first shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Keys {
    /// The owner's key that this owner accepted.
    pub accepted: PublicKey,
    /// The number of the act that certified the kernel's key.
    certified: u64,
    /// The content digest of the credential whose signatures were verified.
    digest: Digest,
    /// Their kernel's key, which signs what they say.
    pub kernel: PublicKey,
    /// The owner's key now. Another than the accepted one waits to be looked at.
    pub owner: PublicKey,
    /// Every key the owner ever had, each with the act since which.
    past: Vec<(u64, PublicKey)>,
    /// How often the owner's key had changed.
    rekeys: u32,
}

/// A decision that the counterpart is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pending {
    pub(crate) act: SignedAct,
    pub(crate) terms: Option<Box<Terms>>,
    /// The text that goes with it, kept beside the ledger.
    pub(crate) text: Option<Digest>,
}

/// How many there were within an hour: what counterparts put in this ledger is bounded by that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lately {
    count: u32,
    since: Timestamp,
}

impl Lately {
    /// Whether there is room for one more at `at`.
    pub(crate) fn check(&self, at: Timestamp, max: u32) -> Result<(), Reason> {
        if self.is_past(at) || self.count < max { Ok(()) } else { Err(Reason::Limit) }
    }

    /// Counts one more at `at`.
    pub(crate) fn count(&mut self, at: Timestamp) {
        if self.is_past(at) {
            *self = Self { count: 0, since: at };
        }
        self.count = self.count.saturating_add(1);
    }

    fn is_past(&self, at: Timestamp) -> bool {
        at >= self.since.after(HOUR)
    }
}

const HOUR: Duration = Duration::from_hours(1);

impl Contact {
    pub(crate) fn new(bond: Bond, since: Timestamp) -> Self {
        Self {
            bond,
            blocked: false,
            distrusted: false,
            keys: None,
            ours: None,
            review: Review::default(),
            since,
            theirs: None,
            asked: Vec::new(),
            asking: None,
            note: String::new(),
            acts: 0,
            pending: VecDeque::new(),
            rekeyed: None,
            sessions: 0,
            lately: Lately::default(),
        }
    }

    /// What they wrote when they asked.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// The number of the act they asked with, for the one who confirms it.
    #[must_use]
    pub fn asking(&self) -> Option<u64> {
        self.asking
    }

    /// The owner's key they have taken and this owner has not looked at.
    #[must_use]
    pub fn changed_key(&self) -> Option<PublicKey> {
        self.keys.as_ref().filter(|keys| keys.owner != keys.accepted).map(|keys| keys.owner)
    }

    /// They confirmed the ask: it arrived, and whatever is before it is moot. By its place, since
    /// one that was signed again has a later number than what was decided after it.
    pub(crate) fn ask_arrived(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        let place = self.pending.iter().rposition(|it| asked.contains(&it.act.number));
        self.pending.drain(..place.map_or(0, |place| place + 1));
    }

    /// Whether anything may be said to them, or heard of them in a session.
    pub(crate) fn check_open(&self) -> Result<&Keys, Reason> {
        let keys = self.keys.as_ref().filter(|_| self.bond == Bond::Mutual && !self.blocked);
        let keys = keys.ok_or(Reason::Unknown)?;
        if keys.owner != keys.accepted {
            return Err(Reason::KeyChanged);
        }
        if self.distrusted { Err(Reason::Contradiction) } else { Ok(keys) }
    }
}

impl Keys {
    /// What `credential` says of `peer`, if the signatures in it are good: those are
    /// [`Keys::claims`].
    ///
    /// # Errors
    /// `forged` where it does not lead from the pinned keys on, `stale` where it leads there, or
    /// certifies a key by an act from before what is pinned: whoever has a key that was replaced
    /// could sign that.
    pub(crate) fn shown(
        peer: OwnerId,
        credential: &Credential,
        pinned: Option<&Self>,
    ) -> Result<Self, Reason> {
        let told = Self::read(credential).filter(|_| credential.owner() == peer);
        let told = told.ok_or(Reason::Forged)?;
        if let Some(pinned) = pinned {
            if told.digest == pinned.digest {
                return Ok(pinned.clone());
            }
            if told.rekeys < pinned.rekeys {
                return Err(Reason::Stale);
            }
            if !told.past.starts_with(&pinned.past) {
                return Err(Reason::Forged);
            }
            let certificate = |keys: &Self| (keys.kernel, keys.certified);
            if certificate(&told) != certificate(pinned) && told.certified <= pinned.last_act() {
                return Err(Reason::Stale);
            }
        }
        credential.claims().map_err(|_| Reason::Forged)?;
        let accepted = pinned.map_or(told.owner, |pinned| pinned.accepted);
        Ok(Self { accepted, ..told })
    }

    /// The signatures that `credential` rests on, unless it is what is pinned.
    pub(crate) fn claims(
        &self,
        credential: &Credential,
        pinned: Option<&Self>,
    ) -> Result<Vec<Claim>, Reason> {
        if pinned == Some(self) {
            return Ok(Vec::new());
        }
        credential.claims().map_err(|_| Reason::Forged)
    }

    /// The number of the last act that it tells of.
    fn last_act(&self) -> u64 {
        self.past.last().map_or(0, |(since, _)| *since).max(self.certified)
    }

    /// Reads it, and believes it. One that nobody was shown before has no accepted key but its own.
    fn read(credential: &Credential) -> Option<Self> {
        let certificate = credential.acts.iter().rev().find_map(|signed| {
            let Act::Certify { key } = &signed.act else { return None };
            Some((*key, signed.number))
        });
        let (kernel, certified) = certificate?;
        let past: Vec<_> = owner_keys(credential).collect();
        let (_, owner) = *past.last()?;
        // Nothing else is in it: what is shown is kept.
        if credential.acts.len() != past.len() {
            return None;
        }
        let rekeys = u32::try_from(past.len().saturating_sub(1)).ok()?;
        let digest = Digest::of_content(&serde_json::to_vec(credential).ok()?);
        Some(Self { accepted: owner, kernel, owner, certified, digest, past, rekeys })
    }

    /// The key the owner had when they signed their act of this number.
    pub(crate) fn owner_at(&self, act: u64) -> PublicKey {
        let then = self.past.iter().rev().find(|(since, _)| *since < act);
        then.map_or(self.owner, |(_, key)| *key)
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        (self.kernel, self.owner, self.certified, self.rekeys)
            == (other.kernel, other.owner, other.certified, other.rekeys)
    }
}

/// The owner's keys, the first one first, each with the act since which.
fn owner_keys(credential: &Credential) -> impl Iterator<Item = (u64, PublicKey)> + '_ {
    let later = credential.acts.iter().filter_map(|signed| {
        let Act::Rekey { key, .. } = &signed.act else { return None };
        Some((signed.number, *key))
    });
    std::iter::once((0, credential.founder)).chain(later)
}
