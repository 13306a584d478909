//! A store with the faults an attacker hopes for: it lets commits wait or loses them, refuses,
//! forgets at a power cut what was only buffered, and counts the bodies it is given.
use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use clawnet_core::*;
use futures::executor::block_on;

/// Keeps one owner's log in memory, and misbehaves when told to.
#[derive(Default)]
pub(super) struct Shelf {
    memory: MemoryStore,
    /// The last record that a power cut leaves.
    durable: AtomicU64,
    /// Durable appends that wait, if they are to wait.
    waiting: Mutex<Option<Vec<Waiting>>>,
    pub(super) refuses_appends: AtomicBool,
    pub(super) refuses_snapshots: AtomicBool,
    pub(super) holds_bodies: AtomicBool,
    pub(super) refuses_bodies: AtomicBool,
    /// How many bytes a body may have; of what is not set, as many as it likes.
    pub(super) largest_body: AtomicU64,
    bodies: AtomicU64,
}

/// An append that is neither done nor refused yet.
struct Waiting {
    log: OwnerId,
    expected: Head,
    batch: Batch,
    decider: Decider,
}

impl Shelf {
    /// From now on durable appends wait.
    pub(super) fn hold_commits(&self) {
        *self.waiting.lock().unwrap() = Some(Vec::new());
    }

    /// What waits is done, and nothing waits any more.
    pub(super) fn let_commits_go(&self) {
        for Waiting { log, expected, batch, decider } in self.take_waiting() {
            decider.decide(block_on(self.write(log, expected, batch)));
        }
    }

    /// What waits never happens.
    pub(super) fn lose_commits(&self) {
        for waiting in self.take_waiting() {
            waiting.decider.decide(Err(StoreError::Poisoned));
        }
    }

    /// How many bodies were given to it.
    pub(super) fn bodies(&self) -> u64 {
        self.bodies.load(Ordering::SeqCst)
    }

    /// A store with the first `count` records of this one.
    pub(super) fn first(&self, log: OwnerId, count: u64) -> Arc<Self> {
        let copy = Self::default();
        let frames = block_on(self.memory.read(log, 1, usize::MAX)).unwrap();
        for frame in frames.into_iter().filter(|frame| frame.sequence <= count) {
            let head = block_on(copy.memory.head(log)).unwrap();
            block_on(copy.write(log, head, Batch::from_iter([frame]))).unwrap();
        }
        Arc::new(copy)
    }

    /// What is left of this one after a power cut.
    pub(super) fn after_power_cut(&self, log: OwnerId) -> Arc<Self> {
        self.first(log, self.durable.load(Ordering::SeqCst))
    }

    fn take_waiting(&self) -> Vec<Waiting> {
        self.waiting.lock().unwrap().take().unwrap_or_default()
    }

    /// Takes everything up to the end of `batch` to the disk.
    fn write(&self, log: OwnerId, expected: Head, batch: Batch) -> Commit {
        let end = batch.last().map_or(0, |frame| frame.sequence);
        self.durable.fetch_max(end, Ordering::SeqCst);
        self.memory.append(log, expected, batch, Durability::Durable)
    }
}

#[async_trait]
impl Store for Shelf {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.memory.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        if self.refuses_appends.load(Ordering::SeqCst) {
            let expected = expected.sequence;
            return Commit::ready(Err(StoreError::Fenced { expected, found: expected + 1 }));
        }
        match (&mut *self.waiting.lock().unwrap(), class) {
            (_, Durability::Buffered) => self.memory.append(log, expected, batch, class),
            (None, Durability::Durable) => self.write(log, expected, batch),
            (Some(waiting), Durability::Durable) => {
                let (decider, commit) = Commit::pending();
                waiting.push(Waiting { log, expected, batch, decider });
                commit
            }
        }
    }

    async fn read(&self, log: OwnerId, from: u64, max: usize) -> Result<Vec<Frame>, StoreError> {
        self.memory.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        if self.refuses_snapshots.load(Ordering::SeqCst) {
            let size_bytes = snapshot.state.len();
            return Err(StoreError::TooLarge { size_bytes, size_bytes_max: 1 });
        }
        self.memory.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.memory.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.memory.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.memory.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.memory.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.bodies.fetch_add(1, Ordering::SeqCst);
        let held = || self.holds_bodies.load(Ordering::SeqCst);
        poll_fn(|_| if held() { Poll::Pending } else { Poll::Ready(()) }).await;
        if self.refuses_bodies.load(Ordering::SeqCst) {
            return Err(StoreError::Poisoned);
        }
        match usize::try_from(self.largest_body.load(Ordering::SeqCst)).unwrap() {
            size_bytes_max @ 1.. if body.len() > size_bytes_max => {
                Err(StoreError::TooLarge { size_bytes: body.len(), size_bytes_max })
            }
            _ => self.memory.keep_body(log, body).await,
        }
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.memory.erase_body(log, digest).await
    }
}
