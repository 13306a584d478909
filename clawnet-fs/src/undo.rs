//! `fs.undo`: the same trades backwards, authorised today and recorded like everything else.
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

/// Takes back one change, whatever it was: an overwrite, a new file, a directory, a deletion, a
/// move, or an undo.
///
/// It says itself what it needs, so that layer 1 can judge it under today's rules: to change every
/// path it changes, and to read what it moves to another. The node checks what it says against its
/// journal. Obtained from [`Node::undo_of`], or out of what
/// [`History`](crate::History) tells.
///
/// **Promises** that the very file comes back, with its mode, times and attributes. **Refuses** if
/// what is there now is not what the change left: then nothing moves. A directory that is moved
/// back takes along what was put into it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Undo {
    /// The intent of the change to take back.
    pub intent: u64,
    /// What going back does, in the order it is done.
    pub needs: Needs,
}

impl Undo {
    /// Takes back what was done at `intent`. The needs are those that the history tells.
    #[must_use]
    pub fn new(intent: u64, needs: Needs) -> Self {
        Self { intent, needs }
    }

    const fn reversal(&self) -> Reversal<'_> {
        Reversal { intent: self.intent, needs: &self.needs, only: &[], again: false }
    }
}

impl Operation for Undo {
    const KIND: &'static str = "fs.undo";
    type Output = Undone;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        self.needs.demands()
    }
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Undone {
    /// The intent to redo it by.
    pub intent: u64,
    /// The intent that was undone.
    pub reversed: u64,
}

impl Node {
    /// The operation that would take back what `identity` did at `intent`.
    ///
    /// # Errors
    /// When there is no such change, which is also the answer about another identity's; or when it
    /// was taken back before, never completed, or what it kept has expired.
    pub fn undo_of(&self, identity: IdentityId, intent: u64) -> Result<Undo, FsError> {
        let journal = self.journal()?;
        let needs = needs_of(&reversible(&journal, identity, intent)?)?;
        Ok(Undo { intent, needs })
    }
}

impl Endpoint<Undo> for Node {
    fn admit(&self, operation: &Undo, caller: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::at(self.admits(operation.reversal(), caller)?))
    }

    async fn perform(&self, task: Authorized<'_, Undo>) -> Result<Undone, Fault> {
        let reversed = task.operation().intent;
        self.take_back(&task, task.operation().reversal())?;
        Ok(Undone { intent: task.intent(), reversed })
    }
}
