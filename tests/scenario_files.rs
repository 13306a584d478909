//! The scenario files, the manual's examples, and what the tool says to a file that is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "all of this module is tests, and so are the functions they share"
)]
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_tests::scenario::{Ending, commands, run};
use serde_json::Value;

/// Every scenario file by name, and its text.
fn files() -> Vec<(String, String)> {
    let dir = Dir::open_ambient_dir(tests().join("scenarios"), ambient_authority()).unwrap();
    let names = dir.entries().unwrap().map(|entry| entry.unwrap().file_name().into_string());
    let mut files: Vec<_> = names
        .map(|name| name.unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "jsonl"))
        .map(|name| (name.clone(), dir.read_to_string(&name).unwrap()))
        .collect();
    files.sort();
    files
}

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a text, and returns its ending and what was printed.
fn play(name: &str, text: &str, store: Option<&Path>) -> (Ending, Vec<Value>) {
    let mut out = Vec::new();
    let ending = run((name, text), store, &mut out).unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ending, lines)
}

fn check_held(name: &str, text: &str, store: Option<&Path>) -> Vec<Value> {
    let (ending, lines) = play(name, text, store);
    let differs: Vec<_> = lines.iter().filter_map(|line| line.get("differs")).collect();
    assert_eq!((ending, differs), (Ending::Held, Vec::new()), "{name}");
    lines
}

#[test]
fn every_file_holds_in_memory() {
    assert!(files().len() >= 40);
    for (name, text) in files() {
        check_held(&name, &text, None);
    }
}

#[test]
fn every_file_holds_in_the_embedded_store() {
    for (name, text) in files() {
        if !text.starts_with("# memory only") {
            let folder = tempfile::tempdir().unwrap();
            check_held(&name, &text, Some(folder.path()));
        }
    }
}

#[test]
fn a_file_gives_the_same_results_every_time() {
    for (name, text) in files().iter().filter(|(name, _)| !name.starts_with("files")) {
        assert_eq!(play(name, text, None), play(name, text, None), "{name}");
    }
}

#[test]
fn every_expectation_that_cannot_hold_is_noticed() {
    for (name, text) in files() {
        let lines = text.lines().map(str::trim);
        let (mut changed, mut count) = (Vec::new(), 0);
        for line in lines {
            let Ok(mut command) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(expect) = command.get_mut("expect") {
                *expect = serde_json::json!({"no such field": 1});
                count += 1;
            }
            changed.push(command.to_string());
        }
        let (ending, _) = play(&name, &changed.join("\n"), None);
        // What is not expected any more may be an error, which is noticed as well.
        assert_eq!(ending, Ending::Broken(count), "{name}");
    }
}

/// The manual as it should be: below each example the result of its last line, the examples of a
/// section being one file. And every command that was shown.
fn renewed(manual: &str) -> (String, BTreeSet<String>) {
    let (mut renewed, mut shown) = (String::new(), BTreeSet::new());
    for section in manual.split_inclusive("\n## ") {
        let title = section.lines().next().unwrap_or_default();
        let mut script = String::new();
        let mut parts = section.split("```jsonl\n");
        renewed.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (example, rest) = part.split_once("```\n").unwrap();
            let (_, rest) = rest.split_once("```json\n").expect("a result below each example");
            let (_, rest) = rest.split_once("\n```").unwrap();
            script.push_str(example);
            let lines = check_held(title, &script, None);
            shown.extend(lines.iter().map(|line| line["do"].as_str().unwrap().to_owned()));
            let result = &lines.last().unwrap()["result"];
            let result = result.to_string();
            let parts = ["```jsonl\n", example, "```\n```json\n", &result, "\n```", rest];
            renewed.extend(parts);
        }
    }
    (renewed, shown)
}

/// Set `CLAWNET_RENEW_MANUAL` to write the results anew where the kernel's words have changed.
#[test]
fn every_example_of_the_manual_holds_and_gives_the_result_below_it() {
    let dir = Dir::open_ambient_dir(tests(), ambient_authority()).unwrap();
    let manual = dir.read_to_string("SCENARIOS.md").unwrap();
    let (renewed, shown) = renewed(&manual);
    if std::env::var_os("CLAWNET_RENEW_MANUAL").is_some() {
        dir.write("SCENARIOS.md", &renewed).unwrap();
    }
    for (now, then) in renewed.lines().zip(manual.lines()) {
        assert_eq!(now, then);
    }
    let all: BTreeSet<_> = commands().map(str::to_owned).collect();
    assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_manual_describes_every_command_and_no_other() {
    let dir = Dir::open_ambient_dir(tests(), ambient_authority()).unwrap();
    let text = dir.read_to_string("SCENARIOS.md").unwrap();
    let described = text.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let described: BTreeSet<_> = described.collect();
    assert_eq!(described, commands().collect());
}

#[test]
fn a_file_that_is_wrong_is_told_so_with_its_line() {
    let check = |text: &str, said: &str| {
        let (ending, _) = play("f", text, None);
        assert_eq!(ending, Ending::Misread(said.to_owned()), "{text}");
    };
    let missing = "f:1: `bind`: missing field `to`";
    check(r#"{"do":"bind","as":"bot"}"#, missing);
    check(r#"{"do":"grnat"}"#, "f:1: no command is called `grnat`; did you mean `grant`?");
    check(
        "\n# a\n{\"do\":\"freeze\",\"idenity\":\"work\"}",
        "f:3: `freeze`: unknown field `idenity`, expected `identity` or `signed_by`; \
         did you mean `identity`?",
    );
    check(
        "{\"do\":\"identity\",\"as\":\"work\"}\n{\"do\":\"bind\",\"as\":\"bot\",\"to\":\"wrok\"}",
        "f:2: nothing is called `wrok`, and an identity is wanted; did you mean `work`?",
    );
    check(
        "{\"do\":\"identity\",\"as\":\"work\"}\n{\"do\":\"approve\",\"ticket\":\"work\"}",
        "f:2: `work` is an identity, not a ticket",
    );
    check(
        "{\"do\":\"identity\",\"as\":\"work\"}\n{\"do\":\"identity\",\"as\":\"work\"}",
        "f:2: the name `work` is taken: choose another",
    );
    check(
        "{\"do\":\"certify\",\"key\":\"k\"}\n{\"do\":\"checkpoint\",\"as\":\"monday\"}\n\
         {\"do\":\"prove\",\"record\":1,\"under\":\"mondy\"}",
        "f:3: no checkpoint is called `mondy`; did you mean `monday`?",
    );
    check(
        r#"{"do":"disk_fault","says":"io"}"#,
        "f:1: there is no simulated disk: begin the file with `disk`",
    );
    check("[]", "f:1: a command is an object with a field `do`");
    check("{}", "f:1: a command has a field `do` that names it");
    check(
        r#"{"do":"advance","by":"1.5h"}"#,
        "f:1: `advance`: `1.5h` is no time: write `500ms`, `90s`, `2h` or `1d`",
    );
}

#[test]
fn a_wrong_operation_is_told_so_too() {
    let start =
        "{\"do\":\"identity\",\"as\":\"work\"}\n{\"do\":\"bind\",\"as\":\"bot\",\"to\":\"work\"}";
    let check = |fields: &str, said: &str| {
        let text = format!("{start}\n{{\"do\":\"submit\",\"by\":\"bot\",{fields}}}");
        assert_eq!(play("f", &text, None).0, Ending::Misread(format!("f:3: {said}")), "{fields}");
    };
    check(r#""kind":"fs.raed""#, "no operation is called `fs.raed`; did you mean `fs.read`?");
    check(
        r#""kind":"probe.change","demands":[["wirte","fs:/a"]]"#,
        "`probe.change`: unknown variant `wirte`, expected one of `read`, `list`, `write`, \
         `delete`, `call`, `send`, `use`, `push`, `deploy`, `consult`, `delegate`; \
         did you mean `write`?",
    );
    check(r#""kind":"probe.change","demands":[]"#, "a probe has at least one demand");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the tool is a program: only a process shows its exit"
)]
fn the_tool_exits_with_what_it_found() {
    let tool = |words: &[&str]| -> Output {
        let command = Command::new(env!("CARGO_BIN_EXE_scenario")).args(words).output();
        command.unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let file = |name: &str, text: &str| {
        dir.write(name, text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let whole = file("held.jsonl", "{\"do\":\"verify\",\"expect\":{\"damage\":null}}\n");
    let broken = file("broken.jsonl", "{\"do\":\"verify\",\"expect\":{\"records\":9}}\n");
    let wrong = file("wrong.jsonl", "{\"do\":\"verfy\"}\n");
    let check = |words: &[&str], code: i32| {
        let output = tool(words);
        assert_eq!(output.status.code(), Some(code), "{words:?} {output:?}");
        output
    };
    check(&[&whole], 0);
    check(&[&whole, &broken], 1);
    let output = check(&[&broken, &wrong, &whole], 2);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("wrong.jsonl:1: no command is called `verfy`"), "{said}");
    check(&["no such file"], 2);
    check(&[], 2);
    check(&["--stoer", &whole], 2);
    let manual = String::from_utf8(check(&["--help"], 0).stdout).unwrap();
    assert!(manual.contains("what_can") && manual.contains("Exit status"), "{manual}");
    let store = folder.path().join("store").to_str().unwrap().to_owned();
    check(&["--store", &store, &whole], 0);
    check(&["--store", &store, &whole], 2);
}
