//! `fs.copy`: a file, or a directory with all it holds, once more at another path.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use serde::{Deserialize, Serialize};

use crate::{
    course::{Both, Course},
    folders::Folders,
    handle::{self, EntryKind},
    image::{self, Image},
    node::{Changing, Node},
    path::{FsPath, PathError},
    plan::Plan,
    refusal::{FsError, within},
    source::{Planned, Source},
    tree::{COPIED_BYTES_MAX, Tree},
};

/// Copies a file, or a directory.
///
/// **Promises** that the copy appears whole or not at all, a directory with everything in it, and
/// that it holds what was there when it was planned. It has the permission bits of what it is a
/// copy of and is otherwise as new; in place of a file, it takes over what that file has.
///
/// **Refuses** a directory that holds a link, a special file, a protected name, another mount or
/// more than [`Copy::ENTRIES_MAX`] entries: nothing is left out silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Copy {
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

impl Copy {
    /// How many entries a directory may hold, at any depth: 1000.
    pub const ENTRIES_MAX: u64 = crate::tree::COPIED_ENTRIES_MAX;
    /// How many bytes one copy has at most: 1 GiB.
    pub const SIZE_BYTES_MAX: u64 = COPIED_BYTES_MAX;

    /// Copies what is at `path` to `destination`, where nothing is.
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

    fn course(&self) -> Course<'_> {
        let Self { create_dirs, destination, overwrite, path, recursive } = self;
        let (overwrite, recursive) = (*overwrite, *recursive);
        Course { from: path, to: destination, create_dirs, overwrite, recursive }
    }
}

impl Operation for Copy {
    const KIND: &'static str = "fs.copy";
    type Output = Copied;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let (from, to) = (self.path.resource(), self.destination.resource());
        let ends = if self.recursive {
            Demands::tree(Action::Read, from).and_tree(Action::Write, to)
        } else {
            Demands::one(Action::Read, from).and(Action::Write, to)
        };
        self.create_dirs.iter().fold(ends, |all, path| all.and(Action::Write, path.resource()))
    }
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Copied {
    /// How many files.
    pub files: u64,
    /// The intent to undo it by.
    pub intent: u64,
    /// Whether it replaced a file, which is kept.
    pub replaced: bool,
    /// How many bytes they hold together.
    pub size_bytes: u64,
}

impl Endpoint<Copy> for Node {
    fn admit(&self, operation: &Copy, caller: &Caller) -> Result<Admission, Denial> {
        self.is_sound()?;
        let source = source(&self.folders(), caller, &operation.path)?;
        Ok(operation.course().admit(self, caller, source.as_ref())?)
    }

    async fn perform(&self, task: Authorized<'_, Copy>) -> Result<Copied, Fault> {
        let operation = task.operation();
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Copy::KIND,
            reverses: Vec::new(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        let mut copied = Copied { files: 1, intent: task.intent(), replaced: false, size_bytes: 0 };
        self.change(&change, |_, folders| {
            let mut plan = Plan::new(folders, change.key());
            let from = source(folders, task.caller(), &operation.path)?;
            let caller = (self, task.caller());
            let both = operation.course().both(caller, &mut plan, (task.version(), from))?;
            copied.replaced = both.target.is_some();
            let (planned, files) = bring(folders, plan, operation, both)?;
            (copied.files, copied.size_bytes) = files;
            Ok(planned)
        })?;
        Ok(copied)
    }
}

/// The steps, and how many files and bytes they bring.
fn bring(
    folders: &Folders,
    mut plan: Plan<'_>,
    operation: &Copy,
    Both { source: image, target }: Both,
) -> Result<(Planned, (u64, u64)), FsError> {
    let Copy { path, destination, .. } = operation;
    if image.kind == EntryKind::Directory {
        let tree = Tree::of(folders, path)?;
        plan.bring(destination, target, tree.planned())?;
        let files = tree.files();
        return Ok((plan.bringing(Source::Tree(tree)), files));
    }
    within("the size of a copy", image.size_bytes, COPIED_BYTES_MAX)?;
    let place = folders.locate(path)?;
    let (file, _) = handle::content(place.root.handle(), &place.relative())?;
    let digest = match image.hash {
        Some(digest) => digest,
        None => image::digest(&file, image.size_bytes)?,
    };
    let size_bytes = image.size_bytes;
    plan.bring(destination, target, Image::planned(size_bytes, digest))?;
    let image = Image { hash: Some(digest), ..image };
    let source = Source::Copied { from: path.clone(), image };
    Ok((plan.bringing(source), (1, size_bytes)))
}

/// What is to be copied. It does not change, so it may be in a folder that does not either.
fn source(folders: &Folders, caller: &Caller, path: &FsPath) -> Result<Option<Image>, FsError> {
    let place = folders.locate_for(caller.identity(), path)?;
    match Image::at(place.root.handle(), &place.relative()) {
        Err(error) if error.is_absence() => Ok(None),
        other => other,
    }
}
