//! The owner's own list of folders: which exist for agents at all, and which of them may change.
//!
//! It is set by the owner in a separate act, in the application's configuration, and no operation
//! names a root. Matching here is layer 2's own, by whole components, and only picks the handle:
//! what a path below the handle leads to, the operating system decides.
use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd},
};

use cap_std::fs::Dir;
use rustix::fs::fstatfs;

use crate::{
    handle::{self, Facts},
    name::{NameRule, Names},
    path::{self, FsPath},
    refusal::FsError,
};

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
        self.declare(name, folder, Access::ReadWrite)
    }

    /// Declares a folder that agents may only look at.
    ///
    /// # Errors
    /// As [`Folders::read_write`].
    pub fn read_only(self, name: &str, folder: Dir) -> Result<Self, FolderError> {
        self.declare(name, folder, Access::ReadOnly)
    }

    /// Protects more names, in every folder.
    pub fn protect(mut self, rule: NameRule) -> Self {
        self.names.add(rule);
        self
    }

    fn declare(mut self, name: &str, folder: Dir, access: Access) -> Result<Self, FolderError> {
        let text = format!("fs:{name}");
        let parts = path::split(&text).map_err(|_| FolderError::Name)?;
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        if parts.is_empty() {
            return Err(FolderError::WholeVolume);
        }
        if self.roots.iter().any(|root| root.parts == parts) {
            return Err(FolderError::Declared);
        }
        // The types of this number differ by platform; its bits are the same.
        let file_system = i128::from(fstatfs(&folder).map_err(FsError::from)?.f_type) & 0xffff_ffff;
        if !LOCAL.contains(&file_system) {
            return Err(FolderError::FileSystem);
        }
        let facts = handle::look(folder.as_fd(), ".")?;
        self.roots.push(Root { parts, folder, access, facts, trades: Err("the node is not open") });
        self.roots.sort_by_key(|root| std::cmp::Reverse(root.parts.len()));
        Ok(self)
    }

    /// The folders, longest name first.
    pub(crate) fn roots_mut(&mut self) -> impl Iterator<Item = &mut Root> {
        self.roots.iter_mut()
    }

    /// Which folder serves `path`, and what is left of it.
    pub(crate) fn locate<'n, 'p>(&'n self, path: &'p FsPath) -> Result<Place<'n, 'p>, FsError> {
        let parts = path.parts()?;
        let root = self.serving(&parts).ok_or(FsError::NotWhitelisted)?;
        let rest = parts.get(root.parts.len()..).unwrap_or_default().to_vec();
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

    /// The place of something that is to change: not a declared folder, nor above one.
    pub(crate) fn locate_for_change<'n, 'p>(
        &'n self,
        path: &'p FsPath,
    ) -> Result<Place<'n, 'p>, FsError> {
        let place = self.locate(path)?;
        let parts = path.parts()?;
        let above = |root: &Root| parts.iter().zip(&root.parts).all(|(a, b)| a == b);
        if self.roots.iter().any(|root| root.parts.len() >= parts.len() && above(root)) {
            return Err(FsError::RootProtected);
        }
        if place.root.access == Access::ReadOnly {
            return Err(FsError::ReadOnly);
        }
        place.root.trades.map_err(FsError::Unsupported)?;
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
        let declared = self.roots.iter().any(|root| place(&root.facts) == place(directory));
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

/// File systems whose resolution and renames are known: ext2 to ext4, tmpfs, XFS, Btrfs, F2FS and
/// overlays of them. Network file systems and what is no disk (procfs, sysfs) are not among them.
const LOCAL: &[i128] = &[0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x794C_7630];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

/// One declared folder. The handle is private for good: no `Deref`, no `AsFd`.
pub(crate) struct Root {
    parts: Vec<String>,
    folder: Dir,
    access: Access,
    facts: Facts,
    /// Whether things here can trade places with the node's store.
    trades: Result<(), &'static str>,
}

impl Root {
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn set_trades(&mut self, trades: Result<(), &'static str>) {
        self.trades = trades;
    }

    /// Refuses a folder that was removed since it was declared.
    pub(crate) fn is_there(&self) -> Result<(), FsError> {
        if Facts::of(self.handle())?.links == 0 { Err(FsError::Moved) } else { Ok(()) }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{} {:?}", self.parts.join("/"), self.access)
    }
}

/// A path as the folder that serves it sees it.
#[derive(Debug)]
pub(crate) struct Place<'n, 'p> {
    pub(crate) root: &'n Root,
    pub(crate) rest: Vec<&'p str>,
}

impl Place<'_, '_> {
    /// The path below the folder, `.` for the folder itself.
    pub(crate) fn relative(&self) -> String {
        if self.rest.is_empty() { ".".into() } else { self.rest.join("/") }
    }

    /// The directory that holds it, and what it is called there.
    pub(crate) fn split(&self) -> Result<(String, String), FsError> {
        let (name, above) = self.rest.split_last().ok_or(FsError::RootProtected)?;
        let above = if above.is_empty() { ".".into() } else { above.join("/") };
        Ok((above, (*name).to_owned()))
    }
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
