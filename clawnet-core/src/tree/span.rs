//! Places in a tree: perfect subtrees, runs of leaves, and the way from the root down to an edge.
use std::iter;

use super::TreeHash;

/// The perfect subtree over the leaves from `index << level` up to `(index + 1) << level`. It never
/// changes once it is full, so it can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeAt {
    pub(crate) level: u8,
    pub(crate) index: u64,
}

/// Leaves `from` up to `to`, not empty, that the RFC's recursion makes one node of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Span {
    /// A whole tree of `size` leaves.
    pub(super) fn whole(size: u64) -> Self {
        Self { from: 0, to: size }
    }

    pub(super) fn count(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Where its two halves meet, if it has two: after the largest power of two smaller than its
    /// count.
    fn middle(self) -> Option<u64> {
        let power = self.count().checked_sub(1)?.checked_ilog2()?;
        self.from.checked_add(1 << power)
    }

    /// The perfect subtrees it is made of, from the left: each the largest that still fits.
    pub(super) fn nodes(self) -> impl Iterator<Item = NodeAt> {
        let mut rest = self;
        iter::from_fn(move || {
            let power = rest.count().checked_ilog2()?;
            let node = NodeAt { level: u8::try_from(power).ok()?, index: rest.from >> power };
            rest.from = rest.from.checked_add(1 << power)?;
            Some(node)
        })
    }

    /// Its hash, if its perfect subtrees are the next of those that are known: they are taken.
    pub(super) fn hash(self, known: &mut &[TreeHash]) -> Option<TreeHash> {
        let (peaks, rest) = known.split_at_checked(self.nodes().count())?;
        *known = rest;
        join(peaks)
    }
}

/// The node above `peaks`, perfect subtrees that shrink from left to right.
pub(super) fn join(peaks: &[TreeHash]) -> Option<TreeHash> {
    let (last, others) = peaks.split_last()?;
    Some(others.iter().rev().fold(*last, |right, left| TreeHash::node(left, &right)))
}

/// One step up from a node: what stands beside it, and whether that is on its left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) sibling: Span,
    pub(super) on_the_left: bool,
}

/// The way up to the root of `size` leaves from the node that ends the first `edge` leaves: the
/// node where `stop` says so, and the steps from there, at most 64.
///
/// The largest such node is where consistency of a tree of `edge` leaves begins, and the smallest,
/// a leaf, is where inclusion of record `edge` does: both are the RFC's recursion, read upwards.
pub(super) fn way_up(edge: u64, size: u64, stop: impl Fn(Span) -> bool) -> (Span, Vec<Step>) {
    let mut here = Span::whole(size);
    let mut steps =
        Vec::with_capacity(usize::try_from(size.checked_ilog2().unwrap_or(0)).unwrap_or(0) + 1);
    while let (false, Some(middle)) = (stop(here), here.middle()) {
        let (left, right) = (Span { to: middle, ..here }, Span { from: middle, ..here });
        let on_the_left = edge > middle;
        let (next, sibling) = if on_the_left { (right, left) } else { (left, right) };
        steps.push(Step { sibling, on_the_left });
        here = next;
    }
    steps.reverse();
    (here, steps)
}
