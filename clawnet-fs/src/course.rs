//! From one path to another: what a move, a rename and a copy have in common.
use clawnet_core::{Admission, Caller, Version};

use crate::{
    folders::Folders,
    handle::EntryKind,
    image::{self, Image},
    node::Node,
    path::FsPath,
    plan::{Plan, is_version, leads_to},
    refusal::FsError,
    tree,
};

/// Where something goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course<'o> {
    pub(crate) from: &'o FsPath,
    pub(crate) to: &'o FsPath,
    pub(crate) create_dirs: &'o [FsPath],
    pub(crate) overwrite: bool,
    pub(crate) recursive: bool,
}

/// What is at both ends.
pub(crate) struct Both {
    pub(crate) source: Image,
    pub(crate) target: Option<Image>,
}

impl Course<'_> {
    /// Refuses what no state of the folders could make possible.
    fn check(&self) -> Result<(), FsError> {
        leads_to(self.create_dirs, self.to)?;
        let same = self.from == self.to;
        if same || is_beneath(self.to, self.from) || is_beneath(self.from, self.to) {
            return Err(FsError::IntoItself);
        }
        Ok(())
    }

    /// Layer 2 on both ends, before anything is recorded.
    pub(crate) fn admit(
        &self,
        node: &Node,
        caller: &Caller,
        source: Option<&Image>,
    ) -> Result<Admission, FsError> {
        self.check()?;
        node.may_flow(self.from, self.to)?;
        node.may_write(caller, self.to)?;
        let folders = node.folders();
        for path in self.create_dirs {
            folders.locate_change_for(caller.identity(), path)?;
        }
        let target = node.image(caller, self.to)?;
        if let Some(source) = source {
            self.is_said(source)?;
        }
        Ok(Admission::at(image::version(&[source, target.as_ref()])))
    }

    /// The same again under the lock: the directories on the way are planned, and both ends are as
    /// they were.
    pub(crate) fn both(
        &self,
        (node, caller): (&Node, &Caller),
        plan: &mut Plan<'_>,
        (admitted, source): (Option<&Version>, Option<Image>),
    ) -> Result<Both, FsError> {
        self.check()?;
        node.may_flow(self.from, self.to)?;
        node.may_write(caller, self.to)?;
        self.create_dirs.iter().try_for_each(|path| plan.directory(path))?;
        let target = plan.image(self.to)?;
        is_version(admitted, &[source.as_ref(), target.as_ref()])?;
        let source = source.ok_or(FsError::NotFound)?;
        self.is_said(&source)?;
        if target.is_some() && !self.overwrite {
            return Err(FsError::Exists);
        }
        Ok(Both { source, target })
    }

    /// Refuses a directory that holds something, unless all of it is meant and was demanded.
    fn is_said(&self, source: &Image) -> Result<(), FsError> {
        let holds = source.kind == EntryKind::Directory && source.size_bytes > 0;
        if holds && !self.recursive { Err(FsError::NotRecursive) } else { Ok(()) }
    }
}

/// Refuses to take along what an agent could not name: of a directory, all of it is looked at.
pub(crate) fn may_go(folders: &Folders, path: &FsPath, image: &Image) -> Result<(), FsError> {
    if image.kind == EntryKind::Directory {
        tree::may_go(folders, &folders.locate_for_change(path)?)?;
    }
    Ok(())
}

fn is_beneath(path: &FsPath, above: &FsPath) -> bool {
    let rest = path.as_str().strip_prefix(above.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}
