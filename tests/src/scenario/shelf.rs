//! Where a world's ledgers are kept: in memory, or in a folder by the embedded store.
use std::{path::PathBuf, sync::Arc};

use clawnet_core::{LocalStore, OwnerId, Store, StoreError};

use super::{
    fault::{Faults, FaultyStore},
    segment,
    sim::SimStore,
    tampering::{Tampering, rehash},
    trouble::Trouble,
};

/// What outlives a restart.
#[derive(Debug)]
pub(super) enum Shelf {
    Memory(Arc<SimStore>),
    Folder(PathBuf),
}

impl Shelf {
    /// Opens the store, with faults in front of it.
    pub(super) fn open(&self, faults: &Faults) -> Result<Arc<dyn Store>, StoreError> {
        faults.reopened();
        let faults = faults.clone();
        Ok(match self {
            Self::Memory(store) => Arc::new(FaultyStore { inner: store.clone(), faults }),
            Self::Folder(path) => {
                let (store, _) = LocalStore::open(path)?;
                Arc::new(FaultyStore { inner: Arc::new(store), faults })
            }
        })
    }

    /// How many records a power cut takes. The embedded store writes all it has when it is dropped.
    pub(super) fn lose_buffered(&self) -> u64 {
        match self {
            Self::Memory(store) => store.lose_buffered(),
            Self::Folder(_) => 0,
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
    Trouble::Misread(format!("{what} needs the store in memory: run without `--store`"))
}
