//! Retention: old segments are copied to an archive, verified there, and only then let go here.
use std::io::{self, ErrorKind};

use super::{
    disk::Disk,
    io_failed,
    queue::Queue,
    segment::{self, Position},
    segments::{Loaded, Segments},
    stub::{self, Seal, Stub},
};
use crate::{digest::Digest, store::StoreError};

/// What was moved to an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archived {
    /// How many segments.
    pub segments: usize,
    /// How many bytes they have.
    pub size_bytes: u64,
}

/// A store's segments, as they are moved.
#[derive(Debug)]
pub(super) struct Moving<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) segments: &'a Segments,
    pub(super) queue: &'a Queue,
}

impl Moving<'_> {
    /// Moves to `archive` the sealed segments that are here, but for the last `keep_segments`.
    pub(super) fn run(
        &self,
        archive: &dyn Disk,
        keep_segments: usize,
    ) -> Result<Archived, StoreError> {
        let active = self.queue.flushed().position.segment;
        let keep = u32::try_from(keep_segments).unwrap_or(u32::MAX);
        let mut moved = Archived::default();
        for number in 1..active.saturating_sub(keep) {
            // Before each one, for a store that failed or is damaged keeps what it has.
            self.queue.writable()?;
            if let Loaded::Bytes(bytes) = self.segments.load_own(number)? {
                self.one(archive, number, &bytes)?;
                moved.segments = moved.segments.saturating_add(1);
                moved.size_bytes = moved.size_bytes.saturating_add(bytes.len() as u64);
            }
        }
        Ok(moved)
    }

    /// Moves one segment. After each step the segment is whole in one place at least, and what is
    /// here says which.
    fn one(&self, archive: &dyn Disk, number: u32, bytes: &[u8]) -> Result<(), StoreError> {
        let stub = Stub::of(number, bytes)?;
        let name = segment::name(number);
        let failed = |source| io_failed(&format!("copying {name} to the archive"), source);
        match found(archive, &stub.seal)? {
            None => archive.keep(&name, bytes).map_err(failed)?,
            // It was copied before, and then something failed.
            Some(same) if same == stub.seal.digest => {}
            // All that somebody else has left, maybe.
            Some(_) => return Err(failed(ErrorKind::AlreadyExists.into())),
        }
        if found(archive, &stub.seal)? != Some(stub.seal.digest) {
            let what = "the archive's copy is not what was written".to_owned();
            return Err(io_failed(&format!("verifying {name}"), io::Error::other(what)));
        }
        let failed = |source| {
            self.queue.poison();
            io_failed(&format!("replacing {name}"), source)
        };
        self.disk.keep(&stub::name(number), &stub.to_bytes()).map_err(failed)?;
        // INVARIANT: whoever finds the segment gone finds that it is archived.
        self.segments.archive(stub.seal);
        self.disk.remove(&name).map_err(failed)
    }
}

/// The digest of what the archive has under the segment's name; zero if it is of another size.
fn found(archive: &dyn Disk, seal: &Seal) -> Result<Option<Digest>, StoreError> {
    let name = segment::name(seal.segment);
    let failed = |source| io_failed(&format!("reading {name} in the archive"), source);
    match archive.size_bytes(&name).map_err(failed)? {
        None => Ok(None),
        Some(size_bytes) if size_bytes != u64::from(seal.size_bytes) => Ok(Some(Digest::ZERO)),
        Some(_) => {
            let bytes = segment::tail(archive, Position { segment: seal.segment, offset: 0 })?;
            Ok(Some(Digest::of_content(&bytes)))
        }
    }
}
