//! A stub: what stays of a segment that was moved to an archive. Opening and proving need no more.
use std::collections::HashMap;

use super::{
    checksum::checksum,
    group::Group,
    segment::{self, HEADER_SIZE_BYTES, Place, Position, damaged},
};
use crate::{digest::Digest, id::OwnerId, store::StoreError};

/// What is known of a segment that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stub {
    pub(super) seal: Seal,
    pub(super) ends: Vec<End>,
}

/// Which segment it is, to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) segment: u32,
    /// How many frames the node had written before it, and with it.
    pub(super) before: u64,
    pub(super) through: u64,
    pub(super) size_bytes: u32,
    /// The hash in its last footer.
    pub(super) hash: Digest,
    /// BLAKE3 over the whole file.
    pub(super) digest: Digest,
}

impl Seal {
    /// Where the segment ends.
    pub(super) fn end(&self) -> Position {
        Position { segment: self.segment, offset: self.size_bytes }
    }
}

/// A log's frames in the segment: the first, and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) owner: OwnerId,
    pub(super) first: u64,
    pub(super) last: Place,
}

impl Stub {
    /// The stub of segment `number`, of which every group is whole.
    pub(super) fn of(number: u32, bytes: &[u8]) -> Result<Self, StoreError> {
        let start = Position { segment: number, offset: 0 };
        if !segment::begins_with_header(bytes, number) {
            return Err(damaged(start, "a sealed segment without its header"));
        }
        let (mut at, mut before, mut footer) = (HEADER_SIZE_BYTES, None, None);
        let mut ends: HashMap<OwnerId, End> = HashMap::new();
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let position = start.plus(at);
            let group = Group::parse(rest, position)
                .ok_or_else(|| damaged(position, "no whole group in a sealed segment"))?;
            for (position, head) in group.frames() {
                let last = Place { sequence: head.sequence, position, hash: head.hash };
                let first = End { owner: head.owner, first: head.sequence, last };
                ends.entry(head.owner).or_insert(first).last = last;
            }
            let group_before = group.footer.node_position.checked_sub(group.footer.count.into());
            before = before.or(group_before);
            footer = Some(group.footer);
            at = at.saturating_add(group.size_bytes());
        }
        let (Some(before), Some(footer)) = (before, footer) else {
            return Err(damaged(start, "a sealed segment without a group"));
        };
        let seal = Seal {
            segment: number,
            before,
            through: footer.node_position,
            size_bytes: start.plus(bytes.len()).offset,
            hash: footer.hash,
            digest: Digest::of_content(bytes),
        };
        let mut ends: Vec<End> = ends.into_values().collect();
        ends.sort_unstable_by_key(|end| end.owner);
        Ok(Self { seal, ends })
    }

    /// Its bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Seal { segment, before, through, size_bytes, hash, digest } = self.seal;
        let mut bytes = Vec::from(*MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(segment.to_le_bytes());
        bytes.extend(before.to_le_bytes());
        bytes.extend(through.to_le_bytes());
        bytes.extend(size_bytes.to_le_bytes());
        bytes.extend(hash.as_bytes());
        bytes.extend(digest.as_bytes());
        for End { owner, first, last } in &self.ends {
            bytes.extend(owner.as_bytes());
            bytes.extend(first.to_le_bytes());
            bytes.extend(last.sequence.to_le_bytes());
            bytes.extend(last.position.to_u64().to_le_bytes());
            bytes.extend(last.hash.as_bytes());
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes
    }

    /// Reads the stub of segment `number`, if not a bit of it has changed.
    pub(super) fn parse(bytes: &[u8], number: u32) -> Option<Self> {
        let (whole, sum) = bytes.split_last_chunk()?;
        if checksum(whole) != u64::from_le_bytes(*sum) {
            return None;
        }
        let (version, rest) = whole.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (before, rest) = rest.split_first_chunk()?;
        let (through, rest) = rest.split_first_chunk()?;
        let (size_bytes, rest) = rest.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let seal = Seal {
            segment: u32::from_le_bytes(*segment),
            before: u64::from_le_bytes(*before),
            through: u64::from_le_bytes(*through),
            size_bytes: u32::from_le_bytes(*size_bytes),
            hash: Digest::from_bytes(*hash),
            digest: Digest::from_bytes(*digest),
        };
        let ours = u32::from_le_bytes(*version) == VERSION && seal.segment == number;
        let (ends, odd) = rest.as_chunks::<END_SIZE_BYTES>();
        let ends = ends.iter().map(end).collect::<Option<_>>().filter(|_| odd.is_empty())?;
        ours.then_some(Self { seal, ends })
    }
}

fn end(bytes: &[u8; END_SIZE_BYTES]) -> Option<End> {
    let (owner, rest) = bytes.split_first_chunk()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (position, hash) = rest.split_first_chunk()?;
    let last = Place {
        sequence: u64::from_le_bytes(*sequence),
        position: Position::from_u64(u64::from_le_bytes(*position)),
        hash: Digest::from_bytes(hash.try_into().ok()?),
    };
    let owner = OwnerId::from_bytes(*owner);
    Some(End { owner, first: u64::from_le_bytes(*first), last })
}

/// The name of a segment's stub.
pub(super) fn name(number: u32) -> String {
    format!("segments/{number:08}.stub")
}

const MAGIC: &[u8; 8] = b"clawstub";
const VERSION: u32 = 1;
const END_SIZE_BYTES: usize = 72;
