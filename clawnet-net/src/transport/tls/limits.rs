//! What bounds a TLS transport.
use std::time::Duration;

use crate::transport::FRAME_BYTES_MAX;

/// How many frames one host may have on their way to another that were not taken there yet. Part
/// of the protocol: both sides hold to it.
pub(super) const WINDOW_FRAMES_MAX: usize = 256;
/// And how many bytes of them.
pub(super) const WINDOW_BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;
/// The greatest hello, and the greatest later claim.
pub(super) const HELLO_BYTES_MAX: usize = 256 << 10;
/// For how many owners one link proves to speak.
pub(super) const OWNERS_MAX: usize = 1 << 16;

/// What a TLS transport lets others cost it, and how long it waits.
///
/// The defaults suit a host on the open internet. Memory is bounded by `inbox_bytes_max` for what
/// came, by 4 MiB for each peer for what is on its way to them, and by `handshakes_max` and
/// `peers_max` connections with their buffers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsLimits {
    /// How many connections may be unproven at once. More wait in the listener's backlog.
    pub handshakes_max: usize,
    /// How many connections of one node may be between its TLS handshake and its link.
    pub handshakes_per_node_max: usize,
    /// How long a connection has to become a link.
    pub handshake: Duration,
    /// How many nodes are known at once: linked, or remembered after a break.
    pub peers_max: usize,
    /// How many bytes may have come, over all links, and not be received yet. Above that no link is
    /// read; one that stays unread for too long is broken off by the other end, and goes on later.
    pub inbox_bytes_max: usize,
    /// How often a link says that it lives.
    pub ping_every: Duration,
    /// How long a link may bring nothing, and how long a write may take, before it is broken off.
    pub silence_max: Duration,
    /// How long an acknowledgement waits for a frame to ride along with.
    pub acknowledge_within: Duration,
    /// How long the first pause between two attempts to link is. Each next is twice as long.
    pub pause_min: Duration,
    /// And the longest. The truth is between half of it and one and a half.
    pub pause_max: Duration,
    /// How long after a break senders wait for room before they are told there is no way.
    pub patience: Duration,
    /// How long after a break what is on its way to a node is kept.
    pub forget_after: Duration,
    /// What the pauses' jitter follows from.
    pub seed: u64,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self {
            handshakes_max: 64,
            handshakes_per_node_max: 4,
            handshake: Duration::from_secs(10),
            peers_max: 1024,
            inbox_bytes_max: 64 << 20,
            ping_every: Duration::from_secs(15),
            silence_max: Duration::from_secs(45),
            acknowledge_within: Duration::from_millis(20),
            pause_min: Duration::from_millis(100),
            pause_max: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            forget_after: Duration::from_mins(10),
            seed: 0,
        }
    }
}
