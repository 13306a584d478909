//! A store whose disk takes its time: what is appended is decided later, in order, by a thread.
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use clawnet_core::*;
use shuttle::thread;

/// Keeps everything in memory, and says so late.
#[derive(Debug, Default)]
pub(super) struct Slow {
    inner: MemoryStore,
    /// With the last record each of them is about.
    waiting: Mutex<VecDeque<(Decider, u64)>>,
    runs: AtomicBool,
    /// The last record a power cut would leave.
    safe: AtomicU64,
    bodies: Mutex<Vec<Vec<u8>>>,
}

impl Slow {
    /// Another store, with all that is in this one's log and beside it.
    pub(super) async fn copy(&self, log: OwnerId) -> Self {
        let copy = Self::default();
        let frames = self.inner.read(log, 1, usize::MAX).await.unwrap();
        copy.safe.store(frames.len() as u64, Ordering::SeqCst);
        let (whole, class) = (frames.into(), Durability::Durable);
        copy.inner.append(log, Head::EMPTY, whole, class).await.unwrap();
        let bodies = self.bodies.lock().unwrap().clone();
        for body in bodies {
            copy.keep_body(log, &body).await.unwrap();
        }
        copy
    }

    /// The last record that a power cut would leave.
    pub(super) fn safe(&self) -> u64 {
        self.safe.load(Ordering::SeqCst)
    }

    /// Lets others go first, while the disk runs: wherever nothing is locked.
    pub(super) fn breathe(&self) {
        if self.runs.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }

    /// Starts the disk. Until then it is quick.
    pub(super) fn run(this: &Arc<Self>) -> thread::JoinHandle<()> {
        this.runs.store(true, Ordering::SeqCst);
        let disk = Arc::clone(this);
        thread::spawn(move || {
            loop {
                let next = disk.waiting.lock().unwrap().pop_front();
                match next {
                    Some((decider, last)) => {
                        disk.safe.fetch_max(last, Ordering::SeqCst);
                        decider.decide(Ok(()));
                    }
                    None if !disk.runs.load(Ordering::SeqCst) => return,
                    None => {}
                }
                thread::yield_now();
            }
        })
    }

    /// Lets the disk stop when it has decided everything.
    pub(super) fn stop(&self) {
        self.runs.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl Store for Slow {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.inner.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        let last = expected.sequence + batch.len() as u64;
        let kept = self.inner.append(log, expected, batch, class);
        if class != Durability::Durable {
            return kept;
        }
        if !self.runs.load(Ordering::SeqCst) {
            self.safe.fetch_max(last, Ordering::SeqCst);
            return kept;
        }
        let (decider, commit) = Commit::pending();
        self.waiting.lock().unwrap().push_back((decider, last));
        commit
    }

    async fn read(&self, log: OwnerId, from: u64, max: usize) -> Result<Vec<Frame>, StoreError> {
        self.breathe();
        self.inner.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.breathe();
        self.inner.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.breathe();
        self.inner.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.breathe();
        self.inner.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.breathe();
        self.inner.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.inner.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.breathe();
        self.bodies.lock().unwrap().push(body.to_vec());
        self.inner.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.breathe();
        self.inner.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.inner.erase_body(log, digest).await
    }
}
