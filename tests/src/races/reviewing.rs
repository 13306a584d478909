//! The owner says yes to a draft while they end what it rests on.
use clawnet_core::Act;
use clawnet_net::*;

use super::{
    Mix,
    history::History,
    race,
    sides::{Part, Scene, Script, Side, id, wait},
};

/// What a turn is refused as when something it rests on is gone.
const GONE: [&str; 8] = [
    "the session is over",
    "closed",
    "unknown",
    "CauseOver",
    "revoked",
    "NoGrant",
    "asked",
    "both owners have not agreed",
];

fn unread() -> Scene {
    Scene::of(2).agreeing((0, 1), Proposal::to(id(2), "valves").turns(6))
}

/// The owner reads what leaves, and was asked about one turn.
fn script() -> Scene {
    let scene = unread();
    let session = scene.sessions[0];
    scene.deciding(0, async |ann: &Side| {
        ann.party.review(&ann.owner, id(2), Review::EachTurn).await.unwrap();
        ann.say(0, session, "four thousand").await.unwrap_err().check(&["asked"]);
    })
}

fn say(session: SessionId) -> Part {
    Box::new(move |side: &Side| {
        if let Err(unsaid) = wait(side.say(0, session, "four thousand")) {
            unsaid.check(&GONE);
        }
    })
}

/// Has the owner say yes, and the agent say it again.
fn approve(session: SessionId) -> Part {
    Box::new(move |side: &Side| {
        let Some(asked) = side.owner.inbox().pop() else { return };
        if wait(side.owner.approve(asked.ticket)).is_ok() {
            say(session)(side);
        }
    })
}

/// Sees what leaves meanwhile.
fn carry() -> Part {
    Box::new(|side| {
        for _ in 0..3 {
            wait(side.letting_out(id(2)));
        }
    })
}

/// How it is before.
type Begin = fn() -> Scene;

/// Runs it, and counts whether the turn was said first.
fn check(what: &str, end: fn(&Side, SessionId), ends: fn(&History) -> Option<u64>) {
    check_from((what, script, approve), end, ends);
}

fn check_from(
    (what, begin, part): (&str, Begin, fn(SessionId) -> Part),
    end: fn(&Side, SessionId),
    ends: fn(&History) -> Option<u64>,
) {
    let mix = Mix::default();
    let (said, played) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = played.play(begin);
        let session = scene.sessions[0];
        let end: Part = Box::new(move |side: &Side| {
            end(side, session);
            assert!(wait(side.say(0, session, "four thousand")).is_err(), "said after the end");
        });
        let scene = scene.at_once(0, vec![part(session), end, carry()]);
        let history = wait(History::of(scene.side(0)));
        history.check_closed();
        history.check_silent_after(ends(&history).unwrap());
        scene.agrees(session);
        said.count(!history.sent().is_empty());
    });
    mix.check(what, schedules);
}

#[test]
fn a_yes_to_a_draft_and_the_end_of_the_contact() {
    check(
        "a yes and the end of the contact",
        |side, _| wait(side.party.remove(&side.owner, id(2))).unwrap(),
        |history| history.said(|said| matches!(said, Said::Decided(Decision::Remove { .. }))),
    );
}

#[test]
fn a_yes_to_a_draft_and_a_close() {
    check(
        "a yes and a close",
        |side, session| wait(side.party.close(&side.owner, session)).unwrap(),
        |history| history.said(|said| matches!(said, Said::Decided(Decision::Close { .. }))),
    );
}

#[test]
fn a_yes_to_a_draft_and_a_revocation() {
    check(
        "a yes and a revocation",
        |side, _| wait(side.owner.revoke(side.grant)).unwrap(),
        |history| history.act(|act| matches!(act, Act::Revoke { .. })),
    );
}

#[test]
fn a_yes_to_a_draft_and_a_freeze() {
    check(
        "a yes and a freeze",
        |side, _| wait(side.owner.freeze(side.identity)).unwrap(),
        |history| history.act(|act| matches!(act, Act::Freeze { .. })),
    );
}

#[test]
fn a_turn_and_an_owner_who_wants_to_read_it() {
    check_from(
        ("a turn and a review", unread, say),
        |side, _| wait(side.party.review(&side.owner, id(2), Review::EachTurn)).unwrap(),
        |history| history.said(|said| matches!(said, Said::Decided(Decision::Review { .. }))),
    );
}
