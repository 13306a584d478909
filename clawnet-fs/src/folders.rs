//! The owner's own list of folders: which exist for agents at all, and which of them may change.
//!
//! It is set by the owner in a separate act, in the application's configuration, and no operation
//! names a root. Matching here is layer 2's own, by whole components, and only picks the handle:
//! what a path below the handle leads to, the operating system decides.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{AmbientAuthority, fs::Dir};
use clawnet_core::IdentityId;

use crate::{
    handle::Facts,
    label::{Labels, is_label},
    name::{NameRule, Names},
    origin::Origin,
    path::{self, FsPath},
    refusal::FsError,
};

mod root;

pub(crate) use root::{Access, Place, Root};

/// The folders agents may touch, each under a name of the owner's choice.
///
/// **Promises** that a path is served by the longest declared name that begins it, by whole
/// components. **Refuses** everything else, and every name a rule protects. Handles go in and never
/// come out.
#[derive(Debug, Default)]
#[must_use = "a list of folders does nothing until a node is opened with it"]
pub struct Folders {
    roots: Vec<Root>,
    names: Names,
    flows: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    /// Why there is no list at all. Then nothing is served.
    unavailable: Option<String>,
    /// The file it was read from.
    pub(crate) read_from: Option<Origin>,
}

/// How much is kept for undo of what changes in a folder. Nothing said is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Keep {
    /// The most bytes. A change that would displace more is refused.
    pub bytes: Option<u64>,
    /// For how many days. What is older goes.
    pub days: Option<u32>,
}

impl Keep {
    /// At most so many bytes.
    #[must_use]
    pub fn bytes(self, bytes: u64) -> Self {
        Self { bytes: Some(bytes), ..self }
    }

    /// For so many days.
    #[must_use]
    pub fn days(self, days: u32) -> Self {
        Self { days: Some(days), ..self }
    }
}

impl Folders {
    /// An empty list, with the default protected names: environment files, keys, key stores.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a folder that agents may change, such as `/work`.
    ///
    /// # Errors
    /// When the name is not canonical or taken, or the folder is on something other than a local
    /// disk or memory, or the system lacks `openat2`: there is no weaker way in.
    pub fn read_write(self, name: &str, folder: Dir) -> Result<Self, FolderError> {
        self.declare(name, Arc::new(folder), Access::ReadWrite)
    }

    /// Declares a folder that agents may only look at.
    ///
    /// # Errors
    /// As [`Folders::read_write`].
    pub fn read_only(self, name: &str, folder: Dir) -> Result<Self, FolderError> {
        self.declare(name, Arc::new(folder), Access::ReadOnly)
    }

    /// Protects more names, in every folder.
    pub fn protect(mut self, rule: NameRule) -> Self {
        self.names.add(rule);
        self
    }

    /// Labels what the folder holds; without, its label is its name. Content goes from one label to
    /// another only by [`Folders::flow`].
    ///
    /// # Errors
    /// When no such folder is declared, or the label is not one line of text.
    pub fn labelled(mut self, folder: &str, label: &str) -> Result<Self, FolderError> {
        if !is_label(label) {
            return Err(FolderError::Label);
        }
        self.declared(folder)?.label = label.into();
        Ok(self)
    }

    /// Lets content labelled `from` come to places labelled `to`. Not the other way, and not on
    /// from there.
    ///
    /// # Errors
    /// When one of them is not a label.
    pub fn flow(mut self, from: &str, to: &str) -> Result<Self, FolderError> {
        if !is_label(from) || !is_label(to) {
            return Err(FolderError::Label);
        }
        self.flows.entry(from.into()).or_default().insert(to.into());
        Ok(self)
    }

    /// Serves the folder to these identities only, whatever layer 1 says.
    ///
    /// # Errors
    /// When no such folder is declared.
    pub fn only(mut self, folder: &str, identities: &[IdentityId]) -> Result<Self, FolderError> {
        self.declared(folder)?.identities = Some(identities.into());
        Ok(self)
    }

    /// Limits what is kept for undo of changes in the folder.
    ///
    /// # Errors
    /// When no such folder is declared.
    pub fn keeping(mut self, folder: &str, keep: Keep) -> Result<Self, FolderError> {
        self.declared(folder)?.keep = keep;
        Ok(self)
    }

    /// Says where on this machine the folder is. From then on the node looks, before each change
    /// and at most a second before anything else, whether the path still leads to that very
    /// directory, and else refuses: the owner may be looking at another one.
    ///
    /// # Errors
    /// When no such folder is declared, or the path leads elsewhere now.
    pub fn standing_at(
        mut self,
        folder: &str,
        path: impl Into<PathBuf>,
        _: AmbientAuthority,
    ) -> Result<Self, FolderError> {
        self.stand_at(folder, path.into())?.is_there()?;
        Ok(self)
    }

    /// The same without a look.
    pub(crate) fn stand_at(&mut self, folder: &str, path: PathBuf) -> Result<&Root, FolderError> {
        let root = self.declared(folder)?;
        root.stands_at = Some(path);
        Ok(root)
    }

    /// Where on this machine the folders are that a list says it of, and whether they may be
    /// changed: for a wall around the process, which is built of the same folders.
    pub fn places(&self) -> impl Iterator<Item = (&Path, bool)> {
        self.roots.iter().filter_map(|root| {
            let changes = matches!(root.access, Access::ReadWrite);
            root.stands_at.as_deref().map(|path| (path, changes))
        })
    }

    /// To whom any of them is served, where the list says so.
    pub(crate) fn identities(&self) -> impl Iterator<Item = IdentityId> {
        let named = self.roots.iter().filter_map(|root| root.identities.as_deref());
        named.flatten().copied()
    }

    fn declared(&mut self, name: &str) -> Result<&mut Root, FolderError> {
        let found = self.roots.iter_mut().find(|root| *root.name == *name);
        found.ok_or(FolderError::NotDeclared)
    }

    pub(crate) fn declare(
        mut self,
        name: &str,
        folder: Arc<Dir>,
        access: Access,
    ) -> Result<Self, FolderError> {
        let parts = name_parts(name)?;
        if self.roots.iter().any(|root| root.parts == parts) {
            return Err(FolderError::Declared);
        }
        self.roots.push(Root::new((name, parts), folder, access)?);
        self.roots.sort_by_key(|root| std::cmp::Reverse(root.parts.len()));
        Ok(self)
    }

    /// A list that serves nothing, and why.
    pub(crate) fn unavailable(why: String) -> Self {
        Self { unavailable: Some(why), ..Self::default() }
    }

    /// Why there is no list, if there is none.
    pub(crate) fn why_unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// The folders, longest name first.
    pub(crate) fn roots_mut(&mut self) -> impl Iterator<Item = &mut Root> {
        self.roots.iter_mut()
    }

    /// The folders, longest name first.
    pub(crate) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Which label each folder has.
    pub(crate) fn labels(&self) -> Labels {
        self.roots.iter().map(|root| (root.name.clone(), root.label.clone())).collect()
    }

    /// Whether that is `labels`.
    pub(crate) fn has_labels(&self, labels: &Labels) -> bool {
        labels.are_those_of(self.roots.iter().map(|root| (&root.name, &root.label)))
    }

    /// Whether content of one label may come to places of another.
    pub(crate) fn lets_flow(&self, from: &str, to: &str) -> Result<(), FsError> {
        if from == to || self.flows.get(from).is_some_and(|all| all.contains(to)) {
            return Ok(());
        }
        Err(FsError::FlowDenied { from: from.into(), to: to.into() })
    }

    /// Which folder serves `path` to an identity. One it is not served to is as one that is not
    /// declared, and what lies beneath it is not another folder's.
    pub(crate) fn locate_for<'n, 'p>(
        &'n self,
        identity: IdentityId,
        path: &'p FsPath,
    ) -> Result<Place<'n, 'p>, FsError> {
        let place = self.locate(path)?;
        place.root.serves(identity)?;
        Ok(place)
    }

    /// Which folder serves `path`, and what is left of it.
    pub(crate) fn locate<'n, 'p>(&'n self, path: &'p FsPath) -> Result<Place<'n, 'p>, FsError> {
        if let Some(why) = &self.unavailable {
            return Err(FsError::WhitelistUnavailable(why.clone()));
        }
        let mut rest = path.parts()?;
        let root = self.serving(&rest).ok_or(FsError::NotWhitelisted)?;
        root.stands()?;
        rest.drain(..root.parts.len().min(rest.len()));
        rest.iter().try_for_each(|part| self.names.judge(part))?;
        Ok(Place { root, rest })
    }

    /// Whether an entry of this name may be shown to an agent: it is canonical, and no rule
    /// protects it.
    pub(crate) fn shows(&self, name: &str) -> bool {
        path::is_plain(name) && self.names.judge(name).is_ok()
    }

    /// The names in a directory below `place` in whose stead another
    /// declared folder stands: what is really there is not shown.
    pub(crate) fn standing_in(&self, place: &Place<'_, '_>, below: &str) -> Vec<&str> {
        let here: Vec<&str> = place.root.parts.iter().map(String::as_str).collect();
        let inner = place.rest.iter().copied().chain(below.split('/').filter(|p| !p.is_empty()));
        let here: Vec<&str> = here.into_iter().chain(inner).collect();
        let there = |root: &&Root| {
            root.parts.len() == here.len() + 1 && here.iter().zip(&root.parts).all(|(a, b)| a == b)
        };
        let roots = self.roots.iter().filter(there);
        roots.filter_map(|root| root.parts.last().map(String::as_str)).collect()
    }

    /// The place of something that an identity is to change.
    pub(crate) fn locate_change_for<'n, 'p>(
        &'n self,
        identity: IdentityId,
        path: &'p FsPath,
    ) -> Result<Place<'n, 'p>, FsError> {
        Self::may_change(&self.roots, self.locate_for(identity, path)?)
    }

    /// The place of something that is to change: not a declared folder, nor above one.
    pub(crate) fn locate_for_change<'n, 'p>(
        &'n self,
        path: &'p FsPath,
    ) -> Result<Place<'n, 'p>, FsError> {
        Self::may_change(&self.roots, self.locate(path)?)
    }

    fn may_change<'n, 'p>(roots: &[Root], place: Place<'n, 'p>) -> Result<Place<'n, 'p>, FsError> {
        let parts =
            || place.root.parts.iter().map(String::as_str).chain(place.rest.iter().copied());
        let depth = place.root.parts.len() + place.rest.len();
        let below = |root: &Root| {
            root.parts.len() >= depth && parts().zip(&root.parts).all(|(a, b)| a == b)
        };
        if roots.iter().any(below) {
            return Err(FsError::RootProtected);
        }
        if place.root.access == Access::ReadOnly {
            return Err(FsError::ReadOnly);
        }
        place.root.trades().map_err(FsError::Unsupported)?;
        Ok(place)
    }

    /// Refuses a name that no agent may see or make.
    pub(crate) fn judge(&self, name: &str) -> Result<(), FsError> {
        self.names.judge(name)
    }

    /// Refuses a directory met on the way that is a declared folder itself, whatever it is called
    /// there.
    pub(crate) fn is_none_of_them(&self, directory: &Facts) -> Result<(), FsError> {
        let place = |facts: &Facts| (facts.ino, facts.device);
        let declared = self.roots.iter().any(|root| place(root.facts()) == place(directory));
        if declared { Err(FsError::RootProtected) } else { Ok(()) }
    }

    /// Refuses a path that another declared folder is said to lie beneath.
    pub(crate) fn holds_no_other(&self, path: &FsPath) -> Result<(), FsError> {
        let parts = path.parts()?;
        let beneath = |root: &&Root| {
            root.parts.len() > parts.len() && root.parts.iter().zip(&parts).all(|(a, b)| a == b)
        };
        self.roots.iter().find(beneath).map_or(Ok(()), |_| Err(FsError::RootProtected))
    }

    fn serving(&self, parts: &[&str]) -> Option<&Root> {
        let begins = |root: &&Root| {
            parts.len() >= root.parts.len() && root.parts.iter().zip(parts).all(|(a, b)| a == b)
        };
        self.roots.iter().find(begins)
    }
}

/// The components of a folder's name.
pub(crate) fn name_parts(name: &str) -> Result<Vec<String>, FolderError> {
    let text = format!("fs:{name}");
    let parts = path::split(&text).map_err(|_| FolderError::Name)?;
    if parts.is_empty() {
        return Err(FolderError::WholeVolume);
    }
    Ok(parts.into_iter().map(str::to_owned).collect())
}

/// Why a folder cannot be declared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Its name is not a canonical path such as `/work`.
    #[error("folder name is not a canonical path")]
    Name,
    /// `/` would serve every path there is.
    #[error("a folder cannot be declared under the name of the whole volume")]
    WholeVolume,
    /// The name is taken.
    #[error("a folder of this name is declared already")]
    Declared,
    /// Something is said about a folder that is not declared.
    #[error("no folder of this name is declared")]
    NotDeclared,
    /// It is empty, too long, or holds what nobody can see.
    #[error("a label is one line of visible text of at most 128 bytes")]
    Label,
    /// It is on a network, in the kernel's own trees, or on something unknown.
    #[error("unsupported: the folder is not on a file system this node knows")]
    FileSystem,
    /// The system cannot resolve paths safely there.
    #[error(transparent)]
    System(#[from] FsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Dir) {
        let dir = tempfile::tempdir().unwrap();
        let handle = Dir::open_ambient_dir(dir.path(), cap_std::ambient_authority()).unwrap();
        (dir, handle)
    }

    fn folders() -> Folders {
        let made = Folders::new().read_only("/work", folder().1).unwrap();
        made.read_only("/work/inner/deep", folder().1).unwrap()
    }

    #[test]
    fn the_longest_declared_name_wins_by_components() {
        let folders = folders();
        let check = |path: &str, expect: Result<(usize, &str), FsError>| {
            let path: FsPath = path.parse().unwrap();
            let found = folders.locate(&path).map(|at| (at.root.parts.len(), at.relative()));
            assert_eq!(found, expect.map(|(depth, rest)| (depth, rest.to_owned())), "{path}");
        };
        check("/work", Ok((1, ".")));
        check("/work/inner", Ok((1, "inner")));
        check("/work/inner/deep/a/b", Ok((3, "a/b")));
        check("/work/inner/deeper", Ok((1, "inner/deeper")));
        check("/workspace", Err(FsError::NotWhitelisted));
        check("/Work", Err(FsError::NotWhitelisted));
        check("/", Err(FsError::NotWhitelisted));
        check("/work/a/.ssh/config", Err(FsError::ProtectedName));
    }

    #[test]
    fn what_holds_a_folder_is_not_changed() {
        let folders = folders();
        for path in ["/work", "/work/inner", "/work/inner/deep"] {
            let path: FsPath = path.parse().unwrap();
            let refused = folders.locate_for_change(&path).map(drop);
            assert_eq!(refused, Err(FsError::RootProtected), "{path}");
        }
        let path: FsPath = "/work/other".parse().unwrap();
        assert_eq!(folders.locate_for_change(&path).map(drop), Err(FsError::ReadOnly));
    }

    #[test]
    fn what_is_no_local_disk_is_no_folder() {
        let proc = Dir::open_ambient_dir("/proc", cap_std::ambient_authority()).unwrap();
        let refused = Folders::new().read_only("/proc", proc).map(drop);
        assert_eq!(refused, Err(FolderError::FileSystem));
        let refused = Folders::new().read_only("/", folder().1).map(drop);
        assert_eq!(refused, Err(FolderError::WholeVolume));
    }
}
