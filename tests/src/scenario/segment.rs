//! The embedded store's files in the hands of somebody who should not have them.
//!
//! Written from the format's description alone: a header of 32 bytes, then frames of 76 bytes and a
//! payload, and footers of 64 bytes that begin with four bytes of ones.
use std::{io, ops::Range};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::OwnerId;

use super::tampering::Tampering;

/// One record in the bytes of a segment.
struct Place {
    owner: [u8; 16],
    sequence: u64,
    range: Range<usize>,
}

/// Does `tampering` to the records of `owner` in the store at `root`. Says whether it found them.
pub(super) fn tamper(
    root: &std::path::Path,
    owner: OwnerId,
    tampering: Tampering,
) -> io::Result<bool> {
    let dir = Dir::open_ambient_dir(root.join("segments"), ambient_authority())?;
    let mut names = Vec::new();
    for entry in dir.entries()? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        let bytes = dir.read(&name)?;
        let places = places(&bytes);
        let find = |sequence: u64| {
            let mut own = places.iter().filter(|place| place.owner == *owner.as_bytes());
            own.find(|place| place.sequence == sequence).map(|place| place.range.clone())
        };
        if let Some(edited) = edit(&bytes, tampering, find) {
            dir.write(&name, edited)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn edit(
    bytes: &[u8],
    tampering: Tampering,
    find: impl Fn(u64) -> Option<Range<usize>>,
) -> Option<Vec<u8>> {
    let mut edited = bytes.to_vec();
    match tampering {
        Tampering::Flip { record, bit } => {
            let range = find(record)?;
            let payload = range.len().checked_sub(HEAD_SIZE_BYTES).filter(|size| *size > 0)?;
            let bit = usize::try_from(bit).ok()? % (payload * 8);
            *edited.get_mut(range.start + HEAD_SIZE_BYTES + bit / 8)? ^= 1 << (bit % 8);
        }
        Tampering::Cut { record } => edited.truncate(find(record)?.start),
        Tampering::Remove { record } => drop(edited.drain(find(record)?)),
        Tampering::Swap { record, with } => {
            let (a, b) = (find(record.min(with))?, find(record.max(with))?);
            let parts = [
                bytes.get(..a.start)?,
                bytes.get(b.clone())?,
                bytes.get(a.end..b.start)?,
                bytes.get(a)?,
                bytes.get(b.end..)?,
            ];
            edited = parts.concat();
        }
    }
    Some(edited)
}

fn places(bytes: &[u8]) -> Vec<Place> {
    let mut places = Vec::new();
    let mut at = HEADER_SIZE_BYTES;
    while let Some(head) = bytes.get(at..at.saturating_add(HEAD_SIZE_BYTES.min(FOOTER_SIZE_BYTES)))
    {
        let Some(size) = head.first_chunk().map(|size| u32::from_le_bytes(*size)) else { break };
        if size == u32::MAX {
            at += FOOTER_SIZE_BYTES;
            continue;
        }
        let owner = head.get(12..28).and_then(|owner| owner.first_chunk()).copied();
        let sequence = head.get(28..36).and_then(|number| number.first_chunk()).copied();
        let (Some(owner), Some(sequence)) = (owner, sequence) else { break };
        let Ok(size) = usize::try_from(size) else { break };
        let range = at..at.saturating_add(HEAD_SIZE_BYTES).saturating_add(size);
        at = range.end;
        places.push(Place { owner, sequence: u64::from_le_bytes(sequence), range });
    }
    places
}

const HEADER_SIZE_BYTES: usize = 32;
const HEAD_SIZE_BYTES: usize = 76;
const FOOTER_SIZE_BYTES: usize = 64;
