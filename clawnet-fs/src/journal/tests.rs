//! The chain, the limits, and what is found again.
use std::io::{Seek, SeekFrom};

use super::*;

fn reopen(bytes: &[u8]) -> (Journal, Reading) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    Journal::open(file, Durability::ProcessSafe).unwrap()
}

fn written() -> Vec<u8> {
    let (mut journal, _) = reopen(b"");
    let by = Key { intent: 7, owner: OwnerId::of_key(&[1; 32]) };
    for why in ["first", "second\nline \u{202e}", "third"] {
        journal.append(Event::Abort { by, why: why.into() }).unwrap();
    }
    let mut bytes = Vec::new();
    journal.file.seek(SeekFrom::Start(0)).unwrap();
    journal.file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_was_written_is_read_again() {
    let bytes = written();
    assert_eq!(bytes.split_inclusive(|byte| *byte == b'\n').count(), 4);
    let (journal, reading) = reopen(&bytes);
    assert_eq!((reading, journal.is_open()), (Reading::default(), Ok(())));
}

#[test]
fn a_torn_end_is_dropped_and_reported() {
    let bytes = written();
    let whole = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in whole + 1..bytes.len() {
        let (mut journal, reading) = reopen(&bytes[..cut]);
        assert_eq!(reading.torn_bytes, (cut - whole) as u64);
        let by = Key { intent: 8, owner: OwnerId::of_key(&[1; 32]) };
        journal.append(Event::Abort { by, why: String::new() }).unwrap();
    }
}

#[test]
fn one_flipped_bit_anywhere_breaks_the_chain() {
    let bytes = written();
    for at in 0..bytes.len() - 1 {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let (mut journal, reading) = reopen(&flipped);
        assert!(reading.broken_at.is_some(), "byte {at}");
        assert!(journal.append(Event::Begin { format: FORMAT }).is_err());
    }
}

#[test]
fn a_removed_or_repeated_line_breaks_the_chain() {
    let bytes = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for order in [vec![0, 2, 3], vec![0, 1, 1, 2, 3], vec![0, 2, 1, 3], vec![1, 2, 3]] {
        let bytes: Vec<u8> = order.iter().flat_map(|line| lines[*line]).copied().collect();
        assert!(reopen(&bytes).1.broken_at.is_some(), "{order:?}");
    }
}

fn opened(intent: u64, reverses: &[u64]) -> Event {
    let by = Key { intent, owner: OwnerId::of_key(&[1; 32]) };
    let who = Who {
        identity: "idn_020202020202020202020202".parse().unwrap(),
        agent: "agt_030303030303030303030303".parse().unwrap(),
        job: Some("job".into()),
        cause: None,
    };
    let at = Timestamp::from_millis(intent * 10);
    let (reverses, steps) = (reverses.to_vec(), Vec::new());
    Event::Intent(Opened { by, who, at, kind: "fs.write".into(), reverses, steps })
}

fn done(intent: u64) -> Event {
    let by = Key { intent, owner: OwnerId::of_key(&[1; 32]) };
    Event::Commit { by, steps: Vec::new(), raced: false, recovered: false }
}

#[test]
fn a_full_journal_takes_only_what_goes_back() {
    let (mut journal, _) = reopen(b"");
    journal.changes_max = 2;
    for intent in [1, 2] {
        journal.append(opened(intent, &[])).unwrap();
        journal.append(done(intent)).unwrap();
    }
    let full = Err(FsError::JournalFull { changes_max: 2 });
    assert_eq!(journal.append(opened(3, &[])), full);
    journal.append(opened(4, &[2])).unwrap();
    journal.append(done(4)).unwrap();
    assert_eq!(journal.append(opened(5, &[])), full);
    assert_eq!(journal.is_open(), Ok(()), "a full journal is not a broken one");
}

#[test]
fn changes_are_found_newest_first_by_whose_they_are() {
    let (mut journal, _) = reopen(b"");
    for intent in [1, 2, 4, 3, 7] {
        journal.append(opened(intent, &[])).unwrap();
        journal.append(done(intent)).unwrap();
    }
    let whose = (OwnerId::of_key(&[1; 32]), "idn_020202020202020202020202".parse().unwrap());
    let newest = |which: Which<'_>, before: u64| {
        let found = journal.history().newest(whose, which, before);
        found.map(|(by, _)| by.intent).collect::<Vec<_>>()
    };
    assert_eq!(newest(Which::All, u64::MAX), [7, 4, 3, 2, 1]);
    assert_eq!(newest(Which::OfJob("job"), 4), [3, 2, 1]);
    assert_eq!(newest(Which::OfAgent("agt_030303030303030303030303".parse().unwrap()), 2), [1]);
    assert_eq!(newest(Which::OfAgent("agt_040404040404040404040404".parse().unwrap()), 9), [0; 0]);
    assert_eq!(newest(Which::OfJob("other"), 9), [0; 0]);
    let after = |millis| journal.history().after(whose, Timestamp::from_millis(millis));
    assert_eq!((after(0), after(35), after(40), after(70)), (1, 4, 7, u64::MAX));
}

#[test]
fn a_record_that_changed_in_the_file_is_not_believed() {
    let (mut journal, _) = reopen(b"");
    journal.append(opened(1, &[])).unwrap();
    journal.append(done(1)).unwrap();
    let by = Key { intent: 1, owner: OwnerId::of_key(&[1; 32]) };
    assert_eq!(journal.change(by).map(|change| change.steps), Ok(Vec::new()));
    let mut text = Vec::new();
    journal.file.seek(SeekFrom::Start(0)).unwrap();
    journal.file.read_to_end(&mut text).unwrap();
    let at = text.windows(5).rposition(|word| word == b"false").unwrap();
    journal.file.write_all_at(b"true ", at as u64).unwrap();
    assert!(matches!(journal.change(by), Err(FsError::LogUnavailable(_))));
}

#[test]
fn a_change_costs_memory_whatever_it_did() {
    assert!(size_of::<Row>() <= 96 && size_of::<Key>() <= 24);
}

#[test]
fn the_sample_of_the_format_is_a_journal() {
    let sample = include_bytes!("sample.jsonl");
    let (journal, reading) = reopen(sample);
    assert_eq!((reading, journal.history().len()), (Reading::default(), 2));
    let states: Vec<State> = journal.history.rows().map(|(_, row)| row.state).collect();
    assert_eq!(states, [State::Undone, State::Done]);
}

#[test]
fn a_change_that_could_not_be_closed_is_not_opened() {
    let sample = include_bytes!("sample.jsonl");
    let (journal, _) = reopen(sample);
    let (by, _) = journal.history.rows().next().unwrap();
    let steps = journal.change(*by).unwrap().steps;
    let (mut journal, _) = reopen(b"");
    let Event::Intent(mut long) = opened(1, &[]) else { panic!("no intent") };
    long.steps = steps.into_iter().cycle().take(5000).collect();
    let refused = journal.append(Event::Intent(long));
    assert!(matches!(refused, Err(FsError::LimitExceeded { .. })), "{refused:?}");
    assert_eq!(journal.is_open(), Ok(()));
    journal.append(opened(2, &[])).unwrap();
}
