//! Backups: a prefix of every log, whole or refused, whatever fails and whatever goes on.
#![expect(clippy::disallowed_methods, reason = "the tests look at folders of their own")]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

#[test]
fn a_backup_taken_during_appends_is_a_store_with_a_prefix_of_every_log() {
    let temp = tempfile::tempdir().unwrap();
    let disk = DirDisk::open(&temp.path().join("store")).unwrap();
    let store = LocalStore::open_on(Box::new(disk), 64 << 10).unwrap().0;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for log in (1..=3).map(owner) {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let class = Durability::Buffered;
                    block_on(append(store, log, (3, 100), class)).unwrap();
                    block_on(append(store, log, (1, 100), Durability::Durable)).unwrap();
                }
            });
        }
        for round in 0..4_u8 {
            let body = block_on(store.keep_body(owner(1), &[round])).unwrap();
            block_on(append(&store, owner(4), (1, 100), Durability::Durable)).unwrap();
            let before = (1..=4).map(|log| store.queue.written(owner(log)).unwrap().sequence);
            let before: Vec<u64> = before.collect();
            let to = temp.path().join(format!("backup {round}"));
            let mut told = Vec::new();
            let backup = store.backup(&to, &mut |copied| told.push(copied)).unwrap();
            assert!(told.is_sorted_by_key(|copied| copied.copied_bytes));
            assert!(told.iter().all(|copied| copied.copied_bytes <= copied.total_bytes));
            assert_eq!(told.last().unwrap().copied_bytes, backup.size_bytes);
            let (copy, opened) = LocalStore::open(&to).unwrap();
            assert!(opened.damage.is_none() && opened.torn_size_bytes == 0, "{opened}");
            assert_eq!((opened.records, opened.logs), (backup.records, backup.logs));
            assert_eq!((opened.segments, backup.archived), (backup.segments, 0));
            let found = (1..=4).map(|log| read_all(&copy, owner(log), 1 << 20).unwrap().len());
            let found: Vec<u64> = found.map(|count| count as u64).collect();
            assert!(found.iter().zip(&before).all(|(found, before)| found >= before));
            assert_eq!(found.iter().sum::<u64>(), backup.records);
            assert_eq!(backup.bodies, u64::from(round) + 1);
            assert_eq!(block_on(copy.body(owner(1), body)).unwrap(), Some(vec![round]));
            block_on(append(&copy, owner(1), (1, 100), Durability::Durable)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
    });
}

fn source() -> (SimDisk, LocalStore) {
    let disk = SimDisk::default();
    let store = open_on(&disk, TINY).0;
    for log in [1, 2].map(owner) {
        block_on(append(&store, log, (12, 300), Durability::Durable)).unwrap();
        block_on(append(&store, log, (12, 300), Durability::Durable)).unwrap();
        block_on(store.keep_body(log, b"body")).unwrap();
    }
    (disk, store)
}

#[test]
fn whatever_fails_a_backup_is_whole_or_refused_and_the_source_goes_on() {
    for nth in 1.. {
        let (disk, store) = source();
        let target = SimDisk::default();
        target.sim().fails_at = Some(nth);
        target.sim().dies = true;
        let said = store.backup_on(&target, &mut |_| {});
        let failed = target.sim().calls >= nth;
        assert_eq!(said.is_err(), failed, "call {nth}: {said:?}");
        for tear in TEARS {
            let found = target.after_cut(tear);
            if failed && found.sim().files.is_empty() {
                continue;
            }
            match LocalStore::open_on(Box::new(found), TINY) {
                Err(StoreError::NotAStore { .. }) => assert!(failed, "call {nth}"),
                Err(error) => panic!("call {nth}: {error}"),
                Ok((copy, opened)) => {
                    assert!(
                        opened.damage.is_none() && opened.records == 48,
                        "call {nth}: {opened}"
                    );
                    for log in [1, 2].map(owner) {
                        assert_eq!(read_all(&copy, log, 999).unwrap().len(), 24, "call {nth}");
                        let body = block_on(copy.body(log, Digest::of_content(b"body"))).unwrap();
                        assert!(body.is_some(), "call {nth}");
                    }
                }
            }
        }
        block_on(append(&store, owner(1), (1, 300), Durability::Durable)).unwrap();
        drop(store);
        assert_eq!(open_on(&disk, TINY).1.records, 49);
        if !failed {
            assert!(nth > 10, "{nth}");
            break;
        }
    }
}

const TEARS: [sim::Tear; 3] = [sim::TEARS[0], sim::TEARS[1], sim::TEARS[3]];

#[test]
fn only_an_empty_folder_is_copied_to_and_only_a_whole_copy_opened() {
    let temp = tempfile::tempdir().unwrap();
    let [dir, full, empty, begun] =
        ["store", "full", "empty", "begun"].map(|name| temp.path().join(name));
    let store = LocalStore::open(&dir).unwrap().0;
    block_on(append(&store, owner(1), (9, 30), Durability::Durable)).unwrap();
    fs::create_dir(&full).unwrap();
    fs::write(full.join("a letter"), b"").unwrap();
    for taken in [&dir, &full] {
        let said = store.backup(taken, &mut |_| {});
        assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
    }
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    fs::create_dir(&empty).unwrap();
    assert_eq!(store.backup(&empty, &mut |_| {}).unwrap().records, 9);
    assert!(store.backup(&empty, &mut |_| {}).is_err());
    assert_eq!(LocalStore::open(&empty).unwrap().1.records, 9);
    drop(DirDisk::begin(&begun, opening::UNFINISHED, false).unwrap());
    let said = LocalStore::open(&begun).map(drop);
    assert!(matches!(said, Err(StoreError::NotAStore { .. })), "{said:?}");
}

#[test]
fn what_is_damaged_is_not_copied() {
    for damage in ["segments/00000001.log", "bodies"] {
        let (disk, store) = source();
        let name = disk.sim().files.keys().find(|name| name.starts_with(damage)).unwrap().clone();
        let mut bytes = disk.bytes(&name);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        disk.put(&name, bytes);
        let target = SimDisk::default();
        let said = store.backup_on(&target, &mut |_| {});
        assert!(matches!(said, Err(StoreError::Damaged { .. })), "{name}: {said:?}");
        let said = LocalStore::open_on(Box::new(target), TINY).map(drop);
        assert!(matches!(said, Err(StoreError::NotAStore { .. })), "{name}: {said:?}");
    }
}
