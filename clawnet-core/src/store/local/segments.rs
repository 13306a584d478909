//! The segments there are: in the store's folder, as stubs, and in the archive that is attached.
use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    disk::Disk,
    group::Footer,
    index::Watermark,
    io_failed,
    segment::{self, HEADER_SIZE_BYTES, Position},
    stub::{self, Seal, Stub},
};
use crate::{digest::Digest, store::StoreError};

/// Reads segments, wherever they are.
#[derive(Debug)]
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    archive: Option<Arc<dyn Disk>>,
    archived: Mutex<BTreeMap<u32, Archived>>,
    /// Those that are here and have a stub as well: put back, and moved away by half.
    doubled: Vec<(u32, bool)>,
}

/// A segment of which only a stub is here.
#[derive(Debug, Clone, Copy)]
struct Archived {
    seal: Seal,
    /// The archive that is attached has it.
    attached: bool,
}

/// A segment's bytes, or what is known of them.
#[derive(Debug)]
pub(super) enum Loaded {
    Bytes(Vec<u8>),
    Stub(Stub),
}

/// Whether a group that was flushed is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is, and a replay may go on behind it.
    Here,
    /// It is in a segment that was moved away, as far as can be told.
    Archived,
    No,
}

impl Segments {
    /// Finds what is on `disk`, and what of the rest is in `archive`.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        archive: Option<Arc<dyn Disk>>,
    ) -> Result<Self, StoreError> {
        let (archived, doubled) = (Mutex::default(), Vec::new());
        let mut this = Self { disk, archive, archived, doubled };
        for number in segment::numbers(&*this.disk, ".stub")? {
            let Some(stub) = this.stub(number)? else { continue };
            if this.size_bytes(number)?.is_none() {
                this.archive(stub.seal);
                continue;
            }
            let bytes = segment::tail(&*this.disk, Position { segment: number, offset: 0 })?;
            let same = Digest::of_content(&bytes) == stub.seal.digest;
            this.doubled.push((number, same));
        }
        Ok(this)
    }

    /// The numbers of all segments, archived ones included, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u32>, StoreError> {
        let mut numbers = segment::numbers(&*self.disk, ".log")?;
        numbers.extend(self.archived().keys());
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// How many are archived.
    pub(super) fn archived_count(&self) -> usize {
        self.archived().len()
    }

    /// Those that are here beside a stub, and whether they are what it says.
    pub(super) fn doubled(&self) -> &[(u32, bool)] {
        &self.doubled
    }

    /// Knows a segment by its stub from here on, where it is not here.
    pub(super) fn archive(&self, seal: Seal) {
        let attached = self.archive.as_ref().is_some_and(|archive| ends_as(&**archive, &seal));
        self.archived().insert(seal.segment, Archived { seal, attached });
    }

    /// The stub of segment `number`, if it is there and whole.
    pub(super) fn stub(&self, number: u32) -> Result<Option<Stub>, StoreError> {
        let name = stub::name(number);
        let failed = |source| io_failed(&format!("reading {name}"), source);
        let Some(size_bytes) = self.disk.size_bytes(&name).map_err(failed)? else {
            return Ok(None);
        };
        let fits = usize::try_from(size_bytes.min(segment::SIZE_BYTES_MAX.into()));
        let mut bytes = vec![0; fits.unwrap_or(0)];
        let read = self.disk.read_at(&name, 0, &mut bytes).map_err(failed)?;
        bytes.truncate(read);
        Ok(Stub::parse(&bytes, number))
    }

    /// Fills `into` from `at` on. A file that is missing holds no bytes: the record that should be
    /// there then is not.
    pub(super) fn read_at(&self, at: Position, into: &mut [u8]) -> Result<usize, StoreError> {
        let name = segment::name(at.segment);
        match self.disk.read_at(&name, u64::from(at.offset), into) {
            Ok(read) => Ok(read),
            // Only a segment that is not here may have been moved, this very moment too.
            Err(source) if source.kind() == ErrorKind::NotFound => self.read_archived(at, into),
            Err(source) => Err(io_failed(&format!("reading {name}"), source)),
        }
    }

    fn read_archived(&self, at: Position, into: &mut [u8]) -> Result<usize, StoreError> {
        let found = self.archived().get(&at.segment).copied();
        let Some(Archived { attached, .. }) = found else { return Ok(0) };
        let name = segment::name(at.segment);
        match self.archive.as_ref().filter(|_| attached) {
            Some(archive) => archive
                .read_at(&name, u64::from(at.offset), into)
                .map_err(|source| io_failed(&format!("reading {name} in the archive"), source)),
            None => Err(StoreError::Archived { position: at.to_string() }),
        }
    }

    /// The bytes of a segment from `from` on, of an archived one all; or its stub, where the archive
    /// does not have exactly that segment.
    pub(super) fn load(&self, from: Position) -> Result<Loaded, StoreError> {
        let found = self.archived().get(&from.segment).copied();
        let Some(Archived { seal, attached }) = found else {
            return segment::tail(&*self.disk, from).map(Loaded::Bytes);
        };
        if let Some(archive) = self.archive.as_ref().filter(|_| attached)
            && let Ok(bytes) = segment::tail(&**archive, Position { offset: 0, ..from })
            && Digest::of_content(&bytes) == seal.digest
        {
            return Ok(Loaded::Bytes(bytes));
        }
        self.load_stub(from.segment).map(Loaded::Stub)
    }

    /// The stub of an archived segment.
    fn load_stub(&self, number: u32) -> Result<Stub, StoreError> {
        let gone = || segment::damaged(Position { segment: number, offset: 0 }, "its stub is gone");
        self.stub(number)?.ok_or_else(gone)
    }

    /// The bytes of a segment that is here, or the stub of one that is not.
    pub(super) fn load_own(&self, number: u32) -> Result<Loaded, StoreError> {
        if self.archived().contains_key(&number) {
            return self.load_stub(number).map(Loaded::Stub);
        }
        segment::tail(&*self.disk, Position { segment: number, offset: 0 }).map(Loaded::Bytes)
    }

    /// How long a segment that is here is.
    pub(super) fn size_bytes(&self, number: u32) -> Result<Option<u64>, StoreError> {
        let name = segment::name(number);
        let failed = |source| io_failed(&format!("looking for {name}"), source);
        self.disk.size_bytes(&name).map_err(failed)
    }

    /// Whether the group that ends at the watermark is there, and the one it was taken from.
    pub(super) fn seen(&self, watermark: &Watermark) -> Seen {
        let archived = self.archived().get(&watermark.position.segment).map(|found| found.seal);
        let Some(seal) = archived else {
            return if ends_a_group(&*self.disk, watermark) { Seen::Here } else { Seen::No };
        };
        let inside = watermark.node_position > seal.before
            && watermark.node_position < seal.through
            && watermark.position < seal.end();
        let last = (watermark.position, watermark.node_position, watermark.hash)
            == (seal.end(), seal.through, seal.hash);
        if inside || last { Seen::Archived } else { Seen::No }
    }

    /// Every change is made by one call, so a panic leaves the map whole.
    fn archived(&self) -> MutexGuard<'_, BTreeMap<u32, Archived>> {
        self.archived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the segment on `disk` is as long as the one that was moved there, and ends as it did.
fn ends_as(disk: &dyn Disk, seal: &Seal) -> bool {
    let size_bytes = disk.size_bytes(&segment::name(seal.segment));
    let end = Watermark { position: seal.end(), node_position: seal.through, hash: seal.hash };
    size_bytes.is_ok_and(|found| found == Some(seal.size_bytes.into())) && ends_a_group(disk, &end)
}

fn ends_a_group(disk: &dyn Disk, watermark: &Watermark) -> bool {
    let mut bytes = [0; Footer::SIZE_BYTES];
    let before = u64::from(watermark.position.offset).checked_sub(bytes.len() as u64);
    let Some(offset) = before.filter(|before| *before >= HEADER_SIZE_BYTES as u64) else {
        return false;
    };
    let read = disk.read_at(&segment::name(watermark.position.segment), offset, &mut bytes);
    read.is_ok_and(|read| read == bytes.len())
        && Footer::parse(&bytes).is_some_and(|footer| {
            (footer.hash, footer.node_position) == (watermark.hash, watermark.node_position)
        })
}
