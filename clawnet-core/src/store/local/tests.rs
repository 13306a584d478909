//! The local store: its contract, its bounds, and how logs lie in segments.
use futures::{FutureExt as _, executor::block_on};

use super::{
    contract::{CHECKS, ENTRY_CHECKS, append, frame, keep_keys, keys, owner, read_all},
    stub::Stub,
    *,
};
use crate::store::MemoryStore;

mod archive;
mod backup;
mod crash;
mod damage;
mod missing;
mod rebuild;
mod sim;

use sim::SimDisk;

/// Small enough that a few batches fill it.
const TINY: u32 = 4 << 10;

fn open_on(disk: &SimDisk, segment_size_bytes_max: u32) -> (LocalStore, Opened) {
    LocalStore::open_on(Box::new(disk.clone()), segment_size_bytes_max).unwrap()
}

#[test]
fn every_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryStore::new();
    let local = LocalStore::open(&dir.path().join("default")).unwrap().0;
    let tiny = DirDisk::open(&dir.path().join("tiny")).unwrap();
    let tiny = LocalStore::open_on(Box::new(tiny), TINY).unwrap().0;
    let indexless = open_on(&SimDisk::default(), TINY).0;
    for check in CHECKS.into_iter().chain(ENTRY_CHECKS) {
        [&memory as &dyn Store, &local, &tiny].into_iter().for_each(check);
    }
    for check in ENTRY_CHECKS {
        check(&indexless);
    }
}

#[test]
fn a_store_is_found_as_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("new");
    for round in 0..5_u64 {
        let (store, opened) = LocalStore::open(&dir).unwrap();
        assert_eq!((opened.records, opened.replayed), (round * 400, 0), "{opened:?}");
        assert_eq!((&opened.index_rebuilt, opened.torn_size_bytes), (&None, 0), "{opened:?}");
        for log in [1, 2].map(owner) {
            assert_eq!(read_all(&store, log, 500).unwrap().len() as u64, round * 200);
            block_on(append(&store, log, (150, 20), Durability::Durable)).unwrap();
            block_on(append(&store, log, (50, 20), Durability::Buffered)).unwrap();
        }
    }
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    assert!(matches!(LocalStore::open(dir.path()), Err(StoreError::InUse)));
    drop(store);
    LocalStore::open(dir.path()).unwrap();
}

#[test]
fn segments_roll_and_no_frame_crosses_one() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    for round in 0..60 {
        for log in [1, 2, 3].map(owner) {
            block_on(append(&store, log, (1 + round % 3, 200), Durability::Durable)).unwrap();
        }
    }
    block_on(append(&store, owner(1), (40, 200), Durability::Durable)).unwrap();
    drop(store);
    let (store, opened) = open_on(&disk, TINY);
    assert!(opened.segments > 20, "{opened:?}");
    assert_eq!((opened.records, opened.logs), (400, 3));
    assert!(opened.damage.is_none(), "{opened:?}");
    for (number, file) in disk.sim().files.values().enumerate() {
        assert!(file.bytes.starts_with(b"clawsegm"));
        let largest = if number + 1 == opened.segments { 40 * 300 } else { 4 << 10 };
        assert!(file.bytes.len() <= largest, "{number}: {}", file.bytes.len());
    }
    for log in [1, 2, 3].map(owner) {
        for size_bytes_max in [1, 1000, 1 << 20] {
            let count = if log == owner(1) { 160 } else { 120 };
            assert_eq!(read_all(&store, log, size_bytes_max).unwrap().len(), count);
        }
    }
}

#[test]
fn frames_far_apart_are_found_by_back_pointers() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, 1 << 20);
    for _ in 0..150 {
        block_on(append(&store, owner(1), (1, 50), Durability::Durable)).unwrap();
        block_on(append(&store, owner(2), (3, 100 << 10), Durability::Durable)).unwrap();
    }
    for sequence in (1..=150).rev() {
        let found = block_on(store.read(owner(1), sequence, 1)).unwrap();
        assert_eq!(found, [frame(owner(1), sequence, 50)]);
    }
    assert_eq!(block_on(store.read(owner(1), 1, 1 << 20)).unwrap().len(), 150);
    assert_eq!(read_all(&store, owner(2), 1 << 20).unwrap().len(), 450);
}

#[test]
fn a_lone_buffered_batch_reaches_the_disk_by_itself() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    block_on(append(&store, owner(1), (1, 50), Durability::Buffered)).unwrap();
    disk.wait_until_flushed(50);
    let (found, _) = open_on(&disk.after_cut(sim::TEARS[0]), TINY);
    assert_eq!(read_all(&found, owner(1), 100).unwrap().len(), 1);
    drop(store);
}

#[test]
fn what_is_buffered_is_bounded_and_never_lost() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, LocalStore::SEGMENT_SIZE_BYTES_MAX);
    disk.hold(true);
    let mut waiting = Vec::new();
    let count = queue::WAITING_SIZE_BYTES_MAX / Frame::SIZE_BYTES_MAX + 2;
    for _ in 0..count {
        let mut commit = append(&store, owner(1), (1, Frame::SIZE_BYTES_MAX), Durability::Buffered);
        if (&mut commit).now_or_never().is_none() {
            waiting.push(commit);
        }
    }
    assert!((1..5).contains(&waiting.len()), "{}", waiting.len());
    disk.hold(false);
    for commit in waiting {
        block_on(commit).unwrap();
    }
    assert_eq!(read_all(&store, owner(1), 1).unwrap().len(), count);
}

#[test]
fn a_batch_beyond_the_group_is_refused_and_the_store_goes_on() {
    let (store, _) = open_on(&SimDisk::default(), TINY);
    let said = block_on(append(&store, owner(1), (5, 1 << 20), Durability::Durable));
    assert!(matches!(said, Err(StoreError::TooLarge { .. })), "{said:?}");
    block_on(append(&store, owner(1), (3, 1 << 20), Durability::Durable)).unwrap();
    let body = vec![0; body::SIZE_BYTES_MAX + 1];
    let said = block_on(store.keep_body(owner(1), &body));
    assert!(matches!(said, Err(StoreError::TooLarge { .. })), "{said:?}");
    assert_eq!(read_all(&store, owner(1), 1).unwrap().len(), 3);
}

#[test]
fn many_writers_share_flushes_and_keep_their_order() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, 64 << 10);
    std::thread::scope(|scope| {
        for log in (1..=8).map(owner) {
            let store = &store;
            scope.spawn(move || {
                for nth in 0..200 {
                    let class =
                        if nth % 3 == 0 { Durability::Buffered } else { Durability::Durable };
                    block_on(append(store, log, (1 + nth % 2, 30), class)).unwrap();
                    let head = block_on(store.head(log)).unwrap().sequence;
                    assert_eq!(block_on(store.read(log, head, 1)).unwrap().len(), 1);
                }
            });
        }
    });
    drop(store);
    let (store, opened) = open_on(&disk, 64 << 10);
    assert_eq!((opened.records, opened.damage.is_none()), (8 * 300, true));
    (1..=8).for_each(|byte| assert_eq!(read_all(&store, owner(byte), 999).unwrap().len(), 300));
}

#[test]
fn nobody_who_keeps_a_body_is_kept_from_doing_something_else() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    let bodies: Vec<Vec<u8>> = (0..40).map(|nth| vec![nth; 100]).collect();
    let keep = bodies.iter().map(|body| store.keep_body(owner(1), body));
    let mut kept = futures::future::join_all(keep);
    disk.hold(true);
    // One thread begins them all, while none of them gets anywhere.
    assert!((&mut kept).now_or_never().is_none());
    disk.hold(false);
    for (said, body) in block_on(kept).into_iter().zip(&bodies) {
        let digest = said.unwrap();
        assert_eq!(block_on(store.body(owner(1), digest)).unwrap().as_ref(), Some(body));
    }
}

#[test]
fn a_body_that_nobody_waits_for_any_more_is_kept_before_the_store_closes() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    disk.hold(true);
    assert!(store.keep_body(owner(1), b"left").now_or_never().is_none());
    disk.hold(false);
    drop(store);
    let (store, _) = open_on(&disk, TINY);
    let left = block_on(store.body(owner(1), Digest::of_content(b"left"))).unwrap();
    assert_eq!(left.as_deref(), Some(&b"left"[..]));
}
