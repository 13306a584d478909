//! How frames get from host to host.
//!
//! A transport carries opaque, bounded frames between hosts on behalf of owners, and knows nothing
//! of contacts or sessions. **Nothing rests on it**: it may lose, double, reorder and delay, every
//! frame is signed, and the kernel that receives one judges it again. The host sends again from
//! what its kernels know. What a transport owes is less: to say who is at the other end, to bound
//! everything, to keep the order where it can, and to push back when the other end is slow.
//!
//! - [`MemoryTransport`]: between hosts in one process; no loss, in order.
//! - [`SimulatedNetwork`]: every fault a network has, from a seed, driven by hand.
//! - `TlsTransport`, with feature `tokio`: WebSocket over mutually authenticated TLS.
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use clawnet_core::OwnerId;

mod inbox;
mod chance;
mod memory;
mod simulated;
#[cfg(feature = "tokio")]
mod tls;
#[cfg(test)]
mod contract;

pub use memory::{Hub, JoinError, MemoryTransport};
pub use simulated::{Counts, Faults, SimulatedNetwork, SimulatedTransport};
#[cfg(feature = "tokio")]
pub use tls::{
    ClaimError, Directory, LinkError, LinkEvent, LinkEvents, NodeError, NodeKey, NotVouched, Route,
    Speaker, TlsLimits, TlsTransport,
};

/// The greatest frame that any transport takes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;

/// Carries frames between this host and others.
///
/// **Promises** that what it takes is bounded, that a frame arrives whole or not at all as far as
/// it can tell, and that [`Arrived::proven`] names nobody who has not proven themselves to it.
/// **Refuses** frames above [`FRAME_BYTES_MAX`]. **Order**: none. Frames from one host to another
/// come in the order they were taken while no link breaks.
///
/// Sending waits while the way is full, and only receiving makes room: a host that does both in one
/// task, one after the other, can wait for itself.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Hands over one frame for `to`. Done means taken, not arrived. Waits while the way is full.
    /// Dropping the future before it is done sends nothing.
    async fn send(&self, to: OwnerId, frame: Vec<u8>) -> Result<(), SendError>;

    /// The next frame that came. Several may wait; each frame goes to one. Dropping the future
    /// before it is done loses nothing.
    async fn receive(&self) -> Result<Arrived, Closed>;
}

/// A frame that came, and who may have sent it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Arrived {
    /// What the other host handed over, if nothing on the way changed it.
    pub frame: Vec<u8>,
    /// Whom the link it came over has proven to speak for.
    pub proven: Proven,
}

impl Arrived {
    /// `frame`, come over a link that has proven so much.
    #[must_use]
    pub const fn new(frame: Vec<u8>, proven: Proven) -> Self {
        Self { frame, proven }
    }
}

/// For which owners a link has proven itself to speak.
///
/// It is a look at the link, not a copy: who is proven later, on the same link, is proven for what
/// came before too. It says who is at the other end, never what they may do: a frame's own
/// signatures say whose it is, and the receiving kernel decides.
#[derive(Clone)]
pub struct Proven(Arc<RwLock<BTreeSet<OwnerId>>>);

impl Proven {
    /// Takes it on the word of whoever implements a transport. Every use is a place to review:
    /// nothing here checks that the owners have proven anything.
    #[must_use]
    pub fn on_the_word_of_a_transport(owners: impl IntoIterator<Item = OwnerId>) -> Self {
        Self(Arc::new(RwLock::new(owners.into_iter().collect())))
    }

    /// That the link has proven to speak for `owner`.
    pub fn speaks_for(&self, owner: OwnerId) -> Result<(), NotProven> {
        let owners = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if owners.contains(&owner) { Ok(()) } else { Err(NotProven { owner }) }
    }

    fn add(&self, owner: OwnerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(owner);
    }

    fn remove(&self, owner: OwnerId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&owner);
    }

    /// One of them, the same while nobody new is proven: what tells links apart that say nothing
    /// more of themselves. None of a link that has proven nothing.
    pub(crate) fn first(&self) -> Option<OwnerId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).first().copied()
    }

    /// Everybody it has proven to speak for, in order.
    #[must_use]
    pub fn owners(&self) -> Vec<OwnerId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl fmt::Debug for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proven").field(&self.owners()).finish()
    }
}

/// The link has not proven that it speaks for this owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the link has not proven to speak for `{owner}`")]
pub struct NotProven {
    owner: OwnerId,
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody known speaks for the owner, or nobody can be reached and no more can be kept for
    /// them. Try again later.
    #[error("no way leads to the owner")]
    NoRoute,
    /// It will never be taken.
    #[error("the frame has more than {FRAME_BYTES_MAX} bytes")]
    TooLarge,
    /// The transport ended.
    #[error("the transport is closed")]
    Closed,
}

/// The transport ended: nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the transport is closed")]
pub struct Closed;

/// `frame`, if a transport takes one so large.
fn bounded(frame: Vec<u8>) -> Result<Vec<u8>, SendError> {
    if frame.len() > FRAME_BYTES_MAX { Err(SendError::TooLarge) } else { Ok(frame) }
}
