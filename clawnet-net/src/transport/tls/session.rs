//! What this side remembers of the frames between two nodes, over all their connections.
//!
//! Frames are numbered from 1 and kept until the other host has *taken* them, so that after a break
//! both sides say how far they came and go on from there. What may be on its way is bounded, and
//! the bound counts what the other host has not taken: a slow host stops its senders, and its
//! connection still carries pings.
use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Bytes;

use super::{
    limits::{WINDOW_BYTES_MAX, WINDOW_FRAMES_MAX},
    wire::{Has, Join},
};

/// One side of it.
///
/// **Promises**, while both sides live, that every frame is given to the other host once and in
/// order. **Refuses** numbers that leave a gap, acknowledgements of what was never sent, and more
/// on its way than the window.
#[derive(Debug)]
pub(super) struct Session {
    /// Sent or to be sent, and not taken by the other host.
    window: VecDeque<Bytes>,
    /// The number of the first in the window, or of the next frame if it is empty.
    first: u64,
    /// The next to write on the present connection.
    next: u64,
    /// The first that was never written on any.
    unwritten: u64,
    /// Whose frames come in: what the other side calls its half.
    theirs: Option<String>,
    /// Counts the sessions of the other side: what came in an earlier one is not acknowledged.
    epoch: u64,
    received: u64,
    taken: u64,
    /// What was acknowledged.
    told: u64,
    /// What came and was not taken.
    held_bytes: usize,
    /// What was taken and not acknowledged.
    untold_bytes: usize,
}

/// What became of a frame that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Incoming {
    /// It is next.
    New {
        /// To be given back when it is taken.
        epoch: u64,
    },
    /// It came before.
    Repeated,
}

/// How much room an acknowledgement gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Freed {
    pub(super) frames: usize,
    pub(super) bytes: usize,
}

/// Why the other side does not keep to the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Violation {
    /// A frame that is not the next, or a number that cannot be.
    OutOfPlace,
    /// More on its way than the window.
    Overrun,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            window: VecDeque::new(),
            first: 1,
            next: 1,
            unwritten: 1,
            theirs: None,
            epoch: 0,
            received: 0,
            taken: 0,
            told: 0,
            held_bytes: 0,
            untold_bytes: 0,
        }
    }

    /// Takes a frame there is room for.
    pub(super) fn push(&mut self, frame: Bytes) {
        self.window.push_back(frame);
    }

    /// The next to write, and its number.
    pub(super) fn next_frame(&mut self) -> Option<(u64, Bytes)> {
        let place = usize::try_from(self.next.checked_sub(self.first)?).ok()?;
        let frame = self.window.get(place)?.clone();
        let number = self.next;
        self.next = number.saturating_add(1);
        self.unwritten = self.unwritten.max(self.next);
        Some((number, frame))
    }

    /// The other host has taken everything up to `taken`.
    pub(super) fn taken_there(&mut self, taken: u64) -> Result<Freed, Violation> {
        if taken >= self.unwritten {
            return Err(Violation::OutOfPlace);
        }
        let mut freed = Freed::default();
        while self.first <= taken {
            let Some(frame) = self.window.pop_front() else { break };
            self.first = self.first.saturating_add(1);
            freed.frames += 1;
            freed.bytes += frame.len();
        }
        self.next = self.next.max(self.first);
        Ok(freed)
    }

    /// Judges a frame that came in.
    pub(super) fn incoming(
        &mut self,
        number: u64,
        size_bytes: usize,
    ) -> Result<Incoming, Violation> {
        if number <= self.received {
            return Ok(Incoming::Repeated);
        }
        if number != self.received.saturating_add(1) {
            return Err(Violation::OutOfPlace);
        }
        let held_bytes = self.held_bytes.saturating_add(size_bytes);
        let held = number.saturating_sub(self.taken);
        if held > WINDOW_FRAMES_MAX as u64 || held_bytes > WINDOW_BYTES_MAX {
            return Err(Violation::Overrun);
        }
        self.received = number;
        self.held_bytes = held_bytes;
        Ok(Incoming::New { epoch: self.epoch })
    }

    /// The host here has taken a frame. Says when to acknowledge.
    pub(super) fn taken_here(&mut self, epoch: u64, (number, size_bytes): (u64, usize)) -> Due {
        if epoch == self.epoch {
            self.taken = self.taken.max(number);
            self.held_bytes = self.held_bytes.saturating_sub(size_bytes);
            self.untold_bytes = self.untold_bytes.saturating_add(size_bytes);
        }
        self.due()
    }

    /// Whether something came that was not acknowledged, taken or not.
    pub(super) fn owes(&self) -> bool {
        self.received > self.told
    }

    /// Whether something is to be acknowledged.
    pub(super) fn due(&self) -> Due {
        let untold = self.taken.saturating_sub(self.told);
        if untold == 0 {
            Due::Nothing
        } else if untold < WINDOW_FRAMES_MAX as u64 / 4 && self.untold_bytes < WINDOW_BYTES_MAX / 4
        {
            Due::Later
        } else {
            Due::Now
        }
    }

    /// What to acknowledge with the message that is written now.
    pub(super) fn tell(&mut self) -> u64 {
        self.told = self.taken;
        self.untold_bytes = 0;
        self.taken
    }

    /// What to say on a new connection to the side that calls its half `theirs`.
    pub(super) fn join(&self, generation: u64, theirs: &str) -> Join {
        let known = self.theirs.as_deref() == Some(theirs);
        let has = known.then_some(Has { received: self.received, taken: self.taken });
        Join { generation, first: self.first, has }
    }

    /// Goes on from what both sides said.
    pub(super) fn joined(&mut self, theirs: &str, join: Join) -> Result<Freed, Violation> {
        let before = join.first.checked_sub(1).ok_or(Violation::OutOfPlace)?;
        if self.theirs.as_deref() != Some(theirs) {
            self.theirs = Some(theirs.to_owned());
            self.epoch = self.epoch.saturating_add(1);
            (self.received, self.taken) = (before, before);
            (self.held_bytes, self.untold_bytes) = (0, 0);
        }
        self.told = self.taken;
        let Some(Has { received, taken }) = join.has else {
            self.next = self.first;
            return Ok(Freed::default());
        };
        if received >= self.unwritten || received < taken || received.saturating_add(1) < self.first
        {
            return Err(Violation::OutOfPlace);
        }
        let freed = self.taken_there(taken)?;
        self.next = received.saturating_add(1);
        Ok(freed)
    }

    /// Whether nothing waits for the other host.
    pub(super) fn is_empty(&self) -> bool {
        self.window.is_empty()
    }
}

/// When to acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// With the next frame, or soon.
    Later,
    /// The other side may be waiting.
    Now,
}

#[cfg(test)]
mod tests;
