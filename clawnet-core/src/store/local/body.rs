//! Bodies: content beside the log that can be erased, one file each, named by owner and digest.
use super::{disk::Disk, io_failed, queue::Queue};
use crate::{digest::Digest, id::OwnerId, store::StoreError};

/// The largest body, and the largest snapshot: 64 MiB.
pub(super) const SIZE_BYTES_MAX: usize = 64 << 20;

/// A body's file, whose it is and what it is.
pub(super) type Named = (String, OwnerId, Digest);

/// Keeps a body, durable when it returns. A failure is a failed write, and poisons.
pub(super) fn keep(
    disk: &dyn Disk,
    queue: &Queue,
    log: OwnerId,
    body: &[u8],
) -> Result<Digest, StoreError> {
    queue.writable()?;
    checked_size(body.len())?;
    let digest = Digest::of_content(body);
    let name = name(log, digest);
    disk.keep(&name, body).map_err(|source| {
        queue.poison();
        io_failed(&format!("keeping {name}"), source)
    })?;
    Ok(digest)
}

/// Reads a body, and compares it with its digest.
pub(super) fn read(
    disk: &dyn Disk,
    log: OwnerId,
    digest: Digest,
) -> Result<Option<Vec<u8>>, StoreError> {
    let name = name(log, digest);
    let failed = |source| io_failed(&format!("reading {name}"), source);
    let Some(size_bytes) = disk.size_bytes(&name).map_err(failed)? else { return Ok(None) };
    let size_bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    let what = "a body is not what its digest says".to_owned();
    let damaged = StoreError::Damaged { position: name.clone(), what };
    if size_bytes > SIZE_BYTES_MAX {
        return Err(damaged);
    }
    let mut body = vec![0; size_bytes];
    let read = disk.read_at(&name, 0, &mut body).map_err(failed)?;
    body.truncate(read);
    if Digest::of_content(&body) == digest { Ok(Some(body)) } else { Err(damaged) }
}

/// Removes a body, durable when it returns. A failure is a failed write, and poisons.
pub(super) fn erase(
    disk: &dyn Disk,
    queue: &Queue,
    log: OwnerId,
    digest: Digest,
) -> Result<(), StoreError> {
    queue.writable()?;
    let name = name(log, digest);
    disk.remove(&name).map_err(|source| {
        queue.poison();
        io_failed(&format!("erasing {name}"), source)
    })
}

/// The bodies there are. Other files are left alone.
pub(super) fn all(disk: &dyn Disk) -> Result<Vec<Named>, StoreError> {
    let files = disk.list("bodies").map_err(|source| io_failed("listing bodies", source))?;
    let parse = |file: &String| {
        let (log, digest) = file.rsplit_once('-')?;
        let (log, digest) = (log.parse().ok()?, digest.parse().ok()?);
        Some((name(log, digest), log, digest))
    };
    Ok(files.iter().filter_map(parse).collect())
}

/// Refuses what is too large to be kept whole.
pub(super) fn checked_size(size_bytes: usize) -> Result<(), StoreError> {
    let size_bytes_max = SIZE_BYTES_MAX;
    if size_bytes > size_bytes_max {
        return Err(StoreError::TooLarge { size_bytes, size_bytes_max });
    }
    Ok(())
}

fn name(log: OwnerId, digest: Digest) -> String {
    format!("bodies/{log}-{digest}")
}
