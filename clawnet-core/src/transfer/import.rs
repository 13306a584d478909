//! Taking a ledger in: all of it is verified before any of it is kept.
use std::{
    io::{Read, Seek, SeekFrom},
    sync::Arc,
};

use super::{
    ImportError, Transferred,
    check::{Checked, Item},
};
use crate::{
    id::OwnerId,
    key::PublicKey,
    ledger::Progress,
    store::{Batch, Durability, Frame, Head, Store},
};

/// How an export is read: as that of the ledger that began with one key.
///
/// Either form is recognised by its first bytes. Memory is bounded, whatever is read: by one record
/// or body, and 32 bytes for each body before it.
///
/// ```
/// # use clawnet_core::*;
/// # futures::executor::block_on(async {
/// # let key = SoftwareKey::from_secret(&[7; 32]);
/// # let founder = key.public_key();
/// # let kernel = Kernel::governing(founder).open(MemoryStore::new(), ManualClock::default()).await?;
/// # let owner = kernel.owner(key).await?;
/// let mut file = std::io::Cursor::new(Vec::new());
/// let written = owner.export(&mut file, Export::native().with_bodies(), |_| ()).await?;
///
/// file.set_position(0);
/// let store = MemoryStore::new();
/// let read = Import::of(founder).into_store(&mut file, &store, |_| ()).await?;
/// assert_eq!(read, written);
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "it says whose export is meant, and reads nothing"]
pub struct Import {
    founder: PublicKey,
}

impl Import {
    /// An export of the ledger that began with `founder`, and of no other.
    pub const fn of(founder: PublicKey) -> Self {
        Self { founder }
    }

    /// Verifies an export, and keeps nothing. `progress` is told how many records were read; how
    /// many there are is not known before the end.
    pub fn verify(
        &self,
        source: impl Read,
        mut progress: impl FnMut(Progress),
    ) -> Result<Transferred, ImportError> {
        self.read(source, &mut progress, |_| Ok(()))
    }

    /// Appends an export to its owner's log in `store`, which has to be empty or a beginning of the
    /// export. The source is read twice, from where it stands: verified whole, then appended.
    ///
    /// What this was interrupted at is a beginning of the export; importing it again goes on from
    /// there. Everything is durable when this returns. `progress` first counts what was verified,
    /// without knowing the end, then what was appended.
    pub async fn into_store(
        &self,
        mut source: impl Read + Seek + Send,
        store: &dyn Store,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Transferred, ImportError> {
        let log = self.founder.owner();
        let present = store.head(log).await?;
        let start = source.stream_position().map_err(unread)?;
        let verified = self.read(&mut source, &mut progress, |frame| {
            let sequence = frame.sequence;
            let differs = sequence == present.sequence && frame.hash != present.hash;
            if differs { Err(ImportError::Diverged { sequence }) } else { Ok(()) }
        })?;
        let of = verified.found.records;
        if present.sequence > of {
            return Err(ImportError::Diverged { sequence: of.saturating_add(1) });
        }
        source.seek(SeekFrom::Start(start)).map_err(unread)?;
        let mut checked = Checked::open(&mut source, self.founder)?;
        let mut writing = Writing { store, log, head: present, batch: Batch::new(), size_bytes: 0 };
        while let Some(item) = checked.next()? {
            match item {
                Item::Record(frame) if frame.sequence > of => return Err(ImportError::Changed),
                Item::Record(frame) => {
                    if writing.push(frame).await? {
                        progress(Progress { records: frame.sequence, of });
                    }
                }
                // Kept before the record that names it is durable, as when it was first written.
                Item::Body(content) => drop(store.keep_body(log, &content).await?),
            }
        }
        writing.flush().await?;
        progress(Progress { records: checked.head().sequence, of });
        if checked.found() == verified { Ok(verified) } else { Err(ImportError::Changed) }
    }

    fn read(
        &self,
        source: impl Read,
        progress: &mut dyn FnMut(Progress),
        mut each: impl FnMut(&Frame) -> Result<(), ImportError>,
    ) -> Result<Transferred, ImportError> {
        let mut checked = Checked::open(source, self.founder)?;
        while let Some(item) = checked.next()? {
            let Item::Record(frame) = item else { continue };
            each(frame)?;
            if frame.sequence % PROGRESS_EVERY == 0 {
                progress(Progress { records: frame.sequence, of: 0 });
            }
        }
        progress(Progress { records: checked.head().sequence, of: 0 });
        Ok(checked.found())
    }
}

/// Appends what a log does not have yet, many records at once.
struct Writing<'s> {
    store: &'s dyn Store,
    log: OwnerId,
    head: Head,
    batch: Batch,
    size_bytes: usize,
}

impl Writing<'_> {
    /// Whether anything was made durable.
    async fn push(&mut self, frame: &Frame) -> Result<bool, ImportError> {
        if frame.sequence <= self.head.sequence {
            return Ok(false);
        }
        self.size_bytes += frame.payload.len();
        self.batch.push(frame.clone());
        let full = self.size_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_COUNT;
        if full {
            self.flush().await?;
        }
        Ok(full)
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let batch = std::mem::take(&mut self.batch);
        let Some(end) = batch.last().map(Head::after) else { return Ok(()) };
        self.store.append(self.log, self.head, batch, Durability::Durable).await?;
        (self.head, self.size_bytes) = (end, 0);
        Ok(())
    }
}

fn unread(error: std::io::Error) -> ImportError {
    ImportError::Source(Arc::new(error))
}

/// After how many records progress is told.
const PROGRESS_EVERY: u64 = 1 << 14;
/// From which size on a batch is appended.
const BATCH_BYTES: usize = 1 << 20;
/// From how many records on a batch is appended.
const BATCH_COUNT: usize = 1 << 13;
