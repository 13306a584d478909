//! Where a change can be interrupted, named so that tests can do it there.
#[cfg(test)]
use std::sync::Mutex;

/// A place between two steps of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Layer 2 was asked, the intent is in the ledger, and nothing was looked at again yet.
    Begun,
    /// It is in the journal that some changes are pruned, and nothing is removed yet.
    Pruned,
    /// The intent is in the journal.
    Recorded,
    /// The new content is in its slot.
    Filled,
    /// Nothing was revoked, and the directory is where it was.
    Confirmed,
    /// The path and the slot have traded places.
    Traded,
    /// What was displaced is what was expected, or was accepted.
    Verified,
    /// All is done and flushed, and not yet recorded.
    Flushed,
    /// The outcome is in the journal.
    Committed,
}

/// Nothing at all, but in the crate's own tests: there, what to do at a point.
#[derive(Default)]
pub(crate) struct Hook {
    #[cfg(test)]
    act: Mutex<Option<Action>>,
}

#[cfg(test)]
type Action = Box<dyn FnMut(Point) + Send>;

impl Hook {
    /// Reaches a point.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests use it")]
    pub(crate) fn at(&self, _: Point) {}

    /// Reaches a point.
    #[cfg(test)]
    pub(crate) fn at(&self, point: Point) {
        let act = self.act.lock().unwrap().take();
        if let Some(mut act) = act {
            act(point);
            self.act.lock().unwrap().get_or_insert(act);
        }
    }

    /// What to do from now on.
    #[cfg(test)]
    pub(crate) fn set(&self, act: impl FnMut(Point) + Send + 'static) {
        *self.act.lock().unwrap() = Some(Box::new(act));
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}
