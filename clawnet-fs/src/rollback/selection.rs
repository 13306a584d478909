//! Which changes a rollback is about, and which of them are in force.
use std::collections::BTreeSet;

use clawnet_core::{AgentId, Caller, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Rollback, touches};
use crate::{
    journal::{Change, Journal, State, Which},
    path::FsPath,
    refusal::{FsError, within},
};

/// Which changes of the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Selection {
    /// What one of its agents did.
    Agent(AgentId),
    /// What was done because of one thing, such as a session: the cause without its number, as
    /// [`Cause::source`](clawnet_core::Cause::source) has it.
    Cause(String),
    /// What was done for a job, by whichever agent.
    Job(String),
    /// What was done then or later.
    Since(Timestamp),
}

/// A change to take back.
#[derive(Debug)]
pub(super) struct Chosen {
    /// With the steps to take back.
    pub(super) change: Change,
    /// Which part of what it took back itself, if it is not all of it.
    pub(super) only: Vec<u64>,
}

impl Selection {
    pub(super) fn limits(&self) -> Result<(), FsError> {
        match self {
            Self::Cause(cause) => within("a cause", cause.len() as u64, NAME_BYTES_MAX),
            Self::Job(job) => within("the name of a job", job.len() as u64, NAME_BYTES_MAX),
            Self::Agent(_) | Self::Since(_) => Ok(()),
        }
    }

    pub(super) fn is_about(&self, change: &Change) -> bool {
        match self {
            Self::Agent(agent) => change.who.agent == *agent,
            Self::Cause(cause) => change.who.cause.as_ref() == Some(cause),
            Self::Job(job) => change.who.job.as_ref() == Some(job),
            Self::Since(since) => change.at >= *since,
        }
    }

    fn which(&self) -> Which<'_> {
        match self {
            Self::Agent(agent) => Which::OfAgent(*agent),
            Self::Cause(cause) => Which::OfCause(cause),
            Self::Job(job) => Which::OfJob(job),
            Self::Since(_) => Which::All,
        }
    }

    /// What to take back, newest first, so that nothing of what is selected is in force.
    ///
    /// The steps of a change are made, taken back, and made again, each time by another change. If
    /// that happened an odd number of times by what is selected, the last of those has to go; if
    /// even, they cancel out.
    pub(super) fn choose(
        &self,
        journal: &Journal,
        caller: &Caller,
        below: &FsPath,
    ) -> Result<Vec<Chosen>, FsError> {
        let whose = (caller.owner(), caller.identity());
        let mut in_force = Vec::new();
        let mut odd = BTreeSet::new();
        let rows = journal.history().newest(whose, self.which(), u64::MAX);
        for (scanned, (by, row)) in (1..).zip(rows) {
            if matches!(self, Self::Since(since) if row.at < *since) {
                break;
            }
            within("the number of changes to look through", scanned, SCANNED_MAX)?;
            if !matches!(row.state, State::Done | State::Expired | State::Undone) {
                continue;
            }
            let change = journal.change(by)?;
            if !touches(&change, below) {
                continue;
            }
            for root in change.roots() {
                if !odd.remove(&root) {
                    odd.insert(root);
                }
            }
            if row.state != State::Undone {
                let own =
                    if row.reverses.is_empty() { vec![by.intent] } else { row.roots.to_vec() };
                in_force.push((change, own));
            }
        }
        let chosen: Vec<Chosen> =
            in_force.into_iter().filter_map(|(change, own)| choose(change, &own, &odd)).collect();
        within("a rollback", chosen.len() as u64, Rollback::REVERSALS_MAX.into())?;
        Ok(chosen)
    }
}

/// Of a change, what is to be taken back.
fn choose(change: Change, own: &[u64], odd: &BTreeSet<u64>) -> Option<Chosen> {
    let only: Vec<u64> = own.iter().copied().filter(|root| odd.contains(root)).collect();
    if only.is_empty() {
        return None;
    }
    let all = only.len() == own.len();
    Some(Chosen { change: change.only(&only), only: if all { Vec::new() } else { only } })
}

/// How many changes of a selection are looked at, whether or not they lie beneath its path.
const SCANNED_MAX: u64 = 10_000;
const NAME_BYTES_MAX: u64 = 256;
