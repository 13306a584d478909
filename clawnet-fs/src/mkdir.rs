//! `fs.mkdir`: a directory, and those above it that may be made.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    image,
    node::{Changing, Node},
    path::{FsPath, PathError},
    plan::{Plan, is_version, leads_to},
};

/// Makes a directory. One that is there already is no error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Mkdir {
    /// The directories above it that may be made, topmost first and without a gap. Each is
    /// demanded of layer 1 like the directory itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<FsPath>,
    /// Which directory.
    pub path: FsPath,
}

impl Mkdir {
    /// The directory `path`, in one that exists.
    #[must_use]
    pub fn new(path: FsPath) -> Self {
        Self { parents: Vec::new(), path }
    }

    /// And those between `base` and it, if they are missing.
    ///
    /// # Errors
    /// When the directory is not beneath `base`.
    pub fn with_parents_below(self, base: &FsPath) -> Result<Self, PathError> {
        Ok(Self { parents: self.path.between(base)?, ..self })
    }
}

impl Operation for Mkdir {
    const KIND: &'static str = "fs.mkdir";
    type Output = Made;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let all = Demands::one(Action::Write, self.path.resource());
        self.parents.iter().fold(all, |all, path| all.and(Action::Write, path.resource()))
    }
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Made {
    /// Whether anything was. If not, there is nothing to undo.
    pub created: bool,
    /// Which directories, topmost first.
    pub directories: Vec<FsPath>,
    /// The intent to undo it by.
    pub intent: u64,
}

impl Endpoint<Mkdir> for Node {
    fn admit(&self, operation: &Mkdir, caller: &Caller) -> Result<Admission, Denial> {
        leads_to(&operation.parents, &operation.path)?;
        for path in &operation.parents {
            self.folders().locate_change_for(caller.identity(), path)?;
        }
        self.may_write(caller, &operation.path)?;
        let image = self.image(caller, &operation.path)?;
        Ok(Admission::at(image::version(&[image.as_ref()])))
    }

    async fn perform(&self, task: Authorized<'_, Mkdir>) -> Result<Made, Fault> {
        let Mkdir { parents, path } = task.operation();
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Mkdir::KIND,
            reverses: Vec::new(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        let mut directories = Vec::new();
        self.change(&change, |_, folders| {
            leads_to(parents, path)?;
            let mut plan = Plan::new(folders, change.key());
            parents.iter().try_for_each(|path| plan.directory(path))?;
            is_version(task.version(), &[plan.image(path)?.as_ref()])?;
            plan.directory(path)?;
            let steps = plan.into_steps();
            directories.extend(steps.iter().map(|step| step.path.clone()));
            Ok(steps)
        })?;
        Ok(Made { created: !directories.is_empty(), directories, intent: task.intent() })
    }
}
