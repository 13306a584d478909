//! A store whose disk takes its time: what is appended is decided later, in order, by a thread.
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use clawnet_core::*;
use shuttle::thread;

/// Keeps everything in memory, and says so late.
#[derive(Debug, Default)]
pub(super) struct Slow {
    inner: MemoryStore,
    waiting: Mutex<VecDeque<Decider>>,
    runs: AtomicBool,
}

impl Slow {
    /// Starts the disk. Until then it is quick.
    pub(super) fn run(this: &Arc<Self>) -> thread::JoinHandle<()> {
        this.runs.store(true, Ordering::SeqCst);
        let disk = Arc::clone(this);
        thread::spawn(move || {
            loop {
                let next = disk.waiting.lock().unwrap().pop_front();
                match next {
                    Some(decider) => decider.decide(Ok(())),
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
        let kept = self.inner.append(log, expected, batch, class);
        if class != Durability::Durable || !self.runs.load(Ordering::SeqCst) {
            return kept;
        }
        let (decider, commit) = Commit::pending();
        self.waiting.lock().unwrap().push_back(decider);
        commit
    }

    async fn read(&self, log: OwnerId, from: u64, max: usize) -> Result<Vec<Frame>, StoreError> {
        self.inner.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.inner.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.inner.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.inner.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.inner.erase_body(log, digest).await
    }
}
