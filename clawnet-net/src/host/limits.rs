//! Bounds on what a host takes, keeps and does at once.
use std::time::Duration;

/// Bounds of one host. Start from the default and change what has to be:
///
/// ```
/// let mut limits = clawnet_net::HostLimits::default();
/// limits.kernels_open_max = 64;
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct HostLimits {
    /// How many frames one run works on at once: 64.
    pub at_once_max: usize,
    /// How many bytes may wait for one owner's kernel: 4 MiB.
    pub bytes_waiting_max: usize,
    /// How long the frames of an owner whose kernel failed are turned away before it is opened
    /// again: a minute.
    pub failed_for: Duration,
    /// How many frames may wait to be sent to one peer, from all owners here together: 64. The rest
    /// is sent when its time comes again.
    pub frames_leaving_max: usize,
    /// How many frames may wait for all kernels together, before nothing more is received: 16 384.
    pub frames_waiting_all_max: usize,
    /// How many frames may wait for one owner's kernel: 256.
    pub frames_waiting_max: usize,
    /// What one link may send for owners it has not proven to speak for, all together.
    pub from_link: Rate,
    /// What one owner may send, over the links that have proven to speak for them.
    pub from_sender: Rate,
    /// What may be sent to one owner by everybody together.
    pub for_owner: Rate,
    /// After how long a kernel that nobody asked for anything is put away: five minutes.
    pub idle: Duration,
    /// How many kernels are open at once: 1024.
    pub kernels_open_max: usize,
    /// After how long what was not answered is sent again, at first: half a second. Each time it
    /// takes twice as long.
    pub resend_after: Duration,
    /// After how long it is sent again at the latest: five minutes.
    pub resend_after_max: Duration,
    /// How long a peer may take to take a frame, before it counts as not to be reached: ten seconds.
    /// What it did not take is sent when its time comes again.
    pub sent_within: Duration,
    /// How many kernels may be opened for frames of owners whom those they are for have not heard
    /// of, all together. One of them has a quarter of it, but one a second at least; and so have
    /// all together over links that have not proven whose they are. What is over it is told `busy`.
    ///
    /// A host that starts has heard nobody: after a restart contacts are strangers, too, until they
    /// are heard.
    pub strangers: Rate,
    /// How often an open kernel looks for what is over by time: every minute.
    pub tick_every: Duration,
}

impl Default for HostLimits {
    fn default() -> Self {
        Self {
            at_once_max: 64,
            bytes_waiting_max: 4 << 20,
            failed_for: Duration::from_mins(1),
            frames_leaving_max: 64,
            frames_waiting_all_max: 16_384,
            frames_waiting_max: 256,
            from_link: Rate::per_second(64).burst(256),
            from_sender: Rate::per_second(256).burst(1024),
            for_owner: Rate::per_second(4096).burst(8192),
            idle: Duration::from_mins(5),
            kernels_open_max: 1024,
            resend_after: Duration::from_millis(500),
            resend_after_max: Duration::from_mins(5),
            sent_within: Duration::from_secs(10),
            strangers: Rate::per_second(64).burst(256),
            tick_every: Duration::from_mins(1),
        }
    }
}

/// How many in a second, and how many at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

impl Rate {
    /// So many in a second, and as many at once.
    #[must_use]
    pub const fn per_second(per_second: u32) -> Self {
        Self { burst: per_second, per_second }
    }

    /// As many as this at once after a silence.
    #[must_use]
    pub const fn burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }

    /// A quarter of it, but one at least.
    pub(super) fn quarter(self) -> Self {
        let Self { burst, per_second } = self;
        Self { burst: (burst / 4).max(1), per_second: (per_second / 4).max(1) }
    }
}
