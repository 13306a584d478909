//! The tree over the records as it grows: hashed off the ledger's lock, many records at once.
//!
//! A row is 64 neighbouring nodes of one level, of which every sixth is kept: whole rows in the
//! store's index, the last and unfinished one of each level in memory and in snapshots. So a proof
//! costs a few rows and 64 records, however large the ledger, and 2 KiB are kept for 4096 records.
//! The leaves themselves are not kept twice: they follow from the records.
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Inner, Ledger, Locked};
use crate::{
    digest::Digest,
    store::{Frame, Head, IndexEntry, StoreError},
    tree::{Frontier, NodeAt, TreeHash},
};

/// The growing edge of the tree: what goes on from here, and the rows that are not whole yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// By level.
    rows: BTreeMap<u8, Vec<TreeHash>>,
    tree: Frontier,
    /// Whole rows that are not kept yet.
    #[serde(skip)]
    whole: Vec<(NodeAt, Vec<TreeHash>)>,
    /// Rows far up, of which there are few and every proof needs one.
    #[serde(skip)]
    upper: BTreeMap<NodeAt, Vec<TreeHash>>,
}

/// How many rows are remembered: those of 64 million records.
const UPPER_MAX: usize = 256;

/// How many levels of the tree a row spans; a row has two to the power of this nodes.
pub(super) const ROW_LEVELS: u8 = 6;
/// How many nodes a whole row has.
pub(super) const ROW: usize = 1 << ROW_LEVELS;

impl Edge {
    pub(crate) fn tree(&self) -> &Frontier {
        &self.tree
    }

    /// Adds the record at the next place.
    pub(crate) fn push(&mut self, sequence: u64, hash: Digest) {
        let Self { rows, tree, whole, .. } = self;
        tree.push(TreeHash::leaf(sequence, hash), |at, node| {
            if at.level % ROW_LEVELS != 0 {
                return;
            }
            let row = rows.entry(at.level).or_default();
            row.push(node);
            if row.len() < ROW {
                return;
            }
            if at.level == 0 {
                row.clear();
            } else {
                whole.push((row_at(at), std::mem::take(row)));
            }
        });
    }

    /// The unfinished row of a level, if it is the one at `at`.
    pub(super) fn open_row(&self, at: NodeAt) -> Option<&[TreeHash]> {
        let row = self.rows.get(&at.level)?;
        let begun = self.tree.size() >> (at.level + ROW_LEVELS);
        (begun == at.index).then_some(row)
    }

    /// A node that is here: a peak of the tree, or one that follows from an unfinished row.
    pub(super) fn node(&self, at: NodeAt) -> Option<TreeHash> {
        self.tree.peak(at).or_else(|| {
            let first = first_of(at);
            node_in(self.open_row(row_at(first))?, at)
        })
    }

    /// A row far up, if it is remembered.
    pub(super) fn upper_row(&self, at: NodeAt) -> Option<&[TreeHash]> {
        self.upper.get(&at).map(Vec::as_slice)
    }

    /// Remembers a row, if it is far up.
    pub(super) fn remember(&mut self, at: NodeAt, row: &[TreeHash]) {
        if at.level > ROW_LEVELS {
            if self.upper.len() >= UPPER_MAX {
                self.upper.clear();
            }
            self.upper.insert(at, row.to_vec());
        }
    }

    /// The rows that became whole since this was last asked.
    pub(super) fn take_whole(&mut self) -> Vec<(NodeAt, Vec<TreeHash>)> {
        std::mem::take(&mut self.whole)
    }
}

/// The first of the nodes that rows keep of those a node is made of.
pub(super) fn first_of(at: NodeAt) -> NodeAt {
    let above = at.level % ROW_LEVELS;
    NodeAt { level: at.level - above, index: at.index << above }
}

/// A node, of the row that keeps what it is made of.
pub(super) fn node_in(row: &[TreeHash], at: NodeAt) -> Option<TreeHash> {
    let start = usize::try_from(first_of(at).index % ROW as u64).ok()?;
    let count = 1 << (at.level % ROW_LEVELS);
    let mut nodes: SmallVec<[TreeHash; 32]> = row.get(start..start + count)?.into();
    while nodes.len() > 1 {
        let pairs = nodes.chunks_exact(2);
        let above = pairs.filter_map(|pair| Some(TreeHash::node(pair.first()?, pair.last()?)));
        nodes = above.collect();
    }
    nodes.first().copied()
}

/// Which row a node stands in: its level, and the row's place in it.
pub(super) fn row_at(node: NodeAt) -> NodeAt {
    NodeAt { level: node.level, index: node.index >> ROW_LEVELS }
}

/// Chain hashes of the last records, so that the tree seldom has to read what was just written.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<Digest>);

impl Recent {
    const COUNT_MAX: usize = 8192;

    pub(super) fn push(&mut self, hash: Digest) {
        if self.0.len() >= Self::COUNT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(hash);
    }

    /// The hashes of records `first` to `last` of a ledger that ends at `head`, if all are
    /// remembered.
    pub(super) fn between(&self, (first, last): (u64, u64), head: Head) -> Option<Vec<Digest>> {
        if last > head.sequence {
            return None;
        }
        let count = usize::try_from(last.checked_sub(first)?.checked_add(1)?).ok()?;
        Some(self.since(first, head)?.take(count).collect())
    }

    /// The hashes from `sequence` on in a ledger that ends at `head`, if all are remembered.
    fn since(&self, sequence: u64, head: Head) -> Option<impl Iterator<Item = Digest>> {
        let missing = usize::try_from(head.sequence.saturating_add(1).checked_sub(sequence)?);
        let known = self.0.len().checked_sub(missing.ok()?)?;
        Some(self.0.iter().skip(known).copied())
    }
}

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 1 << 20;

impl Ledger {
    /// Brings the tree up to the present, and keeps its rows. What cannot be kept is made again
    /// from the records when it is needed.
    pub(crate) async fn grow(&self) -> Result<(), StoreError> {
        let whole = loop {
            match self.grow_by_recent() {
                Ok(whole) => break whole,
                Err(next) => self.grow_from(next).await?,
            }
        };
        if !whole.is_empty() {
            let entries = whole.iter().map(|(at, row)| row_entry(*at, row)).collect();
            drop(self.store.keep_index(self.owner, entries).await);
        }
        Ok(())
    }

    /// Adds what is remembered, and gives the rows that became whole; or says which record is to
    /// be read first.
    fn grow_by_recent(&self) -> Result<Vec<(NodeAt, Vec<TreeHash>)>, u64> {
        let mut edge = self.edge();
        let next = edge.tree.size().saturating_add(1);
        let recent: Vec<_> = {
            let inner = self.peek();
            inner.recent.since(next, inner.head).ok_or(next)?.collect()
        };
        for (hash, sequence) in recent.into_iter().zip(next..) {
            edge.push(sequence, hash);
        }
        Ok(edge.take_whole())
    }

    /// Reads what is no longer remembered.
    async fn grow_from(&self, next: u64) -> Result<(), StoreError> {
        let frames = self.store.read(self.owner, next, CHUNK_BYTES).await?;
        if frames.is_empty() {
            let position = format!("record {next}");
            let gone = StoreError::Damaged { position, what: "it is not there".into() };
            return Err(self.fail(gone));
        }
        let mut edge = self.edge();
        for Frame { sequence, hash, .. } in frames {
            // Somebody else may have been at it.
            if sequence == edge.tree.size().saturating_add(1) {
                edge.push(sequence, hash);
            }
        }
        Ok(())
    }

    /// Both locks, with the tree over exactly the records there are. The tree's is taken first,
    /// always, and given back first too: letting go of the other wakes whoever follows, which is
    /// the application's code.
    pub(super) async fn level(&self) -> Result<Level<'_>, StoreError> {
        loop {
            self.grow().await?;
            // The application's clock is asked before any lock is taken.
            self.clock.now();
            let edge = self.edge();
            let mut level = Level { edge, inner: self.lock_still()? };
            let now = self.tick(&level.inner);
            let closed = self.close_abandoned(&mut level.inner, now);
            closed.map_err(|error| self.store_error(error))?;
            if level_with(&mut level.edge, &level.inner) {
                return Ok(level);
            }
        }
    }

    pub(super) fn edge(&self) -> MutexGuard<'_, Edge> {
        // Every change is whole before anything else can panic.
        self.edge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ledger whose tree is over exactly its records, and stays so. Dropping it unlocks the tree,
/// then the ledger.
pub(super) struct Level<'l> {
    pub(super) edge: MutexGuard<'l, Edge>,
    pub(super) inner: Locked<'l>,
}

fn level_with(edge: &mut Edge, inner: &Inner) -> bool {
    let next = edge.tree.size().saturating_add(1);
    let Some(recent) = inner.recent.since(next, inner.head) else { return false };
    for (hash, sequence) in recent.zip(next..) {
        edge.push(sequence, hash);
    }
    true
}

/// A row as the store's index keeps it.
pub(super) fn row_entry(at: NodeAt, row: &[TreeHash]) -> IndexEntry {
    let value = row.iter().flat_map(|node| *node.as_bytes()).collect();
    IndexEntry::new(row_key(at), value)
}

/// Where a row is kept: `n`, the level, the row's place in it.
pub(super) fn row_key(at: NodeAt) -> Vec<u8> {
    let mut key = vec![b'n', at.level];
    key.extend(at.index.to_be_bytes());
    key
}

/// A whole row, as it was kept.
pub(super) fn row_of(value: &[u8]) -> Option<Vec<TreeHash>> {
    let nodes = value.chunks(32).map(|node| Some(TreeHash::from_bytes(node.try_into().ok()?)));
    let row: Vec<_> = nodes.collect::<Option<_>>()?;
    (row.len() == ROW).then_some(row)
}

#[cfg(test)]
mod tests;
