//! The station's daybook: what kernels told this node to change, and what it answered.
//!
//! An append-only file, chained like the journal, one JSON record on a line. It is what makes a
//! directive good once, over restarts too: a change is written down before it is begun, and a
//! session before it is used. What only looks is in the node's own ledger and in receipts.
use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    os::{fd::AsFd, unix::fs::FileExt},
};

use cap_std::fs::Dir;
use clawnet_core::{Digest, OwnerId, PublicKey, SignedReceipt, Timestamp};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::welcome::LastChange;
use crate::{handle::Facts, journal::Durability, refusal::FsError};

/// One record.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// The kernel is gone. Nothing is done until it comes back with a new session.
    Alone { at: Timestamp, kernel: PublicKey },
    /// The first record: what format this is, and whose.
    Begin { format: u32, node: PublicKey },
    /// A change is over: the signed receipt, and what went with it.
    Gave { answer: String, receipt: String },
    /// A directive that verified and was not even tried.
    Refused { at: Timestamp, code: String, directive: Digest },
    /// A session begins, with the node confined like this. Its name is the chain up to here.
    Session { at: Timestamp, confinement: String, kernel: PublicKey, number: u64 },
    /// A change is about to be begun.
    Took(Took),
}

/// A change that is about to be begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Took {
    pub(super) directive: Digest,
    pub(super) intent: u64,
    pub(super) kernel: PublicKey,
    pub(super) kind: String,
    pub(super) number: u64,
    pub(super) owner: OwnerId,
    /// The digest of the receipt before.
    pub(super) previous: Digest,
    /// How many records the node's own ledger had.
    pub(super) size: u64,
}

/// A receipt as it was given, and what went with it.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) receipt: SignedReceipt,
    pub(super) answer: String,
}

/// The open daybook and what it folds to.
#[derive(Debug)]
pub(super) struct Daybook {
    file: File,
    chain: Digest,
    size_bytes: u64,
    durability: Durability,
    failed: bool,
    open: Option<Took>,
    numbers: HashMap<PublicKey, u64>,
    last: HashMap<PublicKey, LastChange>,
    /// Where the receipt for a directive is.
    given: HashMap<Digest, (u64, usize)>,
    /// Which directive was for an intent.
    intents: HashMap<(OwnerId, u64), Digest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    chain: Digest,
    #[serde(borrow)]
    event: &'a RawValue,
}

const FILE: &str = "daybook";
const FORMAT: u32 = 1;
const CONTEXT: &str = "clawnet-fs 2026 daybook chain v1";
/// The longest record: an answer to a change, and its receipt.
const LINE_BYTES_MAX: u64 = 8 << 20;
/// How many changes a daybook may hold.
const CHANGES_MAX: usize = 1_000_000;

impl Daybook {
    /// Reads and verifies the whole file. A last line without an end is dropped.
    ///
    /// # Errors
    /// When it is another node's, in use, or not what was written.
    pub(super) fn open(
        state: &Dir,
        node: PublicKey,
        durability: Durability,
    ) -> Result<Self, FsError> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(state, FILE, flags, Mode::RUSR | Mode::WUSR)?);
        Facts::of(file.as_fd())?.gate()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| FsError::LogUnavailable("another node uses this directory".into()))?;
        let mut book = Self {
            file,
            chain: Digest::ZERO,
            size_bytes: 0,
            durability,
            failed: false,
            open: None,
            numbers: HashMap::new(),
            last: HashMap::new(),
            given: HashMap::new(),
            intents: HashMap::new(),
        };
        book.read(node)?;
        if book.size_bytes == 0 {
            book.append(Event::Begin { format: FORMAT, node })?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::fsync(openat(state, ".", flags, Mode::empty())?)?;
        }
        Ok(book)
    }

    /// The chain up to here: no two of them are alike.
    pub(super) fn chain(&self) -> Digest {
        self.chain
    }

    /// The change that was begun and has no receipt.
    pub(super) fn open_change(&self) -> Option<&Took> {
        self.open.as_ref()
    }

    /// The greatest number this kernel used for a change or before its last session.
    pub(super) fn number(&self, kernel: &PublicKey) -> u64 {
        self.numbers.get(kernel).copied().unwrap_or_default()
    }

    pub(super) fn last(&self, kernel: &PublicKey) -> Option<LastChange> {
        self.last.get(kernel).copied()
    }

    /// Whether there is a receipt for this directive, or one being made.
    pub(super) fn knows(&self, directive: &Digest) -> bool {
        self.given.contains_key(directive)
            || self.open.as_ref().is_some_and(|took| took.directive == *directive)
    }

    /// The receipt for a directive, read back and checked.
    pub(super) fn given(&self, directive: &Digest) -> Result<Option<Given>, FsError> {
        let Some((offset, length)) = self.given.get(directive) else { return Ok(None) };
        let mut line = vec![0; *length];
        self.file.read_exact_at(&mut line, *offset)?;
        let damaged = || FsError::LogUnavailable("a receipt cannot be read back".into());
        let line: Line<'_> = serde_json::from_slice(&line).map_err(|_| damaged())?;
        let event = serde_json::from_str(line.event.get()).map_err(|_| damaged())?;
        let Event::Gave { answer, receipt } = event else { return Err(damaged()) };
        let receipt = SignedReceipt::read(receipt.as_bytes()).map_err(|_| damaged())?;
        let same = receipt.receipt().directive == *directive;
        if same { Ok(Some(Given { receipt, answer })) } else { Err(damaged()) }
    }

    /// Which directive was for this intent.
    pub(super) fn directive_of(&self, owner: OwnerId, intent: u64) -> Option<Digest> {
        self.intents.get(&(owner, intent)).copied()
    }

    /// Refuses once something could not be recorded.
    pub(super) fn is_sound(&self) -> Result<(), FsError> {
        if self.failed {
            return Err(FsError::LogUnavailable("open the station again".into()));
        }
        Ok(())
    }

    /// Appends one record and folds it. After a failure nothing is appended any more.
    pub(super) fn append(&mut self, event: Event) -> Result<(), FsError> {
        self.is_sound()?;
        if matches!(event, Event::Took(_)) && self.intents.len() >= CHANGES_MAX {
            return Err(FsError::LimitExceeded { what: "the daybook", max: CHANGES_MAX as u64 });
        }
        let written = self.write(&event);
        let (chain, length) = written.map_err(|error| {
            self.failed = true;
            FsError::LogUnavailable(error.to_string())
        })?;
        self.chain = chain;
        self.fold(event, length);
        Ok(())
    }

    fn write(&mut self, event: &Event) -> std::io::Result<(Digest, usize)> {
        let text = serde_json::to_string(event)?;
        let chain = follow(self.chain, &text);
        let line = format!("{{\"chain\":\"{chain}\",\"event\":{text}}}\n");
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(std::io::Error::other("a record is too long"));
        }
        self.file.write_all(line.as_bytes())?;
        let lasting = !matches!(event, Event::Refused { .. } | Event::Alone { .. });
        if self.durability == Durability::PowerSafe && lasting {
            self.file.sync_data()?;
        }
        Ok((chain, line.len()))
    }

    fn fold(&mut self, event: Event, length: usize) {
        let offset = self.size_bytes;
        self.size_bytes += length as u64;
        match event {
            Event::Session { kernel, number, .. } => {
                let known = self.numbers.entry(kernel).or_default();
                *known = number.max(*known);
            }
            Event::Took(took) => {
                let known = self.numbers.entry(took.kernel).or_default();
                *known = took.number.max(*known);
                self.intents.insert((took.owner, took.intent), took.directive);
                self.open = Some(took);
            }
            Event::Gave { receipt, .. } => {
                let Some(took) = self.open.take() else { return };
                self.given.insert(took.directive, (offset, length));
                let Ok(receipt) = SignedReceipt::read(receipt.as_bytes()) else { return };
                let receipt = receipt.receipt().digest();
                self.last.insert(took.kernel, LastChange { number: took.number, receipt });
            }
            Event::Alone { .. } | Event::Begin { .. } | Event::Refused { .. } => {}
        }
    }

    fn read(&mut self, node: PublicKey) -> Result<(), FsError> {
        let mut lines = BufReader::new(self.file.try_clone()?);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') && (read as u64) < LINE_BYTES_MAX {
                self.file.set_len(self.size_bytes)?;
                return Ok(());
            }
            let broken = || FsError::LogUnavailable("the daybook's chain is broken".into());
            let (chain, event) = self.verify(&line, node).ok_or_else(broken)?;
            self.chain = chain;
            self.fold(event, read);
        }
    }

    fn verify(&self, line: &[u8], node: PublicKey) -> Option<(Digest, Event)> {
        let line: Line<'_> = serde_json::from_slice(line).ok()?;
        let follows = follow(self.chain, line.event.get()) == line.chain;
        let event: Event = serde_json::from_str(line.event.get()).ok()?;
        let first = self.chain == Digest::ZERO;
        let known = match &event {
            Event::Begin { format, node: own } => first && *format == FORMAT && *own == node,
            Event::Gave { .. } => !first && self.open.is_some(),
            Event::Took(_) => !first && self.open.is_none(),
            Event::Alone { .. } | Event::Refused { .. } | Event::Session { .. } => !first,
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
