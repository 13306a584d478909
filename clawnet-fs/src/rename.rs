//! `fs.rename`: another name in the same directory.
use clawnet_core::{
    Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    node::{Changing, Node},
    path::FsPath,
    refusal::FsError,
    shift::{Move, Moved},
};

/// Gives a file or a directory another name: a [`Move`] within one directory.
///
/// **Refuses** a name that is not one plain component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct Rename {
    name: String,
    shift: Move,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    overwrite: bool,
    path: FsPath,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    recursive: bool,
}

impl Rename {
    /// Calls what is at `path` `name`, which nothing else there is called.
    ///
    /// # Errors
    /// [`FsError::InvalidName`], when `name` is not one canonical component.
    pub fn new(path: FsPath, name: &str) -> Result<Self, FsError> {
        let directory = path.parent().ok_or(FsError::RootProtected)?;
        let destination = directory.child(name).map_err(|_| FsError::InvalidName)?;
        Ok(Self { name: name.to_owned(), shift: Move::new(path, destination) })
    }

    /// And replaces a file of that name.
    #[must_use]
    pub fn overwriting(self) -> Self {
        Self { shift: self.shift.overwriting(), ..self }
    }

    /// And with everything beneath it.
    #[must_use]
    pub fn recursive(self) -> Self {
        Self { shift: self.shift.recursive(), ..self }
    }

    /// The path it has then.
    #[must_use]
    pub fn destination(&self) -> &FsPath {
        &self.shift.destination
    }
}

impl TryFrom<Named> for Rename {
    type Error = FsError;

    fn try_from(named: Named) -> Result<Self, FsError> {
        let Named { name, overwrite, path, recursive } = named;
        let Self { shift, .. } = Self::new(path, &name)?;
        Ok(Self { name, shift: Move { overwrite, recursive, ..shift } })
    }
}

impl From<Rename> for Named {
    fn from(rename: Rename) -> Self {
        let Move { overwrite, path, recursive, .. } = rename.shift;
        Self { name: rename.name, overwrite, path, recursive }
    }
}

impl Operation for Rename {
    const KIND: &'static str = "fs.rename";
    type Output = Moved;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        self.shift.both_ends()
    }
}

impl Endpoint<Rename> for Node {
    fn admit(&self, operation: &Rename, caller: &Caller) -> Result<Admission, Denial> {
        Ok(self.admit_shift(&operation.shift.course(), caller)?)
    }

    async fn perform(&self, task: Authorized<'_, Rename>) -> Result<Moved, Fault> {
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Rename::KIND,
            reverses: Vec::new(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        Ok(self.shift(&change, &task.operation().shift.course(), task.version())?)
    }
}
