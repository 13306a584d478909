//! How the index is written down: entries of the store that a replay rebuilds.
//!
//! ```text
//! m                                   how far all this reaches: version (1), sequence (8), the
//!                                     chain hash of that record (32)
//! p | term (16) | block (8)           the records of the block that have the term
//! o | block (8) | part (1) | from (8) what came of intents of that part of the block, as recorded
//!                                     in block `from`
//! t | block (8)                       the time of the block's first record (8)
//! n | level (1) | place (8)           a row of the tree's nodes: not ours, see `growth`
//! ```
//!
//! Numbers are big endian. A block is [`BLOCK`] records, the first from record 1 on; within it a
//! record is its offset. A list of offsets is `0` and the gaps between them, or `1` and a bit for
//! each, whichever is shorter. Of an intent whose outcome is the next record nothing is noted.
use crate::{
    digest::Digest,
    store::{Head, IndexEntry, IndexRange},
};

use super::terms::Term;

/// How many records share an entry: what is not in the store yet is read again after a restart,
/// and what is costs a key for each term in each block. Small in tests, so that there are many.
pub(crate) const BLOCK: u64 = if cfg!(test) { 64 } else { 32_768 };
/// Into how many parts the intents of a block are divided, to find what came of one.
const PARTS: u64 = 64;
/// Of the entries described above. Any other is rebuilt.
const VERSION: u8 = 1;

/// The block record `sequence` is in.
pub(crate) const fn block_of(sequence: u64) -> u64 {
    sequence.saturating_sub(1) / BLOCK
}

/// The first record of a block.
pub(crate) const fn first_of(block: u64) -> u64 {
    block.saturating_mul(BLOCK).saturating_add(1)
}

/// The place of a record in its block.
pub(crate) fn offset_of(sequence: u64) -> u16 {
    u16::try_from(sequence.saturating_sub(1) % BLOCK).unwrap_or(u16::MAX)
}

/// What came of intents, as (intent, the record that says so).
pub(super) type Follower = (u64, u64);

pub(super) fn mark_entry(mark: Head) -> IndexEntry {
    let (version, sequence) = ([VERSION], mark.sequence.to_be_bytes());
    let value = [version.as_slice(), &sequence, mark.hash.as_bytes()].concat();
    IndexEntry::new(b"m".to_vec(), value)
}

pub(super) fn mark_range() -> IndexRange {
    IndexRange::between(b"m".to_vec(), b"m\0".to_vec(), 1)
}

/// How far the index reaches. None of an older version, or damaged.
pub(super) fn mark_of(value: &[u8]) -> Option<Head> {
    let (&version, rest) = value.split_first()?;
    let (sequence, hash) = rest.split_first_chunk::<8>()?;
    let hash = Digest::from_bytes(hash.try_into().ok()?);
    let sequence = u64::from_be_bytes(*sequence);
    (version == VERSION && sequence % BLOCK == 0).then_some(Head { sequence, hash })
}

pub(super) fn time_entry(block: u64, at: u64) -> IndexEntry {
    IndexEntry::new(time_key(block), at.to_be_bytes().to_vec())
}

pub(super) fn time_range(block: u64) -> IndexRange {
    IndexRange::between(time_key(block), time_key(block.saturating_add(1)), 1)
}

pub(super) fn time_of(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn list_entry(term: Term, block: u64, list: &[u16]) -> IndexEntry {
    IndexEntry::new(list_key(term, block), write_list(list))
}

/// Lists of `term` in the blocks before `block`, the last first.
pub(super) fn lists_before(term: Term, block: u64, count_max: usize) -> IndexRange {
    IndexRange::between(list_key(term, 0), list_key(term, block), count_max).descending()
}

/// The first lists of `term`.
pub(super) fn lists_from_the_first(term: Term) -> IndexRange {
    IndexRange::between(list_key(term, 0), list_key(term, u64::MAX), 1)
}

/// The block and the offsets an entry holds. None if it is damaged.
pub(super) fn list_of(entry: &IndexEntry) -> Option<(u64, Vec<u16>)> {
    let (_, block) = entry.key.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*block), read_list(&entry.value)?))
}

/// Entries for what came of intents, as the records of block `from` tell.
pub(super) fn follower_entries(from: u64, followers: &[Follower]) -> Vec<IndexEntry> {
    let mut sorted: Vec<_> = followers.to_vec();
    sorted.sort_unstable();
    let parts = sorted.chunk_by(|(one, _), (other, _)| part_of(*one) == part_of(*other));
    let entry = |part: &[Follower]| {
        let first = part.first().map_or(0, |(intent, _)| *intent);
        let mut value = Vec::with_capacity(part.len() * 3);
        let mut before = first_of(block_of(first));
        for (intent, follower) in part {
            write_number(&mut value, intent.saturating_sub(before));
            write_number(&mut value, follower.saturating_sub(*intent));
            before = *intent;
        }
        IndexEntry::new(follower_key(first, from), value)
    };
    parts.map(entry).collect()
}

/// What blocks from `from` on tell about intents near `intent`.
pub(super) fn followers_range(intent: u64, from: u64, count_max: usize) -> IndexRange {
    let to = follower_key(intent, u64::MAX);
    IndexRange::between(follower_key(intent, from), to, count_max)
}

/// The block an entry is from, and what it tells. None if it is damaged.
pub(super) fn followers_of(entry: &IndexEntry) -> Option<(u64, Vec<Follower>)> {
    let (rest, from) = entry.key.split_last_chunk::<8>()?;
    let block = u64::from_be_bytes(*rest.get(1..)?.first_chunk::<8>()?);
    let (mut followers, mut value) = (Vec::new(), entry.value.as_slice());
    let mut before = first_of(block);
    while !value.is_empty() {
        let intent = before.checked_add(read_number(&mut value)?)?;
        followers.push((intent, intent.checked_add(read_number(&mut value)?)?));
        before = intent;
    }
    Some((u64::from_be_bytes(*from), followers))
}

/// Where in the index the outcomes of an intent are: intents with the same are found together.
pub(super) const fn part_of(intent: u64) -> (u64, u64) {
    let offset = intent.saturating_sub(1) % BLOCK;
    (block_of(intent), offset / (BLOCK / PARTS))
}

fn list_key(term: Term, block: u64) -> Vec<u8> {
    [b"p".as_slice(), term.as_bytes(), &block.to_be_bytes()].concat()
}

fn time_key(block: u64) -> Vec<u8> {
    [b"t".as_slice(), &block.to_be_bytes()].concat()
}

fn follower_key(intent: u64, from: u64) -> Vec<u8> {
    let (block, part) = part_of(intent);
    let part = [u8::try_from(part).unwrap_or(u8::MAX)];
    [b"o".as_slice(), &block.to_be_bytes(), &part, &from.to_be_bytes()].concat()
}

fn write_list(list: &[u16]) -> Vec<u8> {
    let mut gaps = vec![GAPS];
    let mut next = 0;
    for offset in list {
        write_number(&mut gaps, u64::from(offset.saturating_sub(next)));
        next = offset.saturating_add(1);
    }
    let size_bytes = list.last().map_or(0, |last| usize::from(last / 8) + 1);
    if gaps.len() <= size_bytes {
        return gaps;
    }
    let mut bits = vec![0; size_bytes + 1];
    if let Some(form) = bits.first_mut() {
        *form = BITS;
    }
    for offset in list {
        if let Some(byte) = bits.get_mut(usize::from(offset / 8) + 1) {
            *byte |= 1 << (offset % 8);
        }
    }
    bits
}

fn read_list(value: &[u8]) -> Option<Vec<u16>> {
    let (&form, mut rest) = value.split_first()?;
    let mut list = Vec::new();
    match form {
        GAPS => {
            let mut next = 0_u64;
            while !rest.is_empty() {
                let offset = next.checked_add(read_number(&mut rest)?)?;
                list.push(u16::try_from(offset).ok()?);
                next = offset + 1;
            }
        }
        BITS if rest.len() <= BITS_SIZE_BYTES_MAX => {
            for (byte, base) in rest.iter().zip((0_u16..).step_by(8)) {
                let mut byte = *byte;
                while byte != 0 {
                    list.push(base.checked_add(u16::try_from(byte.trailing_zeros()).ok()?)?);
                    byte &= byte - 1;
                }
            }
        }
        _ => return None,
    }
    Some(list)
}

const GAPS: u8 = 0;
const BITS: u8 = 1;
const BITS_SIZE_BYTES_MAX: usize = 1 << 13;

/// Seven bits a byte, the lowest first; all but the last have the eighth set.
fn write_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &[u16], size_bytes_max: usize) {
        let value = write_list(list);
        assert_eq!(read_list(&value).as_deref(), Some(list));
        assert!(value.len() <= size_bytes_max, "{} bytes for {}", value.len(), list.len());
    }

    #[test]
    fn lists_come_back_in_the_shorter_form() {
        check(&[], 1);
        check(&[0], 2);
        check(&[16_383], 3);
        check(&[u16::MAX], 4);
        let every = |step: usize| (0..16_384_u16).step_by(step).collect::<Vec<_>>();
        check(&every(1), 2049);
        check(&every(2), 2049);
        check(&every(20), 821);
        check(&every(1000), 34);
    }

    #[test]
    fn what_came_of_intents_comes_back_part_by_part() {
        let followers: Vec<_> =
            (1..=3 * BLOCK).rev().map(|intent| (intent, intent + intent % 300)).collect();
        let entries = follower_entries(7, &followers);
        let mut back = Vec::new();
        for entry in &entries {
            let (from, part) = followers_of(entry).unwrap();
            assert_eq!(from, 7);
            assert!(part.iter().all(|(intent, _)| part_of(*intent) == part_of(part[0].0)));
            let range = followers_range(part[0].0, 0, 1);
            assert!(range.from <= entry.key && entry.key < range.to);
            back.extend(part);
        }
        back.reverse();
        assert_eq!(back, followers);
    }

    #[test]
    fn what_is_damaged_is_no_list() {
        for bad in [&[][..], &[2], &[0, 0x80], &[0, 0xff, 0xff, 0xff, 0x7f], &[1; 9000]] {
            assert_eq!(read_list(bad), None);
        }
        assert_eq!(mark_of(&mark_entry(Head::EMPTY).value), Some(Head::EMPTY));
        assert_eq!(mark_of(&[2; 41]), None);
    }
}
