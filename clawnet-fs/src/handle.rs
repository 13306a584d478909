//! The operating system's decision: what a path leads to, below one directory handle.
//!
//! `openat2` resolves the whole path beneath the handle, through no link of any kind and onto no
//! other mount, in one step that nobody can get between. What it opened is then looked at, never
//! looked up again: a file is content only if it is regular and has one name.
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Statx, StatxFlags, fstat, openat, openat2,
    statx,
};
use serde::{Deserialize, Serialize};

use crate::refusal::FsError;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link. It can be listed, and nothing else.
    Symlink,
    /// A pipe, socket or device, or where another mount begins.
    Other,
}

/// Opens what `path` leads to beneath `at`. `O_NONBLOCK`, so that a pipe cannot hold a thread.
pub(crate) fn open(at: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd, FsError> {
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    for _ in 0..AGAIN_MAX {
        match openat2(at, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(rustix::io::Errno::AGAIN) => {}
            other => return Ok(other?),
        }
    }
    Err(FsError::Moved)
}

/// How often a resolution that the kernel calls undecided is tried again.
const AGAIN_MAX: u32 = 8;

/// Opens content to read, and what it is: a regular file with one name, or a refusal.
pub(crate) fn content(at: BorrowedFd<'_>, path: &str) -> Result<(File, Facts), FsError> {
    let fd = open(at, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
    let facts = Facts::of(fd.as_fd())?;
    facts.gate()?;
    Ok((File::from(fd), facts))
}

/// The same, and only how long it is.
pub(crate) fn sized_content(at: BorrowedFd<'_>, path: &str) -> Result<(File, u64), FsError> {
    let file = File::from(open(at, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
    let size_bytes = content_size(&file)?;
    Ok((file, size_bytes))
}

/// How long an open file is, if it is content. Which mount it is on was decided when it was opened,
/// so the shorter call will do.
pub(crate) fn content_size(file: &File) -> Result<u64, FsError> {
    let stat = fstat(file)?;
    gate(kind_of(FileType::from_raw_mode(stat.st_mode)), stat.st_nlink == 1)?;
    Ok(u64::try_from(stat.st_size).unwrap_or_default())
}

/// Opens a directory, to list it or to act on its entries.
pub(crate) fn directory(at: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, FsError> {
    open(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK)
}

/// What `path` leads to, without opening it: this neither blocks nor wakes a device.
pub(crate) fn look(at: BorrowedFd<'_>, path: &str) -> Result<Facts, FsError> {
    Facts::of(open(at, path, OFlags::PATH)?.as_fd())
}

/// The same beneath a directory whose mount is known. One component needs no walk: the call that
/// tells what it is follows no link, and says when it is on another mount.
pub(crate) fn look_near((at, mount): (BorrowedFd<'_>, u64), path: &str) -> Result<Facts, FsError> {
    if path.contains('/') {
        return look(at, path);
    }
    let facts = Facts::of_entry(at, path)?;
    if facts.kind == EntryKind::Symlink {
        return Err(FsError::NotRegular);
    }
    if facts.mount == mount { Ok(facts) } else { Err(FsError::CrossesMount) }
}

/// What a directory's entry of this type is.
pub(crate) const fn kind_of(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => EntryKind::Other,
    }
}

/// Whether this is content: a regular file whose only name led here.
fn gate(kind: EntryKind, one_name: bool) -> Result<(), FsError> {
    match kind {
        EntryKind::File if one_name => Ok(()),
        EntryKind::File => Err(FsError::HardLinked),
        EntryKind::Directory => Err(FsError::WrongKind),
        EntryKind::Symlink | EntryKind::Other => Err(FsError::NotRegular),
    }
}

/// What the operating system says about one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) kind: EntryKind,
    pub(crate) ino: u64,
    pub(crate) device: (u32, u32),
    pub(crate) mount: u64,
    pub(crate) size_bytes: u64,
    pub(crate) mode: u32,
    pub(crate) links: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) modified: Moment,
    pub(crate) changed: Moment,
    pub(crate) created: Option<Moment>,
}

/// Seconds and nanoseconds since 1970, as the file system keeps them.
pub(crate) type Moment = (i64, u32);

impl Facts {
    /// About an open handle.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, FsError> {
        Self::from_statx(&statx(fd, "", AtFlags::EMPTY_PATH, Self::mask())?)
    }

    /// About an entry as a listing sees it: a link is a link.
    pub(crate) fn of_entry(
        at: BorrowedFd<'_>,
        name: impl rustix::path::Arg,
    ) -> Result<Self, FsError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Self::from_statx(&statx(at, name, flags, Self::mask())?)
    }

    /// About what stands at a path of the machine. A link at its end is a link.
    pub(crate) fn of_path(path: &Path) -> Result<Self, FsError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Self::from_statx(&statx(CWD, path, flags, Self::mask())?)
    }

    fn mask() -> StatxFlags {
        StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID
    }

    fn from_statx(stat: &Statx) -> Result<Self, FsError> {
        let told = StatxFlags::from_bits_truncate(stat.stx_mask);
        if !told.contains(StatxFlags::BASIC_STATS | StatxFlags::MNT_ID) {
            return Err(FsError::Unsupported("the system does not tell which mount a file is on"));
        }
        let moment = |at: rustix::fs::StatxTimestamp| (at.tv_sec, at.tv_nsec);
        Ok(Self {
            kind: kind_of(FileType::from_raw_mode(u32::from(stat.stx_mode))),
            ino: stat.stx_ino,
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            mount: stat.stx_mnt_id,
            size_bytes: stat.stx_size,
            mode: u32::from(stat.stx_mode) & 0o7777,
            links: stat.stx_nlink,
            user: stat.stx_uid,
            group: stat.stx_gid,
            modified: moment(stat.stx_mtime),
            changed: moment(stat.stx_ctime),
            created: told.contains(StatxFlags::BTIME).then(|| moment(stat.stx_btime)),
        })
    }

    /// Whether this is content: a regular file whose only name led here.
    pub(crate) fn gate(&self) -> Result<(), FsError> {
        gate(self.kind, self.links == 1)
    }

    /// Whether this and `other` are one object. Inode numbers are used again, so both must be held.
    pub(crate) fn is_same_object(&self, other: &Self) -> bool {
        (self.ino, self.device, self.mount) == (other.ino, other.device, other.mount)
    }
}

/// Whether `from` or a directory above it is the object `sought`.
pub(crate) fn is_within(from: BorrowedFd<'_>, sought: &Facts) -> Result<bool, FsError> {
    let mut at =
        openat(from, ".", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mut facts = Facts::of(at.as_fd())?;
    for _ in 0..DEPTH_MAX {
        if (facts.ino, facts.device) == (sought.ino, sought.device) {
            return Ok(true);
        }
        at = openat(&at, "..", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let above = Facts::of(at.as_fd())?;
        if above.is_same_object(&facts) {
            return Ok(false);
        }
        facts = above;
    }
    Ok(true)
}

/// How far up a directory may be from the top. Beyond that it counts as inside.
const DEPTH_MAX: u32 = 4096;

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    #[test]
    fn only_plain_files_below_the_handle_are_content() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let dir = cap_std::fs::Dir::open_ambient_dir(root.path(), cap_std::ambient_authority());
        let dir = dir.unwrap();
        dir.write("plain", "text").unwrap();
        dir.create_dir("folder").unwrap();
        dir.write("one", "x").unwrap();
        dir.hard_link("one", &dir, "two").unwrap();
        symlink("plain", at("link")).unwrap();
        symlink("folder", at("way")).unwrap();
        symlink(outside.path(), at("out")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        rustix::fs::mknodat(&dir, "pipe", FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let check = |path: &str, expect: Result<(), FsError>| {
            assert_eq!(content(dir.as_fd(), path).map(drop), expect, "{path}");
        };
        check("plain", Ok(()));
        check("folder", Err(FsError::WrongKind));
        check("one", Err(FsError::HardLinked));
        check("pipe", Err(FsError::NotRegular));
        check("socket", Err(FsError::NotRegular));
        check("none", Err(FsError::NotFound));
        for path in ["link", "way/x", "out/x", "out"] {
            check(path, Err(FsError::NotRegular));
        }
        check("../x", Err(FsError::CrossesMount));
        check("/etc/hostname", Err(FsError::CrossesMount));
    }
}
