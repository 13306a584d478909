//! The node: the owner's folders, the store and the journal, and nothing that leads to them.
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use cap_std::fs::Dir;
use clawnet_core::{Caller, Fault, OwnerId, Recall, Recalled, Timestamp};

use crate::{
    engine::{Done, Engine, Order},
    folders::Folders,
    image::Image,
    journal::{Durability, Event, Journal, Key, State, Told},
    path::FsPath,
    pause::{Hook, Point},
    pin::Pin,
    recovery::{self, Recovered},
    refusal::FsError,
    source::Planned,
    store::{OpenError, Store},
    sweep::{self, REMOVED_MAX, REMOVED_MAX_OPENING},
    watch::Watch,
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
    watch: Watch,
    store: Store,
    journal: Mutex<Journal>,
    /// Which run was told what: as the journal has it, for those who only look.
    told: RwLock<Told>,
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
        folders: Folders,
        state: Dir,
        durability: Durability,
        hook: Hook,
    ) -> Result<Self, OpenError> {
        let (store, file) = Store::open(state)?;
        let folders = store.fit(folders, None)?;
        let (mut journal, reading) = Journal::open(file, durability)?;
        let mut recovered = Recovered {
            torn_bytes: reading.torn_bytes,
            broken_at: reading.broken_at,
            ..Recovered::default()
        };
        let engine = Engine { folders: &folders, store: &store, durability, hook: &hook };
        recovery::recover(engine, &mut journal, &mut recovered)?;
        if journal.is_open().is_ok() {
            sweep::forget_what_is_gone(&mut journal, &store)?;
            sweep::sweep(&mut journal, &store, &mut { REMOVED_MAX_OPENING });
        }
        let watch = Watch::over(folders);
        let told = RwLock::new(journal.history().told().clone());
        let journal = Mutex::new(journal);
        let failed = AtomicBool::new(false);
        let node = Self { watch, store, journal, told, durability, recovered, failed, hook };
        node.watch.latest(&node.store);
        Ok(node)
    }

    /// What opening it found and did.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Reads the owner's list again, and opens its folders again: also those whose path leads to
    /// another directory by now. Without this the node does the same by itself when the file
    /// changes, but never takes another directory for one it has.
    ///
    /// # Errors
    /// When the list cannot be read or is none. Then everything is refused until it is right again.
    pub fn reload(&self) -> Result<(), FsError> {
        self.watch.reload(&self.store)
    }

    /// What the owner should know: whether there is a list, and what is not where it should be.
    #[must_use]
    pub fn health(&self) -> Health {
        let folders = self.watch.latest(&self.store);
        let journal = self.journal();
        let moved = folders.roots().iter().filter(|root| root.is_there().is_err());
        Health {
            whitelist_unavailable: folders.why_unavailable().map(str::to_owned),
            moved: moved.map(|root| root.name().to_string()).collect(),
            log_unavailable: self.is_sound().err().map(|error| error.to_string()),
            to_be_removed: journal
                .map_or(0, |journal| journal.history().shelf().condemned().count()),
        }
    }

    /// The owner's list as it stood less than a second ago. What acts on it holds on to it.
    pub(crate) fn folders(&self) -> Arc<Folders> {
        self.watch.recent(&self.store)
    }

    /// The owner's list as it stands now.
    pub(crate) fn latest_folders(&self) -> Arc<Folders> {
        self.watch.latest(&self.store)
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

    /// Refuses changes where none could be recorded.
    pub(crate) fn is_writable(&self) -> Result<(), FsError> {
        self.is_sound()?;
        if self.recovered.broken_at.is_some() {
            return Err(FsError::LogUnavailable("its chain is broken".into()));
        }
        Ok(())
    }

    /// What is at a path that is to change: none if nothing is, or if there is no directory for it.
    pub(crate) fn image(&self, caller: &Caller, path: &FsPath) -> Result<Option<Image>, FsError> {
        self.is_writable()?;
        let folders = self.folders();
        let place = folders.locate_change_for(caller.identity(), path)?;
        match Pin::of(&place).and_then(|pin| pin.image()) {
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
        let folders = self.latest_folders();
        self.tidy_up(&mut journal, &folders, change.at)?;
        let Planned { steps, sources, held } = plan(&journal, &folders)?.into();
        if steps.is_empty() {
            return Ok(Done { raced: false });
        }
        let carried = change.carried(journal.history(), (&steps, &sources))?;
        let permits = |folders: &Folders| self.permits(folders, change, (&steps, &carried));
        permits(&folders)?;
        self.noting(note_labels(&mut journal, &folders))?;
        self.noting(sweep::has_room(&mut journal, &folders, &steps))?;
        let confirm = || {
            let latest = self.latest_folders();
            if !Arc::ptr_eq(&folders, &latest) {
                permits(&latest)?;
            }
            (change.confirm)()
        };
        let order = Order {
            by: change.key(),
            who: change.caller.into(),
            at: change.at,
            kind: change.kind,
            reverses: change.reverses.clone(),
            steps: steps.clone(),
            content: change.content,
            sources,
            held,
            strict: change.strict,
            confirm: &confirm,
        };
        let Self { store, durability, hook, .. } = self;
        let engine = Engine { folders: &folders, store, durability: *durability, hook };
        let done = engine.run(&mut journal, &order);
        if journal.is_open().is_err() {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    /// Whether a change of this intent was certainly never begun: it would be in the journal, which
    /// is durable before the effect. In the process-safe class a power cut could have taken it.
    pub(crate) fn never_began(&self, owner: OwnerId, intent: u64) -> bool {
        let whole = self.recovered.broken_at.is_none() && self.is_sound().is_ok();
        let known = self.journal().map(|it| it.history().get(Key { intent, owner }).is_some());
        self.durability == Durability::PowerSafe && whole && known == Ok(false)
    }

    /// Prunes some of what is kept for longer than its folder keeps things, and removes some of what
    /// was pruned.
    fn tidy_up(
        &self,
        journal: &mut Journal,
        folders: &Folders,
        now: Timestamp,
    ) -> Result<(), FsError> {
        if self.noting(sweep::prune_expired(journal, folders, now))? > 0 {
            self.hook.at(Point::Pruned);
        }
        sweep::sweep(journal, &self.store, &mut { REMOVED_MAX });
        Ok(())
    }

    /// Passes on what came of writing to the journal. If it failed, that ends everything.
    pub(crate) fn noting<T>(&self, written: Result<T, FsError>) -> Result<T, FsError> {
        if matches!(written, Err(FsError::LogUnavailable(_))) {
            self.failed.store(true, Ordering::Release);
        }
        written
    }

    /// Which run was told what.
    pub(crate) fn told(&self) -> &RwLock<Told> {
        &self.told
    }

    /// Lets the node's list be as old as it may be.
    #[cfg(test)]
    pub(crate) fn age_list(&self) {
        self.watch.age();
    }

    pub(crate) fn hook(&self) -> &Hook {
        &self.hook
    }
}

/// Records which label each folder has, if that is not what was recorded last: what a change puts
/// into the store is known by the labels of its time.
fn note_labels(journal: &mut Journal, folders: &Folders) -> Result<(), FsError> {
    if journal.history().labels().is_some_and(|labels| folders.has_labels(labels)) {
        return Ok(());
    }
    journal.append(Event::Labels(folders.labels()))
}

/// What the owner should know about a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Health {
    /// Why there is no list of folders. Until there is, everything is refused.
    pub whitelist_unavailable: Option<String>,
    /// The folders whose path leads elsewhere by now. Until it leads back, they are refused.
    pub moved: Vec<String>,
    /// Why nothing can be recorded. Until the node is opened again, everything is refused.
    pub log_unavailable: Option<String>,
    /// How many things were pruned and are not removed yet: the next changes go on with it. What
    /// stays for good is held by a mount, by missing permission, or lies too deep.
    pub to_be_removed: usize,
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
