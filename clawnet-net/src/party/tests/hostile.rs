//! Strangers, the blocked, and whoever looks for somebody who has no address.
use super::*;

#[test]
fn nobody_is_one_envelope_that_names_nobody() {
    let read = Envelope::decode(NOBODY).unwrap();
    let of = clawnet_core::Digest::ZERO;
    assert_eq!(read.body, Letter::Refused { of, reason: Reason::Unknown });
    assert_eq!(read.encode().unwrap(), NOBODY);
}

#[test]
fn whoever_knows_nobody_hears_the_same_bytes_whatever_they_name() {
    let (one, other, session) = pair(10);
    let (third, fourth) = (One::new(3, &one.clock), One::new(4, &one.clock));
    // A contact who was blocked.
    meet(&fourth, &other);
    block_on(other.party.block(&other.owner, fourth.id())).unwrap();

    let entry = craft(&one, session, "five", |_, _| ());
    let from = |sender: &One, to: To| Envelope { from: sender.id(), to, ..entry.clone() };
    let live = To::Identity(Address::of(other.id(), other.identity));
    let unknown = To::Identity(Address::of(other.id(), third.identity));
    let elsewhere = To::Identity(Address::of(id(9), other.identity));
    let mut cases = Vec::new();
    for stranger in [&third, &fourth] {
        for to in [live, unknown, elsewhere, To::Owner(other.id()), To::Owner(id(9))] {
            cases.push((stranger, from(stranger, to).encode().unwrap()));
        }
        block_on(stranger.party.ask(&stranger.owner, id(8), stranger.shown(), "")).unwrap();
        let ask = block_on(stranger.party.outgoing(id(8))).pop().unwrap();
        let ask = Envelope::decode(&ask).unwrap();
        // An ask that was meant for somebody else.
        let moved = Envelope { to: To::Owner(other.id()), ..ask.clone() };
        cases.push((stranger, moved.encode().unwrap()));
        let to_identity = Envelope { to: live, ..ask };
        cases.push((stranger, to_identity.encode().unwrap()));
    }
    // A contact who names another identity than the one they meet.
    cases.push((&one, from(&one, unknown).encode().unwrap()));
    cases.push((&one, from(&one, To::Owner(other.id())).encode().unwrap()));
    // What no address can be written of: an agent, a manager.
    let text = String::from_utf8(entry.encode().unwrap()).unwrap();
    let agent = other.agent.caller().agent().to_string();
    for name in [agent, "manager".into(), format!("manager@{}", other.id())] {
        let at = text.replace(&live.to_string(), &name);
        cases.push((&third, at.into_bytes()));
    }
    let before = other.net();
    for (sender, bytes) in cases {
        assert_eq!(other.hear(&bytes, sender), [NOBODY]);
    }
    assert_eq!(other.net(), before);
}

#[test]
fn a_blocked_peer_cannot_tell_that_there_ever_was_anybody() {
    let (one, other, session) = pair(10);
    let turn = craft(&one, session, "one", |_, _| ()).encode().unwrap();
    block_on(other.party.block(&other.owner, one.id())).unwrap();
    assert!(other.outgoing(&one).is_empty());
    assert_eq!(other.hear(&turn, &one), [NOBODY]);
    assert_eq!(other.hear(b"{}", &one), [NOBODY]);
    block_on(one.party.close(&one.owner, session)).unwrap();
    for frame in one.outgoing(&other) {
        assert_eq!(other.hear(&frame, &one), [NOBODY]);
    }
}

#[test]
fn a_link_speaks_for_nobody_it_has_not_proven() {
    let (one, other, session) = pair(10);
    let turn = craft(&one, session, "one", |_, _| ()).encode().unwrap();
    let third = One::new(3, &one.clock);
    let before = other.net();
    let next = other.party.kernel().head().sequence + 1;
    assert_eq!(other.hear(&turn, &third), [NOBODY]);
    let nobody = Proven::on_the_word_of_a_transport([]);
    assert_eq!(block_on(other.party.receive(&turn, &nobody)), [NOBODY]);
    assert_eq!(other.net(), before);
    let recorded = refusals(&other, next);
    assert_eq!(recorded.len(), 2);
    assert!(recorded.iter().all(|it| (it.peer, it.reason) == (None, Reason::WrongParty)));
}

#[test]
fn nobody_answers_an_answer() {
    let (one, other, _) = pair(10);
    assert!(other.hear(NOBODY, &one).is_empty());
    let of = clawnet_core::Digest::ZERO;
    for body in [Letter::Taken { of }, Letter::Refused { of, reason: Reason::Closed }] {
        let answer = Envelope::new(one.id(), To::Owner(other.id()), body).encode().unwrap();
        let (before, head) = (other.net(), other.party.kernel().head());
        assert!(other.hear(&answer, &one).is_empty());
        let link = Proven::on_the_word_of_a_transport([]);
        assert!(block_on(other.party.receive(&answer, &link)).is_empty());
        assert_eq!((other.net(), other.party.kernel().head()), (before, head));
    }
}

#[test]
fn a_flood_fills_no_ledger() {
    let (_, other, _) = pair(10);
    let link = Proven::on_the_word_of_a_transport([]);
    let next = other.party.kernel().head().sequence + 1;
    for _ in 0..10_000 {
        assert_eq!(block_on(other.party.receive(b"{}", &link)), [NOBODY]);
    }
    assert_eq!(refusals(&other, next).len(), 14, "at 1, 2, 4, … 8192");
}
