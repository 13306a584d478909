//! One turn is left, and two want it.
use clawnet_net::*;

use super::{
    Mix,
    history::History,
    race,
    sides::{Part, Scene, Script, Side, id, wait},
};

/// Two of three turns were said.
fn script() -> Scene {
    let proposal = Proposal::to(id(2), "valves").turns(3);
    Scene::of(2).agreeing((0, 1), proposal).saying(&[0, 1])
}

/// Has an agent say the next turn, and counts who did.
fn say(agent: usize, session: SessionId, said: &Mix) -> Part {
    let said = said.clone();
    Box::new(move |side| match wait(side.say(agent, session, ["mine", "no, mine"][agent])) {
        Ok(number) => {
            assert_eq!(number, 3);
            said.count(agent == 1);
        }
        Err(unsaid) => unsaid.check(&["wrong_turn", "speaker", "revoked", NOT_THEIRS]),
    })
}

const NOT_THEIRS: &str = "another agent speaks in the session";

/// Sees what leaves meanwhile.
fn carry() -> Part {
    Box::new(|side| {
        for _ in 0..3 {
            assert!(wait(side.letting_out(id(2))).len() <= 1);
        }
    })
}

/// It was said once, by whomever.
fn check(scene: &Scene, session: SessionId) {
    let one = scene.side(0);
    let history = wait(History::of(one));
    history.check_closed();
    history.check_numbers(1, 2);
    assert_eq!(history.sent().len(), 2, "the last turn, and the one before");
    assert_eq!(wait(one.letting_out(id(2))).len(), 1);
    let held = scene.agrees(session);
    assert!(held.iter().all(|it| (it.used, it.left()) == (3, 0) && it.ended.is_some()));
}

#[test]
fn the_last_turn_is_said_once() {
    let mix = Mix::default();
    let (said, script_of) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script_of.play(script);
        let session = scene.sessions[0];
        let parts = vec![say(0, session, &said), say(1, session, &said), carry()];
        check(&scene.at_once(0, parts), session);
    });
    mix.check("the last turn", schedules);
}

#[test]
fn who_takes_over_by_hand_is_the_only_one_to_speak() {
    let mix = Mix::default();
    let (said, script_of) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script_of.play(script);
        let session = scene.sessions[0];
        let by_hand = say(1, session, &said);
        let take_over: Part = Box::new(move |side: &Side| {
            let agent = side.agents[1].caller().agent();
            wait(side.party.assign(&side.owner, session, agent)).unwrap();
            by_hand(side);
        });
        let scene = scene.at_once(0, vec![say(0, session, &said), take_over, carry()]);
        check(&scene, session);
        let history = wait(History::of(scene.side(0)));
        let assigned = |said: &Said| matches!(said, Said::Decided(Decision::Assign { .. }));
        let assigned = history.said(assigned).unwrap();
        let (sequence, _) = history.sent().pop().unwrap();
        let speaker = history.speaker_at(sequence);
        let by_hand = scene.side(0).agents[1].caller().agent();
        assert!(sequence < assigned || speaker == Some(by_hand), "another spoke after that");
    });
    mix.check("taking over by hand", schedules);
}
