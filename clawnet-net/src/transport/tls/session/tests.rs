//! Two sides and what is between them, broken off at any moment.
use std::collections::VecDeque;

use super::*;
use crate::transport::chance::Chance;

/// One side: its session, what it wrote and the other has not read, and what its host took.
struct Side {
    session: Session,
    name: &'static str,
    wire: VecDeque<(u64, Bytes, u64)>,
    inbox: VecDeque<(u64, u64, Bytes)>,
    took: Vec<u64>,
    sent: u64,
    room: Freed,
}

impl Side {
    fn new(name: &'static str) -> Self {
        let room = Freed { frames: WINDOW_FRAMES_MAX, bytes: WINDOW_BYTES_MAX };
        let (wire, inbox, took) = Default::default();
        Self { session: Session::new(), name, wire, inbox, took, sent: 0, room }
    }

    fn gain(&mut self, freed: Freed) {
        self.room.frames += freed.frames;
        self.room.bytes += freed.bytes;
    }

    /// The host sends, if there is room.
    fn send(&mut self, size_bytes: usize) {
        if self.room.frames > 0 && self.room.bytes >= size_bytes {
            self.room.frames -= 1;
            self.room.bytes -= size_bytes;
            let mut frame = self.sent.to_le_bytes().to_vec();
            frame.resize(size_bytes, 0);
            self.session.push(frame.into());
            self.sent += 1;
        }
    }

    /// The link writes a frame, or an acknowledgement (as a frame that was sent before all).
    fn write(&mut self) {
        if let Some((number, frame)) = self.session.next_frame() {
            self.wire.push_back((number, frame, self.session.tell()));
        } else if self.session.due() != Due::Nothing {
            self.wire.push_back((0, Bytes::new(), self.session.tell()));
        }
    }

    /// The link reads what the other wrote.
    fn read(&mut self, from: &mut Self) {
        let Some((number, frame, taken)) = from.wire.pop_front() else { return };
        let freed = self.session.taken_there(taken).unwrap();
        self.gain(freed);
        if let Incoming::New { epoch } = self.session.incoming(number, frame.len()).unwrap() {
            self.inbox.push_back((epoch, number, frame));
        }
    }

    /// The host takes a frame.
    fn take(&mut self) {
        if let Some((epoch, number, frame)) = self.inbox.pop_front() {
            self.took.push(u64::from_le_bytes(frame[..8].try_into().unwrap()));
            self.session.taken_here(epoch, (number, frame.len()));
        }
    }
}

fn rejoin(one: &mut Side, two: &mut Side) {
    one.wire.clear();
    two.wire.clear();
    let from_one = one.session.join(1, two.name);
    let from_two = two.session.join(1, one.name);
    let freed = one.session.joined(two.name, from_two).unwrap();
    one.gain(freed);
    let freed = two.session.joined(one.name, from_one).unwrap();
    two.gain(freed);
}

/// Sends until nothing more moves.
fn settle(one: &mut Side, two: &mut Side) {
    for _ in 0..2000 {
        for _ in 0..2 {
            one.write();
            two.read(one);
            two.take();
            std::mem::swap(one, two);
        }
    }
}

#[test]
fn whatever_breaks_every_frame_comes_once_and_in_order() {
    let (mut breaks, mut frames) = (0, 0);
    for seed in 0..100 {
        let mut chance = Chance::from_seed(seed);
        let (mut one, mut two) = (Side::new("one"), Side::new("two"));
        rejoin(&mut one, &mut two);
        for _ in 0..3000 {
            if chance.happens(500) {
                std::mem::swap(&mut one, &mut two);
            }
            match chance.below(100) {
                0 => {
                    rejoin(&mut one, &mut two);
                    breaks += 1;
                }
                1..30 => one.send(8 + usize::try_from(chance.below(60_000)).unwrap()),
                30..55 => one.write(),
                55..80 => one.read(&mut two),
                _ => one.take(),
            }
        }
        rejoin(&mut one, &mut two);
        settle(&mut one, &mut two);
        for (side, other) in [(&one, &two), (&two, &one)] {
            let all: Vec<u64> = (0..other.sent).collect();
            assert_eq!(side.took, all, "seed {seed}");
            assert!(side.session.is_empty());
            assert_eq!(side.room.frames, WINDOW_FRAMES_MAX);
            assert_eq!(side.room.bytes, WINDOW_BYTES_MAX);
            frames += side.sent;
        }
    }
    assert!(breaks > 2000 && frames > 20_000, "{breaks} breaks, {frames} frames");
}

#[test]
fn when_one_side_begins_anew_nothing_that_was_not_taken_is_lost() {
    let (mut one, mut two) = (Side::new("one"), Side::new("two"));
    rejoin(&mut one, &mut two);
    for _ in 0..10 {
        one.send(8);
        two.send(8);
    }
    settle(&mut one, &mut two);
    one.send(8);
    two.send(8);
    one.write();
    two.read(&mut one);
    // Two's process ends with one frame that it had not taken, and one it had not sent.
    let mut two = Side::new("two again");
    rejoin(&mut one, &mut two);
    two.send(8);
    settle(&mut one, &mut two);
    assert_eq!(two.took, [10]);
    assert_eq!(one.took, (0..10).chain([0]).collect::<Vec<_>>());
    assert_eq!(one.room.frames, WINDOW_FRAMES_MAX);
    // What came in the first session is not counted in the second.
    one.session.taken_here(1, (9, 8));
    assert_eq!(one.session.tell(), 1);
}

#[test]
fn nobody_counts_as_they_like() {
    let mut one = Side::new("one");
    let mut two = Side::new("two");
    rejoin(&mut one, &mut two);
    assert_eq!(one.session.taken_there(1), Err(Violation::OutOfPlace));
    one.send(8);
    assert_eq!(one.session.taken_there(1), Err(Violation::OutOfPlace), "it was not written yet");
    one.write();
    assert_eq!(one.session.taken_there(1), Ok(Freed { frames: 1, bytes: 8 }));
    assert_eq!(one.session.taken_there(1), Ok(Freed::default()));
    assert_eq!(one.session.taken_there(u64::MAX), Err(Violation::OutOfPlace));
    assert_eq!(one.session.incoming(2, 0), Err(Violation::OutOfPlace));
    assert_eq!(one.session.incoming(u64::MAX, 0), Err(Violation::OutOfPlace));
    assert_eq!(one.session.incoming(1, 0), Ok(Incoming::New { epoch: 1 }));
    assert_eq!(one.session.incoming(1, 0), Ok(Incoming::Repeated));
    assert_eq!(one.session.incoming(0, 0), Ok(Incoming::Repeated));
    let check = |first, has: Option<(u64, u64)>| {
        let mut one = Session::new();
        let has = has.map(|(received, taken)| Has { received, taken });
        one.joined("two", Join { generation: 1, first, has })
    };
    assert_eq!(check(1, None), Ok(Freed::default()));
    assert_eq!(check(1, Some((0, 0))), Ok(Freed::default()));
    assert_eq!(check(0, None), Err(Violation::OutOfPlace));
    assert_eq!(check(1, Some((1, 0))), Err(Violation::OutOfPlace));
    assert_eq!(check(1, Some((0, 1))), Err(Violation::OutOfPlace));
    assert_eq!(check(u64::MAX, None), Ok(Freed::default()));
}

#[test]
fn more_than_the_window_is_an_overrun() {
    let mut session = Session::new();
    for number in 1..=WINDOW_FRAMES_MAX as u64 {
        assert_eq!(session.incoming(number, 0), Ok(Incoming::New { epoch: 0 }));
    }
    let next = WINDOW_FRAMES_MAX as u64 + 1;
    assert_eq!(session.incoming(next, 0), Err(Violation::Overrun));
    assert_eq!(session.taken_here(0, (1, 0)), Due::Later);
    assert_eq!(session.incoming(next, WINDOW_BYTES_MAX + 1), Err(Violation::Overrun));
    assert_eq!(session.incoming(next, WINDOW_BYTES_MAX), Ok(Incoming::New { epoch: 0 }));
}

/// Else a host that takes nothing would be sent more and more.
#[test]
fn only_what_was_taken_is_acknowledged() {
    let (mut one, mut two) = (Side::new("one"), Side::new("two"));
    rejoin(&mut one, &mut two);
    one.send(8);
    one.write();
    two.read(&mut one);
    assert_eq!((two.session.due(), two.session.owes()), (Due::Nothing, true));
    assert_eq!(two.session.tell(), 0);
    two.take();
    assert_eq!(two.session.due(), Due::Later);
    assert_eq!(two.session.tell(), 1);
    assert_eq!((two.session.due(), two.session.owes()), (Due::Nothing, false));
}
