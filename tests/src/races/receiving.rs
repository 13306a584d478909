//! The same messages come twice at once, as over two links.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use clawnet_core::Digest;
use clawnet_net::*;

use super::{
    Mix,
    history::History,
    race,
    sides::{Part, Scene, Script, Side, id, letter, wait},
};

fn two() -> Scene {
    Scene::of(2).agreeing((0, 1), Proposal::to(id(2), "valves").turns(6)).saying(&[0])
}

fn answered() -> Scene {
    let scene = two();
    let session = scene.sessions[0];
    scene.letting_out((1, 0), async |bob: &Side| {
        bob.say(0, session, "1,500, perhaps").await.unwrap();
    })
}

fn renamed() -> Scene {
    two().letting_out((1, 0), async |bob: &Side| {
        let shown = Presenting::new(bob.identity, "Bob's office");
        bob.party.present(&bob.owner, id(1), shown).await.unwrap();
    })
}

/// Whether this is a yes to having one message.
fn is_taken(answers: &[Vec<u8>], frame: &[u8]) -> bool {
    let of = if let Letter::Entry { signed, .. } = letter(frame) {
        signed.entry.digest()
    } else {
        Digest::of_content(frame)
    };
    matches!(answers, [answer] if letter(answer) == Letter::Taken { of })
}

/// Gives the message to two threads, and counts who was answered first.
fn check(what: &str, begin: fn() -> Scene) {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(begin);
        let [frame] = <[Vec<u8>; 1]>::try_from(scene.frames.clone()).unwrap();
        let first = Arc::new(AtomicU64::new(0));
        let take = |name: u64| -> Part {
            let (frame, first) = (frame.clone(), first.clone());
            Box::new(move |side: &Side| {
                let answers = wait(side.hear_well(&frame, id(2)));
                assert!(is_taken(&answers, &frame), "{answers:?}");
                _ = first.compare_exchange(0, name, Ordering::SeqCst, Ordering::SeqCst);
            })
        };
        let before = came(scene.side(0));
        let scene = scene.at_once(0, vec![take(1), take(2)]);
        assert_eq!(came(scene.side(0)), before + 1, "recorded once");
        scene.agrees(scene.sessions[0]);
        said.count(first.load(Ordering::SeqCst) == 2);
    });
    mix.check(what, schedules);
}

fn came(side: &Side) -> usize {
    wait(History::of(side)).count(|said| matches!(said, Said::Came(_)))
}

#[test]
fn an_entry_that_comes_twice_is_recorded_once() {
    check("an entry that comes twice", answered);
}

#[test]
fn a_decision_that_comes_twice_is_recorded_once() {
    check("a decision that comes twice", renamed);
}

/// Turns set aside, and a turn after that: what is said second names what was said first.
fn two_entries() -> Scene {
    let proposal = Proposal::to(id(2), "valves").turns(6);
    let scene = Scene::of(3).agreeing((0, 1), proposal).saying(&[0]);
    let session = scene.sessions[0];
    scene.letting_out((1, 0), async |bob: &Side| {
        let beneath = Proposal::to(id(3), "can you?").turns(2).within(session);
        bob.party.propose(&bob.owner, beneath).await.unwrap();
        bob.say(0, session, "I shall ask").await.unwrap();
    })
}

/// The same entry, without what shows that its sender's ledger goes on.
fn unproven(frame: &[u8]) -> Vec<u8> {
    let mut envelope = Envelope::decode(frame).unwrap();
    let Letter::Entry { path, .. } = &mut envelope.body else { panic!("no entry") };
    assert!(path.take().is_some());
    envelope.encode().unwrap()
}

#[test]
fn what_comes_with_what_is_before_it_is_proven_too() {
    let mix = Mix::default();
    let (said, script) = (mix.clone(), Script::new());
    let schedules = race(60, move || {
        let scene = script.play(two_entries);
        let session = scene.sessions[0];
        let [first, second] = <[Vec<u8>; 2]>::try_from(scene.frames.clone()).unwrap();
        let second = unproven(&second);
        let answer = Arc::new(AtomicU64::new(0));
        let heard = answer.clone();
        let parts: Vec<Part> = vec![
            Box::new(move |side: &Side| {
                let answers = wait(side.hear_well(&first, id(2)));
                assert!(is_taken(&answers, &first), "{answers:?}");
            }),
            Box::new(move |side: &Side| {
                let answers = wait(side.hear_well(&second, id(2)));
                let Letter::Refused { reason, .. } = letter(&answers[0]) else {
                    panic!("taken without a proof: {answers:?}");
                };
                let early = reason == Reason::OutOfOrder;
                assert!(early || reason == Reason::Unproven, "{reason}");
                heard.store(u64::from(early), Ordering::SeqCst);
            }),
        ];
        let scene = scene.at_once(0, parts);
        assert_eq!(scene.side(0).party.session(session).unwrap().last, 2);
        assert_eq!(scene.agrees(session)[0].last, 3, "it comes again with its proof");
        said.count(answer.load(Ordering::SeqCst) == 1);
    });
    mix.check("two entries, the second unproven", schedules);
}
