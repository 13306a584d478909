//! One folder of the list: its handle, and what the owner says about it.
use std::{
    fmt,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use cap_std::fs::Dir;
use clawnet_core::IdentityId;
use rustix::fs::fstatfs;

use super::{FolderError, Keep};
use crate::{
    handle::{self, Facts},
    refusal::FsError,
};

/// One declared folder. The handle is private for good: no `Deref`, no `AsFd`.
pub(crate) struct Root {
    pub(super) parts: Vec<String>,
    pub(super) name: Arc<str>,
    folder: Arc<Dir>,
    pub(super) access: Access,
    facts: Facts,
    pub(super) label: Arc<str>,
    /// To whom it is served. To everybody, if nothing is said.
    pub(super) identities: Option<Box<[IdentityId]>>,
    pub(super) keep: Keep,
    /// Where the owner sees it.
    pub(super) stands_at: Option<PathBuf>,
    /// When it was last looked at, something else stood there.
    moved: AtomicBool,
    /// Whether things here can trade places with the node's store.
    trades: Result<(), &'static str>,
    /// The folder once more, since something in it was first to change.
    open: OnceLock<Arc<File>>,
}

impl Root {
    /// Refuses a folder on a file system this node does not know.
    pub(super) fn new(
        (name, parts): (&str, Vec<String>),
        folder: Arc<Dir>,
        access: Access,
    ) -> Result<Self, FolderError> {
        // The types of this number differ by platform; its bits are the same.
        let file_system =
            i128::from(fstatfs(&*folder).map_err(FsError::from)?.f_type) & 0xffff_ffff;
        if !LOCAL.contains(&file_system) {
            return Err(FolderError::FileSystem);
        }
        let facts = handle::look(folder.as_fd(), ".")?;
        Ok(Self {
            parts,
            name: name.into(),
            folder,
            access,
            facts,
            label: name.into(),
            identities: None,
            keep: Keep::default(),
            stands_at: None,
            moved: AtomicBool::new(false),
            trades: Err("the node is not open"),
            open: OnceLock::new(),
        })
    }

    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    pub(crate) fn trades(&self) -> Result<(), &'static str> {
        self.trades
    }

    pub(crate) fn set_trades(&mut self, trades: Result<(), &'static str>) {
        self.trades = trades;
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    pub(crate) fn keep(&self) -> Keep {
        self.keep
    }

    /// The same folder as `other`, under the same name and at the same place.
    pub(crate) fn is_declared_as(&self, name: &str, stands_at: &Path) -> bool {
        *self.name == *name && self.stands_at.as_deref() == Some(stands_at)
    }

    /// Its handle, for the next list to serve it by.
    pub(crate) fn folder(&self) -> Arc<Dir> {
        self.folder.clone()
    }

    /// Refuses an identity it is not served to, as if it were not declared.
    pub(crate) fn serves(&self, identity: IdentityId) -> Result<(), FsError> {
        match &self.identities {
            Some(identities) if !identities.contains(&identity) => Err(FsError::NotWhitelisted),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses a folder that was removed since it was declared, or is not any more where the owner
    /// sees it: a link or another directory stands there. Else what it is now.
    pub(crate) fn is_there(&self) -> Result<Facts, FsError> {
        let facts = Facts::of(self.handle())?;
        if facts.links == 0 {
            return Err(FsError::Moved);
        }
        let Some(path) = &self.stands_at else { return Ok(facts) };
        match Facts::of_path(path) {
            Ok(found) if found.is_same_object(&self.facts) => Ok(facts),
            _ => Err(FsError::Moved),
        }
    }

    /// The folder itself, open for more than paths: what is given may be good for those only.
    pub(crate) fn directory(&self) -> Result<Arc<File>, FsError> {
        if let Some(open) = self.open.get() {
            return Ok(open.clone());
        }
        let open = Arc::new(File::from(handle::directory(self.handle(), ".")?));
        Ok(self.open.get_or_init(|| open).clone())
    }

    /// Refuses if it had moved at the last look.
    pub(super) fn stands(&self) -> Result<(), FsError> {
        if self.moved.load(Ordering::Acquire) { Err(FsError::Moved) } else { Ok(()) }
    }

    /// Looks where it is, for all who are served until the next look. True if it moved.
    pub(crate) fn look(&self) -> bool {
        let moved = self.stands_at.is_some() && self.is_there().is_err();
        self.moved.store(moved, Ordering::Release);
        moved
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{} {:?}", self.parts.join("/"), self.access)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    ReadOnly,
    ReadWrite,
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

/// File systems whose resolution and renames are known: ext2 to ext4, tmpfs, XFS, Btrfs, F2FS and
/// overlays of them. Network file systems and what is no disk (procfs, sysfs) are not among them.
const LOCAL: &[i128] = &[0xEF53, 0x0102_1994, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x794C_7630];
