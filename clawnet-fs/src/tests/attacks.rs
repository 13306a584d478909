//! Attacks that once worked.
use super::*;
use crate::pause::Point;

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

/// Layer 1 was asked about an empty directory, not about what comes to lie in it.
#[test]
fn a_directory_that_fills_up_does_not_go_unasked() {
    let fill: fn(&Dir) = |work| {
        for name in ["d", "x"] {
            drop(work.write(format!("{name}/private"), "mine"));
        }
    };
    for point in [Point::Recorded, Point::Filled, Point::Confirmed] {
        let world = World::new();
        world.work.create_dir("d").unwrap();
        at(&world, point, fill);
        let shift = Move::new(path("/work/d"), path("/work/x"));
        assert_eq!(world.code(&shift), "failed conflict", "{point:?}");
        assert_eq!(world.work.read("d/private").unwrap(), b"mine");
        assert!(!world.work.exists("x"));
        world.work.remove_file("d/private").unwrap();
        let moved = world.submit(&shift).unwrap().intent;
        at(&world, point, fill);
        assert_eq!(word(&world.undo(moved)), "failed conflict", "{point:?}");
        assert_eq!(world.work.read("x/private").unwrap(), b"mine");
        world.work.remove_file("x/private").unwrap();
        world.undo(moved).unwrap();
        assert!(world.work.exists("d"));
    }
}

/// A node over `/work` and `/other` by a list in a file, with a rule from the one to the other.
fn listed(world: &mut World) -> (Dir, impl Fn(&[&str], bool) -> String + Send + 'static) {
    world.node = None;
    let (list, base) = (world.folder("outside"), world.base.path().display().to_string());
    world.folder(".").create_dir("other").unwrap();
    let text = move |names: &[&str], flow: bool| {
        let folder = |name: &&str| {
            format!(
                "[[folder]]\nname = \"/{name}\"\npath = \"{base}/{name}\"\nmode = \"read-write\"\n"
            )
        };
        let folders: String = names.iter().map(folder).collect();
        let rule = "[[flow]]\nfrom = \"/work\"\nto = \"/other\"\n";
        format!("format = 1\n{folders}{}[end]\n", if flow { rule } else { "" })
    };
    list.write("list", text(&["work", "other"], true)).unwrap();
    let folders = Folders::read_from(list.try_clone().unwrap(), "list", ambient_authority());
    let node = Node::open(folders.unwrap(), world.folder("state"), Durability::ProcessSafe);
    world.node = Some(world.kernel.mount("files", node.unwrap()));
    (list, text)
}

/// The owner's list holds until the very rename, for a copy's source too.
#[test]
fn a_rule_that_ends_while_a_copy_is_made_ends_the_copy() {
    let cases: [(&[&str], &str); 2] =
        [(&["work", "other"], "failed flow_denied"), (&["other"], "failed not_whitelisted")];
    for (left, refused) in cases {
        for from in ["/work/file", "/work/tree"] {
            let mut world = World::new();
            world.work.write("file", "secret").unwrap();
            world.work.create_dir("tree").unwrap();
            world.work.write("tree/file", "secret").unwrap();
            let (list, text) = listed(&mut world);
            let copy = |to: &str| Copy::new(path(from), path(to)).recursive();
            assert_eq!(world.code(&copy("/other/first")), "ok");
            world.node().hook().set(move |point| {
                if point == Point::Filled {
                    list.write("list", text(left, false)).unwrap();
                }
            });
            assert_eq!(world.code(&copy("/other/second")), refused, "{from}");
            assert!(!world.folder("other").exists("second"), "{from}");
        }
    }
}

/// Makes the process die when the next change reaches a point for the `nth` time.
fn die_at(world: &World, (point, nth): (Point, u32), mut act: impl FnMut(u32) + Send + 'static) {
    let mut reached = 0;
    world.node().hook().set(move |now| {
        if now == point {
            reached += 1;
            act(reached);
            if reached == nth {
                std::panic::resume_unwind(Box::new("crash"));
            }
        }
    });
}

#[test]
fn what_a_person_puts_into_a_made_directory_after_a_crash_stays_there() {
    let mut world = World::new();
    die_at(&world, (Point::Filled, 2), |_| ());
    let write = Write::new(path("/work/a/file"), "x");
    let write = write.creating_dirs_below(&path("/work")).unwrap();
    assert_eq!(world.code(&write), "failed panicked");
    world.work.write("a/mine", "mine").unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    assert_eq!(world.work.read("a/mine").unwrap(), b"mine", "{recovered:?}");
}

#[test]
fn what_a_person_saved_into_a_new_file_is_not_cleared_away_after_a_crash() {
    let mut world = World::new();
    world.work.create_dir("g").unwrap();
    let (work, outside) = (world.folder("work"), world.folder("outside"));
    // The file is there, a person saves into it, and its directory goes away: all of it is taken
    // back, and just then the process dies.
    die_at(&world, (Point::Traded, 3), move |nth| {
        if nth == 2 {
            let old = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
            let times = rustix::fs::Timestamps { last_access: old, last_modification: old };
            work.write("g/a/file", "mine").unwrap();
            let flags = rustix::fs::AtFlags::empty();
            rustix::fs::utimensat(&work, "g/a/file", &times, flags).unwrap();
            work.rename("g", &outside, "g").unwrap();
        }
    });
    let write = Write::new(path("/work/g/a/file"), "theirs");
    let write = write.creating_dirs_below(&path("/work/g")).unwrap();
    assert_eq!(world.code(&write), "failed panicked");
    world.folder("outside").rename("g", &world.work, "g").unwrap();
    let recovered = world.reopen(Durability::ProcessSafe);
    let mut found = world.slots();
    found.extend(world.work.read("g/a/file"));
    assert!(found.contains(&b"mine".to_vec()), "{recovered:?} {found:?}");
}

/// What may not be read was moved to where it may.
#[test]
fn what_may_not_be_read_is_not_moved_to_where_it_may() {
    let world = World::new();
    world.work.create_dir_all("secret/deep").unwrap();
    world.work.write("secret/deep/x", "hidden").unwrap();
    let region = |text: &str| Region::subtree(text).unwrap();
    let grant = Grant::new()
        .allow(ALL, region("fs:/work"))
        .deny(Action::Read, region("fs:/work/secret/deep"));
    let agent = seeing::granted(&world, grant);
    let code = |shift: &Move| word(&block_on(agent.submit(world.mount(), shift)));
    let file = Move::new(path("/work/secret/deep/x"), path("/work/x"));
    assert_eq!(code(&file), "denied forbidden");
    let tree = Move::new(path("/work/secret"), path("/work/other")).recursive();
    assert_eq!(code(&tree), "denied forbidden");
    let back = Rename::new(path("/work/secret/deep/x"), "y").unwrap();
    assert_eq!(word(&block_on(agent.submit(world.mount(), &back))), "denied forbidden");
}

/// The same on the way back: a move was taken back, or made again, under yesterday's rules.
#[test]
fn what_may_not_be_read_does_not_come_back_to_where_it_may() {
    let all = || Rollback::look(path("/work"), Selection::Since(Timestamp::from_millis(0)));
    for over in [false, true] {
        let world = World::new();
        let identity = world.agent.caller().identity();
        for name in ["open", "secret"] {
            world.work.create_dir_all(name).unwrap();
            if over {
                world.work.write(format!("{name}/to"), "replaced").unwrap();
            }
        }
        world.work.write("secret/x", "hidden").unwrap();
        world.work.write("open/x", "shown").unwrap();
        let shift = |from, to| Move { overwrite: over, ..Move::new(path(from), path(to)) };
        let out = world.submit(&shift("/work/secret/x", "/work/open/to")).unwrap().intent;
        let undone = world.undo(out).unwrap().intent;
        let put_in = world.submit(&shift("/work/open/x", "/work/secret/to")).unwrap().intent;
        let redo = world.node().redo_of(identity, undone).unwrap();
        let look = world.submit(&all()).unwrap();
        let deny = Grant::new().deny(Action::Read, Region::subtree("fs:/work/secret").unwrap());
        block_on(world.owner.grant(identity, deny)).unwrap();
        let before = world.tree();
        assert_eq!(world.code(&redo), "denied forbidden");
        assert_eq!(word(&world.undo(put_in)), "denied forbidden");
        assert_eq!(world.code(&look.operation.unwrap()), "denied forbidden");
        assert_eq!(world.tree(), before);
    }
}

/// What others put into a directory meanwhile goes along: layer 1 is asked about all of it.
#[test]
fn what_others_put_into_a_directory_does_not_come_back_unasked() {
    let world = World::new();
    world.work.create_dir_all("d/e").unwrap();
    world.work.create_dir("there").unwrap();
    let shift = Move::new(path("/work/d"), path("/work/there/d")).recursive();
    let moved = world.submit(&shift).unwrap().intent;
    world.work.write("there/d/e/private", "mine").unwrap();
    let deny = Grant::new().deny(Action::Read, Region::subtree("fs:/work/there/d/e").unwrap());
    block_on(world.owner.grant(world.agent.caller().identity(), deny)).unwrap();
    assert_eq!(word(&world.undo(moved)), "denied forbidden");
    assert!(world.work.exists("there/d/e/private") && !world.work.exists("d"));
}

/// What returns to its own path is told to nobody: who may write there may take back what it wrote.
#[test]
fn what_comes_back_to_its_own_path_needs_no_reading() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let over = world.write("/work/file", "two").unwrap().intent;
    let gone = world.submit(&Delete::new(path("/work/file"))).unwrap().intent;
    let deny = Grant::new().deny(Action::Read, Region::subtree("fs:/work").unwrap());
    block_on(world.owner.grant(world.agent.caller().identity(), deny)).unwrap();
    world.undo(gone).unwrap();
    world.undo(over).unwrap();
    assert_eq!(world.work.read("file").unwrap(), b"one");
}
