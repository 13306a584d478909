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
