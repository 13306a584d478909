//! Reading along: every record from a place on, and those to come.
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll},
};

use super::Ledger;
use crate::{record::AuditRecord, store::StoreError};

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 1 << 20;

/// The records of one ledger, in order, without an end: waits for those not written yet.
///
/// Follows what was appended; the last records may still be on their way to the disk.
#[derive(Debug)]
pub struct Follow {
    ledger: Arc<Ledger>,
    next: u64,
    ready: VecDeque<AuditRecord>,
}

impl Follow {
    pub(crate) fn new(ledger: Arc<Ledger>, from: u64) -> Self {
        Self { ledger, next: from.max(1), ready: VecDeque::new() }
    }

    /// The next record, as soon as there is one. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<AuditRecord, StoreError> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Ok(record);
            }
            poll_fn(|cx| self.poll_behind(cx)).await?;
            let owner = self.ledger.owner;
            let frames = self.ledger.store.read(owner, self.next, CHUNK_BYTES).await?;
            if frames.is_empty() {
                let position = format!("record {}", self.next);
                let missing = StoreError::Damaged { position, what: "it is not there".into() };
                return Err(self.ledger.failure().cloned().unwrap_or(missing));
            }
            for frame in &frames {
                let record = AuditRecord::from_frame(frame).map_err(|error| {
                    let position = format!("record {}", error.sequence);
                    StoreError::Damaged { position, what: error.what }
                })?;
                self.next = frame.sequence + 1;
                self.ready.push_back(record);
            }
        }
    }

    /// Ready once the ledger holds a record this has not read, or will never hold one.
    fn poll_behind(&self, cx: &mut Context<'_>) -> Poll<Result<(), StoreError>> {
        let waker = cx.waker().clone();
        let inner = self.ledger.peek();
        if inner.head().sequence >= self.next {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = self.ledger.failure() {
            return Poll::Ready(Err(error.clone()));
        }
        // Registered under the lock that appends take, so no record is missed in between.
        let mut followers = self.ledger.followers.lock().unwrap_or_else(PoisonError::into_inner);
        // A follower that is woken for nothing polls again; waking twice is no fault.
        followers.push(waker);
        self.ledger.followed.store(true, Ordering::Release);
        Poll::Pending
    }
}
