//! How a session begins: the node says who and where it is, what it does, and how it is confined.
use clawnet_core::{Digest, NodeHead, OwnerId, PublicKey, Signature, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::refusal::FsError;

/// Who wants a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    pub(crate) kernel: PublicKey,
}

/// What a node says of itself when a session begins, signed with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Welcome {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// How the node's process is confined, in its own words, such as `landlock abi 7, fully enforced`.
    pub confinement: String,
    /// The end of the node's own ledger.
    pub head: NodeHead,
    /// With which kernel.
    pub kernel: PublicKey,
    /// The kinds of operations it performs, sorted.
    pub kinds: Vec<String>,
    /// The last change this kernel told it, and the digest of its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastChange>,
    /// The node, by its key.
    pub node: PublicKey,
    /// The greatest number this kernel used.
    pub number: u64,
    /// What the session is called. Directives for another are refused.
    pub session: Digest,
}

/// The last change a kernel told a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LastChange {
    /// Its number.
    pub number: u64,
    /// The digest of its receipt.
    pub receipt: Digest,
}

impl LastChange {
    pub(super) fn new(number: u64, receipt: Digest) -> Self {
        Self { number, receipt }
    }
}

/// Which intent a kernel asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(crate) intent: u64,
    pub(crate) owner: OwnerId,
}

/// That a node never saw a directive for an intent and, as directives are good for one session,
/// never will do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unseen {
    pub(crate) intent: u64,
    pub(crate) node: PublicKey,
    pub(crate) owner: OwnerId,
    pub(crate) session: Digest,
}

/// Which receipt is for an intent of an owner: the receipt itself does not name the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) intent: u64,
    pub(crate) node: PublicKey,
    pub(crate) owner: OwnerId,
    /// Its digest.
    pub(crate) receipt: Digest,
    pub(crate) session: Digest,
}

/// Why a node does not answer. Nobody signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct No {
    pub(crate) code: String,
}

/// What a node signs besides receipts: each with a line that says what it is.
pub(crate) trait Statement: Serialize + DeserializeOwned {
    const LINE: &'static str;

    /// The bytes the signature is over.
    fn statement(&self) -> Vec<u8> {
        let mut bytes = Self::LINE.as_bytes().to_vec();
        bytes.push(b'\n');
        bytes.extend(text(self));
        bytes
    }

    /// With the node's signature, as it travels.
    fn signed(&self, signature: Signature) -> Vec<u8> {
        text(&Signed { said: self, signature })
    }

    /// What `key` said in these bytes, which have one form.
    fn verified(bytes: &[u8], key: &PublicKey) -> Result<Self, FsError> {
        let wrong = FsError::InvalidRequest("not what the node signed");
        let signed: Signed<Self> = parsed(bytes)?;
        let verified = key.verify(&signed.said.statement(), &signed.signature);
        verified.map_err(|_| wrong).map(|()| signed.said)
    }
}

impl Statement for Welcome {
    const LINE: &'static str = "clawnet node welcome v1";
}

impl Statement for Unseen {
    const LINE: &'static str = "clawnet node unseen v1";
}

impl Statement for Known {
    const LINE: &'static str = "clawnet node known v1";
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<T> {
    said: T,
    signature: Signature,
}

/// Canonical JSON: plain data with sorted fields. Nothing is made of what cannot be written.
pub(crate) fn text<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Reads JSON in its one form: what is read is written with the same bytes.
pub(crate) fn parsed<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, FsError> {
    let wrong = FsError::InvalidRequest("not in its one form");
    let value: T = serde_json::from_slice(bytes).map_err(|_| wrong.clone())?;
    if text(&value) == bytes { Ok(value) } else { Err(wrong) }
}
