//! A store that forgets: for tests, simulations and agents whose record need not outlive them.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Batch, Commit, Durability, Frame, Head, IndexEntry, IndexRange, Snapshot, Store, StoreError,
    entry::{self, Entries},
};
use crate::{digest::Digest, id::OwnerId};

/// Keeps every log in memory. "Durable" lasts as long as the value does.
#[derive(Debug, Default)]
pub struct MemoryStore {
    logs: Mutex<HashMap<OwnerId, Log>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every change is made by one call under the lock, so a panicking reader leaves it whole.
    fn logs(&self) -> MutexGuard<'_, HashMap<OwnerId, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        Ok(self.logs().get(&log).map_or(Head::EMPTY, Log::head))
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, _: Durability) -> Commit {
        Commit::ready(self.logs().entry(log).or_default().append(expected, batch))
    }

    async fn read(
        &self,
        log: OwnerId,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        let logs = self.logs();
        let first = usize::try_from(sequence.max(1) - 1).unwrap_or(usize::MAX);
        let frames = logs.get(&log).and_then(|log| log.frames.get(first..)).unwrap_or_default();
        let mut size_bytes = 0_usize;
        let fits = frames.iter().enumerate().take_while(|(nth, frame)| {
            size_bytes = size_bytes.saturating_add(frame.payload.len());
            *nth == 0 || size_bytes <= size_bytes_max
        });
        Ok(fits.map(|(_, frame)| frame.clone()).collect())
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.logs().entry(log).or_default().snapshot = Some(snapshot);
        Ok(())
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.logs().get(&log).and_then(|log| log.snapshot.clone()))
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        entry::checked(&entries)?;
        self.logs().entry(log).or_default().entries.keep(entries);
        Ok(())
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        Ok(self.logs().get(&log).map_or_else(Vec::new, |log| log.entries.range(&range)))
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        if let Some(log) = self.logs().get_mut(&log) {
            log.entries = Entries::default();
        }
        Ok(())
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of_content(body);
        self.logs().entry(log).or_default().bodies.insert(digest, body.to_vec());
        Ok(digest)
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.logs().get(&log).and_then(|log| log.bodies.get(&digest).cloned()))
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        if let Some(log) = self.logs().get_mut(&log) {
            log.bodies.remove(&digest);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Log {
    frames: Vec<Frame>,
    snapshot: Option<Snapshot>,
    entries: Entries,
    bodies: BTreeMap<Digest, Vec<u8>>,
}

impl Log {
    fn head(&self) -> Head {
        self.frames.last().map_or(Head::EMPTY, Head::after)
    }

    fn append(&mut self, expected: Head, batch: Batch) -> Result<(), StoreError> {
        let head = self.head();
        if head != expected || !head.is_continued_by(&batch) {
            let (expected, found) = (expected.sequence, head.sequence);
            return Err(StoreError::Fenced { expected, found });
        }
        let largest = batch.iter().map(|frame| frame.payload.len()).max().unwrap_or(0);
        if largest > Frame::SIZE_BYTES_MAX {
            let size_bytes_max = Frame::SIZE_BYTES_MAX;
            return Err(StoreError::TooLarge { size_bytes: largest, size_bytes_max });
        }
        self.frames.extend(batch);
        Ok(())
    }
}
