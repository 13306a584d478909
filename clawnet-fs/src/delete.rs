//! `fs.delete`: out of the folder and into the store. Nothing is ever destroyed.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    handle::EntryKind,
    image,
    node::{Changing, Node},
    path::FsPath,
    plan::{Plan, is_version},
    refusal::FsError,
    step::Trade,
};

/// Takes away a file or an empty directory: one rename, whatever its size.
///
/// **Refuses** a directory that holds something. What it holds may be denied to the identity by
/// name, and an operation cannot yet ask layer 1 about everything beneath a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Delete {
    /// What.
    pub path: FsPath,
}

impl Delete {
    /// Takes away what is at `path`.
    #[must_use]
    pub fn new(path: FsPath) -> Self {
        Self { path }
    }
}

impl Operation for Delete {
    const KIND: &'static str = "fs.delete";
    type Output = Deleted;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Delete, self.path.resource())
    }
}

/// What was taken away is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deleted {
    /// The intent to undo it by.
    pub intent: u64,
}

impl Endpoint<Delete> for Node {
    fn admit(&self, operation: &Delete, _: &Caller) -> Result<Admission, Denial> {
        let image = self.image(&operation.path)?;
        Ok(Admission::at(image::version(&[image.as_ref()])))
    }

    async fn perform(&self, task: Authorized<'_, Delete>) -> Result<Deleted, Fault> {
        let path = &task.operation().path;
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Delete::KIND,
            reverses: Vec::new(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        self.change(&change, |_, folders| {
            let mut plan = Plan::new(folders, change.key());
            let found = plan.image(path)?;
            is_version(task.version(), &[found.as_ref()])?;
            let before = found.ok_or(FsError::NotFound)?;
            if before.kind == EntryKind::Directory && before.size_bytes > 0 {
                return Err(FsError::NotEmpty);
            }
            plan.trade(path, Trade::Take { before });
            Ok(plan.into_steps())
        })?;
        Ok(Deleted { intent: task.intent() })
    }
}
