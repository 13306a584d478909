//! `fs.redo`: takes back what took something back.
use clawnet_core::{
    Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, IdentityId, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    need::Needs,
    node::Node,
    refusal::FsError,
    reversal::{Reversal, needs_of, reversible},
};

/// Takes back an undo or a rollback, so that what was done is done again.
///
/// **Promises** and **refuses** what an [`Undo`](crate::Undo) does. What it makes is a change like
/// any other, and is taken back by its own intent: the change that was first undone stays so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Redo {
    /// The intent of the undo or rollback.
    pub intent: u64,
    /// What going back over it does, in the order it is done.
    pub needs: Needs,
}

impl Redo {
    /// Takes back the undo or rollback at `intent`. The needs are those that the history tells.
    #[must_use]
    pub fn new(intent: u64, needs: Needs) -> Self {
        Self { intent, needs }
    }

    const fn reversal(&self) -> Reversal<'_> {
        Reversal { intent: self.intent, needs: &self.needs, only: &[], again: true }
    }
}

impl Operation for Redo {
    const KIND: &'static str = "fs.redo";
    type Output = Redone;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        self.needs.demands()
    }
}

/// What was done again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Redone {
    /// The intent to undo it by.
    pub intent: u64,
    /// The intent of the undo or rollback that was taken back.
    pub reversed: u64,
}

impl Node {
    /// The operation that would take back the undo or rollback `identity` made at `intent`.
    ///
    /// # Errors
    /// As [`Node::undo_of`], and when the change took nothing back.
    pub fn redo_of(&self, identity: IdentityId, intent: u64) -> Result<Redo, FsError> {
        let journal = self.journal()?;
        let change = reversible(&journal, identity, intent)?;
        if change.reverses.is_empty() {
            return Err(FsError::InvalidRequest("only what took something back can be redone"));
        }
        Ok(Redo { intent, needs: needs_of(&change)? })
    }
}

impl Endpoint<Redo> for Node {
    fn admit(&self, operation: &Redo, caller: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::at(self.admits(operation.reversal(), caller)?))
    }

    async fn perform(&self, task: Authorized<'_, Redo>) -> Result<Redone, Fault> {
        let reversed = task.operation().intent;
        self.take_back(&task, task.operation().reversal())?;
        Ok(Redone { intent: task.intent(), reversed })
    }
}
