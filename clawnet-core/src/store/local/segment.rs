//! Segments: their names, their headers, and places in them.
use std::fmt;

use super::{checksum::checksum, disk::Disk, io_failed};
use crate::{digest::Digest, store::StoreError};

/// A byte of a segment. Segments count from 1, so that all zero is nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) segment: u32,
    pub(super) offset: u32,
}

impl Position {
    /// Before the first frame of a log, and before the first segment.
    pub(super) const NONE: Self = Self { segment: 0, offset: 0 };

    pub(super) fn to_u64(self) -> u64 {
        u64::from(self.segment) << 32 | u64::from(self.offset)
    }

    pub(super) fn from_u64(packed: u64) -> Self {
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self { segment: half(packed >> 32), offset: half(packed) }
    }

    /// So many bytes further. Past 4 GiB, which no segment reaches, it stays at the end.
    pub(super) fn plus(self, size_bytes: usize) -> Self {
        let more = u32::try_from(size_bytes).unwrap_or(u32::MAX);
        Self { offset: self.offset.saturating_add(more), ..self }
    }

    /// The first entry of the next segment.
    pub(super) fn next_segment(self) -> Self {
        Self { segment: self.segment.saturating_add(1), offset: 0 }.plus(HEADER_SIZE_BYTES)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, byte {}", self.segment, self.offset)
    }
}

/// Where a log ends, as far as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) position: Position,
    pub(super) hash: Digest,
}

impl Place {
    /// The end of a log nobody wrote to.
    pub(super) const EMPTY: Self =
        Self { sequence: 0, position: Position::NONE, hash: Digest::ZERO };
}

/// How long a segment's header is.
pub(super) const HEADER_SIZE_BYTES: usize = 32;

/// No segment is longer, whatever it was told to be: what is, is not ours.
pub(super) const SIZE_BYTES_MAX: u32 = 1 << 30;

/// The name of a segment.
pub(super) fn name(number: u32) -> String {
    format!("segments/{number:08}.log")
}

/// The numbers of the segments, or of their stubs, by the end of their names, in order. Other files
/// are left alone.
pub(super) fn numbers(disk: &dyn Disk, end: &str) -> Result<Vec<u32>, StoreError> {
    let names = disk.list("segments").map_err(|source| io_failed("listing segments", source))?;
    let number = |name: &String| name.strip_suffix(end)?.parse().ok().filter(|n| *n > 0);
    let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The bytes from `from` to the end of its segment.
pub(super) fn tail(disk: &dyn Disk, from: Position) -> Result<Vec<u8>, StoreError> {
    let name = name(from.segment);
    let failed = |source| io_failed(&format!("reading {name}"), source);
    let size_bytes = disk.size_bytes(&name).map_err(failed)?.unwrap_or(0);
    if size_bytes > u64::from(SIZE_BYTES_MAX) {
        return Err(damaged(from, "the segment is longer than any of ours"));
    }
    let rest = size_bytes.saturating_sub(u64::from(from.offset));
    let mut bytes = vec![0; usize::try_from(rest).unwrap_or(0)];
    let read = disk.read_at(&name, u64::from(from.offset), &mut bytes).map_err(failed)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// The header of segment `number`, before which the node wrote `node_position` frames.
pub(super) fn header(number: u32, node_position: u64) -> Vec<u8> {
    let mut bytes = Vec::from(*MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(number.to_le_bytes());
    bytes.extend(node_position.to_le_bytes());
    bytes.extend(checksum(&bytes).to_le_bytes());
    bytes
}

/// Whether `bytes` begin with the header of segment `number`.
pub(super) fn begins_with_header(bytes: &[u8], number: u32) -> bool {
    let node_position = bytes.get(16..).and_then(|rest| rest.first_chunk());
    node_position
        .is_some_and(|found| bytes.starts_with(&header(number, u64::from_le_bytes(*found))))
}

/// What is said about bytes that are not what was written.
pub(super) fn damaged(position: Position, what: &str) -> StoreError {
    StoreError::Damaged { position: position.to_string(), what: what.to_owned() }
}

const MAGIC: &[u8; 8] = b"clawsegm";
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_packs_and_a_header_is_its_own() {
        let position = Position { segment: 7, offset: 0xFFFF_0001 };
        assert_eq!(Position::from_u64(position.to_u64()), position);
        assert_eq!(Position::NONE.to_u64(), 0);
        let bytes = header(3, 99);
        assert_eq!(bytes.len(), HEADER_SIZE_BYTES);
        assert!(begins_with_header(&bytes, 3) && !begins_with_header(&bytes, 4));
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 1;
            assert!(!begins_with_header(&broken, 3), "byte {at}");
            assert!(!begins_with_header(&bytes[..at], 3), "cut at {at}");
        }
    }
}
