//! Messages that do not arrive, arrive twice or late, and kernels that stop in between.
use super::{settle as carry_all, *};
use crate::{dialogue::Standing, entry::Ending};

/// What is wrong with the wire: a word on each message, from a seed.
struct Fate(u64);

impl Fate {
    fn next(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Carries as badly as it can for a while: drops, doubles, keeps and delivers late.
fn carry_badly(all: [&One; 2], fate: &mut Fate) {
    let mut late: Vec<(usize, Vec<u8>)> = Vec::new();
    for _ in 0..6 {
        for from in 0..2 {
            all[from].party.again(all[1 - from].id());
            let frames = all[from].outgoing(all[1 - from]);
            late.extend(frames.into_iter().map(|frame| (from, frame)));
        }
        for _ in 0..late.len() {
            let at = usize::try_from(fate.next(late.len() as u64)).unwrap();
            let (from, frame) = late[at].clone();
            match fate.next(4) {
                0 => drop(late.swap_remove(at)),
                1 => continue,
                word => {
                    let answers = all[1 - from].hear(&frame, all[from]);
                    late.extend(answers.into_iter().map(|answer| (1 - from, answer)));
                    if word == 2 {
                        late.swap_remove(at);
                    }
                }
            }
            if late.is_empty() {
                break;
            }
        }
        late.truncate(24);
    }
}

/// One after the other, so that something is always on its way.
fn a_whole_talk(seed: u64) {
    let mut fate = Fate(seed);
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    let both = [&one, &other];
    let mut settle = || {
        carry_badly(both, &mut fate);
        for (from, to) in [(0, 1), (1, 0)] {
            both[from].party.again(both[to].id());
        }
        carry_all(&both);
    };
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "")).unwrap();
    settle();
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    settle();
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    settle();
    let digest = other.party.session(session).unwrap().wording.digest;
    block_on(other.party.consent(&other.owner, session, digest)).unwrap();
    settle();
    for nth in 0..5 {
        let mark = if nth == 4 { Mark::Resolved } else { Mark::Continue };
        both[nth % 2].say(session, &format!("turn {nth}"), mark).unwrap();
        settle();
    }
    for side in both {
        let dialogue = side.party.session(session).unwrap();
        assert_eq!(dialogue.standing(), Standing::Ended(Ending::Resolved), "seed {seed}");
        assert_eq!((dialogue.used, dialogue.told), (5, true), "seed {seed}");
        assert!(side.party.due().is_empty(), "seed {seed}: {:?}", side.net().contact(both[0].id()));
    }
    assert_eq!(one.told(session), other.told(session), "seed {seed}");
    assert_eq!(one.told(session).len(), 5);
}

#[test]
fn whatever_the_wire_does_both_ledgers_tell_the_same() {
    for seed in 0..60 {
        a_whole_talk(seed);
    }
}

#[test]
fn what_is_due_survives_a_crash_at_every_step() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (mut one, mut other) = (One::new(1, &clock), One::new(2, &clock));
    let again = |one: One, other: One| {
        let (one, other) = (one.restarted(), other.restarted());
        settle(&[&one, &other]);
        (one, other)
    };
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "")).unwrap();
    (one, other) = again(one, other);
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    (one, other) = again(one, other);
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    (one, other) = again(one, other);
    let digest = other.party.session(session).unwrap().wording.digest;
    block_on(other.party.consent(&other.owner, session, digest)).unwrap();
    (one, other) = again(one, other);
    for nth in 0..4 {
        let speaker = if nth % 2 == 0 { &one } else { &other };
        speaker.say(session, &format!("turn {nth}"), Mark::Continue).unwrap();
        // Once it was on its way already, and nobody heard whether it arrived.
        if nth == 2 {
            let frame = one.outgoing(&other).pop().unwrap();
            other.hear(&frame, &one);
        }
        (one, other) = again(one, other);
        assert_eq!(other.party.session(session).unwrap().last, nth + 1);
    }
    block_on(other.party.close(&other.owner, session)).unwrap();
    (one, other) = again(one, other);
    for side in [&one, &other] {
        let dialogue = side.party.session(session).unwrap();
        assert_eq!(dialogue.standing(), Standing::Ended(Ending::Owner));
        assert!(dialogue.told && side.party.due().is_empty());
    }
    assert_eq!(one.told(session), other.told(session));
}

#[test]
fn what_was_signed_with_a_key_that_was_replaced_is_signed_again() {
    let (one, other, session) = pair(10);
    one.say(session, "one", Mark::Continue).unwrap();
    assert_eq!(one.outgoing(&other).len(), 1, "and it is lost");
    block_on(one.owner.certify(key(88).public_key())).unwrap();
    one.party.kernel().sign_with(key(88));
    block_on(one.party.tick()).unwrap();
    one.party.again(other.id());
    settle(&[&one, &other]);
    assert_eq!(other.party.session(session).unwrap().last, 1);
    other.say(session, "two", Mark::Continue).unwrap();
    settle(&[&one, &other]);
    assert_eq!(one.told(session), other.told(session));
}

#[test]
fn what_never_arrived_counts_at_neither_side() {
    let (one, other, session) = pair(10);
    one.say(session, "lost", Mark::Continue).unwrap();
    one.outgoing(&other);
    assert_eq!(one.party.session(session).unwrap().used, 1);
    block_on(other.party.close(&other.owner, session)).unwrap();
    settle(&[&one, &other]);
    for side in [&one, &other] {
        assert_eq!(side.party.session(session).unwrap().used, 0);
        assert!(side.told(session).is_empty());
    }
}

#[test]
fn whoever_sends_is_told_that_there_is_something() {
    use std::{
        future::Future,
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Poll, Wake},
    };

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    let (one, other, session) = pair(10);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = count.clone().into();
    let mut context = Context::from_waker(&waker);
    let mut stirred = pin!(one.party.stirred());
    while stirred.as_mut().poll(&mut context).is_ready() {
        stirred.set(one.party.stirred());
    }
    one.say(session, "one", Mark::Continue).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(stirred.as_mut().poll(&mut context), Poll::Ready(vec![other.id()]));
    assert_eq!(one.outgoing(&other).len(), 1);
    assert!(one.outgoing(&other).is_empty(), "it is not handed out twice");
    one.party.again(other.id());
    assert_eq!(one.outgoing(&other).len(), 1, "but again when it is asked for");
    // What was begun and dropped may be in the ledger: it is looked at.
    drop(one.party.desk.lanes.stirring(other.id()));
    assert_eq!(one.outgoing(&other).len(), 1);
}

#[test]
fn a_kernel_whose_key_changed_sends_again_what_was_on_its_way() {
    let (one, other, session) = pair(10);
    one.say(session, "one", Mark::Continue).unwrap();
    drop(one.outgoing(&other));
    block_on(one.owner.certify(key(66).public_key())).unwrap();
    one.party.kernel().sign_with(key(66));
    block_on(one.party.tick()).unwrap();
    one.party.again(other.id());
    settle(&[&one, &other]);
    assert_eq!(other.party.session(session).unwrap().last, 1);
    other.say(session, "two", Mark::Continue).unwrap();
}

#[test]
fn what_was_refused_as_paused_is_said_again_when_the_pause_ends() {
    let (one, other, session) = pair(10);
    let all = [&one, &other];
    block_on(other.party.pause(&other.owner, session)).unwrap();
    one.say(session, "one", Mark::Continue).unwrap();
    let turn = one.outgoing(&other).pop().unwrap();
    let answer = other.hear(&turn, &one).pop().unwrap();
    assert!(String::from_utf8(answer.clone()).unwrap().contains("paused"));
    one.hear(&answer, &other);
    settle(&all);
    assert_eq!(other.party.session(session).unwrap().last, 0);
    block_on(other.party.resume(&other.owner, session)).unwrap();
    settle(&all);
    assert_eq!(other.party.session(session).unwrap().last, 1);
    // The same where other terms were what it waited for.
    let more = Amendment::new().turns(20);
    let digest = block_on(one.party.amend(&one.owner, session, more)).unwrap();
    let amended = one.outgoing(&other);
    other.say(session, "two", Mark::Continue).unwrap();
    let turn = other.outgoing(&one).pop().unwrap();
    for answer in one.hear(&turn, &other) {
        other.hear(&answer, &one);
    }
    for frame in amended {
        for answer in other.hear(&frame, &one) {
            one.hear(&answer, &other);
        }
    }
    block_on(other.party.consent(&other.owner, session, digest)).unwrap();
    settle(&all);
    assert_eq!(one.party.session(session).unwrap().last, 2);
}
