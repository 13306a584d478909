//! One ledger, opened as its application opens it: alone, and to decide.
use std::{sync::Arc, time::SystemTime};

use clawnet_core::{Kernel, LocalStore, Owner, Store};

use crate::{place::Place, screen::remark, stop::Stop, view::no_ledger};

/// A kernel on a store that is locked.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) kernel: Kernel,
    pub(crate) store: Arc<LocalStore>,
}

impl Desk {
    /// Opens the ledger. It cuts a torn end and closes what a crash left open, and says so; it
    /// never begins a ledger.
    pub(crate) async fn open(place: &Place) -> Result<Self, Stop> {
        let founder = place.founder()?;
        let (store, opened) = LocalStore::open(&place.store()?)?;
        if opened.torn_at.is_some() || opened.index_rebuilt.is_some() || opened.damage.is_some() {
            remark(&opened.to_string());
        }
        let store = Arc::new(store);
        if store.head(founder.owner()).await?.sequence == 0 {
            return Err(no_ledger(founder.owner()));
        }
        let clock = || SystemTime::now().into();
        let kernel = Kernel::governing(founder)
            .passing_over_facts()
            .open_shared(store.clone(), clock)
            .await?;
        if let Some(damage) = kernel.damage() {
            return Err(damage.clone().into());
        }
        if kernel.recovery().closed > 0 || kernel.recovery().erased > 0 {
            remark(&kernel.recovery().to_string());
        }
        Ok(Self { kernel, store })
    }

    /// The right to decide, by the owner's secret key.
    pub(crate) async fn owner(&self, place: &Place) -> Result<Owner, Stop> {
        Ok(self.kernel.owner(place.owner()?).await?)
    }
}
