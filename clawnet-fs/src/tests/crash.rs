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

fn shift(world: &World) -> String {
    world.code(&Move::new(path("/work/old"), path("/work/moved")))
}

fn shift_deep(world: &World) -> String {
    let shift = Move::new(path("/work/old"), path("/work/a/b/moved"));
    world.code(&shift.creating_dirs_below(&path("/work")).unwrap())
}

fn shift_over(world: &World) -> String {
    world.code(&Move::new(path("/work/old"), path("/work/dir/one")).overwriting())
}

fn shift_large_over(world: &World) -> String {
    world.code(&Move::new(path("/work/large"), path("/work/old")).overwriting())
}

fn shift_tree(world: &World) -> String {
    world.code(&Move::new(path("/work/dir"), path("/work/a")).recursive())
}

fn rename(world: &World) -> String {
    world.code(&Rename::new(path("/work/old"), "renamed").unwrap())
}

fn append(world: &World) -> String {
    world.code(&Append::new(path("/work/old"), " more"))
}

fn append_fresh(world: &World) -> String {
    world.code(&Append::new(path("/work/fresh"), "more"))
}

fn append_large(world: &World) -> String {
    world.code(&Append::new(path("/work/large"), "more"))
}

fn copy(world: &World) -> String {
    world.code(&Copy::new(path("/work/old"), path("/work/copy")))
}

fn copy_over(world: &World) -> String {
    world.code(&Copy::new(path("/work/large"), path("/work/old")).overwriting())
}

fn copy_tree(world: &World) -> String {
    let copy = Copy::new(path("/work/dir"), path("/work/a/copy")).recursive();
    world.code(&copy.creating_dirs_below(&path("/work")).unwrap())
}

fn delete_tree(world: &World) -> String {
    world.code(&Delete::new(path("/work/dir")).recursive())
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
    world.work.write("large", "large".repeat(250_000)).unwrap();
    world.work.create_dir_all("dir/sub/empty").unwrap();
    world.work.write("dir/one", "first").unwrap();
    world.work.write("dir/sub/two", "second").unwrap();
    if let Some(first) = first {
        assert_eq!(first(&world), "ok");
    }
    world
}

/// Each change, and the same as what is undone.
const CHANGES: &[(&str, Act)] = &[
    ("overwrite", over),
    ("create", fresh),
    ("overwrite with more than is hashed", large),
    ("create with more than is hashed", large_fresh),
    ("delete", delete),
    ("mkdir", mkdir),
    ("create below new directories", deep),
    ("move", shift),
    ("move below new directories", shift_deep),
    ("move over a file", shift_over),
    ("move more than is hashed over a file", shift_large_over),
    ("move a directory", shift_tree),
    ("rename", rename),
    ("append", append),
    ("append to nothing", append_fresh),
    ("append to more than is hashed", append_large),
    ("copy", copy),
    ("copy over a file", copy_over),
    ("copy a directory", copy_tree),
    ("delete a directory", delete_tree),
];

/// Each change, what happened before it, and what it is.
fn changes() -> impl Iterator<Item = (String, Option<Act>, Act)> {
    let undone = CHANGES.iter().map(|(name, act)| (format!("undo {name}"), Some(*act), UNDO));
    CHANGES.iter().map(|(name, act)| ((*name).into(), None, *act)).chain(undone)
}

const UNDO: Act = undo_first;

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
    for (name, first, act) in changes() {
        let before = prepared(first);
        let (old, old_slots) = (contents(&before), before.slots().len());
        assert_eq!(act(&before), "ok");
        let (new, new_slots) = (contents(&before), before.slots().len());
        let mut crashes = 0;
        for nth in 0.. {
            let mut world = prepared(first);
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
    for (name, first, act) in changes() {
        for nth in 0..30 {
            let mut world = prepared(first);
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
    assert_eq!(world.code(&Stat::of(path("/work/old"))), "ok");
    assert_eq!(world.code(&Read::of(path("/work/old"))), "failed log_unavailable", "a first read");
    assert_eq!(over(&world), "denied log_unavailable");
    assert_eq!(state.read("journal").unwrap(), flipped);

    state.write("journal", &whole[..whole.len() - 5]).unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    assert!(recovered.torn_bytes > 0 && recovered.broken_at.is_none());
    assert_eq!(recovered.committed.len(), 1, "the commit was torn, the change is found done");
    undo_last(&world);
    assert_eq!(world.work.read("old").unwrap(), b"one");
}

/// Dies again at every point of the recovery, as often as it takes.
#[test]
fn a_crash_in_recovery_is_recovered_from_in_the_same_way() {
    let mut deaths = 0;
    for (name, first, act) in changes() {
        let fresh = prepared(first);
        let old = contents(&fresh);
        assert_eq!(act(&fresh), "ok");
        let new = contents(&fresh);
        for (nth, inner) in (0..40).flat_map(|nth| (0..3).map(move |inner| (nth, inner))) {
            let mut world = prepared(first);
            die_at(&world, nth, || {});
            if act(&world) == "ok" {
                break;
            }
            world.node = None;
            let folders = Folders::new().read_write("/work", world.folder("work")).unwrap();
            let hook = pause::Hook::default();
            let mut left = inner;
            hook.set(move |_| {
                if left == 0 {
                    std::panic::resume_unwind(Box::new("crash"));
                }
                left -= 1;
            });
            let state = world.folder("state");
            let opening = || Node::open_with(folders, state, Durability::ProcessSafe, hook);
            let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(opening)).is_err();
            deaths += u32::from(died);
            let recovered = world.reopen(Durability::ProcessSafe);
            assert!(recovered.conflicts.is_empty(), "{name} {nth} {inner}: {recovered:?}");
            let now = contents(&world);
            assert!(now == old || now == new, "{name} {nth} {inner}: {now:?}");
            if now == old {
                assert_eq!(act(&world), "ok", "{name} {nth} {inner}");
            }
            assert_eq!(contents(&world), new);
        }
    }
    assert!(deaths > 500, "{deaths}");
}
