//! A path that leads elsewhere from one moment to the next. Another process does the swapping; a
//! naive reader, who checks where a path leads and then opens it, runs beside the agent and leaks.
use std::{collections::BTreeMap, fs, os::unix::fs::symlink};

use clawnet_fs::{Append, Copy, Delete, List, Mkdir, Move, Read, Rename, Search, Stat};

use super::{
    apart::{Neighbour, full},
    yard::{Yard, path, snapshot},
};

/// How the ground moves, and what an agent asks for on it.
struct Attack {
    what: &'static str,
    /// Puts up what is swapped.
    prepare: fn(&Yard),
    /// The neighbour's words after the folder.
    words: &'static [&'static str],
    /// The directory that the attack moves, or that holds the file it moves.
    way: &'static str,
}

/// The longest secret is never content of the agent's.
const SECRET: &str = "this is a secret and nobody's business";
const OPEN: &str = "open";

fn directory(at: &std::path::Path, content: &str) {
    fs::create_dir(at).unwrap();
    fs::write(at.join("file"), content).unwrap();
    fs::write(at.join("gone"), content).unwrap();
}

/// What the agent may see, what it may not see in the folder, and what is outside.
fn prepare(yard: &Yard) {
    directory(&yard.path("work/way"), OPEN);
    directory(&yard.path("work/.ssh"), SECRET);
    fs::write(yard.path("work/.ssh/only here"), SECRET).unwrap();
    directory(&yard.path("outside/dir"), SECRET);
    fs::write(yard.path("outside/dir/only here"), SECRET).unwrap();
    fs::create_dir(yard.path("work/taken")).unwrap();
}

const ATTACKS: &[Attack] = &[
    Attack {
        what: "a directory and a link to a protected one",
        prepare: |yard| symlink(".ssh", yard.path("work/link")).unwrap(),
        words: &["swap", "work", "way", "link"],
        way: "way",
    },
    Attack {
        what: "a directory and a link that leads out",
        prepare: |yard| symlink("../outside/dir", yard.path("work/link")).unwrap(),
        words: &["swap", "work", "way", "link"],
        way: "way",
    },
    Attack {
        what: "a directory above, two deep",
        prepare: |yard| {
            fs::create_dir(yard.path("work/upper")).unwrap();
            fs::rename(yard.path("work/way"), yard.path("work/upper/way")).unwrap();
            fs::create_dir(yard.path("outside/upper")).unwrap();
            fs::rename(yard.path("outside/dir"), yard.path("outside/upper/way")).unwrap();
            symlink("../outside/upper", yard.path("work/link")).unwrap();
        },
        words: &["swap", "work", "upper", "link"],
        way: "upper/way",
    },
    Attack {
        what: "a file and a link that leads out",
        prepare: |yard| symlink("../../outside/dir/file", yard.path("work/way/link")).unwrap(),
        words: &["swap", "work/way", "file", "link"],
        way: "way",
    },
    Attack {
        what: "a file and a second name for one outside",
        prepare: |yard| {
            fs::hard_link(yard.path("outside/dir/file"), yard.path("work/way/link")).unwrap();
        },
        words: &["swap", "work/way", "file", "link"],
        way: "way",
    },
    Attack {
        what: "the way taken away, and a directory or a link in its place",
        prepare: |yard| {
            symlink("../outside/dir", yard.path("work/link")).unwrap();
            fs::rename(yard.path("work/way"), yard.path("work/real")).unwrap();
        },
        words: &["turn", "work", "way", "link", "real"],
        way: "way",
    },
];

/// What happened while the ground moved.
#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    /// By what was asked for.
    done: BTreeMap<&'static str, u64>,
    refused: u64,
    leaked: u64,
}

impl Counts {
    fn note<T, E>(&mut self, which: &'static str, result: Result<T, E>) -> Option<T> {
        self.requests += 1;
        let done = result.ok();
        *self.done.entry(which).or_default() += u64::from(done.is_some());
        self.refused += u64::from(done.is_none());
        done
    }

    /// Whether every kind of request was served and refused at some time. A directory in which
    /// there always is a link is never copied as a whole.
    fn are_alive(&self, attack: &Attack) -> bool {
        let whole = attack.words.get(1) == Some(&"work");
        let may = |kind: &str| whole || kind != "copy all";
        let mut wanted = self.done.iter().filter(|(kind, _)| may(kind));
        let served = self.done.len() == KINDS && wanted.all(|(_, done)| *done > 0);
        served && self.refused > 0 && self.leaked > 0
    }
}

/// As many programs do it: ask where the path leads, and if that is well inside, open it.
fn naive_read(yard: &Yard, way: &str, root: &std::path::Path) -> Option<Vec<u8>> {
    let at = yard.path("work").join(way).join("file");
    let real = fs::canonicalize(&at).ok()?;
    let inside = real.strip_prefix(root).ok()?;
    if inside.starts_with(".ssh") { None } else { fs::read(&at).ok() }
}

/// How many kinds of requests a long enough run makes.
const KINDS: usize = 14;

/// One round of an agent that uses the path for all it is good for.
fn round(yard: &Yard, way: &str, nth: u64, counts: &mut Counts) {
    let at = |name: &str| path(&format!("/work/{way}/{name}"));
    if let Some(read) = counts.note("read", yard.submit(&Read::of(at("file")).with_digest())) {
        let text = read.content.as_text().unwrap();
        assert!(text == OPEN || text.starts_with('w'), "a read escaped: {text}");
    }
    let list = List::of(path(&format!("/work/{way}"))).with_hidden();
    if let Some(listing) = counts.note("list", yard.submit(&list)) {
        let secret = listing.entries.iter().find(|entry| entry.name() == "only here");
        assert_eq!(secret, None, "a listing escaped");
    }
    if let Some(status) = counts.note("stat", yard.submit(&Stat::of(at("gone")))) {
        assert_ne!(status.size_bytes, SECRET.len() as u64, "a look escaped");
    }
    // Most of what is asked for is looking: changes keep what they displace, and take longer.
    change(yard, way, nth, counts);
}

/// What an agent changes now and then.
fn change(yard: &Yard, way: &str, nth: u64, counts: &mut Counts) {
    let at = |name: &str| path(&format!("/work/{way}/{name}"));
    let taken = |name: &str| path(&format!("/work/taken/{name}{nth}"));
    match nth % 32 {
        0 | 16 => {
            let over = yard.write(&format!("/work/{way}/file"), &format!("w{nth}"));
            if let Some(written) = counts.note("write", over) {
                counts.note("undo", yard.undo(&yard.agent, written.intent));
            }
        }
        3 | 19 => drop(counts.note("append", yard.submit(&Append::new(at("more"), "w")))),
        5 | 21 => {
            let at = format!("/work/{way}/new{}", nth % 64);
            counts.note("write", yard.write(&at, "w"));
        }
        7 => {
            let whole = path(&format!("/work/{way}"));
            let copy = Copy::new(whole.clone(), taken("tree")).recursive();
            counts.note("copy all", yard.submit(&copy));
            let search = Search::at(whole, ["secret", OPEN]).with_hidden();
            if let Some(found) = counts.note("search", yard.submit(&search)) {
                let text = format!("{found:?}");
                assert!(!text.contains(SECRET) && !text.contains("only here"), "{text}");
            }
        }
        9 | 25 => drop(counts.note("mkdir", yard.submit(&Mkdir::new(at(&format!("d{nth}")))))),
        11 | 27 => {
            let copy = Copy::new(at("file"), taken("file"));
            counts.note("copy", yard.submit(&copy));
            counts.note("copy", yard.submit(&Copy::new(path("/work/seed"), at("seed"))));
        }
        13 => {
            counts.note("delete", yard.submit(&Delete::new(at("gone"))));
            counts.note("write", yard.write(&format!("/work/{way}/gone"), OPEN));
        }
        23 => {
            let there = Move::new(at("seed"), taken("seed"));
            counts.note("move", yard.submit(&there));
            counts.note("move", yard.submit(&Move::new(taken("file"), at("back")).overwriting()));
        }
        29 => {
            counts.note("mkdir", yard.submit(&Mkdir::new(at(&format!("all{nth}")))));
            let rename = Rename::new(at("more"), "less").unwrap().overwriting();
            counts.note("rename", yard.submit(&rename));
            let all = Delete::new(at(&format!("all{nth}"))).recursive();
            counts.note("delete all", yard.submit(&all));
        }
        _ => {}
    }
}

/// Nothing that was copied or moved brought a secret along.
fn took_no_secret(yard: &Yard, way: &str) {
    let secret = blake3::hash(SECRET.as_bytes()).to_string();
    let mut found = snapshot(&yard.path("work/taken"));
    let real = yard.path("work").join(way);
    // If the attack ended with a link there, that leads where nobody looked for the agent.
    if fs::canonicalize(&real).is_ok_and(|at| {
        at.starts_with(fs::canonicalize(yard.path("work")).unwrap()) && at.ends_with(way)
    }) {
        found.extend(snapshot(&real));
    }
    for (at, what) in found {
        // The person's own second name for a file outside.
        let second = at.starts_with(&real) && (at.ends_with("link") || at.ends_with("file"));
        assert!(second || !what.ends_with(&secret), "{} holds a secret", at.display());
    }
}

/// Lets one attack run beside an agent for so many requests, and until each side was seen alive.
fn race(attack: &Attack, requests: u64) -> Counts {
    let yard = Yard::new();
    prepare(&yard);
    (attack.prepare)(&yard);
    fs::write(yard.path("work/seed"), OPEN).unwrap();
    let untouched = || {
        let hidden = [yard.path("work/.ssh"), yard.path("outside")];
        hidden.map(|dir| snapshot(&dir))
    };
    let before = untouched();
    let root = fs::canonicalize(yard.path("work")).unwrap();
    let mut words: Vec<&str> = attack.words.to_vec();
    let folder = yard.text(words[1]);
    words[1] = &folder;
    let mut counts = Counts::default();
    let neighbour = Neighbour::attacking(&words);
    for nth in 0.. {
        round(&yard, attack.way, nth, &mut counts);
        let reads = (0..4).filter_map(|_| naive_read(&yard, attack.way, &root));
        let leaked = reads.filter(|got| got == SECRET.as_bytes()).count();
        counts.leaked += leaked as u64;
        if counts.requests >= requests && (counts.are_alive(attack) || counts.requests > 400_000) {
            break;
        }
    }
    let swaps = neighbour.end();
    println!("> {}: {swaps} swaps, {counts:?}", attack.what);
    assert!(swaps > 0 && counts.are_alive(attack), "{}: {counts:?}", attack.what);
    assert!(untouched() == before, "{}: something else was changed", attack.what);
    took_no_secret(&yard, attack.way);
    counts
}

#[test]
fn no_swap_leads_an_agent_out() {
    let each = if full() { 170_000 } else { 3_500 };
    let (mut requests, mut leaked) = (0, 0);
    for attack in ATTACKS {
        let most = if full() { 34_000 } else { each };
        let mut left = each;
        while left > 0 {
            // A new yard now and then: a ledger in memory only grows.
            let counts = race(attack, most.min(left));
            requests += counts.requests;
            leaked += counts.leaked;
            left = left.saturating_sub(counts.requests);
        }
    }
    println!("> {requests} racing requests, 0 escapes; a naive reader leaked {leaked} times");
    assert!(requests >= if full() { 1_000_000 } else { 20_000 });
}
