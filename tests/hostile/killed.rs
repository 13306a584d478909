//! Every system call of every change fails, or is the last, by `strace` on an unmodified program.
//! Then the node is opened again, and all of it or nothing of it is there.
use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Event, Kernel, LocalStore, ManualClock, OutcomeKind, Recall as _, Recalled, Signer as _,
    SoftwareKey,
};
use clawnet_fs::{Durability, Folders, Node, Recovered};
use futures::executor::block_on;
use tempfile::TempDir;

use super::apart::full;

const VICTIM: &str = env!("CARGO_BIN_EXE_file_victim");

/// A change, and what was done before it.
#[derive(Debug, Clone, Copy)]
struct Deed {
    before: &'static [&'static str],
    deed: &'static str,
}

const DEEDS: &[Deed] = &[
    Deed { before: &[], deed: "over" },
    Deed { before: &[], deed: "create" },
    Deed { before: &[], deed: "deep" },
    Deed { before: &[], deed: "mkdir" },
    Deed { before: &[], deed: "delete" },
    Deed { before: &[], deed: "append" },
    Deed { before: &[], deed: "copy" },
    Deed { before: &[], deed: "copy over" },
    Deed { before: &[], deed: "copy all" },
    Deed { before: &[], deed: "move" },
    Deed { before: &[], deed: "move over" },
    Deed { before: &[], deed: "move all" },
    Deed { before: &[], deed: "rename" },
    Deed { before: &[], deed: "delete all" },
    Deed { before: &["move over"], deed: "undo" },
    Deed { before: &["copy all"], deed: "undo" },
    Deed { before: &["delete all"], deed: "undo" },
    Deed { before: &["over", "undo"], deed: "redo" },
    Deed { before: &["over", "deep", "move", "copy all"], deed: "rollback" },
    Deed { before: &["over"], deed: "undo" },
    Deed { before: &["create"], deed: "undo" },
    Deed { before: &["deep"], deed: "undo" },
    Deed { before: &["delete"], deed: "undo" },
];

/// Whether `strace` is here and may do its work.
fn may_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let may = tried.as_ref().is_ok_and(|output| output.status.success());
    let required = std::env::var("CLAWNET_REQUIRE_STRACE").is_ok_and(|value| value == "1");
    assert!(may || !required, "strace is required and does not work: {tried:?}");
    may
}

/// Files by their paths in a folder; a directory has no content.
type Tree = BTreeMap<String, Option<Vec<u8>>>;

fn tree(top: &Path) -> Tree {
    let mut found = Tree::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let at = entry.unwrap().path();
            let name = at.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            let is_dir = at.is_dir();
            found.insert(name, (!is_dir).then(|| fs::read(&at).unwrap()));
            ahead.extend(is_dir.then_some(at));
        }
    }
    found
}

/// What a folder and its store hold between them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    work: Tree,
    slots: usize,
}

/// A place for a victim.
struct Place(TempDir);

impl Place {
    fn prepared(deed: Deed) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.0.path().join("work")).unwrap();
        fs::create_dir(place.0.path().join("state")).unwrap();
        fs::write(place.0.path().join("work/old"), "one").unwrap();
        fs::create_dir(place.0.path().join("work/dir")).unwrap();
        fs::write(place.0.path().join("work/dir/inner"), "inner").unwrap();
        let told = place.run(&[], deed.before);
        assert_eq!(told.len(), deed.before.len() + 1, "{deed:?}: {told:?}");
        place
    }

    /// Lets a victim do this, under what stands in front of it, and answers what it was told.
    fn run(&self, under: &[&str], deeds: &[&str]) -> Vec<String> {
        let folder = self.0.path().to_str().unwrap();
        let mut words: Vec<&str> = under.to_vec();
        words.extend([VICTIM, folder]);
        words.extend(deeds);
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let told = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        told.map(str::to_owned).collect()
    }

    fn held(&self) -> Held {
        let slots = fs::read_dir(self.0.path().join("state/slots")).map_or(0, Iterator::count);
        Held { work: tree(&self.0.path().join("work")), slots }
    }

    fn trace(&self) -> String {
        let bytes = fs::read(self.0.path().join("trace")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A call and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Injection {
    call: &'static str,
    fault: &'static str,
}

const KILLED: &str = "signal=SIGKILL";

/// Every call that names, writes, flushes or removes something, and how it can end.
fn injections() -> Vec<Injection> {
    let mut all = Vec::new();
    for call in ["renameat2", "write", "fsync", "fdatasync", "openat", "mkdirat", "unlinkat"] {
        all.push(Injection { call, fault: KILLED });
        all.push(Injection { call, fault: "error=EIO" });
    }
    for call in ["write", "openat", "mkdirat", "renameat2"] {
        all.push(Injection { call, fault: "error=ENOSPC" });
    }
    all.push(Injection { call: "openat2", fault: "error=EIO" });
    if full() {
        all.push(Injection { call: "openat2", fault: KILLED });
        all.push(Injection { call: "statx", fault: "error=EIO" });
        all.push(Injection { call: "pread64", fault: "error=EIO" });
        all.push(Injection { call: "openat2", fault: "error=EMFILE" });
    }
    all
}

/// How many of each call the main thread made, before and after it was ready.
fn counted(trace: &str) -> BTreeMap<String, (u64, u64)> {
    let main = trace.lines().next().and_then(|line| line.split_whitespace().next()).unwrap();
    let (mut counts, mut ready) = (BTreeMap::<String, (u64, u64)>::new(), false);
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(char::is_whitespace) else { continue };
        let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
        if process != main {
            continue;
        }
        ready |= name == "write" && rest.contains("READY");
        let count = counts.entry(name.to_owned()).or_default();
        if ready { count.1 += 1 } else { count.0 += 1 }
    }
    counts
}

/// What is known of a deed when nothing disturbs it.
struct Known {
    deed: Deed,
    old: Held,
    new: Held,
    calls: BTreeMap<String, (u64, u64)>,
}

fn known(deed: Deed) -> Known {
    let place = Place::prepared(deed);
    let old = place.held();
    let trace = place.0.path().join("trace");
    let under = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
    assert_eq!(place.run(&under, &[deed.deed]), ["READY", "ok"], "{deed:?}");
    let new = place.held();
    assert_ne!(old.work, new.work, "{deed:?}");
    Known { deed, old, new, calls: counted(&place.trace()) }
}

/// What a victim left, once opened again.
struct Found {
    recovered: Recovered,
    recalled: Option<Recalled>,
    outcome: Option<OutcomeKind>,
    /// What the ledger was told after the restart.
    said: Option<Recalled>,
}

/// Opens ledger and node again, as the application does after a crash.
fn reopen(place: &Place, what: &str) -> Found {
    let at = |name: &str| place.0.path().join(name);
    let open = |name: &str| Dir::open_ambient_dir(at(name), ambient_authority()).unwrap();
    let (store, opened) = LocalStore::open(&at("ledger")).unwrap();
    assert!(opened.damage.is_none(), "{what}: {opened:?}");
    let key = SoftwareKey::from_secret(&[9; 32]);
    let governing = Kernel::governing(key.public_key()).verifying_everything();
    let kernel = block_on(governing.open(store, ManualClock::default())).unwrap();
    let owner = block_on(kernel.owner(key)).unwrap();
    let folders = Folders::new().read_write("/work", open("work")).unwrap();
    let node = Node::open(folders, open("state"), Durability::PowerSafe).unwrap();
    let recovered = node.recovered().clone();
    let files = kernel.mount("files", node);
    block_on(kernel.settle(&files)).unwrap();
    let records = block_on(owner.records(1, usize::MAX)).unwrap();
    let mut found = Found { recovered, recalled: None, outcome: None, said: None };
    let mut last = 0;
    for record in &records {
        match &record.event {
            // A look at a rollback changes nothing, and the journal knows nothing of it.
            Event::Intent(intent) if !intent.operation.as_str().contains("\"dry_run\":true") => {
                last = record.sequence;
                found.recalled = Some(files.endpoint().recall(owner.id(), last));
                (found.outcome, found.said) = (None, None);
            }
            Event::Outcome(outcome) if outcome.intent == last => {
                found.outcome = Some(outcome.result.clone());
            }
            Event::Recalled { said, intent } if *intent == last => found.said = Some(*said),
            _ => {}
        }
    }
    found
}

/// Holds what a victim left to what it was told, and to what is in the two books.
fn check(place: &Place, known: &Known, told: &[String], what: &str) -> bool {
    let first = reopen(place, what);
    let held = place.held();
    let done = held.work == known.new.work;
    assert!(done || held.work == known.old.work, "{what}: {:?}", held.work);
    assert_eq!(first.recovered.broken_at, None, "{what}");
    // A slot that could not be cleared away is said to be a conflict, and kept.
    let killed = what.contains(KILLED);
    let clear = if done { known.new.slots } else { known.old.slots };
    assert!(held.slots == clear || !killed && held.slots > clear, "{what}: {held:?}");
    assert!(first.recovered.conflicts.is_empty(), "{what}: {:?}", first.recovered);
    match told.get(1).map(String::as_str) {
        Some("ok") => assert!(done, "{what}: acknowledged and not done"),
        Some("ledger" | "failed log_unavailable") | None => {}
        Some(refused) => assert!(!done, "{what}: {refused}, and done"),
    }
    // Whether an intent of the deed itself is there: those before it are all done.
    if told.first().is_some_and(|line| line == "READY") || killed {
        agree(&first, known, done, what);
    }
    let again = reopen(place, what);
    assert_eq!(again.recovered, Recovered::default(), "{what}: recovered twice");
    assert_eq!(place.held(), held, "{what}: recovered twice is recovered once");
    let kept = tree(&place.0.path().join("state/slots"));
    for content in known.old.work.values().flatten() {
        let there = held.work.values().flatten().any(|it| it == content);
        assert!(
            there || kept.values().flatten().any(|it| it == content),
            "{what}: something is lost"
        );
    }
    done
}

/// The ledger and the journal say the same about the last intent, and it is what is there.
fn agree(found: &Found, known: &Known, done: bool, what: &str) {
    let failed = |code: &str| code != "log_unavailable";
    match (&found.outcome, found.recalled) {
        // An earlier intent is the last there is: the deed was never begun.
        (Some(OutcomeKind::Done), Some(Recalled::Done)) if !known.deed.before.is_empty() => {}
        (Some(OutcomeKind::Done), recalled) => {
            assert!(done && recalled == Some(Recalled::Done), "{what}: {recalled:?}");
        }
        (Some(OutcomeKind::Failed { code, .. }), recalled) => {
            assert!(!done || !failed(code.as_str()), "{what}: {code:?}, {recalled:?}");
        }
        (Some(OutcomeKind::Interrupted), recalled) => {
            let expect = if done { Recalled::Done } else { Recalled::NotDone };
            let unknown = !done && recalled == Some(Recalled::Unknown);
            assert!(unknown || recalled == Some(expect), "{what}: {recalled:?}");
            assert!(unknown || found.said == recalled, "{what}: {:?}", found.said);
        }
        (None, None) => assert!(!done, "{what}: done without an intent"),
        (outcome, recalled) => panic!("{what}: {outcome:?}, {recalled:?}"),
    }
}

/// Does `task` for every number below `count`, on a few threads.
fn for_each(count: usize, task: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let work = || {
            while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count)
            {
                task(nth);
            }
        };
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

#[test]
fn a_change_that_dies_or_fails_at_any_call_is_whole_or_not_at_all() {
    if !may_trace() {
        eprintln!(
            "SKIPPED: strace is missing or may not trace; no call of the node was made to fail"
        );
        return;
    }
    let known: Vec<Known> = DEEDS.iter().map(|deed| known(*deed)).collect();
    let mut runs = Vec::new();
    for known in &known {
        for injection in injections() {
            let (before, after) = known.calls.get(injection.call).copied().unwrap_or_default();
            // All of them in the long run; else those of the change itself.
            let first = if full() { 1 } else { before + 1 };
            runs.extend((first..=before + after).map(|nth| (known, injection, nth)));
        }
    }
    // Without the long run, a sample that reaches every deed and every kind of call.
    let step = if full() { 1 } else { runs.len().div_ceil(SAMPLE).max(1) };
    let runs: Vec<_> = runs.into_iter().step_by(step).collect();
    let (mix, wrong) = (Mutex::new(BTreeMap::<String, [u64; 3]>::new()), Mutex::new(Vec::new()));
    for_each(runs.len(), |number| {
        let (known, injection, nth) = runs[number];
        let Ok((reached, done)) = catch_unwind(AssertUnwindSafe(|| inject(known, injection, nth)))
        else {
            return wrong.lock().unwrap().push((known.deed, injection, nth));
        };
        let mut mix = mix.lock().unwrap();
        let counts = mix.entry(format!("{}:{}", injection.call, injection.fault)).or_default();
        for (count, more) in counts.iter_mut().zip([reached, reached && done, reached && !done]) {
            *count += u64::from(more);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), runs.len());
    let mix = mix.into_inner().unwrap();
    println!("> call:fault [injected, done, not done]");
    for (what, counts) in &mix {
        println!(">   {what} {counts:?}");
    }
    let total = |which: usize| mix.values().map(|counts| counts[which]).sum::<u64>();
    println!("> {} runs, {} injected, {} done, {} not", runs.len(), total(0), total(1), total(2));
    assert!(total(0) > 100 && total(1) > 10 && total(2) > 10, "{mix:?}");
    for call in ["renameat2:signal=SIGKILL", "write:signal=SIGKILL", "write:error=ENOSPC"] {
        assert!(mix.contains_key(call), "{call} was never reached");
    }
}

/// Lets a victim do a deed whose `nth` call of a kind ends so. Whether that was reached, and whether
/// the deed was done.
fn inject(known: &Known, Injection { call, fault }: Injection, nth: u64) -> (bool, bool) {
    let what = format!("{:?} {call} {fault} {nth}", known.deed);
    let place = Place::prepared(known.deed);
    let (inject, trace) =
        (format!("inject={call}:{fault}:when={nth}"), place.0.path().join("trace"));
    let only = format!("trace={call}");
    let under = ["strace", "-f", "-qq", "-e", &only, "-e", &inject, "-o", trace.to_str().unwrap()];
    let told = place.run(&under, &[known.deed.deed]);
    let done = check(&place, known, &told, &what);
    (place.trace().contains("(INJECTED)") || told.len() < 2, done)
}

/// How many injections the default run makes.
const SAMPLE: usize = 130;

/// What the victim says when a call fails from when it is ready, or from the start.
fn failing(call: &str, error: &str, from: Option<&str>) -> (Vec<String>, String) {
    let known = known(DEEDS[0]);
    let place = Place::prepared(DEEDS[0]);
    let before = known.calls.get(call).map_or(0, |(before, _)| *before);
    let first = if from == Some("ready") { before + 1 } else { 1 };
    let trace = place.0.path().join("trace");
    let inject = format!("inject={call}:error={error}:when={first}+");
    let under = ["strace", "-f", "-qq", "-e", &inject, "-o", trace.to_str().unwrap()];
    let told = place.run(&under, &["read", "stat", "list", "over", "delete", "mkdir"]);
    assert_eq!(place.held().work, known.old.work, "{call} {error}");
    (told, place.trace())
}

#[test]
fn without_strict_resolution_there_is_none() {
    if !may_trace() {
        eprintln!("SKIPPED: strace is missing or may not trace; openat2 was always there");
        return;
    }
    let (told, _) = failing("openat2", "ENOSYS", None);
    assert!(told.len() == 1 && told[0].contains("unsupported"), "{told:?}");
    let (told, trace) = failing("openat2", "ENOSYS", Some("ready"));
    assert_eq!(told[0], "READY");
    assert!(
        told[1..].len() == 6 && told[1..].iter().all(|it| it == "denied unsupported"),
        "{told:?}"
    );
    let after = trace.split_once("READY").unwrap().1;
    let weaker = after.lines().find(|line| line.contains("openat(") && line.contains("old"));
    assert_eq!(weaker, None, "a weaker way in");
    assert!(after.contains("openat2(") && after.contains("RESOLVE_NO_SYMLINKS"), "{after}");
}

#[test]
fn an_undecided_resolution_is_tried_a_few_times_and_then_refused() {
    if !may_trace() {
        eprintln!("SKIPPED: strace is missing or may not trace; openat2 was always decided");
        return;
    }
    let (told, trace) = failing("openat2", "EAGAIN", Some("ready"));
    assert!(told[1..].len() == 6 && told[1..].iter().all(|it| it == "denied moved"), "{told:?}");
    let after = trace.split_once("READY").unwrap().1;
    let tries = after.lines().filter(|line| line.contains("openat2(")).count();
    assert!((6..=6 * 8).contains(&tries), "{tries} tries for six requests");
}
