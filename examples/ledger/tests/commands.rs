//! Every command on the demo's ledger: what is shown, what is said, and the exit status.
//!
//! A transcript holds commands, each with what it has to show: its standard output, its standard
//! error behind `! `, and its exit status where that is not 0. `LEDGER_TRANSCRIPTS=write` writes
//! them anew, to be read before they are kept.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of a program that works on files")]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::SystemTime,
};

use clawnet_core::LocalStore;
use tempfile::TempDir;

/// A folder in which the demo was made, as everything is run in.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        assert!(desk.run("demo demo").status.success());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ledger(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).env_clear();
        for (name, file) in [("STORE", "ledger"), ("KEY", "owner.pub"), ("SECRET", "owner.secret")]
        {
            command.env(format!("LEDGER_{name}"), format!("demo/{file}"));
        }
        command
    }

    fn run(&self, line: &str) -> Output {
        self.ledger(line).output().unwrap()
    }

    fn status(&self, line: &str) -> i32 {
        self.run(line).status.code().unwrap()
    }

    /// Every file of the store, its content and when it was changed.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.path("demo/ledger")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let changed = entry.metadata().unwrap().modified().unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    files.insert(entry.path(), (Vec::new(), changed));
                } else {
                    files.insert(entry.path(), (fs::read(entry.path()).unwrap(), changed));
                }
            }
        }
        files
    }

    /// Runs one line of a transcript, and tells what it showed.
    fn perform(&self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["ledger", "quiet", ..] => told(self.run(&words[2..].join(" ")), false),
            ["ledger", ..] => told(self.run(&words[1..].join(" ")), true),
            ["spoil", file, at] => {
                let mut bytes = fs::read(self.path(file)).unwrap();
                bytes[at.parse::<usize>().unwrap()] ^= 1;
                fs::write(self.path(file), bytes).unwrap();
                String::new()
            }
            ["cut", file, size] => {
                let bytes = fs::read(self.path(file)).unwrap();
                fs::write(self.path(file), &bytes[..size.parse().unwrap()]).unwrap();
                String::new()
            }
            ["edit", file, old, new] => {
                let [old, new] = [old, new].map(|text| text.replace("\\n", "\n"));
                let text = fs::read_to_string(self.path(file)).unwrap();
                assert!(text.contains(&old), "{line}");
                fs::write(self.path(file), text.replacen(&old, &new, 1)).unwrap();
                String::new()
            }
            _ => panic!("`{line}` is not understood"),
        }
    }
}

fn told(output: Output, shown: bool) -> String {
    let mut told = String::new();
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|_| shown) {
        // What sled takes on disk is its own affair.
        let line = if line.starts_with("index  ") { "index        (varies)" } else { line };
        told.extend([line, "\n"]);
    }
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        told.extend(["! ", line, "\n"]);
    }
    let status = output.status.code().unwrap();
    if status == 0 { told } else { format!("{told}= {status}\n") }
}

/// Runs the commands of a transcript in order, in one folder.
fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(name);
    let expect = fs::read_to_string(&path).unwrap();
    let desk = Desk::new();
    let mut found = String::new();
    for line in expect.lines().filter(|line| line.starts_with("$ ") || line.starts_with("# ")) {
        if !found.is_empty() {
            found.push('\n');
        }
        found.extend([line, "\n"]);
        if let Some(line) = line.strip_prefix("$ ") {
            found.push_str(&desk.perform(line));
        }
    }
    if env::var_os("LEDGER_TRANSCRIPTS").is_some() {
        fs::write(&path, &found).unwrap();
    } else {
        let differs = found.lines().zip(expect.lines()).find(|(found, expect)| found != expect);
        assert!(found == expect, "{name}: {differs:?}\n{found}");
    }
}

#[test]
fn looking() {
    check("look.txt");
}

#[test]
fn querying() {
    check("query.txt");
}

#[test]
fn proving() {
    check("prove.txt");
}

#[test]
fn carrying() {
    check("carry.txt");
}

#[test]
fn deciding() {
    check("decide.txt");
}

#[test]
fn damage() {
    check("damage.txt");
}

#[test]
fn slips() {
    check("slips.txt");
}

#[test]
fn looking_changes_nothing_not_even_a_torn_end() {
    let desk = Desk::new();
    let segment = desk.path("demo/ledger/segments/00000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes.extend([7; 100]);
    fs::write(&segment, &bytes).unwrap();
    let before = desk.files();
    for line in ["show", "follow --count 3", "verify", "stats", "checkpoint"] {
        assert_eq!(desk.status(line), 0, "{line}");
        assert!(desk.files() == before, "{line}");
    }
    let opened = desk.run("query --count 1");
    let said = String::from_utf8(opened.stderr).unwrap();
    assert!(said.contains("100 bytes of a torn end cut"), "{said}");
    assert!(fs::read(&segment).unwrap().len() < bytes.len());
}

#[test]
fn who_looks_needs_no_lock_and_who_opens_says_who_has_it() {
    let desk = Desk::new();
    let (store, _) = LocalStore::open(&desk.path("demo/ledger")).unwrap();
    for line in ["show", "follow --count 1", "verify", "stats", "checkpoint"] {
        assert_eq!(desk.status(line), 0, "{line}");
    }
    for line in ["query", "prove 14", "export -", "import demo/owner.pub", "peers"] {
        let output = desk.run(line);
        assert_eq!(output.status.code(), Some(3), "{line}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("ledger: another process has the store open"), "{said}");
        assert!(output.stdout.is_empty());
    }
    drop(store);
    assert_eq!(desk.status("query"), 0);
}

#[test]
fn who_follows_is_shown_what_another_process_writes() {
    let desk = Desk::new();
    let mut command = desk.ledger("follow 37 --count 3");
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    let known: Vec<_> = lines.by_ref().take(2).collect();
    assert!(known[1].starts_with("  37"), "{known:?}");
    assert_eq!(desk.status(&format!("erase {CONTENT}")), 0);
    let new: Vec<_> = lines.collect();
    assert!(new[0].starts_with("  38") && new[0].contains("owner"), "{new:?}");
    assert!(new[1].starts_with("  39") && new[1].contains("kernel"), "{new:?}");
    assert!(follower.wait().unwrap().success());
}

#[test]
fn a_reader_that_goes_away_is_no_failure_but_half_an_export_is() {
    let desk = Desk::new();
    let unread = |line: &str| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = desk.ledger(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for line in ["show", "follow", "query", "stats", "checkpoint", "prove 14", "help", "verify"] {
        assert_eq!(unread(line), (0, String::new()), "{line}");
    }
    let (status, said) = unread("export -");
    assert_eq!(status, 3);
    assert!(said.starts_with("ledger: the export is unfinished"), "{said}");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(desk.ledger("show").stdout(full).status().unwrap().code(), Some(3));
}

#[test]
fn a_slip_makes_no_store_and_begins_no_ledger() {
    let desk = Desk::new();
    let before = desk.files();
    for line in ["query", "prove 14", "export -", "erase {CONTENT}", "peers", "show", "verify"] {
        let line = line.replace("{CONTENT}", CONTENT);
        assert_eq!(desk.status(&format!("{line} --store nowhere")), 3, "{line}");
        let other = "--key demo/kernel.secret --secret demo/kernel.secret";
        assert_eq!(desk.status(&format!("{line} {other}")), 4, "{line}");
    }
    assert!(!desk.path("nowhere").exists());
    let segments = |files: &BTreeMap<PathBuf, (Vec<u8>, SystemTime)>| {
        let segments = files.iter().filter(|(path, _)| path.ends_with("00000001.log"));
        segments.map(|(_, (bytes, _))| bytes.clone()).collect::<Vec<_>>()
    };
    assert_eq!(segments(&before), segments(&desk.files()));
}

#[test]
fn the_demo_is_the_same_everywhere() {
    let segment = |desk: &Desk| fs::read(desk.path("demo/ledger/segments/00000001.log")).unwrap();
    let verified = |desk: &Desk| desk.run("verify").stdout;
    let (one, other) = (Desk::new(), Desk::new());
    assert_eq!(verified(&one), verified(&other));
    assert!(!segment(&one).is_empty());
}

#[test]
fn what_programs_read_is_json() {
    let desk = Desk::new();
    let lines = ["show", "verify", "stats", "checkpoint", "query", "prove 14", "export -"];
    for line in lines {
        let output = desk.run(&format!("--json {line}"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty() && output.stderr.is_empty(), "{line}");
        for value in text.lines() {
            serde_json::from_str::<serde_json::Value>(value).unwrap();
        }
    }
}

/// What the demo says can be erased.
const CONTENT: &str = "5bdf670b56e414974c0d0fa8a7bb41c764aa02ac3efa365bdb12c445ed2e9949";
