//! Which changes a rollback is about, and which of them are in force.
use std::cell::Cell;

use clawnet_core::{AgentId, Caller, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Rollback, touches};
use crate::{
    journal::{Change, Journal, Key, State, Which},
    path::FsPath,
    read::within,
    refusal::FsError,
};

/// Which changes of the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Selection {
    /// What one of its agents did.
    Agent(AgentId),
    /// What was done for a job, by whichever agent.
    Job(String),
    /// What was done then or later.
    Since(Timestamp),
}

/// A change that is in force only because of what is selected.
#[derive(Debug)]
pub(super) enum Chosen {
    /// Taking it back undoes that.
    Back(Change),
    /// It took back some changes that are selected and some that are not.
    Mixed(Change),
}

impl Selection {
    pub(super) fn limits(&self) -> Result<(), FsError> {
        match self {
            Self::Job(job) => within("the name of a job", job.len() as u64, JOB_BYTES_MAX),
            Self::Agent(_) | Self::Since(_) => Ok(()),
        }
    }

    pub(super) fn is_about(&self, change: &Change) -> bool {
        match self {
            Self::Agent(agent) => change.who.agent == *agent,
            Self::Job(job) => change.who.job.as_ref() == Some(job),
            Self::Since(since) => change.at >= *since,
        }
    }

    fn which(&self) -> Which<'_> {
        match self {
            Self::Agent(agent) => Which::OfAgent(*agent),
            Self::Job(job) => Which::OfJob(job),
            Self::Since(_) => Which::All,
        }
    }

    /// The changes to take back, newest first, so that nothing of what is selected is in force.
    ///
    /// A change that took back another is itself one. Of such a chain only the last is in force;
    /// and taking that back is right if an odd number of its links is selected. If the number is
    /// even they cancel out.
    pub(super) fn choose(
        &self,
        journal: &Journal,
        caller: &Caller,
        below: &FsPath,
    ) -> Result<Vec<Chosen>, FsError> {
        let whose = (caller.owner(), caller.identity());
        let links = Links { journal, selection: self, below, read: Cell::new(0) };
        let mut chosen = Vec::new();
        let mut scanned = 0;
        for (by, row) in journal.history().newest(whose, self.which(), u64::MAX) {
            if matches!(self, Self::Since(since) if row.at < *since) {
                break;
            }
            scanned += 1;
            within("the number of changes to look through", scanned, SCANNED_MAX)?;
            if row.state != State::Done && row.state != State::Expired {
                continue;
            }
            let change = journal.change(by)?;
            if !touches(&change, below) {
                continue;
            }
            match links.count_odd(by, DEPTH_MAX)? {
                Some(false) => continue,
                Some(true) => chosen.push(Chosen::Back(change)),
                None => chosen.push(Chosen::Mixed(change)),
            }
            within("a rollback", chosen.len() as u64, Rollback::REVERSALS_MAX.into())?;
        }
        Ok(chosen)
    }
}

/// How many changes of a selection are looked at, whether or not they lie beneath its path.
const SCANNED_MAX: u64 = 10_000;
/// How many rollbacks of rollbacks are followed.
const DEPTH_MAX: u32 = 16;
const JOB_BYTES_MAX: u64 = 256;

/// What took back what.
struct Links<'a> {
    journal: &'a Journal,
    selection: &'a Selection,
    below: &'a FsPath,
    /// How many records were read.
    read: Cell<u64>,
}

impl Links<'_> {
    /// Whether an odd number of a chain's links is selected. None if it is a chain of several ends
    /// that do not agree.
    fn count_odd(&self, by: Key, depth: u32) -> Result<Option<bool>, FsError> {
        let (mut at, mut odd) = (by, false);
        loop {
            odd ^= self.is_selected(at)?;
            let Some(row) = self.journal.history().get(at) else { return Ok(None) };
            let key = |intent: &u64| Key { intent: *intent, owner: by.owner };
            match &*row.reverses {
                [] => return Ok(Some(odd)),
                [one] => at = key(one),
                _ if depth == 0 => return Ok(None),
                several => {
                    let mut ends = several.iter().map(|one| self.count_odd(key(one), depth - 1));
                    let first = ends.next().transpose()?.flatten();
                    for end in ends {
                        if end? != first {
                            return Ok(None);
                        }
                    }
                    return Ok(first.map(|first| odd ^ first));
                }
            }
        }
    }

    fn is_selected(&self, by: Key) -> Result<bool, FsError> {
        self.read.set(self.read.get() + 1);
        within("the number of changes to look through", self.read.get(), SCANNED_MAX)?;
        let change = self.journal.change(by)?;
        Ok(self.selection.is_about(&change) && touches(&change, self.below))
    }
}
