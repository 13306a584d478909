//! Copies and additions: content that comes from what is there already.
use cap_std::fs::PermissionsExt;

use super::*;
use crate::pause::Point;

fn copy(from: &str, to: &str) -> Copy {
    Copy::new(path(from), path(to))
}

/// Does `act` to the folder once, when the next change reaches `point`.
fn at(world: &World, point: Point, act: impl FnOnce(&Dir) + Send + 'static) {
    let (work, mut act) = (world.folder("work"), Some(act));
    world.node().hook().set(move |reached| {
        if reached == point
            && let Some(act) = act.take()
        {
            act(&work);
        }
    });
}

fn chmod(work: &Dir, name: &str, mode: u32) {
    work.set_permissions(name, cap_std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(world: &World, name: &str) -> u32 {
    world.tree()[name].1 & 0o777
}

#[test]
fn a_copy_has_the_content_and_the_permissions() {
    let world = World::new();
    world.work.write("a", "one").unwrap();
    chmod(&world.work, "a", 0o700);
    let copied = world.submit(&copy("/work/a", "/work/b")).unwrap();
    assert_eq!((copied.files, copied.size_bytes, copied.replaced), (1, 3, false));
    assert_eq!((world.work.read("b").unwrap(), mode(&world, "/b")), (b"one".to_vec(), 0o700));
    world.work.write("c", "two").unwrap();
    chmod(&world.work, "c", 0o640);
    let before = world.tree();
    assert_eq!(world.code(&copy("/work/a", "/work/c")), "failed exists");
    let copied = world.submit(&copy("/work/a", "/work/c").overwriting()).unwrap();
    assert!(copied.replaced);
    assert_eq!((world.work.read("c").unwrap(), mode(&world, "/c")), (b"one".to_vec(), 0o640));
    world.undo(copied.intent).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn a_directory_is_copied_whole_or_not_at_all() {
    let mut world = World::new();
    world.work.create_dir_all("d/e/f").unwrap();
    world.work.write("d/a", "one").unwrap();
    world.work.write("d/e/b", "two".repeat(500_000)).unwrap();
    world.work.write("d/e/f/c", "").unwrap();
    chmod(&world.work, "d/e/b", 0o440);
    chmod(&world.work, "d/e", 0o700);
    for durability in [Durability::ProcessSafe, Durability::PowerSafe] {
        world.reopen(durability);
        assert_eq!(world.code(&copy("/work/d", "/work/x")), "denied not_recursive");
        let copied = world.submit(&copy("/work/d", "/work/x").recursive()).unwrap();
        assert_eq!((copied.files, copied.size_bytes), (3, 1_500_003));
        let tree = world.tree();
        for name in ["/a", "/e", "/e/b", "/e/f", "/e/f/c"] {
            let (source, copy) = (&tree[&format!("/d{name}")], &tree[&format!("/x{name}")]);
            assert_eq!((&source.0, source.1), (&copy.0, copy.1), "{name}");
        }
        world.undo(copied.intent).unwrap();
        assert!(!world.work.exists("x"));
    }
}

#[test]
fn nothing_is_left_out_of_a_copy_silently() {
    let check = |prepare: fn(&Dir), code: &str| {
        let world = World::new();
        world.work.create_dir_all("d/e").unwrap();
        world.work.write("d/e/a", "one").unwrap();
        prepare(&world.work);
        assert_eq!(world.code(&copy("/work/d", "/work/x").recursive()), code);
        assert_eq!(world.work.exists("x"), code == "ok");
        assert_eq!(world.slots().len(), 0);
    };
    check(|work| work.write("d/e/.env", "").unwrap(), "failed protected_name");
    check(|work| work.symlink("a", "d/e/link").unwrap(), "failed not_regular");
    check(|work| work.hard_link("d/e/a", work, "d/two").unwrap(), "failed hard_linked");
    check(|work| work.write("d/a\\b", "").unwrap(), "failed invalid_name");
    let many: fn(&Dir) =
        |work| (0..1000).for_each(|nth| work.write(format!("d/{nth}"), "").unwrap());
    check(many, "failed limit_exceeded");
    check(|work| work.write("d/fine", "").unwrap(), "ok");
}

#[test]
fn a_source_that_changes_meanwhile_is_a_conflict() {
    let acts: [fn(&Dir); 3] = [
        |work| work.write("d/a", "mine").unwrap(),
        |work| {
            work.write("saving", "one").unwrap();
            work.rename("saving", work, "d/a").unwrap();
        },
        |work| chmod(work, "d/a", 0o600),
    ];
    for act in acts {
        let world = World::new();
        world.work.create_dir("d").unwrap();
        world.work.write("d/a", "one").unwrap();
        for operation in [copy("/work/d", "/work/x").recursive(), copy("/work/d/a", "/work/x")] {
            at(&world, Point::Recorded, act);
            assert_eq!(world.code(&operation), "failed conflict");
            assert!(!world.work.exists("x"));
            assert_eq!(world.slots().len(), 0);
            world.work.write("d/a", "one").unwrap();
            chmod(&world.work, "d/a", 0o644);
        }
    }
}

#[test]
fn a_copied_directory_that_a_person_worked_in_stays() {
    let acts: [fn(&Dir); 4] = [
        |work| work.write("x/e/b", "mine").unwrap(),
        |work| work.write("x/e/new", "mine").unwrap(),
        |work| work.write("x/e/.env", "mine").unwrap(),
        |work| work.rename("x/e", work, "x/g").unwrap(),
    ];
    for act in acts {
        let world = World::new();
        world.work.create_dir_all("d/e").unwrap();
        world.work.write("d/e/b", "one").unwrap();
        let copied = world.submit(&copy("/work/d", "/work/x").recursive()).unwrap();
        act(&world.work);
        let after = world.tree();
        // A name that no agent may see is told as that, whatever else is the matter.
        let expected = if world.work.exists("x/e/.env") { "protected_name" } else { "conflict" };
        assert_eq!(word(&world.undo(copied.intent)), format!("failed {expected}"));
        assert_eq!(world.tree(), after);
        assert_eq!(world.slots().len(), 0);
    }
}

#[test]
fn what_a_person_does_deep_in_a_copy_just_before_it_goes_wins() {
    let world = World::new();
    world.work.create_dir_all("d/e").unwrap();
    world.work.write("d/e/b", "one").unwrap();
    let copied = world.submit(&copy("/work/d", "/work/x").recursive()).unwrap();
    at(&world, Point::Confirmed, |work| work.write("x/e/b", "mine").unwrap());
    assert_eq!(word(&world.undo(copied.intent)), "failed conflict");
    assert_eq!(world.work.read("x/e/b").unwrap(), b"mine");
    assert_eq!(world.slots().len(), 0);
}

#[test]
fn an_addition_is_at_the_end_and_comes_off_again() {
    let world = World::new();
    world.work.write("a", "one").unwrap();
    chmod(&world.work, "a", 0o600);
    let before = world.tree();
    let append = |content: &str| Append::new(path("/work/a"), content);
    let added = world.submit(&append(" two")).unwrap();
    let whole = clawnet_core::Digest::of_content(b"one two");
    assert_eq!((added.created, added.size_bytes, added.digest), (false, 7, whole));
    assert_eq!((world.work.read("a").unwrap(), mode(&world, "/a")), (b"one two".to_vec(), 0o600));
    assert_eq!(world.code(&append("x").if_absent()), "failed conflict");
    let fresh = Append::new(path("/work/new"), "x").if_absent();
    let fresh = world.submit(&fresh).unwrap();
    assert!(fresh.created);
    world.undo(fresh.intent).unwrap();
    let more = world.submit(&append(" three").if_content_is(whole)).unwrap();
    assert_eq!(word(&world.undo(added.intent)), "failed conflict");
    world.undo(more.intent).unwrap();
    world.undo(added.intent).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn an_addition_to_what_was_just_saved_is_a_conflict() {
    for point in [Point::Begun, Point::Recorded, Point::Filled, Point::Confirmed] {
        let world = World::new();
        world.work.write("a", "one").unwrap();
        at(&world, point, |work| work.write("a", "mine").unwrap());
        assert_eq!(world.code(&Append::new(path("/work/a"), "two")), "failed conflict");
        assert_eq!(world.work.read("a").unwrap(), b"mine", "{point:?}");
        assert_eq!(world.slots().len(), 0);
    }
    let world = World::new();
    world.work.create("big").unwrap().set_len(Write::SIZE_BYTES_MAX).unwrap();
    assert_eq!(world.code(&Append::new(path("/work/big"), "x")), "failed limit_exceeded");
}

#[test]
fn a_mode_that_a_person_just_set_is_not_put_back() {
    let world = World::new();
    world.work.write("a", "one").unwrap();
    at(&world, Point::Confirmed, |work| chmod(work, "a", 0o600));
    assert_eq!(word(&world.write("/work/a", "two")), "failed conflict");
    assert_eq!((world.work.read("a").unwrap(), mode(&world, "/a")), (b"one".to_vec(), 0o600));
    let written = world.write("/work/a", "two").unwrap();
    assert_eq!(mode(&world, "/a"), 0o600);
    let slots = world.folder("state").open_dir("slots").unwrap();
    let name = slots.entries().unwrap().next().unwrap().unwrap().file_name();
    slots.set_permissions(&name, cap_std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(word(&world.undo(written.intent)), "failed tampered");
}
