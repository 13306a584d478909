//! A real process on a real store, and the system calls that fail under it: each in turn, by
//! `strace`, on the unmodified `victim`; and death at every one of them, and at any time.
//!
//! `kill -9` cannot find a missing flush, because the page cache survives it: `power` does that.
//! `CLAWNET_POWER=full` does more operations and kills more often. Without `strace` the first test
//! says so and is skipped, unless `CLAWNET_REQUIRE_STRACE` is 1.
#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the records it is about")]
#![expect(clippy::disallowed_methods, reason = "a test of processes starts processes")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use clawnet_core::*;
use futures::executor::block_on;
use tempfile::TempDir;

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");

/// How far the numbers of two lives of a victim are apart.
const LIFE: u64 = 1_000_000;

fn full() -> bool {
    env::var("CLAWNET_POWER").is_ok_and(|value| value == "full")
}

/// What a victim said before it ended.
#[derive(Debug, Default)]
struct Told {
    ok: Vec<u64>,
    /// The last record that it was told is there.
    act: u64,
    ready: bool,
    /// Numbers it was refused because the ledger failed.
    ledger: Vec<u64>,
}

impl Told {
    fn read(out: &[u8], what: &str) -> Self {
        let mut told = Self::default();
        let text = String::from_utf8(out.to_vec()).unwrap();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let (word, number) = line.split_once(' ').unwrap_or((line, "0"));
            let number = number.parse().unwrap();
            match word {
                "READY" => told.ready = true,
                "ok" | "act" => {
                    assert!(told.ledger.is_empty(), "{what}: acknowledged after it failed: {text}");
                    if word == "ok" { told.ok.push(number) } else { told.act = number }
                }
                "ledger" => told.ledger.push(number),
                "failed" | "no" => {}
                other => panic!("{what}: {other}"),
            }
        }
        told
    }
}

/// Opens what a victim left, and holds it to what it was told and to what it did.
fn check(folder: &Path, told: &[Told], what: &str) -> Found {
    let effects = fs::read_to_string(folder.join("effects")).unwrap_or_default();
    let effects: Vec<u64> = effects.lines().map(|line| line.parse().unwrap()).collect();
    let once: BTreeSet<&u64> = effects.iter().collect();
    assert_eq!(once.len(), effects.len(), "{what}: an effect happened twice: {effects:?}");
    for first in told.iter().filter_map(|told| told.ledger.first()) {
        // What was tried when it failed may have had its effect; nothing after that in this life.
        let late = effects.iter().find(|number| (first + 1..first + LIFE).contains(number));
        assert_eq!(late, None, "{what}: an effect after the ledger failed");
    }
    let mut found = Found::default();
    let mut head = None;
    for opening in 0..2 {
        let (store, opened) = LocalStore::open(&folder.join("store"))
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(opened.damage.is_none(), "{what}: {opened:?}");
        let key = SoftwareKey::from_secret(&[9; 32]);
        let governing = Kernel::governing(key.public_key()).verifying_everything();
        let kernel = block_on(governing.open(store, ManualClock::default())).unwrap();
        let recovery = kernel.recovery();
        assert_eq!(recovery.damage, None, "{what}");
        if opening == 0 {
            found.torn = opened.torn_size_bytes > 0;
            found.interrupted = recovery.closed;
        } else {
            assert_eq!((recovery.closed, opened.torn_size_bytes), (0, 0), "{what}");
            assert_eq!(head, Some(kernel.head()), "{what}: recovered twice is recovered once");
        }
        head = Some(kernel.head());
        assert_eq!(block_on(kernel.verify()).unwrap().damage, None, "{what}");
        let owner = block_on(kernel.owner(key)).unwrap();
        records(&block_on(owner.records(1, usize::MAX)).unwrap(), (told, &effects), what);
        if opening == 1 {
            block_on(owner.identity("more")).unwrap();
        }
    }
    found
}

#[derive(Debug, Default)]
struct Found {
    torn: bool,
    interrupted: u64,
}

/// Whether the ledger has what was acknowledged, and an intent for each effect.
fn records(records: &[AuditRecord], (told, effects): (&[Told], &[u64]), what: &str) {
    let (mut intents, mut done) = (BTreeMap::new(), BTreeSet::new());
    let mut spent = BTreeSet::new();
    for record in records {
        match &record.event {
            Event::Intent(intent) => {
                let value: serde_json::Value =
                    serde_json::from_str(intent.operation.as_str()).unwrap();
                intents.insert(record.sequence, value["number"].as_u64().unwrap());
                assert!(intent.approval.is_none_or(|it| spent.insert(it)), "{what}: spent twice");
            }
            Event::Outcome(Outcome { intent, result: OutcomeKind::Done, .. }) => {
                done.insert(intents[intent]);
            }
            _ => {}
        }
    }
    let known: BTreeSet<u64> = intents.values().copied().collect();
    for told in told {
        for number in &told.ok {
            assert!(done.contains(number), "{what}: {number} was acknowledged and is lost");
            assert!(effects.contains(number), "{what}: {number} was acknowledged without effect");
        }
        assert!(told.act <= records.len() as u64, "{what}: a decision is lost");
    }
    for number in effects {
        assert!(known.contains(number), "{what}: {number} happened and is not recorded");
    }
}

/// One kind of failure of one system call.
#[derive(Debug, Clone, Copy)]
struct Injection {
    call: &'static str,
    fault: &'static str,
    /// Whether every later one fails too.
    lasts: bool,
    /// Whether the store is found with a torn end.
    torn: bool,
}

/// Every call the store makes that can fail, and each way in which it can.
fn injections() -> Vec<Injection> {
    let (eio, full, killed) = ("error=EIO", "error=ENOSPC", "signal=SIGKILL");
    let each = |call, faults: &[&'static str]| {
        let faults = faults.iter();
        let make = |fault: &&'static str| Injection { call, fault, lasts: false, torn: false };
        faults.map(make).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for call in ["write", "pwrite64", "openat", "mkdir", "rename"] {
        all.extend(each(call, &[eio, full, killed]));
    }
    for call in ["fdatasync", "fsync", "unlink"] {
        all.extend(each(call, &[eio, killed]));
    }
    for call in ["sync_file_range", "statx", "getdents64", "pread64", "flock"] {
        all.extend(each(call, &[eio]));
    }
    for call in ["ftruncate", "fsync", "fdatasync"] {
        all.extend(each(call, &[eio, killed]).into_iter().map(|it| Injection { torn: true, ..it }));
    }
    for call in ["write,fdatasync,fsync,ftruncate", "fdatasync,fsync,ftruncate"] {
        all.extend(each(call, &[eio]).into_iter().map(|it| Injection { lasts: true, ..it }));
    }
    all
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
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}

/// Whether `strace` is here and may do its work.
fn may_trace() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let may = tried.as_ref().is_ok_and(|output| output.status.success());
    let required = env::var("CLAWNET_REQUIRE_STRACE").is_ok_and(|value| value == "1");
    assert!(may || !required, "strace is required and does not work: {tried:?}");
    may
}

#[test]
fn every_system_call_may_fail_and_every_one_may_be_the_last() {
    if !may_trace() {
        eprintln!("SKIPPED: strace is missing or may not trace; no system call was made to fail");
        return;
    }
    let (all, mix) = (injections(), Mutex::new(BTreeMap::<String, [u64; 5]>::new()));
    for_each(all.len(), |nth| {
        let injection = all[nth];
        for n in 1.. {
            let what = format!("{injection:?}, n {n}");
            let Some((told, found)) = fail(injection, n, &what) else { break };
            let mut mix = mix.lock().unwrap();
            let counts = mix.entry(format!("{}:{}", injection.call, injection.fault)).or_default();
            let more = [
                1,
                told.ready.into(),
                (!told.ledger.is_empty()).into(),
                found.torn.into(),
                found.interrupted,
            ];
            for (count, more) in counts.iter_mut().zip(more) {
                *count += more;
            }
        }
    });
    let mix = mix.into_inner().unwrap();
    println!("call:fault, runs, that began to work, whose ledger failed, torn, interrupted");
    let mut total = [0; 5];
    for (what, counts) in &mix {
        println!("  {what} {counts:?}");
        for (total, count) in total.iter_mut().zip(counts) {
            *total += count;
        }
    }
    println!("  all {total:?}");
    for call in [
        "write:error=EIO",
        "fdatasync:error=EIO",
        "fdatasync:signal=SIGKILL",
        "ftruncate:error=EIO",
    ] {
        assert!(mix.contains_key(call), "{call} was never reached");
    }
    assert!(total[0] > 150 && total[2] > 30 && total[4] > 20, "{total:?}");
}

/// Runs a victim whose `n`th call fails. None if it makes no `n` of them.
fn fail(injection: Injection, n: u64, what: &str) -> Option<(Told, Found)> {
    let folder = TempDir::new().unwrap();
    let mut before = Vec::new();
    if injection.torn {
        let output = Command::new(VICTIM).arg(folder.path()).args(["0", "2"]).output().unwrap();
        before.push(Told::read(&output.stdout, what));
        let segment = folder.path().join("store/segments/00000001.log");
        let mut bytes = fs::read(&segment).unwrap();
        bytes.extend([0x5A; 700]);
        fs::write(&segment, bytes).unwrap();
    }
    let trace = folder.path().join("trace");
    let Injection { call, fault, lasts, .. } = injection;
    let when = if lasts { format!("{n}+") } else { n.to_string() };
    let count = if full() { "14" } else { "5" };
    let output = Command::new("strace")
        .args(["-f", "-qq", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:{fault}:when={when}")])
        .arg("-o")
        .arg(&trace)
        .args([VICTIM.as_ref(), folder.path().as_os_str()])
        .args(["3", count])
        .output()
        .unwrap();
    let traced = fs::read(&trace).unwrap();
    let traced = String::from_utf8_lossy(&traced);
    let injected = traced.contains("(INJECTED)") || !output.status.success();
    let told = Told::read(&output.stdout, what);
    if !injected {
        assert!(told.ok.len() > 4, "{what}: {output:?}");
    }
    before.push(told);
    let found = check(folder.path(), &before, what);
    injected.then(|| (before.pop().unwrap(), found))
}

/// The order of the calls themselves, which no kill shows: the page cache survives it.
#[test]
fn what_is_named_and_written_is_flushed_before_anybody_acts_on_it() {
    if !may_trace() {
        eprintln!("SKIPPED: strace is missing or may not trace; the order of flushes was not seen");
        return;
    }
    let folder = TempDir::new().unwrap();
    let trace = folder.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-y", "-e", "trace=openat,write,fdatasync,fsync,rename,unlink", "-o"])
        .arg(&trace)
        .args([VICTIM.as_ref(), folder.path().as_os_str()])
        .args(["0", "12"])
        .output();
    assert!(output.unwrap().status.success());
    let root = folder.path().canonicalize().unwrap().join("store").display().to_string();
    let (mut order, mut acts, mut flushes) = (Order::default(), 0, 0);
    for call in calls(&fs::read_to_string(&trace).unwrap()) {
        let (name, rest) = call.split_once('(').unwrap();
        if name == "write" && (rest.starts_with("1<") || rest.contains("/effects>")) {
            assert!(order.unflushed.is_empty(), "{call}: before {:?} is flushed", order.unflushed);
            acts += 1;
        }
        flushes += order.see(name, rest, &root);
    }
    assert!(acts > 24 && flushes > 24, "{acts} acts, {flushes} flushes");
    assert!(order.folders > 1, "{order:?}");
}

/// What was written or named, and not flushed.
#[derive(Debug, Default)]
struct Order {
    unflushed: BTreeSet<String>,
    /// How many folders were flushed in their turn.
    folders: usize,
}

impl Order {
    /// Takes one call; answers 1 if it flushed something that had to be.
    fn see(&mut self, name: &str, rest: &str, root: &str) -> usize {
        let path = |text: &str, from: char, to: char| -> Option<String> {
            let (_, inside) = text.split_once(from)?;
            Some(inside.split_once(to)?.0.strip_prefix(root)?.to_owned())
        };
        let folder = |file: String| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let names = match name {
            "openat" if rest.contains("O_CREAT") => {
                let made = path(rest, '"', '"').filter(|made| made.starts_with("/segments/"));
                made.and_then(folder)
            }
            "rename" => {
                rest.split_once(", ").and_then(|(_, to)| path(to, '"', '"')).and_then(folder)
            }
            "unlink" => path(rest, '"', '"').and_then(folder),
            "write" => path(rest, '<', '>').filter(|file| file.starts_with("/segments/")),
            _ => {
                let flushed = path(rest, '<', '>').filter(|path| self.unflushed.remove(path));
                self.folders +=
                    usize::from(flushed.as_ref().is_some_and(|it| !it.contains(".log")));
                return flushed.map_or(0, |_| 1);
            }
        };
        self.unflushed.extend(names);
        0
    }
}

/// The calls of a trace, each where it returned, without the process that made it.
fn calls(trace: &str) -> Vec<String> {
    let (mut begun, mut calls) = (BTreeMap::new(), Vec::new());
    for line in trace.lines() {
        let Some((process, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        if let Some(front) = call.strip_suffix(" <unfinished ...>") {
            begun.insert(process, front);
        } else if let Some((_, back)) = call.split_once(" resumed>") {
            calls.push(format!("{}{back}", begun.remove(process).unwrap_or_default()));
        } else {
            calls.push(call.to_owned());
        }
    }
    calls.retain(|call| call.contains('('));
    calls
}

#[test]
fn killed_at_any_time_it_has_lost_nothing_and_repeats_nothing() {
    let (lives, kills) = if full() { (24, 100) } else { (8, 16) };
    let (worked, interrupted) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for_each(lives, |life| {
        let folder = TempDir::new().unwrap();
        let mut told = Vec::new();
        let mut dice = life as u64 + 1;
        for kill in 0..kills {
            dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let first = kill * LIFE;
            let child = Command::new(VICTIM)
                .arg(folder.path())
                .args([first.to_string(), "100000".to_owned()])
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut child = child.unwrap();
            let (mut out, mut said) =
                (child.stdout.take().map(BufReader::new).unwrap(), Vec::new());
            if kill % 4 > 0 {
                // Most die at work, some while they start.
                out.read_until(b'\n', &mut said).unwrap();
            }
            thread::sleep(Duration::from_micros((dice >> 33) % 40_000));
            child.kill().unwrap();
            out.read_to_end(&mut said).unwrap();
            child.wait().unwrap();
            let what = format!("life {life}, kill {kill}");
            told.push(Told::read(&said, &what));
            worked.fetch_add(told.last().unwrap().ok.len(), Ordering::Relaxed);
            let found = check(folder.path(), &told, &what);
            interrupted.fetch_add(usize::try_from(found.interrupted).unwrap(), Ordering::Relaxed);
        }
    });
    println!("{} kills, {worked:?} operations, {interrupted:?} interrupted", lives as u64 * kills);
    assert!(worked.into_inner() > 20 && interrupted.into_inner() > 5);
}
