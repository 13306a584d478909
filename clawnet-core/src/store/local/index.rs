//! What can be rebuilt from the segments, in sled: never the truth, and never trusted blindly.
//!
//! One tree. Keys begin with their kind: `0 owner sequence` is the position of every 64th frame,
//! `1 owner` the end of a log, `2 owner` a snapshot and `2 owner chunk` its bytes, `3` the
//! watermark: the end of the group up to which all this is complete; `4` in its place once damage
//! was found; `5 owner key` what the ledger keeps. Numbers in keys are big endian, in values little
//! endian. Ends and watermark change in one sled batch, and the ends' sequences must add up to the
//! watermark's node position, so a lost or stale end is noticed.
//!
//! Sled takes four to five times the bytes of keys and values on disk: 250 batches of 500 entries of
//! 49 and 40 bytes are 50 MiB, with keys of 18 bytes 28 MiB, and packed into values of 640 bytes 19
//! MiB. Mode, segment size and flush interval change less than a tenth of that, or make it worse.
//!
//! Nothing enters here before the group it is about was flushed. So the watermark is also evidence:
//! segments that do not have the group that ends there have lost it. It is behind a checksum, so
//! that rot in the index is never taken for that.
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    checksum::checksum,
    segment::{Place, Position},
};
use crate::{
    digest::Digest,
    id::OwnerId,
    store::{IndexEntry, IndexRange, entry::Entries},
};

/// The sparse index, the ends and the watermark. Without sled it is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    sled: Option<sled::Db>,
    /// Sled failed or panicked, so it is not asked again.
    lost: AtomicBool,
    /// Positions that are not in sled yet.
    fresh: Mutex<HashMap<(OwnerId, u64), Position>>,
    /// What is kept of logs, where sled does not.
    entries: Mutex<HashMap<OwnerId, Entries>>,
    /// Set when damage was found: a watermark would hide it from the next opening.
    frozen: Mutex<bool>,
}

/// Up to where the index is complete, and what closes the group that ends there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watermark {
    pub(super) position: Position,
    pub(super) node_position: u64,
    pub(super) hash: Digest,
}

impl Watermark {
    /// Before the first group.
    pub(super) const START: Self =
        Self { position: Position::NONE, node_position: 0, hash: Digest::ZERO };
}

impl Default for Watermark {
    fn default() -> Self {
        Self::START
    }
}

/// What the index knew when it was opened.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) watermark: Watermark,
    pub(super) ends: Ends,
}

/// Whether a replay may go on from the watermark, or else starts from the first record.
#[derive(Debug)]
pub(super) enum Ends {
    /// Where each log ends at the watermark.
    Known(HashMap<OwnerId, Place>),
    /// Damage was found before: the watermark says what was certain once, and no more.
    Suspect,
    /// Ends and watermark do not fit each other: the index is of no use.
    Unfit,
}

/// Every how many frames of a log one is indexed.
pub(super) const STRIDE: u64 = 64;

impl Index {
    /// Opens sled at `dir` and reads what it knows, or says why not.
    ///
    /// Sled keeps its lock for a moment after it was closed, so one that is locked is waited for:
    /// the lock of the store's folder says that it is only our own of before.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<Known>), String> {
        let mut tries = 1;
        loop {
            match Self::open_once(dir) {
                Err(why) if why.contains(LOCKED) && tries < TRIES_MAX => tries += 1,
                opened => return opened,
            }
            thread::sleep(PAUSE);
        }
    }

    fn open_once(dir: &Path) -> Result<(Self, Option<Known>), String> {
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_SIZE_BYTES);
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let sled = config.flush_every_ms(Some(1000)).open()?;
            let known = known(&sled)?;
            Ok::<_, sled::Error>((sled, known))
        }));
        match opened {
            Ok(Ok((sled, known))) => Ok((Self { sled: Some(sled), ..Self::default() }, known?)),
            Ok(Err(error)) => Err(format!("it did not open: {error}")),
            Err(_) => Err("it panicked while opening".to_owned()),
        }
    }

    /// The sequence of the last indexed frame that is not behind `sequence`.
    pub(super) fn anchor(sequence: u64) -> u64 {
        let before = sequence.saturating_sub(1);
        before.saturating_sub(before % STRIDE).saturating_add(1)
    }

    /// Notes where a frame is, if it is one that is indexed.
    pub(super) fn note(&self, owner: OwnerId, sequence: u64, position: Position) {
        if Self::anchor(sequence) == sequence {
            locked(&self.fresh).insert((owner, sequence), position);
        }
    }

    /// Where that frame is said to be.
    pub(super) fn find(&self, owner: OwnerId, sequence: u64) -> Option<Position> {
        if let Some(position) = locked(&self.fresh).get(&(owner, sequence)) {
            return Some(*position);
        }
        let found = self.ask(|sled| sled.get(frame_key(owner, sequence)))??;
        Some(Position::from_u64(u64::from_le_bytes(found.as_ref().try_into().ok()?)))
    }

    /// Writes what was noted, the `ends` that changed and how far both are complete.
    ///
    /// It need not succeed, and nothing waits for a disk.
    pub(super) fn write(&self, ends: &HashMap<OwnerId, Place>, watermark: Option<Watermark>) {
        let frozen = locked(&self.frozen);
        if *frozen || self.sled.is_none() || self.lost.load(Ordering::Relaxed) {
            return;
        }
        let noted: Vec<_> = locked(&self.fresh).iter().map(|(key, at)| (*key, *at)).collect();
        let mut batch = sled::Batch::default();
        for ((owner, sequence), position) in &noted {
            batch.insert(&*frame_key(*owner, *sequence), &position.to_u64().to_le_bytes());
        }
        for (owner, end) in ends {
            batch.insert(&*key(END, *owner, &[]), end_value(end));
        }
        if let Some(watermark) = watermark {
            batch.insert(&[WATERMARK], watermark_value(&watermark));
            batch.remove(&[SUSPECT]);
        }
        if self.ask(|sled| sled.apply_batch(batch)).is_some() {
            let mut fresh = locked(&self.fresh);
            for (key, _) in &noted {
                fresh.remove(key);
            }
        }
    }

    /// Has the next opening read everything again, and take nothing for a torn end that was
    /// whole once: what is before the watermark, or before `certain` if it is known.
    pub(super) fn freeze(&self, certain: Option<Watermark>) {
        let mut frozen = locked(&self.frozen);
        *frozen = true;
        self.ask(|sled| {
            let mut batch = sled::Batch::default();
            let certain = certain.map(|certain| watermark_value(&certain).into());
            if let Some(certain) =
                certain.map_or_else(|| sled.get([WATERMARK]), |at| Ok(Some(at)))?
            {
                batch.insert(&[SUSPECT], certain);
                batch.remove(&[WATERMARK]);
            }
            sled.apply_batch(batch)
        });
    }

    /// Puts `chunks` in place of what is kept for `owner` under the snapshot's key.
    pub(super) fn keep_chunks(&self, owner: OwnerId, chunks: &[&[u8]]) {
        let keep = |sled: &sled::Db| {
            let mut batch = sled::Batch::default();
            for old in sled.scan_prefix(key(SNAPSHOT, owner, &[])).keys() {
                batch.remove(old?);
            }
            for (chunk, number) in chunks.iter().zip(0_u32..) {
                batch.insert(&*key(SNAPSHOT, owner, &number.to_be_bytes()), *chunk);
            }
            sled.apply_batch(batch)
        };
        self.ask(keep);
    }

    /// What is kept for `owner` under the snapshot's key, put together again.
    pub(super) fn chunks(&self, owner: OwnerId) -> Vec<u8> {
        let gather = |sled: &sled::Db| {
            let mut whole = Vec::new();
            for chunk in sled.scan_prefix(key(SNAPSHOT, owner, &[])).values() {
                whole.extend_from_slice(&chunk?);
            }
            Ok(whole)
        };
        self.ask(gather).unwrap_or_default()
    }

    /// Keeps `entries` of `owner` in place of those of the same keys: all, or none ever again until
    /// they are erased.
    pub(super) fn keep_entries(&self, owner: OwnerId, entries: Vec<IndexEntry>) {
        let kept = self.ask(|sled| {
            let mut batch = sled::Batch::default();
            for entry in &entries {
                batch.insert(&*key(ENTRY, owner, &entry.key), &*entry.value);
            }
            sled.apply_batch(batch)
        });
        if kept.is_some() {
            return;
        }
        let mut kept = locked(&self.entries);
        if self.sled.is_none() {
            kept.entry(owner).or_default().keep(entries);
        } else if let Some(kept) = kept.get_mut(&owner) {
            // What sled had is lost, so only what was begun anew since is whole.
            kept.keep(entries);
        }
    }

    /// What is kept of `owner` in `range`.
    pub(super) fn entries(&self, owner: OwnerId, range: &IndexRange) -> Vec<IndexEntry> {
        let gather = |sled: &sled::Db| {
            let (from, to) = (key(ENTRY, owner, &range.from), key(ENTRY, owner, &range.to));
            let entry = |found: sled::Result<(sled::IVec, sled::IVec)>| {
                let (key, value) = found?;
                let key = key.get(ENTRY_KEY_FROM..).unwrap_or_default();
                Ok(IndexEntry::new(key.to_vec(), value.to_vec()))
            };
            let found = sled.range(from..to);
            if range.descending {
                found.rev().take(range.count_max).map(entry).collect()
            } else {
                found.take(range.count_max).map(entry).collect()
            }
        };
        self.ask(gather).unwrap_or_else(|| {
            locked(&self.entries).get(&owner).map_or_else(Vec::new, |kept| kept.range(range))
        })
    }

    /// Forgets what is kept of `owner`.
    pub(super) fn erase_entries(&self, owner: OwnerId) {
        let erased = self.ask(|sled| {
            let mut batch = sled::Batch::default();
            for old in sled.scan_prefix(key(ENTRY, owner, &[])).keys() {
                batch.remove(old?);
            }
            sled.apply_batch(batch)
        });
        if erased.is_none() {
            locked(&self.entries).insert(owner, Entries::default());
        }
    }

    /// Asks sled, which may fail and may panic: then it is lost, and only time with it.
    fn ask<T>(&self, question: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Option<T> {
        let sled = self.sled.as_ref().filter(|_| !self.lost.load(Ordering::Relaxed))?;
        if let Ok(Ok(answer)) = catch_unwind(AssertUnwindSafe(|| question(sled))) {
            Some(answer)
        } else {
            self.lost.store(true, Ordering::Relaxed);
            None
        }
    }
}

/// Reads ends and watermark. `Err` inside: there is a watermark, but it is not what was written.
fn known(sled: &sled::Db) -> sled::Result<Result<Option<Known>, String>> {
    let suspect = sled.get([SUSPECT])?;
    let Some(watermark) =
        suspect.clone().map_or_else(|| sled.get([WATERMARK]), |at| Ok(Some(at)))?
    else {
        return Ok(Ok(None));
    };
    let Some(watermark) = watermark_of(&watermark) else {
        return Ok(Err("its watermark is not what was written".to_owned()));
    };
    let ends = if suspect.is_some() { Ends::Suspect } else { ends(sled, watermark)? };
    Ok(Ok(Some(Known { watermark, ends })))
}

fn ends(sled: &sled::Db, watermark: Watermark) -> sled::Result<Ends> {
    let (mut ends, mut total) = (HashMap::new(), 0_u64);
    for entry in sled.scan_prefix([END]) {
        let (key, value) = entry?;
        let owner = key.get(1..).and_then(|owner| <[u8; 16]>::try_from(owner).ok());
        let Some((owner, end)) = owner.zip(end_of(&value)) else { return Ok(Ends::Unfit) };
        total = total.wrapping_add(end.sequence);
        ends.insert(OwnerId::from_bytes(owner), end);
    }
    Ok(if total == watermark.node_position { Ends::Known(ends) } else { Ends::Unfit })
}

fn key(kind: u8, owner: OwnerId, rest: &[u8]) -> Vec<u8> {
    [&[kind], owner.as_bytes().as_slice(), rest].concat()
}

fn frame_key(owner: OwnerId, sequence: u64) -> Vec<u8> {
    key(FRAME, owner, &sequence.to_be_bytes())
}

fn end_value(end: &Place) -> Vec<u8> {
    let (sequence, position) = (end.sequence.to_le_bytes(), end.position.to_u64().to_le_bytes());
    [&sequence, &position, end.hash.as_bytes().as_slice()].concat()
}

fn end_of(value: &[u8]) -> Option<Place> {
    let (sequence, position, hash) = triple(value)?;
    Some(Place { sequence, position: Position::from_u64(position), hash })
}

fn watermark_value(watermark: &Watermark) -> Vec<u8> {
    let position = watermark.position.to_u64().to_le_bytes();
    let node_position = watermark.node_position.to_le_bytes();
    let value = [&position, &node_position, watermark.hash.as_bytes().as_slice()].concat();
    [&value, checksum(&value).to_le_bytes().as_slice()].concat()
}

fn watermark_of(value: &[u8]) -> Option<Watermark> {
    let (value, sum) = value.split_last_chunk()?;
    let (position, node_position, hash) = triple(value)?;
    let whole = checksum(value) == u64::from_le_bytes(*sum);
    whole.then(|| Watermark { position: Position::from_u64(position), node_position, hash })
}

fn triple(value: &[u8]) -> Option<(u64, u64, Digest)> {
    let (first, rest) = value.split_first_chunk()?;
    let (second, hash) = rest.split_first_chunk()?;
    let hash = Digest::from_bytes(hash.try_into().ok()?);
    Some((u64::from_le_bytes(*first), u64::from_le_bytes(*second), hash))
}

/// What is changed under these locks is changed by one call, so a panic leaves it whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What sled says of a lock that somebody holds.
const LOCKED: &str = "could not acquire lock";
const PAUSE: Duration = Duration::from_millis(10);
const TRIES_MAX: u32 = 200;

const CACHE_SIZE_BYTES: u64 = 8 << 20;

const FRAME: u8 = 0;
const END: u8 = 1;
const SNAPSHOT: u8 = 2;
const WATERMARK: u8 = 3;
const SUSPECT: u8 = 4;
const ENTRY: u8 = 5;

/// Behind the kind and the owner.
const ENTRY_KEY_FROM: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_still_being_closed_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let closing = sled::open(dir.path()).unwrap();
        let (opened, when) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| opened.send(Index::open(dir.path()).map(drop)).unwrap());
            assert!(when.recv_timeout(3 * PAUSE).is_err(), "it does not wait");
            drop(closing);
            assert_eq!(when.recv().unwrap(), Ok(()));
        });
    }

    #[test]
    fn entries_are_lost_all_together_and_kept_again_once_erased() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(dir.path()).unwrap();
        let [owner, other] = [1, 2].map(|byte| OwnerId::from_bytes([byte; 16]));
        let keep = |owner, key: u8| {
            index.keep_entries(owner, vec![IndexEntry::new(vec![key], Vec::new())]);
        };
        let count = |owner| index.entries(owner, &IndexRange::prefix(b"", 9)).len();
        for owner in [owner, other] {
            keep(owner, 1);
        }
        assert_eq!([count(owner), count(other)], [1, 1]);
        assert!(index.ask(|_| Err::<(), _>(sled::Error::Unsupported(String::new()))).is_none());
        for owner in [owner, other] {
            keep(owner, 2);
        }
        assert_eq!([count(owner), count(other)], [0, 0], "a part of what was kept is none of it");
        index.erase_entries(owner);
        for owner in [owner, other] {
            keep(owner, 3);
        }
        assert_eq!([count(owner), count(other)], [1, 0]);
    }
}
