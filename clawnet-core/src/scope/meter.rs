//! How much of a budget is left: counted in the fold, read without a lock.
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{rule::Budget, time::Timestamp};

/// The uses of one budget so far. Clones count together.
///
/// Only the fold writes, under the ledger's lock; a judgement reads at any time. What it reads may
/// be old, and the intent, which is checked under that lock, is then refused.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<Cell>);

/// A cache line of its own, so that identities on other cores do not wait for each other.
#[derive(Default)]
#[repr(align(64))]
struct Cell {
    period: AtomicU64,
    used: AtomicU64,
}

impl Meter {
    /// Uses left of `budget` at `now`.
    pub(crate) fn left(&self, budget: Budget, now: Timestamp) -> u32 {
        let (limit, period) = budget.at(now);
        // A period that began after `now` cannot be judged from here: nothing is left.
        let used = match period.cmp(&self.0.period.load(Ordering::Acquire)) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => self.0.used.load(Ordering::Acquire),
            std::cmp::Ordering::Less => u64::from(limit),
        };
        limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    /// One use at `now`.
    pub(crate) fn spend(&self, budget: Budget, now: Timestamp) {
        let (_, period) = budget.at(now);
        if period > self.0.period.load(Ordering::Acquire) {
            // A judgement in between may read a mix; the intent's check is under the lock.
            self.0.used.store(1, Ordering::Release);
            self.0.period.store(period, Ordering::Release);
        } else {
            self.0.used.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn read(&self) -> (u64, u64) {
        (self.0.period.load(Ordering::Acquire), self.0.used.load(Ordering::Acquire))
    }
}

impl PartialEq for Meter {
    fn eq(&self, other: &Self) -> bool {
        self.read() == other.read()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (period, used) = self.read();
        write!(f, "{used} used in period {period}")
    }
}

impl Serialize for Meter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Meter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (period, used) = <(u64, u64)>::deserialize(deserializer)?;
        let cell = Cell { period: AtomicU64::new(period), used: AtomicU64::new(used) };
        Ok(Self(Arc::new(cell)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn uses_are_counted_per_period_and_never_given_back() {
        let (meter, budget) = (Meter::default(), Budget::uses(2).per(Duration::from_secs(1)));
        let left = |millis| meter.left(budget, Timestamp::from_millis(millis));
        let spend = |millis| meter.spend(budget, Timestamp::from_millis(millis));
        assert_eq!(left(5000), 2);
        spend(5000);
        spend(5999);
        assert_eq!((left(5999), left(6000)), (0, 2));
        spend(6000);
        assert_eq!((left(6000), left(5999)), (1, 0));
    }
}
