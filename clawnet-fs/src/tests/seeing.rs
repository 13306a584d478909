//! Lists and searches against a brute-force walk, under rules of both layers.
use std::sync::atomic::{AtomicU64, Ordering};

use clawnet_core::Verdict;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::*;

/// What the owner has: names that are shown, hidden, protected, and no text a path may have.
const NAMES: &[&str] = &["a", "b", "Ab", "c.md", ".d", ".env", "x.key", "grüße", "e\u{301}"];
/// Pieces that words are made of, so that they overlap, and lines, so that there are some.
const PIECES: &[&str] = &["a", "ab", "AB", "ba", "b\n", "\n", "grüße", "-", "\0", "~~~~~~~~~~~~"];

#[derive(Debug, Clone)]
struct Case {
    files: Vec<(Vec<&'static str>, Vec<&'static str>, i64)>,
    rules: Vec<Law>,
    depth: u32,
    recursive: bool,
    hidden: bool,
    max: u32,
    sort: SortBy,
    order: Direction,
    details: bool,
    words: Vec<&'static str>,
}

#[derive(Debug, Clone)]
struct Law {
    verdict: Verdict,
    action: Action,
    path: String,
    subtree: bool,
}

impl Law {
    fn holds(&self, action: Action, path: &str) -> bool {
        let beneath = path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'));
        self.action == action && (path == self.path || self.subtree && beneath)
    }
}

fn place() -> impl Strategy<Value = Vec<&'static str>> {
    vec(select(NAMES), 1..4)
}

fn law() -> impl Strategy<Value = Law> {
    let verdict = select(vec![Verdict::Deny, Verdict::Ask, Verdict::Allow]);
    let action = select(vec![Action::List, Action::Read]);
    let place = vec(select(&NAMES[..4]), 1..3);
    (verdict, action, place, any::<bool>()).prop_map(|(verdict, action, place, subtree)| Law {
        verdict,
        action,
        path: format!("/work/{}", place.join("/")),
        subtree,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let content = vec(select(PIECES), 0..12);
    let files = vec((place(), content, 0..4_i64), 0..20);
    let sorts = vec![SortBy::Name, SortBy::Modified, SortBy::Size];
    let orders = vec![Direction::Ascending, Direction::Descending];
    let words = prop::sample::subsequence(vec!["a", "Ab", "ba", "üß", "b\na"], 1..4);
    let shape = (1..4_u32, any::<bool>(), any::<bool>(), 1..6_u32, any::<bool>());
    (files, vec(law(), 0..4), shape, select(sorts), select(orders), words).prop_map(
        |(files, rules, (depth, recursive, hidden, max, details), sort, order, words)| Case {
            files,
            rules,
            depth,
            recursive,
            hidden,
            max,
            sort,
            order,
            details,
            words,
        },
    )
}

/// One entry that may be seen: its path below the folder, and its content if it is a file.
type Seen = (String, Option<Vec<u8>>);

/// Everything that may be seen, and whether there is more below `depth`.
fn walk(case: &Case, dir: &Dir, (above, depth): (&str, u32), seen: &mut Vec<Seen>) -> bool {
    let mut deeper = false;
    for entry in dir.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let relative = format!("{above}{name}");
        let barred = case.rules.iter().any(|law| {
            law.verdict != Verdict::Allow && law.holds(Action::List, &format!("/work/{relative}"))
        });
        let shown = !matches!(name.as_str(), ".env" | "x.key" | "e\u{301}")
            && (case.hidden || !name.starts_with('.'));
        if barred || !shown {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            seen.push((relative.clone(), None));
            if depth > 1 {
                let below = entry.open_dir().unwrap();
                deeper |= walk(case, &below, (&format!("{relative}/"), depth - 1), seen);
            } else {
                deeper = true;
            }
        } else {
            seen.push((relative, Some(dir.read(&name).unwrap())));
        }
    }
    deeper
}

fn made(case: &Case) -> (World, Agent) {
    let world = World::new();
    for (place, content, modified) in &case.files {
        let (name, above) = place.split_last().unwrap();
        if world.work.create_dir_all(above.join("/")).is_err() {
            continue;
        }
        let path = place.join("/");
        if world.work.metadata(&path).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        world.work.write(&path, content.concat()).unwrap();
        let at = rustix::fs::Timespec { tv_sec: *modified, tv_nsec: 0 };
        let times = rustix::fs::Timestamps { last_access: at, last_modification: at };
        let directory = world.work.open_dir(format!("./{}", above.join("/"))).unwrap();
        rustix::fs::utimensat(&directory, *name, &times, rustix::fs::AtFlags::empty()).unwrap();
    }
    let mut grant = Grant::new().allow([Action::List, Action::Read], region("/work", true));
    for law in &case.rules {
        let region = region(&law.path, law.subtree);
        grant = grant.rule(clawnet_core::Rule::new(law.verdict, law.action, region));
    }
    let agent = granted(&world, grant);
    (world, agent)
}

fn region(path: &str, subtree: bool) -> Region {
    let text = format!("fs:{path}");
    if subtree { Region::subtree(&text).unwrap() } else { Region::exact(&text).unwrap() }
}

/// Another agent, of an identity that holds just this.
pub(super) fn granted(world: &World, grant: Grant) -> Agent {
    block_on(async {
        let identity = world.owner.identity("limited").await.unwrap();
        world.owner.grant(identity, grant).await.unwrap();
        world.owner.bind(identity, "agent", "test").await.unwrap()
    })
}

fn ask<O: Operation>(world: &World, agent: &Agent, operation: &O) -> O::Output
where
    Node: Endpoint<O>,
{
    block_on(agent.submit(world.mount(), operation)).unwrap()
}

/// How often cases were of a kind, so that what is generated proves something.
static MIX: [AtomicU64; 6] = [const { AtomicU64::new(0) }; 6];

fn count(nth: usize, happened: bool) {
    MIX[nth].fetch_add(u64::from(happened), Ordering::Relaxed);
}

fn runner() -> TestRunner {
    let config = ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

#[test]
fn a_listing_is_what_a_walk_under_both_layers_finds() {
    let mut runner = runner();
    runner
        .run(&case(), |case| {
            check_list(&case);
            Ok(())
        })
        .unwrap();
    let mix: Vec<u64> = MIX[..3].iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(mix.iter().all(|count| *count > 20), "denied, paged, cut: {mix:?}");
}

fn check_list(case: &Case) {
    let (world, agent) = made(case);
    let mut seen = Vec::new();
    let depth = if case.recursive { case.depth } else { 1 };
    let deeper = walk(case, &world.work, ("", depth), &mut seen) && case.recursive;
    let facts = |relative: &str| world.work.symlink_metadata(relative).unwrap();
    let modified = |relative: &str| {
        let since = facts(relative).modified().unwrap().into_std();
        Timestamp::from(since).as_millis()
    };
    seen.sort_by(|(a, _), (b, _)| {
        let least_first = match case.sort {
            SortBy::Name => a.cmp(b),
            SortBy::Modified => modified(a).cmp(&modified(b)),
            SortBy::Created | SortBy::Size => facts(a).len().cmp(&facts(b).len()),
        };
        let sorted =
            if case.order == Direction::Ascending { least_first } else { least_first.reverse() };
        sorted.then_with(|| a.cmp(b))
    });
    let mut list = List::of(path("/work")).first(case.max, case.sort, case.order);
    (list.recursive, list.max_depth) = (case.recursive, case.depth);
    (list.hidden, list.details) = (case.hidden, case.details);
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = ask(&world, &agent, &list);
        pages += 1;
        assert_eq!(page.truncated, deeper || page.next.is_some());
        assert!(page.entries.len() <= case.max as usize);
        for entry in &page.entries {
            let facts = facts(&entry.relative_path);
            assert_eq!(entry.details.is_some(), case.details);
            assert_eq!(entry.kind == EntryKind::Directory, facts.is_dir());
            let told = entry.details.map(|details| (details.size_bytes, details.modified));
            let stat = world.submit(&Stat::of(page.path_of(entry).unwrap())).unwrap();
            assert!(told.is_none_or(|told| told == (facts.len(), stat.modified)));
        }
        found.extend(page.entries.into_iter().map(|entry| entry.relative_path.into_string()));
        let Some(next) = page.next else { break };
        list = list.after(next);
    }
    let expected: Vec<String> = seen.into_iter().map(|(relative, _)| relative).collect();
    assert_eq!(found, expected, "{case:?}");
    count(0, case.rules.iter().any(|law| law.verdict != Verdict::Allow) && !found.is_empty());
    count(1, pages > 1);
    count(2, deeper);
}

#[test]
fn a_search_is_what_a_walk_under_both_layers_finds() {
    let mut runner = runner();
    runner
        .run(&case(), |case| {
            check_search(&case);
            Ok(())
        })
        .unwrap();
    let mix: Vec<u64> = MIX[3..].iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert!(mix.iter().all(|count| *count > 20), "unread, with text, cut: {mix:?}");
}

/// How often any of the words is there, one place after the other.
fn hits(words: &[&str], bytes: &[u8]) -> u64 {
    let at = |from: usize| {
        let here = |word: &&&str| {
            let piece = bytes.get(from..from + word.len());
            piece.is_some_and(|piece| piece.eq_ignore_ascii_case(word.as_bytes()))
        };
        words.iter().filter(here).count() as u64
    };
    (0..bytes.len()).map(at).sum()
}

fn check_search(case: &Case) {
    let (world, agent) = made(case);
    let mut seen = Vec::new();
    let deeper = walk(case, &world.work, ("", case.depth), &mut seen);
    let mut expected = Vec::new();
    for (relative, content) in seen {
        let path = format!("/work/{relative}");
        let barred = |law: &Law| law.verdict != Verdict::Allow && law.holds(Action::Read, &path);
        let unread = case.rules.iter().any(barred);
        let inside = content.filter(|_| !unread).map_or(0, |content| hits(&case.words, &content));
        let name = relative.rsplit('/').next().unwrap();
        let all = inside + hits(&case.words, name.as_bytes());
        count(3, unread);
        if all > 0 {
            expected.push((all, format!("fs:{path}"), inside > 0));
        }
    }
    expected.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut search = Search::at(path("/work"), case.words.clone());
    (search.depth, search.hidden, search.max_results) = (case.depth, case.hidden, case.max);
    let told = ask(&world, &agent, &search);
    let cut = expected.len() > case.max as usize;
    expected.truncate(case.max as usize);
    let found: Vec<_> =
        told.results.iter().map(|found| (found.hits, found.path.to_string())).collect();
    let wanted: Vec<_> = expected.iter().map(|(hits, path, _)| (*hits, path.clone())).collect();
    assert_eq!(found, wanted, "{case:?}");
    assert_eq!((told.truncated, told.unsearched), (deeper || cut, 0));
    for (found, (_, _, inside)) in told.results.iter().zip(&expected) {
        let relative = found.path.as_str().strip_prefix("fs:/work/").unwrap();
        let content = world.work.read(relative).unwrap_or_default();
        let text = *inside && !content.contains(&0);
        assert_eq!(found.text.is_some(), text, "{found:?}");
        let lines = String::from_utf8_lossy(&content).into_owned();
        for line in found.text.as_deref().unwrap_or_default().lines() {
            assert!(lines.contains(line), "{line}");
        }
        count(4, text);
    }
    count(5, cut);
}
