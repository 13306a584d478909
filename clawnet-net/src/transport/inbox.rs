//! A bounded queue between tasks, without a runtime.
use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{Arrived, Closed, FRAME_BYTES_MAX};

/// How many frames an inbox holds.
const FRAMES_MAX: usize = 256;
/// How many bytes: at least one frame of the greatest size.
const BYTES_MAX: usize = 4 * FRAME_BYTES_MAX;

/// What came for one host and was not taken yet, and room kept for what is on its way.
///
/// **Promises** that it never holds more than [`FRAMES_MAX`] frames nor more than [`BYTES_MAX`],
/// that frames leave in the order they came, and that nobody waits for room that is there.
#[derive(Default)]
pub(super) struct Inbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    frames: VecDeque<Arrived>,
    /// What is held, and what room is kept for.
    kept_frames: usize,
    kept_bytes: usize,
    closed: bool,
    /// Everybody who waits for a frame or for room. All are woken at each change: one that was
    /// dropped meanwhile then costs nobody their turn.
    waiting: Vec<Waker>,
}

/// Room for one frame, until it is filled or given back.
#[derive(Debug)]
#[must_use = "room that is not given back is lost"]
pub(super) struct Room(usize);

impl Room {
    fn kept_bytes(self) -> usize {
        self.0
    }
}

/// Why there is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// There will be when something is taken.
    Full,
    /// There will be none.
    Closed,
}

impl Inbox {
    /// Waits for room, while the inbox of the one who waits is open too.
    pub(super) async fn room(&self, size_bytes: usize, own: &Self) -> Result<Room, NoRoom> {
        poll_fn(|cx| {
            if own.closes(cx) {
                return Poll::Ready(Err(NoRoom::Closed));
            }
            let mut inner = self.lock();
            match inner.keep(size_bytes) {
                Err(NoRoom::Full) => {
                    inner.wait(cx);
                    Poll::Pending
                }
                decided @ (Ok(_) | Err(NoRoom::Closed)) => Poll::Ready(decided),
            }
        })
        .await
    }

    /// Room, if there is some now.
    pub(super) fn room_now(&self, size_bytes: usize) -> Result<Room, NoRoom> {
        self.lock().keep(size_bytes)
    }

    /// Puts a frame that is not larger where room was kept for it.
    pub(super) fn fill(&self, room: Room, arrived: Arrived) {
        let kept_bytes = room.kept_bytes();
        let mut inner = self.lock();
        let over = kept_bytes.saturating_sub(arrived.frame.len());
        inner.kept_bytes = inner.kept_bytes.saturating_sub(over);
        inner.frames.push_back(arrived);
        wake(inner);
    }

    /// Gives room back.
    pub(super) fn empty(&self, room: Room) {
        let kept_bytes = room.kept_bytes();
        let mut inner = self.lock();
        inner.free(kept_bytes);
        wake(inner);
    }

    /// Waits until there is one. What came before the end is still given out.
    pub(super) async fn take(&self) -> Result<Arrived, Closed> {
        poll_fn(|cx| {
            let mut inner = self.lock();
            match inner.pop() {
                Some(arrived) => {
                    wake(inner);
                    Poll::Ready(Ok(arrived))
                }
                None if inner.closed => Poll::Ready(Err(Closed)),
                None => {
                    inner.wait(cx);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next, if there is one now.
    pub(super) fn take_now(&self) -> Option<Arrived> {
        let mut inner = self.lock();
        let arrived = inner.pop();
        wake(inner);
        arrived
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        wake(inner);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Whether it is closed; if not, who asks is woken when it is.
    fn closes(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if !inner.closed {
            inner.wait(cx);
        }
        inner.closed
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn keep(&mut self, size_bytes: usize) -> Result<Room, NoRoom> {
        let kept_bytes = self.kept_bytes.saturating_add(size_bytes);
        if self.closed {
            return Err(NoRoom::Closed);
        }
        if self.kept_frames >= FRAMES_MAX || kept_bytes > BYTES_MAX {
            return Err(NoRoom::Full);
        }
        self.kept_frames += 1;
        self.kept_bytes = kept_bytes;
        Ok(Room(size_bytes))
    }

    fn free(&mut self, size_bytes: usize) {
        self.kept_frames = self.kept_frames.saturating_sub(1);
        self.kept_bytes = self.kept_bytes.saturating_sub(size_bytes);
    }

    fn pop(&mut self) -> Option<Arrived> {
        let arrived = self.frames.pop_front()?;
        self.free(arrived.frame.len());
        Some(arrived)
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
    }
}

/// Lets everybody look again, outside the lock.
fn wake(mut inner: MutexGuard<'_, Inner>) {
    let waiting = std::mem::take(&mut inner.waiting);
    drop(inner);
    waiting.into_iter().for_each(Waker::wake);
}
