//! What something was: enough of it to tell later whether it is still the same.
use std::{
    fs::File,
    os::{fd::BorrowedFd, unix::fs::FileExt},
};

use clawnet_core::{Digest, Version};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{
    handle::{self, EntryKind, Facts, Moment},
    refusal::FsError,
};

/// One state of a file or directory.
///
/// The change time is not part of being the same: both renames of an exchange change it. It only
/// seals what lies in the store, where nobody has business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Image {
    pub(crate) kind: EntryKind,
    pub(crate) ino: u64,
    /// Of a directory: 0 if it is empty, 1 if it holds something.
    pub(crate) size_bytes: u64,
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) modified: Moment,
    pub(crate) changed: Moment,
    /// Of a file of at most [`HASHED_BYTES_MAX`], or one the node wrote itself; and of a directory
    /// that the node filled, of all it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hash: Option<Digest>,
}

/// The largest file that is hashed to tell whether it changed: 1 MiB.
pub(crate) const HASHED_BYTES_MAX: u64 = 1 << 20;

impl Image {
    /// What is at `path`: none if nothing is, a refusal if it is no content of ours to touch.
    pub(crate) fn at(at: BorrowedFd<'_>, path: &str) -> Result<Option<Self>, FsError> {
        match Self::open(at, path) {
            Ok((_, image)) => Ok(Some(image)),
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same, and the handle it was seen through.
    pub(crate) fn open(at: BorrowedFd<'_>, path: &str) -> Result<(File, Self), FsError> {
        Self::open_whole(at, path).map(|(file, _, image)| (file, image))
    }

    /// The same, with all its looks.
    pub(crate) fn open_whole(
        at: BorrowedFd<'_>,
        path: &str,
    ) -> Result<(File, Facts, Self), FsError> {
        let fd = handle::open(at, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let file = File::from(fd);
        let facts = Facts::of(rustix::fd::AsFd::as_fd(&file))?;
        let image = Self::read(&file, &facts)?;
        Ok((file, facts, image))
    }

    /// The same, of something whose content is of no interest here.
    pub(crate) fn open_unread(at: BorrowedFd<'_>, path: &str) -> Result<(File, Facts), FsError> {
        let fd = handle::open(at, path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let facts = Facts::of(rustix::fd::AsFd::as_fd(&fd))?;
        if facts.kind != EntryKind::Directory {
            facts.gate()?;
        }
        Ok((File::from(fd), facts))
    }

    /// What an open file or directory is, whose looks were just taken.
    pub(crate) fn read(file: &File, facts: &Facts) -> Result<Self, FsError> {
        let mut image = Self::seen(facts);
        if facts.kind == EntryKind::Directory {
            image.size_bytes = u64::from(!is_empty(file)?);
            return Ok(image);
        }
        facts.gate()?;
        if facts.size_bytes <= HASHED_BYTES_MAX {
            image.hash = Some(digest(file, facts.size_bytes)?);
        }
        Ok(image)
    }

    /// What something is by its looks alone, unread.
    pub(crate) const fn seen(facts: &Facts) -> Self {
        Self {
            kind: facts.kind,
            ino: facts.ino,
            size_bytes: facts.size_bytes,
            mode: facts.mode,
            user: facts.user,
            group: facts.group,
            modified: facts.modified,
            changed: facts.changed,
            hash: None,
        }
    }

    /// The same plan, now that the thing is made.
    pub(crate) fn made(self, facts: &Facts) -> Self {
        Self { size_bytes: self.size_bytes, hash: self.hash, ..Self::seen(facts) }
    }

    /// What a file with this content will be, before it has an inode.
    pub(crate) const fn planned(size_bytes: u64, digest: Digest) -> Self {
        let kind = EntryKind::File;
        Self { kind, size_bytes, hash: Some(digest), ..Self::planned_directory() }
    }

    /// What a new directory will be.
    pub(crate) const fn planned_directory() -> Self {
        Self {
            kind: EntryKind::Directory,
            ino: 0,
            size_bytes: 0,
            mode: 0,
            user: 0,
            group: 0,
            modified: (0, 0),
            changed: (0, 0),
            hash: None,
        }
    }

    /// Whether `other` is this very object in this very state.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let hashes_agree = self.hash.is_none() || other.hash.is_none() || self.hash == other.hash;
        let known = self.hash.is_some() && other.hash.is_some();
        let directory = self.kind == EntryKind::Directory && (self.size_bytes == 0 || known);
        self.kind == other.kind
            && self.ino == other.ino
            && self.size_bytes == other.size_bytes
            && self.belongs_as(other)
            && (directory || self.modified == other.modified)
            && hashes_agree
    }

    /// Whether it is a directory that holds something.
    pub(crate) const fn holds(&self) -> bool {
        matches!(self.kind, EntryKind::Directory) && self.size_bytes > 0
    }

    /// Whether both have the same mode, owner and group.
    pub(crate) fn belongs_as(&self, other: &Self) -> bool {
        (self.mode, self.user, self.group) == (other.mode, other.user, other.group)
    }

    /// The same, of something that is moved without being looked into: a directory has to be the
    /// same one, whatever it holds.
    pub(crate) fn is_still(&self, other: &Self) -> bool {
        let directories = (self.kind, other.kind) == (EntryKind::Directory, EntryKind::Directory);
        if directories { self.ino == other.ino } else { self.is(other) }
    }

    /// The same, of something that is taken back: what a directory holds, and so when it last
    /// changed, may be what earlier steps of the way back left. One that was left empty is empty.
    pub(crate) fn is_left(&self, other: &Self) -> bool {
        let unread = self.kind == EntryKind::Directory && self.hash.is_none();
        if unread && self.size_bytes > 0 {
            return self.is_still(other) && self.belongs_as(other);
        }
        self.is(other)
    }

    /// Whether `other` holds the same: by content where it is known, else as the same object.
    pub(crate) fn holds_what(&self, other: &Self) -> bool {
        match (self.kind, self.hash, other.hash) {
            (EntryKind::File, Some(mine), Some(theirs)) => {
                other.kind == EntryKind::File && mine == theirs
            }
            _ => self.is(other),
        }
    }

    /// Whether what was put away is still so, untouched: by hash, or by a change time that nobody
    /// can set back.
    pub(crate) fn seals(&self, other: &Self) -> bool {
        self.is(other)
            && (self.hash.is_some() && other.hash.is_some() || self.changed == other.changed)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ino.to_le_bytes());
        out.extend_from_slice(&self.size_bytes.to_le_bytes());
        for number in [self.mode, self.user, self.group] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.modified.0.to_le_bytes());
        out.extend_from_slice(&self.modified.1.to_le_bytes());
        out.extend_from_slice(self.hash.unwrap_or(Digest::ZERO).as_bytes());
    }
}

/// What an approval binds to: the state of everything a change is about.
pub(crate) fn version(images: &[Option<&Image>]) -> Version {
    if images.iter().all(Option::is_none) {
        return Version::absent();
    }
    let mut bytes = Vec::new();
    for image in images {
        bytes.push(u8::from(image.is_some()));
        if let Some(image) = image {
            image.encode(&mut bytes);
        }
    }
    Version::of(&[&bytes])
}

/// The BLAKE3 digest of the first `size_bytes` of a file, read through its handle.
pub(crate) fn digest(file: &File, size_bytes: u64) -> Result<Digest, FsError> {
    let mut hasher = blake3::Hasher::new();
    digest_into(&mut hasher, file, size_bytes)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

/// The same, as the beginning of something longer.
pub(crate) fn digest_into(
    hasher: &mut blake3::Hasher,
    file: &File,
    size_bytes: u64,
) -> Result<(), FsError> {
    let capacity = usize::try_from(size_bytes.min(CHUNK_BYTES)).unwrap_or_default();
    let mut buffer = vec![0; capacity.max(1)];
    let mut offset = 0;
    while offset < size_bytes {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            break;
        }
        hasher.update(buffer.get(..read).unwrap_or_default());
        offset += read as u64;
    }
    Ok(())
}

const CHUNK_BYTES: u64 = 64 * 1024;

/// Whether an open directory holds nothing.
fn is_empty(directory: &File) -> Result<bool, FsError> {
    let mut entries = rustix::fs::Dir::read_from(directory)?;
    while let Some(entry) = entries.next().transpose()? {
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}
