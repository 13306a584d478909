//! Replay: what the segments say, read and verified group by group from where the index ends.
use std::collections::HashMap;

use super::{
    disk::Disk,
    group::{Footer, Group},
    index::{Index, Watermark},
    queue::BATCH_SIZE_BYTES_MAX,
    segment::{self, HEADER_SIZE_BYTES, Place, Position, damaged},
};
use crate::{digest::Digest, id::OwnerId, store::StoreError};

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
        Self { certain, ..Self::behind(index, HashMap::new(), START) }
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

    /// Reads `segments`, all that there are, in order.
    pub(super) fn run(mut self, disk: &dyn Disk, segments: &[u32]) -> Result<Found, StoreError> {
        let gap = segments.iter().zip(1..).find(|(number, due)| **number != *due);
        if let Some((_, segment)) = gap {
            self.broken(Position { segment, offset: 0 }, "the segment is missing");
        }
        let known = self.found.tail;
        for number in segments.iter().copied().filter(|number| *number >= known.segment) {
            let offset = if number == known.segment { known.offset } else { 0 };
            let from = Position { segment: number, offset };
            let bytes = segment::tail(disk, from)?;
            self.segment(&bytes, from, Some(&number) == segments.last());
            self.index.write(&HashMap::new(), None);
        }
        Ok(self.found)
    }

    fn segment(&mut self, bytes: &[u8], from: Position, last: bool) {
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

const START: Watermark =
    Watermark { position: Position::NONE, node_position: 0, hash: Digest::ZERO };

const TORN_SIZE_BYTES_MAX: usize = BATCH_SIZE_BYTES_MAX + HEADER_SIZE_BYTES + Footer::SIZE_BYTES;
