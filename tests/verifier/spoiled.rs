//! Ledgers that somebody spoiled, each with what is to be found.
use std::fmt::Write as _;

use serde_json::Value;

use super::{
    Breaks, Case, Finding, Holds,
    forge::{Forge, base64, rekey},
};
use crate::story::{KERNEL, NEXT_KERNEL, NEXT_OWNER, OWNER, key};
use clawnet_core::{Signer as _, TreeHash};

/// Somebody whose keys nobody certified.
const STRANGER: u8 = 66;

/// What can be done to a file without computing anything.
pub(super) fn edits(forge: &Forge) -> Vec<Case> {
    let lines = &forge.lines;
    let last = forge.payloads.len() as u64;
    let mut cases = Vec::new();
    let mut add = |name: String, lines: &[String], good: u64| {
        cases.push(Case { name, bytes: lines.concat().into_bytes(), expect: Breaks(good) });
    };
    for n in 1..=last {
        let at = forge.line(n);
        let edited = |edit: &dyn Fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            edit(&mut lines);
            lines
        };
        add(format!("{n} dropped"), &edited(&|lines| drop(lines.remove(at))), n - 1);
        add(format!("{n} doubled"), &edited(&|lines| lines.insert(at, lines[at].clone())), n);
        add(format!("cut before {n}"), &lines[..at], n - 1);
        if n % 5 > 0 {
            continue;
        }
        add(format!("{n} swapped with the next"), &edited(&|lines| lines.swap(at, at + 1)), n - 1);
        add(
            format!("{n} moved to the end"),
            &edited(&|lines| {
                let line = lines.remove(at);
                lines.push(line);
            }),
            n - 1,
        );
        for (from, to) in [
            ("\n", "\r\n"),
            ("\n", "\n\n"),
            ("\n", " \n"),
            ("\"at\":1", "\"at\":2"),
            ("\"sequence\":", "\"sequence\":0"),
            ("\"sequence\":", "\"sequence\": "),
            ("{\"hash\"", "{\"hash \""),
            ("{\"hash\"", "{\"a\":1,\"hash\""),
        ] {
            let good = if to == "\n\n" { n } else { n - 1 };
            let lines = edited(&|lines| lines[at] = lines[at].replacen(from, to, 1));
            add(format!("{n}: {from:?} to {to:?}"), &lines, good);
        }
        let upper = edited(&|lines| {
            let (front, rest) = lines[at].split_at(10 + 63);
            lines[at] = front.to_uppercase().replace("HASH", "hash") + rest;
        });
        add(format!("{n}: its hash in capitals"), &upper, n - 1);
        let half = lines[at].len() / 2;
        let cut = edited(&|lines| {
            lines.truncate(at + 1);
            let end = lines[at].floor_char_boundary(half);
            lines[at].truncate(end);
        });
        add(format!("cut in {n}"), &cut, n - 1);
        let ended = edited(&|lines| {
            let hash = &lines[at][9..73];
            let end = format!("{{\"end\":{{\"hash\":\"{hash}\",\"sequence\":{n}}}}}\n");
            lines.insert(at + 1, end);
        });
        add(format!("an end behind {n}"), &ended, n);
    }
    ends(forge, &mut add);
    bodies(forge, &mut add);
    cases
}

fn ends(forge: &Forge, add: &mut dyn FnMut(String, &[String], u64)) {
    let (lines, last) = (&forge.lines, forge.payloads.len() as u64);
    let count = lines.len();
    let (head, end) = (&lines[0], &lines[count - 1]);
    add("empty".into(), &[], 0);
    add("without a first line".into(), &lines[1..], 0);
    add("without an end".into(), &lines[..count - 1], last);
    let with_end = |end: &str| [&lines[..count - 1], &[end.to_owned()]].concat();
    add("no newline at the end".into(), &with_end(end.trim_end()), last);
    add(
        "the end of another".into(),
        &with_end(&end.replace("\"sequence\":", "\"sequence\":1")),
        last,
    );
    add("the end twice".into(), &with_end(&end.repeat(2)), last);
    add("a newline behind the end".into(), &with_end(&format!("{end}\n")), last);
    add("twice the same".into(), &[lines.clone(), lines.clone()].concat(), last);
    let with_head = |head: String| [&[head], &lines[1..]].concat();
    let own = crate::story::founder();
    let other = key(STRANGER).public_key();
    let foreign = head.replace(&own.to_string(), &other.to_string());
    add("of another key".into(), &with_head(foreign.clone()), 0);
    let foreign = foreign.replace(&own.owner().to_string(), &other.owner().to_string());
    add("of another owner".into(), &with_head(foreign), 0);
    for (from, to) in
        [(":1,", ":2,"), ("\n", "\r\n"), ("{\"export\":{", "{\"export\": {"), ("own_", "own")]
    {
        add(format!("first line: {from:?} to {to:?}"), &with_head(head.replacen(from, to, 1)), 0);
    }
}

fn bodies(forge: &Forge, add: &mut dyn FnMut(String, &[String], u64)) {
    let lines = &forge.lines;
    let at = lines.iter().position(|line| line.contains("==\",\"digest\"")).unwrap();
    let before = lines[..at].iter().filter(|line| line.starts_with("{\"hash\"")).count() as u64;
    let with = |own: &[String]| [&lines[..at], own, &lines[at + 1..]].concat();
    let body = lines[at].clone();
    let content = body.split('"').nth(5).unwrap();
    let edited = |from: &str, to: &str| with(&[body.replacen(from, to, 1)]);
    add("a body twice".into(), &with(&[body.clone(), body.clone()]), before);
    add("another content".into(), &edited(content, &base64(b"other")), before);
    add("a content of nothing".into(), &edited(content, ""), before);
    let loose = content.replace("==", "");
    let (front, digit) = loose.split_at(loose.len() - 1);
    let next = char::from(digit.bytes().next().unwrap() + 1);
    add("loose bits".into(), &edited(content, &format!("{front}{next}==")), before);
    add("no padding".into(), &edited(content, &loose), before);
    add("more padding".into(), &edited(content, &format!("{content}==")), before);
    add("a space".into(), &edited(content, &format!(" {content}")), before);
    add("url safe".into(), &edited(content, &content.replace(['+', '/'], "_")), before);
    let digest = body.split('"').nth(9).unwrap();
    add("a digest in capitals".into(), &edited(digest, &digest.to_uppercase()), before);
    add("a member more".into(), &edited("{\"content\"", "{\"a\":1,\"content\""), before);
    add("another kind of line".into(), &with(&["{\"note\":\"\"}\n".into()]), before);
    let mut late = with(&[]);
    late.insert(at + 1, body.clone());
    add("a body one record late".into(), &late, before + 1);
    let mut early = with(&[]);
    early.insert(at - 1, body.clone());
    add("a body one record early".into(), &early, before - 1);
    let mut first = with(&[]);
    first.insert(1, body);
    add("a body before all records".into(), &first, 0);
}

/// What can be done by who computes all hashes anew, so that only a signature, a number or the form
/// can tell; and the same done by who may, which holds.
pub(super) fn forgeries(forge: &Forge) -> Vec<Case> {
    let base = forge.sequence("rekey") - 1;
    let mut cases = Vec::new();
    let mut add = |name: &str, payload: String, holds: bool| {
        let expect = if holds { Holds(base + 1) } else { Breaks(base) };
        cases.push(Case { name: name.into(), bytes: forge.then(base, &[payload]), expect });
    };
    acts(forge, base, &mut add);
    actors(forge, &mut add);
    checkpoints(forge, base, &mut add);
    operations(forge, &mut add);
    forms(forge, &mut add);
    openings(forge, &mut cases);
    rotations(forge, &mut cases);
    cases
}

type Add<'a> = dyn FnMut(&str, String, bool) + 'a;

fn acts(forge: &Forge, base: u64, add: &mut Add<'_>) {
    let (freeze, n) = (r#"{"freeze":{}}"#, forge.acts(base) + 1);
    let by = |owner: u8| forge.by(owner, KERNEL);
    add("an act", forge.act(freeze, n), true);
    add("an act by a stranger", by(STRANGER).act(freeze, n), false);
    add("an act by the kernel's key", by(KERNEL).act(freeze, n), false);
    add("an act by a key to come", by(NEXT_OWNER).act(freeze, n), false);
    add("another act than signed", forge.act_signed(freeze, n, r#"{"unfreeze":{}}"#), false);
    add("a number twice", forge.act(freeze, n - 1), false);
    add("a number left out", forge.act(freeze, n + 1), false);
    add("the number 0", forge.act(freeze, 0), false);
    let earlier = |word: &str| {
        let place = usize::try_from(forge.sequence(word) - 1).unwrap();
        let event = forge.payloads[place].split_once(r#","event":"#).unwrap().1;
        event.strip_suffix('}').unwrap().to_owned()
    };
    for word in ["certify", "grant", "approve", "identity"] {
        add("an act again", forge.payload("owner", &earlier(word)), false);
    }
    add("an act of no such kind", forge.act(r#"{"melt":{}}"#, n), false);
    add("an act of two kinds", forge.act(r#"{"freeze":{},"unfreeze":{}}"#, n), false);
    add("an act in words", forge.act(r#""freeze""#, n), false);
    let act = forge.act(freeze, n);
    let (front, rest) = act.split_once(r#""signature":""#).unwrap();
    let with = |signature: String| format!("{front}\"signature\":\"{signature}{}", &rest[128..]);
    add("a signature of 63 bytes", with(rest[..126].into()), false);
    add("a signature in capitals", with(rest[..128].to_uppercase()), false);
    add("the signature in its other form", with(other_form(&rest[..128])), false);
    add("a weak signature", with(format!("01{}", "0".repeat(126))), false);
    let certify = |nth: u8| format!(r#"{{"certify":{{"key":"{}"}}}}"#, key(nth).public_key());
    add("a certificate", forge.act(&certify(STRANGER), n), true);
    add("a stranger's certificate", by(STRANGER).act(&certify(STRANGER), n), false);
    add("the kernel's own certificate", by(KERNEL).act(&certify(STRANGER), n), false);
    add("a rekey", forge.act(&rekey(NEXT_OWNER, (NEXT_OWNER, n)), n), true);
    let mut refused = |name: &str, proof| add(name, forge.act(&rekey(NEXT_OWNER, proof), n), false);
    refused("a rekey proven by the old key", (OWNER, n));
    refused("a rekey proven by a stranger", (STRANGER, n));
    refused("a rekey proven for another number", (NEXT_OWNER, n + 1));
    let unproven = format!(r#"{{"rekey":{{"key":"{}"}}}}"#, key(NEXT_OWNER).public_key());
    add("a rekey without proof", forge.act(&unproven, n), false);
    let taken = by(STRANGER);
    let grab = rekey(STRANGER, (STRANGER, n));
    add("a rekey by who wants to be the owner", taken.act(&grab, n), false);
}

/// The same signature with the group's order added to its scalar.
fn other_form(digits: &str) -> String {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let byte = |at: usize| u16::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    let (mut out, mut carry) = (digits[..64].to_owned(), 0);
    for (at, order) in ORDER.iter().enumerate() {
        let sum = byte(32 + at) + u16::from(*order) + carry;
        carry = sum >> 8;
        write!(out, "{:02x}", sum & 0xff).unwrap();
    }
    out
}

fn actors(forge: &Forge, add: &mut Add<'_>) {
    let agent = format!("agt_{}@idn_{}", "0".repeat(24), "1".repeat(24));
    let denied = denied("{}");
    let closed = r#"{"recovered":{"closed":1}}"#;
    let outcome = r#"{"outcome":{"intent":1,"result":"interrupted"}}"#;
    let erased = format!(r#"{{"erased":{{"body":"{}"}}}}"#, "0".repeat(64));
    let act = forge.act(r#"{"freeze":{}}"#, forge.acts(forge.sequence("rekey") - 1) + 1);
    let act = act.split_once(r#","event":"#).unwrap().1.strip_suffix('}').unwrap();
    for (event, owner, kernel, by_agent) in [
        (closed, false, true, false),
        (&*erased, false, true, false),
        (&*denied, false, false, true),
        (outcome, false, true, true),
        (act, true, false, false),
        (r#"{"melted":{}}"#, false, false, false),
        (r#"{"snapshot":{"state":"x"}}"#, false, false, false),
    ] {
        let holds = [("owner", owner), ("kernel", kernel), (&*agent, by_agent)];
        for (actor, holds) in holds {
            // What agents and kernels say in words that are not known is for ours to refuse.
            let unread = event.contains("snapshot") && actor == "kernel";
            if !unread {
                add(&format!("{event} by {actor}"), forge.payload(actor, event), holds);
            }
        }
    }
    for actor in ["", "nobody", "Owner", "agt_0@idn_1", &agent[..56], &*agent.replace('@', "-")] {
        add(&format!("by `{actor}`"), forge.payload(actor, &denied), false);
    }
    let opened = &forge.payloads[0].split_once(r#","event":"#).unwrap().1;
    let opened = forge.payload("kernel", opened.strip_suffix('}').unwrap());
    add("a second opening", opened, false);
}

/// A refusal of an operation.
fn denied(operation: &str) -> String {
    let about = r#""demands":[["write","fs:/x"]],"denial":{"code":"no_grant","layer":"scope"}"#;
    format!(r#"{{"denied":{{{about},"kind":"story.write","operation":{operation}}}}}"#)
}

fn checkpoints(forge: &Forge, base: u64, add: &mut Add<'_>) {
    let root = forge.root(base);
    let note = forge.note(base, root);
    let with = |origin: String, kernel: u8| forge.by(OWNER, kernel).named(origin).note(base, root);
    let mut note_is = |name: &str, note: &str, holds| add(name, forge.noted(note), holds);
    note_is("a checkpoint", &note, true);
    note_is("another root", &forge.note(base, TreeHash::EMPTY), false);
    note_is("one record less", &forge.note(base - 1, forge.root(base - 1)), false);
    note_is("one record less, in words", &forge.note(base - 1, root), false);
    note_is("one record more", &forge.note(base + 1, root), false);
    note_is("a stranger's checkpoint", &with(forge.origin.clone(), STRANGER), false);
    note_is("the owner's own checkpoint", &with(forge.origin.clone(), OWNER), false);
    note_is("a checkpoint of a key to come", &with(forge.origin.clone(), NEXT_KERNEL), false);
    let other = format!("clawnet/{}", key(STRANGER).public_key().owner());
    note_is("of another ledger", &with(other, KERNEL), false);
    note_is("of no ledger", &with("example.org/log".into(), KERNEL), false);
    let (text, line) = note.split_once("\n\n").unwrap();
    let witness = format!("\u{2014} witness.example/w1 {}\n", base64(&[7; 76]));
    note_is("with a witness", &format!("{note}{witness}"), true);
    note_is("with a witness before it", &format!("{text}\n\n{witness}{line}"), true);
    note_is("with itself twice", &format!("{note}{line}"), true);
    note_is("with 15 witnesses", &format!("{note}{}", witness.repeat(15)), true);
    note_is("with 16 witnesses", &format!("{note}{}", witness.repeat(16)), false);
    note_is("by a witness alone", &format!("{text}\n\n{witness}"), false);
    let (front, data) = line.rsplit_once(' ').unwrap();
    let forged = format!("{front} {}AAAA{}", &data[..40], &data[44..]);
    note_is("another signature", &format!("{text}\n\n{forged}"), false);
    note_is("another one beside it", &format!("{note}{forged}"), false);
    note_is("a signature cut short", &format!("{text}\n\n{front} {}\n", &data[..88]), false);
    note_is("a line of no signature", &format!("{note}\u{2014} somebody AAAA\n"), false);
    note_is("a line of nobody", &format!("{note}\u{2014}  AAAAAAAA\n"), false);
    note_is("a line with a hyphen", &format!("{note}- somebody AAAAAAAA\n"), false);
    note_is("loose bits", &format!("{note}\u{2014} somebody AAAAAAB=\n"), false);
    note_is("unsigned", &format!("{text}\n\n"), false);
    note_is("without a gap", &note.replace("\n\n", "\n"), false);
    note_is("with two gaps", &note.replace("\n\n", "\n\n\n"), false);
    note_is("with an extension", &note.replace("\n\n", "\nmore\n\n"), false);
    note_is("no newline", note.trim_end(), false);
    note_is("a newline more", &format!("{note}\n"), false);
    let size = format!("\n{base}\n");
    for other in [format!("\n0{base}\n"), format!("\n+{base}\n"), format!("\n {base}\n")] {
        note_is("its size in other words", &note.replace(&size, &other), false);
    }
    add("no text", forge.payload("kernel", r#"{"checkpoint":{}}"#), false);
}

/// Operations of agents, which ours does not read to verify a ledger: in their form, and not.
fn operations(forge: &Forge, add: &mut Add<'_>) {
    let agent = format!("agt_{}@idn_{}", "0".repeat(24), "1".repeat(24));
    for operation in [
        "{}",
        "[]",
        "0",
        "-7",
        "9007199254740991",
        "-9007199254740991",
        "\"\"",
        "null",
        "{\"a\":[true,false,null],\"\u{1f600}\":1,\"\u{fb33}\":2}",
        "\"\u{2028}\u{7f}/\u{fffd}\\u0000\\u001f\\b\\t\\n\\f\\r\\\"\\\\\"",
        "{\"\":0,\"\\n\":0,\"a\":0}",
    ] {
        let holds = forge.payload(&agent, &denied(operation));
        add(&format!("the operation {operation}"), holds, true);
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for operation in [
        "{\"a\": 1}",
        "{ }",
        "[1, 2]",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":1}",
        "\"\\/\"",
        "\"\\u000a\"",
        "\"\\u001F\"",
        "\"\\u0041\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\t\"",
        "1.5",
        "1.0",
        "1e2",
        "9007199254740992",
        "-9007199254740992",
        "1e999",
        "-0",
        "01",
        "-01",
        "+1",
        "NaN",
        "Infinity",
        "{\"\u{fb33}\":1,\"\u{1f600}\":2}",
        "{\"a\":0,\"\\n\":0}",
        "tru",
        "'a'",
        "[1,]",
        "{\"a\":1,}",
        "{1:2}",
        "/**/1",
        "\"\\x41\"",
        "",
        &deep,
    ] {
        let name: String = operation.chars().take(20).collect();
        add(&format!("the operation {name}"), forge.payload(&agent, &denied(operation)), false);
    }
    let long = denied(&format!("\"{}\"", "x".repeat(1 << 20)));
    add("larger than a record", forge.payload(&agent, &long), false);
}

/// A record in other words, and what is none.
fn forms(forge: &Forge, add: &mut Add<'_>) {
    let whole = forge.recovered(1);
    add("a record", whole.clone(), true);
    for (from, to) in [
        ("kernel", "kerne\\u006c"),
        (",\"at\"", ", \"at\""),
        ("\"at\":1", "\"at\":01"),
        ("\"at\":1", "\"at\":-1"),
        (",\"event\"", ".0,\"event\""),
        ("\"at\":1", "\"at\":9"),
        ("}}}", "},\"snapshot\":{}}}"),
        ("}}}", "}},\"more\":1}"),
        ("{\"recovered\":{\"closed\":1}}", "{}"),
        ("{\"recovered\":{\"closed\":1}}", "\"recovered\""),
        ("\"actor\":\"kernel\",", ""),
        ("\"at\":1795", "\"at\":1794"),
    ] {
        let holds = to == "\"at\":9";
        add(&format!("{from} to {to}"), whole.replacen(from, to, 1), holds);
    }
    let (_, rest) = whole.split_once("\"at\":").unwrap();
    let at = rest.split_once(',').unwrap().0;
    for time in ["true", "null", "\"1\"", "1", "0", "9007199254740992"] {
        add(&format!("at {time}"), whole.replacen(at, time, 1), false);
    }
    let (at, rest) = whole.rsplit_once(",\"event\":").unwrap();
    let at = at.split_once(',').unwrap().1;
    add("out of order", format!("{{{at},\"actor\":\"kernel\",\"event\":{rest}"), false);
    for other in ["[]", "1", "\"\"", "null", "{}"] {
        add(&format!("the record {other}"), other.into(), false);
    }
}

fn openings(forge: &Forge, cases: &mut Vec<Case>) {
    let first = &forge.payloads[0];
    let own = crate::story::founder().to_string();
    let other = key(STRANGER).public_key().to_string();
    for (name, payload) in [
        ("opened by another", first.replace(&own, &other)),
        ("opened in another format", first.replace("\"format\":1", "\"format\":2")),
        ("opened in words", first.replace("\"format\":1", "\"format\":\"1\"")),
        ("opened with more", first.replace("\"format\":1", "\"format\":1,\"hint\":1")),
        ("opened by the owner", first.replace("\"kernel\"", "\"owner\"")),
        ("never opened", forge.recovered(1)),
    ] {
        let bytes = forge.then(0, &[payload]);
        cases.push(Case { name: name.into(), bytes, expect: Breaks(0) });
    }
    let bytes = forge.then(0, std::slice::from_ref(first));
    cases.push(Case { name: "only opened".into(), bytes, expect: Holds(1) });
    cases.push(Case {
        name: "nothing at all".into(),
        bytes: forge.then(0, &[]),
        expect: Breaks(0),
    });
    let early = forge.noted(&forge.note(1, forge.root(1)));
    let bytes = forge.then(1, &[early]);
    cases.push(Case { name: "signed before a certificate".into(), bytes, expect: Breaks(1) });
}

/// Which keys count after each change.
fn rotations(forge: &Forge, cases: &mut Vec<Case>) {
    let mut add = |name: &str, base: u64, payload: String, holds: bool| {
        let expect: Finding = if holds { Holds(base + 1) } else { Breaks(base) };
        cases.push(Case { name: name.into(), bytes: forge.then(base, &[payload]), expect });
    };
    let rekeyed = forge.sequence("rekey");
    let freeze = |owner: u8, base: u64| {
        forge.by(owner, KERNEL).act(r#"{"freeze":{}}"#, forge.acts(base) + 1)
    };
    add("the old key's act", rekeyed, freeze(OWNER, rekeyed), false);
    add("the new key's act", rekeyed, freeze(NEXT_OWNER, rekeyed), true);
    let signed =
        |kernel: u8, base: u64| forge.noted(&forge.by(OWNER, kernel).note(base, forge.root(base)));
    add("the kernel's key outlives the owner's", rekeyed, signed(KERNEL, rekeyed), true);
    let last = forge.payloads.len() as u64;
    add("the kernel's old key", last, signed(KERNEL, last), false);
    add("the kernel's new key", last, signed(NEXT_KERNEL, last), true);
    add("the founder's act at the end", last, freeze(OWNER, last), false);
}

/// So many files with one bit turned, spread over all of it.
pub(super) fn flips(file: &[u8], count: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for nth in 0..count {
        let bit = (nth * file.len() * 8 / count) + nth % 8;
        let mut bytes = file.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let line = file[..bit / 8].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let before = &file[..line];
        let records =
            before.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{\"hash\""));
        let expect = Breaks(records.count() as u64);
        cases.push(Case { name: format!("bit {bit}"), bytes, expect });
    }
    cases
}

/// A bundle, spoiled in every way that needs no key.
pub(super) fn bundles(text: &str) -> Vec<Vec<u8>> {
    let flipped = (0..12).map(|nth| {
        // The last member says which of the proven records is meant: any of them may be.
        let bit = (nth * (text.len() - 24) * 8 / 12) + nth % 8;
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    });
    let mut all: Vec<Vec<u8>> = flipped.collect();
    let whole: Value = serde_json::from_str(text).unwrap();
    let mut edited = |edit: &dyn Fn(&mut Value)| {
        let mut value = whole.clone();
        edit(&mut value);
        all.push(value.to_string().into_bytes());
    };
    let other = key(STRANGER).public_key().to_string();
    edited(&|bundle| bundle["format"] = 2.into());
    edited(&|bundle| bundle["format"] = true.into());
    edited(&|bundle| bundle["key"] = other.clone().into());
    edited(&|bundle| bundle["subject"] = 9999.into());
    edited(&|bundle| bundle["records"] = Value::Array(Vec::new()));
    edited(&|bundle| bundle["more"] = Value::Null);
    edited(&|bundle| bundle["records"].as_array_mut().unwrap().reverse());
    edited(&|bundle| {
        let records = bundle["records"].as_array_mut().unwrap();
        records.retain(|entry| !entry.to_string().contains("\"certify\""));
    });
    edited(&|bundle| {
        let records = bundle["records"].as_array_mut().unwrap();
        records.retain(|entry| !entry.to_string().contains("\"rekey\""));
    });
    edited(&|bundle| {
        let path = bundle["records"][0]["path"].as_array_mut().unwrap();
        path.push(other.clone().into());
    });
    edited(&|bundle| drop(bundle["records"][0]["path"].as_array_mut().unwrap().pop()));
    edited(&|bundle| {
        let path = bundle["records"][0]["path"].as_array_mut().unwrap();
        path.insert(0, other.clone().into());
    });
    edited(&|bundle| {
        let first = &mut bundle["records"][0]["sequence"];
        *first = (*first == 1).into();
    });
    edited(&|bundle| bundle["records"][0]["path"][0] = other.clone().into());
    edited(&|bundle| bundle["records"][0]["previous"] = other.clone().into());
    all.push(format!(" {text}").into_bytes());
    all.push(format!("{text}\n\n").into_bytes());
    all
}
