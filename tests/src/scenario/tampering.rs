//! What somebody with the disk can do to records.
use std::sync::Arc;

use clawnet_core::{Digest, Frame, OwnerId};

/// One edit behind the kernel's back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tampering {
    /// Changes one bit of a record.
    Flip { record: u64, bit: u64 },
    /// Takes a record and all after it away.
    Cut { record: u64 },
    /// Takes one record away.
    Remove { record: u64 },
    /// Puts two records in each other's place.
    Swap { record: u64, with: u64 },
}

impl Tampering {
    /// Edits a log in memory. Says whether the records were there.
    pub(super) fn edit(self, frames: &mut Vec<Frame>) -> bool {
        let place = |record: u64| {
            let place = usize::try_from(record.checked_sub(1)?).ok()?;
            (place < frames.len()).then_some(place)
        };
        match self {
            Self::Flip { record, bit } => {
                let Some(frame) = place(record).and_then(|at| frames.get_mut(at)) else {
                    return false;
                };
                let Ok(bit) = usize::try_from(bit) else { return false };
                let bit = bit % (frame.payload.len() * 8).max(1);
                let payload = Arc::make_mut(&mut frame.payload);
                let Some(byte) = payload.get_mut(bit / 8) else { return false };
                *byte ^= 1 << (bit % 8);
            }
            Self::Cut { record } => {
                let Some(at) = place(record) else { return false };
                frames.truncate(at);
            }
            Self::Remove { record } => {
                let Some(at) = place(record) else { return false };
                drop(frames.remove(at));
            }
            Self::Swap { record, with } => {
                let (Some(a), Some(b)) = (place(record), place(with)) else { return false };
                frames.swap(a, b);
            }
        }
        true
    }
}

/// Numbers the records anew and gives each the hash it should have: what somebody does who has the
/// disk and knows the format, and lacks nothing but the owner's key.
pub(super) fn rehash(owner: OwnerId, frames: &mut [Frame]) {
    let mut previous = Digest::from_bytes([0; 32]);
    for (frame, sequence) in frames.iter_mut().zip(1_u64..) {
        frame.sequence = sequence;
        frame.hash = chain((owner, sequence), previous, &frame.payload);
        previous = frame.hash;
    }
}

/// The hash a record of this payload has at its place, by the format's description alone.
pub(super) fn chain((owner, sequence): (OwnerId, u64), previous: Digest, payload: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("clawnet 2026 ledger chain v1");
    let length = (payload.len() as u64).to_le_bytes();
    let sequence = sequence.to_le_bytes();
    let parts: [&[u8]; 5] = [owner.as_bytes(), &sequence, previous.as_bytes(), &length, payload];
    for part in parts {
        hasher.update(part);
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
