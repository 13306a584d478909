//! What is written down about all that was written before: signed checkpoints and kept states.
use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering},
};

use serde::{Deserialize, Serialize};

use super::{
    Appended, Entering, Inner, Ledger,
    growth::{Edge, Level},
};
use crate::{
    digest::{Digest, STATE},
    key::{PublicKey, Signature, Signer as _, SoftwareKey, is_topic, vouched},
    note::{Checkpoint, SignedCheckpoint},
    policy::State,
    projection::KeptProjections,
    record::{Actor, Credential, Event},
    store::{Durability, Snapshot, StoreError},
};

/// Why no checkpoint was signed. The ledger goes on, unless the store failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The kernel was given no key to sign with: [`Kernel::sign_with`](crate::Kernel::sign_with).
    #[error("the kernel has no key to sign with")]
    NoKey,
    /// The owner did not certify the kernel's key, or has certified another since:
    /// [`Owner::certify`](crate::Owner::certify).
    #[error("the owner has not certified the kernel's key {0}")]
    NotCertified(PublicKey),
    /// A topic is a word of lower case, digits, dots, `_` and `-`, of at most 64 bytes.
    #[error("`{0}` is no topic")]
    Topic(&'static str),
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

/// A state and the tree it belongs to, as a snapshot keeps them.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept<S = State, E = Edge> {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) projections: KeptProjections,
    pub(super) state: S,
    pub(super) tree: E,
}

impl Kept {
    /// What was kept in these bytes, if they have this digest.
    pub(super) fn unseal(bytes: &[u8], digest: Digest) -> Option<Self> {
        let same = STATE.digest(&[bytes]) == digest;
        if same { serde_json::from_slice(bytes).ok() } else { None }
    }
}

impl Ledger {
    /// Signs with `key` from here on, where the owner certified it.
    pub(crate) fn sign_with(&self, key: SoftwareKey) {
        *self.signer.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
    }

    /// Does what is due every so many records: the tree, a checkpoint, a snapshot, the index.
    pub(crate) async fn keep_up(&self) -> Result<(), StoreError> {
        if !self.due.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        match self.sum_up().await {
            Ok(()) => {}
            Err(CheckpointError::Store(error)) => return Err(error),
            Err(
                CheckpointError::NoKey
                | CheckpointError::NotCertified(_)
                | CheckpointError::Topic(_),
            ) => self.grow().await?,
        }
        self.take_in().await;
        Ok(())
    }

    async fn sum_up(&self) -> Result<(), CheckpointError> {
        self.checkpoint_as(Durability::Buffered).await?;
        let since = {
            let inner = self.peek();
            inner.head.sequence.saturating_sub(inner.snapshot)
        };
        if since >= self.limits.snapshot_every {
            self.snapshot().await?;
        }
        Ok(())
    }

    /// Signs a checkpoint of all there is, and records it, durably.
    pub(crate) async fn checkpoint(&self) -> Result<SignedCheckpoint, CheckpointError> {
        self.checkpoint_as(Durability::Durable).await
    }

    async fn checkpoint_as(&self, class: Durability) -> Result<SignedCheckpoint, CheckpointError> {
        let (signed, appended) = {
            let mut level = self.level().await?;
            let signed = self.sign(&level)?;
            let event = Event::Checkpoint(signed.clone());
            (signed, self.seal(&mut level.inner, &event, class)?)
        };
        self.settle(appended).await?;
        Ok(signed)
    }

    pub(super) fn sign(
        &self,
        Level { edge, inner }: &Level<'_>,
    ) -> Result<SignedCheckpoint, CheckpointError> {
        let said = Checkpoint::of(self.owner, edge.tree().size(), edge.tree().root());
        self.signed(inner, |key| SignedCheckpoint::sign(said, key))
    }

    /// What `sign` makes with the kernel's key, if the owner certified it.
    fn signed<T>(
        &self,
        inner: &Inner,
        sign: impl FnOnce(&SoftwareKey) -> T,
    ) -> Result<T, CheckpointError> {
        self.signed_by(inner.state.kernel_key, sign)
    }

    /// The same, where it is known which key the owner certified.
    pub(super) fn signed_by<T>(
        &self,
        certified: Option<PublicKey>,
        sign: impl FnOnce(&SoftwareKey) -> T,
    ) -> Result<T, CheckpointError> {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let key = signer.as_ref().ok_or(CheckpointError::NoKey)?;
        if certified != Some(key.public_key()) {
            return Err(CheckpointError::NotCertified(key.public_key()));
        }
        Ok(sign(key))
    }

    /// What leads from the owner's first key to the kernel's, as of now.
    pub(crate) fn credential(&self) -> Credential {
        let inner = self.peek();
        Credential { acts: inner.state.credential.clone(), founder: inner.state.founder }
    }

    /// Signs a statement of another crate with the kernel's key, if the owner certified it.
    pub(crate) fn vouch(
        &self,
        topic: &'static str,
        statement: &[u8],
    ) -> Result<Signature, CheckpointError> {
        if !is_topic(topic) {
            return Err(CheckpointError::Topic(topic));
        }
        if let Some(error) = self.failure() {
            return Err(error.clone().into());
        }
        let certified = self.peek().state.kernel_key;
        self.signed_by(certified, |key| key.sign_now(&vouched(topic, statement)))
    }

    /// Records the digest of state and tree, signed, and keeps both. What cannot be kept is rebuilt
    /// by a replay; only a record that cannot be written ends the ledger.
    pub(crate) async fn snapshot(&self) -> Result<u64, CheckpointError> {
        let (appended, bytes) = {
            let mut level = self.level().await?;
            self.signed(&level.inner, |_| ())?;
            let unkept = |what| StoreError::Damaged { position: "state".into(), what };
            let projections = level.inner.projections.keep().map_err(unkept)?;
            let kept = Kept { projections, state: &level.inner.state, tree: &*level.edge };
            let bytes = serde_json::to_vec(&kept).map_err(|error| unkept(error.to_string()))?;
            let (sequence, state) = (level.inner.head.sequence + 1, STATE.digest(&[&bytes]));
            let statement = Event::snapshot_statement(self.owner, sequence, state);
            let signature = self.signed(&level.inner, |key| key.sign_now(&statement))?;
            let event = Event::Snapshot { signature, state };
            let appended = self.seal(&mut level.inner, &event, Durability::Durable)?;
            level.inner.snapshot = appended.sequence;
            (appended, bytes)
        };
        let sequence = appended.sequence;
        self.settle(appended).await?;
        drop(self.store.keep_snapshot(self.owner, Snapshot::new(sequence, bytes)).await);
        Ok(sequence)
    }

    /// Writes a statement about everything before it. Nothing may come in between: not `append`.
    pub(super) fn seal(
        &self,
        inner: &mut Inner,
        event: &Event,
        class: Durability,
    ) -> Result<Appended, StoreError> {
        let now = self.tick(inner);
        let entering = Entering { now, actor: Actor::Kernel, event, told: None };
        let appended = self.write(inner, &entering, class);
        appended.map_err(|error| self.store_error(error))
    }
}
