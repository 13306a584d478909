//! What the compiler must refuse: a program for each promise, and a twin that differs in one line
//! and compiles, so that the first fails for the reason given.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of programs reads programs")]

use std::{collections::BTreeMap, fs, path::Path};

/// Every program's text, by its name without the ending.
fn programs() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let programs = entries.filter(|path| path.extension().is_some_and(|end| end == "rs"));
    let named = programs.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    named.collect()
}

#[test]
fn what_must_not_compile_does_not_and_its_twin_does() {
    let cases = trybuild::TestCases::new();
    for name in programs().keys() {
        let path = format!("compile_fail/{name}.rs");
        if name.ends_with("_twin") { cases.pass(path) } else { cases.compile_fail(path) }
    }
}

#[test]
fn each_program_has_a_promise_and_a_twin_that_differs_in_one_line() {
    let programs = programs();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let promises = fs::read_to_string(folder.join("README.md")).unwrap();
    for (name, text) in programs.iter().filter(|(name, _)| !name.ends_with("_twin")) {
        let twin =
            programs.get(&format!("{name}_twin")).unwrap_or_else(|| panic!("{name} is alone"));
        assert_eq!(text.lines().count(), twin.lines().count(), "{name}");
        let differ = text.lines().zip(twin.lines()).filter(|(line, other)| line != other);
        // Its name, and that of what it is a twin of, aside: one line.
        assert_eq!(differ.count(), 1, "{name} and its twin");
        let promise = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap();
        let number = name.split('_').next().unwrap();
        assert!(promises.contains(&format!("{number}. {promise}")), "{name} is not in the README");
        assert!(folder.join(format!("{name}.stderr")).exists(), "{name} has no `.stderr`");
    }
}
