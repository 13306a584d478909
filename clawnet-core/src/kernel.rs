//! The front door: one kernel governs one owner.
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    endpoint::{Mount, Recall},
    house::HousePolicy,
    id::OwnerId,
    key::{PublicKey, Signer, SoftwareKey},
    ledger::{
        CheckpointError, Ledger, LedgerOpening, Limits, Progress, ProofError, Recovery,
        WitnessError, Witnessed,
    },
    note::{Checkpoint, SignedCheckpoint},
    owner::{Owner, OwnerError},
    projection::{Projected, Projection},
    record::{Event, Presented, Recalled},
    store::{Head, Store, StoreError},
    time::Clock,
    tree::{ConsistencyProof, InclusionProof},
    verify::{Damage, Verification},
};

/// What a kernel is opened with: whose it is, and what the application adds.
#[must_use = "a kernel governs nothing until it is opened"]
pub struct Governing {
    key: PublicKey,
    limits: Limits,
    house: Vec<Box<dyn HousePolicy>>,
    whole: bool,
    known: Option<Head>,
    signed: Option<Checkpoint>,
    projections: Projected,
}

impl Governing {
    /// With other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With a policy of the application's own, which can only lower a verdict.
    pub fn house(mut self, policy: impl HousePolicy) -> Self {
        self.house.push(Box::new(policy));
        self
    }

    /// With a projection: facts of its name can be declared, and are folded into its state. Of two
    /// with one name the first counts. A ledger that holds facts opens only with the projections
    /// that fold them.
    pub fn project<P: Projection>(mut self) -> Self {
        self.projections.add::<P>();
        self
    }

    /// Passing over facts that nobody folds here, instead of refusing the ledger: for tools that
    /// look at any, export it, or decide for the owner.
    ///
    /// **Refuses** to declare such facts, and to let anybody act because of them.
    pub fn passing_over_facts(mut self) -> Self {
        self.projections.pass_over();
        self
    }

    /// Replaying and verifying every record, not only those after the last kept state.
    pub fn verifying_everything(mut self) -> Self {
        self.whole = true;
        self
    }

    /// Only if the ledger still holds the record at `head`, a [`Kernel::head`] that was kept
    /// elsewhere. A chain alone does not show that its end was cut off, or that an older copy was
    /// put back: this does.
    pub fn remembering(mut self, head: Head) -> Self {
        self.known = Some(head);
        self
    }

    /// Only if the ledger still begins with what is under `signed`, a checkpoint of its own that
    /// was kept elsewhere, or that a counterpart kept and cosigned. Its signatures are for whoever
    /// fetches it to check.
    pub fn remembering_checkpoint(mut self, signed: &SignedCheckpoint) -> Self {
        self.signed = Some(signed.checkpoint().clone());
        self
    }

    /// Opens the owner's ledger in `store`, or begins it.
    ///
    /// Intents without an outcome are closed as interrupted. A ledger that is not what was written
    /// opens read-only, says where it breaks in [`Kernel::recovery`], and denies everything.
    pub async fn open(self, store: impl Store, clock: impl Clock) -> Result<Kernel, StoreError> {
        self.open_shared(Arc::new(store), clock).await
    }

    /// The same, in a store that other owners' kernels use too.
    pub async fn open_shared(
        self,
        store: Arc<dyn Store>,
        clock: impl Clock,
    ) -> Result<Kernel, StoreError> {
        let Self { key, limits, house, whole, known, signed, projections } = self;
        let clock = Box::new(clock);
        let opening =
            LedgerOpening { key, limits, house, clock, whole, known, signed, projections };
        let (ledger, recovery) = Ledger::open(store, opening).await?;
        Ok(Kernel { ledger: Arc::new(ledger), recovery })
    }
}

impl fmt::Debug for Governing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Governing {}", self.key.owner())
    }
}

/// The governance kernel of one owner.
#[derive(Debug)]
pub struct Kernel {
    ledger: Arc<Ledger>,
    recovery: Recovery,
}

impl Kernel {
    /// Begins to describe the kernel of the owner whose ledger began with this key, which names it
    /// even after the owner has taken another.
    pub fn governing(owner: PublicKey) -> Governing {
        let (limits, house) = (Limits::default(), Vec::new());
        Governing {
            key: owner,
            limits,
            house,
            whole: false,
            known: None,
            signed: None,
            projections: Projected::default(),
        }
    }

    /// Whose kernel this is.
    #[must_use]
    pub fn owner_id(&self) -> OwnerId {
        self.ledger.owner
    }

    /// What opening it found and did.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Where the ledger was found broken when it was opened, if it was.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.recovery.damage.as_ref()
    }

    /// Why nothing is permitted any more, if the ledger failed.
    #[must_use]
    pub fn failure(&self) -> Option<&StoreError> {
        self.ledger.failure()
    }

    /// The handle to decide with. The signer proves that it holds the owner's key by signing the
    /// present end of the ledger; naming the key is not enough.
    pub async fn owner(&self, signer: impl Signer + 'static) -> Result<Owner, OwnerError> {
        let (owner, head, key) = {
            let inner = self.ledger.peek();
            (self.ledger.owner, inner.head(), inner.state.key)
        };
        if signer.public_key() != key {
            return Err(OwnerError::ForeignKey);
        }
        let challenge = format!("clawnet owner handle v1\n{owner} {} {}", head.sequence, head.hash);
        let signature = signer.sign(challenge.as_bytes()).await?;
        match key.verify(challenge.as_bytes(), &signature) {
            Ok(()) => Ok(Owner::new(self.ledger.clone(), Box::new(signer))),
            Err(_) => Err(OwnerError::ForeignKey),
        }
    }

    /// Puts an endpoint at its place, under the name its records will bear.
    pub fn mount<E>(&self, name: &str, endpoint: E) -> Mount<E> {
        Mount::new(name, endpoint, self.ledger.clone())
    }

    /// Asks an endpoint about the intents a crash left to it, by the name it is mounted under, and
    /// records what it says. Returns how many there were: none for another kernel's mount.
    pub async fn settle<E: Recall>(&self, mount: &Mount<E>) -> Result<u64, StoreError> {
        if !mount.is_of(&self.ledger) {
            return Ok(0);
        }
        let open: Vec<u64> = {
            let inner = self.ledger.lock()?;
            let left = inner.state.interrupted.iter().filter(|(_, at)| ***at == *mount.name());
            left.map(|(intent, _)| *intent).collect()
        };
        let mut settled = 0;
        for intent in open {
            let asked = || mount.endpoint().recall(self.ledger.owner, intent);
            let said = catch_unwind(AssertUnwindSafe(asked)).unwrap_or(Recalled::Unknown);
            self.ledger.kernel_event(&Event::Recalled { intent, said }).await?;
            settled += 1;
        }
        Ok(settled)
    }

    /// How many hold this kernel's ledger besides it: owners' and agents' handles, mounts, whoever
    /// follows it, operations under way. Where nobody does, and the kernel itself is dropped, nothing
    /// of it is left that could write, and its owner's ledger can be opened again.
    #[must_use]
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.ledger).saturating_sub(1)
    }

    /// The end of the ledger: worth keeping somewhere else.
    #[must_use]
    pub fn head(&self) -> Head {
        self.ledger.peek().head()
    }

    /// Verifies the whole ledger, from the first record on. If it breaks anywhere, nothing is
    /// permitted any more.
    pub async fn verify(&self) -> Result<Verification, StoreError> {
        self.ledger.verify(&mut |_| ()).await
    }

    /// The same, and tells `progress` how far it is, some times a second.
    pub async fn verify_with(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Verification, StoreError> {
        self.ledger.verify(&mut progress).await
    }

    /// Signs checkpoints with `key` from here on, where the owner certified it:
    /// [`Owner::certify`]. The key is the kernel's own, never the owner's.
    pub fn sign_with(&self, key: SoftwareKey) {
        self.ledger.sign_with(key);
    }

    /// The kernel's key that the owner certified last, if any: a program that starts again certifies
    /// its key only if it is another.
    #[must_use]
    pub fn certified_key(&self) -> Option<PublicKey> {
        self.ledger.peek().state.kernel_key
    }

    /// Signs the size and the root of the whole ledger, and records that, durably. Worth keeping
    /// somewhere else: who holds it finds every rewriting, and every cut before it. Happens by
    /// itself every [`Limits::checkpoint_every`] records.
    pub async fn checkpoint(&self) -> Result<SignedCheckpoint, CheckpointError> {
        self.ledger.checkpoint().await
    }

    /// Proves to whoever holds `checkpoint` that record `sequence` is under it.
    pub async fn prove(
        &self,
        sequence: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<InclusionProof, ProofError> {
        self.ledger.prove(sequence, checkpoint).await
    }

    /// Proves to whoever holds a checkpoint of `from` records that the ledger under `checkpoint`
    /// begins with them.
    pub async fn prove_growth(
        &self,
        from: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<ConsistencyProof, ProofError> {
        self.ledger.prove_growth(from, checkpoint).await
    }

    /// Signs a checkpoint of the whole ledger, records that, durably, and shows it as of now, with
    /// what leads from the owner's first key to the kernel's: what goes to a counterpart with
    /// every message. It may be shown to many, and again.
    pub async fn present(&self) -> Result<Presented, CheckpointError> {
        self.ledger.present().await
    }

    /// Looks at the head a counterpart shows, beside the last one this ledger has of it, and
    /// records what is new, durably. A head of more records than the last one needs a `proof`:
    /// [`WitnessError::NeedsProof`] says which, and the counterpart's
    /// [`prove_growth`](Self::prove_growth) gives it.
    ///
    /// **Promises** that a counterpart that goes back, or shows this ledger different pasts, is
    /// told from every honest one, whatever became of the messages, with a proof for everybody.
    /// **Refuses** what does not verify, or was signed with a key that was replaced. Two
    /// heads shown within one second prove nothing about who went back.
    ///
    /// Each ledger is remembered for good, and of a bounded number of them: show it the heads of
    /// those you deal with. A head of this ledger itself that it does not hold ends all writing.
    pub async fn witness(
        &self,
        shown: &Presented,
        proof: Option<&ConsistencyProof>,
    ) -> Result<Witnessed, WitnessError> {
        self.ledger.witness(shown, proof).await
    }

    /// Records the digest of the present state, signed, and keeps it, to reopen from: without a key
    /// that the owner certified nobody could tell it from a forged one, and opening replays
    /// everything. Happens by itself
    /// every [`Limits::snapshot_every`] records. Returns the record's sequence.
    pub async fn snapshot(&self) -> Result<u64, CheckpointError> {
        self.ledger.snapshot().await
    }
}

mod facts;

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{
        key::SoftwareKey,
        store::{Batch, Durability, MemoryStore},
        time::{ManualClock, Timestamp},
    };

    /// The first `count` records of `store`, as somebody would put an older copy back.
    async fn copy(store: &dyn Store, owner: OwnerId, count: usize) -> MemoryStore {
        let older = MemoryStore::new();
        let frames = store.read(owner, 1, usize::MAX).await.unwrap();
        for frame in frames.into_iter().take(count) {
            let head = older.head(owner).await.unwrap();
            let batch = Batch::from_iter([frame]);
            older.append(owner, head, batch, Durability::Durable).await.unwrap();
        }
        older
    }

    #[test]
    fn a_kernel_knows_how_many_hold_it() {
        block_on(async {
            let key = || SoftwareKey::from_secret(&[1; 32]);
            let clock = ManualClock::at(Timestamp::from_millis(1000));
            let governing = Kernel::governing(key().public_key());
            let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
            assert_eq!(kernel.handles(), 0);
            let owner = kernel.owner(key()).await.unwrap();
            let identity = owner.identity("work").await.unwrap();
            let (agent, mount) =
                (owner.bind(identity, "one", "test").await.unwrap(), kernel.mount("m", ()));
            let follow = owner.follow(1);
            assert_eq!(kernel.handles(), 4);
            drop((owner, follow));
            assert_eq!(kernel.handles(), 2);
            drop((agent, mount));
            assert_eq!(kernel.handles(), 0);
        });
    }

    #[test]
    fn an_older_copy_is_found_by_who_remembers_the_head() {
        block_on(async {
            let key = || SoftwareKey::from_secret(&[1; 32]);
            let clock = ManualClock::at(Timestamp::from_millis(1000));
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let governing = || Kernel::governing(key().public_key());
            let kernel = governing().open_shared(store.clone(), clock.clone()).await.unwrap();
            kernel.owner(key()).await.unwrap().identity("work").await.unwrap();
            let (owner, head) = (kernel.owner_id(), kernel.head());

            let whole = copy(&*store, owner, 2).await;
            let opened = governing().remembering(head).open(whole, clock.clone()).await.unwrap();
            assert_eq!(opened.damage(), None);
            let cut = copy(&*store, owner, 1).await;
            assert!(governing().open(cut, clock.clone()).await.unwrap().damage().is_none());
            let cut = copy(&*store, owner, 1).await;
            let opened = governing().remembering(head).open(cut, clock.clone()).await.unwrap();
            assert_eq!(opened.damage().unwrap().sequence, 2);
            let refused = opened.owner(key()).await.unwrap().identity("home").await;
            assert!(matches!(refused, Err(OwnerError::Store(StoreError::Damaged { .. }))));

            let other = copy(&*store, owner, 1).await;
            let fork = governing().open(other, clock.clone()).await.unwrap();
            fork.owner(key()).await.unwrap().identity("other").await.unwrap();
            let forked: Arc<dyn Store> = fork.ledger.store.clone();
            let opened = governing().remembering(head).open_shared(forked, clock).await.unwrap();
            assert_eq!(opened.damage().unwrap().sequence, 2);
        });
    }
}
