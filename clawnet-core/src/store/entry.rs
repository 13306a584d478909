//! Entries a replay rebuilds, in the order of their keys: what a ledger looks its records up by.
use std::{collections::BTreeMap, fmt, ops::Bound};

use super::StoreError;

/// A value under a key, kept by [`Store::keep_index`](super::Store::keep_index).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexEntry {
    /// What it is found and ordered by, at most [`IndexEntry::KEY_SIZE_BYTES_MAX`].
    pub key: Vec<u8>,
    /// What is found, at most [`IndexEntry::VALUE_SIZE_BYTES_MAX`].
    pub value: Vec<u8>,
}

impl IndexEntry {
    /// The largest key: 64 bytes.
    pub const KEY_SIZE_BYTES_MAX: usize = 64;
    /// The largest value: 16 KiB.
    pub const VALUE_SIZE_BYTES_MAX: usize = 16 << 10;

    /// An entry of these parts.
    #[must_use]
    pub fn new(key: Vec<u8>, value: Vec<u8>) -> Self {
        Self { key, value }
    }
}

impl fmt::Debug for IndexEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexEntry of {} and {} bytes", self.key.len(), self.value.len())
    }
}

/// Which entries are asked for, and how many at most.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexRange {
    /// The first key.
    pub from: Vec<u8>,
    /// The first key that is not meant any more. At or before `from`, nothing is.
    pub to: Vec<u8>,
    /// The last entry first.
    pub descending: bool,
    /// How many entries an answer has at most.
    pub count_max: usize,
}

impl IndexRange {
    /// The keys from `from` on that are before `to`, in ascending order.
    #[must_use]
    pub fn between(from: Vec<u8>, to: Vec<u8>, count_max: usize) -> Self {
        Self { from, to, descending: false, count_max }
    }

    /// The keys that begin with `prefix`, in ascending order.
    #[must_use]
    pub fn prefix(prefix: &[u8], count_max: usize) -> Self {
        // A key that begins with `prefix` is shorter, or differs before the end.
        let behind = prefix.iter().copied().chain(std::iter::repeat(u8::MAX));
        let size_bytes = prefix.len().max(IndexEntry::KEY_SIZE_BYTES_MAX).saturating_add(1);
        Self::between(prefix.to_vec(), behind.take(size_bytes).collect(), count_max)
    }

    /// The same keys in descending order.
    #[must_use]
    pub fn descending(self) -> Self {
        Self { descending: true, ..self }
    }
}

/// Entries of one log, in memory.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<Vec<u8>, Vec<u8>>);

impl Entries {
    /// Keeps `entries` in place of those of the same keys.
    pub(super) fn keep(&mut self, entries: Vec<IndexEntry>) {
        self.0.extend(entries.into_iter().map(|IndexEntry { key, value }| (key, value)));
    }

    /// Those in `range`, in its order.
    pub(super) fn range(&self, range: &IndexRange) -> Vec<IndexEntry> {
        if range.from >= range.to {
            return Vec::new();
        }
        let bounds = (Bound::Included(&range.from), Bound::Excluded(&range.to));
        let found = self.0.range::<Vec<u8>, _>(bounds);
        let entry =
            |(key, value): (&Vec<u8>, &Vec<u8>)| IndexEntry::new(key.clone(), value.clone());
        if range.descending {
            found.rev().take(range.count_max).map(entry).collect()
        } else {
            found.take(range.count_max).map(entry).collect()
        }
    }
}

/// Refuses an entry that is too large.
pub(super) fn checked(entries: &[IndexEntry]) -> Result<(), StoreError> {
    for entry in entries {
        for (size_bytes, size_bytes_max) in [
            (entry.key.len(), IndexEntry::KEY_SIZE_BYTES_MAX),
            (entry.value.len(), IndexEntry::VALUE_SIZE_BYTES_MAX),
        ] {
            if size_bytes > size_bytes_max {
                return Err(StoreError::TooLarge { size_bytes, size_bytes_max });
            }
        }
    }
    Ok(())
}
