//! What no agent reaches, whatever layer 1 says.
use std::os::unix::fs::symlink;

use rustix::fs::{FileType, Mode, mknodat};

use super::*;

/// Every operation on one path, and what each is refused with.
fn check(world: &World, at: &str, expect: [&str; 6]) {
    let outcomes = [
        world.code(&Read::of(path(at))),
        world.code(&Stat::of(path(at))),
        world.code(&List::of(path(at))),
        world.code(&Write::new(path(at), "new")),
        world.code(&Mkdir::new(path(at))),
        world.code(&Delete::new(path(at))),
    ];
    assert_eq!(outcomes, expect, "{at}");
}

#[test]
fn links_are_never_followed() {
    let world = World::new();
    world.work.create_dir("inner").unwrap();
    world.work.write("inner/file", "inside").unwrap();
    for (target, name) in
        [("inner/file", "file"), ("inner", "dir"), ("../outside", "out"), ("nowhere", "dangling")]
    {
        symlink(target, world.base.path().join("work").join(name)).unwrap();
        check(&world, &format!("/work/{name}"), ["denied not_regular"; 6]);
    }
    check(&world, "/work/dir/file", ["denied not_regular"; 6]);
    check(&world, "/work/out/file", ["denied not_regular"; 6]);
    assert_eq!(world.folder("outside").read("file").unwrap(), b"outside");
    assert!(!world.folder("work").exists("nowhere"));
    let listing = world.submit(&List::of(path("/work"))).unwrap();
    let links = listing.entries.iter().filter(|entry| entry.kind == EntryKind::Symlink);
    assert_eq!((links.count(), listing.entries.len()), (4, 5));
}

#[test]
fn a_file_with_two_names_is_no_content() {
    let world = World::new();
    world.folder("outside").hard_link("file", &world.work, "two").unwrap();
    let refused = "denied hard_linked";
    check(&world, "/work/two", [refused, "ok", "failed wrong_kind", refused, refused, refused]);
    assert_eq!(world.folder("outside").read("file").unwrap(), b"outside");
}

#[test]
fn a_pipe_does_not_hold_a_thread() {
    let world = World::new();
    mknodat(&world.work, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let refused = "denied not_regular";
    check(&world, "/work/pipe", [refused, "ok", "failed wrong_kind", refused, refused, refused]);
}

#[test]
fn protected_names_are_protected_before_they_exist() {
    let world = World::new();
    world.work.create_dir(".ssh").unwrap();
    world.work.write(".ssh/config", "secret").unwrap();
    world.work.write(".env", "secret").unwrap();
    let refused = ["denied protected_name"; 6];
    for at in ["/work/.env", "/work/.ENV", "/work/.ssh/config", "/work/a/.ssh/b", "/work/k.PEM"] {
        check(&world, at, refused);
    }
    check(&world, "/work/.еnv", ["denied confusable_name"; 6]);
    assert_eq!(world.code(&Mkdir::new(path("/work/.ssh"))), "denied protected_name");
    let listing = world.submit(&List::of(path("/work")).with_hidden().recursive(9)).unwrap();
    assert_eq!(listing.entries, []);
}

#[test]
fn only_declared_folders_exist_and_they_stay() {
    let world = World::new();
    check(&world, "/workspace/a", ["denied not_whitelisted"; 6]);
    check(&world, "/", ["denied not_whitelisted"; 6]);
    let refused = "denied root_protected";
    check(&world, "/work", ["denied wrong_kind", "ok", "ok", refused, refused, refused]);
}

#[test]
fn a_read_only_folder_is_read_only() {
    let mut world = World::new();
    world.node = None;
    world.work.write("file", "text").unwrap();
    let folders = Folders::new().read_only("/work", world.folder("work")).unwrap();
    let node = Node::open(folders, world.folder("state"), Durability::ProcessSafe).unwrap();
    world.node = Some(world.kernel.mount("files", node));
    let refused = "denied read_only";
    check(&world, "/work/file", ["ok", "ok", "failed wrong_kind", refused, refused, refused]);
    assert!(!world.submit(&Stat::of(path("/work/file"))).unwrap().writable);
}

#[test]
fn the_store_is_outside_every_folder() {
    let world = World::new();
    world.work.create_dir("inner").unwrap();
    let open = |folder: Dir, state: Dir| {
        let folders = Folders::new().read_write("/work", folder).unwrap();
        Node::open(folders, state, Durability::ProcessSafe).map(drop)
    };
    let within = open(world.folder("work"), world.folder("work/inner"));
    assert_eq!(within, Err(OpenError::Overlap));
    let around = open(world.folder("work/inner"), world.folder("work"));
    assert_eq!(around, Err(OpenError::Overlap));
    let taken = open(world.folder("work"), world.folder("state"));
    assert!(matches!(taken, Err(OpenError::State(FsError::LogUnavailable(_)))), "{taken:?}");
}

#[test]
fn a_folder_on_another_mount_does_not_change() {
    let world = World::new();
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        println!("SKIPPED: there is no second mount here");
        return;
    };
    let folder = Dir::open_ambient_dir(other.path(), ambient_authority()).unwrap();
    let mount = |dir: &Dir| handle::look(std::os::fd::AsFd::as_fd(dir), ".").unwrap().mount;
    if mount(&folder) == mount(&world.work) {
        println!("SKIPPED: there is no second mount here");
        return;
    }
    folder.write("file", "text").unwrap();
    let folders = Folders::new().read_write("/far", folder).unwrap();
    let node = Node::open(folders, world.folder("outside"), Durability::ProcessSafe).unwrap();
    let mount = world.kernel.mount("far", node);
    let read = block_on(world.agent.submit(&mount, &Read::of(path("/far/file"))));
    assert_eq!(read.unwrap().content.as_text(), Some("text"));
    let write = block_on(world.agent.submit(&mount, &Write::new(path("/far/file"), "new")));
    assert_eq!(word(&write), "denied unsupported");
}

#[test]
fn a_removed_folder_takes_nothing() {
    let world = World::new();
    world.folder("").remove_dir("work").unwrap();
    assert_eq!(word(&world.write("/work/a", "text")), "denied moved");
}
