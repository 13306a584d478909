//! What is kept, how much and how long, and that nothing else is ever removed.
use std::time::Duration;

use super::*;
use crate::pause::Point;

const DAY: Duration = Duration::from_hours(24);

impl World {
    fn open_keeping(&mut self, keep: Keep) {
        self.node = None;
        let folders = Folders::new().read_write("/work", self.folder("work")).unwrap();
        let folders = folders.keeping("/work", keep).unwrap();
        let node = Node::open(folders, self.folder("state"), Durability::ProcessSafe).unwrap();
        self.node = Some(self.kernel.mount("files", node));
    }

    fn kept_bytes(&self) -> u64 {
        self.node().kept().unwrap().iter().map(|kept| kept.size_bytes).sum()
    }
}

fn keeping(keep: Keep) -> World {
    let mut world = World::new();
    world.open_keeping(keep);
    world
}

#[test]
fn the_quota_is_exact_to_the_byte() {
    let mut world = keeping(Keep::default().bytes(100));
    world.work.write("file", "x".repeat(60)).unwrap();
    world.work.write("more", "x".repeat(41)).unwrap();
    let before = world.tree();
    let over = world.write("/work/file", "small").unwrap().intent;
    assert_eq!(world.kept_bytes(), 60);
    for refused in
        [world.code(&Delete::new(path("/work/more"))), word(&world.write("/work/more", ""))]
    {
        assert_eq!(refused, "failed quota_exceeded");
    }
    world.open_keeping(Keep::default().bytes(100));
    assert_eq!(world.code(&Delete::new(path("/work/more"))), "failed quota_exceeded", "reopened");
    assert_eq!(world.work.read("more").unwrap().len(), 41);
    world.work.write("more", "x".repeat(40)).unwrap();
    assert_eq!(world.code(&Delete::new(path("/work/more"))), "ok");
    assert_eq!(world.kept_bytes(), 100);
    assert_eq!(word(&world.write("/work/new", "new")), "ok", "what displaces nothing fits");
    assert_eq!(world.code(&Delete::new(path("/work/new"))), "failed quota_exceeded");
    assert_eq!(word(&world.undo(over)), "ok", "what frees more than it takes fits");
    assert_eq!(world.kept_bytes(), 45);
    assert_eq!(world.tree()["/file"], before["/file"]);
    world.open_keeping(Keep::default().bytes(100));
    assert_eq!(world.kept_bytes(), 45);
}

#[test]
fn a_refused_change_leaves_no_trace() {
    let world = keeping(Keep::default().bytes(0));
    world.work.write("file", "x").unwrap();
    let before = world.tree();
    let journal = world.folder("state").read("journal").unwrap();
    assert_eq!(word(&world.write("/work/file", "y")), "failed quota_exceeded");
    assert_eq!((world.tree(), world.slots().len()), (before, 0));
    let after = world.folder("state").read_to_string("journal").unwrap();
    assert!(!after[journal.len()..].contains("intent"), "{after}");
}

#[test]
fn what_is_older_than_its_days_expires() {
    let world = keeping(Keep::default().days(30));
    world.work.write("file", "one").unwrap();
    let old = world.write("/work/file", "two").unwrap().intent;
    world.clock.advance(29 * DAY);
    let young = world.write("/work/file", "three").unwrap().intent;
    assert_eq!(world.slots().len(), 2);
    world.clock.advance(DAY.saturating_sub(Duration::from_millis(1)));
    assert_eq!(word(&world.write("/work/early", "x")), "ok");
    assert_eq!(world.slots().len(), 2, "a millisecond is left");
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(word(&world.write("/work/other", "x")), "ok");
    assert_eq!(world.slots(), [b"two"]);
    assert_eq!(word(&world.undo(young)), "ok");
    assert_eq!(word(&world.undo(old)), "failed expired");
    assert_eq!(world.work.read("file").unwrap(), b"two");
}

#[test]
fn what_expires_makes_room() {
    let world = keeping(Keep::default().bytes(3).days(1));
    world.work.write("file", "one").unwrap();
    world.write("/work/file", "two").unwrap();
    assert_eq!(word(&world.write("/work/file", "six")), "failed quota_exceeded");
    world.clock.advance(DAY);
    assert_eq!(word(&world.write("/work/file", "six")), "ok");
    assert_eq!(world.slots(), [b"two"]);
}

#[test]
fn the_owner_sees_gets_and_prunes_what_is_kept() {
    let world = keeping(Keep::default());
    world.work.write("file", "one").unwrap();
    world.work.create_dir("dir").unwrap();
    let first = world.write("/work/file", "two").unwrap().intent;
    world.clock.advance(DAY);
    let second = world.write("/work/file", "three").unwrap().intent;
    let dir = world.submit(&Delete::new(path("/work/dir"))).unwrap().intent;
    let kept = world.node().kept().unwrap();
    let seen: Vec<_> = kept.iter().map(|kept| (kept.intent, kept.size_bytes)).collect();
    assert_eq!(seen, [(first, 3), (second, 3), (dir, 0)]);
    assert_eq!((kept[0].path.as_str(), kept[0].label.as_str()), ("fs:/work/file", "/work"));
    let digest = |text: &[u8]| clawnet_core::Digest::of_content(text);
    assert_eq!(kept[0].digest, Some(digest(b"one")));
    let content = |text: &[u8]| world.node().content(digest(text));
    assert_eq!(content(b"one"), Ok(Some(b"one".to_vec())));
    assert_eq!(content(b"three"), Ok(None), "that is in the folder");
    let pruned = world.node().prune(kept[1].since).unwrap();
    assert_eq!((pruned.changes, pruned.size_bytes), (1, 3));
    assert_eq!(content(b"one"), Ok(None));
    assert_eq!(word(&world.undo(first)), "failed expired");
    assert_eq!(word(&world.undo(dir)), "ok");
    assert_eq!(word(&world.undo(second)), "ok");
    assert_eq!(world.node().prune(Timestamp::from_millis(0)).unwrap(), Pruned::default());
    let slots = world.folder("state").open_dir("slots").unwrap();
    let name = slots.entries().unwrap().next().unwrap().unwrap().file_name();
    slots.write(name, "thre3").unwrap();
    assert_eq!(content(b"three"), Err(FsError::Tampered));
}

#[test]
fn a_crash_between_the_record_and_the_removal_removes_later() {
    let mut world = keeping(Keep::default());
    world.work.write("file", "one").unwrap();
    world.work.write("other", "mine").unwrap();
    let written = world.write("/work/file", "two").unwrap().intent;
    world.clock.advance(DAY);
    let young = world.submit(&Delete::new(path("/work/other"))).unwrap().intent;
    world.open_keeping(Keep::default().days(1));
    world.node().hook().set(|point| {
        if point == Point::Pruned {
            std::panic::resume_unwind(Box::new("crash"));
        }
    });
    assert_eq!(word(&world.write("/work/new", "x")), "failed panicked");
    assert_eq!(world.slots().len(), 2, "it is recorded, and still there");
    world.open_keeping(Keep::default().days(1));
    assert_eq!(world.slots(), [b"mine"]);
    assert_eq!(word(&world.undo(written)), "failed expired");
    assert_eq!(world.work.read("file").unwrap(), b"two");
    world.undo(young).unwrap();
    assert_eq!(world.work.read("other").unwrap(), b"mine");
}

#[test]
fn nothing_is_removed_that_no_record_gave_up() {
    let mut world = keeping(Keep::default());
    world.work.write("file", "one").unwrap();
    world.write("/work/file", "two").unwrap();
    let slots = world.folder("state").open_dir("slots").unwrap();
    slots.write("own_stray.1.0", "stray").unwrap();
    slots.write("notes.txt", "the owner's own").unwrap();
    slots.create_dir("dir").unwrap();
    world.clock.advance(400 * DAY);
    world.open_keeping(Keep::default().days(1));
    world.node().prune(Timestamp::from_millis(u64::MAX)).unwrap();
    assert_eq!(word(&world.write("/work/new", "x")), "ok");
    let left: Vec<_> = slots.entries().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_is_in_conflict_stays() {
    let mut world = keeping(Keep::default());
    world.work.write("file", "one").unwrap();
    let over = world.write("/work/file", "two").unwrap().intent;
    let work = world.folder("work");
    world.node().hook().set(move |point| {
        if point == Point::Traded {
            work.write("file", "mine").unwrap();
            std::panic::resume_unwind(Box::new("crash"));
        }
    });
    assert_eq!(word(&world.undo(over)), "failed panicked");
    let slots = world.folder("state").open_dir("slots").unwrap();
    let name = slots.entries().unwrap().next().unwrap().unwrap().file_name();
    slots.write(name, "changed").unwrap();
    world.open_keeping(Keep::default().days(1));
    assert_eq!(world.node().recovered().conflicts.len(), 1, "{:?}", world.node().recovered());
    world.clock.advance(99 * DAY);
    assert_eq!(word(&world.write("/work/new", "x")), "ok");
    assert_eq!(world.node().prune(Timestamp::from_millis(u64::MAX)).unwrap().changes, 0);
    assert_eq!(world.slots(), [b"changed"]);
}

#[test]
fn pruning_on_the_way_of_a_change_is_bounded() {
    let world = keeping(Keep::default().days(1));
    for nth in 0..40 {
        world.work.write(format!("f{nth}"), "x").unwrap();
        assert_eq!(world.code(&Delete::new(path(&format!("/work/f{nth}")))), "ok");
    }
    world.clock.advance(2 * DAY);
    let mut left = vec![40];
    while *left.last().unwrap() > 0 {
        assert_eq!(word(&world.write(&format!("/work/new{}", left.len()), "x")), "ok");
        left.push(world.slots().len());
    }
    assert_eq!(left, [40, 24, 8, 0]);
}
