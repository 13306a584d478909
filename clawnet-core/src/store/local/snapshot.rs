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

/// Sled has sixteen values in a page. Larger pages than 128 KiB go to files of their own, which are
/// not flushed with it, and count for nothing in its cache, so that all of them stay there.
const CHUNK_SIZE_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it looks at what sled makes of a folder")]
    fn snapshots_of_many_need_no_files_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(dir.path()).unwrap();
        let logs = || (0..40).map(|nth| OwnerId::from_bytes([nth; 16]));
        let snapshot = Snapshot::new(7, vec![9; 100_000]);
        for _ in 0..3 {
            logs().for_each(|log| keep(&index, log, &snapshot));
        }
        let blobs = std::fs::read_dir(dir.path().join("blobs")).unwrap().count();
        assert_eq!(blobs, 0);
        assert!(logs().all(|log| read(&index, log).as_ref() == Some(&snapshot)));
    }
}
