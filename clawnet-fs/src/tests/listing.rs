//! The owner's list as a file, edited and attacked while a node goes by it.
use std::os::unix::fs::symlink;

use cap_std::fs::PermissionsExt;
use rustix::fs::{FileType, Mode, mknodat};

use super::*;
use crate::pause::Point;

/// A folder of a list: its name there, its directory in the world, and more lines about it.
type Line<'a> = (&'a str, &'a str, &'a str);

impl World {
    fn list(&self, folders: &[Line<'_>], more: &str) -> String {
        let folder = |(name, directory, lines): &Line<'_>| {
            let path = self.base.path().join(directory);
            format!(
                "[[folder]]\nname = \"{name}\"\npath = \"{}\"\nmode = \"read-write\"\n{lines}\n",
                path.display()
            )
        };
        let folders: String = folders.iter().map(folder).collect();
        format!("format = 1\n{folders}{more}\n[end]\n")
    }

    /// Writes the list as an editor does: a new file, renamed over the old one.
    fn save_list(&self, text: &str) {
        save(&self.folder("list"), text);
    }

    /// Opens the node again, by the file.
    fn open_list(&mut self) -> Result<(), String> {
        self.node = None;
        let folders = Folders::read_from(self.folder("list"), "folders.toml", ambient_authority());
        let folders = folders.map_err(|error| error.to_string())?;
        let node = Node::open(folders, self.folder("state"), Durability::ProcessSafe);
        self.node = Some(self.kernel.mount("files", node.map_err(|error| error.to_string())?));
        Ok(())
    }

    fn read(&self, at: &str) -> String {
        self.code(&Read::of(path(at)))
    }

    /// Reads after the list was looked at for the last time long enough ago.
    fn read_later(&self, at: &str) -> String {
        self.node().age_list();
        self.read(at)
    }
}

/// Removes whatever stands where the list should.
fn clear(list: &Dir) {
    match list.symlink_metadata("folders.toml") {
        Ok(facts) if facts.is_dir() => list.remove_dir("folders.toml").unwrap(),
        Ok(_) => list.remove_file("folders.toml").unwrap(),
        Err(_) => {}
    }
}

fn save(list: &Dir, text: &str) {
    list.write("saved", text).unwrap();
    list.set_permissions("saved", cap_std::fs::Permissions::from_mode(0o644)).unwrap();
    list.rename("saved", list, "folders.toml").unwrap();
}

/// A world whose node goes by a file that declares `/work` and `/other`.
fn listed() -> World {
    let mut world = World::new();
    for name in ["list", "other"] {
        world.folder("").create_dir(name).unwrap();
        world.work.write("file", "text").unwrap();
    }
    world.folder("other").write("file", "other").unwrap();
    world.save_list(&world.list(&[WORK, OTHER], ""));
    world.open_list().unwrap();
    world
}

const WORK: Line<'_> = ("/work", "work", "");
const OTHER: Line<'_> = ("/other", "other", "");

#[test]
fn what_the_owner_saves_holds_for_the_next_change_and_soon_for_all_else() {
    let world = listed();
    assert_eq!(world.read("/other/file"), "ok");
    world.save_list(&world.list(&[WORK], ""));
    let write = word(&world.write("/other/file", "new"));
    assert!(["denied not_whitelisted", "failed not_whitelisted"].contains(&&*write), "{write}");
    assert_eq!(world.read("/other/file"), "denied not_whitelisted", "the change looked");
    assert_eq!(world.folder("other").read("file").unwrap(), b"other");
    world.save_list(&world.list(&[WORK, OTHER], ""));
    assert_eq!(world.read("/other/file"), "denied not_whitelisted", "not a second ago");
    assert_eq!(world.read_later("/other/file"), "ok");
    let read_only = world.list(&[OTHER], "").replace("read-write", "read-only");
    world.save_list(&read_only);
    assert_eq!(world.read_later("/work/file"), "denied not_whitelisted");
    assert_eq!(word(&world.write("/other/file", "new")), "denied read_only");
}

#[test]
fn without_a_list_nothing_is_served() {
    let world = listed();
    let list = world.folder("list");
    let good = world.list(&[WORK], "");
    let outside = world.folder("outside");
    let acts: [(&str, &dyn Fn()); 12] = [
        ("gone", &|| {}),
        ("a link", &|| {
            symlink("../outside/list", world.base.path().join("list/folders.toml")).unwrap();
        }),
        ("a second name", &|| {
            outside.write("twin", &good).unwrap();
            outside.hard_link("twin", &list, "folders.toml").unwrap();
        }),
        ("a pipe", &|| {
            mknodat(&list, "folders.toml", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }),
        ("a directory", &|| list.create_dir("folders.toml").unwrap()),
        ("empty", &|| list.write("folders.toml", "").unwrap()),
        ("half written", &|| list.write("folders.toml", &good[..good.len() / 2]).unwrap()),
        ("malformed", &|| list.write("folders.toml", good.replace("mode", "mod")).unwrap()),
        ("no text", &|| list.write("folders.toml", [0xff, 0xfe]).unwrap()),
        ("too long", &|| list.write("folders.toml", "#".repeat((1 << 20) + 1)).unwrap()),
        ("writable by others", &|| {
            list.write("folders.toml", &good).unwrap();
            let mode = cap_std::fs::Permissions::from_mode(0o664);
            list.set_permissions("folders.toml", mode).unwrap();
        }),
        ("a folder that is not there", &|| {
            list.write("folders.toml", world.list(&[WORK, ("/no", "nowhere", "")], "")).unwrap();
        }),
    ];
    for (name, act) in acts {
        clear(&list);
        act();
        assert_eq!(world.read_later("/work/file"), "denied whitelist_unavailable", "{name}");
        assert_eq!(word(&world.write("/work/new", "x")), "denied whitelist_unavailable", "{name}");
        assert_eq!(world.code(&List::of(path("/work"))), "denied whitelist_unavailable", "{name}");
        let why = world.node().health().whitelist_unavailable;
        assert!(why.as_ref().is_some_and(|why| why.len() > 10), "{name}: {why:?}");
        clear(&list);
        world.save_list(&good);
        assert_eq!(world.read_later("/work/file"), "ok", "right again after {name}");
        assert_eq!(world.node().health(), Health::default(), "{name}");
    }
    assert!(!world.work.exists("new"));
}

#[test]
fn a_list_that_is_right_again_holds_again_without_being_touched() {
    let world = listed();
    world.save_list(&world.list(&[WORK, ("/late", "late", "")], ""));
    assert_eq!(world.read_later("/work/file"), "denied whitelist_unavailable");
    world.folder("").create_dir("late").unwrap();
    assert_eq!(world.read_later("/work/file"), "ok");
}

#[test]
fn the_list_cannot_be_opened_from_where_agents_write() {
    let mut world = listed();
    for inside in ["list", ""] {
        world.save_list(&world.list(&[("/here", inside, "")], ""));
        let refused = world.open_list().unwrap_err();
        assert!(refused.contains("agents could change it"), "{refused}");
    }
    world.save_list(&world.list(&[WORK], ""));
    world.open_list().unwrap();
    // Nor by a list that comes later.
    world.save_list(&world.list(&[WORK, ("/here", "list", "")], ""));
    assert_eq!(world.read_later("/here/folders.toml"), "denied whitelist_unavailable");
    world.save_list(&world.list(&[WORK, ("/here", "state", "")], ""));
    assert_eq!(world.read_later("/here/journal"), "denied whitelist_unavailable");
    let name =
        Folders::read_from(world.folder("work"), "../list/folders.toml", ambient_authority());
    assert_eq!(name.map(drop), Err(WhitelistError::Origin(OriginError::Name)));
}

#[test]
fn two_edits_within_one_tick_are_two_edits() {
    let world = listed();
    let (one, two) = (world.list(&[WORK], ""), world.list(&[("/worm", "work", "")], ""));
    assert_eq!(one.len(), two.len());
    let list = world.folder("list");
    for round in 0..200 {
        let (text, serves, refuses) = if round % 2 == 0 {
            (&one, "/work/file", "/worm/file")
        } else {
            (&two, "/worm/file", "/work/file")
        };
        // In place: the same inode and length, and maybe the same times.
        list.write("folders.toml", text).unwrap();
        assert_eq!(world.read_later(serves), "ok", "{round}");
        assert_eq!(world.read(refuses), "denied not_whitelisted", "{round}");
    }
}

#[test]
fn an_edit_during_a_change_stops_it() {
    for (text, code) in [
        (Some(("/worm", "work", "")), "failed not_whitelisted"),
        (
            Some(("/work", "work", "identities = [\"idn_0123456789abcdef01234567\"]")),
            "failed not_whitelisted",
        ),
        (None, "failed whitelist_unavailable"),
    ] {
        for point in [Point::Recorded, Point::Filled] {
            let world = listed();
            let list = world.folder("list");
            let text = text.map_or("format".into(), |folder| world.list(&[folder], ""));
            world.node().hook().set(move |reached| {
                if reached == point {
                    save(&list, &text);
                }
            });
            assert_eq!(word(&world.write("/work/file", "new")), code, "{point:?}");
            assert_eq!(world.work.read("file").unwrap(), b"text");
            assert_eq!(world.slots().len(), 0);
        }
    }
    let world = listed();
    let (list, text) = (world.folder("list"), world.list(&[WORK], "[names]\nprotect = [\"x\"]"));
    world.node().hook().set(move |_| save(&list, &text));
    assert_eq!(word(&world.write("/work/file", "new")), "ok", "what is still allowed goes on");
}

#[test]
fn a_folder_that_is_not_where_the_owner_sees_it_is_refused() {
    for replace in [true, false] {
        let world = listed();
        let top = world.folder("");
        top.rename("work", &top, "aside").unwrap();
        if replace {
            top.create_dir("work").unwrap();
            top.write("work/file", "another").unwrap();
        } else {
            symlink("aside", world.base.path().join("work")).unwrap();
        }
        assert_eq!(word(&world.write("/work/file", "new")), "denied moved");
        assert_eq!(world.read_later("/work/file"), "denied moved");
        assert_eq!(world.read_later("/other/file"), "ok", "the other folder is where it was");
        assert_eq!(world.node().health().moved, ["/work"]);
        // An edit of the list does not take the other directory for it.
        world.save_list(&world.list(&[WORK, OTHER], "[names]\nprotect = [\"x\"]"));
        assert_eq!(world.read_later("/work/file"), "denied moved");
        let reloaded = world.node().reload();
        if replace {
            assert_eq!(reloaded, Ok(()));
            let read = world.submit(&Read::of(path("/work/file"))).unwrap();
            assert_eq!(read.content.as_text(), Some("another"), "the owner said so");
        } else {
            assert!(matches!(reloaded, Err(FsError::WhitelistUnavailable(_))), "{reloaded:?}");
        }
        assert_eq!(top.read("aside/file").unwrap(), b"text");
    }
}

#[test]
fn a_folder_that_leads_back_is_served_again() {
    let world = listed();
    let top = world.folder("");
    top.rename("work", &top, "aside").unwrap();
    assert_eq!(world.read_later("/work/file"), "denied moved");
    top.rename("aside", &top, "work").unwrap();
    assert_eq!(world.read_later("/work/file"), "ok");
    let work = world.folder("work");
    world.node().hook().set(move |point| {
        if point == Point::Filled && work.exists("file") {
            top.rename("work", &top, "aside").unwrap();
            top.create_dir("work").unwrap();
        }
    });
    assert_eq!(word(&world.write("/work/file", "new")), "failed moved");
    assert_eq!(world.folder("aside").read("file").unwrap(), b"text");
}

#[test]
fn a_folder_for_one_identity_is_nowhere_for_others() {
    let mut world = listed();
    let mine = world.agent.caller().identity();
    let other = agent(&world.owner, "other");
    let only = format!("identities = [\"{mine}\"]");
    world.work.create_dir("inner").unwrap();
    world.work.write("inner/file", "by the outer name").unwrap();
    let inner = ("/work/inner", "other", only.as_str());
    world.save_list(&world.list(&[WORK, inner], ""));
    world.open_list().unwrap();
    assert_eq!(world.read("/work/inner/file"), "ok");
    let theirs = |operation: &Read| word(&block_on(other.submit(world.mount(), operation)));
    assert_eq!(theirs(&Read::of(path("/work/file"))), "ok");
    assert_eq!(theirs(&Read::of(path("/work/inner/file"))), "denied not_whitelisted");
    assert_eq!(theirs(&Read::of(path("/work/inner/none"))), "denied not_whitelisted");
    let refused = [
        word(&block_on(other.submit(world.mount(), &Write::new(path("/work/inner/a"), "x")))),
        word(&block_on(other.submit(world.mount(), &Delete::new(path("/work/inner/file"))))),
        word(&block_on(other.submit(world.mount(), &Mkdir::new(path("/work/inner/d"))))),
        word(&block_on(other.submit(world.mount(), &Stat::of(path("/work/inner/file"))))),
        word(&block_on(other.submit(world.mount(), &List::of(path("/work/inner"))))),
    ];
    assert_eq!(refused, ["denied not_whitelisted"; 5]);
}

#[test]
fn names_the_owner_protects_are_protected_at_once() {
    let world = listed();
    world.work.write("my.Wallet", "coins").unwrap();
    assert_eq!(world.read("/work/my.Wallet"), "ok");
    world.save_list(&world.list(&[WORK], "[names]\nprotect = [\"*.wallet\", \"seed*\"]"));
    assert_eq!(world.read_later("/work/my.Wallet"), "denied protected_name");
    assert_eq!(word(&world.write("/work/SEED.txt", "x")), "denied protected_name");
    assert_eq!(word(&world.write("/work/ѕeed.txt", "x")), "denied confusable_name");
}
