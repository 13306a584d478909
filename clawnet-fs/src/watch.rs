//! The owner's list as it stands: read again when its file changes, and gone when it cannot be.
//!
//! Whatever only looks goes by a list that was compared with its file at most a second ago; that
//! costs it one look at a coarse clock. A change compares before it begins and before each rename.
use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    folders::Folders,
    origin::{Origin, Seal},
    refusal::FsError,
    store::Store,
    whitelist,
};

/// What a node has of the list, and where from.
#[derive(Debug)]
pub(crate) struct Watch {
    current: RwLock<Arc<Folders>>,
    /// When it was compared last, by a clock of the machine that nobody sets.
    compared_ms: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    from: Option<Origin>,
    /// What the file was, if that tells it from what it may become.
    seal: Option<Seal>,
    text: Option<String>,
    /// The last list that was one.
    good: Arc<Folders>,
    /// Whether it holds.
    holds: bool,
}

/// How old a comparison may be: less than a second, with what the coarse clock lags.
const AGE_MAX: Duration = Duration::from_millis(900);

impl Watch {
    /// Watches over folders that were fitted to `store`.
    pub(crate) fn over(mut folders: Folders) -> Self {
        let from = folders.read_from.take();
        let good = Arc::new(folders);
        let seen =
            Mutex::new(Seen { from, seal: None, text: None, good: good.clone(), holds: true });
        Self { current: RwLock::new(good), compared_ms: AtomicU64::new(0), seen }
    }

    /// The list, compared less than a second ago.
    pub(crate) fn recent(&self, store: &Store) -> Arc<Folders> {
        let compared = self.compared_ms.load(Ordering::Acquire);
        if now_ms().saturating_sub(compared) >= age_max_ms() {
            self.compare(store, |age_ms| age_ms >= age_max_ms(), Which::Changed);
        }
        self.current()
    }

    /// The list, compared now.
    pub(crate) fn latest(&self, store: &Store) -> Arc<Folders> {
        self.compare(store, |_| true, Which::Changed);
        self.current()
    }

    /// Reads the file again, whatever it was, and opens every folder again.
    pub(crate) fn reload(&self, store: &Store) -> Result<(), FsError> {
        self.compare(store, |_| true, Which::All);
        match self.current().why_unavailable() {
            Some(why) => Err(FsError::WhitelistUnavailable(why.to_owned())),
            None => Ok(()),
        }
    }

    fn current(&self) -> Arc<Folders> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn compare(&self, store: &Store, is_due: impl Fn(u64) -> bool, which: Which) {
        // A list that a panic left half compared is compared again: nothing in it is half done.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let compared = self.compared_ms.load(Ordering::Acquire);
        let now = now_ms();
        if !is_due(now.saturating_sub(compared)) {
            return;
        }
        if let Some(next) = seen.next(store, which) {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        }
        for root in seen.good.roots() {
            root.look();
        }
        self.compared_ms.store(now, Ordering::Release);
    }

    /// Makes the next look compare.
    #[cfg(test)]
    pub(crate) fn age(&self) {
        self.compared_ms.store(0, Ordering::Release);
    }
}

/// What is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// What changed. Folders that are declared as before keep their handles.
    Changed,
    All,
}

impl Seen {
    /// The list that holds from now on, if it is another one.
    fn next(&mut self, store: &Store, which: Which) -> Option<Arc<Folders>> {
        let source = self.from.as_ref()?;
        let keeps = self.holds && which == Which::Changed;
        if keeps && self.seal.is_some() && source.seal().ok() == self.seal {
            return None;
        }
        let read = source.read();
        let (text, seal, settled) = match read {
            Ok(read) => read,
            Err(error) => return Some(self.fail(error.to_string())),
        };
        self.seal = settled.then_some(seal);
        if keeps && self.text.as_ref() == Some(&text) {
            return None;
        }
        let last = (which == Which::Changed).then_some(&*self.good);
        let folders = whitelist::read(source, &text, last)
            .map_err(|error| error.to_string())
            .and_then(|folders| store.fit(folders, last).map_err(|error| error.to_string()));
        match folders {
            Ok(folders) => {
                (self.text, self.holds) = (Some(text), true);
                self.good = Arc::new(folders);
                Some(self.good.clone())
            }
            Err(why) => Some(self.fail(why)),
        }
    }

    /// No list: it is read again at every look until there is one.
    fn fail(&mut self, why: String) -> Arc<Folders> {
        (self.seal, self.text, self.holds) = (None, None, false);
        Arc::new(Folders::unavailable(why))
    }
}

fn now_ms() -> u64 {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let millis = u64::try_from(now.tv_nsec / 1_000_000).unwrap_or_default();
    // Never 0, which is "not compared yet".
    seconds.saturating_mul(1000).saturating_add(millis).saturating_add(age_max_ms())
}

fn age_max_ms() -> u64 {
    u64::try_from(AGE_MAX.as_millis()).unwrap_or(u64::MAX)
}
