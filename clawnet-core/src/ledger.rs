//! One owner's chain of records, and the state it folds to.
//!
//! One lock orders everything: under it a record gets its place, time and hash, is handed to the
//! store, and is folded into the state. No user code runs under it and nothing is awaited under it;
//! durability is waited for outside, so that many agents share one flush. If the store ever fails,
//! the ledger stays failed and the kernel denies everything until it is opened again.
use std::{
    collections::HashMap,
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use crate::{
    approval::Question,
    cause::Cause,
    denial::DenyCode,
    fact::NotProjected,
    house::HousePolicy,
    id::{IdentityId, OwnerId},
    key::SoftwareKey,
    policy::{ActError, State},
    projection::{About, Panicked, Projected, Projection, Projections, Told},
    record::{Actor, Event, Outcome, OutcomeKind, chain, encode},
    scope::{Confining, Mandate, Scope},
    store::{Batch, Commit, Durability, Frame, Head, Store, StoreError},
    time::{HighWater, Timestamp},
};

mod growth;
mod checkpoint;
mod proof;
mod baton;
mod cursor;
mod entry;
mod facts;
mod follow;
mod look;
mod postings;
mod reading;
mod recovery;
mod taken;
mod terms;
mod witness;

use self::{
    baton::Baton,
    growth::{Edge, Recent},
    taken::Taken,
};
pub use checkpoint::CheckpointError;
pub(crate) use cursor::Cursor;
pub(crate) use entry::{Content, Draft, Entry, Opening};
pub use facts::DeclareError;
pub use follow::Follow;
pub(crate) use look::{Look, LookError};
pub use proof::{Growth, ProofError};
pub(crate) use reading::{Reading, Unread};
pub(crate) use recovery::Opening as LedgerOpening;
pub use recovery::{Progress, Recovery};
pub(crate) use terms::Term;
pub use witness::{Seen, WitnessError, Witnessed};

/// Bounds on what may pile up. Start from the default and change what has to be:
///
/// ```
/// let mut limits = clawnet_core::Limits::default();
/// limits.durable_reads = true;
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// How many questions of one identity may wait for the owner: 16.
    pub questions_open_max: usize,
    /// After how long silence becomes a no: half an hour.
    pub question_ttl: Duration,
    /// After how many records the tree is brought up to date, and a checkpoint signed if the kernel
    /// has a key to sign with: 1024.
    pub checkpoint_every: u64,
    /// After how many records at least the state is kept, to reopen from: 16 384.
    pub snapshot_every: u64,
    /// Whether what only observes waits for the disk too: no.
    pub durable_reads: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            questions_open_max: 16,
            question_ttl: Duration::from_mins(30),
            checkpoint_every: 1024,
            snapshot_every: 16_384,
            durable_reads: false,
        }
    }
}

/// The one writer of one owner's records.
pub(crate) struct Ledger {
    pub(crate) owner: OwnerId,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: HighWater,
    pub(crate) limits: Limits,
    pub(crate) house: Vec<Box<dyn HousePolicy>>,
    projected: Projected,
    inner: Mutex<Inner>,
    /// Grows with everything that may change a decision: what holds an older scope looks again.
    version: AtomicU64,
    /// Up to here every record is known to be on disk.
    durable: AtomicU64,
    /// The tree over the records. Locked before `inner` where both are.
    edge: Mutex<Edge>,
    /// What checkpoints are signed with.
    signer: Mutex<Option<SoftwareKey>>,
    /// Enough was written since the last checkpoint.
    due: AtomicBool,
    /// Somebody follows and waits.
    followed: AtomicBool,
    /// Why nothing can be promised any more.
    failed: OnceLock<StoreError>,
    /// Intents whose holder went away: the next append closes them.
    abandoned: Mutex<Vec<u64>>,
    followers: Mutex<Vec<Waker>>,
    /// What is not in the store's index yet.
    taken: Baton<Taken>,
}

/// The ledger's inside. Dropping it unlocks, and only then wakes whoever follows: wakers are the
/// application's code.
pub(crate) struct Locked<'l> {
    inner: MutexGuard<'l, Inner>,
    _after: WakeFollowers<'l>,
}

impl Deref for Locked<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

struct WakeFollowers<'l>(&'l Ledger);

impl Drop for WakeFollowers<'_> {
    fn drop(&mut self) {
        if !self.0.followed.load(Ordering::Acquire) {
            return;
        }
        self.0.followed.store(false, Ordering::Release);
        let followers =
            std::mem::take(&mut *self.0.followers.lock().unwrap_or_else(PoisonError::into_inner));
        for waker in followers {
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

/// What the lock guards.
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) projections: Projections,
    head: Head,
    /// The last record that somebody waits for the disk with.
    promised: u64,
    /// The record the state was last kept at.
    snapshot: u64,
    recent: Recent,
    /// Reused for every record's bytes.
    payload: Vec<u8>,
    scopes: HashMap<IdentityId, Arc<Scope>>,
    mandates: HashMap<IdentityId, (u64, Arc<Mandate>)>,
}

/// A record that was appended, and the future that says when it is durable.
pub(crate) struct Appended {
    pub(crate) sequence: u64,
    class: Durability,
    commit: Commit,
}

/// What is to be the next record.
struct Entering<'e> {
    now: Timestamp,
    actor: Actor,
    event: &'e Event,
    /// What it tells a projection, if it is a fact.
    told: Option<&'e Told<'e>>,
}

/// Why an event was not appended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    /// It cannot follow the present state. Nothing was written.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The ledger cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    /// The ledger's inside, if it can still be written.
    pub(crate) fn lock(&self) -> Result<Locked<'_>, StoreError> {
        // The application's clock is asked before the lock is taken, never under it.
        self.clock.now();
        self.lock_still()
    }

    /// The same, without asking the clock.
    pub(crate) fn lock_still(&self) -> Result<Locked<'_>, StoreError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        // A panic under the lock may have left a record unfolded: that is a failed ledger.
        let inner = self.inner.lock().map_err(|_| self.fail(StoreError::Poisoned))?;
        Ok(Locked { inner, _after: WakeFollowers(self) })
    }

    /// The ledger's inside, to read from even when it can no longer be written.
    pub(crate) fn peek(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look at the state of a projection. What panics there changed nothing, and stays the
    /// caller's.
    pub(crate) fn look_at_state<P: Projection, T>(
        &self,
        look: impl FnOnce(&P) -> T,
    ) -> Result<T, NotProjected> {
        let looked = {
            let inner = self.peek();
            let state = inner.projections.of::<P>()?;
            catch_unwind(AssertUnwindSafe(|| look(state)))
        };
        looked.map_or_else(|panicked| resume_unwind(panicked), Ok)
    }

    /// The present, as the next record would tell it.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Counts everything that may change a decision.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Gives up for good, and says why.
    pub(crate) fn fail(&self, error: StoreError) -> StoreError {
        self.failed.get_or_init(|| error).clone()
    }

    /// Why nothing can be written any more, if so.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failed.get()
    }

    /// Waits until what was appended is as durable as it has to be.
    pub(crate) async fn settle(&self, appended: Appended) -> Result<(), StoreError> {
        let Appended { sequence, class, commit } = appended;
        let settled = commit.await.map_err(|error| self.fail(error));
        if settled.is_ok() && class == Durability::Durable {
            self.durable.fetch_max(sequence, Ordering::AcqRel);
        }
        if settled.is_err() {
            // Nobody else will unlock the ledger and wake those who follow it.
            drop(WakeFollowers(self));
        }
        settled
    }

    /// Waits until whatever waits for the disk now is there.
    pub(crate) async fn settle_all(&self) -> Result<(), StoreError> {
        let appended = {
            let inner = self.lock_still()?;
            if inner.promised <= self.durable.load(Ordering::Acquire) {
                return Ok(());
            }
            let (sequence, class) = (inner.head.sequence, Durability::Durable);
            // Nothing, behind everything: whoever wrote it may be gone, and wait no more.
            let commit = self.store.append(self.owner, inner.head, Batch::new(), class);
            Appended { sequence, class, commit: self.look_at(commit)? }
        };
        self.settle(appended).await
    }

    /// Appends one event, and before it the outcomes of abandoned intents.
    pub(crate) fn append(
        &self,
        inner: &mut Inner,
        (actor, event): (Actor, &Event),
        class: Durability,
    ) -> Result<Appended, AppendError> {
        if event.fact().is_some() {
            // Facts are vetted first.
            return Err(ActError::OutOfPlace.into());
        }
        let now = self.tick(inner);
        inner.state.check((now, actor), event)?;
        self.close_abandoned(inner, now)?;
        self.write(inner, &Entering { now, actor, event, told: None }, class)
    }

    /// The time of the next record: that of taking the lock, and never less than the last one's.
    pub(crate) fn tick(&self, inner: &Inner) -> Timestamp {
        self.clock.mark().max(inner.state.at)
    }

    fn close_abandoned(&self, inner: &mut Inner, now: Timestamp) -> Result<(), AppendError> {
        let abandoned =
            std::mem::take(&mut *self.abandoned.lock().unwrap_or_else(PoisonError::into_inner));
        for intent in abandoned {
            let outcome = Outcome { evidence: None, intent, result: OutcomeKind::Interrupted };
            if inner.state.intents.contains_key(&intent) {
                let event = &Event::Outcome(outcome);
                let closing = Entering { now, actor: Actor::Kernel, event, told: None };
                // The append that follows waits for this one too.
                drop(self.write(inner, &closing, Durability::Buffered)?);
            }
        }
        Ok(())
    }

    fn write(
        &self,
        inner: &mut Inner,
        entering: &Entering<'_>,
        class: Durability,
    ) -> Result<Appended, AppendError> {
        let Entering { now, actor, event, .. } = *entering;
        inner.payload.clear();
        if let Err(error) = encode(&mut inner.payload, now, actor, event) {
            let what = error.to_string();
            return Err(self
                .fail(StoreError::Damaged { position: "encoding".into(), what })
                .into());
        }
        let size_bytes = inner.payload.len();
        if size_bytes > Frame::SIZE_BYTES_MAX {
            return Err(ActError::TooLarge { size_bytes }.into());
        }
        let sequence = inner.head.sequence + 1;
        let hash = chain(self.owner, sequence, inner.head.hash, &inner.payload);
        let frame = Frame::new(sequence, hash, inner.payload.as_slice().into());
        let (expected, head) = (inner.head, Head::after(&frame));
        let mut batch = Batch::new();
        batch.push(frame);
        let commit = self.store.append(self.owner, expected, batch, class);
        let commit = self.look_at(commit)?;
        inner.head = head;
        if class == Durability::Durable {
            inner.promised = sequence;
        }
        inner.fold(sequence, entering).map_err(|_| self.fail(StoreError::Poisoned))?;
        if changes_policy(event) {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        inner.recent.push(hash);
        if sequence.checked_rem(self.limits.checkpoint_every) == Some(0) {
            self.due.store(true, Ordering::Release);
        }
        Ok(Appended { sequence, class, commit })
    }

    /// For events the kernel itself makes, which always follow: anything else is a failed ledger.
    pub(crate) fn store_error(&self, error: AppendError) -> StoreError {
        match error {
            AppendError::Store(error) => self.fail(error),
            AppendError::Act(error) => {
                let what = error.to_string();
                self.fail(StoreError::Damaged { position: "state".into(), what })
            }
        }
    }

    /// Leaves an intent to be closed by the next append. Never blocks for long, never fails.
    fn abandon(&self, intent: u64) {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner).push(intent);
    }

    /// A commit that was refused at once is not left for somebody to await: what it would have
    /// recorded must not be folded, nor believed.
    fn look_at(&self, mut commit: Commit) -> Result<Commit, StoreError> {
        let mut nobody = Context::from_waker(Waker::noop());
        match Pin::new(&mut commit).poll(&mut nobody) {
            Poll::Pending => Ok(commit),
            Poll::Ready(Ok(())) => Ok(Commit::ready(Ok(()))),
            Poll::Ready(Err(error)) => Err(self.fail(error)),
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger of {}", self.owner)
    }
}

impl Inner {
    /// Takes a record in: core's state first, then what others make of it.
    fn fold(&mut self, sequence: u64, entering: &Entering<'_>) -> Result<(), Panicked> {
        let Entering { now: at, actor, event, told } = *entering;
        let Self { state, projections, .. } = self;
        state.fold(sequence, (at, actor), event);
        if told.is_some_and(|told| told.security) {
            state.notice(sequence);
        }
        projections.take_in(told, event, &About { sequence, at, actor, act: event.act(), state })
    }

    /// The epoch of what limits whoever acts because of `cause`; none without one, and none where
    /// it permits nothing.
    pub(crate) fn confined(&self, cause: Option<&Cause>) -> Option<u64> {
        self.projections.confined(cause?)
    }

    /// Whether the yes to this question could still be spent, as far as its cause goes.
    pub(crate) fn is_open(&self, question: &Question) -> bool {
        self.confined(question.cause.as_ref()) == question.confinement
    }

    /// How many questions of `identity` wait at `now`.
    pub(crate) fn waiting(&self, identity: IdentityId, now: Timestamp) -> usize {
        let waiting = self.state.waiting(identity, now);
        waiting.filter(|asked| self.is_open(&asked.question)).count()
    }

    /// The scope `identity` acts under now, compiled if it changed.
    pub(crate) fn scope(&mut self, identity: IdentityId) -> Arc<Scope> {
        let epoch = self.state.epoch(identity);
        if let Some(scope) = self.scopes.get(&identity).filter(|scope| scope.epoch == epoch) {
            return scope.clone();
        }
        let mut grantor = None;
        let mut mandates = smallvec::SmallVec::new();
        for link in self.state.chain(identity) {
            mandates.push(self.mandate(grantor, link));
            grantor = Some(link);
        }
        let barred = self.state.barred(identity);
        let known = barred != Some(DenyCode::Foreign);
        let scope = Arc::new(Scope { epoch, barred, mandates, confining: Confining::default() });
        if known {
            self.scopes.insert(identity, scope.clone());
        }
        scope
    }

    /// What `holder` was granted by `grantor`, compiled if it changed.
    fn mandate(&mut self, grantor: Option<IdentityId>, holder: IdentityId) -> Arc<Mandate> {
        let (epoch, held) = match self.mandates.get(&holder) {
            Some((epoch, mandate)) if self.state.own_epoch(holder) == *epoch => {
                return mandate.clone();
            }
            Some(_) | None => self.state.held(holder),
        };
        let mandate = Arc::new(Mandate::compile(grantor, held));
        self.mandates.insert(holder, (epoch, mandate.clone()));
        mandate
    }

    /// The last record.
    pub(crate) fn head(&self) -> Head {
        self.head
    }
}

/// Whether decisions made before `event` may be wrong after it.
fn changes_policy(event: &Event) -> bool {
    match event {
        // What a cause permits is asked for each time: no scope is another after a fact.
        Event::Act(signed) => signed.act.fact().is_none(),
        Event::Delegated { .. } => true,
        Event::Asked(_)
        | Event::Checkpoint(_)
        | Event::Declared { .. }
        | Event::Denied(_)
        | Event::Erased { .. }
        | Event::Intent(_)
        | Event::Misbehaved(_)
        | Event::Opened { .. }
        | Event::Outcome(_)
        | Event::Recalled { .. }
        | Event::Recovered { .. }
        | Event::Snapshot { .. }
        | Event::Witnessed { .. } => false,
    }
}
