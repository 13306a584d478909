//! Replay: what the segments say, read and verified group by group from where the index ends.
use std::collections::HashMap;

use super::{
    group::{Footer, Group},
    index::{Index, Watermark},
    queue::BATCH_SIZE_BYTES_MAX,
    segment::{self, HEADER_SIZE_BYTES, Place, Position, damaged},
    segments::{Loaded, Segments},
    stub::{End, Stub},
};
use crate::{id::OwnerId, store::StoreError};

/// Reads segments, and gathers what they say.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    index: &'a Index,
    /// What is before this was whole once, so it cannot be torn.
    certain: Position,
    found: Found,
}

/// What the segments said.
#[derive(Debug)]
pub(super) struct Found {
    /// Where each log ends, and which of these ends the index did not know.
    pub(super) ends: HashMap<OwnerId, Place>,
    pub(super) changed: HashMap<OwnerId, Place>,
    /// The last whole group, and how many frames there are up to it.
    pub(super) watermark: Watermark,
    /// Where the next group goes.
    pub(super) tail: Position,
    /// How many frames were read.
    pub(super) replayed: u64,
    /// What is torn behind the tail, and may be cut.
    pub(super) torn_size_bytes: u64,
    /// The first bytes that are not what was written.
    pub(super) damage: Option<StoreError>,
    /// The last of them: a log that ends before it may have gone on there.
    pub(super) damaged_until: Position,
}

impl<'a> Replay<'a> {
    /// A replay from the start, that tells `index` where what is.
    pub(super) fn from_start(index: &'a Index, certain: Position) -> Self {
        Self { certain, ..Self::behind(index, HashMap::new(), Watermark::START) }
    }

    /// A replay from where the index ends.
    pub(super) fn behind(
        index: &'a Index,
        ends: HashMap<OwnerId, Place>,
        watermark: Watermark,
    ) -> Self {
        let found = Found {
            ends,
            changed: HashMap::new(),
            watermark,
            tail: watermark.position,
            replayed: 0,
            torn_size_bytes: 0,
            damage: None,
            damaged_until: Position::NONE,
        };
        Self { index, certain: watermark.position, found }
    }

    /// Reads the segments with these `numbers`, all that there are, in order.
    pub(super) fn run(mut self, segments: &Segments, numbers: &[u32]) -> Result<Found, StoreError> {
        let gap = numbers.iter().zip(1..).find(|(number, due)| **number != *due);
        if let Some((_, segment)) = gap {
            self.broken(Position { segment, offset: 0 }, "the segment is missing");
        }
        for (segment, _) in segments.doubled().iter().filter(|(_, same)| !same) {
            let position = Position { segment: *segment, offset: 0 };
            self.broken(position, "what was put back is not the segment that was archived");
        }
        let known = self.found.tail;
        for number in numbers.iter().copied().filter(|number| *number >= known.segment) {
            let offset = if number == known.segment { known.offset } else { 0 };
            let from = Position { segment: number, offset };
            let last = Some(&number) == numbers.last();
            match segments.load(from)? {
                Loaded::Bytes(bytes) => self.segment(&bytes, from, last),
                Loaded::Stub(stub) => self.stub(&stub),
            }
            if last && segments.size_bytes(number)?.is_none() {
                // What is written to is never moved away.
                self.broken(self.found.tail.next_segment(), "the last segment is missing");
            }
            self.index.write(&HashMap::new(), None);
        }
        Ok(self.found)
    }

    /// What was found so far.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// Takes a stub's word for its segment.
    pub(super) fn stub(&mut self, Stub { seal, ends }: &Stub) {
        let start = Position { segment: seal.segment, offset: 0 };
        if seal.before != self.found.watermark.node_position {
            self.broken(start, "a group is missing before this segment");
        }
        for End { owner, first, last } in ends {
            let end = self.found.ends.entry(*owner).or_insert(Place::EMPTY);
            let continues = end.sequence.checked_add(1) == Some(*first);
            *end = *last;
            self.found.changed.insert(*owner, *last);
            if !continues {
                self.broken(last.position, "a record does not continue its log");
            }
        }
        self.found.tail = seal.end();
        let (position, node_position, hash) = (seal.end(), seal.through, seal.hash);
        self.found.watermark = Watermark { position, node_position, hash };
    }

    /// Reads one segment, from `from` on. Only the `last` may have a torn end.
    pub(super) fn segment(&mut self, bytes: &[u8], from: Position, last: bool) {
        let mut at = 0;
        self.found.tail = from;
        if from.offset == 0 && segment::begins_with_header(bytes, from.segment) {
            at = HEADER_SIZE_BYTES;
            self.found.tail = from.plus(at);
        } else if from.offset == 0 && bytes.is_empty() && !last {
            self.broken(from, "a segment is empty, and not the last one");
        }
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let position = from.plus(at);
            let next = Group::parse(rest, position).map(|group| (0, group));
            let Some((skipped, group)) = next.or_else(|| Group::find(rest, position)) else {
                return self.end(rest, last);
            };
            if skipped > 0 {
                self.broken(position, "no whole group, but one after it");
            }
            self.group(&group);
            at = at.saturating_add(skipped).saturating_add(group.size_bytes());
        }
    }

    fn group(&mut self, group: &Group<'_>) {
        let footer = &group.footer;
        for (position, head) in group.frames() {
            let end = self.found.ends.entry(head.owner).or_insert(Place::EMPTY);
            let due = (end.sequence.saturating_add(1), end.position);
            *end = Place { sequence: head.sequence, position, hash: head.hash };
            self.found.changed.insert(head.owner, *end);
            self.index.note(head.owner, head.sequence, position);
            self.found.replayed = self.found.replayed.saturating_add(1);
            if (head.sequence, head.previous) != due {
                self.broken(position, "a record does not continue its log");
            }
        }
        let due = self.found.watermark.node_position.saturating_add(footer.count.into());
        if footer.node_position != due {
            self.broken(footer.start, "a group is missing before this one");
        }
        let position = footer.start.plus(group.size_bytes());
        let (node_position, hash) = (footer.node_position, footer.hash);
        self.found.watermark = Watermark { position, node_position, hash };
        self.found.tail = position;
    }

    /// Judges bytes behind which there is no whole group in their segment.
    fn end(&mut self, rest: &[u8], last: bool) {
        // At most one group is in flight, so what is longer was whole once.
        let torn = self.found.tail >= self.certain && rest.len() <= TORN_SIZE_BYTES_MAX;
        if last && torn {
            self.found.torn_size_bytes = rest.len() as u64;
        } else {
            self.broken(self.found.tail, "no whole group, and no torn end");
        }
    }

    fn broken(&mut self, position: Position, what: &str) {
        self.found.damage.get_or_insert_with(|| damaged(position, what));
        self.found.damaged_until = self.found.damaged_until.max(position);
    }
}

const TORN_SIZE_BYTES_MAX: usize = BATCH_SIZE_BYTES_MAX + HEADER_SIZE_BYTES + Footer::SIZE_BYTES;
