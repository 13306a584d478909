//! The node's own journal: what was about to be changed, and what came of it.
//!
//! An append-only file, one JSON record on a line, each with the digest of itself and all before
//! it: `{"chain":"<64 hex digits>","event":{...}}`, where `chain` is BLAKE3 in `derive_key` mode
//! over the `chain` before (64 zeros at first) as 32 bytes, then the event's bytes as they stand.
//! JSON escapes control characters, so no file name can forge or split a record.
//!
//! The kernel's ledger says who was allowed what and when. This says where the bytes are.
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
};

use clawnet_core::{AgentId, Caller, Digest, IdentityId, OwnerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{refusal::FsError, step::Step};

mod history;

pub(crate) use history::{Change, History, State};

/// What a change may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a third class must be looked at everywhere")]
pub enum Durability {
    /// Survives the death of the process at any point. Without a flush, a new file may be empty
    /// after a power cut; what it displaced is still in the store.
    ProcessSafe,
    /// Survives a power cut at any point: records, content and directories are flushed.
    PowerSafe,
}

/// One record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Event {
    /// The first record: what format this is.
    Begin { format: u32 },
    /// About to change something.
    Intent(Opened),
    /// It is done, and this is what was found and left.
    Commit { by: Key, steps: Vec<Step>, raced: bool, recovered: bool },
    /// Nothing was done, or all of it was taken back.
    Abort { by: Key, why: String },
    /// It is half way, and what is there is not what the node knows: everything is kept.
    Conflict { by: Key, why: String },
}

/// Which change: the owner whose ledger ordered it, and the intent's place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) intent: u64,
    pub(crate) owner: OwnerId,
}

/// What an intent says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opened {
    pub(crate) by: Key,
    pub(crate) who: Who,
    /// When the kernel recorded its intent, by the kernel's clock.
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    /// The intents this one undoes, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reverses: Vec<u64>,
    pub(crate) steps: Vec<Step>,
}

/// Whose change it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    pub(crate) identity: IdentityId,
    pub(crate) agent: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        let job = caller.job().map(str::to_owned);
        Self { identity: caller.identity(), agent: caller.agent(), job }
    }
}

/// The open journal and what it folds to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    chain: Digest,
    durability: Durability,
    history: History,
    closed: Option<String>,
}

/// What reading a journal found besides its records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    pub(crate) torn_bytes: u64,
    pub(crate) broken_at: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    chain: Digest,
    #[serde(borrow)]
    event: &'a RawValue,
}

const FORMAT: u32 = 2;
const CONTEXT: &str = "clawnet-fs 2026 journal chain v1";
/// The longest record, in bytes: 256 steps of the longest paths and more.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// How many changes a journal may hold.
const CHANGES_MAX: usize = 1_000_000;

impl Journal {
    /// Reads and verifies the whole file. A last line without an end is dropped; a line that is
    /// not what was written, or does not follow, closes the journal for writing.
    pub(crate) fn open(file: File, durability: Durability) -> Result<(Self, Reading), FsError> {
        let history = History::default();
        let mut journal = Self { file, chain: Digest::ZERO, durability, history, closed: None };
        let mut reading = Reading::default();
        let kept_bytes = journal.read(&mut reading)?;
        if let Some(line) = reading.broken_at {
            journal.closed = Some(format!("its chain is broken at line {line}"));
        } else {
            if reading.torn_bytes > 0 {
                journal.file.set_len(kept_bytes)?;
            }
            if kept_bytes == 0 {
                journal.append(Event::Begin { format: FORMAT })?;
            }
        }
        Ok((journal, reading))
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Refuses if nothing can be recorded any more.
    pub(crate) fn is_open(&self) -> Result<(), FsError> {
        self.closed.clone().map_or(Ok(()), |why| Err(FsError::LogUnavailable(why)))
    }

    /// Appends one record and folds it. After a failure nothing is appended until the node is
    /// opened again: what the file then ends with is not known.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), FsError> {
        self.is_open()?;
        if matches!(event, Event::Intent(_)) && self.history.len() >= CHANGES_MAX {
            return Err(FsError::LimitExceeded { what: "the journal", max: CHANGES_MAX as u64 });
        }
        let written = self.write(&event);
        match written {
            Ok(chain) => {
                self.chain = chain;
                self.history.fold(event);
                Ok(())
            }
            Err(error) => {
                self.closed = Some(error.to_string());
                Err(FsError::LogUnavailable(error.to_string()))
            }
        }
    }

    fn write(&mut self, event: &Event) -> std::io::Result<Digest> {
        let text = serde_json::to_string(event)?;
        let chain = follow(self.chain, &text);
        let line = format!("{{\"chain\":\"{chain}\",\"event\":{text}}}\n");
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(std::io::Error::other("a record is too long"));
        }
        self.file.write_all(line.as_bytes())?;
        if self.durability == Durability::PowerSafe {
            self.file.sync_data()?;
        }
        Ok(chain)
    }

    /// How many bytes from the start are whole, verified lines.
    fn read(&mut self, reading: &mut Reading) -> Result<u64, FsError> {
        let mut lines = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
        let mut kept_bytes = 0;
        for number in 1.. {
            line.clear();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if line.last() != Some(&b'\n') && (read as u64) < LINE_BYTES_MAX {
                reading.torn_bytes = read as u64;
                break;
            }
            let Some((chain, event)) = self.verify(&line) else {
                reading.broken_at = Some(number);
                break;
            };
            self.chain = chain;
            self.history.fold(event);
            kept_bytes += read as u64;
        }
        Ok(kept_bytes)
    }

    fn verify(&self, line: &[u8]) -> Option<(Digest, Event)> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let follows = follow(self.chain, line.event.get()) == line.chain;
        let event: Event = serde_json::from_str(line.event.get()).ok()?;
        let first = self.chain == Digest::ZERO;
        let known = match event {
            Event::Begin { format } => first && format == FORMAT,
            Event::Intent(_)
            | Event::Commit { .. }
            | Event::Abort { .. }
            | Event::Conflict { .. } => !first,
        };
        (follows && known).then_some((line.chain, event))
    }
}

fn follow(chain: Digest, event: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(chain.as_bytes());
    hasher.update(event.as_bytes());
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
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
}
