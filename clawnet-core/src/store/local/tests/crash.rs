//! Power cuts and failing calls, at every call that changes the disk.
use super::{sim::TEARS, *};

/// A workload over two logs. Answers how many frames of each were acknowledged as durable, and how
/// many were tried.
fn work(store: &LocalStore) -> [(usize, usize); 2] {
    let mut done = [(0, 0); 2];
    for round in 0..8_usize {
        for (log, (acknowledged, tried)) in done.iter_mut().enumerate() {
            let class =
                if (round + log) % 3 == 0 { Durability::Buffered } else { Durability::Durable };
            let count = 1 + round % 3;
            let batch = (count as u64, 150 + 97 * round);
            let said = block_on(append(store, owner(u8::try_from(log).unwrap()), batch, class));
            *tried += count;
            match said {
                // A durable commit promises everything before it in its log as well.
                Ok(()) if class == Durability::Durable => *acknowledged = *tried,
                Ok(()) => {}
                Err(_) => {
                    poisoned(store);
                    return done;
                }
            }
        }
    }
    done
}

fn poisoned(store: &LocalStore) {
    let log = owner(0);
    let says = |said: Result<(), StoreError>| assert!(matches!(said, Err(StoreError::Poisoned)));
    says(block_on(store.head(log)).map(drop));
    says(block_on(store.read(log, 1, 1)).map(drop));
    says(block_on(store.append(log, Head::EMPTY, Batch::new(), Durability::Buffered)));
    says(block_on(store.body(log, Digest::ZERO)).map(drop));
    says(block_on(store.keep_body(log, b"")).map(drop));
    says(block_on(store.erase_body(log, Digest::ZERO)));
    says(block_on(store.snapshot(log)).map(drop));
    says(block_on(store.keep_snapshot(log, Snapshot::new(1, Vec::new()))));
    says(block_on(store.keep_index(log, Vec::new())));
    says(block_on(store.index(log, IndexRange::prefix(b"", 1))).map(drop));
    says(block_on(store.erase_index(log)));
}

/// Runs the workload on a disk whose `nth` call fails. Answers whether there was such a call.
fn run(disk: &SimDisk, nth: u64, dies: bool) -> ([(usize, usize); 2], bool) {
    disk.sim().fails_at = Some(nth);
    disk.sim().dies = dies;
    let done = match LocalStore::open_on(Box::new(disk.clone()), TINY) {
        Ok((store, _)) => work(&store),
        Err(_) => [(0, 0); 2],
    };
    let failed = disk.sim().calls >= nth;
    disk.sim().fails_at = None;
    (done, failed)
}

/// Opens the disk, and finds what was acknowledged and nothing that was not tried. Goes on, and
/// answers what is acknowledged and tried now.
fn check(disk: &SimDisk, mut done: [(usize, usize); 2], what: &str) -> [(usize, usize); 2] {
    let (store, opened) = open_on(disk, TINY);
    assert!(opened.damage.is_none(), "{what}: {opened:?}");
    for (log, (acknowledged, tried)) in (0..).zip(&mut done) {
        let found = read_all(&store, owner(log), 1000).unwrap().len();
        let range = *acknowledged..=*tried;
        assert!(range.contains(&found), "{what}: {found} of {range:?}");
        (*acknowledged, *tried) = (found + 2, found + 2);
        block_on(append(&store, owner(log), (2, 100), Durability::Durable)).unwrap();
    }
    drop(store);
    let (_, opened) = open_on(disk, TINY);
    assert_eq!((opened.damage.is_none(), opened.torn_size_bytes), (true, 0), "{what}");
    done
}

#[test]
fn no_power_cut_takes_back_what_was_acknowledged() {
    for nth in 1.. {
        let disk = SimDisk::default();
        let (done, failed) = run(&disk, nth, true);
        for (variant, tear) in TEARS.into_iter().enumerate() {
            check(&disk.after_cut(tear), done, &format!("call {nth}, tear {variant}"));
        }
        if !failed {
            assert!(nth > 20, "{nth}");
            break;
        }
    }
}

#[test]
fn no_failing_call_is_survived_by_a_promise() {
    for nth in 1.. {
        let disk = SimDisk::default();
        let (done, failed) = run(&disk, nth, false);
        check(&disk.after_cut(TEARS[0]), done, &format!("call {nth}, then a cut"));
        let done = check(&disk, done, &format!("call {nth}"));
        check(&disk.after_cut(TEARS[0]), done, &format!("call {nth}, going on, then a cut"));
        if !failed {
            break;
        }
    }
}

#[test]
fn what_a_killed_process_wrote_is_flushed_before_it_is_read() {
    for nth in 1.. {
        let disk = SimDisk::default();
        let failed = run(&disk, nth, true).1;
        let count = |disk: &SimDisk| {
            let (store, _) = open_on(disk, TINY);
            [0, 1].map(|log| read_all(&store, owner(log), 1000).unwrap().len())
        };
        disk.sim().files.values_mut().for_each(sim::SimFile::recover);
        let read = count(&disk);
        assert_eq!(count(&disk.after_cut(TEARS[0])), read, "call {nth}");
        if !failed {
            break;
        }
    }
}

#[test]
fn a_failing_body_poisons_and_a_whole_one_survives() {
    let disk = SimDisk::default();
    let (store, _) = open_on(&disk, TINY);
    let digest = block_on(store.keep_body(owner(0), b"kept")).unwrap();
    let calls = disk.sim().calls;
    disk.sim().fails_at = Some(calls + 1);
    let said = block_on(store.keep_body(owner(0), b"lost"));
    assert!(matches!(said, Err(StoreError::Io { .. })), "{said:?}");
    poisoned(&store);
    drop(store);
    let (store, _) = open_on(&disk.after_cut(TEARS[0]), TINY);
    assert_eq!(block_on(store.body(owner(0), digest)).unwrap(), Some(b"kept".to_vec()));
    assert_eq!(block_on(store.body(owner(0), Digest::of_content(b"lost"))).unwrap(), None);
}

#[test]
fn no_power_cut_leaves_an_index_that_is_ahead() {
    for nth in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let disk = SimDisk::indexed_at(temp.path().join("index"));
        let failed = run(&disk, nth, nth % 2 == 0).1;
        let (_store, opened) = open_on(&disk.after_cut(TEARS[0]), TINY);
        assert!(opened.missing.is_none(), "call {nth}: {opened:?}");
        if !failed {
            assert_eq!(opened.replayed, 0, "the index was not used: {opened:?}");
            break;
        }
    }
}
