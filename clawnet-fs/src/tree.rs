//! Everything beneath a directory, looked at before any of it is moved, deleted or copied.
//!
//! One rename takes a directory with all it holds, so all of it is looked at first, by name and
//! kind: what an agent could not name by itself does not go along unseen.
use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use clawnet_core::Digest;
use rustix::fs::{Mode, OFlags, mkdirat, openat};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind, Facts},
    image::{self, Image},
    path::{self, FsPath},
    pour,
    refusal::{FsError, within},
};

/// How many entries a directory may hold, at any depth, to be moved or deleted as a whole.
pub(crate) const MOVED_ENTRIES_MAX: u64 = 100_000;
/// How many to be copied.
pub(crate) const COPIED_ENTRIES_MAX: u64 = 1000;
/// How many bytes a copy has.
pub(crate) const COPIED_BYTES_MAX: u64 = 1 << 30;

/// Refuses a directory that cannot go as a whole: it holds a name that is protected, another mount,
/// a declared folder, or more than can be looked at.
pub(crate) fn may_go(folders: &Folders, place: &Place<'_, '_>) -> Result<(), FsError> {
    let top = handle::directory(place.root.handle(), &place.relative())?;
    folders.is_none_of_them(&Facts::of(top.as_fd())?)?;
    walk(folders, top.as_fd(), MOVED_ENTRIES_MAX, &mut |_, _, _, _| Ok(()))
}

/// What a copy of a directory will be.
#[derive(Debug)]
pub(crate) struct Tree {
    from: FsPath,
    top: Image,
    /// Each with its path below the top, directories before what they hold.
    entries: Vec<(String, Image)>,
}

impl Tree {
    /// Looks at all of a directory, and reads its files.
    pub(crate) fn of(folders: &Folders, from: &FsPath) -> Result<Self, FsError> {
        folders.holds_no_other(from)?;
        let place = folders.locate(from)?;
        let top = handle::directory(place.root.handle(), &place.relative())?;
        let mut entries = Vec::new();
        let mut size_bytes = 0;
        walk(folders, top.as_fd(), COPIED_ENTRIES_MAX, &mut |at, below, name, facts| {
            if !path::is_plain(name) {
                return Err(FsError::InvalidName);
            }
            if facts.kind == EntryKind::Directory {
                entries.push((joined(below, name), Image::seen(facts)));
                return Ok(());
            }
            facts.gate()?;
            let (file, facts) = handle::content(at, name)?;
            size_bytes += facts.size_bytes;
            within("the size of a copy", size_bytes, COPIED_BYTES_MAX)?;
            let hash = Some(image::digest(&file, facts.size_bytes)?);
            entries.push((joined(below, name), Image { hash, ..Image::seen(&facts) }));
            Ok(())
        })?;
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        let top = Image::seen(&Facts::of(top.as_fd())?);
        Ok(Self { from: from.clone(), top, entries })
    }

    pub(crate) const fn from(&self) -> &FsPath {
        &self.from
    }

    pub(crate) const fn mode(&self) -> u32 {
        self.top.mode
    }

    /// How many files it has, and how many bytes they hold.
    pub(crate) fn files(&self) -> (u64, u64) {
        let files = self.entries.iter().filter(|(_, image)| image.kind == EntryKind::File);
        files.fold((0, 0), |(count, size), (_, image)| (count + 1, size + image.size_bytes))
    }

    /// What the copy will be: a directory that holds this.
    pub(crate) fn planned(&self) -> Image {
        let hash = Some(digest(&self.entries));
        let size_bytes = u64::from(!self.entries.is_empty());
        Image { size_bytes, hash, ..Image::planned_directory() }
    }

    /// Makes the copy in `made`, an empty directory in the store.
    pub(crate) fn build(
        &self,
        folders: &Folders,
        made: &File,
        lasting: bool,
    ) -> Result<(), FsError> {
        let from = folders.locate(&self.from)?;
        let source = handle::directory(from.root.handle(), &from.relative())?;
        for (below, image) in &self.entries {
            if image.kind == EntryKind::Directory {
                mkdirat(made, below, Mode::from(image.mode & 0o777) | Mode::RWXU)?;
                continue;
            }
            let (file, facts) = handle::content(source.as_fd(), below)?;
            let flags =
                OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let bits = Mode::from(image.mode & 0o777) | Mode::RUSR;
            let new = File::from(openat(made, below, flags, bits)?);
            pour::copy_of(&file, &facts, image, &new)?;
            if lasting {
                new.sync_all()?;
            }
        }
        let directories = self.entries.iter().filter(|(_, i)| i.kind == EntryKind::Directory);
        for (below, _) in directories.filter(|_| lasting) {
            rustix::fs::fsync(handle::directory(made.as_fd(), below)?)?;
        }
        Ok(())
    }
}

/// The digest of all that a directory holds: names, kinds, content.
pub(crate) fn digest_of(directory: BorrowedFd<'_>) -> Result<Digest, FsError> {
    let mut entries = Vec::new();
    let plain = Folders::new();
    walk(&plain, directory, COPIED_ENTRIES_MAX, &mut |at, below, name, facts| {
        let mut image = Image::seen(facts);
        if facts.kind == EntryKind::File {
            let (file, facts) = handle::content(at, name)?;
            image.hash = Some(image::digest(&file, facts.size_bytes)?);
        }
        entries.push((joined(below, name), image));
        Ok(())
    })?;
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(digest(&entries))
}

fn digest(entries: &[(String, Image)]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (path, image) in entries {
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path.as_bytes());
        let kind = match image.kind {
            EntryKind::Directory => 1,
            EntryKind::File => 2,
            EntryKind::Symlink | EntryKind::Other => 3,
        };
        hasher.update(&[kind]);
        hasher.update(image.hash.unwrap_or(Digest::ZERO).as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

fn joined(below: &str, name: &str) -> String {
    if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") }
}

/// What to do about one entry: the directory that holds it, where that is, its name and its looks.
type Each<'e> = dyn FnMut(BorrowedFd<'_>, &str, &str, &Facts) -> Result<(), FsError> + 'e;

/// Goes over everything beneath an open directory.
fn walk(
    folders: &Folders,
    top: BorrowedFd<'_>,
    max: u64,
    each: &mut Each<'_>,
) -> Result<(), FsError> {
    let mount = Facts::of(top)?.mount;
    let mut seen = 0;
    let mut ahead = vec![String::new()];
    while let Some(below) = ahead.pop() {
        let at = if below.is_empty() { "." } else { &below };
        let directory: OwnedFd = handle::directory(top, at)?;
        if !below.is_empty() {
            folders.is_none_of_them(&Facts::of(directory.as_fd())?)?;
        }
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            seen += 1;
            within("the number of entries beneath it", seen, max)?;
            let name = name.to_string_lossy();
            folders.judge(&name)?;
            let facts = Facts::of_entry(directory.as_fd(), entry.file_name())?;
            if facts.mount != mount {
                return Err(FsError::CrossesMount);
            }
            each(directory.as_fd(), &below, &name, &facts)?;
            if facts.kind == EntryKind::Directory {
                let name = entry.file_name().to_str().map_err(|_| FsError::InvalidName)?;
                ahead.push(joined(&below, name));
            }
        }
    }
    Ok(())
}
