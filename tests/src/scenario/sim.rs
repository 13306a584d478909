//! A store in memory that knows what a power cut would take: the records nobody waited for.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use clawnet_core::{
    Batch, Commit, Digest, Durability, Frame, Head, IndexEntry, IndexRange, MemoryStore, OwnerId,
    Snapshot, Store, StoreError,
};

/// Keeps every log in memory, and for each log how much of it would survive.
#[derive(Debug, Default)]
pub(super) struct SimStore {
    logs: Mutex<HashMap<OwnerId, Log>>,
    entries: MemoryStore,
}

#[derive(Debug, Default)]
struct Log {
    frames: Vec<Frame>,
    /// How many of the frames a power cut leaves.
    durable: usize,
    snapshot: Option<Snapshot>,
    bodies: BTreeMap<Digest, Vec<u8>>,
}

impl SimStore {
    /// What a power cut leaves: every log up to its last durable record.
    pub(super) fn lose_buffered(&self) -> u64 {
        let mut lost = 0;
        for log in self.logs().values_mut() {
            lost += log.frames.len().saturating_sub(log.durable) as u64;
            log.frames.truncate(log.durable);
        }
        lost
    }

    /// Hands a log's records to somebody who should not have them.
    pub(super) fn tamper<R>(&self, log: OwnerId, with: impl FnOnce(&mut Vec<Frame>) -> R) -> R {
        let mut logs = self.logs();
        let log = logs.entry(log).or_default();
        let result = with(&mut log.frames);
        log.durable = log.frames.len();
        result
    }

    /// Flips a bit of the kept state, if there is one.
    pub(super) fn tamper_snapshot(&self, log: OwnerId) -> bool {
        let mut logs = self.logs();
        let snapshot = logs.get_mut(&log).and_then(|log| log.snapshot.as_mut());
        let middle = snapshot.and_then(|snapshot| {
            let middle = snapshot.state.len() / 2;
            snapshot.state.get_mut(middle)
        });
        middle.map(|byte| *byte ^= 1).is_some()
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<OwnerId, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for SimStore {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        Ok(self.logs().get(&log).map_or(Head::EMPTY, Log::head))
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        let mut logs = self.logs();
        let result = logs.entry(log).or_default().append(expected, batch);
        if class == Durability::Durable && result.is_ok() {
            // One flush is a flush for everybody.
            for log in logs.values_mut() {
                log.durable = log.frames.len();
            }
        }
        Commit::ready(result)
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
        let mut room = size_bytes_max;
        let fits = frames.iter().take_while(|frame| {
            let fits = room > 0;
            room = room.saturating_sub(frame.payload.len());
            fits
        });
        Ok(fits.cloned().collect())
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.logs().entry(log).or_default().snapshot = Some(snapshot);
        Ok(())
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.logs().get(&log).and_then(|log| log.snapshot.clone()))
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.entries.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.entries.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.entries.erase_index(log).await
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
        self.frames.extend(batch);
        Ok(())
    }
}
