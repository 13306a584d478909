//! A path that leads elsewhere from one moment to the next. Another process does the swapping; a
//! naive reader, who checks where a path leads and then opens it, runs beside the agent and leaks.
use std::{fs, os::unix::fs::symlink};

use clawnet_fs::{Delete, List, Mkdir, Read, Stat};

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
    /// Of reading, listing, looking, writing, making directories, deleting and undoing.
    done: [u64; 7],
    refused: u64,
    leaked: u64,
}

impl Counts {
    fn note<T, E>(&mut self, which: usize, result: Result<T, E>) -> Option<T> {
        self.requests += 1;
        let done = result.ok();
        if done.is_some() {
            self.done[which] += 1;
        } else {
            self.refused += 1;
        }
        done
    }
}

/// As many programs do it: ask where the path leads, and if that is well inside, open it.
fn naive_read(yard: &Yard, way: &str, root: &std::path::Path) -> Option<Vec<u8>> {
    let at = yard.path("work").join(way).join("file");
    let real = fs::canonicalize(&at).ok()?;
    let inside = real.strip_prefix(root).ok()?;
    if inside.starts_with(".ssh") { None } else { fs::read(&at).ok() }
}

/// One round of an agent that uses the path for all it is good for.
fn round(yard: &Yard, way: &str, nth: u64, counts: &mut Counts) {
    let at = |name: &str| path(&format!("/work/{way}/{name}"));
    if let Some(read) = counts.note(0, yard.submit(&Read::of(at("file")).with_digest())) {
        let text = read.content.as_text().unwrap();
        assert!(text == OPEN || text.starts_with('w'), "a read escaped: {text}");
    }
    let list = List::of(path(&format!("/work/{way}"))).with_hidden();
    if let Some(listing) = counts.note(1, yard.submit(&list)) {
        let secret = listing.entries.iter().find(|entry| entry.name() == "only here");
        assert_eq!(secret, None, "a listing escaped");
    }
    if let Some(status) = counts.note(2, yard.submit(&Stat::of(at("gone")))) {
        assert_ne!(status.size_bytes, SECRET.len() as u64, "a look escaped");
    }
    // Most of what is asked for is looking: changes keep what they displace, and take longer.
    match nth % 16 {
        0 => {
            let over = yard.write(&format!("/work/{way}/file"), &format!("w{nth}"));
            if let Some(written) = counts.note(3, over) {
                counts.note(6, yard.undo(&yard.agent, written.intent));
            }
        }
        5 => {
            let at = format!("/work/{way}/new{}", nth % 64);
            counts.note(3, yard.write(&at, "w"));
        }
        9 => drop(counts.note(4, yard.submit(&Mkdir::new(at(&format!("d{}", nth % 64)))))),
        13 => {
            counts.note(5, yard.submit(&Delete::new(at("gone"))));
            counts.note(3, yard.write(&format!("/work/{way}/gone"), OPEN));
        }
        _ => {}
    }
}

/// Lets one attack run beside an agent for so many requests, and until each side was seen alive.
fn race(attack: &Attack, requests: u64) -> Counts {
    let yard = Yard::new();
    prepare(&yard);
    (attack.prepare)(&yard);
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
        let alive = counts.leaked > 0 && counts.refused > 0 && counts.done.iter().all(|n| *n > 0);
        if counts.requests >= requests && (alive || counts.requests > 400_000) {
            break;
        }
    }
    let swaps = neighbour.end();
    println!("> {}: {swaps} swaps, {counts:?}", attack.what);
    assert!(swaps > 0 && counts.leaked > 0 && counts.refused > 0, "{}: {counts:?}", attack.what);
    assert!(counts.done.iter().all(|done| *done > 0), "{}: {counts:?}", attack.what);
    assert!(untouched() == before, "{}: something else was changed", attack.what);
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
