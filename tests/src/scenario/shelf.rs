//! Where a world's ledgers are kept: in memory, or by the embedded store in a folder or on a
//! simulated disk.
use std::{path::PathBuf, sync::Arc};

use clawnet_core::{LocalStore, OwnerId, Store, StoreError};

use super::{
    fault::{Faults, FaultyStore},
    segment,
    sim::SimStore,
    spindle::Spindle,
    tampering::{Tampering, rehash},
    trouble::Trouble,
};

/// What outlives a restart.
#[derive(Debug)]
pub(super) enum Shelf {
    Memory(Arc<SimStore>),
    Folder(PathBuf),
    Disk(Spindle),
}

/// A store that is open.
pub(super) struct OpenStore {
    /// With faults in front of it.
    pub(super) store: Arc<dyn Store>,
    /// As it is.
    pub(super) bare: Arc<dyn Store>,
    /// The same, if it keeps files.
    pub(super) local: Option<Arc<LocalStore>>,
}

impl Shelf {
    /// Opens the store, with faults in front of it.
    pub(super) fn open(&self, faults: &Faults) -> Result<OpenStore, StoreError> {
        faults.reopened();
        let faults = faults.clone();
        let local = match self {
            Self::Memory(inner) => {
                let store = Arc::new(FaultyStore { inner: inner.clone(), faults });
                return Ok(OpenStore { store, bare: inner.clone(), local: None });
            }
            Self::Folder(path) => Arc::new(LocalStore::open(path)?.0),
            Self::Disk(spindle) => Arc::new(spindle.open()?),
        };
        let store = Arc::new(FaultyStore { inner: local.clone(), faults });
        Ok(OpenStore { store, bare: local.clone(), local: Some(local) })
    }

    /// An empty one of the same kind; `place` is for a folder.
    pub(super) fn another(&self, place: PathBuf) -> Self {
        match self {
            Self::Memory(_) => Self::Memory(Arc::default()),
            Self::Folder(_) => Self::Folder(place),
            Self::Disk(_) => Self::Disk(Spindle::default()),
        }
    }

    /// The simulated disk, if this is one.
    pub(super) fn disk(&mut self) -> Result<&mut Spindle, Trouble> {
        match self {
            Self::Disk(spindle) => Ok(spindle),
            Self::Memory(_) | Self::Folder(_) => {
                Err(Trouble::misread("there is no simulated disk: begin the file with `disk`"))
            }
        }
    }

    /// The power fails under a process that still runs.
    pub(super) fn cut(&mut self) {
        if let Self::Disk(spindle) = self {
            spindle.cut();
        }
    }

    /// The process has ended, and closed the store.
    pub(super) fn stopped(&mut self) {
        if let Self::Disk(spindle) = self {
            spindle.stopped();
        }
    }

    /// How many records a power cut takes, if that is known before the store is opened again. The
    /// embedded store writes all it has when it is dropped.
    pub(super) fn lose_buffered(&self) -> Option<u64> {
        match self {
            Self::Memory(store) => Some(store.lose_buffered()),
            Self::Folder(_) => Some(0),
            Self::Disk(_) => None,
        }
    }

    /// Edits a log behind the kernel's back.
    pub(super) fn tamper(
        &self,
        owner: OwnerId,
        tampering: Tampering,
        with_hashes: bool,
    ) -> Result<(), Trouble> {
        let found = match self {
            Self::Memory(store) => store.tamper(owner, |frames| {
                let found = tampering.edit(frames);
                if with_hashes {
                    rehash(owner, frames);
                }
                found
            }),
            Self::Folder(_) if with_hashes => return Err(memory_only("`rehash`")),
            Self::Disk(_) => return Err(memory_only("`tamper`")),
            Self::Folder(path) => segment::tamper(path, owner, tampering)?,
        };
        if found { Ok(()) } else { Err(Trouble::misread("there is no such record to tamper with")) }
    }

    /// Spoils the kept state.
    pub(super) fn tamper_snapshot(&self, owner: OwnerId) -> Result<(), Trouble> {
        let Self::Memory(store) = self else { return Err(memory_only("`snapshot`")) };
        let found = store.tamper_snapshot(owner);
        if found { Ok(()) } else { Err(Trouble::misread("no state was kept: `snapshot` first")) }
    }
}

fn memory_only(what: &str) -> Trouble {
    Trouble::Misread(format!("{what} needs the store in memory: run without `--store` and `disk`"))
}
