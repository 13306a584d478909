//! Every change comes back, and only if nobody else changed it since.
use cap_std::fs::PermissionsExt;

use super::*;

fn intents(world: &World) -> Vec<u64> {
    world.work.write("old", "one").unwrap();
    let permissions = cap_std::fs::Permissions::from_mode(0o640);
    world.work.set_permissions("old", permissions).unwrap();
    world.work.write("gone", "two").unwrap();
    world.work.create_dir("empty").unwrap();
    let undone = |operation: &Write| world.submit(operation).unwrap().intent;
    let made = Mkdir::new(path("/work/x/y")).with_parents_below(&path("/work")).unwrap();
    let deep = Write::new(path("/work/p/q/file"), "deep");
    vec![
        undone(&Write::new(path("/work/old"), "new")),
        undone(&Write::new(path("/work/fresh"), "fresh")),
        world.submit(&Delete::new(path("/work/gone"))).unwrap().intent,
        world.submit(&Delete::new(path("/work/empty"))).unwrap().intent,
        world.submit(&made).unwrap().intent,
        undone(&deep.creating_dirs_below(&path("/work")).unwrap()),
    ]
}

#[test]
fn bytes_mode_and_time_return() {
    for durability in [Durability::ProcessSafe, Durability::PowerSafe] {
        let mut world = World::lasting(durability);
        let probe = World::new();
        drop(intents(&probe));
        let intents = intents(&world);
        let after = world.tree();
        assert_eq!(after["/old"].0.as_deref(), Some(&b"new"[..]));
        assert_eq!(after["/old"].1 & 0o777, 0o640, "a replacement keeps the mode");
        assert_eq!(after.len(), 7, "{after:?}");
        let undone: Vec<u64> =
            intents.iter().rev().map(|intent| world.undo(*intent).unwrap().intent).collect();
        let before = world.tree();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["/empty", "/gone", "/old"]);
        assert_eq!(before["/old"].0.as_deref(), Some(&b"one"[..]));
        assert_eq!(world.reopen(durability), Recovered::default());
        for intent in undone.iter().rev() {
            world.undo(*intent).unwrap();
        }
        assert_eq!(world.tree(), after, "undoing an undo is redoing");
    }
}

#[test]
fn the_very_inode_returns() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let before = world.tree();
    let written = world.write("/work/file", "two").unwrap();
    assert!(!written.created && !written.raced);
    world.undo(written.intent).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn one_operation_is_undone_once() {
    let world = World::new();
    let written = world.write("/work/file", "one").unwrap();
    let undone = world.undo(written.intent).unwrap();
    assert_eq!(word(&world.undo(written.intent)), "failed already_undone");
    let redone = world.undo(undone.intent).unwrap();
    assert_eq!(word(&world.undo(undone.intent)), "failed already_undone");
    world.undo(redone.intent).unwrap();
    assert_eq!(world.tree().len(), 0);
}

#[test]
fn what_a_person_changed_since_is_a_conflict_and_nothing_moves() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let over = world.write("/work/file", "two").unwrap().intent;
    let fresh = world.write("/work/fresh", "two").unwrap().intent;
    let gone = world.submit(&Delete::new(path("/work/fresh"))).unwrap().intent;
    world.work.write("file", "mine").unwrap();
    world.work.write("fresh", "mine").unwrap();
    let made = world.submit(&Mkdir::new(path("/work/dir"))).unwrap().intent;
    world.work.write("dir/mine", "mine").unwrap();
    let before = world.tree();
    for intent in [over, fresh, gone, made] {
        assert_eq!(word(&world.undo(intent)), "failed conflict", "{intent}");
        assert_eq!(world.tree(), before);
    }
    world.work.write("file", "two").unwrap();
    world.undo(over).expect("the same bytes again are no conflict");
}

#[test]
fn anothers_change_is_as_unknown_as_none() {
    let world = World::new();
    let written = world.write("/work/file", "one").unwrap();
    let mine = world.agent.caller().identity();
    let undo = world.node().undo_of(mine, written.intent).unwrap();
    let other = agent(&world.owner, "other");
    let theirs = other.caller().identity();
    let unknown = world.node().undo_of(theirs, 9_999);
    assert_eq!(world.node().undo_of(theirs, written.intent), unknown);
    let refused = word(&block_on(other.submit(world.mount(), &undo)));
    let unknown = Undo { intent: 9_999, ..undo };
    assert_eq!(refused, word(&block_on(other.submit(world.mount(), &unknown))));
    assert_eq!(refused, "denied not_found");
}

#[test]
fn an_undo_that_says_something_else_is_refused() {
    let world = World::new();
    let written = world.write("/work/file", "one").unwrap();
    let other = world.write("/work/other", "one").unwrap();
    let identity = world.agent.caller().identity();
    let undo = world.node().undo_of(identity, written.intent).unwrap();
    let forged = Undo { intent: other.intent, ..undo };
    assert_eq!(world.code(&forged), "denied invalid_request");
}

#[test]
fn a_backup_that_was_written_to_is_not_put_back() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let mut held = cap_std::fs::OpenOptions::new();
    let held = world.work.open_with("file", held.write(true)).unwrap();
    let written = world.write("/work/file", "two").unwrap();
    std::io::Write::write_all(&mut &held, b"ONE").unwrap();
    assert_eq!(word(&world.undo(written.intent)), "failed tampered");
    assert_eq!(world.work.read("file").unwrap(), b"two");
}

#[test]
fn a_large_file_is_deleted_and_returned_without_being_read() {
    let world = World::new();
    let big = world.work.create("big").unwrap();
    big.set_len(200 << 20).unwrap();
    let before = world.tree().len();
    let gone = world.submit(&Delete::new(path("/work/big"))).unwrap().intent;
    assert!(!world.work.exists("big"));
    world.undo(gone).unwrap();
    assert_eq!(
        (world.tree().len(), world.work.metadata("big").unwrap().len()),
        (before, 200 << 20)
    );
}

#[test]
fn writes_expect_what_they_say() {
    let world = World::new();
    let write = |content: &str| Write::new(path("/work/file"), content);
    let one = world.submit(&write("one").if_absent()).unwrap();
    assert!(one.created);
    assert_eq!(world.code(&write("two").if_absent()), "failed conflict");
    assert_eq!(world.code(&write("two").if_content_is(one.digest)), "ok");
    assert_eq!(world.code(&write("three").if_content_is(one.digest)), "failed conflict");
    assert_eq!(world.work.read("file").unwrap(), b"two");
    assert_eq!(world.code(&Write::new(path("/work/no/file"), "x")), "failed parent_not_found");
    assert_eq!(world.code(&Delete::new(path("/work/no"))), "failed not_found");
    world.work.create_dir("dir").unwrap();
    world.work.write("dir/file", "").unwrap();
    assert_eq!(world.code(&Write::new(path("/work/dir"), "x")), "failed wrong_kind");
    assert_eq!(world.code(&Delete::new(path("/work/dir"))), "denied not_recursive");
    assert_eq!(world.code(&Mkdir::new(path("/work/file"))), "failed wrong_kind");
    let again = world.submit(&Mkdir::new(path("/work/dir"))).unwrap();
    assert!(!again.created);
    assert_eq!(word(&world.undo(again.intent)), "failed not_found");
}
