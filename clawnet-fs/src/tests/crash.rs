//! The process dies after each step of each change; opening the node again makes it whole.
use clawnet_core::{Recall, Recalled};

use super::*;
use crate::pause::Point;

type Act = fn(&World) -> String;

fn over(world: &World) -> String {
    word(&world.write("/work/old", "new"))
}

fn fresh(world: &World) -> String {
    word(&world.write("/work/fresh", "new"))
}

fn large(world: &World) -> String {
    word(&world.write("/work/old", &"large".repeat(500_000)))
}

fn large_fresh(world: &World) -> String {
    word(&world.write("/work/fresh", &"large".repeat(500_000)))
}

fn delete(world: &World) -> String {
    world.code(&Delete::new(path("/work/old")))
}

fn mkdir(world: &World) -> String {
    let mkdir = Mkdir::new(path("/work/a/b/c"));
    world.code(&mkdir.with_parents_below(&path("/work")).unwrap())
}

fn deep(world: &World) -> String {
    let write = Write::new(path("/work/a/b/c"), "deep");
    world.code(&write.creating_dirs_below(&path("/work")).unwrap())
}

fn undo_first(world: &World) -> String {
    let identity = world.agent.caller().identity();
    let intent = (0..100).find(|intent| world.node().undo_of(identity, *intent).is_ok());
    word(&world.undo(intent.unwrap()))
}

/// What happened before the change that is interrupted.
fn prepared(first: Option<Act>) -> World {
    let world = World::new();
    world.work.write("old", "one").unwrap();
    if let Some(first) = first {
        assert_eq!(first(&world), "ok");
    }
    world
}

const CHANGES: &[(&str, Option<Act>, Act)] = &[
    ("overwrite", None, over),
    ("create", None, fresh),
    ("overwrite with more than is hashed", None, large),
    ("create with more than is hashed", None, large_fresh),
    ("delete", None, delete),
    ("mkdir", None, mkdir),
    ("create below new directories", None, deep),
    ("undo an overwrite", Some(over), undo_first),
    ("undo a creation", Some(fresh), undo_first),
    ("undo a large overwrite", Some(large), undo_first),
    ("undo a large creation", Some(large_fresh), undo_first),
    ("undo a deletion", Some(delete), undo_first),
    ("undo directories", Some(mkdir), undo_first),
    ("undo a creation with directories", Some(deep), undo_first),
];

/// Makes the process die when a change reaches its `nth` point.
fn die_at(world: &World, nth: usize, before: impl Fn() + Send + 'static) {
    let mut left = nth;
    world.node().hook().set(move |_| {
        if left == 0 {
            before();
            std::panic::resume_unwind(Box::new("crash"));
        }
        left -= 1;
    });
}

#[test]
fn a_crash_anywhere_leaves_all_or_nothing() {
    for (name, first, act) in CHANGES {
        let before = prepared(*first);
        let (old, old_slots) = (contents(&before), before.slots().len());
        assert_eq!(act(&before), "ok");
        let (new, new_slots) = (contents(&before), before.slots().len());
        let mut crashes = 0;
        for nth in 0.. {
            let mut world = prepared(*first);
            die_at(&world, nth, || {});
            if act(&world) == "ok" {
                break;
            }
            crashes += 1;
            assert_eq!(word(&world.write("/work/x", "")), "denied log_unavailable");
            let recovered = world.reopen(Durability::ProcessSafe);
            let done = contents(&world) == new;
            let clear = if done { new_slots } else { old_slots };
            assert!(done || contents(&world) == old, "{name} {nth}: {:?}", contents(&world));
            assert_eq!(world.slots().len(), clear, "{name} {nth}: {recovered:?}");
            assert!(recovered.conflicts.is_empty(), "{name} {nth}");
            check_recall(&world, &recovered, done);
            assert_eq!(world.reopen(Durability::ProcessSafe), Recovered::default());
            assert!((0..50).all(|_| world.code(&Stat::of(path("/work"))) == "ok"));
            if done {
                undo_last(&world);
                assert_eq!(contents(&world), old, "{name} {nth}");
            } else {
                assert_eq!(act(&world), "ok", "{name} {nth}");
                assert_eq!(contents(&world), new, "{name} {nth}");
            }
        }
        assert!(crashes >= 7, "{name}: {crashes}");
    }
}

fn check_recall(world: &World, recovered: &Recovered, done: bool) {
    let ended = recovered.committed.iter().chain(&recovered.aborted);
    let expect = if done { Recalled::Done } else { Recalled::NotDone };
    for intent in ended {
        assert_eq!(world.node().recall(world.owner.id(), *intent), expect);
    }
}

fn undo_last(world: &World) {
    let identity = world.agent.caller().identity();
    let intent = (0..100).rev().find(|intent| world.node().undo_of(identity, *intent).is_ok());
    world.undo(intent.unwrap()).unwrap();
}

/// The tree without times, which a new attempt changes.
fn contents(world: &World) -> Vec<(String, Option<Vec<u8>>)> {
    world.tree().into_iter().map(|(name, (content, ..))| (name, content)).collect()
}

#[test]
fn what_a_person_saves_around_a_crash_is_never_lost() {
    for (name, first, act) in CHANGES {
        for nth in 0..30 {
            let mut world = prepared(*first);
            let work = world.folder("work");
            die_at(&world, nth, move || {
                work.write("saved", "mine").unwrap();
                work.rename("saved", &work, "old").unwrap();
            });
            if act(&world) == "ok" {
                break;
            }
            world.reopen(Durability::ProcessSafe);
            let mine = |content: &[u8]| content == b"mine";
            let visible = contents(&world).iter().any(|(_, c)| c.as_deref().is_some_and(mine));
            assert!(visible || world.slots().iter().any(|c| mine(c)), "{name} {nth}");
            world.reopen(Durability::ProcessSafe);
        }
    }
}

#[test]
fn a_save_right_before_the_exchange_and_a_crash_after_it_is_a_race() {
    let mut world = prepared(None);
    let work = world.folder("work");
    world.node().hook().set(move |point| {
        if point == Point::Confirmed {
            work.write("old", "mine").unwrap();
        } else if point == Point::Traded {
            std::panic::resume_unwind(Box::new("crash"));
        }
    });
    assert_eq!(over(&world), "failed panicked");
    let recovered = world.reopen(Durability::ProcessSafe);
    assert_eq!(recovered.committed.len(), 1, "{recovered:?}");
    undo_last(&world);
    assert_eq!(world.work.read("old").unwrap(), b"mine");
}

#[test]
fn what_fits_nothing_is_left_for_the_owner() {
    let mut world = prepared(None);
    let work = world.folder("work");
    die_at(&world, 4, move || {
        // After the exchange: what was displaced is gone from the store, by another's hand.
        work.write("old", "mine").unwrap();
    });
    assert_eq!(over(&world), "failed panicked");
    let slots = world.folder("state").open_dir("slots").unwrap();
    let name = slots.entries().unwrap().next().unwrap().unwrap().file_name();
    slots.write(&name, "changed").unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    assert_eq!(recovered.conflicts.len(), 1, "{recovered:?}");
    assert_eq!(world.node().recall(world.owner.id(), recovered.conflicts[0]), Recalled::Unknown);
    assert_eq!(world.work.read("old").unwrap(), b"mine");
    assert_eq!(world.slots(), [b"changed"]);
}

#[test]
fn a_damaged_journal_reads_and_changes_nothing() {
    let mut world = prepared(Some(over));
    let state = world.folder("state");
    let whole = state.read("journal").unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    state.write("journal", &flipped).unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    assert!(recovered.broken_at.is_some());
    assert_eq!(world.code(&Read::of(path("/work/old"))), "ok");
    assert_eq!(over(&world), "denied log_unavailable");
    assert_eq!(state.read("journal").unwrap(), flipped);

    state.write("journal", &whole[..whole.len() - 5]).unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    assert!(recovered.torn_bytes > 0 && recovered.broken_at.is_none());
    assert_eq!(recovered.committed.len(), 1, "the commit was torn, the change is found done");
    undo_last(&world);
    assert_eq!(world.work.read("old").unwrap(), b"one");
}
