//! `fs.move`: a file or a directory, to another path.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
    Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    course::{Course, may_go},
    node::{Changing, Node},
    path::{FsPath, PathError},
    plan::Plan,
    refusal::FsError,
};

/// Moves a file or a directory.
///
/// **Promises** that it is one rename, whatever the size, and that a file which is replaced is
/// kept. **Refuses** to replace a directory, to put a directory into itself, to take along what an
/// agent could not name, and, unless it is [recursive](Move::recursive), a directory that holds
/// something: only then layer 1 was asked about everything beneath both ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Move {
    /// The directories that may be made on the way, topmost first and without a gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_dirs: Vec<FsPath>,
    /// Where to.
    pub destination: FsPath,
    /// Whether a file there is replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overwrite: bool,
    /// What.
    pub path: FsPath,
    /// Whether it may be a directory with all it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
}

impl Move {
    /// Moves what is at `path` to `destination`, where nothing is.
    #[must_use]
    pub fn new(path: FsPath, destination: FsPath) -> Self {
        Self { create_dirs: Vec::new(), destination, overwrite: false, path, recursive: false }
    }

    /// And makes the directories between `base` and the destination, if they are missing.
    ///
    /// # Errors
    /// When the destination is not beneath `base`.
    pub fn creating_dirs_below(self, base: &FsPath) -> Result<Self, PathError> {
        Ok(Self { create_dirs: self.destination.between(base)?, ..self })
    }

    /// And replaces a file that is there.
    #[must_use]
    pub fn overwriting(self) -> Self {
        Self { overwrite: true, ..self }
    }

    /// And with everything beneath it.
    #[must_use]
    pub fn recursive(self) -> Self {
        Self { recursive: true, ..self }
    }

    pub(crate) fn course(&self) -> Course<'_> {
        let Self { create_dirs, destination, overwrite, path, recursive } = self;
        let (overwrite, recursive) = (*overwrite, *recursive);
        Course { from: path, to: destination, create_dirs, overwrite, recursive }
    }

    /// What a move touches: it takes from one end and puts to the other.
    pub(crate) fn both_ends(&self) -> Demands<'_> {
        let (from, to) = (self.path.resource(), self.destination.resource());
        // Read, too: what comes to another place may be read there.
        let ends = if self.recursive {
            Demands::tree(Action::Delete, from)
                .and_tree(Action::Read, from)
                .and_tree(Action::Write, to)
        } else {
            Demands::one(Action::Delete, from).and(Action::Read, from).and(Action::Write, to)
        };
        self.create_dirs.iter().fold(ends, |all, path| all.and(Action::Write, path.resource()))
    }
}

impl Operation for Move {
    const KIND: &'static str = "fs.move";
    type Output = Moved;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        self.both_ends()
    }
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Moved {
    /// The intent to undo it by.
    pub intent: u64,
    /// Whether it replaced a file, which is kept.
    pub replaced: bool,
}

impl Endpoint<Move> for Node {
    fn admit(&self, operation: &Move, caller: &Caller) -> Result<Admission, Denial> {
        Ok(self.admit_shift(&operation.course(), caller)?)
    }

    async fn perform(&self, task: Authorized<'_, Move>) -> Result<Moved, Fault> {
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Move::KIND,
            reverses: Vec::new(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        Ok(self.shift(&change, &task.operation().course(), task.version())?)
    }
}

impl Node {
    pub(crate) fn admit_shift(
        &self,
        course: &Course<'_>,
        caller: &Caller,
    ) -> Result<Admission, FsError> {
        let source = self.image(caller, course.from)?;
        let admission = course.admit(self, caller, source.as_ref())?;
        if let Some(source) = &source {
            may_go(&self.folders(), course.from, source)?;
        }
        Ok(admission)
    }

    pub(crate) fn shift(
        &self,
        change: &Changing<'_>,
        course: &Course<'_>,
        admitted: Option<&Version>,
    ) -> Result<Moved, FsError> {
        let mut replaced = false;
        self.change(change, |_, folders| {
            let mut plan = Plan::new(folders, change.key());
            let source = self.image(change.caller, course.from)?;
            let both = course.both((self, change.caller), &mut plan, (admitted, source))?;
            may_go(folders, course.from, &both.source)?;
            replaced = both.target.is_some();
            plan.shift((course.from, course.to), both.source, both.target)?;
            Ok(plan.into_steps())
        })?;
        Ok(Moved { intent: change.intent, replaced })
    }
}
