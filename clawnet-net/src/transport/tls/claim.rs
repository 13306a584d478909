//! For whom a host speaks: what it says so with, on one link and no other.
use async_trait::async_trait;
use clawnet_core::{Credential, HeadError, Kernel, OwnerId, PublicKey, Signature, vouched};
use serde::{Deserialize, Serialize};

/// What a kernel vouches for when its host links with another.
const TOPIC: &str = "net.link";

/// An owner this host speaks for, as the links to other hosts need them.
///
/// Implemented for [`Kernel`]. A host that puts kernels away implements it by opening them again.
#[async_trait]
pub trait Speaker: Send + Sync + 'static {
    /// Whom it speaks for.
    fn owner(&self) -> OwnerId;

    /// Has the owner's kernel vouch for `statement` as the topic `net.link`, and shows why its key
    /// speaks for the owner: see [`Kernel::vouch`] and [`Kernel::credential`].
    async fn vouch(&self, statement: &[u8]) -> Result<(Credential, Signature), NotVouched>;
}

#[async_trait]
impl Speaker for Kernel {
    fn owner(&self) -> OwnerId {
        self.owner_id()
    }

    async fn vouch(&self, statement: &[u8]) -> Result<(Credential, Signature), NotVouched> {
        let refused = |error: clawnet_core::CheckpointError| NotVouched(error.to_string());
        let signature = Self::vouch(self, TOPIC, statement).map_err(refused)?;
        Ok((self.credential(), signature))
    }
}

/// A kernel did not vouch: its owner stays unproven on that link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the owner's kernel did not vouch for the link: {0}")]
pub struct NotVouched(pub String);

/// What makes one connection unlike every other: a secret of its TLS session, and both ends.
#[derive(Clone, Copy)]
pub(super) struct Binding {
    pub(super) exported: [u8; 32],
    pub(super) own: PublicKey,
    pub(super) peer: PublicKey,
}

impl Binding {
    /// What is vouched for on this end, and what at the other.
    fn statement(&self, by_peer: bool) -> Vec<u8> {
        let (first, second) = if by_peer { (self.peer, self.own) } else { (self.own, self.peer) };
        [&self.exported[..], first.as_bytes(), second.as_bytes()].concat()
    }
}

/// One owner's word that this host speaks for them, on this connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    credential: Credential,
    signature: Signature,
}

impl Claim {
    pub(super) async fn make(speaker: &dyn Speaker, on: &Binding) -> Result<Self, NotVouched> {
        let (credential, signature) = speaker.vouch(&on.statement(false)).await?;
        Ok(Self { credential, signature })
    }

    /// Whom the other end speaks for.
    ///
    /// **Refuses** what was said on another connection, by another node, or to another node.
    pub(super) fn verify(&self, on: &Binding) -> Result<OwnerId, ClaimError> {
        let key = self.credential.verify()?;
        let statement = vouched(TOPIC, &on.statement(true));
        key.verify(&statement, &self.signature).map_err(|_| ClaimError::NotThisLink)?;
        Ok(self.credential.owner())
    }
}

/// What each side says first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    pub(super) claims: Vec<Claim>,
    /// Names what this side remembers of the other: 32 hexadecimal digits.
    pub(super) session: String,
}

/// Why an owner is not proven.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The credential leads to no key of the owner's kernel.
    #[error("the claim's credential: {0}")]
    Credential(#[from] HeadError),
    /// The owner's kernel did not sign for this connection and these two nodes: it was said
    /// elsewhere, or by somebody else.
    #[error("the owner's kernel did not vouch for this link")]
    NotThisLink,
    /// The link proves more owners than any link may.
    #[error("the link claims too many owners")]
    TooMany,
}
