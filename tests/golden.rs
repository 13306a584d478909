//! Golden files: what a ledger of format 1 is, byte for byte. A change of any of them is a change
//! of the format, which other programs read. What the format's text shows is made of them.
//!
//! Set `CLAWNET_RENEW_GOLDEN` to write them anew.
#![cfg(test)]
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::*;
use futures::executor::block_on;
use serde_json::Value;

use crate::{
    caused::Caused,
    story::{KERNEL, NEXT_KERNEL, Story, founder, key},
};

/// Where the presented head of the story stands.
const HEAD_SIZE: u64 = 2;

/// Every file, made anew.
async fn made() -> Vec<(&'static str, Vec<u8>)> {
    let story = Story::tell().await;
    let (lines, native) = story.exported().await;
    let (kernel, late) = (&story.kernel, &story.late);
    let approved =
        |event: &Event| matches!(event, Event::Intent(intent) if intent.approval.is_some());
    let subject = story.find(approved).await;
    let inclusion = kernel.prove(subject, late).await.unwrap();
    let consistency = kernel.prove_growth(HEAD_SIZE, late).await.unwrap();
    let bundle = story.owner.bundle(subject, late).await.unwrap();
    let json = |value: serde_json::Result<String>| format!("{}\n", value.unwrap()).into_bytes();
    let caused = Caused::tell().await;
    let because = caused.owner.bundle(caused.subject().await, &caused.late).await.unwrap();
    vec![
        ("bundle.json", format!("{bundle}\n").into_bytes()),
        ("caused.jsonl", caused.exported().await),
        ("caused_bundle.json", format!("{because}\n").into_bytes()),
        ("checkpoint.txt", late.to_string().into_bytes()),
        ("consistency.json", json(serde_json::to_string(&consistency))),
        ("head.json", json(serde_json::to_string(&story.head))),
        ("inclusion.json", json(serde_json::to_string(&inclusion))),
        ("ledger.clawledg", native),
        ("ledger.jsonl", lines),
    ]
}

fn golden() -> Dir {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    Dir::open_ambient_dir(path, ambient_authority()).unwrap()
}

fn text(name: &str) -> String {
    golden().read_to_string(name).unwrap()
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(text(name).strip_suffix('\n').unwrap()).unwrap()
}

/// The golden ledger's payloads, in order.
fn payloads() -> Vec<String> {
    payloads_of("ledger.jsonl")
}

fn payloads_of(name: &str) -> Vec<String> {
    let lines = text(name);
    let payload = |line: &str| {
        let (_, rest) = line.split_once(r#"","record":"#)?;
        Some(rest.rsplit_once(r#","sequence":"#)?.0.to_owned())
    };
    lines.lines().filter_map(payload).collect()
}

#[test]
fn the_same_story_makes_the_same_bytes() {
    let renew = std::env::var_os("CLAWNET_RENEW_GOLDEN").is_some();
    let dir = golden();
    let made = block_on(made());
    for (name, bytes) in &made {
        if renew {
            dir.write(name, bytes).unwrap();
        }
        let then = dir.read(name).unwrap();
        let differ = then.iter().zip(bytes).position(|(then, now)| then != now);
        let (old, new) = (then.len(), bytes.len());
        assert!(then == *bytes, "{name}: {old} bytes became {new}, from byte {differ:?} on");
    }
    let there: BTreeSet<String> = dir
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, made.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn the_golden_files_prove_what_they_say() {
    let verify = |name: &str| {
        let bytes = golden().read(name).unwrap();
        Import::of(founder()).verify(&*bytes, |_| ()).unwrap()
    };
    let read = verify("ledger.jsonl");
    assert_eq!(read, verify("ledger.clawledg"));
    assert!(read.bodies >= 2 && read.found.checkpoints >= 3);

    let note: SignedCheckpoint = text("checkpoint.txt").parse().unwrap();
    note.verify(&key(NEXT_KERNEL).public_key()).unwrap();
    let said = note.checkpoint();
    let inclusion: InclusionProof = json("inclusion.json");
    assert_eq!(inclusion.size(), said.size);
    let line = text("ledger.jsonl");
    let tail = format!(",\"sequence\":{}}}", inclusion.sequence());
    let line = line.lines().find(|line| line.ends_with(&tail)).unwrap();
    inclusion.verify(line[9..73].parse().unwrap(), &said.root).unwrap();

    let head: Presented = json("head.json");
    assert_eq!(head.verify().unwrap().as_millis(), 1_795_000_000_000);
    let first = head.checkpoint.checkpoint();
    let consistency: ConsistencyProof = json("consistency.json");
    assert_eq!((consistency.from(), consistency.to()), (first.size, said.size));
    consistency.verify(&first.root, &said.root).unwrap();
    assert_eq!(consistency.earlier_root(&said.root), Some(first.root));

    let bundle: Bundle = text("bundle.json").parse().unwrap();
    let proven = bundle.check(founder()).unwrap();
    assert_eq!(proven.subject.sequence, inclusion.sequence());
    assert_eq!(proven.checkpoint, *said);

    let caused = verify("caused.jsonl");
    assert!(caused.bodies == 1 && caused.found.acts == 6, "{caused:?}");
    let bundle: Bundle = text("caused_bundle.json").parse().unwrap();
    let proven = bundle.check(founder()).unwrap();
    let (question, intent) = (proven.question.unwrap().event, proven.intent.unwrap().event);
    let (Event::Asked(question), Event::Intent(intent)) = (question, intent) else {
        panic!("no question and intent")
    };
    assert_eq!(question.cause.unwrap().to_string(), "errands:ask#1");
    assert_eq!(intent.cause.unwrap().to_string(), "errands:ask#2");
}

/// A ledger from before there were facts opens as ever, also for who folds some, and goes on.
#[test]
fn the_golden_ledger_opens_and_goes_on_with_a_projection() {
    use clawnet_tests::errand::{Errand, Errands};
    block_on(async {
        let store = MemoryStore::new();
        let bytes = golden().read("ledger.jsonl").unwrap();
        let mut file = std::io::Cursor::new(bytes);
        let read = Import::of(founder()).into_store(&mut file, &store, |_| ()).await.unwrap();
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(store);
        for projected in [false, true, true] {
            let governing = Kernel::governing(founder());
            let governing = if projected { governing.project::<Errands>() } else { governing };
            let clock = ManualClock::default();
            let kernel = governing.open_shared(store.clone(), clock).await.unwrap();
            assert_eq!(kernel.damage(), None);
            assert!(kernel.recovery().records >= read.found.records);
            if projected {
                kernel.declare::<Errands>(&Errand::Counted { count: 2 }, None).await.unwrap();
            }
        }
        let kernel = Kernel::governing(founder()).project::<Errands>();
        let kernel = kernel.open_shared(store, ManualClock::default()).await.unwrap();
        let told = kernel.read(|state: &Errands| (state.counted, state.last)).unwrap();
        assert_eq!(told, (4, read.found.records + 2));
    });
}

fn format_text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../clawnet-core/src/ledger");
    let dir = Dir::open_ambient_dir(path, ambient_authority()).unwrap();
    dir.read_to_string("FORMAT.md").unwrap()
}

/// The section of the format with this title.
fn section(title: &str) -> String {
    let text = format_text();
    let found = text.split("\n## ").find(|part| part.lines().next().unwrap().ends_with(title));
    found.unwrap().to_owned()
}

/// The blocks of a text, line by line.
fn blocks(text: &str) -> Vec<&str> {
    let inside = text.split("```").skip(1).step_by(2);
    inside.flat_map(|block| block.lines().skip(1)).filter(|line| !line.is_empty()).collect()
}

/// What is between backticks in prose.
fn spans(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Everything the example can show: of the first two records of the golden ledger and its head.
fn shown() -> BTreeSet<String> {
    let owner = founder().owner();
    let mut shown = BTreeSet::from([
        founder().to_string(),
        key(KERNEL).public_key().to_string(),
        owner.to_string(),
    ]);
    let (mut previous, mut leaves) = (Digest::ZERO, Vec::new());
    for (payload, sequence) in payloads().into_iter().zip(1..=HEAD_SIZE) {
        let length = payload.len() as u64;
        let parts: [&[u8]; 4] =
            [owner.as_bytes(), &sequence.to_le_bytes(), previous.as_bytes(), &length.to_le_bytes()];
        let header = parts.concat();
        let all = [&header, payload.as_bytes()].concat();
        previous = Digest::from_bytes(blake3::derive_key("clawnet 2026 ledger chain v1", &all));
        let leaf = TreeHash::leaf(sequence, previous);
        leaves.push(leaf);
        shown.extend([payload, hex(&header), previous.to_string(), leaf.to_string()]);
    }
    shown.insert(TreeHash::node(&leaves[0], &leaves[1]).to_string());
    let act = Act::Certify { key: key(KERNEL).public_key() };
    let statement = String::from_utf8(SignedAct::statement(owner, 1, &act)).unwrap();
    shown.insert(statement.replace('\n', "\\n"));
    let head: Presented = json("head.json");
    shown.extend(head.checkpoint.to_string().lines().map(str::to_owned));
    shown
}

#[test]
fn what_the_example_shows_is_what_is_made() {
    let (example, shown) = (section("Example"), shown());
    let lines = blocks(&example);
    assert!(lines.len() >= 16, "{lines:?}");
    let long = spans(&example).into_iter().filter(|span| span.len() >= 20);
    for line in lines.into_iter().chain(long) {
        assert!(shown.contains(line), "nothing makes {line}");
    }
}

/// Whether a template stands for something in `text`: `…` and `<…>` for anything, `n` and `m` for
/// numbers.
fn fits(template: &str, text: &str) -> bool {
    let mut plain = template.replace(":n", ":<>").replace(":m", ":<>").replace('…', "<>");
    while let Some((front, rest)) = plain.split_once('<') {
        let (_, back) = rest.split_once('>').unwrap();
        plain = format!("{front}\0{back}");
    }
    let mut rest = text;
    plain.split('\0').all(|piece| {
        let after = rest.find(piece).and_then(|at| rest.get(at + piece.len()..));
        rest = after.unwrap_or_default();
        after.is_some()
    })
}

#[test]
fn what_the_text_says_of_lines_and_documents_is_what_they_are() {
    let names = ["bundle.json", "consistency.json", "head.json", "inclusion.json", "ledger.jsonl"];
    let mut made: Vec<String> = names
        .iter()
        .flat_map(|name| text(name).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    made.extend(payloads());
    // What is signed is nowhere as such.
    let statements = ["{\"act\"", "{\"key\""];
    let mut count = 0;
    let text = format_text();
    let (before, _) = text.split_once("## 15. Example").unwrap();
    let mut check = |template: &str| {
        let document = template.starts_with("{\"") && template.ends_with('}');
        if document && !statements.iter().any(|start| template.starts_with(start)) {
            count += 1;
            assert!(made.iter().any(|made| fits(template, made)), "nothing is like {template}");
        }
    };
    for line in before.replace("[\n {", "[{").lines() {
        check(line.split("      ").next().unwrap().split("  ").next().unwrap());
    }
    spans(before).into_iter().for_each(&mut check);
    assert!(count >= 7, "{count}");
    assert!(fits("{\"a\":n,\"b\":<x>}", "{\"a\":1,\"b\":2}") && !fits("{\"b\":n}", "{\"a\":1}"));
}

/// The tables of events and acts: for each name, who causes it, and the members, which may be left
/// out where they have a question mark.
fn table(title: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let mut rows = BTreeMap::new();
    for line in section(title).lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let mut members = cells.last().unwrap().to_string();
        while let Some((front, rest)) = members.rsplit_once('(') {
            members = format!("{front}{}", rest.split_once(')').unwrap().1);
        }
        let members: Vec<String> = spans(&members).into_iter().map(str::to_owned).collect();
        for name in spans(cells[0]) {
            rows.insert(name.to_owned(), (cells[1].to_owned(), members.clone()));
        }
    }
    rows
}

fn check_members(name: &str, value: &Value, allowed: &[String]) {
    let Value::Object(members) = value else {
        assert!(allowed.is_empty(), "`{name}` has no members");
        return;
    };
    let listed = |member: &String| allowed.iter().any(|one| one.trim_end_matches('?') == member);
    let unknown: Vec<_> = members.keys().filter(|member| !listed(member)).collect();
    assert!(unknown.is_empty(), "the format says nothing of {unknown:?} in `{name}`");
    let needed = allowed.iter().filter(|one| !one.ends_with('?'));
    let missing: Vec<_> = needed.filter(|one| !members.contains_key(*one)).collect();
    assert!(missing.is_empty(), "`{name}` has no {missing:?}");
}

#[test]
fn every_event_and_act_is_in_the_golden_ledger_as_the_tables_say() {
    let (events, acts) = (table("Events"), table("keys"));
    let (mut seen, mut optional) = (BTreeSet::new(), BTreeSet::new());
    for payload in payloads().into_iter().chain(payloads_of("caused.jsonl")) {
        let record: Value = serde_json::from_str(&payload).unwrap();
        let (name, what) = record["event"].as_object().unwrap().iter().next().unwrap();
        let (by, members) = events.get(name).unwrap_or_else(|| panic!("no event `{name}`"));
        let actor = record["actor"].as_str().unwrap();
        let role = if actor.contains('@') { "agent" } else { actor };
        assert!(by.split(", ").any(|one| one == role), "`{name}` by the {role}");
        check_members(name, what, members);
        seen.insert(name.clone());
        let mut keep = |name: &str, what: &Value| {
            let members = what.as_object().into_iter().flatten();
            optional.extend(members.map(|(member, _)| format!("{name}.{member}")));
        };
        keep(name, what);
        if name == "act" {
            let (name, what) = what["act"].as_object().unwrap().iter().next().unwrap();
            let (_, members) = acts.get(name).unwrap_or_else(|| panic!("no act `{name}`"));
            check_members(name, what, members);
            seen.insert(name.clone());
            keep(name, what);
        }
    }
    let named: BTreeSet<String> = events.keys().chain(acts.keys()).cloned().collect();
    assert_eq!(seen, named);
    let rows = events.iter().chain(&acts);
    let maybe = rows.flat_map(|(name, (_, members))| {
        members.iter().filter_map(move |one| Some(format!("{name}.{}", one.strip_suffix('?')?)))
    });
    let never: Vec<String> = maybe.filter(|one| !optional.contains(one)).collect();
    assert_eq!(never, Vec::<String>::new(), "nothing in the story has them");
}
