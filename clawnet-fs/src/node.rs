//! The node: the owner's folders, the store and the journal, and nothing that leads to them.
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use cap_std::fs::Dir;
use clawnet_core::{Caller, Fault, OwnerId, Recall, Recalled, Timestamp};

use crate::{
    engine::{Done, Engine, Order},
    folders::Folders,
    image::Image,
    journal::{Durability, Journal, Key, State},
    path::FsPath,
    pause::{Hook, Point},
    pin::Pin,
    recovery::{self, Recovered},
    refusal::FsError,
    source::Planned,
    store::Store,
};

/// The endpoint through which agents touch files.
///
/// **Promises** that nothing outside the declared folders is read or changed, that every change
/// keeps what it displaced, and that a change is whole or not at all. **Refuses** what it cannot
/// record, cannot back up, or cannot resolve without following a link.
///
/// There is no way to a handle:
/// ```compile_fail
/// # use std::os::fd::{AsFd, BorrowedFd};
/// fn handle(node: &clawnet_fs::Node) -> BorrowedFd<'_> {
///     node.as_fd()
/// }
/// ```
///
/// It works on the calling thread and one change at a time; what only looks does not wait.
pub struct Node {
    folders: RwLock<Arc<Folders>>,
    store: Store,
    journal: Mutex<Journal>,
    durability: Durability,
    recovered: Recovered,
    /// The journal could not be written: nothing is done any more, reads included.
    failed: AtomicBool,
    hook: Hook,
}

impl Node {
    /// Opens a node over the owner's folders. `state` is the node's own directory, best of mode 0700,
    /// outside every folder and on the same mount as those that are to change; it is locked. It
    /// belongs to one ledger: keep them together, and remove them together.
    ///
    /// Changes a crash left half way are finished or taken back: see [`Node::recovered`].
    ///
    /// # Errors
    /// When `state` is in use, lies within a folder or around one, or cannot be written.
    pub fn open(folders: Folders, state: Dir, durability: Durability) -> Result<Self, OpenError> {
        Self::open_with(folders, state, durability, Hook::default())
    }

    pub(crate) fn open_with(
        mut folders: Folders,
        state: Dir,
        durability: Durability,
        hook: Hook,
    ) -> Result<Self, OpenError> {
        let (store, file) = Store::open(state)?;
        for root in folders.roots_mut() {
            if store.overlaps(root.facts(), root.handle())? {
                return Err(OpenError::Overlap);
            }
            let trades = store.trades_with(root.facts());
            root.set_trades(trades);
        }
        let (mut journal, reading) = Journal::open(file, durability)?;
        let mut recovered = Recovered {
            torn_bytes: reading.torn_bytes,
            broken_at: reading.broken_at,
            ..Recovered::default()
        };
        let engine = Engine { folders: &folders, store: &store, durability, hook: &hook };
        recovery::recover(engine, &mut journal, &mut recovered)?;
        let folders = RwLock::new(Arc::new(folders));
        let journal = Mutex::new(journal);
        let failed = AtomicBool::new(false);
        Ok(Self { folders, store, journal, durability, recovered, failed, hook })
    }

    /// What opening it found and did.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The owner's list as it stands now. What acts on it holds on to it.
    pub(crate) fn folders(&self) -> Arc<Folders> {
        self.folders.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The journal. One that a panic left behind is not trusted until the node is opened again.
    pub(crate) fn journal(&self) -> Result<MutexGuard<'_, Journal>, FsError> {
        self.journal.lock().map_err(|_| FsError::LogUnavailable("a change panicked".into()))
    }

    /// Refuses everything once something could not be recorded.
    pub(crate) fn is_sound(&self) -> Result<(), FsError> {
        if self.failed.load(Ordering::Acquire) || self.journal.is_poisoned() {
            return Err(FsError::LogUnavailable("open the node again".into()));
        }
        Ok(())
    }

    /// What is at a path that is to change: none if nothing is, or if there is no directory for it.
    pub(crate) fn image(&self, path: &FsPath) -> Result<Option<Image>, FsError> {
        self.is_sound()?;
        if self.recovered.broken_at.is_some() {
            return Err(FsError::LogUnavailable("its chain is broken".into()));
        }
        let folders = self.folders();
        match Pin::of(&folders.locate_for_change(path)?).and_then(|pin| pin.image()) {
            Err(error) if error.is_absence() => Ok(None),
            other => other,
        }
    }

    /// Makes a change under the journal's lock: the node's own changes never race each other.
    ///
    /// `plan` looks at what is there and says what to do about it.
    pub(crate) fn change<P: Into<Planned>>(
        &self,
        change: &Changing<'_>,
        plan: impl FnOnce(&Journal, &Folders) -> Result<P, FsError>,
    ) -> Result<Done, FsError> {
        self.is_sound()?;
        let mut journal = self.journal()?;
        journal.is_open()?;
        self.hook.at(Point::Begun);
        let folders = self.folders();
        let Planned { steps, sources } = plan(&journal, &folders)?.into();
        if steps.is_empty() {
            return Ok(Done { raced: false });
        }
        let order = Order {
            by: change.key(),
            who: change.caller.into(),
            at: change.at,
            kind: change.kind,
            reverses: change.reverses.clone(),
            steps,
            content: change.content,
            sources,
            strict: change.strict,
            confirm: change.confirm,
        };
        let Self { store, durability, hook, .. } = self;
        let engine = Engine { folders: &folders, store, durability: *durability, hook };
        let done = engine.run(&mut journal, &order);
        if journal.is_open().is_err() {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    #[cfg(test)]
    pub(crate) fn hook(&self) -> &Hook {
        &self.hook
    }
}

/// A change as its operation asks for it.
pub(crate) struct Changing<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) intent: u64,
    pub(crate) at: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) reverses: Vec<u64>,
    pub(crate) content: &'a [u8],
    pub(crate) strict: bool,
    pub(crate) confirm: &'a dyn Fn() -> Result<(), Fault>,
}

impl Changing<'_> {
    pub(crate) fn key(&self) -> Key {
        Key { intent: self.intent, owner: self.caller.owner() }
    }
}

impl Recall for Node {
    fn recall(&self, owner: OwnerId, intent: u64) -> Recalled {
        let Ok(journal) = self.journal() else { return Recalled::Unknown };
        match journal.history().get(Key { intent, owner }).map(|row| row.state) {
            Some(State::Done | State::Undone | State::Expired) => Recalled::Done,
            Some(State::Aborted) => Recalled::NotDone,
            Some(State::Open | State::Conflict) | None => Recalled::Unknown,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node of {:?}", self.folders())
    }
}

/// Why a node cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An agent could name what must not be named.
    #[error("the node's own directory lies within a declared folder, or around one")]
    Overlap,
    /// The directory or its journal is unusable.
    #[error(transparent)]
    State(#[from] FsError),
}
