//! The node's own journal: what was about to be changed, and what came of it.
//!
//! An append-only file, one JSON record on a line, each chained to all before it. The format, for
//! other programs, is in [`format`](mod@crate::format).
//!
//! The kernel's ledger says who was allowed what and when. This says where the bytes are.
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::unix::fs::FileExt,
    sync::{Arc, LazyLock},
};

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use clawnet_core::{AgentId, Caller, Digest, IdentityId, OwnerId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    label::Labels,
    refusal::FsError,
    step::{Slot, Step},
};

mod history;
mod shelf;
mod told;

#[cfg(test)]
mod tests;

pub(crate) use history::{Change, History, Row, State, Which};
pub(crate) use shelf::Shelf;
pub(crate) use told::Told;

use history::Mark;

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
    /// Folders have these labels from here on.
    Labels(Labels),
    /// About to tell a run content of a label, for the first time.
    Told { label: Arc<str>, owner: OwnerId, who: Who },
    /// About to take a tree whose files are this long together.
    Weighed { size_bytes: u64, slot: Slot },
    /// What a change kept is about to go, slot by slot. It cannot be undone any more.
    Pruned { by: Key, slots: Vec<Slot> },
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Who {
    pub(crate) identity: IdentityId,
    pub(crate) agent: AgentId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    /// Because of what: the cause without its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        let job = caller.job().map(str::to_owned);
        let cause = caller.cause().map(|cause| cause.source().to_owned());
        Self { identity: caller.identity(), agent: caller.agent(), job, cause }
    }
}

/// The open journal and what it folds to.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// Where the next record begins.
    end: u64,
    chain: Digest,
    durability: Durability,
    history: History,
    changes_max: usize,
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
static CONTEXT: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("clawnet-fs 2026 journal chain v1"));
/// The longest record, in bytes: 256 steps of the longest paths and more.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// The longest an intent's steps may be. Its commit, which knows more of them, fits then too.
const STEPS_BYTES_MAX: u64 = 1 << 20;
/// How many changes a journal takes. In memory each costs some 250 bytes.
const CHANGES_MAX: usize = 1_000_000;
/// How many more it takes that only take back others: a full journal does not bar the way home.
const CHANGES_MAX_REVERSING: usize = 10_000;

impl Journal {
    /// Reads and verifies the whole file. A last line without an end is dropped; a line that is
    /// not what was written, or does not follow, closes the journal for writing.
    pub(crate) fn open(file: File, durability: Durability) -> Result<(Self, Reading), FsError> {
        let history = History::default();
        let mut journal = Self {
            file,
            end: 0,
            chain: Digest::ZERO,
            durability,
            history,
            changes_max: CHANGES_MAX,
            closed: None,
        };
        let mut reading = Reading::default();
        journal.read(&mut reading)?;
        if let Some(line) = reading.broken_at {
            journal.closed = Some(format!("its chain is broken at line {line}"));
        } else {
            if reading.torn_bytes > 0 {
                journal.file.set_len(journal.end)?;
            }
            if journal.end == 0 {
                journal.append(Event::Begin { format: FORMAT })?;
            }
        }
        Ok((journal, reading))
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    /// Notes that a slot which was to be emptied is empty.
    pub(crate) fn emptied(&mut self, slot: &Slot) {
        self.history.emptied(slot);
    }

    /// Refuses if nothing can be recorded any more.
    pub(crate) fn is_open(&self) -> Result<(), FsError> {
        self.closed.clone().map_or(Ok(()), |why| Err(FsError::LogUnavailable(why)))
    }

    /// Appends one record and folds it. After a failure nothing is appended until the node is
    /// opened again: what the file then ends with is not known.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), FsError> {
        self.is_open()?;
        let text = serde_json::to_string(&event).map_err(std::io::Error::from);
        if let (Event::Intent(opened), Ok(text)) = (&event, &text) {
            self.has_room(opened, text.len() as u64)?;
        }
        let written = text.and_then(|text| self.write(&text));
        match written {
            Ok(place) => {
                self.take(event, place);
                Ok(())
            }
            Err(error) => {
                self.closed = Some(error.to_string());
                Err(FsError::LogUnavailable(error.to_string()))
            }
        }
    }

    /// Of a record that is `bytes` long, only the steps count: most are short altogether.
    fn has_room(&self, opened: &Opened, bytes: u64) -> Result<(), FsError> {
        let steps = || serde_json::to_vec(&opened.steps).map_err(std::io::Error::from);
        if bytes > STEPS_BYTES_MAX && steps()?.len() as u64 > STEPS_BYTES_MAX {
            return Err(FsError::LimitExceeded {
                what: "what one change records",
                max: STEPS_BYTES_MAX,
            });
        }
        let reserve = if opened.reverses.is_empty() { 0 } else { CHANGES_MAX_REVERSING };
        if self.history.len() >= self.changes_max.saturating_add(reserve) {
            return Err(FsError::JournalFull { changes_max: self.changes_max as u64 });
        }
        Ok(())
    }

    /// One change with its steps, as its record stands in the file. What is not there any more as it
    /// was when it was folded is not believed.
    pub(crate) fn change(&self, by: Key) -> Result<Change, FsError> {
        if let Some(change) = self.history.opened(by) {
            return Ok(change.clone());
        }
        let row = self.history.get(by).ok_or(FsError::NotFound)?;
        let known = self.history.who(row).zip(self.history.kind(row));
        let (who, kind) = known.ok_or(FsError::NotFound)?;
        Ok(Change {
            by,
            who: who.clone(),
            at: row.at,
            kind: kind.clone(),
            state: row.state,
            reverses: row.reverses.to_vec(),
            steps: self.steps(&row.mark)?,
        })
    }

    fn steps(&self, mark: &Mark) -> Result<Vec<Step>, FsError> {
        let changed = || FsError::LogUnavailable("a record is not what it was".into());
        let mut line = vec![0; usize::try_from(mark.bytes).map_err(|_| changed())?];
        self.file.read_exact_at(&mut line, mark.offset)?;
        let line: Line<'_> = serde_json::from_slice(&line).map_err(|_| changed())?;
        if seal(line.event.get()) != mark.seal {
            return Err(changed());
        }
        match serde_json::from_str(line.event.get()).map_err(|_| changed())? {
            Event::Intent(Opened { steps, .. }) | Event::Commit { steps, .. } => Ok(steps),
            Event::Begin { .. }
            | Event::Abort { .. }
            | Event::Conflict { .. }
            | Event::Labels(_)
            | Event::Told { .. }
            | Event::Weighed { .. }
            | Event::Pruned { .. } => Err(changed()),
        }
    }

    /// Folds a record that stands at the end of what was read or written.
    fn take(&mut self, event: Event, place: Place) {
        let Place { chain, bytes, seal } = place;
        let mark = Mark { offset: self.end, bytes, seal };
        self.chain = chain;
        self.end += u64::from(bytes);
        self.history.fold(event, mark);
    }

    fn write(&mut self, text: &str) -> std::io::Result<Place> {
        let chain = follow(self.chain, text);
        let line = format!("{{\"chain\":\"{chain}\",\"event\":{text}}}\n");
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(std::io::Error::other("a record is too long"));
        }
        self.file.write_all(line.as_bytes())?;
        if self.durability == Durability::PowerSafe {
            self.file.sync_data()?;
        }
        let bytes = u32::try_from(line.len()).map_err(std::io::Error::other)?;
        Ok(Place { chain, bytes, seal: seal(text) })
    }

    /// Folds every whole, verified line.
    fn read(&mut self, reading: &mut Reading) -> Result<(), FsError> {
        let mut lines = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
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
            let Some((event, place)) = self.verify(&line) else {
                reading.broken_at = Some(number);
                break;
            };
            self.take(event, place);
        }
        Ok(())
    }

    fn verify(&self, line: &[u8]) -> Option<(Event, Place)> {
        let bytes = u32::try_from(line.len()).ok()?;
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let follows = follow(self.chain, line.event.get()) == line.chain;
        let event: Event = serde_json::from_str(line.event.get()).ok()?;
        let first = self.chain == Digest::ZERO;
        let known = match event {
            Event::Begin { format } => first && format == FORMAT,
            Event::Intent(_)
            | Event::Commit { .. }
            | Event::Abort { .. }
            | Event::Conflict { .. }
            | Event::Labels(_)
            | Event::Told { .. }
            | Event::Weighed { .. }
            | Event::Pruned { .. } => !first,
        };
        let place = Place { chain: line.chain, bytes, seal: seal(line.event.get()) };
        (follows && known).then_some((event, place))
    }
}

/// What the journal keeps of a record's text.
#[derive(Debug, Clone, Copy)]
struct Place {
    chain: Digest,
    bytes: u32,
    seal: [u8; 16],
}

/// Enough of a digest of one record to tell whether it still stands in the file as it did.
fn seal(event: &str) -> [u8; 16] {
    let digest = blake3::hash(event.as_bytes());
    let mut half = [0; 16];
    half.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
    half
}

fn follow(chain: Digest, event: &str) -> Digest {
    let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT);
    hasher.update(chain.as_bytes());
    hasher.update(event.as_bytes());
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
