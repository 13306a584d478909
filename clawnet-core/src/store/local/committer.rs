//! The committer: the one thread that writes, a group at a time, with one flush for everybody.
use std::{
    collections::HashMap,
    sync::Arc,
    thread::{self, JoinHandle},
};

use super::{
    disk::Disk,
    frame,
    group::Footer,
    index::{Index, Watermark},
    io_failed,
    queue::{Queue, Waiting},
    segment::{self, HEADER_SIZE_BYTES, Place, Position},
};
use crate::{id::OwnerId, store::StoreError};

/// Writes what is queued until the queue is closed, or a write or a flush fails.
#[derive(Debug)]
pub(super) struct Committer {
    disk: Arc<dyn Disk>,
    index: Arc<Index>,
    queue: Arc<Queue>,
    tail: Tail,
    /// What the index does not know yet: ends, the last group, and how many bytes that is.
    changed: HashMap<OwnerId, Place>,
    watermark: Option<Watermark>,
    unindexed_bytes: usize,
    /// The group being made; kept for its memory.
    bytes: Vec<u8>,
}

/// Where the next group goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The end of what is written. Segment 0: nothing was ever written.
    pub(super) position: Position,
    /// How many frames the node has written.
    pub(super) node_position: u64,
    /// From which size on a segment is left for the next.
    pub(super) segment_size_bytes_max: u32,
}

/// What the committer shares with the store.
type Shared = (Arc<dyn Disk>, Arc<Index>, Arc<Queue>);

impl Committer {
    /// A committer that continues at `tail`.
    pub(super) fn at(tail: Tail, (disk, index, queue): Shared) -> Self {
        let (changed, watermark, unindexed_bytes) = (HashMap::new(), None, 0);
        Self { disk, index, queue, tail, changed, watermark, unindexed_bytes, bytes: Vec::new() }
    }

    /// Starts its thread.
    pub(super) fn spawn(mut self) -> Result<JoinHandle<()>, StoreError> {
        let thread = thread::Builder::new().name("clawnet-store".to_owned());
        let failed = |source| io_failed("starting the committer", source);
        thread.spawn(move || self.run()).map_err(failed)
    }

    fn run(&mut self) {
        while let Some(waiting) = self.queue.next() {
            match self.commit(&waiting) {
                Ok(ends) => {
                    self.queue.settle(waiting, &ends, self.watermark);
                    self.changed.extend(ends);
                    if self.unindexed_bytes >= UNINDEXED_SIZE_BYTES_MAX {
                        self.catch_up();
                    }
                }
                Err(error) => {
                    // First nobody may append any more, then those in the group hear why.
                    self.queue.poison();
                    return waiting.decide(&Err(error));
                }
            }
        }
        self.catch_up();
    }

    /// Writes and flushes one group: frames and footer in one write, one flush for all of them.
    fn commit(&mut self, waiting: &Waiting) -> Result<HashMap<OwnerId, Place>, StoreError> {
        let size_bytes = waiting.batches.iter().map(|batch| batch.size_bytes).sum::<usize>();
        if size_bytes == 0 {
            return Ok(HashMap::new());
        }
        let place = self.place_of(size_bytes.saturating_add(Footer::SIZE_BYTES));
        let name = segment::name(place.segment);
        let failed = |source| io_failed(&format!("writing {name}"), source);
        if place.offset == 0 {
            self.disk.create(&name).map_err(failed)?;
        }
        let (ends, watermark) = self.encode(place, waiting);
        let flushed = self.disk.append(&name, &self.bytes).and_then(|()| self.disk.sync(&name));
        if let Err(source) = flushed {
            // INVARIANT: what was not acknowledged is not found again. After a failed flush the
            // page cache may hold what the disk does not, and a reopening would believe it.
            drop(self.disk.truncate(&name, place.offset.into()));
            return Err(failed(source));
        }
        self.unindexed_bytes = self.unindexed_bytes.saturating_add(self.bytes.len());
        self.tail.position = watermark.position;
        self.tail.node_position = watermark.node_position;
        self.watermark = Some(watermark);
        Ok(ends)
    }

    /// Where a group of so many bytes goes: behind the last one, or in a segment of its own.
    fn place_of(&self, size_bytes: usize) -> Position {
        let at = self.tail.position;
        let fits = at.plus(size_bytes).offset <= self.tail.segment_size_bytes_max;
        let unused = at.offset <= Position::NONE.plus(HEADER_SIZE_BYTES).offset;
        if at.segment > 0 && (fits || unused) {
            return at;
        }
        Position { offset: 0, ..at.next_segment() }
    }

    fn encode(
        &mut self,
        place: Position,
        waiting: &Waiting,
    ) -> (HashMap<OwnerId, Place>, Watermark) {
        self.bytes.clear();
        if place.offset == 0 {
            self.bytes.extend(segment::header(place.segment, self.tail.node_position));
        }
        let (start, mut count) = (self.bytes.len(), 0_u32);
        let mut ends: HashMap<OwnerId, Place> = HashMap::with_capacity(waiting.ends.len());
        for batch in &waiting.batches {
            let before = waiting.ends.get(&batch.log).copied().unwrap_or(Position::NONE);
            let mut previous = ends.get(&batch.log).map_or(before, |end| end.position);
            for frame in batch.batch.iter() {
                let position = place.plus(self.bytes.len());
                frame::write(&mut self.bytes, batch.log, previous, frame);
                self.index.note(batch.log, frame.sequence, position);
                let end = Place { sequence: frame.sequence, position, hash: frame.hash };
                ends.insert(batch.log, end);
                (previous, count) = (position, count.saturating_add(1));
            }
        }
        let node_position = self.tail.node_position.saturating_add(count.into());
        let frames = self.bytes.get(start..).unwrap_or_default();
        let footer = Footer::over(frames, place.plus(start), node_position, count);
        footer.write(&mut self.bytes);
        let position = place.plus(self.bytes.len());
        (ends, Watermark { position, node_position, hash: footer.hash })
    }

    /// Writes the index, once nobody waits for it.
    fn catch_up(&mut self) {
        if let Some(watermark) = self.watermark.take() {
            self.index.write(&self.changed, Some(watermark));
        }
        self.changed.clear();
        self.unindexed_bytes = 0;
    }
}

/// A thread that ends by a panic must not leave anybody waiting.
impl Drop for Committer {
    fn drop(&mut self) {
        if thread::panicking() {
            self.queue.poison();
        }
    }
}

/// How far the index may lie behind, and so how much an opening after a crash reads again.
const UNINDEXED_SIZE_BYTES_MAX: usize = 8 << 20;
