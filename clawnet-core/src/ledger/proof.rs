//! Proofs from a ledger: a few kept rows, and the records of two or three rows of leaves.
use std::{collections::BTreeMap, sync::atomic::Ordering};

use super::{
    CheckpointError, Ledger,
    growth::{Edge, ROW, ROW_LEVELS, first_of, node_in, row_at, row_entry, row_key, row_of},
};
use crate::{
    digest::Digest,
    note::SignedCheckpoint,
    store::{IndexRange, StoreError},
    tree::{
        ConsistencyProof, InclusionProof, NodeAt, TreeHash, consistency, consistency_needs,
        inclusion, inclusion_needs,
    },
};

/// Why there is no proof.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The checkpoint is of another ledger, or of more than this one holds, or of another past.
    #[error("the checkpoint is not one of this ledger as it is")]
    Foreign,
    /// The checkpoint does not cover that many records.
    #[error("record {sequence} is not among the {size} under the checkpoint")]
    Outside {
        /// Which record, or how many.
        sequence: u64,
        /// How many the checkpoint covers.
        size: u64,
    },
    /// The ledger cannot be read.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

/// A ledger as it stands, and what shows that it goes on from what somebody knows of it. Unsigned:
/// whoever tells it signs it with what they say.
///
/// **Promises** that all of it is on disk: a power cut takes nothing back that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Growth {
    /// How many records it has.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
    /// That they begin with those that were asked about; none if these are all, or none.
    pub path: Option<ConsistencyProof>,
}

impl Ledger {
    /// How the ledger stands, as far as no power cut takes it back, and that it begins with the
    /// first `from` records.
    pub(crate) async fn grown(&self, from: u64) -> Result<Growth, ProofError> {
        let durable = self.known_durable().await?;
        self.grow().await?;
        let (size, root) = {
            let edge = self.edge();
            (edge.tree().size(), edge.tree().root())
        };
        let (size, root) = match durable {
            0 => (0, TreeHash::EMPTY),
            // Records that merely observe came after it.
            _ if durable < size => (durable, self.earlier(durable, (size, root)).await?),
            _ => (size, root),
        };
        if from == 0 || from == size {
            return Ok(Growth { size, root, path: None });
        }
        let path = self.growth(from, (size, root)).await?;
        Ok(Growth { size, root, path: Some(path) })
    }

    /// The same as it was with the first `to` records.
    pub(crate) async fn grown_to(&self, from: u64, to: u64) -> Result<Growth, ProofError> {
        let root = self.root_at(to).await?;
        if from == 0 || from == to {
            return Ok(Growth { size: to, root, path: None });
        }
        let path = self.growth(from, (to, root)).await?;
        Ok(Growth { size: to, root, path: Some(path) })
    }

    /// That record `sequence` is under `checkpoint`.
    pub(crate) async fn prove(
        &self,
        sequence: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<InclusionProof, ProofError> {
        let (size, root) = self.covered(checkpoint).await?;
        let outside = ProofError::Outside { sequence, size };
        let needs = inclusion_needs(sequence, size).map_err(|_| outside.clone())?;
        for attempt in [Rows::Kept, Rows::Remade] {
            let mut nodes = Nodes::new(self, attempt);
            let chain = nodes.chain(sequence).await?;
            let known = nodes.all(&needs).await?;
            let proof = inclusion(sequence, size, &known).ok_or(outside.clone())?;
            if proof.verify(chain, &root).is_ok() {
                return Ok(proof);
            }
        }
        Err(ProofError::Foreign)
    }

    /// That what is under `checkpoint` begins with the first `from` records.
    pub(crate) async fn prove_growth(
        &self,
        from: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<ConsistencyProof, ProofError> {
        let (size, root) = self.covered(checkpoint).await?;
        let proof = self.growth(from, (size, root)).await?;
        // The root is somebody else's word.
        if proof.earlier_root(&root).is_some() { Ok(proof) } else { Err(ProofError::Foreign) }
    }

    /// The root the first `from` records have.
    pub(super) async fn root_at(&self, from: u64) -> Result<TreeHash, ProofError> {
        self.grow().await?;
        let present = {
            let edge = self.edge();
            (edge.tree().size(), edge.tree().root())
        };
        self.earlier(from, present).await
    }

    /// The root that the first `from` of so many records under this root have.
    async fn earlier(&self, from: u64, under: (u64, TreeHash)) -> Result<TreeHash, ProofError> {
        let proof = self.growth(from, under).await?;
        proof.earlier_root(&under.1).ok_or(ProofError::Foreign)
    }

    /// That so many records, of which this ledger has this root, begin with the first `from`.
    async fn growth(
        &self,
        from: u64,
        (size, root): (u64, TreeHash),
    ) -> Result<ConsistencyProof, ProofError> {
        let outside = ProofError::Outside { sequence: from, size };
        let needs = consistency_needs(from, size).map_err(|_| outside.clone())?;
        for attempt in [Rows::Kept, Rows::Remade] {
            let mut nodes = Nodes::new(self, attempt);
            let known = nodes.all(&needs).await?;
            let proof = consistency(from, size, &known).ok_or(outside.clone())?;
            // Only what was kept elsewhere can be something else by now.
            if !nodes.fetched || proof.earlier_root(&root).is_some() {
                return Ok(proof);
            }
        }
        Err(ProofError::Foreign)
    }

    /// Up to where every record is known to be on disk. Nothing is known of a ledger that was just
    /// opened: a checkpoint tells.
    async fn known_durable(&self) -> Result<u64, ProofError> {
        let durable = self.durable.load(Ordering::Acquire);
        if durable > 0 {
            return Ok(durable);
        }
        match self.checkpoint().await {
            Err(CheckpointError::Store(error)) => return Err(error.into()),
            Ok(_)
            | Err(
                CheckpointError::NoKey
                | CheckpointError::NotCertified(_)
                | CheckpointError::Topic(_),
            ) => {}
        }
        Ok(self.durable.load(Ordering::Acquire))
    }

    /// How much of this ledger a checkpoint covers, and under which root.
    async fn covered(&self, checkpoint: &SignedCheckpoint) -> Result<(u64, TreeHash), ProofError> {
        let said = checkpoint.checkpoint();
        self.grow().await?;
        let size = self.edge().tree().size();
        if said.owner() != Some(self.owner) || said.size > size {
            return Err(ProofError::Foreign);
        }
        Ok((said.size, said.root))
    }

    /// Makes the row at `at` from the records again, and every row beneath it, and keeps them.
    async fn remake(&self, at: NodeAt) -> Result<Vec<TreeHash>, StoreError> {
        let count = 1_u64 << (at.level + ROW_LEVELS);
        let first = at.index * count;
        let mut edge = Edge::default();
        while edge.tree().size() < count {
            let next = first + edge.tree().size() + 1;
            let frames = self.store.read(self.owner, next, REMAKE_BYTES).await?;
            if frames.is_empty() {
                return Err(gone(next));
            }
            for frame in frames.iter().filter(|frame| frame.sequence <= first + count) {
                edge.push(frame.sequence, frame.hash);
            }
            let mut rows = edge.take_whole();
            for (row, _) in &mut rows {
                row.index += first >> (row.level + ROW_LEVELS);
            }
            let entries = rows.iter().map(|(at, row)| row_entry(*at, row)).collect();
            drop(self.store.keep_index(self.owner, entries).await);
            if let Some((_, row)) = rows.into_iter().find(|(row, _)| *row == at) {
                return Ok(row);
            }
        }
        Err(gone(first + 1))
    }
}

/// Whether rows are taken as they were kept, or made again because those led nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    Kept,
    Remade,
}

/// Fetches nodes, and every row once.
struct Nodes<'l> {
    ledger: &'l Ledger,
    trust: Rows,
    /// Whether any of them came from the store.
    fetched: bool,
    rows: BTreeMap<NodeAt, Vec<TreeHash>>,
    chains: BTreeMap<u64, Vec<Digest>>,
}

impl<'l> Nodes<'l> {
    fn new(ledger: &'l Ledger, trust: Rows) -> Self {
        Self { ledger, trust, fetched: false, rows: BTreeMap::new(), chains: BTreeMap::new() }
    }

    /// Those nodes, in their order.
    async fn all(&mut self, needs: &[NodeAt]) -> Result<Vec<TreeHash>, StoreError> {
        let mut known = Vec::with_capacity(needs.len());
        for need in needs {
            known.push(self.node(*need).await?);
        }
        Ok(known)
    }

    /// One node, from the row beneath it.
    async fn node(&mut self, at: NodeAt) -> Result<TreeHash, StoreError> {
        let here = self.ledger.edge().node(at);
        if let Some(node) = here {
            return Ok(node);
        }
        let row = self.row(row_at(first_of(at))).await?;
        node_in(row, at).ok_or_else(|| gone(at.index << at.level))
    }

    async fn row(&mut self, at: NodeAt) -> Result<&[TreeHash], StoreError> {
        if !self.rows.contains_key(&at) {
            let open = self.ledger.edge().open_row(at).map(<[TreeHash]>::to_vec);
            let row = match open {
                Some(row) => row,
                None if at.level == 0 => self.leaves(at.index).await?,
                None => {
                    self.fetched = true;
                    self.upper(at).await?
                }
            };
            self.rows.insert(at, row);
        }
        Ok(self.rows.get(&at).map(Vec::as_slice).unwrap_or_default())
    }

    async fn upper(&self, at: NodeAt) -> Result<Vec<TreeHash>, StoreError> {
        let row = match self.trust {
            Rows::Kept => self.kept(at).await,
            Rows::Remade => None,
        };
        let row = match row {
            Some(row) => row,
            None => self.ledger.remake(at).await?,
        };
        self.ledger.edge().remember(at, &row);
        Ok(row)
    }

    /// A row as it was kept. An index that does not answer is one to do without.
    async fn kept(&self, at: NodeAt) -> Option<Vec<TreeHash>> {
        if let Some(row) = self.ledger.edge().upper_row(at) {
            return Some(row.to_vec());
        }
        let range = IndexRange::prefix(&row_key(at), 1);
        let kept = self.ledger.store.index(self.ledger.owner, range).await.ok()?;
        kept.first().and_then(|entry| row_of(&entry.value))
    }

    async fn leaves(&mut self, block: u64) -> Result<Vec<TreeHash>, StoreError> {
        let chains = self.block(block).await?;
        let first = block * ROW as u64 + 1;
        Ok((first..)
            .zip(chains)
            .map(|(sequence, chain)| TreeHash::leaf(sequence, *chain))
            .collect())
    }

    /// The place in the chain of one record.
    async fn chain(&mut self, sequence: u64) -> Result<Digest, StoreError> {
        let nth = sequence.saturating_sub(1);
        let chains = self.block(nth / ROW as u64).await?;
        let chain = usize::try_from(nth % ROW as u64).ok().and_then(|nth| chains.get(nth));
        chain.copied().ok_or_else(|| gone(sequence))
    }

    /// The places in the chain of the records under one row of leaves, as far as there are any.
    async fn block(&mut self, block: u64) -> Result<&[Digest], StoreError> {
        if !self.chains.contains_key(&block) {
            let first = block * ROW as u64 + 1;
            let recent = {
                let inner = self.ledger.peek();
                inner.recent.between((first, first + ROW as u64 - 1), inner.head)
            };
            let mut chains = recent.unwrap_or_else(|| Vec::with_capacity(ROW));
            while chains.len() < ROW {
                self.fetched = true;
                let next = block * ROW as u64 + chains.len() as u64 + 1;
                let store = &self.ledger.store;
                let frames = store.read(self.ledger.owner, next, BLOCK_BYTES).await?;
                if frames.is_empty() {
                    break;
                }
                let room = ROW - chains.len();
                chains.extend(frames.iter().take(room).map(|frame| frame.hash));
            }
            self.chains.insert(block, chains);
        }
        Ok(self.chains.get(&block).map(Vec::as_slice).unwrap_or_default())
    }
}

/// How much is read at once for one row of leaves, and to make rows again.
const BLOCK_BYTES: usize = 16 << 10;
const REMAKE_BYTES: usize = 4 << 20;

fn gone(sequence: u64) -> StoreError {
    StoreError::Damaged { position: format!("record {sequence}"), what: "it is not there".into() }
}

#[cfg(test)]
mod tests;
