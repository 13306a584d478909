//! What the journal's records fold to: every change and its state.
use std::collections::BTreeMap;

use clawnet_core::{IdentityId, OwnerId, Timestamp};

use super::{Event, Key, Opened, Who};
use crate::step::Step;

/// Every change by its key.
#[derive(Debug, Default)]
pub(crate) struct History(BTreeMap<Key, Change>);

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) by: Key,
    pub(crate) who: Who,
    pub(crate) at: Timestamp,
    pub(crate) kind: String,
    pub(crate) state: State,
    /// The intents it undoes, newest first.
    pub(crate) reverses: Vec<u64>,
    /// As they were found and left, once it is done.
    pub(crate) steps: Vec<Step>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its intent is the last that is known.
    Open,
    Done,
    /// Done, and taken back by a later change.
    Undone,
    Aborted,
    /// Half way, for the owner to look at.
    Conflict,
}

impl History {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, by: Key) -> Option<&Change> {
        self.0.get(&by)
    }

    /// The change an identity made at an intent. Another identity's is as unknown as none.
    pub(crate) fn of_identity(&self, identity: IdentityId, intent: u64) -> Option<&Change> {
        let from = Key { intent, owner: OwnerId::from_bytes([0; 16]) };
        let to = Key { intent, owner: OwnerId::from_bytes([0xff; 16]) };
        self.0
            .range(from..=to)
            .map(|(_, change)| change)
            .find(|change| change.who.identity == identity)
    }

    /// The changes whose end is not recorded.
    pub(crate) fn open(&self) -> Vec<Change> {
        self.0.values().filter(|change| change.state == State::Open).cloned().collect()
    }

    pub(super) fn fold(&mut self, event: Event) {
        match event {
            Event::Begin { .. } => {}
            Event::Intent(Opened { by, who, at, kind, reverses, steps }) => {
                let state = State::Open;
                self.0.insert(by, Change { by, who, at, kind, state, reverses, steps });
            }
            Event::Commit { by, steps, .. } => self.commit(by, steps),
            Event::Abort { by, .. } => self.end(by, State::Aborted),
            Event::Conflict { by, .. } => self.end(by, State::Conflict),
        }
    }

    fn commit(&mut self, by: Key, steps: Vec<Step>) {
        self.end(by, State::Done);
        let Some(change) = self.0.get_mut(&by) else { return };
        change.steps = steps;
        for intent in change.reverses.clone() {
            self.end(Key { intent, owner: by.owner }, State::Undone);
        }
    }

    fn end(&mut self, by: Key, state: State) {
        if let Some(change) = self.0.get_mut(&by) {
            change.state = state;
        }
    }
}
