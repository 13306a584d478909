//! The whole story, word for word. `TWO_OWNERS_TRANSCRIPT=write` writes it anew, to be read before
//! it is kept.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of a program that works on files")]

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
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
