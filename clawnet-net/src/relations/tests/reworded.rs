//! Terms that are worded again, and what was on its way meanwhile.
use super::{
    hostile::{declared, signed},
    *,
};

/// The terms in force at `one`, worded again.
fn reworded(one: &One, session: SessionId, edit: impl FnOnce(&mut Terms)) -> (SignedAct, Terms) {
    let mut terms = one.net(|net| net.session(session).unwrap().present().terms.clone());
    terms.revision += 1;
    edit(&mut terms);
    one.say(&Said::Drafted(Box::new(terms.clone()))).unwrap();
    (one.consent(&terms).unwrap(), terms)
}

fn revisions(one: &One, other: &One, session: SessionId) -> [u32; 2] {
    let revision = |net: &Relations| net.session(session).unwrap().present().terms.revision;
    [one.net(revision), other.net(revision)]
}

#[test]
fn what_cannot_be_agreed_to_now_is_worded_again() {
    let [a, b, c] = &three();
    let session = open(a, b, &Proposal::to(b.id(), "valves").turns(8));
    a.send(b, &a.turn(session, "can you?", Mark::Continue)).unwrap();
    // What one sets aside is on its way when the other words a wider scope.
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.say(&Said::Sent(Box::new(b.entry(session, What::Draw { child, turns: 3 })))).unwrap();
    let wide = Grant::new().allow(Action::Read, Region::subtree("fs:/a").unwrap());
    let (act, wider) = reworded(a, session, |terms| terms.scope[0] = wide);
    a.show(b, &act, Some(wider.clone())).unwrap();
    assert_eq!((b.standing(session), revisions(a, b, session)), (Standing::Paused, [2, 2]));
    assert!(b.consent(&wider).unwrap_err().contains("does not match"));
    // Either words it otherwise, and both go on.
    let before = b.net(|net| net.session(session).unwrap().terms().scope.clone());
    let (act, narrow) = reworded(a, session, |terms| terms.scope = before);
    a.show(b, &act, Some(narrow.clone())).unwrap();
    b.show(a, &b.consent(&narrow).unwrap(), None).unwrap();
    assert_eq!([a.standing(session), b.standing(session)], [Standing::Open; 2]);
}

#[test]
fn a_wording_that_nobody_heard_of_holds_up_no_later_one() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(4));
    reworded(&one, session, |terms| terms.turns_max = 5);
    let (act, later) = reworded(&one, session, |terms| terms.turns_max = 6);
    one.show(&other, &act, Some(later.clone())).unwrap();
    assert_eq!(revisions(&one, &other, session), [3, 3]);
    other.show(&one, &other.consent(&later).unwrap(), None).unwrap();
    // The same revision in other words, of whoever worded it already, is not taken again.
    let (act, mut twice) = reworded(&one, session, |terms| terms.turns_max = 7);
    one.show(&other, &act, Some(twice.clone())).unwrap();
    twice.turns_max = 8;
    let (revision, digest) = (twice.revision, twice.digest());
    let consent = declared(Decision::Consent { revision, session, terms: digest });
    let act = signed(one.id(), (act.number + 1, one.seed), &consent);
    assert_eq!(one.show(&other, &act, Some(twice)), Err("stale".into()));
}

#[test]
fn nobody_takes_the_other_all_wordings_there_may_be() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(4));
    let leap = |revision: u32| {
        let mut terms = one.net(|net| net.session(session).unwrap().terms().clone());
        (terms.revision, terms.turns_max) = (revision, 5);
        let consent = declared(Decision::Consent { revision, session, terms: terms.digest() });
        let number = one.kernel.head().sequence + u64::from(revision);
        one.show(&other, &signed(one.id(), (number, one.seed), &consent), Some(terms))
    };
    assert_eq!(leap(64), Err("limit".into()));
    assert_eq!(leap(10), Err("limit".into()));
    assert_eq!(other.standing(session), Standing::Open);
    // A few that nobody agreed to are skipped, and there are others to answer with.
    leap(9).unwrap();
    let (_, terms) = reworded(&other, session, |terms| terms.turns_max = 6);
    assert_eq!(terms.revision, 10);
}

#[test]
fn fewer_turns_are_agreed_to_while_a_turn_is_on_its_way() {
    let (one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves").turns(8));
    let late = one.turn(session, "can you?", Mark::Continue);
    one.say(&Said::Sent(Box::new(late.clone()))).unwrap();
    // It is counted: as many as were said leave no room to answer.
    let (act, one_turn) = reworded(&other, session, |terms| terms.turns_max = 1);
    other.show(&one, &act, Some(one_turn.clone())).unwrap();
    assert!(one.consent(&one_turn).unwrap_err().contains("limit"));
    let (act, two_turns) = reworded(&other, session, |terms| terms.turns_max = 2);
    other.show(&one, &act, Some(two_turns.clone())).unwrap();
    one.show(&other, &one.consent(&two_turns).unwrap(), None).unwrap();
    other.hear(&one, Evidence::Entry(late)).unwrap();
    let left = |one: &One| one.net(|net| net.session(session).unwrap().left());
    assert_eq!((left(&one), left(&other)), (1, 1));
}

#[test]
fn fewer_turns_wait_for_what_was_drawn_and_came_back() {
    let [a, b, c] = &three();
    let session = open(a, b, &Proposal::to(b.id(), "valves").turns(8));
    a.send(b, &a.turn(session, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    let draw = b.entry(session, What::Draw { child, turns: 5 });
    b.say(&Said::Sent(Box::new(draw.clone()))).unwrap();
    let back = b.entry(session, What::GiveBack { child, used: 0 });
    b.say(&Said::Sent(Box::new(back))).unwrap();
    // With all of it back there is room here, but over there it has to be set aside first.
    let (act, fewer) = reworded(a, session, |terms| terms.turns_max = 3);
    a.show(b, &act, Some(fewer.clone())).unwrap();
    assert!(b.consent(&fewer).unwrap_err().contains("limit"));
    let (act, same) = reworded(a, session, |terms| terms.turns_max = 8);
    a.show(b, &act, Some(same.clone())).unwrap();
    b.show(a, &b.consent(&same).unwrap(), None).unwrap();
    a.hear(b, Evidence::Entry(draw)).unwrap();
}
