//! What a ledger holds: one entry for every decision, act and outcome.
//!
//! A record's canonical JSON is the frame's payload. Fields are declared in the order of their
//! names, so that plain serialisation is canonical; a test holds that for every event. Once
//! written, a field's name and meaning never change.
use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    approval::{OperationText, Question, Version},
    cause::Cause,
    denial::Denial,
    digest::{CHAIN, Digest},
    fact::Fact,
    id::{AgentId, GrantId, IdentityId, OwnerId, TicketId},
    key::{PublicKey, Signature},
    note::SignedCheckpoint,
    operation::{Code, Demanded, Effect},
    rule::{Grant, RuleId},
    store::Frame,
    time::Timestamp,
};

mod act;
mod display;
mod hot;
mod peer;

pub(crate) use act::key_statement;
pub use act::{Act, SignedAct};
pub use peer::{Credential, HeadError, Misbehaviour, Offence, Presented};
pub(crate) use peer::{REKEYS_MAX, shown_at};

/// One entry of an owner's ledger. Displayed as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// Its place, counted from 1 without a gap.
    pub sequence: u64,
    /// The chain hash over this record and everything before it.
    pub hash: Digest,
    /// When, by the kernel's clock; never less than the record before.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

impl AuditRecord {
    /// Reads a frame. It does not check the chain: verifying a ledger does.
    pub fn from_frame(frame: &Frame) -> Result<Self, UnreadableRecord> {
        let body: Body<Event> = serde_json::from_slice(&frame.payload).map_err(|error| {
            UnreadableRecord { sequence: frame.sequence, what: error.to_string() }
        })?;
        let Body { actor, at, event } = body;
        Ok(Self { sequence: frame.sequence, hash: frame.hash, at, actor, event })
    }
}

/// A frame whose payload is no record this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {sequence} cannot be read: {what}")]
pub struct UnreadableRecord {
    /// Which.
    pub sequence: u64,
    /// What is wrong with it.
    pub what: String,
}

/// The bytes of a record, appended to `out`.
pub(crate) fn encode(
    out: &mut Vec<u8>,
    at: Timestamp,
    actor: Actor,
    event: &Event,
) -> Result<(), serde_json::Error> {
    match hot::write(out, (at, actor), event) {
        Some(written) => written,
        None => serde_json::to_writer(out, &Body { actor, at, event }),
    }
}

/// The chain hash of the record at `sequence` behind `previous`: BLAKE3 over 64 bytes of fixed
/// fields (ledger, sequence, previous hash, length of the payload; little endian) and the payload.
pub(crate) fn chain(owner: OwnerId, sequence: u64, previous: Digest, payload: &[u8]) -> Digest {
    let mut header = [0; 64];
    let (ledger, rest) = header.split_at_mut(16);
    let (place, rest) = rest.split_at_mut(8);
    let (before, length) = rest.split_at_mut(32);
    ledger.copy_from_slice(owner.as_bytes());
    place.copy_from_slice(&sequence.to_le_bytes());
    before.copy_from_slice(previous.as_bytes());
    length.copy_from_slice(&(payload.len() as u64).to_le_bytes());
    CHAIN.digest_whole(&header, payload)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<E> {
    actor: Actor,
    at: Timestamp,
    event: E,
}

/// Who caused a record. Written as one word: `owner`, `kernel`, or `agt_…@idn_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// An agent, for its identity.
    Agent {
        /// The actor.
        agent: AgentId,
        /// For whom it acts.
        identity: IdentityId,
    },
    /// The kernel itself: opening, recovering, keeping a snapshot.
    Kernel,
    /// The owner, by their key.
    Owner,
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Agent { agent, identity } => {
                let mut word = [b'@'; 57];
                let (front, rest) = word.split_at_mut(28);
                front.copy_from_slice(agent.text(&mut [0; 28]).as_bytes());
                let (_, back) = rest.split_at_mut(1);
                back.copy_from_slice(identity.text(&mut [0; 28]).as_bytes());
                serializer.serialize_str(std::str::from_utf8(&word).unwrap_or_default())
            }
            Self::Kernel => serializer.serialize_str("kernel"),
            Self::Owner => serializer.serialize_str("owner"),
        }
    }
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        let unknown = "an actor is `owner`, `kernel` or an agent";
        Self::of_text(&word).ok_or_else(|| D::Error::custom(unknown))
    }
}

impl Actor {
    /// The actor of which this is the word, if it is one.
    pub(crate) fn of_text(word: &str) -> Option<Self> {
        match (word, word.split_once('@')) {
            ("kernel", _) => Some(Self::Kernel),
            ("owner", _) => Some(Self::Owner),
            (_, Some((agent, identity))) => {
                Some(Self::Agent { agent: agent.parse().ok()?, identity: identity.parse().ok()? })
            }
            (_, None) => None,
        }
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Event {
    /// The owner decided something.
    Act(SignedAct),
    /// An agent asked for what needs the owner's yes.
    Asked(Question),
    /// The kernel signed the size and the root of everything before this record.
    Checkpoint(SignedCheckpoint),
    /// Something another crate has to say, by the kernel's hand: a fact of one of its projections.
    Declared {
        /// The body that goes with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Digest>,
        /// What is so.
        fact: Fact,
    },
    /// An agent handed part of its scope on, to an identity made for it.
    Delegated {
        /// Who may act under it.
        agent: AgentId,
        /// What was handed on.
        grant: GrantId,
        /// To whom.
        identity: IdentityId,
        /// The name it was given.
        name: String,
        /// The rules of the grant.
        rules: Grant,
    },
    /// An operation was refused: a boundary violation.
    Denied(Refused),
    /// A body is gone from the store, as the owner decided.
    Erased {
        /// Its content digest.
        body: Digest,
    },
    /// An operation is about to be performed.
    Intent(Intent),
    /// A counterpart's ledger is not kept as ledgers are: here is the proof.
    Misbehaved(Box<Misbehaviour>),
    /// The first record: whose ledger this is.
    Opened {
        /// The version of this format: 1.
        format: u16,
        /// The owner's public key then, which names the ledger for good.
        key: PublicKey,
    },
    /// What came of an intent.
    Outcome(Outcome),
    /// What an endpoint said, after a restart, about an intent that had been interrupted.
    Recalled {
        /// The intent's sequence.
        intent: u64,
        /// What it said.
        said: Recalled,
    },
    /// The kernel was opened on a ledger with intents that had no outcome, and closed them.
    Recovered {
        /// How many.
        closed: u64,
    },
    /// What all records before this one fold to, kept to reopen from.
    Snapshot {
        /// By the kernel's key, over ledger, sequence and digest (see [`format`](mod@crate::format)):
        /// nobody else vouches for a state that was not replayed.
        signature: Signature,
        /// Its digest.
        state: Digest,
    },
    /// A counterpart showed the head of its ledger: the first, or one that continues the last.
    Witnessed {
        /// The size and the root, as the counterpart's kernel signed and cosigned them.
        checkpoint: SignedCheckpoint,
        /// Why that key speaks for the counterpart, unless that is as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Credential>,
    },
}

impl Event {
    /// The body that backs this: content of a question, evidence of an outcome, what goes with a
    /// fact, an archive.
    pub(crate) fn body(&self) -> Option<Digest> {
        if let Self::Asked(question) = self {
            question.content.map(|content| content.digest)
        } else if let Self::Outcome(outcome) = self {
            outcome.evidence
        } else if let Self::Declared { body, .. } = self {
            *body
        } else if let Self::Act(SignedAct { act: Act::Retire { archive, .. }, .. }) = self {
            Some(*archive)
        } else {
            None
        }
    }

    /// The owner's act this is, if it is one.
    pub(crate) fn act(&self) -> Option<&SignedAct> {
        if let Self::Act(signed) = self { Some(signed) } else { None }
    }

    /// The fact this declares, if it does.
    pub(crate) fn fact(&self) -> Option<&Fact> {
        if let Self::Declared { fact, .. } = self {
            Some(fact)
        } else {
            self.act().and_then(|signed| signed.act.fact())
        }
    }
}

impl Event {
    /// What the kernel signs when it keeps a state: a line that says what this is, then canonical
    /// JSON. `sequence` is that of the record.
    pub(crate) fn snapshot_statement(owner: OwnerId, sequence: u64, state: Digest) -> Vec<u8> {
        let json = format!(r#"{{"ledger":"{owner}","sequence":{sequence},"state":"{state}"}}"#);
        format!("clawnet snapshot v1\n{json}").into_bytes()
    }
}

/// An operation about to be performed: durable before the effect, unless it only observes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Intent {
    /// The approval it spends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<TicketId>,
    /// Because of what, if not of the owner's own accord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it touches.
    pub demands: Demanded,
    /// What it does to the world.
    pub effect: Effect,
    /// The identity's policy epoch it was judged in.
    pub epoch: u64,
    /// The operation's kind.
    pub kind: Cow<'static, str>,
    /// The endpoint's name.
    pub mount: std::sync::Arc<str>,
    /// The operation itself.
    pub operation: OperationText,
    /// One rule for each demand and mandate of the identity's, which together let it pass. What
    /// limits it because of its cause, the cause's own records say.
    pub rules: smallvec::SmallVec<[RuleId; 2]>,
    /// What it acts on, as layer 2 found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

/// What came of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Outcome {
    /// What backs it, by digest, where the endpoint attested something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
    /// The intent's sequence.
    pub intent: u64,
    /// What came.
    pub result: OutcomeKind,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// The endpoint performed it.
    Done,
    /// The endpoint tried and failed.
    Failed {
        /// Why, for programs.
        code: Code,
        /// Why, for people.
        what: String,
    },
    /// Nobody saw it end: a crash, or a caller that gave up. It may have happened.
    Interrupted,
}

/// What an endpoint remembers of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "every endpoint must be able to say each of them")]
pub enum Recalled {
    /// The effect happened.
    Done,
    /// It did not, and will not.
    NotDone,
    /// It cannot tell.
    Unknown,
}

/// A refused operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Refused {
    /// Because of what, if not of the owner's own accord.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it would touch, unless it was malformed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demanded>,
    /// Why.
    pub denial: Denial,
    /// The operation's kind.
    pub kind: String,
    /// The operation itself, unless it was malformed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationText>,
}

#[cfg(test)]
mod tests;
