//! Proofs: that a record is in a tree, and that one tree is the beginning of another.
//!
//! The paths are those of RFC 6962, 2.1.1 and 2.1.2 (RFC 9162, 2.1.3 and 2.1.4), the lowest node
//! first. How long a path must be follows from the sizes alone, so a path of another length is
//! refused before anything is hashed.
use serde::{Deserialize, Serialize};

use super::{
    TreeHash,
    span::{NodeAt, Span, Step, way_up},
};
use crate::digest::Digest;

/// That the record at `sequence` is in the tree over the first `size` records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    path: Vec<TreeHash>,
    sequence: u64,
    size: u64,
}

impl InclusionProof {
    /// A proof as another program sent it; it says nothing until it is verified.
    #[must_use]
    pub const fn new(sequence: u64, size: u64, path: Vec<TreeHash>) -> Self {
        Self { path, sequence, size }
    }

    /// Which record it is about, from 1.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many records the tree covers.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What stands beside the way from the leaf to the root, the lowest first.
    #[must_use]
    pub fn path(&self) -> &[TreeHash] {
        &self.path
    }

    /// Checks that the record whose place in the chain is `chain` stands at this sequence under
    /// `root`. That this is the root of the ledger at this [`size`](Self::size) is for a signed
    /// checkpoint to say: compare the size with it.
    pub fn verify(&self, chain: Digest, root: &TreeHash) -> Result<(), NotProven> {
        self.verify_leaf(TreeHash::leaf(self.sequence, chain), root)
    }

    pub(super) fn verify_leaf(&self, leaf: TreeHash, root: &TreeHash) -> Result<(), NotProven> {
        let steps = steps_to_leaf(self.sequence, self.size)?;
        if steps.len() != self.path.len() {
            return Err(NotProven::Length);
        }
        let top =
            climb(&steps, &self.path).fold(leaf, |node, (step, beside)| step.up(node, beside));
        if top == *root { Ok(()) } else { Err(NotProven::Root) }
    }
}

/// That the tree over the first `from` records is the beginning of the one over `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    from: u64,
    path: Vec<TreeHash>,
    /// The root at `from`, where the RFC's path leaves it out because the verifier has it: `from`
    /// is a power of two and less than `to`. A verifier who was shown *another* root needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root: Option<TreeHash>,
    to: u64,
}

impl ConsistencyProof {
    /// A proof as another program sent it; it says nothing until it is verified.
    #[must_use]
    pub const fn new(from: u64, to: u64, path: Vec<TreeHash>) -> Self {
        Self { from, path, root: None, to }
    }

    /// How many records the earlier tree covers.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// How many records the later tree covers.
    #[must_use]
    pub const fn to(&self) -> u64 {
        self.to
    }

    /// The nodes of the RFC's proof, the lowest first.
    #[must_use]
    pub fn path(&self) -> &[TreeHash] {
        &self.path
    }

    /// Checks that the tree under `new` begins with the one under `old`. That these are roots at
    /// the sizes this proof states is for signed checkpoints to say.
    ///
    /// **Refuses** to say that anything follows from an empty tree.
    pub fn verify(&self, old: &TreeHash, new: &TreeHash) -> Result<(), NotProven> {
        if self.root.is_some_and(|root| root != *old) {
            return Err(NotProven::EarlierRoot);
        }
        match self.roots(Some(*old))? {
            (_, later) if later != *new => Err(NotProven::Root),
            (earlier, _) if earlier != *old => Err(NotProven::EarlierRoot),
            _ => Ok(()),
        }
    }

    /// The root that the first `from` records have under `new`, if the path leads to `new`: a
    /// root of the same size that differs from a signed one proves a fork.
    ///
    /// Where `from` is a power of two the RFC's path does not hold it; such a proof has to come
    /// with it, as the kernel's do.
    #[must_use]
    pub fn earlier_root(&self, new: &TreeHash) -> Option<TreeHash> {
        let known = if self.from == self.to { Some(*new) } else { self.root };
        let (earlier, later) = self.roots(known).ok()?;
        (later == *new).then_some(earlier)
    }

    /// The two roots that the path leads to. `known` is the earlier one, where the path begins at
    /// it.
    fn roots(&self, known: Option<TreeHash>) -> Result<(TreeHash, TreeHash), NotProven> {
        let (base, steps) = steps_to_edge(self.from, self.to)?;
        let (first, path) = if base.from == 0 {
            (known.ok_or(NotProven::Length)?, self.path.as_slice())
        } else {
            let (first, path) = self.path.split_first().ok_or(NotProven::Length)?;
            (*first, path)
        };
        let brings_root = base.from == 0 && self.from < self.to;
        if steps.len() != path.len() || self.root.is_some() && !brings_root {
            return Err(NotProven::Length);
        }
        // What is on the right came after the earlier tree.
        let roots = climb(&steps, path).fold((first, first), |(earlier, later), (step, beside)| {
            let earlier = if step.on_the_left { step.up(earlier, beside) } else { earlier };
            (earlier, step.up(later, beside))
        });
        Ok(roots)
    }
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotProven {
    /// The tree has no such record, or the later tree is the smaller one.
    #[error("no such place in a tree of that size")]
    Place,
    /// The path has another length than the sizes ask for.
    #[error("the path has the wrong length")]
    Length,
    /// The path leads to another root.
    #[error("the path does not lead to the root")]
    Root,
    /// The later tree begins with another tree.
    #[error("the later tree does not begin with the earlier one")]
    EarlierRoot,
}

/// The perfect subtrees that the proof of one record needs.
pub(crate) fn inclusion_needs(sequence: u64, size: u64) -> Result<Vec<NodeAt>, NotProven> {
    let steps = steps_to_leaf(sequence, size)?;
    Ok(steps.iter().flat_map(|step| step.sibling.nodes()).collect())
}

/// The proof that the record at `sequence` is among the first `size`, if `known` is what
/// [`inclusion_needs`] asks for, in that order.
pub(crate) fn inclusion(sequence: u64, size: u64, known: &[TreeHash]) -> Option<InclusionProof> {
    let steps = steps_to_leaf(sequence, size).ok()?;
    let mut rest = known;
    let beside = steps.iter().map(|step| step.sibling.hash(&mut rest));
    let path: Option<Vec<TreeHash>> = beside.collect();
    Some(InclusionProof { path: path?, sequence, size })
}

/// The perfect subtrees that the proof of consistency needs.
pub(crate) fn consistency_needs(from: u64, to: u64) -> Result<Vec<NodeAt>, NotProven> {
    let (base, steps) = steps_to_edge(from, to)?;
    let base = (from < to).then_some(base);
    let spans = base.into_iter().chain(steps.iter().map(|step| step.sibling));
    let mut needs = Vec::with_capacity(2 * steps.len() + 1);
    needs.extend(spans.flat_map(Span::nodes));
    Ok(needs)
}

/// The proof that the first `from` records are the beginning of the first `to`, if `known` is what
/// [`consistency_needs`] asks for, in that order.
pub(crate) fn consistency(from: u64, to: u64, known: &[TreeHash]) -> Option<ConsistencyProof> {
    let (base, steps) = steps_to_edge(from, to).ok()?;
    if from == to {
        return Some(ConsistencyProof::new(from, to, Vec::new()));
    }
    let mut rest = known;
    let first = base.hash(&mut rest)?;
    let mut path = Vec::with_capacity(steps.len() + 1);
    let root = if base.from == 0 {
        Some(first)
    } else {
        path.push(first);
        None
    };
    for step in &steps {
        path.push(step.sibling.hash(&mut rest)?);
    }
    Some(ConsistencyProof { from, path, root, to })
}

/// From a leaf to the root.
fn steps_to_leaf(sequence: u64, size: u64) -> Result<Vec<Step>, NotProven> {
    if sequence == 0 || sequence > size {
        return Err(NotProven::Place);
    }
    Ok(way_up(sequence, size, |_| false).1)
}

/// The largest node that ends where the earlier tree does, and from there to the root.
fn steps_to_edge(from: u64, to: u64) -> Result<(Span, Vec<Step>), NotProven> {
    if from == 0 || from > to {
        return Err(NotProven::Place);
    }
    Ok(way_up(from, to, |span| span.to == from))
}

fn climb<'p>(
    steps: &'p [Step],
    path: &'p [TreeHash],
) -> impl Iterator<Item = (&'p Step, &'p TreeHash)> {
    steps.iter().zip(path)
}

impl Step {
    /// The node above `node` and what stands `beside` it.
    fn up(&self, node: TreeHash, beside: &TreeHash) -> TreeHash {
        if self.on_the_left { TreeHash::node(beside, &node) } else { TreeHash::node(&node, beside) }
    }
}
