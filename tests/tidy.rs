//! The house style, as far as a program can see it: what every library's sources and manifests
//! keep to. Each check is a function from text to complaints, and is fed a bad sample.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "a test of sources reads sources")]

use std::{collections::BTreeMap, fs, path::Path};

const CRATES: [&str; 4] = ["clawnet-core", "clawnet-fs", "clawnet-net", "clawnet-agents"];
const LINES_MAX: usize = 600;
/// The one file that may open files by their paths: the store's own disk.
const DISK: &str = "clawnet-core/src/store/local/disk.rs";
const NAMES_THAT_SAY_NOTHING: [&str; 6] = ["utils", "common", "types", "misc", "traits", "prelude"];
const AMBIENT: [&str; 6] =
    ["std::fs", "std::net", "std::process", "SystemTime::now", "Instant::now", "File::o"];
const ESCAPES: [&str; 5] = [".unwrap()", ".expect(", "panic!(", "unreachable!(", "File::create"];

/// One library's sources, by path beneath the workspace.
struct Library {
    /// Modules in the order of `lib.rs`.
    order: Vec<String>,
    files: BTreeMap<String, String>,
}

impl Library {
    fn read(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut files = BTreeMap::new();
        let mut folders = vec![format!("{name}/src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path);
                } else if Path::new(&path).extension().is_some_and(|end| end == "rs") {
                    files.insert(path, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let order = modules(&code(&files[&format!("{name}/src/lib.rs")]));
        Self { order, files }
    }

    /// What is compiled into the library: not the tests beside it.
    fn sources(&self) -> impl Iterator<Item = (&String, String)> {
        let tests: Vec<String> =
            self.files.iter().flat_map(|(path, text)| test_files(path, text)).collect();
        let of_tests = move |path: &str| {
            tests
                .iter()
                .any(|test| path == format!("{test}.rs") || path.starts_with(&format!("{test}/")))
        };
        let sources = self.files.iter().filter(move |(path, _)| !of_tests(path));
        sources.map(|(path, text)| (path, code(text)))
    }
}

/// `text` without comments, the inside of strings, and tests.
fn code(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let raw = rest.strip_prefix('r').map(|rest| rest.trim_start_matches('#'));
        let hashes = raw.map_or(0, |raw| rest.len() - 1 - raw.len());
        let ends_word = out.ends_with(|c: char| c.is_alphanumeric() && c != 'b' || c == '_');
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if raw.is_some_and(|raw| raw.starts_with('"')) && !ends_word {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if c == '"' {
            quoted(rest)
        } else if ["'\"'", "'\\''", "'\\\"'"].iter().any(|quote| rest.starts_with(quote)) {
            rest[1..].find('\'').map_or(rest.len(), |at| at + 2)
        } else {
            0
        };
        if skip == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            rest = &rest[skip..];
        }
    }
    without_tests(&out)
}

/// `code` without what is only compiled for tests.
fn without_tests(code: &str) -> String {
    let (mut out, mut rest) = (String::new(), code);
    while let Some((before, gated)) = rest.split_once("#[cfg(test)]") {
        out.push_str(before);
        let mut depth = 0;
        let end = gated.char_indices().find(|(_, c)| {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            depth < 0 || depth == 0 && matches!(c, ';' | ',' | '}')
        });
        rest = end.map_or("", |(at, c)| &gated[at + c.len_utf8()..]);
    }
    out + rest
}

/// How long the string at the front of `rest` is, its quotes included.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The modules `code` declares, in order.
fn modules(code: &str) -> Vec<String> {
    let name = |line: &str| {
        let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    };
    code.lines().filter_map(name).collect()
}

/// The paths, without their ending, of the test modules that the file at `path` declares.
fn test_files(path: &str, text: &str) -> Vec<String> {
    let folder = path.strip_suffix("lib.rs").map(str::to_owned);
    let folder = folder.unwrap_or_else(|| format!("{}/", path.trim_end_matches(".rs")));
    let mut found = Vec::new();
    let (mut gated, mut moved) = (false, None);
    for line in text.lines() {
        if line == "#[cfg(test)]" {
            gated = true;
        } else if let Some(place) = line.strip_prefix("#[path = \"") {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            moved = Some(format!("{parent}/{}", place.trim_end_matches(".rs\"]")));
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            if let (true, [name]) = (gated, modules(line).as_slice()) {
                found.push(moved.take().unwrap_or_else(|| format!("{folder}{name}")));
            }
            (gated, moved) = (false, None);
        }
    }
    found
}

/// Which of the crate's own modules `code` names.
fn imports(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let mut rest = code[at + path.len()..].trim_start();
        if !rest.starts_with('{') {
            found.push(word(rest));
            continue;
        }
        let (mut depth, mut expects) = (0, false);
        while let Some(c) = rest.chars().next() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if expects && depth == 1 && c.is_alphabetic() => found.push(word(rest)),
                _ => {}
            }
            if depth == 0 {
                break;
            }
            expects = depth == 1 && (c == '{' || c == ',' || expects && c.is_whitespace());
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

fn complain_of_length(text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > LINES_MAX { vec![format!("has {lines} lines")] } else { Vec::new() }
}

/// A file belongs to the topmost module it is under, and may name only those listed above that.
fn complain_of_order(order: &[String], module: &str, code: &str) -> Vec<String> {
    let place = |name: &str| order.iter().position(|listed| listed == name);
    let Some(own) = place(module) else { return Vec::new() };
    let named = imports(code).into_iter();
    let below = named.filter(|name| place(name).is_some_and(|place| place > own));
    below.map(|name| format!("imports `{name}`, which is listed below `{module}`")).collect()
}

fn complain_of_names(path: &str) -> Vec<String> {
    let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let mut complaints = Vec::new();
    if NAMES_THAT_SAY_NOTHING.contains(&name) {
        complaints.push("has a name that says nothing".to_owned());
    }
    if name == "mod" {
        complaints.push("is a `mod.rs`".to_owned());
    }
    complaints
}

fn complain_of_words(words: &[&str], code: &str) -> Vec<String> {
    // The type is a handle, and takes nothing from the surroundings.
    let code = code.replace("use std::fs::File;", "").replace("cap_std::fs", "");
    let found = words.iter().filter(|word| code.contains(**word));
    found.map(|word| format!("says `{word}`")).collect()
}

/// Every dependency of the workspace stands in a group that begins with a reason; and every one of
/// a member is the workspace's.
fn complain_of_manifest(workspace: &str, member: &str) -> Vec<String> {
    let section = |text: &str, name: &str| {
        let inside = text.split_once(&format!("\n[{name}]\n")).map_or("", |(_, inside)| inside);
        inside.split("\n[").next().unwrap_or_default().trim().to_owned()
    };
    let listed = section(workspace, "workspace.dependencies");
    let mut complaints = Vec::new();
    for group in listed.split("\n\n").filter(|group| !group.trim_start().starts_with('#')) {
        complaints.push(format!("no reason is given for `{}`", group.lines().next().unwrap()));
    }
    let name = |line: &str| line.split(['.', ' ', '=']).next().unwrap_or_default().to_owned();
    let known: Vec<String> = listed.lines().map(name).collect();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let section = section(member, kind);
        for line in section.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if !line.contains("workspace = true") && !line.contains(".workspace") {
                complaints.push(format!("`{line}` is not the workspace's"));
            } else if !known.contains(&name(line)) {
                complaints.push(format!("the workspace does not list `{line}`"));
            }
        }
    }
    complaints
}

/// Asks every source of every library.
fn check(about: &str, complain: impl Fn(&Library, &str, &str) -> Vec<String>) {
    let mut complaints = Vec::new();
    for name in CRATES {
        let library = Library::read(name);
        for (path, code) in library.sources() {
            let found = complain(&library, path, &code).into_iter();
            complaints.extend(found.map(|what| format!("{path} {what}")));
        }
    }
    assert!(complaints.is_empty(), "{about}:\n{}", complaints.join("\n"));
}

/// The topmost module that the file at `path` is under.
fn module_of(path: &str) -> &str {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside);
    inside.split(['/', '.']).next().unwrap_or_default()
}

#[test]
fn files_stay_short() {
    for name in CRATES {
        let library = Library::read(name);
        let mut lines: Vec<usize> =
            library.files.values().map(|text| text.lines().count()).collect();
        lines.sort_unstable();
        let longest = lines.last().copied().unwrap_or(0);
        println!(
            "{name}: {} files, median {} lines, longest {longest}",
            lines.len(),
            lines[lines.len() / 2]
        );
        for (path, text) in &library.files {
            assert_eq!(complain_of_length(text), Vec::<String>::new(), "{path}");
        }
    }
    assert_eq!(complain_of_length(&"\n".repeat(600)), Vec::<String>::new());
    assert_eq!(complain_of_length(&"\n".repeat(601)), ["has 601 lines"]);
}

#[test]
fn modules_import_from_those_above() {
    check("`lib.rs` lists modules in the order they build on each other", |library, path, code| {
        complain_of_order(&library.order, module_of(path), code)
    });
}

#[test]
fn an_import_from_below_is_seen_however_it_is_written() {
    let order: Vec<String> = ["above", "here", "below"].map(str::to_owned).into();
    let check = |code_text: &str, expect: usize| {
        let complaints = complain_of_order(&order, "here", &code(code_text));
        assert_eq!(complaints.len(), expect, "{code_text}");
    };
    check("use crate::above::Thing;\nuse crate::here::Other;", 0);
    check("use crate::below::Thing;", 1);
    check("use crate::below;", 1);
    check("let x = crate::below::make();", 1);
    check("use crate::{\n    above::{self, Thing},\n    below::{A, B},\n};", 1);
    check("use crate::{above::Thing, below};", 1);
    check("use crate::{below::Thing, above::{below, Other}};", 1);
    check("use crate::{above::{below, Other}};", 0);
    check("pub(in crate::below) fn f() {}", 1);
    check("// use crate::below::Thing;\n/// [`crate::below`]\nlet s = \"crate::below\";", 0);
    check("#[cfg(test)]\nmod tests {\n    use crate::below::Thing;\n}", 0);
    assert_eq!(module_of("clawnet-core/src/here/part.rs"), "here");
    assert_eq!(module_of("clawnet-core/src/here/part/piece.rs"), "here");
}

#[test]
fn modules_are_named_for_what_they_are() {
    check("files are nouns of the domain", |_, path, _| complain_of_names(path));
    assert_eq!(complain_of_names("clawnet-core/src/scope/meter.rs"), Vec::<String>::new());
    for bad in ["a/src/utils.rs", "a/src/scope/types.rs", "a/src/scope/mod.rs", "a/src/prelude.rs"]
    {
        assert_eq!(complain_of_names(bad).len(), 1, "{bad}");
    }
}

#[test]
fn libraries_take_nothing_from_their_surroundings() {
    check("a library is handed its folders, sockets and clocks", |_, path, code| {
        if path == DISK { Vec::new() } else { complain_of_words(&AMBIENT, code) }
    });
    let check = |text: &str, expect: usize| {
        assert_eq!(complain_of_words(&AMBIENT, &code(text)).len(), expect, "{text}");
    };
    check("use std::fs::File;\nuse cap_std::fs::Dir;\n//! `std::fs`\n/// `Instant::now`", 0);
    check("let hint = \"std::time::SystemTime::now()\"; let c = '\"'; let t = r#\"std::net\"#;", 0);
    check("use std::fs;", 1);
    check("use std::fs::{self, File};", 1);
    check("let file = File::open(path);", 1);
    check("let c = '\"'; std::net::TcpStream::connect(to)", 1);
    check("let a = \"\\\\\"; let now = SystemTime::now();", 1);
    check("std::process::exit(1); Instant::now()", 2);
}

#[test]
fn libraries_do_not_panic() {
    check("what cannot happen is an error that says so", |_, _, code| {
        complain_of_words(&ESCAPES, code)
    });
    let check = |text: &str, expect: usize| {
        assert_eq!(complain_of_words(&ESCAPES, &code(text)).len(), expect, "{text}");
    };
    check(
        "#[expect(dead_code)]\nx.unwrap_or_default();\n// x.unwrap()\n#[cfg(test)]\nmod tests { x.unwrap() }",
        0,
    );
    check("struct S {\n    #[cfg(test)]\n    hook: Option<Box<dyn Fn()>>,\n    other: u8,\n}", 0);
    check("#[cfg(test)]\nfn f(a: u8) {\n    x.unwrap();\n}\nfn g() {}", 0);
    check("#[cfg(test)]\nfn f() {}\nfn g() {\n    x.unwrap();\n}", 1);
    check("x.unwrap()", 1);
    check("x\n    .expect(\"never\")", 1);
    check("panic!(\"no\"); unreachable!()", 2);
}

#[test]
fn test_modules_are_told_from_others() {
    let gated = "#[cfg(test)]\n#[path = \"contract.rs\"]\nmod contract;\nmod disk;\n#[cfg(test)]\nmod tests;";
    let files = test_files("a/src/store/local.rs", gated);
    assert_eq!(files, ["a/src/store/contract", "a/src/store/local/tests"]);
    assert_eq!(test_files("a/src/lib.rs", "#[cfg(test)]\nmod tests;"), ["a/src/tests"]);
    assert!(test_files("a/src/lib.rs", "#[cfg(test)]\nuse a::b;\nmod disk;").is_empty());
}

#[test]
fn dependencies_have_reasons() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    for name in CRATES.into_iter().chain(["tests"]) {
        let member = fs::read_to_string(root.join(name).join("Cargo.toml")).unwrap();
        assert_eq!(complain_of_manifest(&workspace, &member), Vec::<String>::new(), "{name}");
    }
    let listed = "\n[workspace.dependencies]\n# Why.\nserde = \"1\"\n\n[other]\n";
    let check = |workspace: &str, member: &str, expect: usize| {
        assert_eq!(complain_of_manifest(workspace, member).len(), expect, "{workspace}{member}");
    };
    check(listed, "\n[dependencies]\nserde.workspace = true\n", 0);
    check(&listed.replace("# Why.\n", ""), "", 1);
    check(&listed.replace("\n[other]", "\nrand = \"1\"\n\n[other]"), "", 1);
    check(listed, "\n[dependencies]\nserde = \"1\"\n", 1);
    check(listed, "\n[dev-dependencies]\nrand.workspace = true\n", 1);
}
