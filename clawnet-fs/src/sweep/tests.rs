use std::os::unix::fs::symlink;

use cap_std::ambient_authority;
use clawnet_core::OwnerId;

use super::*;
use crate::journal::Durability;

fn store() -> (tempfile::TempDir, Store, Journal, cap_std::fs::Dir) {
    let base = tempfile::tempdir().unwrap();
    let open = || cap_std::fs::Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
    let (store, file) = Store::open(open()).unwrap();
    let (journal, _) = Journal::open(file, Durability::ProcessSafe).unwrap();
    let top = open();
    (base, store, journal, top)
}

fn slot() -> Slot {
    Slot::of(OwnerId::of_key(&[1; 32]), 7, 0)
}

fn condemn(journal: &mut Journal) {
    let by = Key { intent: 7, owner: OwnerId::of_key(&[1; 32]) };
    journal.append(Event::Pruned { by, slots: vec![slot()] }).unwrap();
}

#[test]
fn a_tree_goes_name_by_name_and_takes_nothing_along() {
    let (base, store, mut journal, top) = store();
    let slot = slot();
    let tree = format!("slots/{}", slot.as_str());
    top.create_dir_all(format!("{tree}/a/b/c")).unwrap();
    top.create_dir_all("outside/deep").unwrap();
    top.write("outside/deep/file", "stays").unwrap();
    for nth in 0..20 {
        top.write(format!("{tree}/a/f{nth}"), "x").unwrap();
        top.write(format!("{tree}/a/b/c/f{nth}"), "x").unwrap();
    }
    top.hard_link("outside/deep/file", &top, format!("{tree}/a/twin")).unwrap();
    symlink("../../../outside", base.path().join(&tree).join("way")).unwrap();
    symlink("../../outside/deep/file", base.path().join(&tree).join("a/link")).unwrap();
    let pipe = format!("{tree}/a/pipe");
    rustix::fs::mknodat(&top, &*pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(weigh(store.handle(), slot.as_str()), Ok(40 + 5), "every file, and no link");
    assert!(Condemned::of(&journal, &slot).is_none(), "no record, no removal");
    sweep(&mut journal, &store, &mut 1_000);
    assert!(top.exists(format!("{tree}/a/f0")));
    condemn(&mut journal);
    let mut rounds = 0;
    while journal.history().shelf().is_condemned(&slot) {
        let mut budget = 10;
        sweep(&mut journal, &store, &mut budget);
        rounds += 1;
        assert!(budget == 0 || !top.exists(&tree));
    }
    assert!(rounds > 4, "{rounds}");
    assert!(!top.exists(&tree));
    assert_eq!(top.read("outside/deep/file").unwrap(), b"stays");
}

#[test]
fn a_slot_that_is_a_link_is_not_followed_and_not_removed() {
    let (base, store, mut journal, top) = store();
    top.create_dir("outside").unwrap();
    top.write("outside/file", "stays").unwrap();
    symlink("../outside", base.path().join("slots").join(slot().as_str())).unwrap();
    condemn(&mut journal);
    sweep(&mut journal, &store, &mut 1_000);
    assert_eq!(top.read("outside/file").unwrap(), b"stays");
    assert!(top.symlink_metadata(format!("slots/{}", slot().as_str())).unwrap().is_symlink());
}

#[test]
fn what_lies_deeper_than_is_held_stays() {
    let (_base, store, mut journal, top) = store();
    let deep = format!("slots/{}{}", slot().as_str(), "/d".repeat(300));
    top.create_dir_all(&deep).unwrap();
    condemn(&mut journal);
    sweep(&mut journal, &store, &mut 10_000);
    assert!(top.exists(&deep));
    assert!(journal.history().shelf().is_condemned(&slot()), "it is tried again");
}

#[test]
fn what_is_gone_already_is_forgotten() {
    let (_base, store, mut journal, _top) = store();
    condemn(&mut journal);
    forget_what_is_gone(&mut journal, &store).unwrap();
    assert!(!journal.history().shelf().is_condemned(&slot()));
}
