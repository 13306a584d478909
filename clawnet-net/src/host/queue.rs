//! What waits for kernels: bounded for each, and fair between those it is for and those it is from.
use std::collections::{HashMap, VecDeque};

use clawnet_core::OwnerId;

/// Who a frame counts as from: an owner whom the link has proven, or everybody who is none.
pub(super) type Sender = Option<OwnerId>;

/// Frames by the owner they are for, and there by sender.
///
/// **Promises** that owners take turns, one frame each, that within one owner's turn the senders
/// take turns, and that a frame is worked on only when the one before it for the same owner is done.
/// Where an owner's queue is full, who has most in it loses their last frame.
#[derive(Debug)]
pub(super) struct Queues<F> {
    bounds: Bounds,
    owners: HashMap<OwnerId, Queue<F>>,
    /// Owners something waits for and nobody works for, in turn.
    turns: VecDeque<OwnerId>,
    waiting: usize,
}

/// How much may wait for one owner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) frames_max: usize,
    pub(super) bytes_max: usize,
}

/// Something that has a size.
pub(super) trait Weighed {
    fn size_bytes(&self) -> usize;
}

/// A frame that found no room, or lost it: whose it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dropped<F> {
    pub(super) sender: Sender,
    pub(super) frame: F,
}

#[derive(Debug)]
struct Queue<F> {
    senders: HashMap<Sender, VecDeque<F>>,
    turns: VecDeque<Sender>,
    frames: usize,
    bytes: usize,
    /// Somebody works on a frame of it.
    busy: bool,
}

impl<F> Default for Queue<F> {
    fn default() -> Self {
        let (senders, turns) = (HashMap::new(), VecDeque::new());
        Self { senders, turns, frames: 0, bytes: 0, busy: false }
    }
}

impl<F: Weighed> Queues<F> {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, owners: HashMap::new(), turns: VecDeque::new(), waiting: 0 }
    }

    /// How many frames wait altogether.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts a frame behind those of its sender. Gives back what there is no room for.
    pub(super) fn push(&mut self, owner: OwnerId, sender: Sender, frame: F) -> Vec<Dropped<F>> {
        let queue = self.owners.entry(owner).or_default();
        let idle = queue.frames == 0 && !queue.busy;
        let before = queue.frames;
        let dropped = queue.push(self.bounds, sender, frame);
        self.waiting = self.waiting.saturating_add(queue.frames).saturating_sub(before);
        if idle && queue.frames > 0 {
            self.turns.push_back(owner);
        }
        self.tidy(owner);
        dropped
    }

    /// The next frame to work on. Nothing more is given for its owner until that is done.
    pub(super) fn next(&mut self) -> Option<(OwnerId, Sender, F)> {
        let owner = self.turns.pop_front()?;
        let queue = self.owners.get_mut(&owner)?;
        let (sender, frame) = queue.pop()?;
        queue.busy = true;
        self.waiting = self.waiting.saturating_sub(1);
        Some((owner, sender, frame))
    }

    /// Of whom frames wait for `owner`.
    #[cfg(test)]
    pub(super) fn senders_of(&self, owner: OwnerId) -> Vec<Sender> {
        let mut senders: Vec<_> =
            self.owners.get(&owner).into_iter().flat_map(|queue| &queue.turns).copied().collect();
        senders.sort_unstable();
        senders
    }

    /// What was worked on for `owner` is done.
    pub(super) fn done(&mut self, owner: OwnerId) {
        let Some(queue) = self.owners.get_mut(&owner) else { return };
        queue.busy = false;
        if queue.frames > 0 {
            self.turns.push_back(owner);
        }
        self.tidy(owner);
    }

    fn tidy(&mut self, owner: OwnerId) {
        if self.owners.get(&owner).is_some_and(|queue| queue.frames == 0 && !queue.busy) {
            self.owners.remove(&owner);
        }
    }
}

impl<F: Weighed> Queue<F> {
    fn push(&mut self, bounds: Bounds, sender: Sender, frame: F) -> Vec<Dropped<F>> {
        let mut dropped = Vec::new();
        let size = frame.size_bytes();
        if size > bounds.bytes_max || bounds.frames_max == 0 {
            return vec![Dropped { sender, frame }];
        }
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        let line = self.senders.entry(sender).or_default();
        if line.is_empty() {
            self.turns.push_back(sender);
        }
        line.push_back(frame);
        while self.frames > bounds.frames_max || self.bytes > bounds.bytes_max {
            let Some(lost) = self.drop_one(sender) else { break };
            dropped.push(lost);
        }
        dropped
    }

    /// Drops the last frame of who has most: of several such, the one who sent now, so that nobody
    /// pushes out who is no worse.
    fn drop_one(&mut self, now: Sender) -> Option<Dropped<F>> {
        let most = self.turns.iter().copied().max_by_key(|sender| {
            let frames = self.senders.get(sender).map_or(0, VecDeque::len);
            (frames, *sender == now, *sender)
        })?;
        let line = self.senders.get_mut(&most)?;
        let frame = line.pop_back()?;
        if line.is_empty() {
            self.senders.remove(&most);
            self.turns.retain(|sender| *sender != most);
        }
        self.count_out(&frame);
        Some(Dropped { sender: most, frame })
    }

    fn pop(&mut self) -> Option<(Sender, F)> {
        let sender = self.turns.pop_front()?;
        let line = self.senders.get_mut(&sender)?;
        let frame = line.pop_front()?;
        if line.is_empty() {
            self.senders.remove(&sender);
        } else {
            self.turns.push_back(sender);
        }
        self.count_out(&frame);
        Some((sender, frame))
    }

    fn count_out(&mut self, frame: &F) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(frame.size_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weighed for &str {
        fn size_bytes(&self) -> usize {
            self.len()
        }
    }

    fn owner(nth: u8) -> OwnerId {
        OwnerId::of_key(&[nth; 32])
    }

    fn queues(frames_max: usize, bytes_max: usize) -> Queues<&'static str> {
        Queues::new(Bounds { frames_max, bytes_max })
    }

    fn names(dropped: Vec<Dropped<&'static str>>) -> Vec<&'static str> {
        dropped.into_iter().map(|dropped| dropped.frame).collect()
    }

    #[test]
    fn owners_take_turns_and_so_do_senders_within_a_turn() {
        let mut queues = queues(10, 100);
        let (loud, quiet) = (Some(owner(8)), Some(owner(9)));
        for frame in ["a1", "a2", "a3"] {
            assert!(queues.push(owner(1), loud, frame).is_empty());
        }
        assert!(queues.push(owner(1), quiet, "b1").is_empty());
        assert!(queues.push(owner(2), loud, "c1").is_empty());
        let mut order = Vec::new();
        while let Some((owner, _, frame)) = queues.next() {
            order.push(frame);
            queues.done(owner);
        }
        assert_eq!(order, ["a1", "c1", "b1", "a2", "a3"]);
        assert_eq!((queues.waiting(), queues.owners.len()), (0, 0));
    }

    #[test]
    fn one_frame_at_a_time_for_one_owner() {
        let mut queues = queues(10, 100);
        for frame in ["1", "2"] {
            queues.push(owner(1), None, frame);
        }
        assert_eq!(queues.next().unwrap().2, "1");
        assert_eq!(queues.next(), None);
        queues.push(owner(1), None, "3");
        assert_eq!(queues.next(), None);
        queues.done(owner(1));
        assert_eq!(queues.next().unwrap().2, "2");
        assert_eq!(queues.waiting(), 1);
    }

    #[test]
    fn who_has_most_loses_where_there_is_no_room() {
        let mut queues = queues(3, 100);
        let (loud, quiet, third) = (Some(owner(8)), Some(owner(9)), Some(owner(7)));
        for frame in ["a1", "a2", "a3"] {
            assert!(queues.push(owner(1), loud, frame).is_empty());
        }
        assert_eq!(names(queues.push(owner(1), loud, "a4")), ["a4"]);
        assert_eq!(names(queues.push(owner(1), quiet, "b1")), ["a3"]);
        assert_eq!(names(queues.push(owner(1), quiet, "b2")), ["b2"]);
        assert_eq!(names(queues.push(owner(1), third, "c1")), ["a2"]);
        assert_eq!(names(queues.push(owner(1), third, "c2")), ["c2"]);
        assert_eq!(queues.waiting(), 3);
        assert!(queues.push(owner(2), loud, "another's queue has room").is_empty());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut queues = queues(10, 5);
        assert_eq!(names(queues.push(owner(1), None, "larger")), ["larger"]);
        assert!(queues.push(owner(1), None, "four").is_empty());
        assert_eq!(names(queues.push(owner(1), None, "ab")), ["ab"]);
        assert_eq!(names(queues.push(owner(1), Some(owner(9)), "ab")), ["ab"]);
        assert!(queues.push(owner(1), None, "a").is_empty());
        assert_eq!(queues.waiting(), 2);
    }
}
