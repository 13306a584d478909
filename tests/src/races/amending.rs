//! Other terms are worded, or agreed to, while an agent speaks under those that stand.
use clawnet_core::Digest;
use clawnet_net::*;

use super::{
    Mix,
    history::History,
    race,
    sides::{Part, Scene, Script, Side, id, wait},
};

/// What a turn is refused as while the terms are open.
const OPEN: [&str; 5] = ["paused", "CauseOver", "revoked", "stale", CHANGED];
const CHANGED: &str = "the terms have changed since the session was loaded";

fn two() -> Scene {
    Scene::of(2).agreeing((0, 1), Proposal::to(id(2), "valves").turns(6))
}

fn more() -> Amendment {
    Amendment::new().turns(20)
}

fn say(session: SessionId) -> Part {
    Box::new(move |side| {
        if let Err(unsaid) = wait(side.say(0, session, "2,000?")) {
            unsaid.check(&OPEN);
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

fn rewords(said: &Said) -> bool {
    matches!(said, Said::Drafted(terms) if terms.revision == 2)
}

/// Both agree to what was amended, and the session goes on with the same turns for both.
fn goes_on(scene: &Scene, session: SessionId, used: u32) {
    scene.settle_again();
    for nth in [0, 1] {
        let side = scene.side(nth);
        let dialogue = side.party.session(session).unwrap();
        if let Some(amended) = dialogue.amended.filter(|amended| amended.ours.is_none()) {
            wait(side.party.consent(&side.owner, session, amended.digest)).unwrap();
        }
        scene.settle_again();
    }
    for dialogue in scene.agrees(session) {
        assert_eq!((dialogue.standing(), dialogue.used), (Standing::Open, used));
        assert_eq!((dialogue.terms().revision, dialogue.terms().turns_max), (2, 20));
    }
}

/// Every entry is under terms that both had agreed to by then, and that stood.
fn check_terms(side: &Side, (first, second): (Digest, Option<Digest>), moves: u64, adopts: u64) {
    let history = wait(History::of(side));
    history.check_closed();
    let meanwhile = history.intents().find(|sequence| (moves..adopts).contains(sequence));
    assert_eq!(meanwhile, None, "begun while the terms were open");
    for (sequence, signed) in history.sent() {
        let agreed = if sequence < moves { Some(first) } else { second };
        assert!(sequence < moves || sequence > adopts, "said while the terms were open");
        assert_eq!(Some(signed.entry.terms), agreed, "said under terms that do not stand");
    }
}

#[test]
fn an_amendment_and_a_turn_at_once() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(two);
        let session = scene.sessions[0];
        let first = scene.side(0).party.session(session).unwrap().wording.digest;
        let amend: Part = Box::new(move |side: &Side| {
            wait(side.party.amend(&side.owner, session, more())).unwrap();
        });
        let scene = scene.at_once(0, vec![say(session), amend, carry()]);
        let history = wait(History::of(scene.side(0)));
        let moves = history.said(rewords).unwrap();
        check_terms(scene.side(0), (first, None), moves, u64::MAX);
        let used = scene.side(0).party.session(session).unwrap().used;
        goes_on(&scene, session, used);
        said.count(used == 1);
    });
    mix.check("an amendment and a turn", schedules);
}

fn amended_by_the_other() -> Scene {
    let scene = two();
    let session = scene.sessions[0];
    scene.letting_out((1, 0), async |bob: &Side| {
        bob.party.amend(&bob.owner, session, more()).await.unwrap();
    })
}

#[test]
fn an_amendment_that_comes_and_a_turn_at_once() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(amended_by_the_other);
        let (session, frames) = (scene.sessions[0], scene.frames.clone());
        let first = scene.side(0).party.session(session).unwrap().wording.digest;
        let hear: Part = Box::new(move |side: &Side| {
            for frame in &frames {
                drop(wait(side.hear_well(frame, id(2))));
            }
        });
        let before = wait(History::of(scene.side(0))).last_of(id(2));
        let scene = scene.at_once(0, vec![say(session), hear, carry()]);
        let moves = wait(History::of(scene.side(0))).last_of(id(2));
        assert!(moves > before, "it was taken");
        check_terms(scene.side(0), (first, None), moves.unwrap(), u64::MAX);
        let used = scene.side(0).party.session(session).unwrap().used;
        goes_on(&scene, session, used);
        said.count(used == 1);
    });
    mix.check("an amendment that comes and a turn", schedules);
}

#[test]
fn a_yes_to_other_terms_and_a_turn_at_once() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(|| {
            let scene = amended_by_the_other();
            scene.settle_again();
            scene
        });
        let session = scene.sessions[0];
        let dialogue = scene.side(0).party.session(session).unwrap();
        let (first, second) = (dialogue.wording.digest, dialogue.amended.unwrap().digest);
        let agree: Part = Box::new(move |side: &Side| {
            wait(side.party.consent(&side.owner, session, second)).unwrap();
        });
        let moves = wait(History::of(scene.side(0))).last_of(id(2)).unwrap();
        let scene = scene.at_once(0, vec![say(session), agree, carry()]);
        let agreed = |said: &Said| {
            let Said::Decided(Decision::Consent { terms, .. }) = said else { return false };
            *terms == second
        };
        let adopts = wait(History::of(scene.side(0))).said(agreed).unwrap();
        check_terms(scene.side(0), (first, Some(second)), moves, adopts);
        let used = scene.side(0).party.session(session).unwrap().used;
        goes_on(&scene, session, used);
        said.count(used == 1);
    });
    mix.check("a yes to other terms and a turn", schedules);
}
