//! What a ledger is told about collaboration: the facts of the projection `net`.
//!
//! Three voices speak. The **owner** decides, by a signed act. The **kernel** says what it did. And
//! what **came** from a counterpart stands with the evidence inside, so that whoever replays the
//! ledger verifies it again.
use clawnet_core::{AgentId, Credential, Digest, IdentityId, OwnerId, PublicKey, SignedAct};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Ending, LedgerHead, SignedEnd, SignedEntry},
    id::SessionId,
    reason::Reason,
    terms::Terms,
};

/// One fact about collaboration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Said {
    /// A counterpart's host says that it has this act of the owner's, or the keys as of it. It need
    /// not be sent again; it proves nothing.
    Arrived {
        /// The number of the act.
        act: u64,
        /// Whose host.
        peer: OwnerId,
    },
    /// Something came from a counterpart, and was in order.
    Came(Box<Came>),
    /// The owner decided something. Only inside a signed act.
    Decided(Decision),
    /// Terms were worded here, and nobody has agreed to them yet.
    Drafted(Box<Terms>),
    /// The kernel ended a session by itself.
    Ended {
        /// Why.
        reason: Ending,
        /// Which.
        session: SessionId,
    },
    /// Messages were refused.
    Refused(Refused),
    /// An entry is about to leave.
    Sent(Box<SignedEntry>),
}

/// What only the owner decides about others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Decision {
    /// Took note that a contact signs with another key now.
    AcceptKey {
        /// The key.
        key: PublicKey,
        /// Whose.
        peer: OwnerId,
    },
    /// Asked somebody to become a contact. Told them.
    Ask {
        /// Which identity they would meet.
        identity: IdentityId,
        /// What it is called to them.
        name: String,
        /// Why, in the owner's words.
        note: String,
        /// Whom.
        peer: OwnerId,
    },
    /// Let one agent, and no other, speak in a session from here on.
    Assign {
        /// Which.
        agent: AgentId,
        /// In which session.
        session: SessionId,
    },
    /// Wants to hear nothing more of somebody.
    Block {
        /// Whom.
        peer: OwnerId,
    },
    /// Ended a session, or did not agree to its terms.
    Close {
        /// Which.
        session: SessionId,
    },
    /// Agreed to be somebody's contact. Told them.
    Confirm {
        /// The number of the act they asked with.
        asked: u64,
        /// Which identity they meet.
        identity: IdentityId,
        /// What it is called to them.
        name: String,
        /// Whose.
        peer: OwnerId,
    },
    /// Agreed to terms. Told the other owner.
    Consent {
        /// The revision agreed to.
        revision: u32,
        /// Of which session.
        session: SessionId,
        /// The digest of the terms.
        terms: Digest,
    },
    /// Wants a session to wait. Told the other owner.
    Pause {
        /// Which.
        session: SessionId,
    },
    /// Shows a contact another identity from here on. Told them.
    Present {
        /// Which.
        identity: IdentityId,
        /// What it is called to them.
        name: String,
        /// To whom.
        peer: OwnerId,
    },
    /// Lets a result of a session be told one level up. Told the other owner.
    Release {
        /// The content digest of the result.
        body: Digest,
        /// Of which session.
        session: SessionId,
    },
    /// Ended a contact, or did not become one. Told them.
    Remove {
        /// Whose.
        peer: OwnerId,
    },
    /// Has nothing more against a session going on. Told the other owner.
    Resume {
        /// Which.
        session: SessionId,
    },
    /// Decided which turns to a contact the owner reads before they leave.
    Review {
        /// To whom.
        peer: OwnerId,
        /// Which.
        review: Review,
    },
    /// Hears somebody again, who is no contact for that.
    Unblock {
        /// Whom.
        peer: OwnerId,
    },
}

/// Which turns the owner reads before they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a review that is not looked at is no review")]
pub enum Review {
    /// None.
    #[default]
    Autonomous,
    /// All.
    EachTurn,
    /// Those after the identity did anything else because of the session, or that draw on another.
    WhenSensitive,
}

/// What came, from whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Came {
    /// The counterpart, proven by what it is about.
    pub from: OwnerId,
    /// The evidence.
    pub what: Evidence,
}

impl Came {
    pub(crate) fn new(from: OwnerId, what: Evidence) -> Self {
        Self { from, what }
    }
}

/// What a counterpart signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "a kernel must know what each kind proves")]
pub enum Evidence {
    /// Their owner decided something.
    Act(Shown),
    /// Their kernel ended a session.
    End(SignedEnd),
    /// Their kernel said something in a session.
    Entry(SignedEntry),
    /// Their keys are others now.
    Keys(Credential),
}

/// A decision of the other owner, with what it takes to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Shown {
    /// The act, as it stands in their ledger.
    pub act: SignedAct,
    /// What leads from their first key to the one it is signed with.
    pub credential: Credential,
    /// The terms it agrees to, if it agrees to terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl Shown {
    pub(crate) fn new(act: SignedAct, credential: Credential, terms: Option<Terms>) -> Self {
        Self { act, credential, terms }
    }
}

/// Messages that were refused: how many of one kind from one peer, counted from the last restart.
/// Recorded at the first, second, fourth and so on, so that a flood cannot fill a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Refused {
    /// How many so far.
    pub count: u64,
    /// What contradicts itself, where the reason is a contradiction: the head held, and the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<(LedgerHead, Box<SignedEntry>)>,
    /// The link they came over had proven to speak for this owner. None for strangers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<OwnerId>,
    /// Why.
    pub reason: Reason,
    /// The session they were about, if they named one that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}
