use super::*;

/// The example of `WHITELIST.md`.
fn example() -> &'static str {
    let text = include_str!("../../WHITELIST.md");
    text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap()
}

#[test]
fn the_example_is_a_list() {
    let list = Whitelist::parse(example()).unwrap();
    let names: Vec<&str> = list.folders.iter().map(|folder| folder.name.as_str()).collect();
    assert_eq!(names, ["/work", "/clients/northwind"]);
    let [work, northwind] = &list.folders[..] else { panic!() };
    assert_eq!((work.access, work.label.as_str()), (Access::ReadWrite, "/work"));
    assert_eq!((work.identities.as_ref(), work.keep), (None, Keep::default()));
    assert_eq!((northwind.access, northwind.label.as_str()), (Access::ReadOnly, "northwind"));
    assert_eq!(northwind.identities.as_ref().unwrap().len(), 1);
    assert_eq!(northwind.keep, Keep::default().bytes(2_000_000_000).days(90));
    assert_eq!(list.flows, [("/work".to_owned(), "northwind".to_owned())]);
    assert_eq!(list.protect.len(), 3);
}

/// What the example is refused with after `from` is `to` in it.
fn check(from: &str, to: &str, line: usize, why: &str) {
    assert!(example().contains(from), "{from}");
    let refused = Whitelist::parse(&example().replacen(from, to, 1)).unwrap_err();
    match &refused {
        WhitelistError::Text { line: found, why: text } => {
            assert!(text.contains(why) && *found == line, "{from} -> {to}: {refused}");
        }
        other @ (WhitelistError::Folder { .. } | WhitelistError::Origin(_)) => panic!("{other}"),
    }
}

#[test]
fn every_refusal_names_the_line_and_what_would_be_right() {
    check("format = 1", "format = 2", 1, "`format` has to be 1");
    check("format = 1\n", "", 1, "missing field `format`");
    check("format = 1", "format = 1\nroot = \"/\"", 2, "unknown field `root`, expected one of");
    check("\"/work\" ", "\"work\" ", 4, "right would be `/work`");
    check("\"/work\" ", "\"/\" ", 4, "whole volume");
    check("\"/work\" ", "\"/a/../b\" ", 4, "not a canonical path");
    check("/clients/northwind\"\npath", "/work\"\npath", 9, "the name is taken");
    check("\"/home/ada/work\"", "\"ada/work\"", 5, "`path` has to be absolute");
    check("\"/home/ada/work\"", "\"/home/../etc\"", 5, "without `..`");
    check("\"/home/ada/work\"", "\"/\"", 5, "not `/` itself");
    check("\"read-write\"", "\"rw\"", 6, "expected `read-only` or `read-write`");
    check("mode = \"read-only\"", "", 8, "missing field `mode`");
    check(
        "mode = \"read-only\"",
        "mod = \"read-only\"",
        11,
        "unknown field `mod`, expected one of",
    );
    check("label = \"northwind\"", "label = \"a\\nb\"", 12, "`label`: a label is one line");
    check("[\"idn_0123456789abcdef01234567\"]", "[]", 13, "names nobody");
    check("idn_0123456789abcdef01234567", "agt_0123456789abcdef01234567", 13, "`identities`: ");
    check("bytes = 2_000_000_000", "bytes = -1", 14, "expected u64");
    check("days = 90", "days = 0", 14, "`days` has to be at least 1");
    check("days = 90", "hours = 90", 14, "unknown field `hours`");
    check("from = \"/work\"", "from = \"/home\"", 17, "`from`: no folder is labelled `/home`");
    check("to = \"northwind\"", "to = \"/work\"", 18, "leave this out");
    check("*.wallet", "a*b", 21, "a name rule is one ASCII name");
    check("secrets.yaml", "тайна", 21, "a name rule is one ASCII name");
    check("[end]", "[end]\nwhole = true", 24, "the last line has to be `[end]`");
    check("[end]", "[ending]", 23, "the last line has to be `[end]`");
}

#[test]
fn no_part_of_a_list_is_a_list() {
    let whole = example().trim_end();
    assert!(Whitelist::parse(whole).is_ok());
    for cut in 0..whole.len() {
        let part = Whitelist::parse(&whole[..cut]);
        assert!(matches!(part, Err(WhitelistError::Text { .. })), "cut at {cut}");
    }
}

#[test]
fn nothing_said_is_nothing_served() {
    let empty = Whitelist::parse("format = 1\n[end]\n").unwrap();
    let folders = empty.open(cap_std::ambient_authority()).unwrap();
    assert_eq!(folders.roots().len(), 0);
    let nested = "[".repeat(100_000) + "\n[end]";
    assert!(Whitelist::parse(&nested).is_err());
}
