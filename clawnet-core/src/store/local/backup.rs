//! Backup: what is flushed, verified as it is read, into a folder that is a store in the end.
use super::{
    body,
    disk::Disk,
    index::{Index, Watermark},
    io_failed,
    opening::UNFINISHED,
    replay::Replay,
    segment::{self, Position, damaged},
    segments::{Loaded, Segments},
    stub,
};
use crate::store::StoreError;

/// What a finished backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backup {
    /// How many records, in all logs.
    pub records: u64,
    /// How many logs.
    pub logs: usize,
    /// How many segments, those included of which it has only the stub.
    pub segments: usize,
    /// How many of them are archived: to read those, attach the archive to the backup.
    pub archived: usize,
    /// How many bodies.
    pub bodies: u64,
    /// How many bytes of segments, stubs and bodies.
    pub size_bytes: u64,
}

/// How far a backup has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// How many bytes are copied.
    pub copied_bytes: u64,
    /// How many there were when it began. Bodies that come and go move it a little.
    pub total_bytes: u64,
}

/// Where a backup is taken from.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) segments: &'a Segments,
    /// The end of what is flushed. What is before it never changes.
    pub(super) flushed: Watermark,
}

/// Copies what is flushed to `target`, which is marked as unfinished until all of it is there.
pub(super) fn copy(
    source: &Source<'_>,
    target: &dyn Disk,
    progress: &mut dyn FnMut(Copied),
) -> Result<Backup, StoreError> {
    let mark = |source| io_failed("marking the backup", source);
    target.keep(UNFINISHED, b"").map_err(mark)?;
    let told = Copied { copied_bytes: 0, total_bytes: source.size_bytes()? };
    let mut copying = Copying { target, told, progress };
    let backup = source.segments(&mut copying)?;
    // A body is kept before the first record that names it, so every body that the copied records
    // name is listed now, unless it was erased: and then the copy shall not have it either.
    let bodies = source.bodies(&mut copying)?;
    let size_bytes = copying.told.copied_bytes;
    target.remove(UNFINISHED).map_err(mark)?;
    Ok(Backup { bodies, size_bytes, ..backup })
}

impl Source<'_> {
    fn numbers(&self) -> std::ops::RangeInclusive<u32> {
        1..=self.flushed.position.segment
    }

    fn size_bytes(&self) -> Result<u64, StoreError> {
        let mut total = 0_u64;
        let mut add = |name: &str| -> Result<(), StoreError> {
            let failed = |source| io_failed(&format!("looking for {name}"), source);
            total = total.saturating_add(self.disk.size_bytes(name).map_err(failed)?.unwrap_or(0));
            Ok(())
        };
        for number in self.numbers() {
            add(&segment::name(number))?;
            add(&stub::name(number))?;
        }
        for (name, ..) in body::all(self.disk)? {
            add(&name)?;
        }
        Ok(total)
    }

    fn segments(&self, copying: &mut Copying<'_>) -> Result<Backup, StoreError> {
        let index = Index::default();
        let mut replay = Replay::from_start(&index, Position::NONE);
        let mut archived = 0;
        for number in self.numbers() {
            let last = number == self.flushed.position.segment;
            match self.segments.load_own(number)? {
                Loaded::Bytes(mut bytes) => {
                    if last {
                        bytes.truncate(usize::try_from(self.flushed.position.offset).unwrap_or(0));
                    }
                    replay.segment(&bytes, Position { segment: number, offset: 0 }, false);
                    replay.found().damage.clone().map_or(Ok(()), Err)?;
                    copying.append(&segment::name(number), &bytes)?;
                }
                Loaded::Stub(stub) => {
                    replay.stub(&stub);
                    replay.found().damage.clone().map_or(Ok(()), Err)?;
                    copying.keep(&stub::name(number), &stub.to_bytes())?;
                    archived += 1;
                }
            }
        }
        let found = replay.found();
        if found.watermark != self.flushed {
            return Err(damaged(found.tail, "the end is not the one that was flushed"));
        }
        Ok(Backup {
            records: found.watermark.node_position,
            logs: found.ends.len(),
            segments: self.numbers().count(),
            archived,
            bodies: 0,
            size_bytes: 0,
        })
    }

    fn bodies(&self, copying: &mut Copying<'_>) -> Result<u64, StoreError> {
        let mut count = 0_u64;
        for (name, log, digest) in body::all(self.disk)? {
            if let Some(body) = body::read(self.disk, log, digest)? {
                copying.keep(&name, &body)?;
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }
}

/// Writes the copy, and tells how far it is.
struct Copying<'a> {
    target: &'a dyn Disk,
    told: Copied,
    progress: &'a mut dyn FnMut(Copied),
}

impl Copying<'_> {
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| io_failed(&format!("copying {name}"), source);
        self.target.create(name).map_err(failed)?;
        for chunk in bytes.chunks(CHUNK_SIZE_BYTES) {
            self.target.append(name, chunk).map_err(failed)?;
            self.tell(chunk.len());
        }
        self.target.sync(name).map_err(failed)
    }

    fn keep(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let failed = |source| io_failed(&format!("copying {name}"), source);
        self.target.keep(name, bytes).map_err(failed)?;
        self.tell(bytes.len());
        Ok(())
    }

    fn tell(&mut self, size_bytes: usize) {
        let told = &mut self.told;
        told.copied_bytes = told.copied_bytes.saturating_add(size_bytes as u64);
        told.total_bytes = told.total_bytes.max(told.copied_bytes);
        (self.progress)(self.told);
    }
}

const CHUNK_SIZE_BYTES: usize = 4 << 20;
