//! The contract of [`Store`]: one list of checks, for every store there is.
use futures::executor::block_on;
use smallvec::smallvec;

use super::{
    Batch, Commit, Durability, Frame, Head, IndexEntry, IndexRange, Snapshot, Store, StoreError,
};
use crate::{digest::Digest, id::OwnerId};

/// Every check, to be run on one store, one after the other.
pub(super) const CHECKS: [fn(&dyn Store); 9] = [
    an_empty_log_is_empty,
    frames_come_back_in_order,
    logs_do_not_mix,
    a_stale_writer_is_fenced,
    a_gap_is_refused,
    a_dropped_commit_lands,
    what_is_buffered_is_read,
    what_is_too_large_is_refused,
    snapshots_and_bodies_come_back,
];

/// Those about entries, which a local store keeps in memory where it has no folder for sled.
pub(super) const ENTRY_CHECKS: [fn(&dyn Store); 2] =
    [entries_come_back_in_their_order, entries_are_kept_all_or_none];

/// The owner that `byte` makes.
pub(super) fn owner(byte: u8) -> OwnerId {
    OwnerId::from_bytes([byte; 16])
}

/// Frame `sequence` of a log, told apart from every other by its payload.
pub(super) fn frame(log: OwnerId, sequence: u64, size_bytes: usize) -> Frame {
    let seed = blake3::hash(&[log.as_bytes().as_slice(), &sequence.to_le_bytes()].concat());
    let payload: Vec<u8> = seed.as_bytes().iter().copied().cycle().take(size_bytes).collect();
    Frame::new(sequence, Digest::from_bytes(*seed.as_bytes()), payload.into())
}

/// Appends the next `count` frames of `log` as one batch.
pub(super) fn append(
    store: &dyn Store,
    log: OwnerId,
    (count, size_bytes): (u64, usize),
    class: Durability,
) -> Commit {
    let head = block_on(store.head(log)).unwrap_or(Head::EMPTY);
    let next = head.sequence + 1;
    let batch = (next..next + count).map(|sequence| frame(log, sequence, size_bytes)).collect();
    store.append(log, head, batch, class)
}

/// Reads a whole log in pieces of `size_bytes_max`, and checks that it is frames 1, 2, 3, ...
pub(super) fn read_all(
    store: &dyn Store,
    log: OwnerId,
    size_bytes_max: usize,
) -> Result<Vec<Frame>, StoreError> {
    let mut all: Vec<Frame> = Vec::new();
    loop {
        let next = all.len() as u64 + 1;
        let frames = block_on(store.read(log, next, size_bytes_max))?;
        if frames.is_empty() {
            return Ok(all);
        }
        for (found, due) in frames.iter().zip(next..) {
            assert_eq!(*found, frame(log, due, found.payload.len()), "frame {due}");
        }
        all.extend(frames);
    }
}

fn an_empty_log_is_empty(store: &dyn Store) {
    let log = owner(1);
    assert_eq!(block_on(store.head(log)).unwrap(), Head::EMPTY);
    assert!(block_on(store.read(log, 1, 1000)).unwrap().is_empty());
    let nothing = store.append(log, Head::EMPTY, Batch::new(), Durability::Durable);
    block_on(nothing).unwrap();
    assert_eq!(block_on(store.head(log)).unwrap(), Head::EMPTY);
}

fn frames_come_back_in_order(store: &dyn Store) {
    let log = owner(2);
    for count in [1, 3, 2, 70, 1] {
        block_on(append(store, log, (count, 40), Durability::Durable)).unwrap();
    }
    assert_eq!(block_on(store.head(log)).unwrap(), Head::after(&frame(log, 77, 40)));
    for size_bytes_max in [1, 39, 40, 100, 1 << 20] {
        assert_eq!(read_all(store, log, size_bytes_max).unwrap().len(), 77, "{size_bytes_max}");
    }
    for sequence in 1..=77 {
        let frames = block_on(store.read(log, sequence, 1)).unwrap();
        assert_eq!(frames, [frame(log, sequence, 40)], "{sequence}");
    }
    assert_eq!(block_on(store.read(log, 0, 1)).unwrap(), [frame(log, 1, 40)]);
    assert!(block_on(store.read(log, 78, 1000)).unwrap().is_empty());
    assert!(block_on(store.read(log, u64::MAX, 1000)).unwrap().is_empty());
}

fn logs_do_not_mix(store: &dyn Store) {
    for _ in 0..5 {
        for log in [3, 4, 5].map(owner) {
            block_on(append(store, log, (2, 10), Durability::Durable)).unwrap();
        }
    }
    for log in [3, 4, 5].map(owner) {
        assert_eq!(read_all(store, log, 15).unwrap().len(), 10);
    }
}

fn a_stale_writer_is_fenced(store: &dyn Store) {
    let log = owner(6);
    block_on(append(store, log, (2, 10), Durability::Durable)).unwrap();
    let (stale, head) = (Head::after(&frame(log, 1, 10)), Head::after(&frame(log, 2, 10)));
    let wrong = Head { sequence: 2, hash: Digest::ZERO };
    for expected in [Head::EMPTY, stale, wrong] {
        let next: Batch = smallvec![frame(log, expected.sequence + 1, 10)];
        let said = block_on(store.append(log, expected, next, Durability::Durable));
        let found = matches!(said, Err(StoreError::Fenced { found: 2, .. }));
        assert!(found, "{expected:?}: {said:?}");
    }
    assert_eq!(block_on(store.head(log)).unwrap(), head);
    block_on(append(store, log, (1, 10), Durability::Durable)).unwrap();
    assert_eq!(read_all(store, log, 100).unwrap().len(), 3);
}

fn a_gap_is_refused(store: &dyn Store) {
    let log = owner(7);
    for sequences in [[2, 3], [1, 3], [1, 1]] {
        let batch = sequences.iter().map(|sequence| frame(log, *sequence, 10)).collect();
        let said = block_on(store.append(log, Head::EMPTY, batch, Durability::Durable));
        assert!(matches!(said, Err(StoreError::Fenced { .. })), "{sequences:?}: {said:?}");
    }
    assert!(read_all(store, log, 100).unwrap().is_empty());
}

fn a_dropped_commit_lands(store: &dyn Store) {
    let log = owner(8);
    for _ in 0..10 {
        drop(append(store, log, (2, 10), Durability::Durable));
    }
    block_on(append(store, log, (1, 10), Durability::Durable)).unwrap();
    assert_eq!(read_all(store, log, 100).unwrap().len(), 21);
}

fn what_is_buffered_is_read(store: &dyn Store) {
    let log = owner(9);
    for done in 1..=200 {
        block_on(append(store, log, (1, 10), Durability::Buffered)).unwrap();
        let last = block_on(store.read(log, done, 100)).unwrap();
        assert_eq!(last, [frame(log, done, 10)], "{done}");
    }
    assert_eq!(read_all(store, log, 100).unwrap().len(), 200);
    block_on(append(store, log, (1, 10), Durability::Durable)).unwrap();
    assert_eq!(read_all(store, log, 1000).unwrap().len(), 201);
}

fn what_is_too_large_is_refused(store: &dyn Store) {
    let log = owner(10);
    let said = block_on(append(store, log, (1, Frame::SIZE_BYTES_MAX + 1), Durability::Durable));
    assert!(matches!(said, Err(StoreError::TooLarge { .. })), "{said:?}");
    block_on(append(store, log, (1, Frame::SIZE_BYTES_MAX), Durability::Durable)).unwrap();
    assert_eq!(read_all(store, log, 1).unwrap().len(), 1);
}

fn snapshots_and_bodies_come_back(store: &dyn Store) {
    let (log, other) = (owner(11), owner(12));
    for size_bytes in [100_000, 0, 70_000, 5] {
        let snapshot = Snapshot::new(7, frame(log, 1, size_bytes).payload.to_vec());
        block_on(store.keep_snapshot(log, snapshot.clone())).unwrap();
        assert_eq!(block_on(store.snapshot(log)).unwrap(), Some(snapshot), "{size_bytes}");
    }
    assert_eq!(block_on(store.snapshot(other)).unwrap(), None);
    let digest = block_on(store.keep_body(log, b"body")).unwrap();
    assert_eq!(block_on(store.keep_body(log, b"body")).unwrap(), Digest::of_content(b"body"));
    assert_eq!(block_on(store.body(log, digest)).unwrap().as_deref(), Some(b"body".as_slice()));
    assert_eq!(block_on(store.body(other, digest)).unwrap(), None);
    block_on(store.erase_body(log, digest)).unwrap();
    block_on(store.erase_body(log, digest)).unwrap();
    assert_eq!(block_on(store.body(log, digest)).unwrap(), None);
}

/// Keeps `keys`, each with a value that says it and `round`.
pub(super) fn keep_keys(store: &dyn Store, log: OwnerId, keys: &[&[u8]], round: u8) {
    let entry = |key: &&[u8]| IndexEntry::new(key.to_vec(), [key, [round].as_slice()].concat());
    block_on(store.keep_index(log, keys.iter().map(entry).collect())).unwrap();
}

/// The keys of the entries in `range`; each must have the value that `keep_keys` gave it.
pub(super) fn keys(store: &dyn Store, log: OwnerId, range: IndexRange, round: u8) -> Vec<Vec<u8>> {
    let found = block_on(store.index(log, range)).unwrap();
    let due = |entry: &IndexEntry| [entry.key.as_slice(), &[round]].concat();
    assert!(found.iter().all(|entry| entry.value == due(entry)), "{found:?}");
    found.into_iter().map(|entry| entry.key).collect()
}

fn entries_come_back_in_their_order(store: &dyn Store) {
    let (log, next) = (owner(13), owner(14));
    let all = || IndexRange::prefix(b"", 99);
    assert!(keys(store, log, all(), 0).is_empty());
    keep_keys(store, log, &[b"b", b"a", b"ab", &[], &[0xFF; 64], b"a\xFF"], 0);
    keep_keys(store, next, &[b"a", b"c"], 0);
    keep_keys(store, owner(12), &[b"z"], 0);
    let sorted: [&[u8]; 6] = [b"", b"a", b"ab", b"a\xFF", b"b", &[0xFF; 64]];
    let check = |range: IndexRange, expect: &[&[u8]]| {
        assert_eq!(keys(store, log, range.clone(), 0), expect, "{range:?}");
        let (all, mut turned) = (range.count_max >= 99, expect.to_vec());
        turned.reverse();
        if all {
            assert_eq!(keys(store, log, range.clone().descending(), 0), turned, "{range:?}");
        }
    };
    check(all(), &sorted);
    check(IndexRange::prefix(b"a", 99), &sorted[1..4]);
    check(IndexRange::prefix(&[0xFF; 64], 99), &sorted[5..]);
    check(IndexRange::between(b"a".to_vec(), b"b".to_vec(), 99), &sorted[1..4]);
    check(IndexRange::between(b"aa".to_vec(), b"b\0".to_vec(), 99), &sorted[2..5]);
    check(IndexRange::between(b"b".to_vec(), b"a".to_vec(), 99), &[]);
    check(IndexRange::between(b"b".to_vec(), b"b".to_vec(), 99), &[]);
    check(IndexRange::prefix(b"", 2), &sorted[..2]);
    check(IndexRange::prefix(b"", 0), &[]);
    assert_eq!(keys(store, log, IndexRange::prefix(b"", 2).descending(), 0), [sorted[5], b"b"]);
    block_on(store.erase_index(log)).unwrap();
    block_on(store.erase_index(log)).unwrap();
    assert!(keys(store, log, all(), 0).is_empty());
    assert_eq!(keys(store, next, all(), 0), [b"a", b"c"]);
    keep_keys(store, log, &[b"a"], 1);
    assert_eq!(keys(store, log, all(), 1), [b"a"]);
}

fn entries_are_kept_all_or_none(store: &dyn Store) {
    let log = owner(15);
    let largest: &[u8] = &[7; IndexEntry::KEY_SIZE_BYTES_MAX];
    keep_keys(store, log, &[b"a", largest], 0);
    keep_keys(store, log, &[b"a", largest], 1);
    assert_eq!(keys(store, log, IndexRange::prefix(b"", 9), 1), [largest, b"a"]);
    let value = vec![1; IndexEntry::VALUE_SIZE_BYTES_MAX];
    let kept = IndexEntry::new(b"b".to_vec(), value.clone());
    block_on(store.keep_index(log, vec![kept.clone()])).unwrap();
    assert_eq!(block_on(store.index(log, IndexRange::prefix(b"b", 9))).unwrap(), [kept]);
    for (key, value) in
        [([largest, &[7]].concat(), Vec::new()), (vec![], [value, vec![1]].concat())]
    {
        let good = IndexEntry::new(b"c".to_vec(), Vec::new());
        let bad = vec![good.clone(), IndexEntry::new(key, value), good];
        let said = block_on(store.keep_index(log, bad));
        assert!(matches!(said, Err(StoreError::TooLarge { .. })), "{said:?}");
    }
    assert!(block_on(store.index(log, IndexRange::prefix(b"c", 9))).unwrap().is_empty());
}
