//! Rollbacks that the death of the process interrupts, and their recovery.
use super::*;

/// Overwritten twice, created below new directories, deleted, moved, moved over another, copied as
/// a whole, and deleted as a whole.
fn prepared() -> (World, Rollback) {
    let world = World::new();
    world.work.write("old", "one").unwrap();
    world.work.write("gone", "two").unwrap();
    world.work.create_dir_all("tree/deep").unwrap();
    world.work.write("tree/deep/file", "three").unwrap();
    world.work.write("target", "four").unwrap();
    world.work.write("source", "five").unwrap();
    world.write("/work/old", "new").unwrap();
    world.write("/work/old", "newer").unwrap();
    let deep = Write::new(path("/work/a/b"), "deep");
    world.submit(&deep.creating_dirs_below(&path("/work")).unwrap()).unwrap();
    world.submit(&Delete::new(path("/work/gone"))).unwrap();
    world.write("/work/gone", "again").unwrap();
    let over = Move::new(path("/work/source"), path("/work/target")).overwriting();
    world.submit(&over).unwrap();
    let copy = Copy::new(path("/work/tree"), path("/work/copy")).recursive();
    world.submit(&copy).unwrap();
    let shift = Move::new(path("/work/tree"), path("/work/moved")).recursive();
    world.submit(&shift).unwrap();
    let shift = Move::new(path("/work/moved/deep"), path("/work/deep")).recursive();
    world.submit(&shift).unwrap();
    world.write("/work/deep/file", "new").unwrap();
    world.submit(&Delete::new(path("/work/deep")).recursive()).unwrap();
    let operation = world.submit(&all()).unwrap().operation.unwrap();
    (world, operation)
}

fn all() -> Rollback {
    Rollback::look(path("/work"), Selection::Since(Timestamp::from_millis(0)))
}

/// Makes the process die when a change reaches its `nth` point.
fn die_at(world: &World, nth: usize, before: impl Fn(&Dir) + Send + 'static) {
    let (mut left, work) = (nth, world.folder("work"));
    world.node().hook().set(move |_| {
        if left == 0 {
            before(&work);
            std::panic::resume_unwind(Box::new("crash"));
        }
        left -= 1;
    });
}

/// What each path holds, and its mode.
type Contents = BTreeMap<String, (Option<Vec<u8>>, u32)>;

/// The tree before, and after.
fn ends() -> [Contents; 2] {
    let (world, operation) = prepared();
    let changed = contents(&world);
    world.submit(&operation).unwrap();
    [changed, contents(&world)]
}

fn contents(world: &World) -> BTreeMap<String, (Option<Vec<u8>>, u32)> {
    let tree = world.tree().into_iter();
    tree.map(|(name, (content, mode, _))| (name, (content, mode))).collect()
}

#[test]
fn a_crash_in_a_rollback_leaves_all_of_it_or_nothing() {
    let [changed, back] = ends();
    let (mut whole, mut none) = (0, 0);
    for nth in 0.. {
        let (mut world, operation) = prepared();
        die_at(&world, nth, |_| {});
        if world.submit(&operation).is_ok() {
            break;
        }
        let made = contents(&world) != changed;
        let recovered = world.reopen(Durability::ProcessSafe);
        assert!(recovered.conflicts.is_empty(), "{nth}: {recovered:?}");
        let end = if made { &back } else { &changed };
        assert_eq!(&contents(&world), end, "{nth}: what was begun is brought to its end");
        *(if made { &mut whole } else { &mut none }) += 1;
        assert_eq!(world.reopen(Durability::ProcessSafe), Recovered::default(), "{nth}");
        if made {
            let last = world.submit(&History::of(path("/work")).at_most(1)).unwrap().changes;
            assert_eq!((last[0].kind.as_str(), last[0].state), ("fs.rollback", Standing::Done));
            world.undo(last[0].intent).unwrap();
            assert_eq!(contents(&world), changed, "{nth}: and done again");
        } else {
            world.submit(&operation).unwrap();
            assert_eq!(contents(&world), back, "{nth}");
        }
    }
    println!("whole, none: {whole}, {none}");
    assert!(whole > 20 && none >= 4, "{whole} {none}");
}

#[test]
fn a_crash_in_its_recovery_is_recovered_from() {
    let [changed, back] = ends();
    let mut crashes = 0;
    for nth in 0.. {
        let (world, operation) = prepared();
        die_at(&world, nth, |_| {});
        if world.submit(&operation).is_ok() {
            break;
        }
        let end = if contents(&world) == changed { &changed } else { &back };
        for steps in 0.. {
            let (mut world, operation) = prepared();
            die_at(&world, nth, |_| {});
            drop(world.submit(&operation));
            let Some(_) = world.reopen_dying_after(steps) else {
                crashes += 1;
                while world.reopen_dying_after(1).is_none() {}
                assert_eq!(&contents(&world), end, "{nth} {steps}");
                continue;
            };
            assert_eq!(&contents(&world), end, "{nth} {steps}");
            break;
        }
    }
    assert!(crashes > 30, "{crashes}");
}

#[test]
fn what_a_person_changes_after_a_crash_takes_it_all_back() {
    let [changed, _] = ends();
    let (mut back, mut kept) = (0, 0);
    for nth in 0.. {
        let (mut world, operation) = prepared();
        die_at(&world, nth, |work| work.write("a/mine", "mine").unwrap_or_default());
        if world.submit(&operation).is_ok() {
            break;
        }
        let mine = world.work.exists("a/mine");
        let before = contents(&world);
        for steps in [0, 1, 2] {
            drop(world.reopen_dying_after(steps));
        }
        let recovered = world.reopen(Durability::ProcessSafe);
        assert!(recovered.conflicts.is_empty(), "{nth}: {recovered:?}");
        if mine {
            let mut with_mine = changed.clone();
            with_mine.insert("/a/mine".into(), before["/a/mine"].clone());
            assert_eq!(contents(&world), with_mine, "{nth}: taken back");
            back += 1;
        } else {
            kept += 1;
        }
        assert_eq!(world.reopen(Durability::ProcessSafe), Recovered::default());
    }
    assert!(back > 10 && kept > 5, "{back} {kept}");
}
