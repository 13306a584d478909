//! Content from one file into another, through both handles, and its digest on the way.
use std::{
    fs::File,
    os::{fd::AsFd, unix::fs::FileExt},
};

use clawnet_core::Digest;

use crate::{
    folders::Folders,
    handle::{self, Facts},
    image::Image,
    path::FsPath,
    refusal::FsError,
};

/// Writes what a file holds and then `bytes`, which together have to be what was planned.
pub(crate) fn lengthen(
    old: Option<(&File, u64)>,
    bytes: &[u8],
    (made, planned): (&File, &Image),
) -> Result<(), FsError> {
    let mut hasher = blake3::Hasher::new();
    let mut from = 0;
    if let Some((old, size_bytes)) = old {
        // What grows meanwhile is another file than planned: its digest tells.
        from = size_bytes.min(planned.size_bytes);
        pour(old, made, from, &mut hasher)?;
    }
    made.write_all_at(bytes, from)?;
    hasher.update(bytes);
    is_planned(planned.hash, &hasher)
}

/// Writes what the file at `from` holds, which has to be what it was.
pub(crate) fn copy(
    folders: &Folders,
    from: &FsPath,
    image: &Image,
    made: &File,
) -> Result<(), FsError> {
    let place = folders.locate(from)?;
    let (file, facts) = handle::content(place.root.handle(), &place.relative())?;
    copy_of(&file, &facts, image, made)
}

/// The same of an open file.
pub(crate) fn copy_of(
    file: &File,
    facts: &Facts,
    image: &Image,
    made: &File,
) -> Result<(), FsError> {
    let unread = Image { hash: None, ..image.clone() };
    let mut hasher = blake3::Hasher::new();
    let same = |facts: &Facts| {
        let found = None;
        let conflict = FsError::Conflict { expected: image.hash, found };
        if unread.is(&Image::seen(facts)) { Ok(()) } else { Err(conflict) }
    };
    same(facts)?;
    pour(file, made, image.size_bytes, &mut hasher)?;
    is_planned(image.hash, &hasher)?;
    same(&Facts::of(file.as_fd())?)
}

fn is_planned(planned: Option<Digest>, hasher: &blake3::Hasher) -> Result<(), FsError> {
    let found = Some(Digest::from_bytes(*hasher.finalize().as_bytes()));
    if found == planned { Ok(()) } else { Err(FsError::Conflict { expected: planned, found }) }
}

/// Copies the first `size_bytes` of a file, and takes their digest on the way. Where the file
/// system can share them they are shared.
fn pour(
    from: &File,
    to: &File,
    size_bytes: u64,
    hasher: &mut blake3::Hasher,
) -> Result<(), FsError> {
    let shared = rustix::fs::ioctl_ficlone(to, from).is_ok();
    let source = if shared { to } else { from };
    let capacity = usize::try_from(size_bytes.min(CHUNK_BYTES)).unwrap_or_default();
    let mut buffer = vec![0; capacity];
    let mut offset = 0;
    while offset < size_bytes {
        let room = usize::try_from((size_bytes - offset).min(CHUNK_BYTES)).unwrap_or_default();
        let read = source.read_at(buffer.get_mut(..room).unwrap_or_default(), offset)?;
        if read == 0 {
            break;
        }
        let bytes = buffer.get(..read).unwrap_or_default();
        hasher.update(bytes);
        if !shared {
            to.write_all_at(bytes, offset)?;
        }
        offset += read as u64;
    }
    if shared {
        // The file may have grown since it was measured.
        to.set_len(size_bytes)?;
    }
    Ok(())
}

const CHUNK_BYTES: u64 = 256 * 1024;
