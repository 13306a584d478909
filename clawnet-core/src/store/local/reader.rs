//! Reading a log: large chunks forward, and back pointers where its frames are far apart.
use super::{
    frame,
    group::Footer,
    index::{Index, STRIDE},
    queue::Room,
    segment::{Place, Position, damaged},
    segments::Segments,
};
use crate::{
    id::OwnerId,
    store::{Frame, StoreError},
};

/// Reads frames of one log, as far as it is written.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    segments: &'a Segments,
    index: &'a Index,
    log: OwnerId,
    /// The log's last frame on disk: the one position that is certain.
    written: Place,
    window: Window,
    /// Where the frames after the current one are, the next one last.
    trail: Vec<Position>,
}

impl<'a> Reader<'a> {
    /// A reader of `log`, whose end is `written`.
    pub(super) fn new(
        segments: &'a Segments,
        index: &'a Index,
        log: OwnerId,
        written: Place,
    ) -> Self {
        Self { segments, index, log, written, window: Window::default(), trail: Vec::new() }
    }

    /// The frames from `sequence` on, which is written, while there is `room`. An error only if
    /// not even the first can be read.
    pub(super) fn read(
        &mut self,
        sequence: u64,
        room: &mut Room,
        chunk: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        self.window.chunk = chunk.clamp(CHUNK_SIZE_BYTES_MIN, CHUNK_SIZE_BYTES_MAX);
        let mut frames = Vec::new();
        let (mut next, mut at) = (sequence, self.seek(sequence)?);
        loop {
            match self.frame(at, next) {
                Ok((frame, _)) if !room.takes(frame.payload.len()) => break,
                Ok((frame, behind)) => {
                    frames.push(frame);
                    next += 1;
                    if next > self.written.sequence {
                        break;
                    }
                    at = match self.follow(behind, next) {
                        Ok(at) => at,
                        Err(_) => break,
                    };
                }
                Err(error) if frames.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(frames)
    }

    /// The position of frame `next`, given the end of the one before it.
    fn follow(&mut self, behind: Position, next: u64) -> Result<Position, StoreError> {
        match self.trail.pop() {
            Some(at) => Ok(at),
            None => self.forward(behind, next).map_or_else(|| self.seek_back(next), Ok),
        }
    }

    /// The position of frame `sequence`, from the indexed frame before it if that is near.
    fn seek(&mut self, sequence: u64) -> Result<Position, StoreError> {
        if sequence == self.written.sequence {
            return Ok(self.written.position);
        }
        let from = Index::anchor(sequence);
        self.seek_forward(from, sequence).map_or_else(|| self.seek_back(sequence), Ok)
    }

    fn seek_forward(&mut self, from: u64, sequence: u64) -> Option<Position> {
        let mut at = self.index.find(self.log, from)?;
        let between = usize::try_from(sequence.saturating_sub(from)).unwrap_or_default();
        let size_bytes = between.saturating_mul(FRAME_SIZE_BYTES).min(SEEK_SIZE_BYTES_MAX);
        self.window.chunk = self.window.chunk.max(size_bytes.saturating_add(CHUNK_SIZE_BYTES_MIN));
        self.head(at).ok().filter(|head| head.owner == self.log && head.sequence == from)?;
        for next in from..sequence {
            // Only where to go on: what a wrong length leads to is not the record that is sought.
            let bytes = self.window.bytes(self.segments, at, frame::Head::SIZE_BYTES).ok()?;
            let head = frame::Head::parse(bytes)?;
            at = self.forward(at.plus(head.size_bytes()), next + 1)?;
        }
        Some(at)
    }

    /// The position of frame `sequence` by the back pointers of what comes after it.
    fn seek_back(&mut self, sequence: u64) -> Result<Position, StoreError> {
        let anchor = Index::anchor(sequence).saturating_add(STRIDE);
        if anchor <= self.written.sequence
            && let Some(at) = self.index.find(self.log, anchor)
            && let Ok(found) = self.hop(at, anchor, sequence)
        {
            return Ok(found);
        }
        self.hop(self.written.position, self.written.sequence, sequence)
    }

    fn hop(&mut self, from: Position, anchor: u64, to: u64) -> Result<Position, StoreError> {
        self.trail.clear();
        let (mut at, mut sequence) = (from, anchor);
        loop {
            let head = self.head(at)?;
            if head.owner != self.log || head.sequence != sequence {
                return Err(damaged(at, "not the record that should be there"));
            }
            if sequence <= to {
                return Ok(at);
            }
            if sequence - to <= TRAIL_MAX {
                self.trail.push(at);
            }
            at = head.previous;
            sequence -= 1;
        }
    }

    /// The position of frame `next` if it is not far behind `from`, and all is well until there.
    fn forward(&mut self, from: Position, next: u64) -> Option<Position> {
        let (mut at, mut skipped) = (from, 0_usize);
        while skipped <= SKIPPED_SIZE_BYTES_MAX {
            let bytes = self.window.bytes(self.segments, at, Footer::SIZE_BYTES).ok()?;
            let size = if bytes.is_empty() {
                let next = at.next_segment();
                // A segment without an entry leads nowhere.
                if at.offset <= next.offset || next.segment > self.written.position.segment {
                    return None;
                }
                at = next;
                0
            } else if Footer::parse(bytes).is_some() {
                Footer::SIZE_BYTES
            } else {
                let bytes = self.window.bytes(self.segments, at, frame::Head::SIZE_BYTES).ok()?;
                let head = frame::Head::parse(bytes)?;
                if head.owner == self.log {
                    return (head.sequence == next).then_some(at);
                }
                head.payload(self.window.bytes(self.segments, at, head.size_bytes()).ok()?)?;
                head.size_bytes()
            };
            at = at.plus(size);
            skipped = skipped.saturating_add(size);
        }
        None
    }

    /// The frame at `at`, every bit of it checked, and the position behind it.
    fn frame(&mut self, at: Position, sequence: u64) -> Result<(Frame, Position), StoreError> {
        let bytes = self.window.bytes(self.segments, at, frame::Head::SIZE_BYTES)?;
        let head = frame::Head::parse(bytes).ok_or_else(|| damaged(at, "not a record"))?;
        if head.owner != self.log || head.sequence != sequence {
            return Err(damaged(at, "not the record that should be there"));
        }
        let payload = head.payload(self.window.bytes(self.segments, at, head.size_bytes())?);
        let payload = payload.ok_or_else(|| damaged(at, "a record's checksum is wrong"))?;
        let frame = Frame::new(head.sequence, head.hash, payload.into());
        Ok((frame, at.plus(head.size_bytes())))
    }

    /// Only the head of a frame: from the window if it is there, else it alone.
    fn head(&mut self, at: Position) -> Result<frame::Head, StoreError> {
        let mut alone = [0; frame::Head::SIZE_BYTES];
        let bytes = if let Some(bytes) = self.window.inside(at, alone.len()) {
            bytes
        } else {
            let read = self.segments.read_at(at, &mut alone)?;
            alone.get(..read).unwrap_or_default()
        };
        frame::Head::parse(bytes).ok_or_else(|| damaged(at, "not a record"))
    }
}

/// A part of a segment in memory.
#[derive(Debug)]
struct Window {
    start: Position,
    bytes: Vec<u8>,
    chunk: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { start: Position::NONE, bytes: Vec::new(), chunk: CHUNK_SIZE_BYTES_MIN }
    }
}

impl Window {
    /// The bytes from `at` on: at least so many, or all until the segment's end.
    fn bytes(
        &mut self,
        segments: &Segments,
        at: Position,
        least: usize,
    ) -> Result<&[u8], StoreError> {
        if self.inside(at, least).is_none() {
            self.bytes.resize(self.chunk.max(least), 0);
            self.start = at;
            let read = segments.read_at(at, &mut self.bytes);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
            return Ok(&self.bytes);
        }
        Ok(self.inside(at, least).unwrap_or_default())
    }

    fn inside(&self, at: Position, least: usize) -> Option<&[u8]> {
        let skip = at.offset.checked_sub(self.start.offset)?;
        let bytes = self.bytes.get(usize::try_from(skip).ok()?..)?;
        (at.segment == self.start.segment && bytes.len() >= least).then_some(bytes)
    }
}

const CHUNK_SIZE_BYTES_MIN: usize = 4 << 10;
const CHUNK_SIZE_BYTES_MAX: usize = 256 << 10;

/// What a frame is taken to have in bytes, to read at once what lies between an indexed one and the
/// one that is sought, and how much that is at most.
const FRAME_SIZE_BYTES: usize = 320;
const SEEK_SIZE_BYTES_MAX: usize = 28 << 10;

/// How many bytes of other logs are walked over before the back pointers are asked.
const SKIPPED_SIZE_BYTES_MAX: usize = 256 << 10;

/// How many positions are remembered from a walk back.
const TRAIL_MAX: u64 = 4096;
