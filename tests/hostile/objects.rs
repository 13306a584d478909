//! What can lie in a folder and is no content of an agent's: other kinds of objects, names that
//! are not what they show, and files that the system protects. Once as root, to whom the system
//! refuses nothing, and once as nobody.
use std::{
    ffi::OsStr,
    fs,
    mem::MaybeUninit,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
    thread,
    time::Duration,
};

use clawnet_fs::{
    Append, Copy, Delete, EntryKind, FsPath, List, Mkdir, Move, Read, Rename, Stat, Write,
};
use rustix::fs::{CWD, FileType, Mode, inotify, makedev, mknodat};

use super::{
    apart::{Apart, is_root, role},
    yard::{Yard, path, snapshot, strays},
};

const NOBODY: u32 = 65534;
const PLACE: &str = "CLAWNET_PLACE";

/// What reading, looking, listing, writing, making a directory and deleting come to.
fn check(yard: &Yard, at: &str, expect: [&str; 6]) {
    let outcomes = [
        yard.code(&Read::of(path(at))),
        yard.code(&Stat::of(path(at))),
        yard.code(&List::of(path(at))),
        yard.code(&Write::new(path(at), "new")),
        yard.code(&Mkdir::new(path(at))),
        yard.code(&Delete::new(path(at))),
    ];
    assert_eq!(outcomes, expect, "{at}");
}

/// No content: it can be looked at, and that is all.
fn check_no_content(yard: &Yard, at: &str, refused: &str) {
    let refused = format!("denied {refused}");
    let no = refused.as_str();
    check(yard, at, [no, "ok", "failed wrong_kind", no, no, no]);
    let (here, other) = (path(at), path("/work/other"));
    fs::write(yard.path("work/other"), "other").unwrap();
    let told = [
        yard.code(&Append::new(here.clone(), "new")),
        yard.code(&Copy::new(here.clone(), path("/work/copy"))),
        yard.code(&Copy::new(here.clone(), path("/work/copy")).recursive()),
        yard.code(&Copy::new(other.clone(), here.clone()).overwriting()),
        yard.code(&Move::new(here.clone(), path("/work/moved"))),
        yard.code(&Move::new(here.clone(), path("/work/moved")).recursive()),
        yard.code(&Move::new(other, here.clone()).overwriting()),
        yard.code(&Rename::new(here.clone(), "renamed").unwrap()),
        yard.code(&Delete::new(here).recursive()),
    ];
    assert!(told.iter().all(|told| told == no), "{at}: {told:?}");
    assert_eq!(fs::read(yard.path("work/other")).unwrap(), b"other");
    fs::remove_file(yard.path("work/other")).unwrap();
}

fn node(at: &Path, kind: FileType, device: u64) {
    mknodat(CWD, at, kind, Mode::RUSR | Mode::WUSR, device).unwrap();
}

/// Nobody opened what is watched, not even to look what it is.
struct Watched(std::os::fd::OwnedFd);

impl Watched {
    fn new(at: &Path) -> Self {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        inotify::add_watch(&watch, at, inotify::WatchFlags::OPEN).unwrap();
        Self(watch)
    }

    fn was_opened(&self) -> bool {
        let mut room = [MaybeUninit::uninit(); 1024];
        inotify::Reader::new(&self.0, &mut room).next().is_ok()
    }
}

fn pipes_sockets_and_devices(yard: &Yard) {
    let at = |name: &str| yard.path("work").join(name);
    node(&at("pipe"), FileType::Fifo, 0);
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let mut names = vec!["pipe", "socket"];
    if is_root() {
        // As `/dev/zero` and the first loop device.
        node(&at("zero"), FileType::CharacterDevice, makedev(1, 5));
        node(&at("disk"), FileType::BlockDevice, makedev(7, 0));
        names.extend(["zero", "disk"]);
    }
    for name in names {
        let watched = Watched::new(&at(name));
        let here = format!("/work/{name}");
        assert_eq!(yard.code(&Stat::of(path(&here))), "ok");
        yard.submit(&List::of(path("/work"))).unwrap();
        assert!(!watched.was_opened(), "{name}: opening is an effect, and looking has none");
        check_no_content(yard, &here, "not_regular");
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name} is gone");
    }
    let listing = yard.submit(&List::of(path("/work"))).unwrap();
    assert!(listing.entries.iter().all(|entry| entry.kind == EntryKind::Other), "{listing:?}");
}

fn second_names(yard: &Yard) {
    let at = |name: &str| yard.path(name);
    fs::write(at("work/one"), "inside").unwrap();
    fs::hard_link(at("work/one"), at("work/two")).unwrap();
    fs::hard_link(at("outside/file"), at("work/out")).unwrap();
    for name in ["one", "two", "out"] {
        check_no_content(yard, &format!("/work/{name}"), "hard_linked");
    }
    assert_eq!(fs::read(at("work/one")).unwrap(), b"inside");
    fs::remove_file(at("outside/file")).unwrap();
    // With one name left it is a file like any other.
    assert_eq!(yard.code(&Read::of(path("/work/out"))), "ok");
    fs::hard_link(at("work/out"), at("outside/file")).unwrap();
}

fn links(yard: &Yard) {
    let at = |name: &str| yard.path("work").join(name);
    fs::create_dir(at("inner")).unwrap();
    fs::write(at("inner/file"), "inside").unwrap();
    let targets =
        ["inner/file", "inner", "../outside", "/etc/passwd", "/proc/self/cwd", "gone", "."];
    for (nth, target) in targets.iter().enumerate() {
        symlink(target, at(&format!("link{nth}"))).unwrap();
        let here = format!("/work/link{nth}");
        check(yard, &here, ["denied not_regular"; 6]);
        check(yard, &format!("{here}/file"), ["denied not_regular"; 6]);
        let parents = Mkdir::new(path(&format!("{here}/a/b")));
        let parents = parents.with_parents_below(&path(&here)).unwrap();
        assert_eq!(yard.code(&parents), "denied not_regular");
    }
    assert!(!at("gone").exists());
}

/// On disk, but not a name anybody can mean.
fn names(yard: &Yard) {
    let at = |name: &str| yard.path("work").join(name);
    let long = "l".repeat(255);
    let wide = "ü".repeat(127);
    for name in [
        b"new\nline".as_slice(),
        b"\xff\xfe",
        "e\u{301}".as_bytes(),
        "a\u{202e}b".as_bytes(),
        b"back\\slash",
        b"tab\t",
        "zero\u{200b}width".as_bytes(),
        ".\u{435}nv".as_bytes(),
        b".ENV",
    ] {
        fs::write(at("").join(OsStr::from_bytes(name)), "unseen").unwrap();
    }
    for name in ["File", "file", "\u{e9}", "日本語", "*", "~", "%2e%2e", &long, &wide] {
        let full = format!("/work/{name}");
        assert_eq!(yard.code(&Write::new(path(&full), name)), "ok", "{name}");
        let read = yard.submit(&Read::of(path(&full))).unwrap();
        assert_eq!(read.content.as_text(), Some(name));
    }
    let listing = yard.submit(&List::of(path("/work")).with_hidden()).unwrap();
    assert_eq!(listing.entries.len(), 9, "{listing:?}");
    for bad in [
        "/work/e\u{301}",
        "/work/a\0b",
        "/work/a\nb",
        "/work/a\u{202e}b",
        "/work/..",
        "/work/.",
        "/work/a//b",
        "/work/a/",
        "/work/a\\b",
        "work/a",
        "",
        "/work/\u{feff}a",
        "/work/../outside/file",
    ] {
        assert!(bad.parse::<FsPath>().is_err(), "{bad:?}");
    }
    assert!(format!("/work/{}", "l".repeat(256)).parse::<FsPath>().is_err());
    for protected in ["/work/.ENV", "/work/.Env.Local", "/work/x/.SSH/a", "/work/Server.PEM"] {
        check(yard, protected, ["denied protected_name"; 6]);
    }
    check(yard, "/work/.\u{435}nv", ["denied confusable_name"; 6]);
}

fn lengths_and_depths(yard: &Yard) {
    // 128 components with the folder's own; as many bytes as a path may have.
    let deep = format!("/work{}", "/d".repeat(127));
    assert!(format!("{deep}/d").parse::<FsPath>().is_err());
    let long: String = std::iter::repeat_n(format!("/{}", "n".repeat(200)), 20).collect();
    let long = format!("/work{long}/{}", "n".repeat(4095 - 5 - 20 * 201 - 1));
    assert_eq!(long.len(), 4095);
    assert!(format!("{long}n").parse::<FsPath>().is_err());
    for at in [&deep, &long] {
        check(
            yard,
            at,
            [
                "failed not_found",
                "failed not_found",
                "failed not_found",
                "failed parent_not_found",
                "failed parent_not_found",
                "failed parent_not_found",
            ],
        );
        let made = Write::new(path(at), "deep").creating_dirs_below(&path("/work")).unwrap();
        let made = yard.submit(&made).unwrap();
        assert_eq!(yard.code(&Read::of(path(at))), "ok");
        yard.undo(&yard.agent, made.intent).unwrap();
        assert_eq!(fs::read_dir(yard.path("work")).unwrap().count(), 0);
    }
    // A person's tree may be deeper than any path.
    let mut dir = yard.folder("work");
    for _ in 0..200 {
        dir.create_dir("d").unwrap();
        dir = dir.open_dir("d").unwrap();
    }
    dir.write("bottom", "deep").unwrap();
    let listing = yard.submit(&List::of(path("/work")).recursive(List::DEPTH_MAX)).unwrap();
    assert_eq!((listing.entries.len(), listing.truncated), (64, true));
    let listing = List::of(path(&format!("/work{}", "/d".repeat(120)))).recursive(List::DEPTH_MAX);
    let listing = yard.submit(&listing).unwrap();
    assert_eq!(listing.entries.len(), 7, "what has no path is not shown");
    let deeper = List::of(path("/work")).recursive(List::DEPTH_MAX + 1);
    assert_eq!(yard.code(&deeper), "denied limit_exceeded");
}

fn sparse_and_huge(yard: &Yard) {
    let at = yard.path("work/huge");
    let huge = fs::File::create(&at).unwrap();
    let size = 1_u64 << 40;
    huge.set_len(size).unwrap();
    huge.write_all_at(b"end", size - 3).unwrap();
    drop(huge);
    assert_eq!(yard.code(&Read::of(path("/work/huge"))), "failed limit_exceeded");
    let digest = Read::of(path("/work/huge")).range(0, 1).with_digest();
    assert_eq!(yard.code(&digest), "failed limit_exceeded");
    let end = yard.submit(&Read::of(path("/work/huge")).range(size - 3, 100)).unwrap();
    assert_eq!((end.content.as_text(), end.has_more), (Some("end"), false));
    let past = yard.submit(&Read::of(path("/work/huge")).range((1 << 53) - 1, 100)).unwrap();
    assert_eq!((past.content.as_slice(), past.has_more), (&[][..], false));
    let gone = yard.submit(&Delete::new(path("/work/huge"))).unwrap();
    yard.undo(&yard.agent, gone.intent).unwrap();
    let over = yard.write("/work/huge", "small").unwrap();
    assert_eq!(fs::read(&at).unwrap(), b"small");
    yard.undo(&yard.agent, over.intent).unwrap();
    assert_eq!(fs::metadata(&at).unwrap().len(), size);
}

/// What the system protects from nobody, and not from root.
fn permissions(yard: &Yard) {
    let at = |name: &str| yard.path("work").join(name);
    let mode = |name: &str, mode| {
        fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::write(at("secret"), "one").unwrap();
    mode("secret", 0);
    fs::create_dir(at("fixed")).unwrap();
    fs::write(at("fixed/file"), "one").unwrap();
    mode("fixed", 0o555);
    fs::create_dir(at("shut")).unwrap();
    fs::write(at("shut/file"), "one").unwrap();
    mode("shut", 0);
    fs::write(at("lent"), "one").unwrap();
    mode("lent", 0o6755);
    let word = |root: &'static str, other: &'static str| if is_root() { root } else { other };
    // Who says it, the node's look or its act, does not matter here.
    let last = |code: String| code.rsplit(' ').next().unwrap_or_default().to_owned();
    assert_eq!(last(yard.code(&Read::of(path("/work/secret")))), word("ok", "io"));
    assert_eq!(yard.code(&Stat::of(path("/work/secret"))), "ok");
    assert_eq!(last(yard.code(&Write::new(path("/work/secret"), "two"))), word("ok", "io"));
    assert_eq!(fs::metadata(at("secret")).unwrap().permissions().mode() & 0o7777, 0);
    assert_eq!(yard.code(&Read::of(path("/work/fixed/file"))), "ok");
    for (made, expect) in [
        (yard.code(&Write::new(path("/work/fixed/file"), "two")), word("ok", "io")),
        (yard.code(&Write::new(path("/work/fixed/new"), "two")), word("ok", "io")),
        (yard.code(&Mkdir::new(path("/work/fixed/dir"))), word("ok", "io")),
        (yard.code(&Delete::new(path("/work/fixed/file"))), word("ok", "io")),
        (yard.code(&Read::of(path("/work/shut/file"))), word("ok", "io")),
        (yard.code(&Write::new(path("/work/shut/file"), "two")), word("ok", "io")),
        (yard.code(&Delete::new(path("/work/shut"))), word("not_recursive", "io")),
    ] {
        assert_eq!(last(made), expect);
    }
    assert_eq!(yard.code(&Write::new(path("/work/lent"), "two")), "ok");
    assert_eq!(fs::metadata(at("lent")).unwrap().permissions().mode() & 0o7777, 0o755);
    mode("shut", 0o755);
    mode("fixed", 0o755);
    if !is_root() {
        assert_eq!(fs::read(at("fixed/file")).unwrap(), b"one");
        assert_eq!(fs::read_dir(at("fixed")).unwrap().count(), 1);
        assert_eq!(fs::read(at("shut/file")).unwrap(), b"one");
    }
}

/// Root's own things in a folder of nobody's, which root put beside the yard.
fn what_belongs_to_another(yard: &Yard, place: &Path) {
    let at = |name: &str| yard.path("work").join(name);
    for name in ["theirs", "sticky"] {
        fs::rename(place.join(name), at(name)).unwrap();
    }
    assert_eq!(yard.code(&Read::of(path("/work/theirs"))), "ok");
    assert_eq!(yard.code(&Write::new(path("/work/theirs"), "two")), "failed unsupported");
    assert_eq!(fs::read(at("theirs")).unwrap(), b"root's");
    assert_eq!(yard.code(&Write::new(path("/work/sticky/mine"), "one")), "ok");
    assert_eq!(yard.code(&Write::new(path("/work/sticky/mine"), "two")), "ok");
    assert_eq!(yard.code(&Delete::new(path("/work/sticky/mine"))), "ok");
    assert_eq!(yard.code(&Delete::new(path("/work/sticky/theirs"))), "failed io");
    assert_eq!(fs::read(at("sticky/theirs")).unwrap(), b"root's");
}

/// What not even root may change.
fn immutable(yard: &Yard) {
    let at = |name: &str| yard.path("work").join(name);
    for (name, flag) in [("fixed", "i"), ("grows", "a")] {
        fs::write(at(name), "one").unwrap();
        let set = Command::new("chattr").arg(format!("+{flag}")).arg(at(name)).status();
        if !set.is_ok_and(|status| status.success()) {
            println!("> SKIPPED: files cannot be made immutable here");
            return;
        }
        let write = yard.code(&Write::new(path(&format!("/work/{name}")), "two"));
        let delete = yard.code(&Delete::new(path(&format!("/work/{name}"))));
        let content = fs::read(at(name)).unwrap();
        let unset = Command::new("chattr").arg(format!("-{flag}")).arg(at(name)).status();
        assert!(unset.unwrap().success());
        assert_eq!((write.as_str(), delete.as_str()), ("failed io", "failed io"), "{name}");
        assert_eq!(content, b"one");
        assert_eq!(yard.code(&Write::new(path(&format!("/work/{name}")), "two")), "ok");
    }
}

type Part = (&'static str, fn(&Yard));

const PARTS: &[Part] = &[
    ("pipes, sockets and devices", pipes_sockets_and_devices),
    ("second names", second_names),
    ("links", links),
    ("names", names),
    ("lengths and depths", lengths_and_depths),
    ("sparse and huge files", sparse_and_huge),
    ("permissions", permissions),
];

fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Does it in a yard of its own, and looks that nothing else came of it.
fn in_a_yard(place: &Path, what: &str, part: impl FnOnce(&Yard)) {
    let yard = Yard::within(place);
    // Content only: a second name for a file outside is the person's own doing.
    let content = |text: String| text.rsplit(' ').next().map(str::to_owned);
    let outside = || {
        let files = snapshot(&yard.path("outside")).into_iter();
        files.map(|(at, text)| (at, content(text))).collect::<Vec<_>>()
    };
    let before = (outside(), open_descriptors(), threads());
    part(&yard);
    let after = (outside(), open_descriptors(), threads());
    assert_eq!(before, after, "{what}: outside, descriptors, threads");
    assert_eq!(strays(&yard.path("work")), Vec::<PathBuf>::new(), "{what}");
}

/// Everything once. A thread that something holds for ever ends the process.
fn everything(place: &Path) {
    let (done, hears) = mpsc::channel::<()>();
    thread::spawn(move || {
        if hears.recv_timeout(Duration::from_mins(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("something holds the thread for ever");
            std::process::abort();
        }
    });
    let wrong: Vec<&str> = PARTS
        .iter()
        .filter(|(what, part)| {
            catch_unwind(AssertUnwindSafe(|| in_a_yard(place, what, part))).is_err()
        })
        .map(|(what, _)| *what)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    if is_root() {
        in_a_yard(place, "immutable files", immutable);
    } else if place.join("theirs").exists() {
        in_a_yard(place, "another's", |yard| what_belongs_to_another(yard, place));
    }
    drop(done);
}

#[test]
fn nothing_but_content_is_content() {
    const TEST: &str = "hostile::objects::nothing_but_content_is_content";
    if role(TEST).is_some() {
        let place = PathBuf::from(std::env::var(PLACE).unwrap());
        println!("> user {}", rustix::process::geteuid().as_raw());
        return everything(&place);
    }
    let place = tempfile::tempdir().unwrap();
    let run = |who: &str, user: Option<u32>| {
        let apart = Apart::new(TEST, who).env(PLACE, place.path().to_str().unwrap());
        match user {
            Some(user) => apart.user(user).run(),
            None => apart.run(),
        }
    };
    if !is_root() {
        println!(
            "> SKIPPED: not root; what root may do, devices and immutable files were not tried"
        );
        run("a plain user", None);
        return;
    }
    assert!(run("root", None).contains("> user 0"));
    fs::write(place.path().join("theirs"), "root's").unwrap();
    fs::create_dir(place.path().join("sticky")).unwrap();
    fs::write(place.path().join("sticky/theirs"), "root's").unwrap();
    let open = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(place.path().join("sticky"), open).unwrap();
    std::os::unix::fs::chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    assert!(run("nobody", Some(NOBODY)).contains("> user 65534"));
}

/// Runs a command that must succeed.
fn system(words: &[&str]) {
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
}

fn mounts() {
    let yard = Yard::new();
    let at = |name: &str| yard.path("work").join(name);
    for name in ["tmpfs", "bound", "way"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("bound file"), "covered").unwrap();
    fs::write(at("way/file"), "one").unwrap();
    system(&["mount", "-t", "tmpfs", "none", at("tmpfs").to_str().unwrap()]);
    fs::write(at("tmpfs/file"), "elsewhere").unwrap();
    system(&["mount", "--bind", &yard.text("outside"), at("bound").to_str().unwrap()]);
    system(&["mount", "--bind", &yard.text("outside/file"), at("bound file").to_str().unwrap()]);
    let refused = ["denied crosses_mount"; 6];
    for name in ["tmpfs", "tmpfs/file", "bound", "bound/file", "bound/new", "bound file"] {
        check(&yard, &format!("/work/{name}"), refused);
    }
    let listing = yard.submit(&List::of(path("/work")).recursive(9)).unwrap();
    let shown = listing.entries.iter().map(|entry| (&*entry.relative_path, entry.kind));
    let (other, plain) = (EntryKind::Other, EntryKind::File);
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            ("bound", other),
            ("bound file", other),
            ("tmpfs", other),
            ("way", EntryKind::Directory),
            ("way/file", plain),
        ]
    );
    // A mount that comes over a directory between two requests.
    let written = yard.write("/work/way/file", "two").unwrap();
    system(&["mount", "--bind", &yard.text("outside"), at("way").to_str().unwrap()]);
    check(&yard, "/work/way/file", refused);
    assert_eq!(super::yard::word(&yard.undo(&yard.agent, written.intent)), "denied crosses_mount");
    system(&["umount", at("way").to_str().unwrap()]);
    yard.undo(&yard.agent, written.intent).unwrap();
    assert_eq!(fs::read(at("way/file")).unwrap(), b"one");
    assert_eq!(fs::read(yard.path("outside/file")).unwrap(), b"outside");
    assert_eq!(fs::read_dir(yard.path("outside")).unwrap().count(), 1);
    // Over the folder itself: the handle is that of the folder which was declared.
    system(&["mount", "-t", "tmpfs", "none", &yard.text("work")]);
    assert_eq!(yard.code(&Write::new(path("/work/late"), "late")), "ok");
    assert!(!at("late").exists());
    system(&["umount", &yard.text("work")]);
    assert_eq!(fs::read(at("late")).unwrap(), b"late");
    for name in ["tmpfs", "bound", "bound file"] {
        system(&["umount", at(name).to_str().unwrap()]);
    }
}

#[test]
fn another_mount_is_not_in_the_folder() {
    const TEST: &str = "hostile::objects::another_mount_is_not_in_the_folder";
    if role(TEST).is_some() {
        return mounts();
    }
    if is_root() {
        Apart::new(TEST, "root").under(&["unshare", "-m", "--"]).run();
    } else {
        println!("> SKIPPED: not root; nothing was mounted in a folder");
    }
}
