//! Things that go from one path to another, and whole directories that go away.
use cap_std::fs::PermissionsExt;

use super::*;
use crate::pause::Point;

/// A node over two folders and one that agents only look at, under the same kernel and agent.
fn three(world: &World) -> Mount<Node> {
    for name in ["other", "kept", "state2"] {
        world.folder(".").create_dir(name).unwrap();
    }
    let folders = Folders::new().read_write("/work", world.folder("work")).unwrap();
    let folders = folders.read_write("/other", world.folder("other")).unwrap();
    let folders = folders.read_only("/kept", world.folder("kept")).unwrap();
    let flows = [("/work", "/other"), ("/other", "/work"), ("/kept", "/work"), ("/work", "/kept")];
    let folders = flows.iter().fold(folders, |all, (from, to)| all.flow(from, to).unwrap());
    let node = Node::open(folders, world.folder("state2"), Durability::PowerSafe).unwrap();
    world.kernel.mount("three", node)
}

fn shift(from: &str, to: &str) -> Move {
    Move::new(path(from), path(to))
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

fn save(work: &Dir, name: &str) {
    work.write("saving", "mine").unwrap();
    work.rename("saving", work, name).unwrap();
}

#[test]
fn a_move_is_the_same_file_elsewhere() {
    let world = World::new();
    world.work.write("a", "one").unwrap();
    let before = world.tree();
    let moved = world.submit(&shift("/work/a", "/work/b")).unwrap();
    assert!(!moved.replaced);
    assert_eq!(world.tree()["/b"], before["/a"], "content, mode and time");
    assert_eq!((world.tree().len(), world.slots().len()), (1, 0), "nothing was copied");
    let renamed = world.submit(&Rename::new(path("/work/b"), "c").unwrap()).unwrap();
    assert_eq!(world.tree()["/c"], before["/a"]);
    world.undo(renamed.intent).unwrap();
    world.undo(moved.intent).unwrap();
    assert_eq!(world.tree(), before);
}

#[test]
fn what_a_move_replaces_is_kept_and_comes_back() {
    let world = World::new();
    world.work.write("a", "one").unwrap();
    world.work.write("b", "two").unwrap();
    let before = world.tree();
    assert_eq!(world.code(&shift("/work/a", "/work/b")), "failed exists");
    let moved = world.submit(&shift("/work/a", "/work/b").overwriting()).unwrap();
    assert!(moved.replaced);
    assert_eq!((world.tree().len(), world.work.read("b").unwrap()), (1, b"one".to_vec()));
    assert_eq!(world.slots(), [b"two"]);
    world.undo(moved.intent).unwrap();
    assert_eq!((world.tree(), world.slots().len()), (before, 0));
}

#[test]
fn directories_are_not_replaced_and_do_not_come_to_lie_in_themselves() {
    let world = World::new();
    world.work.create_dir_all("d/e").unwrap();
    world.work.create_dir("f").unwrap();
    world.work.write("a", "one").unwrap();
    let before = world.tree();
    let check = |from: &str, to: &str, code: &str| {
        let shift = shift(from, to).overwriting().recursive();
        assert_eq!(world.code(&shift), code, "{from} {to}");
        let copy = Copy::new(path(from), path(to)).overwriting().recursive();
        assert_eq!(world.code(&copy), code, "{from} {to}");
    };
    check("/work/d", "/work/d", "denied into_itself");
    check("/work/d", "/work/d/x", "denied into_itself");
    check("/work/d", "/work/d/e/x", "denied into_itself");
    check("/work/d/e", "/work/d", "denied into_itself");
    check("/work/d", "/work/f", "failed exists");
    check("/work/d", "/work/a", "failed wrong_kind");
    check("/work/a", "/work/d", "failed wrong_kind");
    check("/work/none", "/work/x", "failed not_found");
    check("/work/a", "/work/none/x", "failed parent_not_found");
    check("/work/a", "/work/.ssh", "denied protected_name");
    check("/work/a", "/elsewhere", "denied not_whitelisted");
    assert_eq!(world.code(&shift("/work/d", "/work/g")), "denied not_recursive");
    assert_eq!(world.code(&Delete::new(path("/work/d"))), "denied not_recursive");
    assert_eq!(world.code(&shift("/work", "/work2").recursive()), "denied root_protected");
    assert_eq!(world.tree(), before);
}

#[test]
fn folders_are_crossed_and_read_only_ones_keep_what_they_have() {
    let world = World::new();
    let mount = three(&world);
    world.work.create_dir_all("d/e").unwrap();
    world.work.write("d/e/a", "one").unwrap();
    world.folder("kept").write("a", "kept").unwrap();
    let code = |shift: &Move| word(&block_on(world.agent.submit(&mount, shift)));
    let (there, kept) = (shift("/work/d", "/other/d").recursive(), shift("/kept/a", "/work/a"));
    let before = world.tree();
    let moved = block_on(world.agent.submit(&mount, &there)).unwrap();
    assert_eq!(world.folder("other").read("d/e/a").unwrap(), b"one");
    assert!(world.tree().is_empty());
    let identity = world.agent.caller().identity();
    let undo = mount.endpoint().undo_of(identity, moved.intent).unwrap();
    block_on(world.agent.submit(&mount, &undo)).unwrap();
    assert_eq!(world.tree(), before);
    assert_eq!(code(&kept), "denied read_only");
    assert_eq!(code(&shift("/work/d/e/a", "/kept/b")), "denied read_only");
    let copy = Copy::new(path("/kept/a"), path("/work/a"));
    assert_eq!(word(&block_on(world.agent.submit(&mount, &copy))), "ok");
    assert_eq!(world.work.read("a").unwrap(), b"kept");
}

#[test]
fn what_an_agent_could_not_name_does_not_go_along() {
    let world = World::new();
    world.work.create_dir_all("d/e").unwrap();
    world.work.write("d/e/.env", "secret").unwrap();
    let check = |code: &str| {
        let all: [String; 3] = [
            world.code(&Delete::new(path("/work/d")).recursive()),
            world.code(&shift("/work/d", "/work/x").recursive()),
            world.code(&Rename::new(path("/work/d"), "x").unwrap().recursive()),
        ];
        assert!(all.iter().all(|found| found == code), "{code}: {all:?}");
        assert!(world.work.exists("d/e"));
    };
    check("denied protected_name");
    world.work.rename("d/e/.env", &world.work, "aside").unwrap();
    world.work.write("d/e/SERVER.Key", "").unwrap();
    check("denied protected_name");
    world.work.remove_file("d/e/SERVER.Key").unwrap();

    // A folder that is declared under a name elsewhere, and really lies in here.
    let inner = Folders::new().read_write("/work", world.folder("work")).unwrap();
    let inner = inner.read_only("/notes", world.folder("work/d/e")).unwrap();
    world.folder(".").create_dir("state2").unwrap();
    let node = Node::open(inner, world.folder("state2"), Durability::ProcessSafe).unwrap();
    let mount = world.kernel.mount("inner", node);
    let delete =
        |at: &str| word(&block_on(world.agent.submit(&mount, &Delete::new(path(at)).recursive())));
    assert_eq!(delete("/work/d"), "denied root_protected");
    assert_eq!(delete("/work/d/e"), "denied root_protected");
    assert_eq!(world.code(&Delete::new(path("/work/d")).recursive()), "ok");
}

#[test]
fn a_deleted_directory_comes_back_with_all_it_held() {
    let world = World::new();
    world.work.create_dir_all("d/e").unwrap();
    for nth in 0..200 {
        world.work.write(format!("d/e/{nth}"), nth.to_string()).unwrap();
    }
    let permissions = cap_std::fs::Permissions::from_mode(0o750);
    world.work.set_permissions("d/e", permissions).unwrap();
    let before = world.tree();
    let deleted = world.submit(&Delete::new(path("/work/d")).recursive()).unwrap();
    assert!(world.tree().is_empty());
    let undone = world.undo(deleted.intent).unwrap();
    assert_eq!(world.tree(), before);
    world.undo(undone.intent).unwrap();
    assert!(world.tree().is_empty());
}

#[test]
fn what_a_person_does_to_either_end_wins() {
    for point in [Point::Begun, Point::Recorded, Point::Filled, Point::Confirmed] {
        let check = |act: fn(&Dir), overwrite: bool, expect: &[(&str, &str)]| {
            let world = World::new();
            world.work.write("a", "one").unwrap();
            if overwrite {
                world.work.write("b", "two").unwrap();
            }
            at(&world, point, act);
            let shift = Move { overwrite, ..shift("/work/a", "/work/b") };
            let code = world.code(&shift);
            assert!(["failed conflict", "failed exists"].contains(&&*code), "{point:?}: {code}");
            let tree = world.tree();
            let there: Vec<(&str, &str)> = tree
                .iter()
                .map(|(name, (bytes, ..))| (&**name, bytes.as_deref().unwrap_or_default()))
                .map(|(name, bytes)| (name, std::str::from_utf8(bytes).unwrap()))
                .collect();
            assert_eq!(there, expect, "{point:?}");
            assert_eq!(world.slots().len(), 0, "{point:?}");
        };
        let chmod: fn(&Dir) = |work| {
            work.set_permissions("a", cap_std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        for overwrite in [false, true] {
            let rest: &[_] = if overwrite { &[("/b", "two")] } else { &[] };
            let with = |first: (&'static str, &'static str)| [&[first], rest].concat();
            check(|work| save(work, "a"), overwrite, &with(("/a", "mine")));
            check(|work| work.write("a", "mine").unwrap(), overwrite, &with(("/a", "mine")));
            check(chmod, overwrite, &with(("/a", "one")));
            check(|work| save(work, "b"), overwrite, &[("/a", "one"), ("/b", "mine")]);
        }
        check(|work| work.rename("a", work, "c").unwrap(), true, &[("/b", "two"), ("/c", "one")]);
        check(|work| work.remove_file("b").unwrap(), true, &[("/a", "one")]);
    }
}

#[test]
fn a_directory_swapped_in_just_before_is_put_back() {
    let world = World::new();
    world.work.create_dir("d").unwrap();
    world.work.create_dir("mine").unwrap();
    world.work.write("d/a", "theirs").unwrap();
    world.work.write("mine/a", "mine").unwrap();
    at(&world, Point::Confirmed, |work| {
        work.rename("d", work, "aside").unwrap();
        work.rename("mine", work, "d").unwrap();
    });
    assert_eq!(world.code(&shift("/work/d", "/work/x").recursive()), "failed conflict");
    assert_eq!(world.work.read("d/a").unwrap(), b"mine");
    at(&world, Point::Confirmed, |work| {
        work.rename("d", work, "mine").unwrap();
        work.rename("aside", work, "d").unwrap();
    });
    assert_eq!(world.code(&Delete::new(path("/work/d")).recursive()), "failed conflict");
    assert_eq!(world.work.read("d/a").unwrap(), b"theirs");
}

#[test]
fn an_end_that_moves_away_takes_nothing_along() {
    for (point, end) in [(Point::Filled, "from"), (Point::Traded, "from"), (Point::Traded, "to")] {
        let world = World::new();
        for name in ["from", "to"] {
            world.work.create_dir(name).unwrap();
        }
        world.work.write("from/a", "one").unwrap();
        let outside = world.folder("outside");
        at(&world, point, move |work| work.rename(end, &outside, end).unwrap());
        let code = world.code(&shift("/work/from/a", "/work/to/a"));
        assert_eq!(code, "failed moved", "{point:?} {end}");
        let outside = world.folder("outside");
        let home = if end == "from" { &outside } else { &world.work };
        assert_eq!(home.read("from/a").unwrap(), b"one");
        assert!(!world.work.exists("to/a") && !outside.exists("to/a"));
    }
}

#[test]
fn names_are_one_plain_component() {
    for name in ["", ".", "..", "a/b", "../x", "a\\b", "a\u{202e}b"] {
        assert_eq!(Rename::new(path("/work/a"), name).map(drop), Err(FsError::InvalidName));
        let json = serde_json::json!({ "path": "fs:/work/a", "name": name });
        assert!(serde_json::from_value::<Rename>(json).is_err(), "{name}");
    }
    let rename = Rename::new(path("/work/a"), "b").unwrap().overwriting();
    let json = serde_json::to_string(&rename).unwrap();
    assert_eq!(json, r#"{"name":"b","overwrite":true,"path":"fs:/work/a"}"#);
    assert_eq!(serde_json::from_str::<Rename>(&json).unwrap(), rename);
    let json = r#"{"path":"fs:/a","destination":"fs:/b","root":"/"}"#;
    assert!(serde_json::from_str::<Move>(json).is_err());
    assert!(serde_json::from_str::<Copy>(json).is_err());
}

/// Layer 1 is asked about everything beneath both ends.
#[test]
fn one_denial_beneath_decides_for_the_whole() {
    let world = World::new();
    world.work.create_dir_all("d/private").unwrap();
    let agent = block_on(async {
        let identity = world.owner.identity("narrow").await.unwrap();
        let all = Region::whole_volume().unwrap();
        let private = Region::subtree("fs:/work/d/private").unwrap();
        let grant = ALL.iter().fold(Grant::new(), |grant, action| {
            grant.allow(*action, all.clone()).deny(*action, private.clone())
        });
        world.owner.grant(identity, grant).await.unwrap();
        world.owner.bind(identity, "agent", "test").await.unwrap()
    });
    let before = world.tree();
    let denied = |code: &str| assert!(code.starts_with("denied ") && !code.contains("not_rec"));
    let submit = |shift: &Move| word(&block_on(agent.submit(world.mount(), shift)));
    denied(&submit(&shift("/work/d", "/work/x").recursive()));
    let delete = Delete::new(path("/work/d")).recursive();
    denied(&word(&block_on(agent.submit(world.mount(), &delete))));
    let copy = Copy::new(path("/work/d"), path("/work/x")).recursive();
    denied(&word(&block_on(agent.submit(world.mount(), &copy))));
    assert_eq!(world.tree(), before);
    world.work.create_dir("e").unwrap();
    world.work.write("e/a", "").unwrap();
    assert_eq!(submit(&shift("/work/e", "/work/x").recursive()), "ok");
}
