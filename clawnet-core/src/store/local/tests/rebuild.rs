//! The index: losing, breaking or ageing it costs time, and nothing else.
#![expect(clippy::disallowed_methods, reason = "the tests break files in folders of their own")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::*;

pub(super) fn fill(dir: &Path, count: u64) {
    let (store, _) = LocalStore::open(dir).unwrap();
    for log in [1, 2].map(owner) {
        for _ in 0..count / 10 {
            block_on(append(&store, log, (10, 30), Durability::Buffered)).unwrap();
        }
    }
}

pub(super) fn check(dir: &Path, count: usize) -> Opened {
    let (store, opened) = LocalStore::open(dir).unwrap();
    for log in [1, 2].map(owner) {
        assert_eq!(read_all(&store, log, 2000).unwrap().len(), count, "{opened:?}");
        for sequence in (1..=count as u64).step_by(7) {
            assert_eq!(block_on(store.read(log, sequence, 1)).unwrap(), [frame(log, sequence, 30)]);
        }
    }
    assert_eq!(opened.records, 2 * count as u64, "{opened:?}");
    assert!(opened.damage.is_none() && opened.torn_size_bytes == 0, "{opened:?}");
    opened
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Sled keeps its lock for a moment after it was closed.
pub(super) fn sled_in(dir: &Path) -> sled::Db {
    let tries = std::iter::repeat_with(|| sled::open(dir)).take(1000);
    tries.map(|tried| tried.map_err(|_| std::thread::yield_now())).find_map(Result::ok).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_index_may_be_deleted_or_aged_at_any_step() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, index) = (temp.path().join("store"), temp.path().join("store/index"));
    for step in 1..=4_usize {
        fill(&dir, 300);
        let aged = temp.path().join(step.to_string());
        copy(&index, &aged);
        let opened = check(&dir, 300 * step);
        assert_eq!((opened.replayed, &opened.index_rebuilt), (0, &None), "{opened:?}");
        fs::remove_dir_all(&index).unwrap();
        let opened = check(&dir, 300 * step);
        assert_eq!(opened.index_rebuilt.as_deref(), Some("it had no watermark"));
        for age in 1..=step {
            fs::remove_dir_all(&index).unwrap();
            copy(&temp.path().join(age.to_string()), &index);
            let opened = check(&dir, 300 * step);
            assert_eq!(opened.replayed, 600 * (step - age) as u64, "{opened:?}");
            assert_eq!(opened.index_rebuilt, None);
        }
    }
}

#[test]
fn a_broken_index_is_set_aside() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, index) = (temp.path().join("store"), temp.path().join("store/index"));
    fill(&dir, 2000);
    let whole = temp.path().join("whole");
    copy(&index, &whole);
    let breaks: [fn(&mut Vec<u8>); 6] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.fill(0),
        |bytes| bytes.iter_mut().step_by(64).for_each(|byte| *byte ^= 0x40),
        |bytes| bytes.iter_mut().for_each(|byte| *byte = !*byte),
    ];
    for name in files(&whole) {
        for (nth, broken) in breaks.iter().enumerate() {
            fs::remove_dir_all(&index).unwrap();
            copy(&whole, &index);
            let file = index.join(name.strip_prefix(&whole).unwrap());
            let mut bytes = fs::read(&file).unwrap();
            if bytes.is_empty() {
                continue;
            }
            broken(&mut bytes);
            fs::write(&file, bytes).unwrap();
            let opened = check(&dir, 2000);
            assert_eq!(check(&dir, 2000).index_rebuilt, None, "{nth} of {name:?}: {opened:?}");
        }
    }
}

#[test]
fn an_opening_that_did_not_return_is_not_tried_twice() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    fill(&dir, 300);
    fs::write(dir.join("index.opening"), b"").unwrap();
    let why = check(&dir, 300).index_rebuilt;
    assert_eq!(why.as_deref(), Some("an earlier opening of it did not return"));
    assert_eq!(check(&dir, 300).index_rebuilt, None);
    fs::remove_dir_all(dir.join("index")).unwrap();
    fs::write(dir.join("index"), b"a file where a folder should be").unwrap();
    assert!(check(&dir, 300).index_rebuilt.is_some());
    assert_eq!(check(&dir, 300).index_rebuilt, None);
}

type Lie = fn(&[u8]) -> Option<Vec<u8>>;

#[test]
fn entries_that_lie_are_not_believed() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, index) = (temp.path().join("store"), temp.path().join("store/index"));
    fill(&dir, 1000);
    let lies: [Lie; 4] = [
        |_| Some((1_u64 << 32 | 32).to_le_bytes().to_vec()),
        |value| Some(value.iter().map(|byte| byte ^ 5).collect()),
        |_| Some(vec![1, 2, 3]),
        |_| None,
    ];
    for kind in [0, 1, 3] {
        for (nth, lie) in lies.iter().enumerate() {
            let sled = sled_in(&index);
            for entry in sled.scan_prefix([kind]) {
                let (key, value) = entry.unwrap();
                match lie(&value) {
                    Some(value) => drop(sled.insert(key, value).unwrap()),
                    None => drop(sled.remove(key).unwrap()),
                }
            }
            drop(sled);
            let opened = check(&dir, 1000);
            assert_eq!(opened.index_rebuilt.is_some(), kind > 0, "{kind} {nth}: {opened:?}");
            fs::remove_dir_all(&index).unwrap();
            check(&dir, 1000);
        }
    }
}

#[test]
fn damage_behind_the_watermark_is_found_by_reading_and_remembered() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    fill(&dir, 300);
    let segment = dir.join("segments/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[5000] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let (store, opened) = LocalStore::open(&dir).unwrap();
    assert!(opened.damage.is_none(), "{opened:?}");
    let said = read_all(&store, owner(1), 1000);
    assert!(matches!(said, Err(StoreError::Damaged { .. })), "{said:?}");
    let said = block_on(append(&store, owner(2), (1, 10), Durability::Durable));
    assert!(matches!(said, Err(StoreError::Damaged { .. })), "{said:?}");
    drop(store);
    for _ in 0..2 {
        let (_store, opened) = LocalStore::open(&dir).unwrap();
        assert!(opened.damage.is_some() && opened.torn_size_bytes == 0, "{opened:?}");
        assert_eq!(opened.index_rebuilt.as_deref(), Some("damage was found before"));
    }
    assert_eq!(fs::read(&segment).unwrap(), bytes);
    bytes[5000] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    assert!(check(&dir, 300).index_rebuilt.is_some());
    assert_eq!(check(&dir, 300).index_rebuilt, None);
}

#[test]
fn a_snapshot_survives_whole_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let snapshot = Snapshot::new(3, frame(owner(1), 1, 200_000).payload.to_vec());
    let (store, _) = LocalStore::open(&dir).unwrap();
    block_on(store.keep_snapshot(owner(1), snapshot.clone())).unwrap();
    drop(store);
    let (store, _) = LocalStore::open(&dir).unwrap();
    assert_eq!(block_on(store.snapshot(owner(1))).unwrap(), Some(snapshot));
    drop(store);
    let sled = sled_in(&dir.join("index"));
    let (key, value) = sled.scan_prefix([2]).nth(3).unwrap().unwrap();
    sled.insert(key, value[1..].to_vec()).unwrap();
    drop(sled);
    let (store, _) = LocalStore::open(&dir).unwrap();
    assert_eq!(block_on(store.snapshot(owner(1))).unwrap(), None);
}

#[test]
fn entries_survive_an_opening_and_go_with_the_index() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("store");
    let all = || IndexRange::prefix(b"", 9);
    for round in 0..3 {
        let store = LocalStore::open(&dir).unwrap().0;
        if round > 0 {
            assert_eq!(keys(&store, owner(1), all(), round - 1), [b"a", b"b"]);
        }
        keep_keys(&store, owner(1), &[b"b", b"a"], round);
        block_on(append(&store, owner(1), (1, 30), Durability::Durable)).unwrap();
    }
    fs::remove_dir_all(dir.join("index")).unwrap();
    let store = LocalStore::open(&dir).unwrap().0;
    assert!(keys(&store, owner(1), all(), 0).is_empty());
    keep_keys(&store, owner(1), &[b"a"], 9);
    assert_eq!(keys(&store, owner(1), all(), 9), [b"a"]);
}
