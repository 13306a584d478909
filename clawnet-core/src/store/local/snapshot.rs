//! Snapshots: kept by the index, in chunks, behind a digest. A bad one is as good as none.
use super::index::Index;
use crate::{digest::Digest, id::OwnerId, store::Snapshot};

/// Keeps a snapshot in place of the one before it, or loses it.
pub(super) fn keep(index: &Index, log: OwnerId, snapshot: &Snapshot) {
    let sequence = snapshot.sequence.to_le_bytes();
    let digest = digest(sequence, &snapshot.state);
    let head = [sequence.as_slice(), digest.as_bytes()].concat();
    let chunks = snapshot.state.chunks(CHUNK_SIZE_BYTES);
    index.keep_chunks(log, &std::iter::once(head.as_slice()).chain(chunks).collect::<Vec<_>>());
}

/// The last snapshot kept, if every byte of it is still there.
pub(super) fn read(index: &Index, log: OwnerId) -> Option<Snapshot> {
    let whole = index.chunks(log);
    let (sequence, rest) = whole.split_first_chunk()?;
    let (expected, state) = rest.split_first_chunk()?;
    let whole = digest(*sequence, state) == Digest::from_bytes(*expected);
    whole.then(|| Snapshot::new(u64::from_le_bytes(*sequence), state.to_vec()))
}

fn digest(sequence: [u8; 8], state: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("clawnet 2026 store snapshot v1");
    hasher.update(&sequence).update(state);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// Larger values go to files of their own in sled, and those are not flushed with it.
const CHUNK_SIZE_BYTES: usize = 32 << 10;
