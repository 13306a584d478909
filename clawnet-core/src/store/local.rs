//! The embedded store: our own segment files, one committer, one flush for everybody who waits.
//!
//! What is true is in the segments. They hold the frames of all owners in the order of the calls;
//! all else, sled included, is rebuilt from them. Everything below is little endian.
//!
//! ```text
//! segments/00000001.log   header, groups    64 MiB each; frames never cross segments
//! segments/00000001.stub  in its place, where the segment was moved to an archive
//! bodies/<owner>-<digest> content that may be erased, one file each
//! index/                  sled: positions, ends of logs, snapshots, the ledger's own entries
//!                         (`index.aside/`: one set aside)
//! index.opening           there while sled is being opened
//! staging/, lock
//! unfinished, archive     markers, each of a folder that is no store
//!
//! header  32 bytes: "clawsegm", version 1 (u32), segment (u32), node position (u64), checksum (u64)
//! group             frames, then one footer; written at once, flushed at once
//! frame   76 bytes: length of the payload (u32), checksum (u64), owner (16), sequence (u64),
//!                   position of this log's frame before it (u64), chain hash (32); the payload
//! footer  64 bytes: 0xFFFF_FFFF (u32), checksum (u64), node position (u64), frames in the group
//!                   (u32), segment (u32), offset of the group in it (u32), hash (32)
//! stub              "clawstub", version 1 (u32), segment (u32), node position before it (u64) and
//!                   with it (u64), size of the file (u32), hash of its last footer (32), BLAKE3 of
//!                   the file (32); then of each log in it, by owner: owner (16), sequence of its
//!                   first (u64) and last frame (u64), position of the last (u64), its chain hash
//!                   (32); checksum (u64)
//! ```
//!
//! - A **position** is `segment << 32 | offset`; segments count from 1 and 0 is nowhere. The **node
//!   position** is how many frames the node has written, all owners together.
//! - The **checksum** is that of [`checksum`], over what follows it; of a header, over what is
//!   before it. It finds rot in what is read. The **hash** is BLAKE3 in `derive_key` mode, context
//!   `clawnet 2026 store group v1`, over node position, count, position of the group and frames.
//! - **Opening** reads from the index's watermark on. Bytes behind the last whole group of the last
//!   segment are a torn end and are cut, because only one group is ever in flight. Broken bytes
//!   with a whole group after them, in an earlier segment, or more than one group long are
//!   [`StoreError::Damaged`]: nothing is cut, nothing is written, what can be read is read.
//! - The index is written after the group it is about was flushed. If its watermark is no end of a
//!   group in the segments, then something flushed is gone, or the index is another store's:
//!   [`Opened::missing`], and damage all the same. Without an index nobody knows, but a checkpoint.
//! - An **archive** is a folder with the marker `archive` and `segments/`. A segment is copied there
//!   and flushed, read again, then its stub is kept here, then it is removed here. Where both are, the
//!   segment was put back, or never let go: if BLAKE3 says it is the one, the stub is removed, else
//!   it is damage. The last segment is never a stub.
//! - A **backup** has the marker `unfinished` from before its first byte until after its last.
//! - **Failing** once is failing until it is opened again, and a flush is never tried twice.
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use async_trait::async_trait;

use super::{
    Batch, Commit, Durability, Frame, Head, IndexEntry, IndexRange, Snapshot, Store, StoreError,
    entry,
};
use crate::{digest::Digest, id::OwnerId};

mod archive;
mod backup;
mod body;
mod checksum;
mod committer;
#[cfg(test)]
#[path = "contract.rs"]
mod contract;
mod disk;
mod frame;
mod group;
mod index;
mod keepers;
mod opened;
mod opening;
mod queue;
mod reader;
mod replay;
mod segment;
mod segments;
mod snapshot;
mod stub;
#[cfg(test)]
mod tests;

pub use self::{
    archive::Archived,
    backup::{Backup, Copied},
    disk::Disk,
    opened::{Missing, Opened},
};
use self::{
    archive::Moving,
    backup::Source,
    disk::DirDisk,
    index::Index,
    keepers::Keepers,
    opening::Parts,
    queue::{Append, Queue, Room},
    reader::Reader,
    segments::Segments,
};

/// Keeps logs in a folder, each acknowledged frame for good.
///
/// **Promises** what [`Store`] does, on any file system that honours `fdatasync`. Dropping it writes
/// and flushes what is buffered. **Refuses** a second opener.
///
/// Reading and snapshots do their file I/O in the polling thread, some microseconds each when warm,
/// as does keeping a body of more than 256 KiB; an application that cannot have that polls them
/// where blocking is allowed. Appending never touches a file, nor does keeping smaller bodies:
/// threads do. The ends of all logs are in memory, about 150 bytes each.
#[derive(Debug)]
pub struct LocalStore {
    disk: Arc<dyn Disk>,
    segments: Arc<Segments>,
    index: Arc<Index>,
    queue: Arc<Queue>,
    committer: Option<JoinHandle<()>>,
    keepers: Keepers,
    /// Held by whoever copies or moves whole segments.
    upkeep: Mutex<()>,
}

impl LocalStore {
    /// From which size on a segment is left for the next: 64 MiB.
    pub const SEGMENT_SIZE_BYTES_MAX: u32 = 64 << 20;

    /// Opens the store in `dir`, and makes it, for its owner only, if it is absent.
    ///
    /// A damaged store opens too, see [`Opened::damage`]; it then reads and refuses appends.
    pub fn open(dir: &Path) -> Result<(Self, Opened), StoreError> {
        Self::open_on(Box::new(DirDisk::open(dir)?), Self::SEGMENT_SIZE_BYTES_MAX)
    }

    /// Opens the store in `dir`, and reads what was moved to `archive` from there.
    ///
    /// `archive` is only read, and may belong to any number of stores and copies of them. What in it
    /// is not the segment that was moved is not used, and archived for all that is asked.
    pub fn open_with_archive(dir: &Path, archive: &Path) -> Result<(Self, Opened), StoreError> {
        let archive: Arc<dyn Disk> = Arc::new(DirDisk::attach(archive)?);
        let disks: (Arc<dyn Disk>, _) = (Arc::new(DirDisk::open(dir)?), Some(archive));
        Self::open_parts(disks, Self::SEGMENT_SIZE_BYTES_MAX)
    }

    /// Opens the store on any disk, with segments of any size.
    pub fn open_on(
        disk: Box<dyn Disk>,
        segment_size_bytes_max: u32,
    ) -> Result<(Self, Opened), StoreError> {
        Self::open_parts((Arc::from(disk), None), segment_size_bytes_max)
    }

    fn open_parts(
        disks: (Arc<dyn Disk>, Option<Arc<dyn Disk>>),
        segment_size_bytes_max: u32,
    ) -> Result<(Self, Opened), StoreError> {
        let largest = segment_size_bytes_max.min(Self::SEGMENT_SIZE_BYTES_MAX);
        let (parts, opened) = opening::open(disks, largest)?;
        let Parts { disk, segments, index, queue, committer } = parts;
        let committer = Some(committer.spawn()?);
        let keepers = Keepers::of(disk.clone(), queue.clone());
        let upkeep = Mutex::default();
        Ok((Self { disk, segments, index, queue, committer, keepers, upkeep }, opened))
    }

    /// Copies the store to `to`, which is empty or absent, while it is used: every record that was
    /// durable when this began, maybe more, and the bodies. What results is a store.
    ///
    /// **Promises** that the copy holds a prefix of every log, verified as it was read, and that all
    /// of it is flushed when this returns. It has no index, so the first opening replays it.
    /// **Refuses** to be opened while it is not finished, and to copy what is damaged: of that, keep
    /// the folder itself. A failure changes nothing here; remove what it left in `to`.
    ///
    /// A body that is erased meanwhile may still be in the copy, as in every older one: erase it
    /// there too. Runs in the calling thread, with a segment in memory at a time.
    pub fn backup(
        &self,
        to: &Path,
        progress: &mut dyn FnMut(Copied),
    ) -> Result<Backup, StoreError> {
        self.queue.writable()?;
        let target = DirDisk::begin(to, opening::UNFINISHED, false)?;
        self.backup_on(&target, progress)
    }

    fn backup_on(
        &self,
        target: &dyn Disk,
        progress: &mut dyn FnMut(Copied),
    ) -> Result<Backup, StoreError> {
        let _upkeep = self.upkeep();
        let flushed = self.queue.flushed();
        let (disk, segments) = (&*self.disk, &*self.segments);
        let source = Source { disk, segments, flushed };
        backup::copy(&source, target, progress).map_err(|error| self.report(error))
    }

    /// Moves sealed segments to the folder `to`, all but the last `keep_segments` of them and never
    /// the one that is written to, and leaves a stub of each: enough to open, to append and to prove.
    ///
    /// **Promises** that a segment is let go only when its copy is flushed and was read again bit by
    /// bit, and that a failure anywhere, or a power cut, leaves every record where it was or in the
    /// archive. What failed is simply called again. **Refuses** a folder that is neither empty nor
    /// an archive, and to overwrite another store's segment in one.
    ///
    /// Reading a frame that was moved gives [`StoreError::Archived`], unless the store was opened
    /// with that archive. A ledger that lost its snapshot needs those frames to open. To restore a segment, copy it from the archive back to `segments/` while
    /// the store is closed; opening compares it with its stub.
    pub fn archive(&self, to: &Path, keep_segments: usize) -> Result<Archived, StoreError> {
        self.queue.writable()?;
        let archive = DirDisk::begin(to, opening::ARCHIVE, true)?;
        self.archive_on(&archive, keep_segments)
    }

    fn archive_on(&self, to: &dyn Disk, keep_segments: usize) -> Result<Archived, StoreError> {
        let _upkeep = self.upkeep();
        let moving = Moving { disk: &*self.disk, segments: &self.segments, queue: &self.queue };
        moving.run(to, keep_segments).map_err(|error| self.report(error))
    }

    /// It guards no value, so a panic leaves nothing behind.
    fn upkeep(&self) -> MutexGuard<'_, ()> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_once(
        &self,
        log: OwnerId,
        from: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        let written = self.queue.written(log)?;
        let (mut next, mut room) = (from, Room::of(size_bytes_max));
        let mut frames = Vec::new();
        if next <= written.sequence {
            let mut reader = Reader::new(&self.segments, &self.index, log, written);
            let read = reader.read(next, &mut room, size_bytes_max);
            frames = read.map_err(|error| self.report(error))?;
            next = frames.last().map_or(next, |frame| frame.sequence.saturating_add(1));
        }
        if next > written.sequence {
            frames.extend(self.queue.unwritten(log, next, room));
        }
        Ok(frames)
    }

    /// Remembers damage, so that nothing is written behind it and the next opening says so.
    fn report(&self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::Damaged { .. }) {
            self.queue.damage(&error);
            self.index.freeze(None);
        }
        error
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.queue.head(log)
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        self.queue.enqueue(Append { log, expected, batch, class })
    }

    async fn read(
        &self,
        log: OwnerId,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        let from = sequence.max(1);
        loop {
            let frames = self.read_once(log, from, size_bytes_max)?;
            // What was not written when we looked may be when we look again.
            if !frames.is_empty() || self.queue.head(log)?.sequence < from {
                return Ok(frames);
            }
        }
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.queue.writable()?;
        body::checked_size(snapshot.state.len())?;
        snapshot::keep(&self.index, log, &snapshot);
        Ok(())
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.queue.readable()?;
        Ok(snapshot::read(&self.index, log))
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.queue.writable()?;
        entry::checked(&entries)?;
        self.index.keep_entries(log, entries);
        Ok(())
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.queue.readable()?;
        Ok(self.index.entries(log, &range))
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.queue.writable()?;
        self.index.erase_entries(log);
        Ok(())
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        let (digest, kept) = self.keepers.keep(log, body)?;
        kept.await.map(|()| digest)
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.queue.readable()?;
        body::read(&*self.disk, log, digest)
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        body::erase(&*self.disk, &self.queue, log, digest)
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(committer) = self.committer.take() {
            drop(committer.join());
        }
    }
}

fn io_failed(action: &str, source: io::Error) -> StoreError {
    StoreError::Io { action: action.to_owned(), source: Arc::new(source) }
}
