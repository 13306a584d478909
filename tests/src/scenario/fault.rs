//! A store that fails when told to, around any other store.
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use cap_std::fs::Dir;
use clawnet_core::{
    Batch, Commit, Digest, Durability, Frame, Head, IndexEntry, IndexRange, OwnerId, Snapshot,
    Store, StoreError,
};
use serde::Deserialize;

/// Which calls count towards a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Any,
    Append,
    Body,
    Index,
    Read,
    Snapshot,
}

/// The n-th call of a kind fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub(super) call: Call,
    /// Counted from 1, from now on.
    pub(super) nth: u64,
    /// Whether what was to be written is written all the same, and only the word of it is lost.
    pub(super) written: bool,
}

/// What a person saves while a record is written.
#[derive(Debug)]
pub(super) struct Save {
    pub(super) dir: Dir,
    pub(super) path: String,
    pub(super) text: String,
}

impl Save {
    /// As editors do: a new file in the place of the old.
    pub(super) fn make(&self) -> io::Result<()> {
        let beside = format!("{}.saving", self.path);
        self.dir.write(&beside, &self.text)?;
        self.dir.rename(&beside, &self.dir, &self.path)
    }
}

/// The fault to come, shared with whoever plans it.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    meanwhile: Option<Save>,
    next: Option<Fault>,
    poisoned: bool,
}

/// What becomes of one call.
enum Fate {
    Passes,
    Fails(StoreError),
    /// It is done, and reported as failed.
    Lost(StoreError),
}

impl Faults {
    pub(super) fn plan(&self, fault: Fault) {
        self.lock().next = Some(fault);
    }

    /// Lets a person save when the next record is appended.
    pub(super) fn meanwhile(&self, save: Save) {
        self.lock().meanwhile = Some(save);
    }

    /// A store that is opened again has forgotten that it failed. What is to fail still will.
    pub(super) fn reopened(&self) {
        self.lock().poisoned = false;
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, call: Call) -> Fate {
        let mut plan = self.lock();
        if plan.poisoned {
            return Fate::Fails(StoreError::Poisoned);
        }
        if let Some(save) = plan.meanwhile.take_if(|_| call == Call::Append)
            && let Err(source) = save.make()
        {
            let action = "saving meanwhile".into();
            return Fate::Fails(StoreError::Io { action, source: Arc::new(source) });
        }
        let Some(fault) = &mut plan.next else { return Fate::Passes };
        if fault.call != Call::Any && fault.call != call {
            return Fate::Passes;
        }
        fault.nth = fault.nth.saturating_sub(1);
        if fault.nth > 0 {
            return Fate::Passes;
        }
        let written = fault.written;
        plan.next = None;
        plan.poisoned = true;
        let source = Arc::new(io::Error::other("told to fail"));
        let error = StoreError::Io { action: "writing the log".into(), source };
        if written { Fate::Lost(error) } else { Fate::Fails(error) }
    }

    fn check(&self, call: Call) -> Result<(), StoreError> {
        match self.fate(call) {
            Fate::Passes => Ok(()),
            Fate::Fails(error) | Fate::Lost(error) => Err(error),
        }
    }
}

/// Any store, with faults in front of it.
#[derive(Debug)]
pub(super) struct FaultyStore<S> {
    pub(super) inner: Arc<S>,
    pub(super) faults: Faults,
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.faults.check(Call::Read)?;
        self.inner.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        match self.faults.fate(Call::Append) {
            Fate::Passes => self.inner.append(log, expected, batch, class),
            Fate::Fails(error) => Commit::ready(Err(error)),
            Fate::Lost(error) => {
                drop(self.inner.append(log, expected, batch, Durability::Durable));
                Commit::ready(Err(error))
            }
        }
    }

    async fn read(
        &self,
        log: OwnerId,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError> {
        self.faults.check(Call::Read)?;
        self.inner.read(log, sequence, size_bytes_max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.faults.check(Call::Snapshot)?;
        self.inner.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.faults.check(Call::Snapshot)?;
        self.inner.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.faults.check(Call::Index)?;
        self.inner.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.faults.check(Call::Index)?;
        self.inner.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.faults.check(Call::Index)?;
        self.inner.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.faults.check(Call::Body)?;
        self.inner.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.faults.check(Call::Body)?;
        self.inner.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.faults.check(Call::Body)?;
        self.inner.erase_body(log, digest).await
    }
}
