//! What runs out: space, inodes, descriptors, the longest file. What is there stays as it is, the
//! node says why, and goes on when there is enough again.
use std::{fs, os::fd::OwnedFd, path::PathBuf, process::Command};

use clawnet_core::Operation as _;
use clawnet_fs::{Append, Copy, Delete, List, Mkdir, Move, Read, Search, Stat, Write};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    apart::{Apart, is_root, role},
    yard::{Yard, path, strays},
};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn slots(yard: &Yard) -> usize {
    fs::read_dir(yard.path("state/slots")).unwrap().count()
}

/// A file that takes all the space there is, and can give it back.
struct Filler(PathBuf);

impl Filler {
    /// Leaves this many bytes.
    fn but(yard: &Yard, left: usize) -> Self {
        use std::io::Write as _;
        let at = yard.base.path().join("filler");
        let mut file = fs::File::create(&at).unwrap();
        while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        let size = file.metadata().unwrap().len();
        file.set_len(size.saturating_sub(left as u64)).unwrap();
        Self(at)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

fn system(words: &[&str]) {
    assert!(Command::new(words[0]).args(&words[1..]).status().unwrap().success(), "{words:?}");
}

/// A disk of this size, below a directory of its own.
fn small_disk(options: &str) -> tempfile::TempDir {
    let disk = tempfile::tempdir().unwrap();
    system(&["mount", "-t", "tmpfs", "-o", options, "none", disk.path().to_str().unwrap()]);
    disk
}

fn full_disk() {
    let disk = small_disk("size=2m");
    let mut yard = Yard::within(disk.path());
    let file = yard.path("work/file");
    fs::write(&file, "one").unwrap();
    let (before, big) = ((descriptors(), threads()), "x".repeat(300_000));
    {
        let _filler = Filler::but(&yard, 100_000);
        let new = Write::new(path("/work/a/new"), big.clone());
        let new = new.creating_dirs_below(&path("/work")).unwrap();
        for _ in 0..3 {
            assert_eq!(yard.code(&Write::new(path("/work/file"), big.clone())), "failed no_space");
            assert_eq!(yard.code(&new), "failed no_space");
            assert_eq!((fs::read(&file).unwrap(), slots(&yard)), (b"one".to_vec(), 0));
            assert!(
                !yard.path("work/a").exists(),
                "the directories made on the way are taken back"
            );
        }
        // What needs no space goes on.
        assert_eq!(yard.code(&Read::of(path("/work/file"))), "ok");
        let gone = yard.submit(&Delete::new(path("/work/file"))).unwrap();
        yard.undo(&yard.agent, gone.intent).unwrap();
    }
    // With nothing left at all the journal stops, and with it everything.
    {
        let _filler = Filler::but(&yard, 0);
        let mut told = Vec::new();
        for _ in 0..400 {
            told.push(yard.code(&Write::new(path("/work/file"), "two")));
            if told.last().is_some_and(|last| last == "failed log_unavailable") {
                break;
            }
        }
        let last = told.last().unwrap();
        assert_eq!(last, "failed log_unavailable", "{told:?}");
        assert_eq!(yard.code(&Read::of(path("/work/file"))), "denied log_unavailable");
        assert_eq!(yard.code(&Delete::new(path("/work/file"))), "denied log_unavailable");
        let content = fs::read(&file).unwrap();
        assert!(content == b"one" || content == b"two");
    }
    let recovered = yard.reopen();
    assert!(recovered.conflicts.is_empty() && recovered.broken_at.is_none(), "{recovered:?}");
    assert_eq!(yard.code(&Write::new(path("/work/file"), big)), "ok");
    assert_eq!(strays(&yard.path("work")), Vec::<PathBuf>::new());
    assert_eq!((descriptors(), threads()), before);
    drop(yard);
    system(&["umount", disk.path().to_str().unwrap()]);
}

fn no_inodes() {
    let disk = small_disk("nr_inodes=40");
    let yard = Yard::within(disk.path());
    fs::write(yard.path("work/file"), "one").unwrap();
    let mut many = 0;
    while fs::write(yard.base.path().join(format!("many{many}")), "").is_ok() {
        many += 1;
    }
    assert_eq!(yard.code(&Write::new(path("/work/file"), "two")), "failed no_space");
    assert_eq!(yard.code(&Write::new(path("/work/new"), "two")), "failed no_space");
    assert_eq!(yard.code(&Mkdir::new(path("/work/dir"))), "failed no_space");
    assert_eq!(fs::read(yard.path("work/file")).unwrap(), b"one");
    assert_eq!((fs::read_dir(yard.path("work")).unwrap().count(), slots(&yard)), (1, 0));
    fs::remove_file(yard.base.path().join("many0")).unwrap();
    assert_eq!(yard.code(&Write::new(path("/work/file"), "two")), "ok");
    drop(yard);
    system(&["umount", disk.path().to_str().unwrap()]);
}

#[test]
fn a_full_disk_changes_nothing() {
    const TEST: &str = "hostile::limits::a_full_disk_changes_nothing";
    if role(TEST).is_some() {
        full_disk();
        return no_inodes();
    }
    if is_root() {
        Apart::new(TEST, "root").under(&["unshare", "-m", "--"]).run();
    } else {
        println!("> SKIPPED: not root; no small disk was made, and none was full");
    }
}

/// Every operation there is, what each came to.
fn each(yard: &Yard, nth: usize) -> Vec<(&'static str, String)> {
    let made = Mkdir::new(path(&format!("/work/d{nth}/e"))).with_parents_below(&path("/work"));
    vec![
        (Read::KIND, yard.code(&Read::of(path("/work/file")))),
        (Stat::KIND, yard.code(&Stat::of(path("/work/file")))),
        (List::KIND, yard.code(&List::of(path("/work")).recursive(3))),
        (Write::KIND, yard.code(&Write::new(path("/work/file"), format!("over {nth}")))),
        (Write::KIND, yard.code(&Write::new(path(&format!("/work/new{nth}")), "new"))),
        (Mkdir::KIND, yard.code(&made.unwrap())),
        (Append::KIND, yard.code(&Append::new(path("/work/file"), " more"))),
        (Copy::KIND, yard.code(&Copy::new(path("/work/file"), path(&format!("/work/copy{nth}"))))),
        (
            Copy::KIND,
            yard.code(
                &Copy::new(path("/work/tree"), path(&format!("/work/tree{nth}"))).recursive(),
            ),
        ),
        (
            Move::KIND,
            yard.code(&Move::new(
                path(&format!("/work/old{nth}")),
                path(&format!("/work/moved{nth}")),
            )),
        ),
        (Search::KIND, yard.code(&Search::at(path("/work"), ["over"]))),
        (Delete::KIND, yard.code(&Delete::new(path(&format!("/work/gone{nth}"))))),
    ]
}

fn few_descriptors() {
    let mut yard = Yard::new();
    fs::write(yard.path("work/file"), "one").unwrap();
    fs::write(yard.path("work/always"), "kept").unwrap();
    for nth in 0..12 {
        fs::write(yard.path("work").join(format!("old{nth}")), "old").unwrap();
        fs::write(yard.path("work").join(format!("gone{nth}")), "old").unwrap();
    }
    fs::create_dir_all(yard.path("work/tree/below")).unwrap();
    fs::write(yard.path("work/tree/below/file"), "below").unwrap();
    let limit = getrlimit(Resource::Nofile);
    let before = (descriptors(), threads());
    let (mut done, mut refused) = (0, 0);
    for left in 0..12 {
        // Every descriptor but so many is in use.
        let narrow = Rlimit { current: Some(64), ..limit };
        let mut held: Vec<OwnedFd> = Vec::new();
        setrlimit(Resource::Nofile, narrow).unwrap();
        while let Ok(file) = fs::File::open("/dev/null") {
            held.push(file.into());
        }
        held.truncate(held.len() - left);
        let told = each(&yard, left);
        drop(held);
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!((descriptors(), threads()), before, "{left}");
        for (kind, word) in told {
            if word == "ok" {
                done += 1;
            } else {
                refused += 1;
            }
            let said = word == "ok" || [" io", " moved"].iter().any(|end| word.ends_with(end));
            assert!(said, "{left} {kind}: {word}");
        }
        let content = fs::read_to_string(yard.path("work/file")).unwrap();
        assert!(content == "one" || content.starts_with("over "), "{content}");
        assert_eq!(fs::read(yard.path("work/always")).unwrap(), b"kept");
        assert_eq!(strays(&yard.path("work")), Vec::<PathBuf>::new());
    }
    println!("> {done} done, {refused} refused");
    assert!(done > 10 && refused > 10);
    assert_eq!(yard.code(&Write::new(path("/work/file"), "last")), "ok");
    assert_eq!(yard.reopen(), clawnet_fs::Recovered::default());
}

#[test]
fn without_descriptors_it_refuses_and_goes_on() {
    const TEST: &str = "hostile::limits::without_descriptors_it_refuses_and_goes_on";
    if role(TEST).is_some() {
        return few_descriptors();
    }
    Apart::new(TEST, "few").run();
}

fn short_files() {
    let mut yard = Yard::new();
    fs::write(yard.path("work/file"), "one").unwrap();
    let limit = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(64 << 10), ..limit }).unwrap();
    let big = "x".repeat(100_000);
    for _ in 0..3 {
        assert_eq!(yard.code(&Write::new(path("/work/file"), big.clone())), "failed io");
        assert_eq!(yard.code(&Write::new(path("/work/new"), big.clone())), "failed io");
    }
    assert_eq!((fs::read(yard.path("work/file")).unwrap(), slots(&yard)), (b"one".to_vec(), 0));
    assert!(!yard.path("work/new").exists());
    // The journal is a file too.
    let mut told = String::new();
    for nth in 0..1_000 {
        told = yard.code(&Write::new(path("/work/file"), format!("{nth}")));
        if told != "ok" {
            break;
        }
    }
    assert_eq!(told, "failed log_unavailable");
    assert_eq!(yard.code(&Read::of(path("/work/file"))), "denied log_unavailable");
    setrlimit(Resource::Fsize, limit).unwrap();
    let recovered = yard.reopen();
    assert!(recovered.conflicts.is_empty() && recovered.broken_at.is_none(), "{recovered:?}");
    assert_eq!(yard.code(&Write::new(path("/work/file"), big)), "ok");
}

#[test]
fn a_file_that_may_not_grow_is_not_half_written() {
    const TEST: &str = "hostile::limits::a_file_that_may_not_grow_is_not_half_written";
    if role(TEST).is_some() {
        return short_files();
    }
    // The signal that comes with the failure would end the process.
    Apart::new(TEST, "short").under(&["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"]).run();
}
