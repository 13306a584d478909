//! Counterparts, strangers and thieves of keys, who mean harm.
use clawnet_core::{Act, Credential, PublicKey};
use serde_json::json;

use super::*;
use crate::terms::Level;

fn key(secret: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[secret; 32])
}

/// An act of `owner` as whoever has `secret` signs it.
pub(super) fn signed(owner: OwnerId, (number, secret): (u64, u8), act: &Act) -> SignedAct {
    let statement = SignedAct::statement(owner, number, act);
    let signature = block_on(key(secret).sign(&statement)).unwrap();
    let act = json!({"act": act, "number": number, "signature": signature});
    serde_json::from_value(act).unwrap()
}

fn credential(founder: PublicKey, acts: &[SignedAct]) -> Credential {
    serde_json::from_value(json!({"acts": acts, "founder": founder})).unwrap()
}

fn kernel_key(here: &One, of: &One) -> PublicKey {
    here.net(|net| net.contact(of.id()).unwrap().keys.as_ref().unwrap().kernel)
}

#[test]
fn a_key_that_was_replaced_certifies_nothing_any_more() {
    let (mut one, other) = two();
    block_on(one.owner.rekey(key(77))).unwrap();
    let known = one.kernel.credential();
    other.hear(&one, Evidence::Keys(known.clone())).unwrap();
    let accept = Decision::AcceptKey { key: key(77).public_key(), peer: one.id() };
    other.decide(accept).unwrap();
    let before = kernel_key(&other, &one);
    // Whoever has the first key signs a certificate between the true one and the change of keys.
    let [certified, changed] = known.acts.as_slice() else { panic!("{known:?}") };
    assert!(certified.number + 1 < changed.number);
    let thief = Act::Certify { key: key(66).public_key() };
    let forged = signed(one.id(), (certified.number + 1, 1), &thief);
    let shown = credential(known.founder, &[forged, changed.clone()]);
    shown.verify().unwrap();
    assert_eq!(other.hear(&one, Evidence::Keys(shown)), Err("stale".into()));
    assert_eq!(kernel_key(&other, &one), before);
    // The owner's own next certificate counts.
    block_on(one.owner.certify(key(55).public_key())).unwrap();
    other.hear(&one, Evidence::Keys(one.kernel.credential())).unwrap();
    assert_eq!(kernel_key(&other, &one), key(55).public_key());
}

#[test]
fn what_is_over_a_limit_is_refused_before_any_signature_is_looked_at() {
    let (one, other) = two();
    let act = Act::Certify { key: key(66).public_key() };
    let forged = credential(one.kernel.credential().founder, &[signed(one.id(), (9, 66), &act)]);
    assert!(forged.verify().is_err());
    // It changes nothing, so nobody has to look whether it is good.
    let session = SessionId::drafted(one.id(), one.kernel.head(), other.id());
    let act = signed(one.id(), (50, 1), &declared(Decision::Pause { session }));
    let shown = Evidence::Act(Shown::new(act, forged, None));
    assert_eq!(other.hear(&one, shown), Err("unknown".into()));
}

pub(super) fn declared(decision: Decision) -> Act {
    let fact = clawnet_core::Fact::of::<Relations>(&Said::Decided(decision)).unwrap();
    Act::Declare { fact }
}

#[test]
fn whoever_asks_and_withdraws_again_and_again_leaves_nothing_behind() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (stranger, other) = (One::new(1, &clock), One::new(2, &clock));
    let before = other.net(Clone::clone);
    let mut asked = 0;
    let refused = loop {
        let (identity, peer) = (stranger.identity, other.id());
        let (name, note) = ("One".into(), String::new());
        let ask = stranger.decide(Decision::Ask { identity, name, note, peer }).unwrap();
        if let Err(refused) = stranger.show(&other, &ask, None) {
            break refused;
        }
        asked += 1;
        assert!(asked < 5000, "nobody ever says no");
        let remove = stranger.decide(Decision::Remove { peer }).unwrap();
        stranger.show(&other, &remove, None).unwrap();
        stranger.say(&Said::Arrived { act: remove.number, peer }).unwrap();
        assert!(other.net(|net| net.contact(stranger.id()).is_none()));
    };
    assert_eq!(refused, "limit");
    clock.advance(Duration::from_hours(1));
    let ask = Decision::Ask {
        identity: stranger.identity,
        name: "One".into(),
        note: String::new(),
        peer: other.id(),
    };
    stranger.decide(Decision::Remove { peer: other.id() }).unwrap();
    let ask = stranger.decide(ask).unwrap();
    stranger.show(&other, &ask, None).unwrap();
    let remove = stranger.decide(Decision::Remove { peer: other.id() }).unwrap();
    stranger.show(&other, &remove, None).unwrap();
    let after = other.net(Clone::clone);
    assert_eq!((after.contacts, after.waiting), (before.contacts, before.waiting));
    assert_eq!(other.replayed(), other.net(Clone::clone));
}

#[test]
fn a_contact_fills_no_ledger() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let mut heard = 0;
    let refused = 'flood: loop {
        for decision in [Decision::Pause { session }, Decision::Resume { session }] {
            let act = one.decide(decision).unwrap();
            if let Err(refused) = one.show(&other, &act, None) {
                break 'flood refused;
            }
            one.say(&Said::Arrived { act: act.number, peer: other.id() }).unwrap();
            heard += 1;
            assert!(heard < 20_000, "nobody ever says no");
        }
    };
    assert_eq!(refused, "limit");
    one.clock.advance(Duration::from_hours(1));
    one.send(&other, &one.turn(session, "1", Mark::Continue)).unwrap_err();
    let paused = other.net(|net| net.session(session).unwrap().pauses.theirs);
    let next = if paused { Decision::Resume { session } } else { Decision::Pause { session } };
    let act = one.decide(next.clone()).or_else(|_| {
        let back = if paused { Decision::Pause { session } } else { Decision::Resume { session } };
        one.decide(back).and_then(|_| one.decide(next))
    });
    one.show(&other, &act.unwrap(), None).unwrap();
}

#[test]
fn terms_are_bounded_altogether() {
    let (one, other) = two();
    let mut scope = Grant::new();
    for nth in 0..400 {
        let region = format!("fs:/{}/{nth}", "x".repeat(100));
        scope = scope.allow(Action::Read, Region::subtree(&region).unwrap());
    }
    let large = one.draft(&Proposal::to(other.id(), "valves").scope(scope));
    assert_eq!(large.map(drop), Err("terms".into()));
}

/// What `c` says beneath a session of `b`'s, whose result its owner releases meanwhile.
#[test]
fn a_result_that_was_released_covers_nothing_that_is_said_after_it() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(9));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 4 })).unwrap();
    let terms = beneath(b, c, parent, child);
    assert_eq!(terms.turns_max, 3);
    let unreleased = || b.net(|net| net.session(parent).unwrap().unreleased.contains(&child));
    let release = |nth: u8| {
        let body = clawnet_core::Digest::of_content(&[nth]);
        let act = c.decide(Decision::Release { body, session: child })?;
        c.show(b, &act, None)
    };
    b.send(c, &b.turn(child, "how much?", Mark::Continue)).unwrap();
    release(0).unwrap();
    assert!(!unreleased());
    c.send(b, &c.turn(child, "90, and my secret", Mark::Continue)).unwrap();
    assert!(unreleased(), "what was said after the release flows up");
    // The same result by another act is the same decision: it covers no more than it did.
    assert!(release(0).unwrap_err().contains("it was here before"));
    let body = clawnet_core::Digest::of_content(&[0]);
    let again = declared(Decision::Release { body, session: child });
    let again = signed(c.id(), (c.kernel.head().sequence + 1, c.seed), &again);
    assert_eq!(c.show(b, &again, None), Err("replayed".into()));
    assert!(unreleased());
    release(1).unwrap();
    assert!(!unreleased());
    let refused = (2..100).find_map(|nth| release(nth).err()).expect("results without end");
    assert!(refused.contains("limit"), "{refused}");
}

#[test]
fn a_session_is_beneath_another_only_where_it_was_drafted_there() {
    let [a, b, c] = &three();
    let victim = open(a, b, &Proposal::to(b.id(), "valves"));
    // `c` words a session as if it were beneath the one between the others.
    let mut terms = c.draft(&Proposal::to(b.id(), "freight")).unwrap();
    let above = Level { initiator: a.id(), responder: c.id(), session: victim };
    terms.ancestry = vec![above];
    terms.scope.push(Grant::new());
    terms.session = SessionId::drafted(c.id(), c.kernel.head(), a.id());
    let session = terms.session;
    let consent = Decision::Consent { revision: 1, session, terms: terms.digest() };
    let act = signed(c.id(), (40, 3), &declared(consent));
    c.show(b, &act, Some(terms.clone())).unwrap();
    b.consent(&terms).unwrap();
    let what = What::Turn(Turn::of("hello", Mark::Continue, Vec::new()));
    let at = Timestamp::from_millis(c.now());
    let (previous, digest) = (terms.digest(), terms.digest());
    let entry = Entry { at, number: 1, previous, session, terms: digest, what };
    let growth = block_on(c.kernel.growth(0)).unwrap();
    let head = LedgerHead { root: growth.root, size: growth.size };
    let signature = c.kernel.vouch("net.entry", &entry.said_at(head)).unwrap();
    b.hear(c, Evidence::Entry(SignedEntry::new(entry, head, signature))).unwrap();
    assert!(b.net(|net| net.session(victim).unwrap().unreleased.is_empty()));
}

#[test]
fn who_is_in_a_session_is_told_to_nobody_else() {
    let [a, b, c] = &three();
    let session = open(a, b, &Proposal::to(b.id(), "valves"));
    let pause = signed(c.id(), (40, 3), &declared(Decision::Pause { session }));
    assert_eq!(c.show(b, &pause, None), Err("wrong_party".into()));
    let end = End { after: 0, reason: Ending::Owner, session };
    let signature = c.kernel.vouch("net.end", &end.said()).unwrap();
    let end = Evidence::End(SignedEnd::new(end, signature));
    assert_eq!(b.hear(c, end), Err("wrong_party".into()));
}

#[test]
fn what_cannot_be_agreed_to_is_not_worded_either() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(8));
    one.say(&Said::Sent(Box::new(one.turn(session, "1", Mark::Continue)))).unwrap();
    let mut fewer = one.net(|net| net.session(session).unwrap().terms().clone());
    (fewer.revision, fewer.turns_max) = (2, 1);
    assert_eq!(one.say(&Said::Drafted(Box::new(fewer))), Err("limit".into()));
    assert_eq!(one.standing(session), Standing::Open);
}

#[test]
fn a_turn_draws_on_no_more_results_than_one_may_name() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let results = vec![session; 2000];
    let many = one.entry(session, What::Turn(Turn::of("1", Mark::Continue, results)));
    assert_eq!(other.hear(&one, Evidence::Entry(many)), Err("too_large".into()));
}

#[test]
fn nobody_is_accused_without_the_proof() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let reason = Reason::Contradiction;
    let peer = Some(one.id());
    let accused = crate::said::Refused { count: 1, heads: None, peer, reason, session: None };
    other.say(&Said::Refused(accused)).unwrap();
    assert_eq!(other.standing(session), Standing::Open);
    assert!(!other.net(|net| net.contact(one.id()).unwrap().distrusted));
}

#[test]
fn a_child_that_is_forgotten_gives_nothing_back() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(9));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 3 })).unwrap();
    beneath(b, c, parent, child);
    b.send(c, &b.turn(child, "how much?", Mark::Continue)).unwrap();
    b.decide(Decision::Close { session: child }).unwrap();
    b.tell_end(c, child).unwrap();
    c.tell_end(b, child).unwrap();
    // A counterpart has so many sessions begin and end that the old ones are forgotten.
    for _ in 0..=OVER_MAX {
        let terms = a.draft(&Proposal::to(b.id(), "x")).unwrap();
        let session = terms.session;
        let ours = a.consent(&terms).unwrap();
        a.show(b, &ours, Some(terms)).unwrap();
        a.decide(Decision::Close { session }).unwrap();
        a.tell_end(b, session).unwrap();
    }
    assert!(b.net(|net| net.session(child).is_none()), "it is remembered");
    let free = b.entry(parent, What::GiveBack { child, used: 0 });
    assert_eq!(b.say(&Said::Sent(Box::new(free))), Err("mismatch".into()));
    b.send(a, &b.entry(parent, What::GiveBack { child, used: 3 })).unwrap();
}

#[test]
fn nothing_is_kept_that_says_nothing() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let terms = one.net(|net| net.session(session).unwrap().terms().clone());
    let pause = one.decide(Decision::Pause { session }).unwrap();
    assert_eq!(one.show(&other, &pause, Some(terms)), Err("malformed".into()));
    let mut known = one.kernel.credential();
    known.acts.push(signed(one.id(), (60, 1), &declared(Decision::Remove { peer: id(4) })));
    let padded = Evidence::Act(Shown::new(pause.clone(), known, None));
    assert_eq!(other.hear(&one, padded), Err("forged".into()));
    one.show(&other, &pause, None).unwrap();
}

#[test]
fn terms_count_no_uses() {
    let (one, other) = two();
    let rule = json!({"actions": ["read"], "budget": {"uses": 2}, "effect": "allow",
        "region": {"subtree": "fs:/a"}});
    let scope: Grant = serde_json::from_value(json!([rule])).unwrap();
    let metered = one.draft(&Proposal::to(other.id(), "valves").scope(scope));
    assert_eq!(metered.map(drop), Err("terms".into()));
}

#[test]
fn a_name_is_what_it_looks_like() {
    let (one, _) = two();
    for unseen in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{7}'] {
        let (identity, peer, note) = (one.identity, id(9), String::new());
        let name = format!("An{unseen}n");
        let refused = one.decide(Decision::Ask { identity, name, note, peer }).unwrap_err();
        assert!(refused.contains("visible"), "{refused}");
    }
}

#[test]
fn a_topic_is_what_it_looks_like() {
    let (one, other) = two();
    for unseen in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{ad}', '\u{2029}', '\n'] {
        let topic = format!("val{unseen}ves");
        let refused = one.draft(&Proposal::to(other.id(), topic));
        assert_eq!(refused.map(drop), Err("terms".into()), "{unseen:?}");
    }
    one.draft(&Proposal::to(other.id(), "2,000 Ventile, «срочно»")).unwrap();
}

#[test]
fn who_left_does_not_say_that_it_was_settled() {
    for (mark, told, reason) in [
        (Mark::Continue, Ending::Resolved, Ending::Owner),
        (Mark::Continue, Ending::Deadlock, Ending::Owner),
        (Mark::Continue, Ending::Limit, Ending::Owner),
        (Mark::Resolved, Ending::Deadlock, Ending::Owner),
        (Mark::Resolved, Ending::Resolved, Ending::Resolved),
        (Mark::Deadlock, Ending::Deadlock, Ending::Deadlock),
        (Mark::Continue, Ending::Frozen, Ending::Frozen),
    ] {
        let (one, other) = two();
        let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(4));
        let turn = one.turn(session, "1", mark);
        one.say(&Said::Sent(Box::new(turn))).unwrap();
        let end = End { after: 1, reason: told, session };
        let signature = other.kernel.vouch("net.end", &end.said()).unwrap();
        one.hear(&other, Evidence::End(SignedEnd::new(end, signature))).unwrap();
        assert_eq!(one.standing(session), Standing::Ended(reason), "{mark:?} {told:?}");
    }
    // Nor where the turn that settled it never came.
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(4));
    one.say(&Said::Sent(Box::new(one.turn(session, "1", Mark::Resolved)))).unwrap();
    let end = End { after: 0, reason: Ending::Resolved, session };
    let signature = other.kernel.vouch("net.end", &end.said()).unwrap();
    one.hear(&other, Evidence::End(SignedEnd::new(end, signature))).unwrap();
    assert_eq!(one.standing(session), Standing::Ended(Ending::Owner));
}

fn id(seed: u8) -> OwnerId {
    key(seed).public_key().owner()
}
