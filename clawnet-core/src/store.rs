//! Where ledgers are kept: the seam to a disk, a database or a distributed log.
//!
//! A store holds many logs, one per owner. It knows nothing of records: it keeps opaque frames in
//! order, all or nothing, and never acknowledges what a power cut could take back. What is wrong
//! with its bytes is the ledger's to find; what is wrong with its disk is the store's to say.
use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{digest::Digest, id::OwnerId};

mod entry;
mod local;
mod memory;

pub use entry::{IndexEntry, IndexRange};
pub use local::{Archived, Backup, Copied, Disk, LocalStore, Missing, Opened};
pub use memory::MemoryStore;

/// Keeps frames, one log per owner.
///
/// **Promises**
/// - Appends to one log happen in the order of the *calls* to [`Store::append`], whether or not
///   the returned [`Commit`] is ever awaited: dropping a waiting future tears nothing.
/// - A durable commit resolves to `Ok` only when the batch and everything before it survive a
///   power cut. A buffered one resolves at once and is durable within 100 ms, or with the next
///   durable append to any log, whichever is first.
/// - `expected` fences: a batch that does not continue the log's head is refused whole.
/// - After any failed write or flush every call answers [`StoreError::Poisoned`] until the store
///   is opened again. A flush is never retried.
/// - [`Store::read`] sees every appended frame, buffered ones too.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot keep a ledger",
    note = "use `MemoryStore`, `LocalStore`, or implement `Store` for an engine that exists"
)]
pub trait Store: Send + Sync + 'static {
    /// The last frame of `log`, buffered ones included, or [`Head::EMPTY`].
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError>;

    /// Appends `batch` behind `expected`, in call order.
    #[expect(clippy::too_many_arguments, reason = "the one call every adapter must see whole")]
    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit;

    /// Frames of `log` from `sequence` on, in order, without a gap: at least one if there is one,
    /// and no more than have `size_bytes_max` of payload together. Empty at the end of the log.
    async fn read(
        &self,
        log: OwnerId,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, StoreError>;

    /// Keeps `snapshot` in place of the one before it. It may be lost: a replay rebuilds it.
    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError>;

    /// The last snapshot kept, if it is still there.
    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError>;

    /// Keeps `entries` in place of those of the same keys, all or none of them. Nothing waits for a
    /// disk.
    ///
    /// They may be lost, all of a log together with what is kept after: an entry that says how far
    /// the others reach is there only if they are. And they may reach further than the log, where
    /// a power cut took buffered frames: such an entry says whose hash it saw last.
    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError>;

    /// Entries of `log` in `range`, in its order.
    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError>;

    /// Forgets every entry of `log`, to rebuild them. What is kept from here on is found again.
    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError>;

    /// Keeps `body` under its content digest, durable when it returns. Twice is once.
    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError>;

    /// The body with this content digest, or none if it was never kept or was erased.
    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes a body for good. Erasing what is not there is done already.
    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError>;
}

/// One record as a store keeps it: bytes at a place in a chain.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its place, counted from 1 without a gap.
    pub sequence: u64,
    /// Its chain hash, which the ledger computed and the store only carries.
    pub hash: Digest,
    /// The record's canonical bytes, at most [`Frame::SIZE_BYTES_MAX`].
    pub payload: Arc<[u8]>,
}

impl Frame {
    /// The largest payload: 1 MiB.
    pub const SIZE_BYTES_MAX: usize = 1 << 20;

    /// A frame of these parts, as a store finds them again.
    #[must_use]
    pub fn new(sequence: u64, hash: Digest, payload: Arc<[u8]>) -> Self {
        Self { sequence, hash, payload }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame {} of {} bytes, {}", self.sequence, self.payload.len(), self.hash)
    }
}

/// Frames that are appended together or not at all, with consecutive sequences.
pub type Batch = SmallVec<[Frame; 2]>;

/// The end of a log: what the next batch must continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Head {
    /// The sequence of the last frame, 0 of an empty log.
    pub sequence: u64,
    /// Its chain hash.
    pub hash: Digest,
}

impl Head {
    /// The head of a log nobody wrote to.
    pub const EMPTY: Self = Self { sequence: 0, hash: Digest::ZERO };

    /// The head after `frame`.
    #[must_use]
    pub const fn after(frame: &Frame) -> Self {
        Self { sequence: frame.sequence, hash: frame.hash }
    }

    /// Whether `batch` continues this head: the sequences follow without a gap.
    #[must_use]
    pub fn is_continued_by(&self, batch: &[Frame]) -> bool {
        batch.iter().zip(self.sequence + 1..).all(|(frame, next)| frame.sequence == next)
    }
}

/// How long a commit is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a third class must be looked at by every store")]
pub enum Durability {
    /// In order now, on disk within 100 ms. For what only observes, and for refusals.
    Buffered,
    /// On disk before the commit resolves.
    Durable,
}

/// A folded state, to reopen a ledger from without replaying it from the start.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The record that names this state's digest; the state is what all records before it gave.
    pub sequence: u64,
    /// The state's bytes.
    pub state: Vec<u8>,
}

impl Snapshot {
    /// A snapshot of these parts.
    #[must_use]
    pub fn new(sequence: u64, state: Vec<u8>) -> Self {
        Self { sequence, state }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot at {} of {} bytes", self.sequence, self.state.len())
    }
}

/// What a store says to an append: a future that may be dropped without tearing it.
#[must_use = "nothing is durable until the commit resolves"]
#[derive(Debug)]
pub struct Commit(State);

impl Commit {
    /// A commit that is already decided.
    pub fn ready(result: Result<(), StoreError>) -> Self {
        Self(State::Ready(Some(result)))
    }

    /// A commit, and the end that decides it. A decider that goes away decides `Poisoned`.
    pub fn pending() -> (Decider, Self) {
        let (sender, receiver) = oneshot::channel();
        (Decider(sender), Self(State::Waiting(receiver)))
    }
}

impl Future for Commit {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(result.take().unwrap_or(Err(StoreError::Poisoned))),
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(cx).map(|said| said.unwrap_or(Err(StoreError::Poisoned)))
            }
        }
    }
}

/// The store's end of a pending [`Commit`].
#[derive(Debug)]
pub struct Decider(oneshot::Sender<Result<(), StoreError>>);

impl Decider {
    /// Tells whoever waits; nobody waiting is no fault.
    pub fn decide(self, result: Result<(), StoreError>) {
        drop(self.0.send(result));
    }
}

#[derive(Debug)]
enum State {
    Ready(Option<Result<(), StoreError>>),
    Waiting(oneshot::Receiver<Result<(), StoreError>>),
}

/// Why the store cannot keep its promise. The kernel that receives one denies everything.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log does not end where the writer thought: somebody else writes to it.
    #[error("the log ends at record {found}, not at {expected}: another writer is at work")]
    Fenced {
        /// The last record the writer knew.
        expected: u64,
        /// The last record there is.
        found: u64,
    },
    /// Another process holds the store.
    #[error("the store is in use by another process")]
    InUse,
    /// An earlier write or flush failed, so nothing more is promised until it is opened again.
    #[error("the store failed before and must be opened again")]
    Poisoned,
    /// The bytes are not what was written, and not merely a torn end.
    #[error("the store is damaged at {position}: {what}")]
    Damaged {
        /// Where, in the store's own terms.
        position: String,
        /// What was found there.
        what: String,
    },
    /// The frames are in a sealed segment that was moved to an archive, which is not attached.
    #[error("what is asked for is archived: {position}")]
    Archived {
        /// Where it was, in the store's own terms.
        position: String,
    },
    /// The folder is a copy that was not finished, or an archive.
    #[error("the folder holds {what}, and is no store")]
    NotAStore {
        /// What it holds.
        what: String,
    },
    /// A frame, batch or body exceeds a limit. Nothing was written and the store goes on.
    #[error("{size_bytes} bytes exceed the limit of {size_bytes_max}")]
    TooLarge {
        /// How large it is.
        size_bytes: usize,
        /// How large it may be.
        size_bytes_max: usize,
    },
    /// The ledger holds facts that nobody folds here: see
    /// [`Governing::project`](crate::Governing::project).
    #[error("the ledger holds facts of `{projection}`, which nobody folds here")]
    NotProjected {
        /// Which projection folds them.
        projection: String,
    },
    /// The operating system said no.
    #[error("{action} failed")]
    Io {
        /// What was tried.
        action: String,
        /// What it said.
        #[source]
        source: Arc<io::Error>,
    },
}
