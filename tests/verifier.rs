//! The verifier in another language, on honest and on spoiled ledgers: it and ours must say the
//! same of the same bytes, up to the record.
#![cfg(test)]
use std::process::Command;

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::*;
use futures::executor::block_on;

use crate::story::{Story, founder};

mod forge;
mod spoiled;

use forge::Forge;

/// What a verifier finds in a file: whether it holds, and up to which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    Holds(u64),
    Breaks(u64),
}

use self::Finding::{Breaks, Holds};

/// A file, and what is to be found.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expect: Finding,
}

/// What ours says.
fn ours(bytes: &[u8]) -> Finding {
    match Import::of(founder()).verify(bytes, |_| ()) {
        Ok(read) => Holds(read.found.records),
        Err(ImportError::Damage(damage)) => Breaks(damage.sequence - 1),
        Err(ImportError::Entry { record, .. }) => Breaks(record),
        Err(ImportError::NotAnExport | ImportError::Format(_) | ImportError::Foreign(_)) => {
            Breaks(0)
        }
        Err(other) => panic!("{other}"),
    }
}

/// What the program in Python says of each file, all in one process: its lines, and its status.
#[expect(clippy::disallowed_methods, reason = "another language is another program")]
fn python(program: &str, options: &[&str], files: &[&[u8]]) -> (Vec<String>, i32) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let names: Vec<String> = (0..files.len()).map(|nth| format!("{nth}.jsonl")).collect();
    for (name, bytes) in names.iter().zip(files) {
        dir.write(name, bytes).unwrap();
    }
    let path = format!("{}/verifier/{program}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("python3");
    command.current_dir(folder.path()).env("PYTHONUTF8", "1").args(["-B", &path]);
    let output = command.args(options).arg(founder().to_string()).args(&names).output();
    let output = output.unwrap_or_else(|error| {
        panic!("python3 cannot be run ({error}): the other verifier, {path}, needs it")
    });
    let said = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(lines.len(), files.len(), "{program} said {said}{errors}");
    (lines, output.status.code().unwrap())
}

/// The finding in a line of `verify.py`.
fn finding(line: &str) -> Finding {
    let (_, said) = line.split_once(": ").unwrap();
    let number = |text: &str| text.split([' ', ',']).next().unwrap().parse().unwrap();
    match (said.strip_prefix("it holds: "), said.strip_prefix("it holds up to record ")) {
        (Some(rest), _) => Holds(number(rest)),
        (_, Some(rest)) => Breaks(number(rest)),
        _ => panic!("{line}"),
    }
}

/// Has both verifiers look at every case.
fn check(cases: &[Case]) {
    let files: Vec<&[u8]> = cases.iter().map(|case| &*case.bytes).collect();
    let (lines, status) = python("verify.py", &[], &files);
    let mut wrong = Vec::new();
    for (Case { name, bytes, expect }, line) in cases.iter().zip(&lines) {
        let (ours, theirs) = (ours(bytes), finding(line));
        if ours != *expect || theirs != *expect {
            wrong.push(format!("{name}: {ours:?} in Rust, {line}, and not {expect:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let broken = cases.iter().any(|case| matches!(case.expect, Breaks(_)));
    assert_eq!(status, i32::from(broken));
}

fn told() -> Forge {
    block_on(async {
        let (lines, _) = Story::tell().await.exported().await;
        Forge::of(&lines)
    })
}

#[test]
fn an_honest_ledger_holds() {
    let forge = told();
    let records = forge.payloads.len() as u64;
    let honest = Case { name: "honest".into(), bytes: forge.file.clone(), expect: Holds(records) };
    // What spoils ledgers below can make honest ones too.
    let again = Case { name: "again".into(), bytes: forge.written(), expect: Holds(records) };
    assert_eq!(honest.bytes, again.bytes);
    let bytes = block_on(async { crate::caused::Caused::tell().await.exported().await });
    let records = Forge::of(&bytes).payloads.len() as u64;
    let caused = Case { name: "caused".into(), bytes, expect: Holds(records) };
    check(&[honest, again, caused]);
}

#[test]
fn what_is_done_to_the_file_is_found_at_its_record() {
    check(&spoiled::edits(&told()));
}

#[test]
fn what_is_forged_by_who_can_compute_the_chain_is_found_at_its_record() {
    check(&spoiled::forgeries(&told()));
}

#[test]
fn no_bit_can_be_flipped() {
    let forge = told();
    let cases = spoiled::flips(&forge.file, 500);
    check(&cases);
}

/// Our own way to remember is the kernel's, with its store; theirs is the note.
#[test]
fn what_a_checkpoint_remembers_is_missed_when_it_is_cut_off_or_rewritten() {
    let forge = told();
    let size = forge.sequence("rekey") - 1;
    let note = forge.note(size, forge.root(size));
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    dir.write("note", &note).unwrap();
    let path = folder.path().join("note");
    let cut = forge.then(size - 1, &[]);
    let other = forge.then(size - 1, &[forge.recovered(0), forge.recovered(1)]);
    let files = [&*forge.file, &forge.then(size, &[]), &cut, &other];
    let remembering = ["--remember", path.to_str().unwrap()];
    let (lines, status) = python("verify.py", &remembering, &files);
    let found: Vec<Finding> = lines.iter().map(|line| finding(line)).collect();
    let records = forge.payloads.len() as u64;
    let expect = [Holds(records), Holds(size), Breaks(size - 1), Breaks(size)];
    assert_eq!((found.as_slice(), status), (&expect[..], 1), "{lines:?}");
    assert!(lines[3].contains("remembered"), "{lines:?}");
    assert_eq!(python("verify.py", &[], &files[2..]).1, 0, "without the note they hold");
}

#[test]
fn bundles_are_proven_by_both_or_by_neither() {
    let bundles: Vec<String> = block_on(async {
        let story = Story::tell().await;
        let size = story.late.checkpoint().size;
        let mut bundles = Vec::new();
        for sequence in (1..=size).step_by(3) {
            bundles.push(story.owner.bundle(sequence, &story.late).await.unwrap().to_string());
        }
        bundles
    });
    let spoiled: Vec<Vec<u8>> = bundles.iter().flat_map(|text| spoiled::bundles(text)).collect();
    let honest = bundles.iter().map(String::as_bytes);
    let files: Vec<&[u8]> = honest.chain(spoiled.iter().map(Vec::as_slice)).collect();
    let (lines, _) = python("bundle.py", &[], &files);
    for (nth, (bytes, line)) in files.iter().zip(&lines).enumerate() {
        let read = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Bundle>().ok());
        let ours = read.is_some_and(|bundle| bundle.check(founder()).is_ok());
        let theirs = line.contains("it holds: ");
        assert_eq!((ours, theirs), (nth < bundles.len(), nth < bundles.len()), "{line}");
    }
}
