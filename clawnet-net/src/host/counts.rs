//! What a host did, in numbers.

/// What happened at a host since it was opened. Nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HostCounts {
    /// How many frames came over links.
    pub received: u64,
    /// How many of them had no header, and were dropped.
    pub unreadable: u64,
    /// How many were for nobody here.
    pub unknown: u64,
    /// How many were over a limit.
    pub turned_away: u64,
    /// How many were judged by a kernel, those between two owners of this host included.
    pub judged: u64,
    /// How many frames were handed to a transport.
    pub sent: u64,
    /// How many could not be.
    pub unsent: u64,
    /// How often a kernel was opened.
    pub opened: u64,
    /// How many are open.
    pub open_now: usize,
}
