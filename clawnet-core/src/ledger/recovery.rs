//! Opening a ledger: verify, fold, close what a crash left open; or say where it breaks.
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64},
    },
};

use super::{Inner, Ledger, Limits};
use crate::{
    digest::Digest,
    house::HousePolicy,
    id::OwnerId,
    key::PublicKey,
    policy::State,
    record::{Actor, AuditRecord, Event, Outcome, OutcomeKind, SignedAct, chain},
    store::{Durability, Frame, Head, Store, StoreError},
    time::{Clock, HighWater},
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

/// Where a ledger is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The first record that is wrong; those before it are as they were written.
    pub sequence: u64,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger breaks at record {}: {}", self.sequence, self.what)
    }
}

/// What verifying a whole ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// How many records are as they were written, from the first on.
    pub records: u64,
    /// The chain hash of the last of them.
    pub head: Digest,
    /// How many acts of the owner are among them, each with a valid signature.
    pub acts: u64,
    /// Where it breaks, if it does.
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
}

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 4 << 20;
/// How a payload begins that may hold an act; see `record::Body`.
const OWNER_PREFIX: &[u8] = br#"{"actor":"owner""#;

impl Ledger {
    /// Opens the ledger of `opening.key`'s owner in `store`, or begins it.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        opening: Opening,
    ) -> Result<(Self, Recovery), StoreError> {
        let Opening { key, limits, house, clock, whole, known } = opening;
        let owner = key.owner();
        let mut replay = Replay::new(key);
        if !whole {
            replay.resume(&*store).await?;
        }
        let from_snapshot = replay.checkpoint;
        let mut damage = replay.run(&*store).await?;
        let found = store.head(owner).await?;
        if damage.is_none() && found != replay.head {
            let what = format!("the store says it ends at record {}", found.sequence);
            damage = Some(Damage { sequence: replay.head.sequence + 1, what });
        }
        if let (None, Some(known)) = (&damage, known) {
            damage = check_known(&*store, replay.head, (owner, known)).await?;
        }
        let recovery = Recovery {
            records: replay.head.sequence,
            from_snapshot,
            replayed: replay.replayed,
            closed: 0,
            erased: 0,
            damage,
        };
        let clock = HighWater::new(clock);
        clock.raise(replay.state.at);
        let ledger = Self {
            owner,
            store,
            clock,
            limits,
            house,
            version: AtomicU64::new(1),
            failed: OnceLock::new(),
            due: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            abandoned: Mutex::default(),
            followers: Mutex::default(),
            inner: Mutex::new(replay.into_inner()),
        };
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
        if recovery.replayed >= self.limits.snapshot_every {
            self.checkpoint().await?;
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
        self.settle(appended.commit).await?;
        Ok(appended.sequence)
    }

    /// Removes a body that the owner had erased, and records that it is gone.
    pub(crate) async fn erase(&self, body: Digest) -> Result<(), StoreError> {
        self.store.erase_body(self.owner, body).await.map_err(|error| self.fail(error))?;
        self.kernel_event(&Event::Erased { body }).await.map(drop)
    }

    /// Verifies the whole chain from the first record on, and the signature of every act. A break
    /// ends all writing: the ledger is failed from then on.
    pub(crate) async fn verify(&self) -> Result<Verification, StoreError> {
        let (head, key) = {
            let inner = self.peek();
            (inner.head, inner.state.key)
        };
        let mut at = Head::EMPTY;
        let mut acts = 0;
        let mut damage = None;
        'chunks: while at.sequence < head.sequence {
            let frames = match self.store.read(self.owner, at.sequence + 1, CHUNK_BYTES).await {
                Ok(frames) => frames,
                Err(StoreError::Damaged { position, what }) => {
                    let what = format!("{what} (at {position})");
                    damage = Some(Damage { sequence: at.sequence + 1, what });
                    break;
                }
                Err(error) => return Err(error),
            };
            if frames.is_empty() {
                let what = "it and everything after it is gone".into();
                damage = Some(Damage { sequence: at.sequence + 1, what });
            }
            for frame in &frames {
                match check_frame(self.owner, at, frame).and_then(|()| check_act(key, frame)) {
                    Ok(found) => acts += u64::from(found),
                    Err(what) => {
                        damage = Some(Damage { sequence: at.sequence + 1, what });
                        break 'chunks;
                    }
                }
                at = Head::after(frame);
            }
            if damage.is_some() {
                break;
            }
        }
        if damage.is_none() && at.sequence == head.sequence && at != head {
            let what = "the last record is not the one this kernel wrote".into();
            damage = Some(Damage { sequence: at.sequence, what });
        }
        if let Some(Damage { sequence, what }) = &damage {
            let position = format!("record {sequence}");
            self.fail(StoreError::Damaged { position, what: what.clone() });
        }
        Ok(Verification { records: at.sequence, head: at.hash, acts, damage })
    }
}

/// The version of the record format.
const FORMAT: u16 = 1;

/// A state being folded from frames.
struct Replay {
    state: State,
    head: Head,
    checkpoint: u64,
    replayed: u64,
}

impl Replay {
    fn new(key: PublicKey) -> Self {
        Self { state: State::new(key), head: Head::EMPTY, checkpoint: 0, replayed: 0 }
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
        let [previous, checkpoint, ..] = frames.as_slice() else { return Ok(()) };
        if check_frame(owner, Head::after(previous), checkpoint).is_err() {
            return Ok(());
        }
        let Ok(record) = AuditRecord::from_frame(checkpoint) else { return Ok(()) };
        let Event::Snapshot { state } = record.event else { return Ok(()) };
        if let Some(state) = State::unseal(&kept.state, state)
            && state.key == self.state.key
        {
            self.state = state;
            self.state.at = self.state.at.max(record.at);
            self.head = Head::after(checkpoint);
            self.checkpoint = checkpoint.sequence;
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
                if let Err(what) = self.fold(frame) {
                    return Ok(Some(Damage { sequence: self.head.sequence + 1, what }));
                }
            }
        }
    }

    fn fold(&mut self, frame: &Frame) -> Result<(), String> {
        check_frame(self.state.owner, self.head, frame)?;
        let record = AuditRecord::from_frame(frame).map_err(|error| error.what)?;
        if record.at < self.state.at {
            return Err("its time is before the record before it".into());
        }
        self.check_opening(&record)?;
        let about = (record.at, record.actor);
        let follows = self.state.check(about, &record.event);
        follows.map_err(|error| error.to_string())?;
        self.state.fold(frame.sequence, about, &record.event);
        if let Event::Snapshot { .. } = record.event {
            self.checkpoint = frame.sequence;
        }
        self.head = Head::after(frame);
        self.replayed += 1;
        Ok(())
    }

    /// The first record opens this owner's ledger, and no other does.
    fn check_opening(&self, record: &AuditRecord) -> Result<(), String> {
        let first = record.sequence == 1;
        let Event::Opened { format, key } = &record.event else {
            return if first { Err("it does not open a ledger".into()) } else { Ok(()) };
        };
        if *format != FORMAT {
            return Err(format!("format {format} is unknown"));
        }
        if first && *key == self.state.key {
            Ok(())
        } else {
            Err("it opens a ledger of somebody else".into())
        }
    }

    fn into_inner(self) -> Inner {
        Inner {
            state: self.state,
            head: self.head,
            checkpoint: self.checkpoint,
            payload: Vec::with_capacity(1024),
            scopes: HashMap::new(),
            mandates: HashMap::new(),
        }
    }
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

/// Whether `frame` is what was appended behind `head`.
fn check_frame(owner: OwnerId, head: Head, frame: &Frame) -> Result<(), String> {
    if frame.sequence != head.sequence + 1 {
        return Err(format!("record {} stands in its place", frame.sequence));
    }
    if chain(owner, frame.sequence, head.hash, &frame.payload) == frame.hash {
        Ok(())
    } else {
        Err("its content does not have its hash".into())
    }
}

/// Whether an act in `frame`, if it is one, is the owner's.
fn check_act(key: PublicKey, frame: &Frame) -> Result<bool, String> {
    if !frame.payload.starts_with(OWNER_PREFIX) {
        return Ok(false);
    }
    let record = AuditRecord::from_frame(frame).map_err(|error| error.what)?;
    let Event::Act(signed) = record.event else { return Ok(false) };
    let statement = SignedAct::statement(key.owner(), signed.number, &signed.act);
    key.verify(&statement, &signed.signature).map_err(|_| "its signature is not the owner's")?;
    Ok(true)
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
