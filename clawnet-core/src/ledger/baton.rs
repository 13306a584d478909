//! A value that one task at a time works on across awaits: whoever has it may be dropped at any
//! point, and the value is there for the next.
use std::{
    future::poll_fn,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// Where the value is while nobody has it.
#[derive(Debug, Default)]
pub(super) struct Baton<T>(Mutex<Place<T>>);

#[derive(Debug, Default)]
struct Place<T> {
    taken: bool,
    value: T,
    waiting: Vec<Waker>,
}

impl<T: Default> Baton<T> {
    /// Takes the value if nobody has it.
    pub(super) fn try_take(&self) -> Option<Held<'_, T>> {
        let mut place = self.place();
        if place.taken {
            return None;
        }
        place.taken = true;
        Some(Held { baton: self, value: std::mem::take(&mut place.value) })
    }

    /// Takes the value as soon as nobody else has it.
    pub(super) async fn take(&self) -> Held<'_, T> {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut place = self.place();
            if place.taken {
                // Who is woken for nothing polls again.
                if !place.waiting.iter().any(|waiting| waiting.will_wake(&waker)) {
                    place.waiting.push(waker);
                }
                return Poll::Pending;
            }
            place.taken = true;
            let value = std::mem::take(&mut place.value);
            Poll::Ready(Held { baton: self, value })
        })
        .await
    }

    /// Every change under this lock is one assignment: a panic leaves it whole.
    fn place(&self) -> MutexGuard<'_, Place<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value, in one pair of hands. Dropping this gives it back as it is.
#[derive(Debug)]
pub(super) struct Held<'b, T: Default> {
    baton: &'b Baton<T>,
    value: T,
}

impl<T: Default> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: Default> Drop for Held<'_, T> {
    fn drop(&mut self) {
        let waiting = {
            let mut place = self.baton.place();
            place.value = std::mem::take(&mut self.value);
            place.taken = false;
            std::mem::take(&mut place.waiting)
        };
        // Wakers are the application's code: never under the lock.
        for waker in waiting {
            drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, executor::block_on, future::join};

    use super::*;

    #[test]
    fn one_at_a_time_and_what_is_dropped_gives_it_back() {
        let baton = Baton::<Vec<u8>>::default();
        let mut held = baton.try_take().unwrap();
        held.push(1);
        assert!(baton.try_take().is_none());
        assert!(baton.take().now_or_never().is_none());
        drop(held);
        assert_eq!(*baton.try_take().unwrap(), [1]);
    }

    #[test]
    fn who_waits_is_woken() {
        let baton = Baton::<Vec<u8>>::default();
        let held = baton.try_take();
        let first = async { baton.take().await.push(1) };
        let second = async {
            drop(held);
            baton.take().await.push(2);
        };
        block_on(join(first, second));
        assert_eq!(baton.try_take().unwrap().len(), 2);
    }
}
