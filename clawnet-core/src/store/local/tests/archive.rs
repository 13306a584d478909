//! Archives: a segment is whole in one place at least, and a stub stands for it.
#![expect(clippy::disallowed_methods, reason = "the tests move files of their own")]

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    rebuild::{copy, sled_in},
    *,
};

const COUNT: usize = 60;

fn filled(disk: &SimDisk) -> LocalStore {
    let (store, _) = open_on(disk, TINY);
    fill(&store);
    store
}

fn fill(store: &LocalStore) {
    for nth in 0..COUNT {
        for log in [1, 2].map(owner) {
            block_on(append(store, log, (1, 200), Durability::Durable)).unwrap();
        }
        if nth < 5 {
            block_on(append(store, owner(3), (1, 200), Durability::Durable)).unwrap();
        }
    }
}

fn open_with(disk: &SimDisk, archive: &SimDisk) -> (LocalStore, Opened) {
    let (disk, archive) = (Arc::new(disk.clone()), Arc::new(archive.clone()));
    LocalStore::open_parts((disk, Some(archive)), TINY).unwrap()
}

/// Everything is there, and it goes on.
fn check_whole(store: &LocalStore, what: &str) {
    for (log, due) in [(1, COUNT), (2, COUNT), (3, 5)] {
        let read = read_all(store, owner(log), 700).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(read.len(), due, "{what}");
        let last = block_on(store.head(owner(log))).unwrap().sequence;
        assert_eq!(last, due as u64, "{what}");
    }
}

/// What is archived is said to be; the rest is there.
fn check_split(store: &LocalStore) -> [u64; 3] {
    [(1, COUNT), (2, COUNT), (3, 5)].map(|(log, due)| {
        let (log, mut archived) = (owner(log), 0);
        for sequence in 1..=due as u64 {
            match block_on(store.read(log, sequence, 1)) {
                Ok(found) => assert_eq!(found, [frame(log, sequence, 200)]),
                Err(StoreError::Archived { .. }) => {
                    archived += 1;
                    assert_eq!(archived, sequence, "what is archived comes first");
                }
                Err(error) => panic!("{sequence}: {error}"),
            }
        }
        assert_eq!(block_on(store.head(log)).unwrap().sequence, due as u64);
        archived
    })
}

#[test]
fn a_store_goes_on_over_its_stubs_and_reads_them_with_the_archive() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    let store = filled(&disk);
    let segments = segment::numbers(&disk, ".log").unwrap().len();
    assert_eq!(store.archive_on(&archive, segments).unwrap(), Archived::default());
    let moved = store.archive_on(&archive, 2).unwrap();
    assert_eq!(moved.segments, segments - 3);
    assert_eq!(store.archive_on(&archive, 2).unwrap(), Archived::default());
    assert_eq!(segment::numbers(&disk, ".log").unwrap().len(), 3);
    let counts = check_split(&store);
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    drop(store);
    let (store, opened) = open_on(&disk, TINY);
    assert_eq!((opened.segments, opened.archived), (segments, moved.segments));
    assert_eq!((opened.records, opened.damage.is_none()), (2 * COUNT as u64 + 5, true), "{opened}");
    assert_eq!(check_split(&store), counts);
    assert_eq!(store.archive_on(&archive, 0).unwrap().segments, 2);
    drop(store);
    for round in 0..2 {
        let (store, opened) = open_with(&disk, &archive);
        assert_eq!(opened.records, 2 * COUNT as u64 + 5, "{opened}");
        check_whole(&store, &format!("attached, {round}"));
    }
    let (store, _) = open_on(&disk, TINY);
    block_on(append(&store, owner(3), (1, 200), Durability::Durable)).unwrap();
    block_on(append(&store, owner(4), (1, 200), Durability::Durable)).unwrap();
    drop(store);
    let (store, opened) = open_with(&disk, &archive);
    assert_eq!((opened.records, opened.logs), (2 * COUNT as u64 + 7, 4), "{opened}");
    assert_eq!(read_all(&store, owner(3), 1).unwrap().len(), 6);
}

/// Fails the `nth` call of one of the two disks while segments are moved, cuts the power, and
/// looks. Answers whether there was such a call.
fn fail_at(nth: u64, ours: bool, dies: bool) -> bool {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    let store = filled(&disk);
    let failing = if ours { &disk } else { &archive };
    let due = failing.sim().calls + nth;
    failing.sim().fails_at = Some(due);
    failing.sim().dies = dies;
    let said = store.archive_on(&archive, 3);
    let failed = failing.sim().calls >= due;
    failing.sim().fails_at = None;
    assert_eq!(said.is_err(), failed, "{nth}: {said:?}");
    if failed && ours {
        let said = block_on(append(&store, owner(1), (1, 1), Durability::Durable));
        assert!(matches!(said, Err(StoreError::Poisoned)), "{nth}: {said:?}");
    } else {
        // The store itself did not fail, and goes on.
        check_split(&store);
        assert!(!failed || store.archive_on(&archive, 3).unwrap().segments > 0);
    }
    drop(store);
    for tear in [sim::TEARS[0], sim::TEARS[3]] {
        let what = format!("call {nth}, {ours}, {dies}");
        let (disk, archive) = (disk.after_cut(tear), archive.after_cut(tear));
        let (store, opened) = open_with(&disk, &archive);
        assert!(opened.damage.is_none() && opened.missing.is_none(), "{what}: {opened}");
        check_whole(&store, &what);
        store.archive_on(&archive, 3).unwrap();
        check_whole(&store, &what);
        drop(store);
        check_whole(&open_with(&disk, &archive).0, &what);
        assert_eq!(segment::numbers(&disk, ".log").unwrap().len(), 4, "{what}");
    }
    failed
}

#[test]
fn whatever_fails_every_record_is_here_or_in_the_archive() {
    for (ours, dies) in [(true, true), (true, false), (false, true), (false, false)] {
        let calls = (1..1000).take_while(|nth| fail_at(*nth, ours, dies)).count();
        assert!(calls > 5, "{calls}");
    }
}

#[test]
fn a_copy_that_is_not_what_was_written_lets_nothing_go() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    let store = filled(&disk);
    archive.sim().garbles = true;
    let said = store.archive_on(&archive, 0);
    assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
    assert!(segment::numbers(&disk, ".stub").unwrap().is_empty());
    check_whole(&store, "nothing was moved");
}

#[test]
fn a_segment_that_is_put_back_is_compared_with_its_stub() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    let store = filled(&disk);
    let moved = store.archive_on(&archive, 0).unwrap().segments;
    drop(store);
    let names: Vec<String> = (1..=2).map(segment::name).collect();
    let bytes = archive.bytes(&names[1]);
    let mut changed = bytes.clone();
    changed[100] ^= 1;
    for wrong in [&bytes[..bytes.len() - 1], &changed, &archive.bytes(&names[0]), &[]] {
        disk.put(&names[1], wrong.to_vec());
        let (store, opened) = open_on(&disk, TINY);
        let said = opened.damage.expect("not compared").to_string();
        assert!(said.contains("what was put back is not the segment"), "{said}");
        assert!(block_on(append(&store, owner(1), (1, 1), Durability::Durable)).is_err());
        drop(store);
        assert!(disk.sim().files.contains_key(&stub::name(2)));
    }
    for (done, name) in (1..).zip(&names) {
        disk.put(name, archive.bytes(name));
        disk.sim().files.remove(&names[1]).filter(|_| done == 1);
        let opened = open_on(&disk, TINY).1;
        assert_eq!(opened.archived, moved - 1, "{opened}");
        assert!(opened.damage.is_none(), "{opened}");
        assert!(!disk.sim().files.contains_key(&stub::name(1)));
    }
}

#[test]
fn a_stub_that_changed_and_a_last_segment_that_is_gone_are_damage() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    filled(&disk).archive_on(&archive, 0).unwrap();
    let name = stub::name(2);
    let bytes = disk.bytes(&name);
    assert_eq!(Stub::parse(&bytes, 2).unwrap().to_bytes(), bytes);
    assert_eq!(Stub::parse(&bytes, 3), None);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Stub::parse(&flipped, 2), None, "bit {bit}");
        assert_eq!(Stub::parse(&bytes[..bit / 8], 2), None, "cut {bit}");
    }
    let damage = |what: &str| {
        let (store, opened) = open_on(&disk, TINY);
        let said = opened.damage.expect("not found").to_string();
        assert!(said.contains(what), "{said}");
        assert!(block_on(append(&store, owner(1), (1, 1), Durability::Durable)).is_err());
    };
    disk.put(&name, bytes[1..].to_vec());
    damage("segment 2, byte 0: the segment is missing");
    disk.put(&name, disk.bytes(&stub::name(1)));
    damage("segment 2, byte 0: the segment is missing");
    let (other, others) = (SimDisk::default(), SimDisk::default());
    let store = open_on(&other, TINY).0;
    block_on(append(&store, owner(1), (10, 400), Durability::Durable)).unwrap();
    block_on(append(&store, owner(1), (10, 400), Durability::Durable)).unwrap();
    block_on(append(&store, owner(1), (10, 400), Durability::Durable)).unwrap();
    store.archive_on(&others, 0).unwrap();
    disk.put(&name, other.bytes(&name));
    damage("segment 2, byte 0: a group is missing before this segment");
    let mut forged = Stub::parse(&bytes, 2).unwrap();
    forged.ends[0].first += 1;
    disk.put(&name, forged.to_bytes());
    damage("a record does not continue its log");
    disk.put(&name, bytes);
    assert!(open_on(&disk, TINY).1.damage.is_none());
    let last = *segment::numbers(&disk, ".log").unwrap().last().unwrap();
    disk.sim().files.remove(&segment::name(last));
    damage("the last segment is missing");
}

#[test]
fn another_stores_archive_is_not_used_and_not_overwritten() {
    let [disk, archive, other, foreign] = std::array::from_fn(|_| SimDisk::default());
    let store = filled(&disk);
    let others = open_on(&other, TINY).0;
    for _ in 0..40 {
        block_on(append(&others, owner(9), (1, 200), Durability::Durable)).unwrap();
    }
    others.archive_on(&foreign, 0).unwrap();
    let before = foreign.bytes(&segment::name(1));
    let said = store.archive_on(&foreign, 0);
    assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
    assert_eq!(foreign.bytes(&segment::name(1)), before);
    check_whole(&store, "nothing was moved");
    store.archive_on(&archive, 0).unwrap();
    drop(store);
    let (store, _) = open_with(&disk, &foreign);
    check_split(&store);
    block_on(append(&store, owner(9), (1, 200), Durability::Durable)).unwrap();
}

#[test]
fn an_archive_in_folders_with_an_index_that_is_kept_lost_or_aged() {
    let temp = tempfile::tempdir().unwrap();
    let [dir, archive, aged, backup] =
        ["store", "archive", "aged", "backup"].map(|name| temp.path().join(name));
    let open = |dir: &Path| {
        let disk: Arc<dyn Disk> = Arc::new(DirDisk::open(dir).unwrap());
        LocalStore::open_parts((disk, None), TINY).unwrap()
    };
    let store = open(&dir).0;
    block_on(append(&store, owner(3), (5, 200), Durability::Durable)).unwrap();
    for log in [1, 2].map(owner) {
        block_on(append(&store, log, (30, 200), Durability::Durable)).unwrap();
    }
    block_on(append(&store, owner(1), (1, 200), Durability::Durable)).unwrap();
    block_on(append(&store, owner(2), (1, 200), Durability::Durable)).unwrap();
    let middle = store.queue.flushed().position;
    drop(store);
    copy(&dir.join("index"), &aged);
    let store = open(&dir).0;
    for _ in 31..COUNT {
        for log in [1, 2].map(owner) {
            block_on(append(&store, log, (1, 200), Durability::Durable)).unwrap();
        }
    }
    let moved = store.archive(&archive, 0).unwrap().segments;
    assert!(moved > 5, "{moved}");
    let whole = store.segments.stub(middle.segment).unwrap().unwrap().seal.end();
    assert!(middle < whole, "the aged index ends inside what is moved");
    assert!(store.archive(&dir, 0).is_err());
    assert!(matches!(LocalStore::open(&archive), Err(StoreError::NotAStore { .. })));
    let counts = check_split(&store);
    drop(store);
    for index in ["kept", "lost", "aged"] {
        if index != "kept" {
            fs::remove_dir_all(dir.join("index")).unwrap();
        }
        if index == "aged" {
            copy(&aged, &dir.join("index"));
            assert!(sled_in(&dir.join("index")).get([3]).unwrap().is_some());
        }
        let (store, opened) = open(&dir);
        assert!(opened.damage.is_none() && opened.missing.is_none(), "{index}: {opened}");
        assert_eq!(opened.archived, moved, "{index}: {opened}");
        assert!(index != "kept" || opened.replayed == 0, "{opened}");
        assert_eq!(check_split(&store), counts, "{index}");
        drop(store);
        let (store, _) = LocalStore::open_with_archive(&dir, &archive).unwrap();
        check_whole(&store, index);
    }
    let (store, _) = open(&dir);
    let copied = store.backup(&backup, &mut |_| {}).unwrap();
    assert_eq!((copied.archived, copied.records), (moved, 2 * COUNT as u64 + 5));
    check_whole(&LocalStore::open_with_archive(&backup, &archive).unwrap().0, "backup");
    let file = segment::name(1);
    drop(store);
    fs::copy(archive.join(&file), dir.join(&file)).unwrap();
    let opened = open(&dir).1;
    assert_eq!((opened.archived, opened.damage.is_none()), (moved - 1, true), "{opened}");
    assert!(LocalStore::open_with_archive(&dir, &temp.path().join("nowhere")).is_err());
}

#[test]
fn who_reads_while_segments_are_moved_sees_them_here_or_archived() {
    let temp = tempfile::tempdir().unwrap();
    let disk = DirDisk::open(&temp.path().join("store")).unwrap();
    let store = LocalStore::open_on(Box::new(disk), TINY).unwrap().0;
    fill(&store);
    let moving = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for log in [1, 2] {
            let (store, moving) = (&store, &moving);
            scope.spawn(move || {
                let pass = |sequence: u64| match block_on(store.read(owner(log), sequence, 1)) {
                    Ok(found) => assert_eq!(found, [frame(owner(log), sequence, 200)]),
                    Err(StoreError::Archived { .. }) => {}
                    Err(error) => panic!("{sequence}: {error}"),
                };
                while moving.load(Ordering::Relaxed) {
                    (1..=COUNT as u64).for_each(pass);
                }
            });
        }
        let to = temp.path().join("archive");
        let moved: Vec<_> = (0..40).rev().map(|keep| store.archive(&to, keep)).collect();
        moving.store(false, Ordering::Relaxed);
        assert!(moved.iter().all(Result::is_ok), "{moved:?}");
    });
    block_on(append(&store, owner(1), (1, 200), Durability::Durable)).unwrap();
}

#[test]
fn a_backup_waits_for_segments_that_are_being_moved() {
    let (disk, archive, target) = (SimDisk::default(), SimDisk::default(), SimDisk::default());
    let store = filled(&disk);
    archive.hold(true);
    std::thread::scope(|scope| {
        let moved = scope.spawn(|| store.archive_on(&archive, 0).unwrap().segments);
        while store.upkeep.try_lock().is_ok() {
            std::thread::yield_now();
        }
        let copied = scope.spawn(|| store.backup_on(&target, &mut |_| {}).unwrap().archived);
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(!copied.is_finished(), "it copies what is being moved");
        archive.hold(false);
        assert_eq!(copied.join().unwrap(), moved.join().unwrap());
    });
}

#[test]
fn a_store_that_failed_or_is_damaged_moves_nothing() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    drop(filled(&disk));
    let name = segment::name(3);
    let mut bytes = disk.bytes(&name);
    bytes[100] ^= 1;
    disk.put(&name, bytes);
    let store = open_on(&disk, TINY).0;
    let said = store.archive_on(&archive, 0);
    assert!(matches!(said, Err(StoreError::Damaged { .. })), "{said:?}");
    assert!(archive.sim().files.is_empty());
    let temp = tempfile::tempdir().unwrap();
    let to = temp.path().join("new");
    assert!(store.archive(&to, 0).is_err() && store.backup(&to, &mut |_| {}).is_err());
    assert!(!to.exists());
}

#[test]
fn a_rotten_archive_is_not_read_at_opening() {
    let (disk, archive) = (SimDisk::default(), SimDisk::default());
    filled(&disk).archive_on(&archive, 0).unwrap();
    let name = segment::name(2);
    let mut bytes = archive.bytes(&name);
    bytes[100] ^= 1;
    archive.put(&name, bytes);
    let (store, opened) = open_with(&disk, &archive);
    assert!(opened.damage.is_none(), "{opened}");
    block_on(append(&store, owner(1), (1, 200), Durability::Durable)).unwrap();
}
