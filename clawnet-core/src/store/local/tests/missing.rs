//! The index as evidence: what it saw flushed is there, or is said to be missing.
#![expect(clippy::disallowed_methods, reason = "the tests put files of their own back")]

use std::{fs, path::Path};

use super::{
    rebuild::{check, copy, fill, sled_in},
    *,
};

/// Opens a store that lacks what it had. It says so, every time, and changes nothing.
fn check_missing(dir: &Path, (before, found): (u64, u64)) {
    let segment = dir.join("segments/00000001.log");
    let bytes = fs::read(&segment).unwrap_or_default();
    for _ in 0..3 {
        let (store, opened) = LocalStore::open(dir).unwrap();
        let missing = opened.missing.unwrap_or_else(|| panic!("nothing is missing: {opened:?}"));
        assert_eq!((missing.records_before, missing.records_found), (before, found));
        assert!(matches!(opened.damage, Some(StoreError::Damaged { .. })), "{opened:?}");
        assert_eq!((opened.records, opened.torn_size_bytes), (found, 0));
        let refused = |said| assert!(matches!(said, Err(StoreError::Damaged { .. })), "{said:?}");
        for log in [1, 2, 3].map(owner) {
            refused(block_on(store.append(log, Head::EMPTY, Batch::new(), Durability::Durable)));
            refused(block_on(store.head(log)).map(drop));
            refused(block_on(store.keep_body(log, b"")).map(drop));
        }
        if found > 0 {
            assert!(!block_on(store.read(owner(1), 1, 1 << 20)).unwrap().is_empty());
        }
    }
    assert_eq!(fs::read(&segment).unwrap_or_default(), bytes);
}

#[test]
fn segments_put_back_from_an_older_copy_are_found() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, older) = (temp.path().join("store"), temp.path().join("older"));
    fill(&dir, 300);
    copy(&dir.join("segments"), &older);
    fill(&dir, 300);
    let newer = temp.path().join("newer");
    copy(&dir.join("segments"), &newer);
    let put_back = |segments: &Path| {
        fs::remove_dir_all(dir.join("segments")).unwrap();
        copy(segments, &dir.join("segments"));
    };
    put_back(&older);
    check_missing(&dir, (1200, 600));
    put_back(&newer);
    check(&dir, 600);
    put_back(&older);
    check_missing(&dir, (1200, 600));
    fs::remove_dir_all(dir.join("index")).unwrap();
    check(&dir, 300);
    fill(&dir, 10);
    check(&dir, 310);
}

#[test]
fn an_end_that_was_cut_anywhere_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, index) = (temp.path().join("store"), temp.path().join("index"));
    let segment = dir.join("segments/00000001.log");
    let mut ends = Vec::new();
    for round in 1..=3 {
        fill(&dir, 10);
        ends.push((20 * round, fs::read(&segment).unwrap().len()));
    }
    copy(&dir.join("index"), &index);
    let bytes = fs::read(&segment).unwrap();
    for (found, end) in [(0, 0), (0, 32)].into_iter().chain(ends[..2].iter().copied()) {
        for torn in [0, 7] {
            fs::remove_dir_all(dir.join("index")).unwrap();
            copy(&index, &dir.join("index"));
            fs::write(&segment, &bytes[..end + torn]).unwrap();
            check_missing(&dir, (60, found));
        }
    }
    fs::remove_file(&segment).unwrap();
    check_missing(&dir, (60, 0));
    fs::write(&segment, &bytes).unwrap();
    assert!(check(&dir, 30).missing.is_none());
}

#[test]
fn an_index_of_other_segments_is_found_and_its_removal_costs_only_time() {
    let temp = tempfile::tempdir().unwrap();
    let [dir, other] = ["store", "other"].map(|name| temp.path().join(name));
    fill(&dir, 300);
    let store = LocalStore::open(&other).unwrap().0;
    block_on(append(&store, owner(3), (20, 30), Durability::Durable)).unwrap();
    drop(store);
    fs::remove_dir_all(dir.join("index")).unwrap();
    copy(&other.join("index"), &dir.join("index"));
    check_missing(&dir, (20, 600));
    fs::remove_dir_all(dir.join("index")).unwrap();
    assert!(check(&dir, 300).missing.is_none());
}

#[test]
fn an_index_of_no_other_use_is_evidence_all_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, older) = (temp.path().join("store"), temp.path().join("older"));
    fill(&dir, 300);
    copy(&dir.join("segments"), &older);
    fill(&dir, 300);
    let sled = sled_in(&dir.join("index"));
    for end in sled.scan_prefix([1]).keys() {
        sled.remove(end.unwrap()).unwrap();
    }
    drop(sled);
    fs::remove_dir_all(dir.join("segments")).unwrap();
    copy(&older, &dir.join("segments"));
    check_missing(&dir, (1200, 600));
}
