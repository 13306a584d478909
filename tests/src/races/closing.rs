//! A session is closed while an agent speaks in it.
use clawnet_core::{Action, Grant, OwnerId};
use clawnet_net::*;

use super::{
    Mix,
    history::History,
    race,
    sides::{Part, Scene, Script, Side, contact, id, wait},
};

/// What a turn is refused as when the session is over.
const OVER: [&str; 5] = ["the session is over", "closed", "CauseOver", "revoked", "unknown"];

fn two() -> Scene {
    Scene::of(2).agreeing((0, 1), Proposal::to(id(2), "valves").turns(6))
}

/// The first asks the second, who asks the third on account of it.
fn three() -> Scene {
    let scope = Grant::new().allow(Action::Send, contact(3));
    let proposal = Proposal::to(id(2), "valves, delivered").scope(scope);
    Scene::of(3).agreeing((0, 1), proposal).saying(&[0])
}

fn below() -> Scene {
    let scene = three();
    let above = scene.sessions[0];
    let proposal = Proposal::to(id(3), "can you carry it?").turns(4).within(above);
    scene.agreeing((1, 2), proposal)
}

fn say(session: SessionId) -> Part {
    Box::new(move |side| {
        if let Err(unsaid) = wait(side.say(0, session, "one more thing")) {
            unsaid.check(&OVER);
        }
    })
}

fn close(session: SessionId) -> Part {
    Box::new(move |side: &Side| {
        wait(side.party.close(&side.owner, session)).unwrap();
        let late = wait(side.say(0, session, "but"));
        assert!(late.is_err(), "said after the end");
    })
}

/// Sees what leaves meanwhile.
fn carry(to: OwnerId) -> Part {
    Box::new(move |side| {
        for _ in 0..3 {
            wait(side.letting_out(to));
        }
    })
}

/// Takes in what waits.
fn hear(frames: &[Vec<u8>], from: OwnerId) -> Part {
    let frames = frames.to_vec();
    Box::new(move |side| frames.iter().for_each(|frame| drop(wait(side.hear_well(frame, from)))))
}

fn closes(said: &Said) -> bool {
    matches!(said, Said::Decided(Decision::Close { .. }))
}

fn came_to_its_end(said: &Said) -> bool {
    matches!(said, Said::Came(came) if matches!(came.what, Evidence::End(_)))
}

/// How many entries were said before the session was over, and that none was said after.
fn said_before(side: &Side, ends: impl Fn(&Said) -> bool) -> usize {
    let history = wait(History::of(side));
    history.check_closed();
    history.check_silent_after(history.said(ends).unwrap());
    history.sent().len()
}

#[test]
fn a_close_and_a_turn_at_once() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(two);
        let session = scene.sessions[0];
        let scene = scene.at_once(0, vec![say(session), close(session), carry(id(2))]);
        let before = said_before(scene.side(0), closes);
        assert!(scene.agrees(session).iter().all(|it| it.ended.is_some()));
        said.count(before == 1);
    });
    mix.check("a close and a turn", schedules);
}

#[test]
fn an_end_that_comes_and_a_turn_at_once() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(|| {
            let scene = two();
            let session = scene.sessions[0];
            scene.letting_out((1, 0), async |bob: &Side| {
                bob.party.close(&bob.owner, session).await.unwrap();
            })
        });
        let session = scene.sessions[0];
        let heard = hear(&scene.frames, id(2));
        let scene = scene.at_once(0, vec![say(session), heard, carry(id(2))]);
        let before = said_before(scene.side(0), came_to_its_end);
        // What was on its way never arrived, and counts for neither.
        assert!(scene.agrees(session).iter().all(|it| it.ended.is_some() && it.used == 0));
        said.count(before == 1);
    });
    mix.check("an end that comes and a turn", schedules);
}

#[test]
fn a_close_above_and_a_turn_beneath() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(below);
        let (above, beneath) = (scene.sessions[0], scene.sessions[1]);
        let drawn = wait(History::of(scene.side(1))).sent().len();
        let scene = scene.at_once(1, vec![say(beneath), close(above), carry(id(3))]);
        let before = said_before(scene.side(1), closes);
        let standing = scene.side(1).party.session(beneath).unwrap().standing();
        assert_eq!(standing, Standing::Ended(Ending::Parent));
        for session in [above, beneath] {
            assert!(scene.agrees(session).iter().all(|it| it.ended.is_some()));
        }
        said.count(before > drawn);
    });
    mix.check("a close above and a turn beneath", schedules);
}

#[test]
fn an_end_above_that_comes_and_a_turn_beneath() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(|| {
            let scene = below();
            let above = scene.sessions[0];
            scene.letting_out((0, 1), async |first: &Side| {
                first.party.close(&first.owner, above).await.unwrap();
            })
        });
        let (above, beneath) = (scene.sessions[0], scene.sessions[1]);
        let drawn = wait(History::of(scene.side(1))).sent().len();
        let heard = hear(&scene.frames, id(1));
        let scene = scene.at_once(1, vec![say(beneath), heard, carry(id(3))]);
        let before = said_before(scene.side(1), came_to_its_end);
        for session in [above, beneath] {
            assert!(scene.agrees(session).iter().all(|it| it.ended.is_some()));
        }
        said.count(before > drawn);
    });
    mix.check("an end above that comes and a turn beneath", schedules);
}

/// Has a session proposed beneath one that is closed meanwhile.
fn check_proposed(what: &str, propose: fn(&Side, SessionId, Proposal)) {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(three);
        let above = scene.sessions[0];
        let propose: Part = Box::new(move |side: &Side| {
            propose(side, above, Proposal::to(id(3), "can you carry it?").turns(4));
        });
        let scene = scene.at_once(1, vec![propose, close(above), carry(id(1))]);
        let side = scene.side(1);
        let history = wait(History::of(side));
        let before = said_before(side, closes);
        let drafted = history.said(|said| matches!(said, Said::Drafted(_)));
        assert!(drafted < history.said(closes), "drafted beneath what is over");
        let open = side.party.sessions().into_iter().filter(|(_, it)| it.ended.is_none());
        assert_eq!(open.count(), 0, "a session goes on beneath one that is over");
        assert!(scene.agrees(above).iter().all(|it| it.ended.is_some() && it.used == 1));
        said.count(before == 1);
    });
    mix.check(what, schedules);
}

#[test]
fn a_close_above_and_a_session_proposed_beneath() {
    check_proposed("a close above and a session proposed beneath", |side, above, proposal| {
        if let Err(unsaid) = wait(side.propose(above, proposal)) {
            unsaid.check(&OVER);
        }
    });
}

#[test]
fn a_close_above_and_a_session_proposed_beneath_by_hand() {
    check_proposed("a close above and a session by hand", |side, above, proposal| {
        let done = wait(side.party.propose(&side.owner, proposal.within(above)));
        let Err(error) = done else { return };
        assert!(matches!(error, PartyError::Refused(Reason::Closed)), "{error}");
    });
}
