//! Opening a ledger: verify, fold, close what a crash left open; or say where it breaks.
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
};

use super::{
    Inner, Ledger, Limits, Reading, Unread,
    baton::Baton,
    checkpoint::Kept,
    growth::{Edge, Recent},
};
use crate::{
    digest::Digest,
    fact::{Claim, NotProjected},
    house::HousePolicy,
    id::OwnerId,
    key::{PublicKey, Signature},
    note::Checkpoint,
    policy::State,
    projection::{About, Projected, Projections, Told, Untold},
    record::{Actor, AuditRecord, Credential, Event, Outcome, OutcomeKind},
    store::{Durability, Frame, Head, Store, StoreError},
    time::{Clock, HighWater},
    verify::{
        Damage, FORMAT, NO_OPENING, Verification, check_checkpoint, check_opening, check_snapshot,
        follows,
    },
};

/// What opening a ledger found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// The last record there was.
    pub records: u64,
    /// The record the kept state was taken from, or 0 if everything was replayed.
    pub from_snapshot: u64,
    /// How many records were verified and folded after that.
    pub replayed: u64,
    /// How many intents had no outcome, and were closed as interrupted.
    pub closed: u64,
    /// How many bodies were still to be erased, and are.
    pub erased: u64,
    /// Where the ledger breaks, if it does. It is then read-only, and the kernel denies everything.
    pub damage: Option<Damage>,
}

/// What a kernel is opened with.
pub(crate) struct Opening {
    pub(crate) key: PublicKey,
    pub(crate) limits: Limits,
    pub(crate) house: Vec<Box<dyn HousePolicy>>,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) whole: bool,
    pub(crate) known: Option<Head>,
    pub(crate) signed: Option<Checkpoint>,
    pub(crate) projections: Projected,
}

/// How much is read from the store at once: little enough to stay in a processor's cache.
const CHUNK_BYTES: usize = 256 << 10;

impl Ledger {
    /// Opens the ledger of `opening.key`'s owner in `store`, or begins it.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        opening: Opening,
    ) -> Result<(Self, Recovery), StoreError> {
        let Opening { key, limits, house, clock, whole, known, signed, projections } = opening;
        let owner = key.owner();
        let mut replay = Replay::new(key, projections);
        if !whole {
            replay.resume(&*store).await?;
        }
        let from_snapshot = replay.snapshot;
        let mut damage = replay.run(&*store).await?;
        let found = store.head(owner).await?;
        if damage.is_none() && found != replay.head {
            let what = format!("the store says it ends at record {}", found.sequence);
            damage = Some(Damage { sequence: replay.head.sequence + 1, what });
        }
        if let (None, Some(known)) = (&damage, known) {
            damage = check_known(&*store, replay.head, (owner, known)).await?;
        }
        let mut recovery = Recovery {
            records: replay.head.sequence,
            from_snapshot,
            replayed: replay.replayed,
            closed: 0,
            erased: 0,
            damage,
        };
        let clock = HighWater::new(clock);
        clock.raise(replay.state.at);
        let (inner, edge, projected) = replay.into_parts();
        let ledger = Self {
            owner,
            store,
            clock,
            limits,
            house,
            projected,
            version: AtomicU64::new(1),
            durable: AtomicU64::new(0),
            failed: OnceLock::new(),
            edge: Mutex::new(edge),
            signer: Mutex::default(),
            due: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            abandoned: Mutex::default(),
            followers: Mutex::default(),
            inner: Mutex::new(inner),
            taken: Baton::default(),
        };
        if let (None, Some(signed)) = (&recovery.damage, &signed) {
            recovery.damage = Box::pin(ledger.lacks(signed)).await?;
        }
        ledger.recover(key, recovery).await
    }

    async fn recover(
        self,
        key: PublicKey,
        mut recovery: Recovery,
    ) -> Result<(Self, Recovery), StoreError> {
        if let Some(damage) = &recovery.damage {
            let position = format!("record {}", damage.sequence);
            self.fail(StoreError::Damaged { position, what: damage.what.clone() });
            return Ok((self, recovery));
        }
        if recovery.records == 0 {
            self.kernel_event(&Event::Opened { format: FORMAT, key }).await?;
        }
        let open: Vec<u64> = self.peek().state.intents.keys().copied().collect();
        for intent in open {
            let outcome = Outcome { evidence: None, intent, result: OutcomeKind::Interrupted };
            let mut inner = self.lock()?;
            let event = (Actor::Kernel, &Event::Outcome(outcome));
            let appended = self.append(&mut inner, event, Durability::Buffered);
            drop(appended.map_err(|error| self.store_error(error))?);
            recovery.closed += 1;
        }
        if recovery.closed > 0 {
            self.kernel_event(&Event::Recovered { closed: recovery.closed }).await?;
        }
        let erasing: Vec<_> = self.peek().state.erasing.iter().copied().collect();
        for body in erasing {
            self.erase(body).await?;
            recovery.erased += 1;
        }
        Ok((self, recovery))
    }

    /// Records what the kernel itself did, durably.
    pub(crate) async fn kernel_event(&self, event: &Event) -> Result<u64, StoreError> {
        let appended = {
            let mut inner = self.lock()?;
            let appended = self.append(&mut inner, (Actor::Kernel, event), Durability::Durable);
            appended.map_err(|error| self.store_error(error))?
        };
        let sequence = appended.sequence;
        self.settle(appended).await?;
        Ok(sequence)
    }

    /// Removes a body that the owner had erased, and records that it is gone.
    pub(crate) async fn erase(&self, body: Digest) -> Result<(), StoreError> {
        self.store.erase_body(self.owner, body).await.map_err(|error| self.fail(error))?;
        self.kernel_event(&Event::Erased { body }).await.map(drop)
    }

    /// Verifies the whole ledger from the first record on, and says how far it is now and then. A
    /// break ends all writing: the ledger is failed from then on.
    pub(crate) async fn verify(
        &self,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Verification, StoreError> {
        let mut reading = Reading::of(self);
        let damage = loop {
            match reading.next(CHUNK_BYTES).await {
                Ok(frames) if frames.is_empty() => break None,
                Ok(_) => progress(reading.progress()),
                Err(Unread::Damage(damage)) => break Some(damage),
                Err(Unread::Store(error)) => return Err(error),
            }
        };
        Ok(Verification { damage, ..reading.found() })
    }
}

/// How far something that takes a while has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How many records are done.
    pub records: u64,
    /// How many there are, or 0 where only the end will tell.
    pub of: u64,
}

/// A state being folded from frames.
struct Replay {
    state: State,
    projected: Projected,
    projections: Projections,
    edge: Edge,
    head: Head,
    snapshot: u64,
    replayed: u64,
}

impl Replay {
    fn new(key: PublicKey, projected: Projected) -> Self {
        let (state, edge) = (State::new(key), Edge::default());
        let projections = projected.begin(state.owner);
        Self { state, projected, projections, edge, head: Head::EMPTY, snapshot: 0, replayed: 0 }
    }

    /// Starts from the kept state, if the ledger vouches for it. Otherwise from the beginning: a
    /// snapshot is a shortcut, and a wrong one no reason to stop.
    async fn resume(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let owner = self.state.owner;
        let Ok(Some(kept)) = store.snapshot(owner).await else { return Ok(()) };
        let Some(before) = kept.sequence.checked_sub(1).filter(|before| *before > 0) else {
            return Ok(());
        };
        let Ok(frames) = store.read(owner, before, 2 * Frame::SIZE_BYTES_MAX).await else {
            return Ok(());
        };
        let [previous, snapshot, ..] = frames.as_slice() else { return Ok(()) };
        if follows(owner, Head::after(previous), snapshot).is_err() {
            return Ok(());
        }
        let Ok(record) = AuditRecord::from_frame(snapshot) else { return Ok(()) };
        let Event::Snapshot { signature, state } = &record.event else { return Ok(()) };
        let statement = Event::snapshot_statement(owner, snapshot.sequence, *state);
        if let Some(Kept { projections, state, tree }) = Kept::unseal(&kept.state, *state)
            && is_vouched_for(&state, self.state.founder, (&statement, signature))
            && tree.tree().size() == before
            && let Some(mut projections) = self.projected.resume(&projections)
        {
            // The record itself is no part of what it keeps.
            let about = About::of(&record, &state);
            if projections.take_in(None, &record.event, &about).is_err() {
                return Ok(());
            }
            self.projections = projections;
            (self.state, self.edge) = (state, tree);
            self.state.at = self.state.at.max(record.at);
            self.head = Head::after(snapshot);
            self.edge.push(snapshot.sequence, snapshot.hash);
            self.snapshot = snapshot.sequence;
        }
        Ok(())
    }

    /// Verifies and folds everything after the head.
    async fn run(&mut self, store: &dyn Store) -> Result<Option<Damage>, StoreError> {
        loop {
            let frames =
                match store.read(self.state.owner, self.head.sequence + 1, CHUNK_BYTES).await {
                    Ok(frames) => frames,
                    Err(StoreError::Damaged { position, what }) => {
                        let what = format!("{what} (at {position})");
                        return Ok(Some(Damage { sequence: self.head.sequence + 1, what }));
                    }
                    Err(error) => return Err(error),
                };
            if frames.is_empty() {
                return Ok(None);
            }
            for frame in &frames {
                match self.fold(frame) {
                    Ok(()) => {}
                    Err(Unfolded::Damage(what)) => {
                        return Ok(Some(Damage { sequence: self.head.sequence + 1, what }));
                    }
                    Err(Unfolded::NotProjected(NotProjected { projection })) => {
                        return Err(StoreError::NotProjected { projection });
                    }
                }
            }
        }
    }

    fn fold(&mut self, frame: &Frame) -> Result<(), Unfolded> {
        follows(self.state.owner, self.head, frame)?;
        let record = AuditRecord::from_frame(frame).map_err(|error| error.what)?;
        if record.at < self.state.at {
            return Err("its time is before the record before it".to_owned().into());
        }
        self.check_statement(&record)?;
        let about = (record.at, record.actor);
        let follows = self.state.check(about, &record.event);
        follows.map_err(|error| error.to_string())?;
        let told = self.tell(&record)?;
        self.state.fold(frame.sequence, about, &record.event);
        if told.as_ref().is_some_and(|told| told.security) {
            self.state.notice(frame.sequence);
        }
        let about = About::of(&record, &self.state);
        let taken = self.projections.take_in(told.as_ref(), &record.event, &about);
        taken.map_err(|error| error.to_string())?;
        if let Event::Snapshot { .. } = record.event {
            self.snapshot = frame.sequence;
        }
        self.head = Head::after(frame);
        self.edge.push(frame.sequence, frame.hash);
        self.replayed += 1;
        Ok(())
    }

    /// What a record tells a projection, if that lets it follow and what it rests on is good.
    fn tell(&self, record: &AuditRecord) -> Result<Option<Told<'static>>, Unfolded> {
        let Some(fact) = record.event.fact() else { return Ok(None) };
        let Some(told) = self.projected.replay(fact)? else { return Ok(None) };
        let claims = self.projections.claims(&told, record.actor);
        let claims = claims.map_err(|error| error.to_string())?;
        claims.iter().try_for_each(Claim::verify).map_err(|error| error.to_string())?;
        let about = About::of(record, &self.state);
        self.projections.check(&told, &about).map_err(|error| error.to_string())?;
        Ok(Some(told))
    }

    /// What a record says about the ledger itself: the first one opens it, no other does, and a
    /// checkpoint is of what stands before it.
    fn check_statement(&self, record: &AuditRecord) -> Result<(), String> {
        let state = &self.state;
        if let Event::Opened { format, key } = &record.event {
            return check_opening((record.sequence, state.owner), *format, *key);
        }
        if record.sequence == 1 {
            return Err(NO_OPENING.into());
        }
        if let Event::Checkpoint(signed) = &record.event {
            check_checkpoint((state.owner, state.kernel_key), self.edge.tree(), signed)?;
        }
        if let Event::Snapshot { signature, state: kept } = &record.event {
            let statement = Event::snapshot_statement(state.owner, record.sequence, *kept);
            check_snapshot(state.kernel_key, (&statement, signature))?;
        }
        Ok(())
    }

    fn into_parts(self) -> (Inner, Edge, Projected) {
        let inner = Inner {
            state: self.state,
            projections: self.projections,
            head: self.head,
            promised: 0,
            snapshot: self.snapshot,
            recent: Recent::default(),
            payload: Vec::with_capacity(1024),
            scopes: HashMap::new(),
            mandates: HashMap::new(),
        };
        (inner, self.edge, self.projected)
    }
}

/// Why a record was not folded.
enum Unfolded {
    /// It is not what was written, or cannot follow.
    Damage(String),
    /// It is a fact of nobody here.
    NotProjected(NotProjected),
}

impl From<String> for Unfolded {
    fn from(what: String) -> Self {
        Self::Damage(what)
    }
}

impl From<Untold> for Unfolded {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Fact(error) => Self::Damage(error.to_string()),
            Untold::NotProjected(error) => Self::NotProjected(error),
        }
    }
}

/// Whether a kernel whose key leads back to `founder` signed this state: a digest in the chain alone
/// says nothing, since whoever has the disk can write one.
fn is_vouched_for(
    state: &State,
    founder: PublicKey,
    (statement, signature): (&[u8], &Signature),
) -> bool {
    let credential = Credential { acts: state.credential.clone(), founder };
    let key = credential.verify().ok();
    state.founder == founder
        && key == state.kernel_key
        && key.is_some_and(|key| key.verify(statement, signature).is_ok())
}

/// Whether a ledger that ends at `head` still holds the record somebody else remembers.
async fn check_known(
    store: &dyn Store,
    head: Head,
    (owner, known): (OwnerId, Head),
) -> Result<Option<Damage>, StoreError> {
    if known == Head::EMPTY {
        return Ok(None);
    }
    let broken = |sequence, what: &str| Ok(Some(Damage { sequence, what: what.into() }));
    if known.sequence > head.sequence {
        return broken(head.sequence + 1, "it was there before and is gone");
    }
    let frames = store.read(owner, known.sequence, 1).await?;
    if frames.first().map(Head::after) == Some(known) {
        return Ok(None);
    }
    broken(known.sequence, "it is not the one that is remembered")
}

/// Shown when a ledger was opened: what was found, in one line.
impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, {} replayed", self.records, self.replayed)?;
        if self.closed > 0 {
            write!(f, ", {} interrupted intents closed", self.closed)?;
        }
        if self.erased > 0 {
            write!(f, ", {} bodies erased", self.erased)?;
        }
        self.damage.as_ref().map_or(Ok(()), |damage| write!(f, "; {damage}"))
    }
}

#[cfg(test)]
mod tests;
