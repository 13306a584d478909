//! Directives: what a kernel tells a node on another machine to do, once.
//!
//! The node holds no scope and asks for none. It pins the kernel's key, and what it does it does
//! because that key signed exactly this operation, for this node, in this session, under a number
//! that it never saw, before it expires. What the node answers is a [receipt](SignedReceipt).
//!
//! **Promises** that a [`SignedDirective`] was made from an [`Authorized`](crate::Authorized), by a
//! key the owner certified, and that a [`VerifiedDirective`] was checked in every respect but the
//! two only the node knows: its session and the last number. **Refuses** every other way to write
//! the same, unknown fields, and one changed bit. Signatures are over `clawnet directive v1`, a line
//! feed and the directive's canonical JSON: see [`format`](mod@crate::format).
use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    approval::{ContentRef, OperationText},
    canonical,
    digest::{DIRECTIVE, Digest},
    id::{AgentId, IdentityId, OwnerId},
    key::{PublicKey, Signature},
    operation,
    time::Timestamp,
};

mod receipt;
#[cfg(test)]
mod tests;

pub use receipt::{NodeHead, Receipt, Reported, SignedReceipt};

/// One operation, for one node, once. As data it proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Directive {
    /// The agent that asked.
    pub agent: AgentId,
    /// What travels beside it, if the operation has content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentRef>,
    /// The operation's digest: over kind, mount, the operation's bytes and its content's digest.
    pub digest: Digest,
    /// The identity's policy epoch it was judged in.
    pub epoch: u64,
    /// From when on it is void.
    pub expires_at: Timestamp,
    /// The version of this format: 1.
    pub format: u16,
    /// The identity it is done as.
    pub identity: IdentityId,
    /// The intent's place in the owner's ledger.
    pub intent: u64,
    /// When it was signed, by the kernel's clock.
    pub issued_at: Timestamp,
    /// The job the agent is bound for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The key that signs.
    pub kernel: PublicKey,
    /// The operation's kind.
    pub kind: String,
    /// The name the node is mounted under.
    pub mount: String,
    /// The node it is for, by its key.
    pub node: PublicKey,
    /// Its place among what this kernel tells this node, which only rises.
    pub number: u64,
    /// The operation itself, in canonical JSON.
    pub operation: OperationText,
    /// For whom everything is done.
    pub owner: OwnerId,
    /// What the node called the session it is good in.
    pub session: Digest,
}

impl Directive {
    /// How long a directive may be good for: a minute.
    pub const VALID_FOR_MAX: Duration = Duration::from_mins(1);
    /// How far the kernel's clock may be ahead of the node's: five seconds.
    pub const AHEAD_MAX: Duration = Duration::from_secs(5);

    /// Its digest, which receipts name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        DIRECTIVE.digest(&[&to_text(self)])
    }

    /// The bytes a signature is over: a line that says what this is, then canonical JSON.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        [DIRECTIVE_LINE, &to_text(self)].concat()
    }

    /// Whether it says the same thing twice in the same way.
    fn is_whole(&self) -> bool {
        let content = self.content.as_ref().map(|content| &content.digest);
        let bytes = self.operation.as_str().as_bytes();
        self.format == FORMAT
            && self.digest
                == operation::digest_of((&self.kind, &self.mount), bytes, (content, None))
    }
}

/// To which node, and until when: what [`Authorized::direct`](crate::Authorized::direct) needs to
/// be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "each of it must be said")]
pub struct Addressee {
    /// The node's key.
    pub node: PublicKey,
    /// What the node called the session.
    pub session: Digest,
    /// The directive's number there.
    pub number: u64,
    /// How long it is good for: at most [`Directive::VALID_FOR_MAX`].
    pub valid_for: Duration,
}

/// A directive and the kernel's signature, as it travels.
///
/// Made only from an [`Authorized`](crate::Authorized). Who has one has read it; only
/// [`verify`](Self::verify) says that the kernel said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDirective {
    directive: Directive,
    signature: Signature,
}

impl SignedDirective {
    pub(crate) fn new(directive: Directive, signature: Signature) -> Self {
        Self { directive, signature }
    }

    /// What it says. Hearsay.
    #[must_use]
    pub fn directive(&self) -> &Directive {
        &self.directive
    }

    /// The bytes that travel: canonical JSON of the directive and the signature.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_text(&Signed { said: &self.directive, signature: self.signature })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, and nothing else.
    pub fn read(bytes: &[u8]) -> Result<Self, DirectiveError> {
        let Signed { said, signature } = of_text(bytes)?;
        Ok(Self { directive: said, signature })
    }

    /// Checks that `kernel` signed this for `node`, that it is whole, and that it is good `now`.
    ///
    /// The caller checks what only the node knows: that the session is its present one, that the
    /// number is beyond the last, and that this owner is the kernel's.
    pub fn verify(
        self,
        kernel: &PublicKey,
        node: &PublicKey,
        now: Timestamp,
    ) -> Result<VerifiedDirective, DirectiveError> {
        let Self { directive, signature } = self;
        if directive.kernel != *kernel {
            return Err(DirectiveError::OtherKernel);
        }
        if directive.node != *node {
            return Err(DirectiveError::OtherNode);
        }
        let text = to_text(&directive);
        kernel
            .verify(&[DIRECTIVE_LINE, &text].concat(), &signature)
            .map_err(|_| DirectiveError::BadSignature)?;
        if !directive.is_whole() {
            return Err(DirectiveError::NotADirective);
        }
        let Directive { issued_at, expires_at, .. } = directive;
        if expires_at > issued_at.after(Directive::VALID_FOR_MAX) {
            return Err(DirectiveError::TooLong);
        }
        if issued_at > now.after(Directive::AHEAD_MAX) {
            return Err(DirectiveError::NotYet);
        }
        if now >= expires_at {
            return Err(DirectiveError::Expired);
        }
        let digest = DIRECTIVE.digest(&[&text]);
        Ok(VerifiedDirective { directive, digest })
    }
}

/// Proof that a kernel told this node to do one thing, now.
///
/// **Refuses** to be made in any other way than by [`SignedDirective::verify`], and to be copied or
/// serialised:
/// ```compile_fail
/// # use clawnet_core::VerifiedDirective;
/// fn send(told: &VerifiedDirective) -> String {
///     serde_json::to_string(told).unwrap()
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct VerifiedDirective {
    directive: Directive,
    digest: Digest,
}

impl VerifiedDirective {
    /// What is to be done.
    #[must_use]
    pub fn directive(&self) -> &Directive {
        &self.directive
    }

    /// Its digest, which the receipt names.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Checks that `content`, which came beside it, is what the kernel judged: none, where the
    /// operation has none.
    pub fn carries(&self, content: &[u8]) -> Result<(), DirectiveError> {
        let same = match &self.directive.content {
            None => content.is_empty(),
            Some(said) => {
                said.size_bytes == content.len() as u64
                    && said.digest == Digest::of_content(content)
            }
        };
        if same { Ok(()) } else { Err(DirectiveError::OtherContent) }
    }
}

/// Why a directive or a receipt is nothing to act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectiveError {
    /// It is not written in its one form, or contradicts itself.
    #[error("not a directive or receipt in its one form")]
    NotADirective,
    /// It names another kernel's key.
    #[error("it is by another kernel")]
    OtherKernel,
    /// It is for, or by, another node.
    #[error("it is another node's")]
    OtherNode,
    /// That key did not sign it.
    #[error("its signature does not verify")]
    BadSignature,
    /// It is good for longer than a directive may be.
    #[error("it is good for more than a minute")]
    TooLong,
    /// The kernel's clock is ahead of the node's.
    #[error("it was signed in the future")]
    NotYet,
    /// It is too late.
    #[error("it expired")]
    Expired,
    /// What came beside it is not what it names.
    #[error("its content is another")]
    OtherContent,
}

impl DirectiveError {
    /// The stable word for it, in records and on wires.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotADirective => "not_a_directive",
            Self::OtherKernel => "other_kernel",
            Self::OtherNode => "other_node",
            Self::BadSignature => "bad_signature",
            Self::TooLong => "valid_too_long",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
            Self::OtherContent => "other_content",
        }
    }
}

/// A statement and its signature, as they travel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed<T> {
    said: T,
    signature: Signature,
}

const DIRECTIVE_LINE: &[u8] = b"clawnet directive v1\n";
pub(crate) const FORMAT: u16 = 1;
/// The longest operation, twice over, and everything else.
const BYTES_MAX: usize = 160 << 10;

/// Plain data with sorted fields: writing it to memory cannot fail, and nothing verifies as empty.
fn to_text<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    if serde_json::to_writer(&mut text, value).is_err() {
        text.clear();
    }
    text
}

/// Reads canonical JSON in its one form: what is read is written with the same bytes.
fn of_text<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, DirectiveError> {
    if bytes.len() > BYTES_MAX {
        return Err(DirectiveError::NotADirective);
    }
    let value: T = serde_json::from_slice(bytes).map_err(|_| DirectiveError::NotADirective)?;
    let one_form = to_text(&value) == bytes && canonical::is_canonical(bytes);
    if one_form { Ok(value) } else { Err(DirectiveError::NotADirective) }
}
