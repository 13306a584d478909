//! What a simulated network does to frames, and what it did.

/// How often each fault happens, in a thousand frames, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[must_use]
pub struct Faults {
    pub(super) lose: u16,
    pub(super) double: u16,
    pub(super) reorder: u16,
    pub(super) delay: u16,
    pub(super) delay_ms_max: u64,
    pub(super) flip: u16,
    pub(super) truncate: u16,
}

impl Faults {
    /// Every frame arrives once, in order, after a millisecond.
    pub fn none() -> Self {
        Self::default()
    }

    /// Some of everything: what a host must live with.
    pub fn every() -> Self {
        Self::none()
            .losing(100)
            .doubling(100)
            .reordering(100)
            .delaying(100, 500)
            .flipping(20)
            .truncating(20)
    }

    /// Frames that never arrive.
    pub fn losing(self, per_mille: u16) -> Self {
        Self { lose: per_mille, ..self }
    }

    /// Frames that arrive twice. The copy is never harmed, and may be the first.
    pub fn doubling(self, per_mille: u16) -> Self {
        Self { double: per_mille, ..self }
    }

    /// Frames that are held back, so that later ones may overtake them.
    pub fn reordering(self, per_mille: u16) -> Self {
        Self { reorder: per_mille, ..self }
    }

    /// Frames that come late by less than `ms_max`, with all that follow them on the same way.
    pub fn delaying(self, per_mille: u16, ms_max: u64) -> Self {
        Self { delay: per_mille, delay_ms_max: ms_max, ..self }
    }

    /// Frames with one bit that is not what was sent.
    pub fn flipping(self, per_mille: u16) -> Self {
        Self { flip: per_mille, ..self }
    }

    /// Frames that lack their end.
    pub fn truncating(self, per_mille: u16) -> Self {
        Self { truncate: per_mille, ..self }
    }
}

/// What a simulated network did so far, in frames.
///
/// Once nothing is on its way, `sent + doubled == arrived + lost + parted + unclaimed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Taken from a host.
    pub sent: u64,
    /// Put before a host, copies too.
    pub arrived: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Sent a second time.
    pub doubled: u64,
    /// Arrived after one that was sent later on the same way.
    pub reordered: u64,
    /// Came late.
    pub delayed: u64,
    /// Have a wrong bit.
    pub flipped: u64,
    /// Lack their end.
    pub truncated: u64,
    /// Lost where a way was cut.
    pub parted: u64,
    /// Lost because the host ended meanwhile.
    pub unclaimed: u64,
}
