//! What other crates put in the ledger, and see of it.
use super::Kernel;
use crate::{
    digest::Digest,
    fact::{Fact, NotProjected},
    key::Signature,
    ledger::{CheckpointError, DeclareError, Growth, ProofError},
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
    ///
    /// That the fact reads back from what it writes is [promised](Projection::Fact) by who wrote
    /// its type, and looked at here only where debug assertions are on. In a release build one that
    /// does not is recorded all the same, and **the ledger does not open again**: declare every
    /// shape your facts have in a test.
    pub async fn declare<P: Projection>(
        &self,
        fact: &P::Fact,
        body: Option<&[u8]>,
    ) -> Result<u64, DeclareError> {
        Ok(self.ledger.tell::<P>(fact, body, &|_| Ok(())).await?)
    }

    /// The same without waiting: durable with the next durable record, and within 100 ms. For what
    /// is said again if it is lost, such as an acknowledgement. [`settled`](Self::settled) does not
    /// wait for it. What [`declare`](Self::declare) says of facts that do not read back is so here.
    pub fn declare_buffered<P: Projection>(&self, fact: &P::Fact) -> Result<u64, DeclareError> {
        let at_rest = Fact::of::<P>(fact)?;
        let vetted = self.ledger.vet_as::<P>((fact, &at_rest), Actor::Kernel)?;
        let entering = (None, Durability::Buffered);
        let appended = self.ledger.declare((at_rest, vetted), entering, &|_| Ok(()))?;
        Ok(appended.sequence)
    }

    /// Waits until everything that was recorded so far to be durable is on disk. What was recorded
    /// [buffered](Self::declare_buffered) is not waited for: a power cut may take it back for 100
    /// ms, though `read` shows it.
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

#[cfg(test)]
mod again;
#[cfg(test)]
mod tests;
