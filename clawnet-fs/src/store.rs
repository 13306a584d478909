//! Where the node keeps what it displaced, outside every folder an agent can name.
//!
//! One directory of slots. A slot is staging before its change commits and a backup after. Only
//! renames move things in and out, so whatever lies here has its own mode, times and attributes.
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use cap_std::fs::Dir;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RenameFlags, flock, mkdirat, openat, renameat_with,
    unlinkat,
};

use crate::{
    folders::{Folders, Root},
    handle::{self, EntryKind, Facts},
    refusal::FsError,
    step::Slot,
};

/// The node's own directory.
#[derive(Debug)]
pub(crate) struct Store {
    state: Dir,
    slots: OwnedFd,
    facts: Facts,
}

const SLOTS: &str = "slots";
const JOURNAL: &str = "journal";

impl Store {
    /// Opens or begins it, for this node alone: the journal's file is locked while it is open.
    pub(crate) fn open(state: Dir) -> Result<(Self, File), FsError> {
        match mkdirat(&state, SLOTS, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let slots = handle::directory(state.as_fd(), SLOTS)?;
        let flags = OFlags::RDWR
            | OFlags::APPEND
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let journal = File::from(openat(&state, JOURNAL, flags, Mode::RUSR | Mode::WUSR)?);
        Facts::of(journal.as_fd())?.gate()?;
        flock(&journal, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| FsError::LogUnavailable("another node uses this directory".into()))?;
        let facts = Facts::of(slots.as_fd())?;
        // A handle from elsewhere may be good for paths only: one that can be flushed is opened.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::fsync(openat(&state, ".", flags, Mode::empty())?)?;
        Ok((Self { state, slots, facts }, journal))
    }

    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        self.slots.as_fd()
    }

    /// Whether things in `root` can trade places with the store, as far as one can tell: they are
    /// on one mount, and its file system knows both kinds of rename.
    fn trades_with(&self, root: &Facts) -> Result<(), &'static str> {
        if root.mount != self.facts.mount || root.device != self.facts.device {
            return Err("the folder and the node's store are on different mounts");
        }
        self.probe().map_err(|_| "the file system cannot exchange two names")
    }

    fn probe(&self) -> Result<(), FsError> {
        const NAMES: [&str; 2] = ["probe.a", "probe.b"];
        let clear = || {
            for name in NAMES {
                // What is not there need not go; what stays makes the probe fail.
                _ = unlinkat(&self.slots, name, AtFlags::empty());
            }
        };
        clear();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        for name in NAMES {
            openat(&self.slots, name, flags, Mode::RUSR | Mode::WUSR)?;
        }
        let [a, b] = NAMES;
        let exchanged = renameat_with(&self.slots, a, &self.slots, b, RenameFlags::EXCHANGE);
        let kept = renameat_with(&self.slots, a, &self.slots, b, RenameFlags::NOREPLACE);
        clear();
        exchanged?;
        if kept == Err(rustix::io::Errno::EXIST) {
            Ok(())
        } else {
            Err(FsError::Unsupported("rename ignores its flags"))
        }
    }

    /// Whether the store lies inside `root`, or `root` inside the store's directory: then an agent
    /// could name what must not be named.
    fn overlaps(&self, root: &Facts, folder: BorrowedFd<'_>) -> Result<bool, FsError> {
        let own = Facts::of(self.state.as_fd())?;
        Ok(handle::is_within(self.slots.as_fd(), root)? || handle::is_within(folder, &own)?)
    }

    /// Fits a list to this store: says which of its folders can change. Those that were in `last`
    /// are as they were found then.
    pub(crate) fn fit(
        &self,
        mut folders: Folders,
        last: Option<&Folders>,
    ) -> Result<Folders, OpenError> {
        let known = last.map_or(&[][..], Folders::roots);
        for root in folders.roots_mut() {
            if self.overlaps(root.facts(), root.handle())? {
                return Err(OpenError::Overlap);
            }
            let same = known.iter().find(|known| known.facts().is_same_object(root.facts()));
            let trades = same.map_or_else(|| self.trades_with(root.facts()), Root::trades);
            root.set_trades(trades);
            // Opened now rather than by the first change: a node holds from its beginning what it will
            // hold. A folder that may not be read says so when it is asked for something.
            drop(root.directory());
        }
        Ok(folders)
    }

    /// Makes an empty file in `slot`, which nothing may be in.
    pub(crate) fn create(&self, slot: &Slot, mode: Mode) -> Result<File, FsError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.slots, slot.as_str(), flags, mode)?))
    }

    /// Makes an empty directory in `slot`.
    pub(crate) fn create_directory(&self, slot: &Slot, mode: Mode) -> Result<File, FsError> {
        mkdirat(&self.slots, slot.as_str(), mode)?;
        Ok(File::from(handle::directory(self.slots.as_fd(), slot.as_str())?))
    }

    /// Removes what this node itself made in `slot` for a change that did not come to be. Only a
    /// file with one name or an empty directory: everything else stays.
    pub(crate) fn discard(&self, slot: &Slot) -> Result<(), FsError> {
        let facts = match handle::look(self.slots.as_fd(), slot.as_str()) {
            Ok(facts) => facts,
            Err(FsError::NotFound) => return Ok(()),
            Err(error) => return Err(error),
        };
        let flags =
            if facts.kind == EntryKind::Directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        if facts.kind != EntryKind::Directory {
            facts.gate()?;
        }
        Ok(unlinkat(&self.slots, slot.as_str(), flags)?)
    }

    /// Removes a directory this node itself filled in `slot`: files with one name, and directories
    /// that are empty by then. The first thing that is neither stays, and all above it.
    pub(crate) fn discard_tree(&self, slot: &Slot) -> Result<(), FsError> {
        let mut directories = vec![slot.as_str().to_owned()];
        let mut next = 0;
        while let Some(at) = directories.get(next).cloned() {
            next += 1;
            let directory = match handle::directory(self.slots.as_fd(), &at) {
                Err(FsError::NotFound) if next == 1 => return Ok(()),
                other => other?,
            };
            for entry in rustix::fs::Dir::read_from(&directory)? {
                let entry = entry?;
                let name = entry.file_name().to_str().map_err(|_| FsError::NotRegular)?;
                if matches!(name, "." | "..") {
                    continue;
                }
                let facts = Facts::of_entry(directory.as_fd(), name)?;
                if facts.kind == EntryKind::Directory {
                    directories.push(format!("{at}/{name}"));
                } else {
                    facts.gate()?;
                    unlinkat(&directory, name, AtFlags::empty())?;
                }
            }
        }
        for at in directories.iter().rev() {
            unlinkat(&self.slots, at.as_str(), AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Flushes the names in the store.
    pub(crate) fn flush(&self) -> Result<(), FsError> {
        Ok(rustix::fs::fsync(&self.slots)?)
    }
}

/// Why a node cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// An agent could name what must not be named.
    #[error("the node's own directory lies within a declared folder, or around one")]
    Overlap,
    /// The directory or its journal is unusable.
    #[error(transparent)]
    State(#[from] FsError),
}
