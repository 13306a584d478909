//! Somebody else at the same files at the same time. The attacks prove that they were alive.
use std::{
    os::unix::fs::symlink,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use rustix::fs::{RenameFlags, renameat_with};

use super::*;
use crate::pause::Point;

#[test]
fn a_directory_swapped_for_a_link_leads_nowhere() {
    let world = World::new();
    world.work.create_dir("way").unwrap();
    world.work.create_dir(".ssh").unwrap();
    world.work.write("way/file", "open").unwrap();
    world.work.write(".ssh/file", "secret").unwrap();
    symlink(".ssh", world.base.path().join("work/link")).unwrap();
    let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let attacker = thread::spawn({
        let (work, stop, swaps) = (world.folder("work"), stop.clone(), swaps.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(&work, "way", &work, "link", RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let (mut naive_leaks, mut reads, mut writes, mut refusals) = (0, 0, 0, 0);
    for round in 0..200_000 {
        naive_leaks += u32::from(world.work.read("way/file").is_ok_and(|got| got == b"secret"));
        match world.submit(&Read::of(path("/work/way/file"))) {
            Ok(read) => {
                assert_eq!(read.content.as_text(), Some("open"), "a read leaked");
                reads += 1;
            }
            Err(_) => refusals += 1,
        }
        let write = Write::new(path("/work/way/new"), round.to_string());
        writes += u32::from(world.submit(&write).is_ok());
        if naive_leaks.min(reads).min(writes).min(refusals) >= 20 && round >= 500 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    attacker.join().unwrap();
    let alive = swaps.load(Ordering::Relaxed) > 0 && naive_leaks > 0;
    assert!(alive && reads > 0 && writes > 0 && refusals > 0, "{naive_leaks} {reads} {writes}");
    let secret = world.folder("work/.ssh");
    assert_eq!(secret.read("file").unwrap(), b"secret");
    assert_eq!(secret.entries().unwrap().count(), 1, "a write landed behind the link");
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

/// As editors save: a new file, renamed over the old one.
fn save(work: &Dir) {
    work.write("saved", "mine").unwrap();
    work.rename("saved", work, "file").unwrap();
}

#[test]
fn a_save_in_between_is_kept_and_said() {
    for in_place in [true, false] {
        let world = World::new();
        world.work.write("file", "one").unwrap();
        at(&world, Point::Confirmed, move |work| {
            if in_place { work.write("file", "mine").unwrap() } else { save(work) }
        });
        let written = world.write("/work/file", "two").unwrap();
        assert!(written.raced);
        assert_eq!(world.work.read("file").unwrap(), b"two");
        assert_eq!(world.slots(), [b"mine"]);
        world.undo(written.intent).unwrap();
        assert_eq!(world.work.read("file").unwrap(), b"mine");
    }
}

#[test]
fn a_save_after_layer_two_was_asked_is_not_what_was_allowed() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    at(&world, Point::Begun, save);
    assert_eq!(word(&world.write("/work/file", "two")), "failed conflict");
    at(&world, Point::Begun, |work| work.write("file", "again").unwrap());
    assert_eq!(world.code(&Delete::new(path("/work/file"))), "failed conflict");
    assert_eq!(world.work.read("file").unwrap(), b"again");
}

#[test]
fn a_save_in_between_wins_against_a_condition() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let digest = clawnet_core::Digest::of_content(b"one");
    at(&world, Point::Confirmed, save);
    let write = Write::new(path("/work/file"), "two").if_content_is(digest);
    assert_eq!(world.code(&write), "failed conflict");
    assert_eq!(world.work.read("file").unwrap(), b"mine");
    assert_eq!(world.slots(), Vec::<Vec<u8>>::new());
}

#[test]
fn saves_before_and_after_the_exchange_leave_the_newest() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    let digest = clawnet_core::Digest::of_content(b"one");
    let work = world.folder("work");
    world.node().hook().set(move |point| {
        if point == Point::Confirmed {
            save(&work);
        } else if point == Point::Traded {
            work.write("newest", "newest").unwrap();
            work.rename("newest", &work, "file").unwrap();
        }
    });
    let write = Write::new(path("/work/file"), "two").if_content_is(digest);
    assert_eq!(world.code(&write), "failed conflict");
    assert_eq!(world.work.read("file").unwrap(), b"newest");
    assert_eq!(world.slots(), [b"mine"], "what was displaced is kept");
}

/// A save over what the node put there, and one more: it may get the number of what is gone.
fn save_with_the_number_of(dir: &Dir, ours: u64) -> bool {
    use cap_std::fs::MetadataExt;
    let number = |name: &str| dir.metadata(name).unwrap().ino();
    dir.write("saved", "second").unwrap();
    dir.rename("saved", dir, "file").unwrap();
    let names: Vec<String> = (0..100).map(|nth| format!("saved{nth}")).collect();
    let found = names.iter().find(|name| {
        dir.write(name, "newest").unwrap();
        number(name) == ours
    });
    dir.rename(found.unwrap_or(&names[0]), dir, "file").unwrap();
    found.is_some()
}

/// Numbers of files are used again at once: what bears that of the node's own file, which a save
/// sent away for good, can be a person's next save.
#[test]
fn a_save_with_the_number_of_the_nodes_own_file_is_not_taken_for_it() {
    use cap_std::fs::MetadataExt;
    let mut used_again = 0;
    for there in [true, false] {
        let world = World::new();
        world.work.create_dir("dir").unwrap();
        if there {
            world.work.write("dir/file", "one").unwrap();
        }
        let (work, outside) = (world.folder("work"), world.folder("outside"));
        let seen = Arc::new(AtomicU64::new(0));
        let again = seen.clone();
        world.node().hook().set(move |point| {
            if point == Point::Confirmed && there {
                save(&work.open_dir("dir").unwrap());
            } else if point == Point::Traded {
                let dir = work.open_dir("dir").unwrap();
                let ours = dir.metadata("file").unwrap().ino();
                let same = save_with_the_number_of(&dir, ours);
                again.fetch_add(u64::from(same), Ordering::Relaxed);
                // So that the change is taken back, with or without a condition.
                work.rename("dir", &outside, "dir").unwrap();
            }
        });
        let write = Write::new(path("/work/dir/file"), "two");
        let one = clawnet_core::Digest::of_content(b"one");
        let write = if there { write.if_content_is(one) } else { write.if_absent() };
        let told = world.code(&write);
        assert!(["failed conflict", "failed moved"].contains(&told.as_str()), "{told}");
        used_again += seen.load(Ordering::Relaxed);
        let mut found = world.slots();
        found.extend(world.folder("outside").read("dir/file"));
        assert!(found.contains(&b"newest".to_vec()), "{there}: {found:?}");
    }
    println!("the number was used again {used_again} times");
}

#[test]
fn what_is_saved_into_a_copied_tree_is_not_cleared_away_with_it() {
    let world = World::new();
    world.work.create_dir_all("tree/below").unwrap();
    world.work.write("tree/below/file", "one").unwrap();
    world.work.create_dir("dir").unwrap();
    let (work, outside) = (world.folder("work"), world.folder("outside"));
    world.node().hook().set(move |point| {
        if point == Point::Traded {
            work.write("dir/copy/below/mine", "mine").unwrap();
            // So that the copy is taken back.
            work.rename("dir", &outside, "dir").unwrap();
        }
    });
    let copy = Copy::new(path("/work/tree"), path("/work/dir/copy")).recursive();
    assert_eq!(world.code(&copy), "failed moved");
    let mut found = BTreeMap::new();
    walk(&world.folder("outside"), "", &mut found);
    walk(&world.folder("state"), "", &mut found);
    let mine = |(content, ..): &(Option<Vec<u8>>, u32, u128)| content.as_deref() == Some(b"mine");
    assert!(found.values().any(mine), "{:?}", found.keys());
}

#[test]
fn what_appears_in_between_is_not_replaced() {
    let world = World::new();
    at(&world, Point::Confirmed, |work| work.write("file", "mine").unwrap());
    assert_eq!(word(&world.write("/work/file", "two")), "failed exists");
    at(&world, Point::Confirmed, save);
    assert_eq!(world.code(&Delete::new(path("/work/file"))), "failed conflict");
    assert_eq!(world.work.read("file").unwrap(), b"mine");
    assert_eq!(world.slots(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_link_put_in_the_way_is_put_back() {
    let world = World::new();
    world.work.write("file", "one").unwrap();
    at(&world, Point::Confirmed, |work| {
        work.rename("file", work, "aside").unwrap();
        work.symlink("aside", "file").unwrap();
    });
    assert_eq!(word(&world.write("/work/file", "two")), "failed not_regular");
    assert!(world.work.symlink_metadata("file").unwrap().is_symlink());
    assert_eq!(world.work.read("aside").unwrap(), b"one");
}

#[test]
fn a_directory_that_moves_away_takes_no_change_along() {
    for point in [Point::Filled, Point::Confirmed, Point::Traded] {
        let world = World::new();
        world.work.create_dir("dir").unwrap();
        world.work.write("dir/file", "one").unwrap();
        let outside = world.folder("outside");
        at(&world, point, move |work| work.rename("dir", &outside, "dir").unwrap());
        assert_eq!(word(&world.write("/work/dir/file", "two")), "failed moved", "{point:?}");
        assert_eq!(world.folder("outside").read("dir/file").unwrap(), b"one");
        assert_eq!(world.slots(), Vec::<Vec<u8>>::new());
    }
}

#[test]
fn a_revocation_right_before_the_effect_wins() {
    let world = World::new();
    let identity = world.agent.caller().identity();
    let owner = block_on(world.kernel.owner(SoftwareKey::from_secret(&[7; 32]))).unwrap();
    let owner = Arc::new(owner);
    world.node().hook().set(move |point| {
        if point == Point::Filled {
            let owner = owner.clone();
            thread::spawn(move || block_on(owner.freeze(identity)).unwrap()).join().unwrap();
        }
    });
    assert_eq!(word(&world.write("/work/file", "two")), "failed revoked");
    assert_eq!((world.tree().len(), world.slots().len()), (0, 0));
}

#[test]
fn no_save_is_lost_beside_a_writing_agent() {
    let world = World::new();
    world.work.write("file", "start").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let person = thread::spawn({
        let (work, stop) = (world.folder("work"), stop.clone());
        move || {
            let mut saved = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let text = format!("save {}", saved.len());
                work.write("saving", &text).unwrap();
                // The person's editor keeps what it replaces, so that no save is lost by saving.
                renameat_with(&work, "saving", &work, "file", RenameFlags::EXCHANGE).unwrap();
                let replaced = work.read("saving").unwrap();
                saved.push((text.into_bytes(), replaced));
                thread::yield_now();
            }
            saved
        }
    });
    let writes = (0..300).filter(|round| world.write("/work/file", &format!("w{round}")).is_ok());
    let writes = writes.count();
    stop.store(true, Ordering::Relaxed);
    let saved = person.join().unwrap();
    let mut kept: Vec<Vec<u8>> = world.slots();
    kept.extend(saved.iter().map(|(_, replaced)| replaced.clone()));
    kept.push(world.work.read("file").unwrap());
    kept.sort_unstable();
    assert!(writes > 0 && !saved.is_empty());
    for (text, _) in &saved {
        assert!(kept.binary_search(text).is_ok(), "{}", String::from_utf8_lossy(text));
    }
}
