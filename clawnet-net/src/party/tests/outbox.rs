//! Layer 2 by itself: whoever gets past the floor, and past every scope, still meets the outbox.
use clawnet_core::{Cause, Digest, Projection as _};

use super::*;
use crate::{
    outbox::{Propose, Say, contact},
    relations::Because,
};

fn place(one: &One, session: SessionId) -> Place {
    Place::next(&one.party.session(session).unwrap())
}

/// `agent`, because of `session`.
fn because(agent: &Agent, session: SessionId) -> Agent {
    agent.because(Cause::new(Relations::NAME, &session.to_string(), 0).unwrap()).unwrap()
}

fn submit(one: &One, agent: &Agent, place: Place, text: &str) -> Result<u64, String> {
    let peer = one.party.session(place.session).unwrap().peer();
    let say = Say::new(contact(peer).unwrap(), place, text, (Mark::Continue, Vec::new()));
    let said = block_on(agent.submit(&one.party.desk.outbox, &say));
    said.map_err(|refusal| {
        let Refusal::Denied(denial) = refusal else { panic!("{refusal}") };
        denial.code.to_string()
    })
}

#[test]
fn only_the_agent_of_the_session_speaks_in_it_next_and_because_of_it() {
    let (one, other, session) = pair(10);
    let second = agree(&one, &other, Proposal::to(other.id(), "pipes"));
    let next = place(&one, session);
    let refused = |agent: &Agent, place, code: &str| {
        assert_eq!(submit(&one, agent, place, "x").unwrap_err(), code);
    };
    refused(&one.agent, next, "cause");
    refused(&because(&one.agent, second), next, "cause");
    // Nothing is said because of turns alone, which nobody reads.
    let wordless = Because::Turns(session).cause(0).unwrap();
    refused(&one.agent.because(wordless).unwrap(), next, "cause");

    let home = block_on(one.owner.identity("home")).unwrap();
    let rules = Region::exact(&format!("contact:{}", other.id())).unwrap();
    block_on(one.owner.grant(home, Grant::new().allow(Action::Send, rules))).unwrap();
    let role = block_on(one.owner.bind(home, "assistant", "test")).unwrap();
    refused(&because(&role, session), next, "identity");

    let because = because(&one.agent, session);
    refused(&because, Place { number: 2, ..next }, "stale");
    refused(&because, Place { previous: Digest::ZERO, ..next }, "stale");
    refused(&because, Place { terms: Digest::ZERO, ..next }, "stale");

    let by_hand = block_on(one.owner.bind(one.identity, "by hand", "desk")).unwrap();
    block_on(one.party.assign(&one.owner, session, by_hand.caller().agent())).unwrap();
    refused(&because, next, "speaker");
    block_on(one.party.assign(&one.owner, session, one.agent.caller().agent())).unwrap();
    assert_eq!(submit(&one, &because, next, "x"), Ok(1));
    refused(&because, place(&one, session), "wrong_turn");
}

#[test]
fn what_fits_no_envelope_never_leaves() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    meet(&one, &other);
    let session = agree(&one, &other, Proposal::to(other.id(), "x").bytes(64 << 10));
    let because = because(&one.agent, session);
    // Each of these is six bytes in an envelope.
    let wide = "\u{1}".repeat(64 << 10);
    assert_eq!(submit(&one, &because, place(&one, session), &wide).unwrap_err(), "oversize");
    let full = "\u{1}\"x".repeat((64 << 10) / 3);
    assert_eq!(submit(&one, &because, place(&one, session), &full), Ok(1));
    settle(&[&one, &other]);
    assert_eq!(other.party.session(session).unwrap().last, 1);
}

#[test]
fn nobody_draws_on_a_session_without_the_floor() {
    let (one, other, session) = pair(10);
    let third = One::new(3, &one.clock);
    meet(&other, &third);
    let next = place(&other, session);
    let above = contact(one.id()).unwrap();
    let propose = Propose::new(Proposal::to(third.id(), "x").turns(2)).unwrap();
    let propose = propose.within(above, next);
    let ask = Region::exact(&format!("contact:{}", third.id())).unwrap();
    let drawn = block_on(because(&other.agent, session).submit(&other.party.desk.outbox, &propose));
    let Err(Refusal::Denied(denial)) = drawn else { panic!() };
    assert_eq!(denial.layer, clawnet_core::Layer::Scope, "the session's scope names no third");
    let scope = Grant::new().allow(Action::Send, ask);
    let digest =
        block_on(other.party.amend(&other.owner, session, Amendment::new().scope(scope))).unwrap();
    settle(&[&one, &other]);
    block_on(one.party.consent(&one.owner, session, digest)).unwrap();
    settle(&[&one, &other]);
    let next = place(&other, session);
    let propose = Propose::new(Proposal::to(third.id(), "x").turns(2)).unwrap();
    let propose = propose.within(contact(one.id()).unwrap(), next);
    let drawn = block_on(because(&other.agent, session).submit(&other.party.desk.outbox, &propose));
    let Err(Refusal::Denied(denial)) = drawn else { panic!() };
    assert_eq!(denial.code.to_string(), "wrong_turn");
}
