//! The growing edge of a tree: as many hashes as its size has binary ones.
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    TreeHash,
    span::{NodeAt, join},
};

/// The peaks of a growing tree: all that is needed to go on, and to know the root.
///
/// **Refuses**, when it is read, a number of peaks that its size does not have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Frontier {
    /// The roots of its perfect subtrees, the largest first.
    peaks: SmallVec<[TreeHash; 32]>,
    size: u64,
}

impl Frontier {
    /// How many leaves the tree has.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The root as it is now.
    pub(crate) fn root(&self) -> TreeHash {
        join(&self.peaks).unwrap_or(TreeHash::EMPTY)
    }

    /// One of the perfect subtrees it ends with, if that is there.
    pub(crate) fn peak(&self, at: NodeAt) -> Option<TreeHash> {
        let below = self.size.checked_shr(at.level.into())?;
        let larger = below.checked_shr(1)?;
        let ends = below & 1 == 1 && at.index == below - 1;
        let place = usize::try_from(larger.count_ones()).ok()?;
        if ends { self.peaks.get(place).copied() } else { None }
    }

    /// Adds a leaf. Tells `seen` every node that this completes, the leaf itself (level 0) first.
    pub(crate) fn push(&mut self, leaf: TreeHash, mut seen: impl FnMut(NodeAt, TreeHash)) {
        let (mut at, mut node) = (NodeAt { level: 0, index: self.size }, leaf);
        seen(at, node);
        // A node at an odd place is the right half of the one above.
        while at.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = TreeHash::node(&left, &node);
            at = NodeAt { level: at.level.saturating_add(1), index: at.index >> 1 };
            seen(at, node);
        }
        self.peaks.push(node);
        self.size = self.size.saturating_add(1);
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    peaks: SmallVec<[TreeHash; 32]>,
    size: u64,
}

impl TryFrom<Unchecked> for Frontier {
    type Error = NotAFrontier;

    fn try_from(read: Unchecked) -> Result<Self, NotAFrontier> {
        let Unchecked { peaks, size } = read;
        let count = u32::try_from(peaks.len()).map_err(|_| NotAFrontier)?;
        if count == size.count_ones() { Ok(Self { peaks, size }) } else { Err(NotAFrontier) }
    }
}

/// A tree of the size given has another number of peaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peaks are not those of a tree of that size")]
struct NotAFrontier;
