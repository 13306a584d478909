//! What the owner sees of counterparts: how far their ledgers were, and which are not to be trusted.
use super::Owner;
use crate::{id::OwnerId, time::Timestamp, tree::TreeHash};

impl Owner {
    /// Every counterpart whose ledger's head was seen, by identifier.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerView> {
        let inner = self.ledger.peek();
        let each = inner.state.peers.iter().map(|(owner, peer)| {
            let said = peer.head.checkpoint.checkpoint();
            PeerView {
                owner: *owner,
                size: said.size,
                root: said.root,
                at: peer.at,
                record: peer.sequence,
                misbehaved: peer.misbehaved,
            }
        });
        each.collect()
    }
}

/// A counterpart, by the last of its heads that continued the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerView {
    /// Whose ledger it is.
    pub owner: OwnerId,
    /// How many records it had.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
    /// When its kernel first showed that, by its own clock.
    pub at: Timestamp,
    /// The record of this ledger that says so.
    pub record: u64,
    /// The record of this ledger with the first proof against it. What it showed since is compared
    /// and recorded all the same, but never cosigned.
    pub misbehaved: Option<u64>,
}
