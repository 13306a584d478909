//! How much anybody may send: a bucket for each, filled by time, emptied by frames.
use std::collections::HashMap;

use clawnet_core::{OwnerId, Timestamp};

use super::limits::Rate;

/// One bucket for each of many.
///
/// **Promises** bounded memory: after [`KEPT_MAX`] others were heard of, who has not been heard since
/// is forgotten, and starts with a full bucket.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
    young: HashMap<Option<OwnerId>, Bucket>,
    old: HashMap<Option<OwnerId>, Bucket>,
}

/// What one may still send, in thousandths, as of a moment.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    at: Timestamp,
    left: u64,
}

/// There is nothing left in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

/// A bucket with enough in it for one frame.
#[derive(Debug)]
#[must_use = "a frame that is not taken from the bucket is not counted"]
pub(super) struct Ready<'b>(&'b mut Bucket);

impl Ready<'_> {
    /// Takes one frame out.
    pub(super) fn take(self) {
        self.0.left = self.0.left.saturating_sub(FRAME);
    }
}

impl Buckets {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, young: HashMap::new(), old: HashMap::new() }
    }

    /// The bucket of `whose`, if there is enough in it. None is everybody who has no name.
    pub(super) fn ready(
        &mut self,
        whose: Option<OwnerId>,
        now: Timestamp,
    ) -> Result<Ready<'_>, Spent> {
        if self.young.len() >= KEPT_MAX && !self.young.contains_key(&whose) {
            self.old = std::mem::take(&mut self.young);
        }
        let full = u64::from(self.rate.burst).saturating_mul(FRAME);
        let old = &mut self.old;
        let bucket = self
            .young
            .entry(whose)
            .or_insert_with(|| old.remove(&whose).unwrap_or(Bucket { at: now, left: full }));
        let passed_ms = now.as_millis().saturating_sub(bucket.at.as_millis());
        let came = passed_ms.saturating_mul(u64::from(self.rate.per_second));
        bucket.left = bucket.left.saturating_add(came).min(full);
        bucket.at = bucket.at.max(now);
        if bucket.left >= FRAME { Ok(Ready(bucket)) } else { Err(Spent) }
    }
}

/// One frame, in thousandths: a millisecond at one a second.
const FRAME: u64 = 1000;
/// How many buckets are kept at least, and half as many as are kept at most.
const KEPT_MAX: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(nth: u64) -> OwnerId {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&nth.to_le_bytes());
        OwnerId::of_key(&key)
    }

    /// How many frames of `whose` pass at `now`.
    fn pass(buckets: &mut Buckets, whose: impl Into<Option<OwnerId>>, now: u64) -> usize {
        let whose = whose.into();
        let now = Timestamp::from_millis(now);
        let mut passed = 0;
        while let Ok(ready) = buckets.ready(whose, now) {
            ready.take();
            passed += 1;
        }
        passed
    }

    #[test]
    fn a_bucket_is_filled_by_time_and_never_above_its_rim() {
        let mut buckets = Buckets::new(Rate::per_second(10).burst(3));
        assert_eq!(pass(&mut buckets, owner(1), 1000), 3);
        assert_eq!(pass(&mut buckets, owner(1), 1000), 0);
        assert_eq!(pass(&mut buckets, owner(1), 1099), 0);
        assert_eq!(pass(&mut buckets, owner(1), 1100), 1);
        assert_eq!(pass(&mut buckets, owner(1), 900), 0, "a clock that goes back gives nothing");
        assert_eq!(pass(&mut buckets, owner(1), 1_000_000), 3);
        assert_eq!(pass(&mut buckets, owner(2), 1_000_000), 3, "each has one of their own");
    }

    #[test]
    fn what_is_looked_at_and_not_taken_is_not_counted() {
        let mut buckets = Buckets::new(Rate::per_second(1));
        for _ in 0..10 {
            assert!(buckets.ready(None, Timestamp::from_millis(5)).is_ok());
        }
        assert_eq!(pass(&mut buckets, None, 5), 1);
    }

    #[test]
    fn many_names_cost_bounded_memory_and_do_not_refill_who_goes_on() {
        let mut buckets = Buckets::new(Rate::per_second(1));
        assert_eq!(pass(&mut buckets, owner(0), 1), 1);
        for nth in 1..5 * KEPT_MAX as u64 {
            assert_eq!(pass(&mut buckets, owner(nth), 1), 1);
            if nth % 1000 == 0 {
                assert_eq!(pass(&mut buckets, owner(0), 1), 0, "refilled after {nth} others");
            }
        }
        assert!(buckets.young.len() + buckets.old.len() <= 2 * KEPT_MAX);
    }
}
