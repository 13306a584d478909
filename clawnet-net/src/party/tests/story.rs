//! From strangers to a settled matter.
use super::*;
use crate::{contact::Bond, dialogue::Standing, entry::Ending};

#[test]
fn two_owners_meet_agree_talk_and_settle() {
    let (one, other, session) = pair(10);
    assert_eq!(one.party.contact(other.id()).unwrap().bond, Bond::Mutual);
    assert_eq!(other.party.contact(one.id()).unwrap().bond, Bond::Mutual);
    for side in [&one, &other] {
        assert_eq!(side.party.session(session).unwrap().standing(), Standing::Open);
    }
    assert_eq!(other.say(session, "first?", Mark::Continue).unwrap_err(), "wrong_turn");
    assert_eq!(one.say(session, "what do they cost?", Mark::Continue), Ok(1));
    settle(&[&one, &other]);
    assert_eq!(other.say(session, "nine each", Mark::Continue), Ok(2));
    settle(&[&one, &other]);
    assert_eq!(one.say(session, "done", Mark::Resolved), Ok(3));
    settle(&[&one, &other]);
    for side in [&one, &other] {
        let dialogue = side.party.session(session).unwrap();
        assert_eq!(dialogue.standing(), Standing::Ended(Ending::Resolved));
        assert_eq!((dialogue.used, dialogue.last, dialogue.told), (3, 3, true));
        assert!(side.party.due().is_empty());
    }
    assert_eq!(one.told(session), other.told(session));
    assert_eq!(one.told(session).len(), 3);
    let text = |nth: usize| one.told(session)[nth].2.clone();
    assert_eq!(text(1), Spoken::Text("nine each".into()));
}

#[test]
fn a_no_arrives_and_another_ask_may_follow() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    let bond = |side: &One, peer: &One| side.party.contact(peer.id()).unwrap().bond;
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "about valves")).unwrap();
    settle(&[&one, &other]);
    block_on(other.party.remove(&other.owner, one.id())).unwrap();
    settle(&[&one, &other]);
    assert_eq!((bond(&one, &other), bond(&other, &one)), (Bond::Ended, Bond::Ended));
    meet(&one, &other);
    assert_eq!((bond(&one, &other), bond(&other, &one)), (Bond::Mutual, Bond::Mutual));
}

#[test]
fn an_invitation_that_nobody_takes_keeps_nothing_else_waiting() {
    let (one, other, _) = pair(10);
    block_on(other.owner.freeze(other.identity)).unwrap();
    let knock = block_on(one.party.propose(&one.owner, Proposal::to(other.id(), "pumps"))).unwrap();
    settle(&[&one, &other]);
    assert!(other.party.session(knock).is_none());
    block_on(one.party.close(&one.owner, knock)).unwrap();
    let renamed = Presenting::new(one.identity, "another name");
    block_on(one.party.present(&one.owner, other.id(), renamed.clone())).unwrap();
    settle(&[&one, &other]);
    assert_eq!(other.party.contact(one.id()).unwrap().theirs, Some(renamed));
}
