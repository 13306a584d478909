//! What other crates put in the ledger, and see of it.
use super::Kernel;
use crate::{
    digest::Digest,
    fact::{Fact, FactError, Misfit, NotProjected},
    key::{BadSignature, Signature},
    ledger::{AppendError, CheckpointError, Growth, ProofError},
    policy::ActError,
    projection::Projection,
    record::{Actor, Credential},
    store::{Durability, StoreError},
    time::Timestamp,
};

impl Kernel {
    /// Puts a fact in the ledger, durably, and tells `P` of it. `body` goes with it: it is kept
    /// before the record, which names its digest, and can be erased without breaking the chain.
    ///
    /// **Promises** that what the fact rests on was verified, and that `P` let it follow just where
    /// it stands. Returns the record's sequence.
    pub async fn declare<P: Projection>(
        &self,
        fact: &P::Fact,
        body: Option<&[u8]>,
    ) -> Result<u64, DeclareError> {
        let at_rest = Fact::of::<P>(fact)?;
        let ledger = &*self.ledger;
        // What is refused anyway leaves nothing behind.
        let vetted = ledger.vet_as::<P>((fact, &at_rest), Actor::Kernel)?;
        let body = match body {
            Some(body) => Some(ledger.keep(body).await?),
            None => None,
        };
        let appended = ledger.declare((at_rest, vetted), body, Durability::Durable)?;
        let sequence = appended.sequence;
        ledger.settle(appended).await?;
        // A state that cannot be kept is no fault of this fact, which is recorded.
        drop(ledger.keep_up().await);
        Ok(sequence)
    }

    /// The same without waiting: durable with the next durable record, and within 100 ms. For what
    /// is said again if it is lost, such as an acknowledgement.
    pub fn declare_buffered<P: Projection>(&self, fact: &P::Fact) -> Result<u64, DeclareError> {
        let at_rest = Fact::of::<P>(fact)?;
        let vetted = self.ledger.vet_as::<P>((fact, &at_rest), Actor::Kernel)?;
        let appended = self.ledger.declare((at_rest, vetted), None, Durability::Buffered)?;
        Ok(appended.sequence)
    }

    /// Waits until everything that was recorded so far to be durable is on disk.
    ///
    /// What [`read`](Self::read) shows may still be on its way there. Whoever tells others of it on
    /// the strength of a look waits for this first, so that a power cut takes nothing back that
    /// somebody was told.
    pub async fn settled(&self) -> Result<(), StoreError> {
        self.ledger.settle_all().await
    }

    /// Looks at the state of `P`. Be quick: nothing is decided or recorded meanwhile; and ask
    /// nothing of the kernel from in there.
    pub fn read<P: Projection, T>(&self, look: impl FnOnce(&P) -> T) -> Result<T, NotProjected> {
        self.ledger.look_at_state(look)
    }

    /// What leads from the owner's first key to the key they sign with now, and to the kernel's:
    /// a counterpart verifies it with the owner's identifier alone.
    #[must_use]
    pub fn credential(&self) -> Credential {
        self.ledger.credential()
    }

    /// Has the kernel's key sign a statement of another crate's about `topic`: see [`vouched`] for
    /// what is signed and how it is checked. It says that this kernel says so, and nothing of the
    /// owner.
    ///
    /// [`vouched`]: crate::vouched
    pub fn vouch(
        &self,
        topic: &'static str,
        statement: &[u8],
    ) -> Result<Signature, CheckpointError> {
        self.ledger.vouch(topic, statement)
    }

    /// How the ledger stands, up to the last record that is known to be on disk, and what shows
    /// that it begins with the first `from` records. Quick where `from` is recent. Nothing is
    /// recorded, but for a checkpoint if nothing was since the kernel was opened: without a key
    /// that the owner certified it is then the growth of nothing.
    pub async fn growth(&self, from: u64) -> Result<Growth, ProofError> {
        self.ledger.grown(from).await
    }

    /// How the ledger stood at its first `to` records, and what shows that those begin with the
    /// first `from`: for what was said then, and is said again.
    pub async fn growth_to(&self, from: u64, to: u64) -> Result<Growth, ProofError> {
        self.ledger.grown_to(from, to).await
    }

    /// What was kept beside the ledger under this digest, checked against it; none if it never was,
    /// or is erased. For crates that tell it again: it asks nobody.
    pub async fn body(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.ledger.body(digest).await
    }

    /// The time, by the kernel's clock: never less than that of the last record.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ledger.now()
    }
}

/// Why a fact was not declared. Nothing was written, unless the ledger failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// It may not follow.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A signature it rests on is not what it should be.
    #[error("a signature the fact rests on: {0}")]
    BadSignature(#[from] BadSignature),
    /// It has no canonical form, or does not read back from it.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// Nobody folds such facts here.
    #[error(transparent)]
    NotProjected(#[from] NotProjected),
    /// The fact, or its body, has more bytes than may be kept.
    #[error("{size_bytes} bytes are more than may be kept")]
    TooLarge {
        /// How many it has.
        size_bytes: usize,
    },
    /// It cannot follow for a reason of core's own.
    #[error(transparent)]
    Act(ActError),
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

impl From<AppendError> for DeclareError {
    fn from(error: AppendError) -> Self {
        let error = match error {
            AppendError::Store(error) => return Self::Store(error),
            AppendError::Act(error) => error,
        };
        if let ActError::Misfit(misfit) = error {
            Self::Misfit(misfit)
        } else if let ActError::Claim(error) = error {
            Self::BadSignature(error)
        } else if let ActError::Fact(error) = error {
            Self::Fact(error)
        } else if let ActError::NotProjected(error) = error {
            Self::NotProjected(error)
        } else if let ActError::TooLarge { size_bytes } = error {
            Self::TooLarge { size_bytes }
        } else {
            Self::Act(error)
        }
    }
}

#[cfg(test)]
mod again;
#[cfg(test)]
mod tests;
