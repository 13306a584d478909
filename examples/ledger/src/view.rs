//! One ledger, looked at: without the store's lock, without a kernel, and nothing is changed.
use clawnet_core::{Frame, LocalStore, Opened, OwnerId, PublicKey, Store, StoreError};

use crate::{glass::Glass, place::Place, screen::remark, stop::Stop};

/// A ledger as it was when this was opened.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) founder: PublicKey,
    pub(crate) log: OwnerId,
    pub(crate) opened: Opened,
    store: LocalStore,
    end: Option<u64>,
}

impl View {
    /// Reads all segments, which tells where what is. Says so if the store is damaged.
    pub(crate) async fn open(place: &Place) -> Result<Self, Stop> {
        let view = Self::open_quietly(place).await?;
        if let Some(damage) = &view.opened.damage {
            remark(&damage.to_string());
        }
        Ok(view)
    }

    /// The same, for who looks again and again.
    pub(crate) async fn open_quietly(place: &Place) -> Result<Self, Stop> {
        let founder = place.founder()?;
        let (log, folder) = (founder.owner(), place.store()?);
        let glass = Box::new(Glass::before(&folder));
        let (store, opened) = LocalStore::open_on(glass, LocalStore::SEGMENT_SIZE_BYTES_MAX)?;
        let end = match store.head(log).await {
            Ok(head) if head.sequence == 0 => return Err(no_ledger(log)),
            Ok(head) => Some(head.sequence),
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { founder, log, opened, store, end })
    }

    /// The next records from `sequence` on, none behind the last.
    pub(crate) async fn read(&self, sequence: u64) -> Result<Vec<Frame>, StoreError> {
        self.store.read(self.log, sequence, CHUNK_BYTES).await
    }

    /// Where it is: nothing can be written to it.
    pub(crate) fn store(&self) -> &dyn Store {
        &self.store
    }

    /// The last record, as far as the store knows it: none where damage may have hidden it.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// The last record that can be read.
    pub(crate) async fn last(&self) -> Result<u64, Stop> {
        if let Some(end) = self.end {
            return Ok(end);
        }
        let mut last = 0;
        loop {
            match self.read(last + 1).await {
                Ok(frames) if frames.is_empty() => return Ok(last),
                Ok(frames) => last = frames.last().map_or(last, |frame| frame.sequence),
                Err(StoreError::Damaged { .. }) => return Ok(last),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is said when everything asked for was shown: damage elsewhere is not forgotten.
    pub(crate) fn verdict(&self) -> Result<(), Stop> {
        let damaged = self.opened.damage.is_some();
        if damaged { Err(Stop::Told(crate::stop::Status::Wrong)) } else { Ok(()) }
    }
}

pub(crate) fn no_ledger(log: OwnerId) -> Stop {
    Stop::absent(format!("the store has no ledger {log}, the one of this key"))
}

/// How much is read at once: little enough to stay in a processor's cache.
const CHUNK_BYTES: usize = 256 << 10;
