//! Time as the kernel knows it: the application's clock behind a high-water mark.
//!
//! Core reads no clock of its own. The application hands one in, and the kernel never believes it
//! backwards: every record's time is at least the time before it, over restarts too.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(from = "u64", into = "u64")]
pub struct Timestamp(u64);

impl Timestamp {
    /// The greatest moment a ledger can hold: what canonical JSON numbers carry exactly.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The moment `millis` milliseconds after the epoch, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The moment `duration` later, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }
}

impl From<u64> for Timestamp {
    fn from(millis: u64) -> Self {
        Self::from_millis(millis)
    }
}

impl From<Timestamp> for u64 {
    fn from(moment: Timestamp) -> Self {
        moment.as_millis()
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 becomes the epoch; the high-water mark then answers instead.
    fn from(time: SystemTime) -> Self {
        Self::default().after(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    /// UTC, as in RFC 3339: `2026-11-20T09:30:00.125Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil(days);
        let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (seconds, millis) = (in_day / 1000 % 60, in_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// Where the application's time comes from.
///
/// Implemented for closures, so a program that trusts its machine's clock writes
/// `|| SystemTime::now().into()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell the time",
    note = "a closure returning `Timestamp` can: `|| std::time::SystemTime::now().into()`"
)]
pub trait Clock: Send + Sync + 'static {
    /// The present. May stand still or go back: the kernel keeps the greatest answer.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// A clock that moves only when told, for tests and simulations. Clones share the moment.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(start.0)))
    }

    /// Moves on by `duration`.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().after(duration));
    }

    /// Jumps to `moment`, backwards too.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The kernel's clock: the greatest moment ever seen, here or in the ledger.
pub(crate) struct HighWater {
    clock: Box<dyn Clock>,
    mark: AtomicU64,
}

impl HighWater {
    pub(crate) fn new(clock: Box<dyn Clock>) -> Self {
        Self { clock, mark: AtomicU64::new(0) }
    }

    /// Never less than any earlier answer. Writes the shared mark only when it moves.
    pub(crate) fn now(&self) -> Timestamp {
        self.raise(self.clock.now())
    }

    /// The greatest moment seen so far, without asking the application's clock.
    pub(crate) fn mark(&self) -> Timestamp {
        Timestamp(self.mark.load(Ordering::Acquire))
    }

    /// Learns of a moment from elsewhere: the last record of a reopened ledger.
    pub(crate) fn raise(&self, seen: Timestamp) -> Timestamp {
        let seen = Timestamp::from_millis(seen.0).0;
        let mark = self.mark.load(Ordering::Acquire);
        if seen <= mark {
            return Timestamp(mark);
        }
        Timestamp(self.mark.fetch_max(seen, Ordering::AcqRel).max(seen))
    }
}

/// Year, month and day of a day number, in the proleptic Gregorian calendar: whole 400-year
/// cycles, then years that begin in March, so that the leap day comes last.
fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468;
    let (cycle, day_of_cycle) = (days / 146_097, days % 146_097);
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = cycle * 400 + year_of_cycle + u64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_is_not_believed() {
        let clock = ManualClock::at(Timestamp::from_millis(1000));
        let kernel = HighWater::new(Box::new(clock.clone()));
        assert_eq!(kernel.now().as_millis(), 1000);
        clock.set(Timestamp::from_millis(10));
        assert_eq!(kernel.now().as_millis(), 1000);
        kernel.raise(Timestamp::from_millis(5000));
        clock.set(Timestamp::from_millis(4000));
        assert_eq!(kernel.now().as_millis(), 5000);
    }

    #[test]
    fn moments_print_as_rfc_3339() {
        let check =
            |millis, text: &str| assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, "2000-02-29T00:00:00.000Z");
        check(1_795_167_000_125, "2026-11-20T09:30:00.125Z");
        check(4_107_542_399_999, "2100-02-28T23:59:59.999Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
    }
}
