//! Sessions beneath sessions: paid for from above, narrower, closed first.
use super::*;

#[test]
fn a_child_is_paid_for_narrower_and_closed_first() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let all: Vec<_> = (1..=3).map(|seed| One::new(seed, &clock)).collect();
    let [a, b, c] = all.as_slice() else { unreachable!() };
    befriend(a, b);
    befriend(b, c);
    befriend(a, c);
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(6));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();

    let beneath = Proposal::to(c.id(), "freight").turns(3).within(parent);
    assert_eq!(b.draft(&beneath), Err("limit".into()));
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    let draw = |turns| b.entry(parent, What::Draw { child, turns });
    assert_eq!(b.say(&Said::Sent(Box::new(draw(5)))), Err("limit".into()));
    b.send(a, &draw(3)).unwrap();
    let now = Timestamp::from_millis(b.now());
    let terms = b.net(|net| net.draft(&beneath, child, now)).unwrap();
    assert_eq!((terms.depth(), terms.scope.len()), (1, 2));
    let mut wider = terms.clone();
    wider.scope[0] = Grant::new().allow(Action::Read, Region::subtree("fs:/a").unwrap());
    assert_eq!(b.say(&Said::Drafted(Box::new(wider))), Err("mismatch".into()));
    b.say(&Said::Drafted(Box::new(terms.clone()))).unwrap();
    let ours = b.consent(&terms).unwrap();
    b.show(c, &ours, Some(terms.clone())).unwrap();
    let theirs = c.consent(&terms).unwrap();
    c.show(b, &theirs, None).unwrap();
    assert_eq!(c.standing(child), Standing::Open);

    // Nobody meets again further down.
    c.hear(
        b,
        Evidence::Entry({
            let turn = b.turn(child, "how much?", Mark::Continue);
            b.say(&Said::Sent(Box::new(turn.clone()))).unwrap();
            turn
        }),
    )
    .unwrap();
    let back = c.draft(&Proposal::to(a.id(), "freight").turns(1).within(child));
    assert!(back.is_err());
    c.send(b, &c.turn(child, "90", Mark::Resolved)).unwrap();
    assert!(b.net(|net| net.session(parent).unwrap().unreleased.contains(&child)));

    // Closing the parent closes what is beneath it, first.
    a.decide(Decision::Close { session: parent }).unwrap();
    let open_child = b.net(|net| net.session(child).unwrap().ended.is_some());
    assert!(open_child);
    a.tell_end(b, parent).unwrap();
    assert_eq!(b.standing(parent), Standing::Ended(Ending::Owner));
    for here in &all {
        assert_eq!(here.replayed(), here.net(Clone::clone));
    }
}

#[test]
fn closing_reaches_an_open_child_first() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let all: Vec<_> = (1..=3).map(|seed| One::new(seed, &clock)).collect();
    let [a, b, c] = all.as_slice() else { unreachable!() };
    befriend(a, b);
    befriend(b, c);
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(6));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 3 })).unwrap();
    let beneath = Proposal::to(c.id(), "freight").turns(3).within(parent);
    let terms = b.net(|net| net.draft(&beneath, child, Timestamp::from_millis(b.now()))).unwrap();
    b.say(&Said::Drafted(Box::new(terms.clone()))).unwrap();
    let ours = b.consent(&terms).unwrap();
    b.show(c, &ours, Some(terms.clone())).unwrap();
    let theirs = c.consent(&terms).unwrap();
    c.show(b, &theirs, None).unwrap();
    b.decide(Decision::Close { session: parent }).unwrap();
    assert_eq!(b.standing(child), Standing::Ended(Ending::Parent));
    b.net(|net| assert_eq!(net.over.iter().copied().collect::<Vec<_>>(), [child, parent]));
    b.tell_end(c, child).unwrap();
    assert_eq!(c.standing(child), Standing::Ended(Ending::Owner));
}

#[test]
fn a_draw_that_never_arrived_leaves_no_child_behind() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(6));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    let draw = b.entry(parent, What::Draw { child, turns: 3 });
    b.say(&Said::Sent(Box::new(draw))).unwrap();
    beneath(b, c, parent, child);
    a.decide(Decision::Close { session: parent }).unwrap();
    a.tell_end(b, parent).unwrap();
    assert_eq!(b.standing(child), Standing::Ended(Ending::Parent));
    assert_eq!(b.net(|net| net.session(parent).unwrap().set_aside()), 0);
}

#[test]
fn what_a_counterpart_set_aside_reaches_no_other_session() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(6));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 3 })).unwrap();
    beneath(b, c, parent, child);
    b.send(c, &b.turn(child, "how much?", Mark::Continue)).unwrap();
    // The far end names the session above as if it were beneath, and ends what it is in.
    c.send(b, &c.entry(child, What::Draw { child: parent, turns: 1 })).unwrap();
    c.decide(Decision::Close { session: child }).unwrap();
    c.tell_end(b, child).unwrap();
    assert_eq!(b.standing(parent), Standing::Open);
    // Nor does anybody give back what another set aside.
    let stolen = b.entry(parent, What::GiveBack { child, used: 0 });
    let cost = b.net(|net| net.session(child).unwrap().cost);
    assert_eq!((cost, b.say(&Said::Sent(Box::new(stolen)))), (2, Err("mismatch".into())));
    b.send(a, &b.entry(parent, What::GiveBack { child, used: 2 })).unwrap();
    let used = |one: &One| one.net(|net| net.session(parent).unwrap().used);
    assert_eq!((used(a), used(b)), (3, 3));
}

#[test]
fn only_who_set_turns_aside_gives_them_back() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(8));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 3 })).unwrap();
    beneath(b, c, parent, child);
    b.send(a, &b.turn(parent, "one moment", Mark::Continue)).unwrap();
    let stolen = a.entry(parent, What::GiveBack { child, used: 0 });
    assert_eq!(a.say(&Said::Sent(Box::new(stolen.clone()))), Err("mismatch".into()));
    assert_eq!(b.hear(a, Evidence::Entry(stolen)), Err("mismatch".into()));
}

#[test]
fn a_child_does_not_outgrow_what_was_set_aside() {
    let [a, b, c] = &three();
    let parent = open(a, b, &Proposal::to(b.id(), "valves").turns(6));
    a.send(b, &a.turn(parent, "can you?", Mark::Continue)).unwrap();
    let child = SessionId::drafted(b.id(), b.kernel.head(), c.id());
    b.send(a, &b.entry(parent, What::Draw { child, turns: 3 })).unwrap();
    let mut more = beneath(b, c, parent, child);
    (more.revision, more.turns_max) = (2, 9);
    c.say(&Said::Drafted(Box::new(more.clone()))).unwrap();
    let theirs = c.consent(&more).unwrap();
    c.show(b, &theirs, Some(more.clone())).unwrap();
    assert!(b.consent(&more).unwrap_err().contains("limit"));
    // And the session above is not reworded under its children.
    let mut wider = b.net(|net| net.session(parent).unwrap().terms().clone());
    wider.revision = 2;
    wider.scope[0] = Grant::new().allow(Action::Read, Region::subtree("fs:/a").unwrap());
    assert_eq!(a.say(&Said::Drafted(Box::new(wider))), Err("mismatch".into()));
}
