//! The whole story, word for word. `TWO_OWNERS_TRANSCRIPT=write` writes it anew, to be read before
//! it is kept.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of a program that works on files")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read as _},
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_two-owners")).args(arguments).output().unwrap()
}

#[test]
fn the_story_is_the_same_each_time() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcript.txt");
    let output = run(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    if env::var_os("TWO_OWNERS_TRANSCRIPT").is_some() {
        fs::write(&path, &found).unwrap();
        return;
    }
    let expect = fs::read_to_string(&path).unwrap();
    let differs = found.lines().zip(expect.lines()).find(|(found, expect)| found != expect);
    assert!(found == expect, "{differs:?}\n{found}");
}

#[test]
fn what_is_private_stays_where_it_is() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().join("new");
    let arguments = ["--state", folder.to_str().unwrap()];
    assert!(run(&arguments).status.success());
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("supplier/private/bottom-line.md"), "each: 8.20\n");
    assert_eq!(read("supplier/trade/price-list.md"), "each: 9.40\neach from 1000 on: 9.10\n");
    assert!(read("buyer/deals/order.md").contains("18680.00"));
    // And nothing that is there already is played over.
    assert_eq!(run(&arguments).status.code(), Some(1));
    assert_eq!(run(&["--forse"]).status.code(), Some(2));
}

/// What is the same whenever it happens: no digests, and lines of two processes in any order.
fn told(text: &str) -> Vec<String> {
    let plain = |word: &str| {
        let digest = matches!(word.len(), 8 | 12) && word.chars().all(|it| it.is_ascii_hexdigit());
        if digest || word.starts_with("ses_") { "-".to_owned() } else { word.to_owned() }
    };
    let lines = text.lines().map(|line| line.split(' ').map(plain).collect::<Vec<_>>().join(" "));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

#[test]
fn three_processes_tell_the_same_story() {
    let output = run(&["--processes"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcript.txt");
    let expect = fs::read_to_string(path).unwrap();
    let (found, expect) = (told(&found), told(&expect));
    let differs: Vec<_> =
        found.iter().zip(&expect).filter(|(found, expect)| found != expect).collect();
    assert!(found == expect, "{differs:?}");
}

#[test]
fn children_end_with_their_parent() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_two-owners"));
    command.arg("--processes").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parent = command.spawn().unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("supplier")));
    parent.kill().unwrap();
    parent.wait().unwrap();
    // They have the other end of this pipe, too: it is closed when the last of them is gone.
    let (told, gone) = channel();
    let mut errors = parent.stderr.take().unwrap();
    thread::spawn(move || {
        errors.read_to_end(&mut Vec::new()).unwrap();
        told.send(())
    });
    gone.recv_timeout(Duration::from_mins(1)).expect("a child outlives its parent");
}
