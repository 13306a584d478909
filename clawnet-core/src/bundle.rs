//! Proof bundles: one record, and everything it rests on, for who trusts nobody but a key.
//!
//! "This approval happened, under this grant, by this owner": a [`Bundle`] says so in one file that
//! needs nothing else, neither a kernel nor a store. It is one JSON document:
//!
//! ```text
//! {"checkpoint":"<note>","format":1,"key":"<founding key>","records":[
//!  {"path":["<hex>",…],"previous":"<hex>","record":{…},"sequence":n},…],"subject":n}
//! ```
//!
//! Each record comes with the chain hash before it, from which its own follows, and with its path
//! in the tree under the checkpoint. The checkpoint is signed by the kernel's key, which an act of
//! the owner among the records certifies; every change of the owner's key is among them too, so all
//! of it leads back to the founding key.
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    digest::Digest,
    key::PublicKey,
    ledger::ProofError,
    note::{NoteError, SignedCheckpoint},
    store::{Frame, StoreError},
    tree::{NotProven, TreeHash},
};

mod proven;
mod case;
mod check;
mod gather;
#[cfg(test)]
mod tests;

pub(crate) use gather::gather;
pub use proven::{Granted, Grantor, Proven, Who};

/// One record of a ledger, what it rests on, and the proof of all of it. As text it is JSON.
///
/// - of an **intent**: how its agent was bound and its identity made, the grants whose rules let it
///   pass, the question and the owner's yes if it spent one, and its outcome;
/// - of a **question**, an **answer** to one, or an **outcome**: the same, seen from there;
/// - of any **other** record of an agent: how the agent was bound, and its identity made;
/// - and always: each change of the owner's key, and the act that certifies the kernel's.
///
/// **Promises**, once [`Bundle::check`] returned, what [`Proven`] says. **Refuses** to show more of
/// the ledger than that. *Discloses* these records whole: the operation with its resources, *all*
/// rules of the grants it names, names of agent, runtime, job and identities, the owner's keys; and
/// how many records there were. Never a body, and of other records nothing but hashes. *Does not
/// show* what is not in it: that the grant was revoked later, say, or a key replaced.
///
/// ```
/// # use clawnet_core::*;
/// # fn check(text: &str, founder: PublicKey) -> Result<(), Box<dyn std::error::Error>> {
/// let bundle: Bundle = text.parse()?;
/// let proven = bundle.check(founder)?;
/// println!("{proven}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    checkpoint: SignedCheckpoint,
    format: u32,
    key: PublicKey,
    records: Vec<Shown>,
    subject: u64,
}

/// A record with its place in chain and tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    path: Vec<TreeHash>,
    previous: Digest,
    record: Box<RawValue>,
    sequence: u64,
}

impl Bundle {
    /// The largest a bundle may be as text: 4 MiB.
    pub const SIZE_BYTES_MAX: usize = 4 << 20;

    /// Which record it is about.
    #[must_use]
    pub fn subject(&self) -> u64 {
        self.subject
    }

    /// What all of it is under. Compare it with one you hold from elsewhere.
    #[must_use]
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Bundle {
    type Err = NotABundle;

    /// Reads a bundle of this form, byte for byte; one newline may follow it.
    fn from_str(text: &str) -> Result<Self, NotABundle> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.len() > Self::SIZE_BYTES_MAX {
            return Err(NotABundle::TooLarge);
        }
        let read: Self =
            serde_json::from_str(text).map_err(|error| NotABundle::Malformed(error.to_string()))?;
        if read.to_string() == text {
            return Ok(read);
        }
        Err(NotABundle::Malformed("it is not written in its one form".into()))
    }
}

/// Why a text is not read as a bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotABundle {
    /// It is longer than [`Bundle::SIZE_BYTES_MAX`].
    #[error("it is larger than a bundle may be")]
    TooLarge,
    /// It is not a bundle's JSON.
    #[error("not a bundle: {0}")]
    Malformed(String),
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// It is of a version that this one does not know.
    #[error("bundle format {0} is unknown")]
    Format(u32),
    /// It is of another ledger than the one asked for.
    #[error("it is of a ledger that began with the key {0}")]
    Foreign(PublicKey),
    /// It has more records than a bundle may.
    #[error("it has more records than a bundle may")]
    TooMany,
    /// A record is not what it says.
    #[error("record {sequence}: {what}")]
    Record {
        /// Which.
        sequence: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A record is not under the checkpoint.
    #[error("record {sequence} is not under the checkpoint: {why}")]
    Outside {
        /// Which.
        sequence: u64,
        /// Why not.
        why: NotProven,
    },
    /// The checkpoint is not the certified kernel's.
    #[error("the checkpoint: {0}")]
    Checkpoint(NoteError),
    /// No key of the kernel is certified among the records.
    #[error("no act of the owner certifies the kernel's key")]
    Uncertified,
    /// What a record rests on is not there, or does not bear it.
    #[error("record {sequence} rests on {what}, which is not there or is another")]
    Unfounded {
        /// Which record.
        sequence: u64,
        /// On what.
        what: &'static str,
    },
}

/// Why there is no bundle.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The record is not under the checkpoint, or the ledger cannot be read.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// What is in the ledger does not prove it.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// It would be larger than [`Bundle::SIZE_BYTES_MAX`].
    #[error("it would be larger than a bundle may be")]
    TooLarge,
}

impl From<StoreError> for BundleError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

/// The version of the form.
const FORMAT: u32 = 1;
/// How many records a bundle may have: each change of the owner's key, and what one deed rests on.
const RECORDS_MAX: usize = 256;

impl Shown {
    fn frame(&self, hash: Digest) -> Frame {
        Frame::new(self.sequence, hash, self.record.get().as_bytes().into())
    }
}
