//! Random requests of two identities, many of them for what is not theirs to ask. Nothing outside
//! the folder is read or changed, every request leaves one decision, and nothing is left behind.
use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use clawnet_core::Agent;
use clawnet_fs::{Append, Copy, Delete, List, Mkdir, Move, Read, Rename, Search, Stat, Write};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};

use super::{
    apart::{Apart, role},
    yard::{Yard, path, snapshot, strays},
};

const SECRET: &str = "outside";

/// Where requests go: into the folder, to what is protected in it, through links, and elsewhere.
const PATHS: &[&str] = &[
    "/work",
    "/work/a",
    "/work/b",
    "/work/d",
    "/work/d/a",
    "/work/d/e",
    "/work/d/e/f",
    "/work/link",
    "/work/link/file",
    "/work/inner",
    "/work/inner/key",
    "/work/inner/new",
    "/work/way",
    "/work/way/file",
    "/work/second",
    "/work/.ssh/key",
    "/work/.env",
    "/work/a.pem",
    "/",
    "/outside/file",
    "/outside",
    "/state/journal",
    "/etc/passwd",
    "/works/a",
    "/work/d/up",
    "/work/d/up/outside/file",
    "/work/own_1",
    "/work/c",
    "/work/d/c",
];

#[derive(Debug, Clone)]
enum What {
    Read,
    Stat,
    List,
    Write { content: u8, dirs: bool },
    Mkdir { parents: bool },
    Delete { all: bool },
    Append,
    Copy { to: &'static str, all: bool, over: bool },
    Move { to: &'static str, all: bool, over: bool },
    Rename { name: &'static str },
    Search,
    Undo { back: usize },
    Redo { back: usize },
}

#[derive(Debug, Clone)]
struct Request {
    second: bool,
    at: &'static str,
    what: What,
}

fn request() -> impl Strategy<Value = Request> {
    let what = prop_oneof![
        2 => Just(What::Read),
        1 => Just(What::Stat),
        1 => Just(What::List),
        5 => (any::<u8>(), any::<bool>()).prop_map(|(content, dirs)| What::Write { content, dirs }),
        2 => any::<bool>().prop_map(|parents| What::Mkdir { parents }),
        2 => any::<bool>().prop_map(|all| What::Delete { all }),
        1 => Just(What::Append),
        1 => Just(What::Search),
        3 => (select(PATHS), any::<bool>(), any::<bool>())
            .prop_map(|(to, all, over)| What::Copy { to, all, over }),
        3 => (select(PATHS), any::<bool>(), any::<bool>())
            .prop_map(|(to, all, over)| What::Move { to, all, over }),
        1 => select(&["a", "b", ".env", "..", "x/y", "own_1"][..]).prop_map(|name| What::Rename { name }),
        3 => (0..4_usize).prop_map(|back| What::Undo { back }),
        1 => (0..4_usize).prop_map(|back| What::Redo { back }),
    ];
    (any::<bool>(), select(PATHS), what).prop_map(|(second, at, what)| Request { second, at, what })
}

static DONE: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Carries one out. Whether it was asked at all: some are not even a request.
#[expect(clippy::too_many_lines, reason = "one arm for each operation")]
fn ask(yard: &Yard, by: &Agent, request: &Request, intents: &mut Vec<u64>) -> bool {
    let (at, base) = (path(request.at), path("/work"));
    let intent = match &request.what {
        What::Read => yard.submit_by(by, &Read::of(at)).map(|read| {
            assert_ne!(read.content.as_text(), Some(SECRET), "{request:?}");
            None
        }),
        What::Stat => yard.submit_by(by, &Stat::of(at)).map(|_| None),
        What::List => yard.submit_by(by, &List::of(at).with_hidden().recursive(5)).map(|listing| {
            let secret = |name: &str| name == "key" || name == "journal";
            assert!(!listing.entries.iter().any(|entry| secret(entry.name())), "{listing:?}");
            None
        }),
        What::Write { content, dirs } => {
            let mut write = Write::new(at, vec![*content]);
            if *dirs {
                let Ok(below) = write.creating_dirs_below(&base) else { return false };
                write = below;
            }
            yard.submit_by(by, &write).map(|written| Some(written.intent))
        }
        What::Mkdir { parents } => {
            let mut mkdir = Mkdir::new(at);
            if *parents {
                let Ok(below) = mkdir.with_parents_below(&base) else { return false };
                mkdir = below;
            }
            yard.submit_by(by, &mkdir).map(|made| Some(made.intent))
        }
        What::Delete { all } => {
            let delete = Delete::new(at);
            let delete = if *all { delete.recursive() } else { delete };
            yard.submit_by(by, &delete).map(|gone| Some(gone.intent))
        }
        What::Append => {
            yard.submit_by(by, &Append::new(at, "+")).map(|written| Some(written.intent))
        }
        What::Copy { to, all, over } => {
            let copy = Copy::new(at, path(to));
            let copy = if *all { copy.recursive() } else { copy };
            let copy = if *over { copy.overwriting() } else { copy };
            yard.submit_by(by, &copy).map(|copied| Some(copied.intent))
        }
        What::Move { to, all, over } => {
            let shift = Move::new(at, path(to));
            let shift = if *all { shift.recursive() } else { shift };
            let shift = if *over { shift.overwriting() } else { shift };
            yard.submit_by(by, &shift).map(|moved| Some(moved.intent))
        }
        What::Rename { name } => {
            let Ok(rename) = Rename::new(at, name) else { return false };
            yard.submit_by(by, &rename).map(|moved| Some(moved.intent))
        }
        What::Search => yard.submit_by(by, &Search::at(at, [SECRET])).map(|found| {
            assert!(found.results.iter().all(|found| found.text.is_none()), "{found:?}");
            None
        }),
        What::Redo { back } => {
            let Some(intent) = intents.iter().rev().nth(*back) else { return false };
            let redo = yard.mount().endpoint().redo_of(by.caller().identity(), *intent);
            let Ok(redo) = redo else { return false };
            yard.submit_by(by, &redo).map(|redone| Some(redone.intent))
        }
        What::Undo { back } => {
            let Some(intent) = intents.iter().rev().nth(*back) else { return false };
            let undo = yard.mount().endpoint().undo_of(by.caller().identity(), *intent);
            let Ok(undo) = undo else { return false };
            yard.submit_by(by, &undo).map(|undone| Some(undone.intent))
        }
    };
    let counter = if intent.is_ok() { &DONE } else { &REFUSED };
    counter.fetch_add(1, Ordering::Relaxed);
    intents.extend(intent.ok().flatten());
    true
}

fn play(requests: &[Request]) {
    let mut yard = Yard::new();
    let at = |name: &str| yard.path("work").join(name);
    fs::create_dir(at("d")).unwrap();
    fs::create_dir(at(".ssh")).unwrap();
    fs::write(at(".ssh/key"), SECRET).unwrap();
    symlink("../outside/file", at("link")).unwrap();
    symlink("../outside", at("way")).unwrap();
    symlink(".ssh", at("inner")).unwrap();
    symlink("../..", at("d/up")).unwrap();
    fs::hard_link(yard.path("outside/file"), at("second")).unwrap();
    let protected = [yard.path("outside"), yard.path("work/.ssh")];
    let look = || protected.clone().map(|dir| snapshot(&dir));
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (before, open, decided) = (look(), descriptors(), yard.decisions());
    let (mut asked, mut intents) = (0, [Vec::new(), Vec::new()]);
    for request in requests {
        let by = if request.second { &yard.other } else { &yard.agent };
        asked += usize::from(ask(&yard, by, request, &mut intents[usize::from(request.second)]));
        assert_eq!(yard.decisions(), decided + asked, "{request:?}: one decision for each request");
        assert_eq!(descriptors(), open, "{request:?}: a descriptor is left open");
    }
    assert_eq!(look(), before);
    assert_eq!(fs::read_link(yard.path("work/link")).unwrap(), PathBuf::from("../outside/file"));
    let ours: Vec<_> = strays(&yard.path("work")).into_iter().collect();
    assert!(ours.iter().all(|at| at.ends_with("own_1")), "{ours:?}");
    assert_eq!(yard.reopen(), clawnet_fs::Recovered::default());
}

#[test]
fn no_plan_reaches_beyond_the_folder() {
    const TEST: &str = "hostile::plans::no_plan_reaches_beyond_the_folder";
    if role(TEST).is_none() {
        Apart::new(TEST, "plans").run();
        return;
    }
    let config = Config { cases: 128, failure_persistence: None, ..Config::default() };
    let plans = proptest::collection::vec(request(), 1..60);
    TestRunner::new(config)
        .run(&plans, |requests| {
            play(&requests);
            Ok(())
        })
        .unwrap();
    let (done, refused) = (DONE.load(Ordering::Relaxed), REFUSED.load(Ordering::Relaxed));
    println!("> {done} done, {refused} refused");
    assert!(done > 250 && refused > 500, "{done} {refused}");
}
