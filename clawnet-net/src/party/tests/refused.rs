//! Every kind of bad frame: refused by its name, recorded once, and nothing changes.
use std::time::Duration;

use clawnet_core::{Digest, Signature, TreeHash};

use super::*;

/// `frame` from `from` is refused at `at` for `reason`: that is answered, recorded at the first,
/// second and fourth time, and nothing else changes.
fn refuse(at: &One, from: &One, frame: &[u8], reason: Reason) {
    let before = at.net();
    let next = at.party.kernel().head().sequence + 1;
    for _ in 0..5 {
        let answers = at.hear(frame, from);
        assert!(!answers.is_empty(), "{reason}");
        if reason == Reason::Unknown || Envelope::decode(frame).is_err() {
            assert_eq!(answers, [NOBODY], "{reason}");
        } else {
            let answer = Envelope::decode(&answers[0]).unwrap();
            assert_eq!(answer.to, To::Owner(from.id()));
            let of = Envelope::decode(frame).unwrap().body.name(frame);
            assert_eq!(answer.body, Letter::Refused { of, reason });
        }
    }
    assert_eq!(at.net(), before, "{reason} changed something");
    let recorded = refusals(at, next);
    let counts: Vec<_> = recorded.iter().map(|refused| refused.count).collect();
    assert_eq!(counts, [1, 2, 4], "{reason}");
    for refused in recorded {
        assert_eq!((refused.reason, refused.peer), (reason, Some(from.id())));
    }
}

fn frame(envelope: &Envelope) -> Vec<u8> {
    envelope.encode().unwrap()
}

/// A session in which the first has the floor, and something was said before.
fn talking() -> (One, One, SessionId) {
    let (one, other, session) = pair(20);
    for (speaker, text) in [(&one, "one"), (&other, "two"), (&one, "three"), (&other, "four")] {
        speaker.say(session, text, Mark::Continue).unwrap();
        settle(&[&one, &other]);
    }
    (one, other, session)
}

fn plain(_: &mut Entry, _: &mut LedgerHead) {}

#[test]
fn what_was_not_changed_is_taken() {
    let (one, other, session) = talking();
    let good = frame(&craft(&one, session, "five", plain));
    let answers = other.hear(&good, &one);
    let answer = Envelope::decode(&answers[0]).unwrap();
    let of = Envelope::decode(&good).unwrap().body.name(&good);
    assert_eq!(answer.body, Letter::Taken { of });
    assert_eq!(other.party.session(session).unwrap().last, 5);
}

#[test]
fn forged() {
    let (one, other, session) = talking();
    let mut bad = craft(&one, session, "five", plain);
    if let Letter::Entry { signed, .. } = &mut bad.body {
        let mut bytes = *signed.signature.as_bytes();
        bytes[7] ^= 1;
        signed.signature = Signature::from_bytes(bytes);
    }
    refuse(&other, &one, &frame(&bad), Reason::Forged);
    // Signed, but by another kernel.
    let third = One::new(3, &one.clock);
    let mut bad = craft(&one, session, "five", plain);
    if let Letter::Entry { signed, .. } = &mut bad.body {
        let said = signed.entry.said_at(signed.head);
        signed.signature = third.party.kernel().vouch(ENTRY, &said).unwrap();
    }
    let before = other.net();
    other.hear(&frame(&bad), &one);
    assert_eq!(other.net(), before);
}

#[test]
fn forged_acts() {
    let (one, other, session) = talking();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let sent = one.outgoing(&other);
    let mut bad = Envelope::decode(&sent[0]).unwrap();
    if let Letter::Act { shown, .. } = &mut bad.body {
        let mut bytes = *shown.act.signature.as_bytes();
        bytes[7] ^= 1;
        shown.act.signature = Signature::from_bytes(bytes);
    }
    refuse(&other, &one, &frame(&bad), Reason::Forged);
}

#[test]
fn replayed() {
    let (one, other, session) = talking();
    one.say(session, "five", Mark::Continue).unwrap();
    let sent = one.outgoing(&other);
    let first = other.hear(&sent[0], &one);
    let (before, head) = (other.net(), other.party.kernel().head());
    for _ in 0..3 {
        assert_eq!(other.hear(&sent[0], &one), first);
    }
    assert_eq!((other.net(), other.party.kernel().head()), (before, head));
}

#[test]
fn replayed_acts() {
    let (one, other, session) = talking();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let sent = one.outgoing(&other);
    let first = other.hear(&sent[0], &one);
    let (before, head) = (other.net(), other.party.kernel().head());
    assert_eq!(other.hear(&sent[0], &one), first);
    assert_eq!((other.net(), other.party.kernel().head()), (before, head));
}

#[test]
fn stale() {
    let (one, other, session) = talking();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let paused = one.outgoing(&other);
    other.hear(&paused[0], &one).iter().for_each(|answer| drop(one.hear(answer, &other)));
    block_on(one.party.resume(&one.owner, session)).unwrap();
    settle(&[&one, &other]);
    refuse(&other, &one, &paused[0], Reason::Stale);
}

#[test]
fn stale_entries() {
    let (one, other, session) = talking();
    let bad = craft(&one, session, "five", |entry, _| entry.number = 4);
    refuse(&other, &one, &frame(&bad), Reason::Stale);
}

#[test]
fn oversize() {
    let (one, other, _) = talking();
    refuse(&other, &one, &vec![b' '; Envelope::SIZE_BYTES_MAX + 1], Reason::Oversize);
}

#[test]
fn truncated() {
    let (one, other, session) = talking();
    let good = frame(&craft(&one, session, "five", plain));
    refuse(&other, &one, &good[..good.len() - 9], Reason::Malformed);
    for end in 0..good.len() {
        assert_eq!(other.hear(&good[..end], &one), [NOBODY]);
    }
}

#[test]
fn not_canonical() {
    let (one, other, session) = talking();
    let good = String::from_utf8(frame(&craft(&one, session, "five", plain))).unwrap();
    refuse(&other, &one, good.replacen(':', ": ", 1).as_bytes(), Reason::NotCanonical);
    assert_eq!(other.hear(good.replace("\"five\"", "\"f\\u0069ve\"").as_bytes(), &one), [NOBODY]);
}

#[test]
fn out_of_order() {
    let (one, other, session) = talking();
    let bad = craft(&one, session, "five", |entry, _| entry.number = 6);
    refuse(&other, &one, &frame(&bad), Reason::OutOfOrder);
}

#[test]
fn wrong_party() {
    let (one, other, session) = talking();
    let third = One::new(3, &one.clock);
    meet(&third, &other);
    let mut bad = craft(&one, session, "five", plain);
    bad.from = third.id();
    if let Letter::Entry { signed, .. } = &mut bad.body {
        let said = signed.entry.said_at(signed.head);
        signed.signature = third.party.kernel().vouch(ENTRY, &said).unwrap();
    }
    // Who is in it is told to nobody else, and the owner all the same.
    assert_eq!(other.hear(&frame(&bad), &third), [NOBODY]);
    let record = block_on(other.owner.records(other.party.kernel().head().sequence, 1)).unwrap();
    assert!(format!("{:?}", record[0].event).contains("wrong_party"));
}

#[test]
fn wrong_turn() {
    let (one, other, session) = talking();
    let bad = craft(&other, session, "five", plain);
    refuse(&one, &other, &frame(&bad), Reason::WrongTurn);
}

#[test]
fn closed() {
    let (one, other, session) = talking();
    let late = frame(&craft(&one, session, "five", plain));
    block_on(other.party.close(&other.owner, session)).unwrap();
    refuse(&other, &one, &late, Reason::Closed);
    let answers = other.hear(&late, &one);
    let told = Envelope::decode(&answers[1]).unwrap();
    assert!(matches!(told.body, Letter::End(_)), "who says more is told that it is over");
}

#[test]
fn contradiction() {
    let (one, other, session) = talking();
    let held = other.party.session(session).unwrap().head.unwrap();
    let cut = |_: &mut Entry, head: &mut LedgerHead| head.size = held.size - 1;
    let mut bad = craft(&one, session, "five", cut);
    if let Letter::Entry { path, .. } = &mut bad.body {
        *path = None;
    }
    // A forged one accuses nobody.
    let mut forged = bad.clone();
    if let Letter::Entry { signed, .. } = &mut forged.body {
        signed.signature = Signature::from_bytes([7; 64]);
    }
    let next = other.party.kernel().head().sequence + 1;
    other.hear(&frame(&forged), &one);
    assert!(!other.party.contact(one.id()).unwrap().distrusted);
    assert_eq!(refusals(&other, next)[0].reason, Reason::Forged);

    let next = other.party.kernel().head().sequence + 1;
    let answers = other.hear(&frame(&bad), &one);
    let answer = Envelope::decode(&answers[0]).unwrap();
    let reason = Reason::Contradiction;
    let of = bad.body.name(&[]);
    assert_eq!(answer.body, Letter::Refused { of, reason });
    let recorded = refusals(&other, next);
    let (before, after) = recorded[0].heads.clone().unwrap();
    assert_eq!(before, held);
    let key = one.party.kernel().certified_key().unwrap();
    assert_eq!(after.verify(&key), Ok(()), "what was shown proves it to anybody");
    let seen = block_on(other.owner.security_events(1)).unwrap();
    assert_eq!(seen[0].sequence, next, "the owner is told");
    assert!(other.party.contact(one.id()).unwrap().distrusted);
    let ended = other.party.session(session).unwrap().ended.unwrap();
    assert_eq!(ended.reason, crate::entry::Ending::Contradiction);
}

#[test]
fn another_root_of_the_same_size_is_a_contradiction() {
    let (one, other, session) = talking();
    let held = other.party.session(session).unwrap().head.unwrap();
    let fork = |_: &mut Entry, head: &mut LedgerHead| {
        *head = LedgerHead { root: TreeHash::EMPTY, size: held.size };
    };
    let mut bad = craft(&one, session, "five", fork);
    if let Letter::Entry { path, .. } = &mut bad.body {
        *path = None;
    }
    other.hear(&frame(&bad), &one);
    assert!(other.party.contact(one.id()).unwrap().distrusted);
}

#[test]
fn unproven() {
    let (one, other, session) = talking();
    let mut bad = craft(&one, session, "five", plain);
    if let Letter::Entry { path, .. } = &mut bad.body {
        assert!(path.take().is_some());
    }
    refuse(&other, &one, &frame(&bad), Reason::Unproven);
    // A path that leads elsewhere, and one from another past.
    let other_root = |_: &mut Entry, head: &mut LedgerHead| head.root = TreeHash::EMPTY;
    let elsewhere = craft(&one, session, "five", other_root);
    let mut past = craft(&one, session, "five", plain);
    if let Letter::Entry { path: Some(path), signed, .. } = &mut past.body {
        let from = path.from() - 1;
        *path =
            block_on(one.party.kernel().growth_to(from, signed.head.size)).unwrap().path.unwrap();
    }
    for bad in [elsewhere, past] {
        let before = other.net();
        let answers = other.hear(&frame(&bad), &one);
        let answer = Envelope::decode(&answers[0]).unwrap();
        assert!(matches!(answer.body, Letter::Refused { reason: Reason::Unproven, .. }));
        assert_eq!(other.net(), before);
    }
}

#[test]
fn too_large() {
    let (one, other, session) = talking();
    let bad = craft(&one, session, &"x".repeat((16 << 10) + 1), plain);
    refuse(&other, &one, &frame(&bad), Reason::TooLarge);
}

#[test]
fn limit() {
    let (one, other, session) = talking();
    let child = SessionId::drafted(one.id(), one.party.kernel().head(), other.id());
    let bad = craft(&one, session, "", |entry, _| entry.what = What::Draw { child, turns: 16 });
    refuse(&other, &one, &frame(&bad), Reason::Limit);
}

#[test]
fn paused() {
    let (one, other, session) = talking();
    block_on(other.party.pause(&other.owner, session)).unwrap();
    refuse(&other, &one, &frame(&craft(&one, session, "five", plain)), Reason::Paused);
}

#[test]
fn expired() {
    let (one, other, session) = talking();
    one.clock.advance(Duration::from_hours(8 * 24));
    refuse(&other, &one, &frame(&craft(&one, session, "five", plain)), Reason::Expired);
}

#[test]
fn mismatch() {
    let (one, other, session) = talking();
    let mut bad = craft(&one, session, "five", plain);
    if let Letter::Entry { text, .. } = &mut bad.body {
        *text = Some("fife".into());
    }
    refuse(&other, &one, &frame(&bad), Reason::Mismatch);
    let terms = craft(&one, session, "five", |entry, _| entry.terms = Digest::ZERO);
    let previous = craft(&one, session, "five", |entry, _| entry.previous = Digest::ZERO);
    let mut silent = craft(&one, session, "five", plain);
    if let Letter::Entry { text, .. } = &mut silent.body {
        *text = None;
    }
    for bad in [terms, previous, silent] {
        let before = other.net();
        let answers = other.hear(&frame(&bad), &one);
        let answer = Envelope::decode(&answers[0]).unwrap();
        assert!(matches!(answer.body, Letter::Refused { reason: Reason::Mismatch, .. }));
        assert_eq!(other.net(), before);
    }
}

#[test]
fn a_decision_brings_no_text_that_was_not_signed() {
    let (one, other, session) = talking();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let mut bad = Envelope::decode(&one.outgoing(&other)[0]).unwrap();
    if let Letter::Act { text, .. } = &mut bad.body {
        *text = Some("and besides".into());
    }
    refuse(&other, &one, &frame(&bad), Reason::Malformed);
}

#[test]
fn not_open() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    meet(&one, &other);
    let session = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "x"))).unwrap();
    settle(&[&one, &other]);
    refuse(&other, &one, &frame(&craft(&one, session, "early", plain)), Reason::NotOpen);
}

#[test]
fn key_changed() {
    let (mut one, other, session) = talking();
    block_on(one.owner.rekey(key(77))).unwrap();
    block_on(one.party.pause(&one.owner, session)).unwrap();
    let sent = one.outgoing(&other);
    let act =
        sent.iter().find(|sent| matches!(Envelope::decode(sent).unwrap().body, Letter::Act { .. }));
    let act = act.unwrap();
    other.hear(act, &one);
    let contact = other.party.contact(one.id()).unwrap();
    assert_eq!(contact.changed_key(), Some(key(77).public_key()), "the owner is shown it");
    refuse_after_key_change(&other, &one, act);
    refuse_after_key_change(&other, &one, &frame(&craft(&one, session, "five", plain)));
    let new = contact.changed_key().unwrap();
    block_on(other.party.accept_key(&other.owner, one.id(), new)).unwrap();
    other.hear(act, &one);
    assert!(other.party.session(session).unwrap().pauses.theirs);
    // What both agreed to with the key before is verified with the key before.
    assert!(other.party.open(session).is_ok());
    assert!(one.party.open(session).is_ok());
}

fn refuse_after_key_change(at: &One, from: &One, frame: &[u8]) {
    let before = at.net();
    let answers = at.hear(frame, from);
    let answer = Envelope::decode(&answers[0]).unwrap();
    assert!(matches!(answer.body, Letter::Refused { reason: Reason::KeyChanged, .. }));
    assert_eq!(at.net(), before);
}
