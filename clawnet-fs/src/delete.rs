//! `fs.delete`: out of the folder and into the store. Nothing is ever destroyed.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    course::may_go,
    folders::Folders,
    handle::EntryKind,
    image::{self, Image},
    node::{Changing, Node},
    path::FsPath,
    plan::{Plan, is_version},
    refusal::FsError,
    step::Trade,
};

/// Takes away a file or a directory: one rename, whatever its size.
///
/// **Refuses** a directory that holds something, unless it is [recursive](Delete::recursive): only
/// then layer 1 was asked about everything beneath it. **Refuses** to take along what an agent
/// could not name: a protected name, another mount or a declared folder inside, or more entries
/// than can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Delete {
    /// What.
    pub path: FsPath,
    /// Whether it may be a directory with all it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
}

impl Delete {
    /// Takes away what is at `path`.
    #[must_use]
    pub fn new(path: FsPath) -> Self {
        Self { path, recursive: false }
    }

    /// And everything beneath it.
    #[must_use]
    pub fn recursive(self) -> Self {
        Self { recursive: true, ..self }
    }

    fn may_go(&self, folders: &Folders, image: &Image) -> Result<(), FsError> {
        let holds = image.kind == EntryKind::Directory && image.size_bytes > 0;
        if holds && !self.recursive {
            return Err(FsError::NotRecursive);
        }
        may_go(folders, &self.path, image)
    }
}

impl Operation for Delete {
    const KIND: &'static str = "fs.delete";
    type Output = Deleted;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        if self.recursive {
            Demands::tree(Action::Delete, self.path.resource())
        } else {
            Demands::one(Action::Delete, self.path.resource())
        }
    }
}

/// What was taken away is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Deleted {
    /// The intent to undo it by.
    pub intent: u64,
}

impl Endpoint<Delete> for Node {
    fn admit(&self, operation: &Delete, caller: &Caller) -> Result<Admission, Denial> {
        let image = self.image(caller, &operation.path)?;
        if let Some(image) = &image {
            operation.may_go(&self.folders(), image)?;
        }
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
            task.operation().may_go(folders, &before)?;
            plan.trade(path, Trade::Take { before });
            Ok(plan.into_steps())
        })?;
        Ok(Deleted { intent: task.intent() })
    }
}
