//! What is said in a session, numbered, chained and signed; and how it ends.
use clawnet_core::{Digest, PublicKey, Signature, Timestamp, TreeHash, vouched};
use serde::{Deserialize, Serialize};

use crate::id::SessionId;

/// One numbered message of a session, as its sender's kernel signed it.
///
/// **Promises** its place: it names the terms, the number and the entry before it, so that both
/// ledgers hold one order. **Refuses** to say who sent it: that is the key its signature is by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Entry {
    /// When, by the sender's clock.
    pub at: Timestamp,
    /// Its place, counted from 1 over both sides.
    pub number: u64,
    /// The digest of the entry before, or of the terms for the first.
    pub previous: Digest,
    /// Which session.
    pub session: SessionId,
    /// The terms it is said under.
    pub terms: Digest,
    /// What it is.
    pub what: What,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "a kernel must count each of them")]
pub enum What {
    /// Turns set aside for a session beneath this one. The floor stays.
    Draw {
        /// The session they are for.
        child: SessionId,
        /// How many.
        turns: u32,
    },
    /// What such a session left over comes back. The floor stays.
    GiveBack {
        /// The session, which is over.
        child: SessionId,
        /// How many of its turns were used.
        used: u32,
    },
    /// A turn of the dialogue. The floor passes.
    Turn(Turn),
}

/// A turn of the dialogue. Its text stands beside the chain, by digest, and can be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Turn {
    /// The content digest of its text.
    pub body: Digest,
    /// Whether the speaker wants to go on.
    pub mark: Mark,
    /// The sessions beneath this one whose released results it draws on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<SessionId>,
    /// How many bytes the text has.
    pub size_bytes: u32,
}

impl Turn {
    /// A turn with this text.
    #[must_use]
    pub fn of(text: &str, mark: Mark, results: Vec<SessionId>) -> Self {
        let size_bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { body: Digest::of_content(text.as_bytes()), mark, results, size_bytes }
    }
}

/// Whether a speaker wants to go on. Typed: no text is ever searched for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a session must end by each of them or go on")]
pub enum Mark {
    /// Go on.
    Continue,
    /// There is nothing more that this side can offer.
    Deadlock,
    /// It is settled.
    Resolved,
}

/// The end of a ledger, as its kernel states it inside something it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::exhaustive_structs, reason = "a size and a root, as RFC 6962 has them")]
pub struct LedgerHead {
    /// The root of the tree over the first `size` records.
    pub root: TreeHash,
    /// How many.
    pub size: u64,
}

/// An entry, the head of its sender's ledger when it was sent, and the signature over both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignedEntry {
    /// The entry.
    pub entry: Entry,
    /// The sender's ledger, this entry's intent included.
    pub head: LedgerHead,
    /// By the sender's kernel key, over [`SignedEntry::statement`].
    pub signature: Signature,
}

/// How a session ended for one side: the last entry that side holds, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct End {
    /// The number of the last entry this side holds, sent or received.
    pub after: u64,
    /// Why.
    pub reason: Ending,
    /// Which session.
    pub session: SessionId,
}

/// An end, as the kernel of one side signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SignedEnd {
    /// What it says.
    pub end: End,
    /// By that side's kernel key, over [`SignedEnd::statement`].
    pub signature: Signature,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The owners are no contacts any more.
    Contact,
    /// The other side's ledger is not kept as ledgers are.
    Contradiction,
    /// A speaker had nothing more to offer.
    Deadlock,
    /// An owner did not agree to the terms.
    Declined,
    /// Its time was over.
    Expired,
    /// An identity was frozen or retired.
    Frozen,
    /// Nobody said anything for too long.
    Idle,
    /// Nobody agreed to the terms in time.
    Lapsed,
    /// The turns were used up.
    Limit,
    /// An owner stopped it.
    Owner,
    /// The session above it is over.
    Parent,
    /// It was settled.
    Resolved,
}

/// What the kernel's signature on an entry is about.
pub(crate) const ENTRY: &str = "net.entry";
/// What the kernel's signature on an end is about.
pub(crate) const END: &str = "net.end";

impl Entry {
    /// What the next entry names as the one before it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of_content(&canonical(self))
    }

    /// The bytes a kernel vouches for: the canonical JSON of the entry's digest and the head.
    #[must_use]
    pub fn said_at(&self, head: LedgerHead) -> Vec<u8> {
        said_of(self.digest(), head)
    }

    /// The turn, if it is one.
    #[must_use]
    pub fn turn(&self) -> Option<&Turn> {
        self.what.turn()
    }
}

impl What {
    /// The turn, if it is one: nothing else has words.
    pub(crate) fn turn(&self) -> Option<&Turn> {
        if let Self::Turn(turn) = self { Some(turn) } else { None }
    }
}

impl SignedEntry {
    pub(crate) fn new(entry: Entry, head: LedgerHead, signature: Signature) -> Self {
        Self { entry, head, signature }
    }

    /// The bytes the signature is over.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        vouched(ENTRY, &self.entry.said_at(self.head))
    }

    /// Whether `key` signed it.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(&self, key: &PublicKey) -> Result<(), clawnet_core::BadSignature> {
        key.verify(&self.statement(), &self.signature)
    }
}

impl SignedEnd {
    pub(crate) fn new(end: End, signature: Signature) -> Self {
        Self { end, signature }
    }

    /// The bytes the signature is over.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        vouched(END, &canonical(&self.end))
    }
}

impl End {
    /// The bytes a kernel vouches for.
    #[must_use]
    pub fn said(&self) -> Vec<u8> {
        canonical(self)
    }
}

/// What is vouched for, of an entry with this digest.
pub(crate) fn said_of(entry: Digest, head: LedgerHead) -> Vec<u8> {
    #[derive(Serialize)]
    struct Statement {
        entry: Digest,
        head: LedgerHead,
    }
    canonical(&Statement { entry, head })
}

/// Plain data with text keys: writing it to memory cannot fail, and no bytes at all verify nothing.
fn canonical(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES);
    if serde_json::to_writer(&mut bytes, value).is_err() {
        bytes.clear();
    }
    bytes
}

/// How many bytes most entries have at most.
const ENTRY_BYTES: usize = 768;
