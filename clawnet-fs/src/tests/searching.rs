//! Searching, and what of a tree must not show: through no field of any answer.
use std::{os::unix::net::UnixListener, time::Duration};

use clawnet_core::{Rule, Verdict, Window};
use rustix::fs::{FileType, Mode, mknodat};

use super::{seeing::granted, *};

fn found(world: &World, search: &Search) -> Vec<(String, u64)> {
    let told = world.submit(search).unwrap();
    told.results.iter().map(|found| (found.path.to_string(), found.hits)).collect()
}

#[test]
fn one_file_is_searched_alone_and_a_missing_one_is_not_found() {
    let world = World::new();
    for name in ["one", "two"] {
        world.work.write(name, "a needle").unwrap();
    }
    let at = |text: &str| Search::at(path(text), ["NEEDLE"]);
    assert_eq!(found(&world, &at("/work/one")), [("fs:/work/one".into(), 1)]);
    assert_eq!(found(&world, &at("/work/one").names_only()), []);
    assert_eq!(world.code(&at("/work/none")), "failed not_found");
    assert_eq!(world.code(&at("/work/none/deeper")), "failed not_found");
    assert_eq!(world.code(&at("/elsewhere")), "denied not_whitelisted");
}

#[test]
fn hits_across_pieces_are_counted_once_and_lines_shown_once() {
    let world = World::new();
    let line = |nth: usize| format!("{}needle {nth} needle\n", "-".repeat(nth * 7 % 90));
    let content: String = (0..400).map(line).collect();
    world.work.write("file", &content).unwrap();
    let told = world.submit(&Search::at(path("/work"), ["needle", "eed"])).unwrap();
    let found = &told.results[0];
    assert_eq!(found.hits, 1600);
    let text = found.text.as_deref().unwrap();
    assert!(found.truncated && text.chars().count() <= 10_000 && content.starts_with(text));
    assert!(text.len() > 9_000);
}

#[test]
fn long_lines_are_shown_in_part_and_bytes_not_at_all() {
    let world = World::new();
    world.work.write("long", format!("{}needle{}", "ü".repeat(5000), "ü".repeat(5000))).unwrap();
    world.work.write("bytes", [b"needle\n\0needle".as_slice(), &[0xff; 9]].concat()).unwrap();
    world.work.write("broken", b"needle \xff\xfe needle").unwrap();
    let late = format!("needle\nneedle\nneedle\n{}\0", "-".repeat(9000));
    world.work.write("late", late).unwrap();
    let told = world.submit(&Search::at(path("/work"), ["needle"])).unwrap();
    let shown: Vec<_> = told
        .results
        .iter()
        .map(|found| (found.hits, found.text.as_ref().map(|text| text.chars().count())))
        .collect();
    assert_eq!(shown, [(3, None), (2, None), (2, None), (1, Some(507))]);
}

#[test]
fn what_is_over_a_limit_is_refused_or_said() {
    let world = World::new();
    let search = |words: &[&str]| Search::at(path("/work"), words.iter().copied());
    let long = "x".repeat(257);
    for words in [vec![""], vec![], vec!["a", "A"]] {
        assert_eq!(world.code(&search(&words)), "denied invalid_request", "{words:?}");
    }
    let many: Vec<String> = (0..17).map(|nth| format!("w{nth}")).collect();
    let many = Search::at(path("/work"), many);
    let wide = [many, search(&[&long]), search(&["a"]).deep(6), search(&["a"]).first(201)];
    for search in wide {
        assert_eq!(world.code(&search), "denied limit_exceeded");
    }
    let big = world.work.create("big").unwrap();
    big.set_len(Search::FILE_BYTES_MAX + 1).unwrap();
    world.folder("outside").hard_link("file", &world.work, "two").unwrap();
    let told = world.submit(&search(&["outside"])).unwrap();
    assert_eq!((told.results.len(), told.unsearched, told.truncated), (0, 2, false));
}

/// Tells everything an agent can learn of a tree by looking.
fn all_there_is(world: &World, agent: &Agent) -> Vec<String> {
    let mut told = Vec::new();
    let words = ["canary", "plain"];
    for sort in [SortBy::Name, SortBy::Modified, SortBy::Size] {
        for (max, recursive, details) in
            [(1, true, true), (3, false, false), (1000, true, false), (1000, false, true)]
        {
            let mut list = List::of(path("/work")).first(max, sort, Direction::Descending);
            (list.recursive, list.details) = (recursive, details);
            list.max_depth = 2;
            while let Ok(page) = block_on(agent.submit(world.mount(), &list)) {
                told.push(serde_json::to_string(&page).unwrap());
                let Some(next) = page.next else { break };
                list = list.after(next);
            }
        }
    }
    for search in [
        Search::at(path("/work"), words),
        Search::at(path("/work"), words).first(1),
        Search::at(path("/work"), words).deep(1),
        Search::at(path("/work"), words).names_only(),
    ] {
        let searched = block_on(agent.submit(world.mount(), &search)).unwrap();
        told.push(serde_json::to_string(&searched).unwrap());
    }
    told
}

/// A tree of plain things; with `canary`, also everything that must not show.
fn tree(canary: bool, grant: impl Fn() -> Grant) -> (World, Agent) {
    let world = World::new();
    let plain = || {
        world.work.create_dir("folder").unwrap();
        world.work.write("folder/plain", "plain text").unwrap();
        world.work.write("plain", "canary in plain sight").unwrap();
    };
    plain();
    if canary {
        world.work.create_dir_all("denied/canary/deeper").unwrap();
        world.work.write("denied/canary/plain", "canary canary").unwrap();
        world.work.write("folder/canary", "plain canary").unwrap();
        world.work.write("canary-asked", "plain".repeat(99)).unwrap();
        world.work.write("canary-lapsing", "plain").unwrap();
        world.work.write("canary.pem", "plain").unwrap();
        world.work.create_dir_all("folder/.ssh/canary").unwrap();
        world.folder("outside").hard_link("file", &world.work, "denied/two").unwrap();
    }
    // Times and sizes of what shows are the same in both.
    let at = rustix::fs::Timespec { tv_sec: 7, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: at, last_modification: at };
    for name in ["folder/plain", "folder", "plain"] {
        rustix::fs::utimensat(&world.work, name, &times, rustix::fs::AtFlags::empty()).unwrap();
    }
    let agent = granted(&world, grant());
    (world, agent)
}

#[test]
fn what_is_denied_leaks_through_no_field() {
    let grant = || {
        let subtree = |text: &str| Region::subtree(text).unwrap();
        let exact = |text: &str| Region::exact(text).unwrap();
        let both = [Action::List, Action::Read];
        let now = Window::until(Timestamp::from_millis(1_000_000));
        Grant::new()
            .allow(both, subtree("fs:/work"))
            .deny(both, subtree("fs:/work/denied"))
            .deny(Action::List, exact("fs:/work/folder/canary"))
            .ask(both, exact("fs:/work/canary-asked"))
            .rule(Rule::new(Verdict::Deny, both, exact("fs:/work/canary-lapsing")).within(now))
    };
    let (with, without) = (tree(true, grant), tree(false, grant));
    let (seen, plain) = (all_there_is(&with.0, &with.1), all_there_is(&without.0, &without.1));
    // When things were made differs between two trees, and a directory's size with what it held.
    let same = |text: &String| -> String {
        let mut value: serde_json::Value = serde_json::from_str(text).unwrap();
        forget(&mut value);
        value.to_string()
    };
    let (seen, plain): (Vec<_>, Vec<_>) =
        (seen.iter().map(same).collect(), plain.iter().map(same).collect());
    assert_eq!(seen, plain);
    let names = ["canary-", "denied", "deeper", ".pem", ".ssh", "folder/canary"];
    assert!(seen.iter().all(|text| names.iter().all(|name| !text.contains(name))), "{seen:#?}");
    assert!(seen.len() > 20);
}

/// Leaves out what differs between two trees of the same names.
fn forget(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            fields.remove("created");
            if fields.get("kind").is_some_and(|kind| kind == "directory") {
                fields.remove("size_bytes");
            }
            fields.values_mut().for_each(forget);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(forget),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => {}
    }
}

#[test]
fn content_that_may_not_be_read_makes_no_hit() {
    let world = World::new();
    world.work.write("secret", "needle").unwrap();
    world.work.write("needle", "needle").unwrap();
    let exact = |text: &str| Region::exact(text).unwrap();
    let grant = Grant::new()
        .allow([Action::List, Action::Read], Region::subtree("fs:/work").unwrap())
        .deny(Action::Read, exact("fs:/work/secret"))
        .ask(Action::Read, exact("fs:/work/needle"));
    let agent = granted(&world, grant);
    let search = Search::at(path("/work"), ["needle"]);
    let told = block_on(agent.submit(world.mount(), &search)).unwrap();
    let hits: Vec<_> = told.results.iter().map(|found| (found.hits, found.text.clone())).collect();
    assert_eq!((hits, told.unsearched, told.truncated), (vec![(1, None)], 0, false));
}

#[test]
fn a_window_that_lapses_shows_what_it_hid() {
    let base = World::new();
    base.work.write("file", "text").unwrap();
    let until = Window::until(Timestamp::from_millis(5_000));
    let exact = Region::exact("fs:/work/file").unwrap();
    let grant = Grant::new()
        .allow([Action::List], Region::subtree("fs:/work").unwrap())
        .rule(Rule::new(Verdict::Deny, Action::List, exact).within(until));
    let agent = granted(&base, grant);
    let count = || {
        let listing = block_on(agent.submit(base.mount(), &List::of(path("/work"))));
        listing.unwrap().entries.len()
    };
    assert_eq!(count(), 0);
    base.clock.advance(Duration::from_secs(5));
    assert_eq!(count(), 1);
}

#[test]
fn pipes_and_sockets_hold_nobody_up() {
    let world = World::new();
    mknodat(&world.work, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(world.base.path().join("work/socket")).unwrap();
    for name in ["/work/pipe", "/work/socket"] {
        let search = Search::at(path(name), ["pipe"]);
        assert_eq!(world.code(&search), "denied not_regular", "{name}");
        assert_eq!(world.code(&Read::of(path(name))), "denied not_regular", "{name}");
        assert_eq!(world.submit(&Stat::of(path(name))).unwrap().kind, EntryKind::Other);
    }
    assert_eq!(found(&world, &Search::at(path("/work"), ["pipe", "socket"])), []);
    for list in [List::of(path("/work")), List::of(path("/work")).names_only()] {
        let kinds = world.submit(&list).unwrap().entries;
        assert!(kinds.iter().all(|entry| entry.kind == EntryKind::Other) && kinds.len() == 2);
    }
}
