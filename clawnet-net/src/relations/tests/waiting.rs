//! What waits to be shown to a counterpart who is away.
use super::*;
use crate::relations::due::Due;

fn waiting(one: &One, other: &One) -> Vec<u64> {
    let numbers = |net: &Relations| {
        let pending = &net.contact(other.id()).unwrap().pending;
        pending.iter().map(|it| it.act.number).collect()
    };
    one.net(numbers)
}

#[test]
fn whoever_is_away_too_long_is_told_nothing_new_but_that_it_is_over() {
    let (one, other) = two();
    let terms = one.draft(&Proposal::to(other.id(), "valves")).unwrap();
    let present = || {
        let (identity, peer) = (one.identity, other.id());
        one.decide(Decision::Present { identity, name: "One".into(), peer })
    };
    let first = present().unwrap().number;
    while waiting(&one, &other).len() < 64 {
        present().unwrap();
    }
    assert!(present().unwrap_err().contains("a limit is reached"));
    assert_eq!(waiting(&one, &other)[0], first, "nothing that was decided is lost");
    // What ends something always goes.
    one.decide(Decision::Close { session: terms.session }).unwrap();
    let last = one.decide(Decision::Remove { peer: other.id() }).unwrap().number;
    assert_eq!(waiting(&one, &other), [first, last]);
    one.decide(Decision::Block { peer: other.id() }).unwrap();
    assert!(waiting(&one, &other).is_empty());
    assert_eq!(one.replayed(), one.net(Clone::clone));
}

#[test]
fn what_was_signed_with_a_key_that_was_replaced_is_shown_to_nobody() {
    let (mut one, other) = two();
    let session = open(&one, &other, &Proposal::to(other.id(), "valves"));
    let pause = one.decide(Decision::Pause { session }).unwrap();
    let new = SoftwareKey::from_secret(&[77; 32]);
    let key = new.public_key();
    block_on(one.owner.rekey(new)).unwrap();
    let shown = |one: &One| {
        let due = one.net(|net| net.outgoing(other.id()));
        due.iter().filter(|due| matches!(due, Due::Act { .. })).count()
    };
    assert_eq!(shown(&one), 0);
    // It would be nobody's: the key that signed it is not theirs any more.
    other.hear(&one, Evidence::Keys(one.kernel.credential())).unwrap();
    other.decide(Decision::AcceptKey { key, peer: one.id() }).unwrap();
    assert_eq!(one.show(&other, &pause, None), Err("forged".into()));
    // And no answer to it is one.
    one.say(&Said::Arrived { act: pause.number, peer: other.id() }).unwrap();
    let again = one.decide(Decision::Pause { session }).unwrap();
    assert_eq!((shown(&one), waiting(&one, &other)), (1, vec![again.number]));
    one.show(&other, &again, None).unwrap();
    assert_eq!(other.standing(session), Standing::Paused);
    assert_eq!(one.replayed(), one.net(Clone::clone));
}

#[test]
fn an_ask_that_was_withdrawn_is_confirmed_by_no_number() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (mut one, other) = (One::new(1, &clock), One::new(2, &clock));
    let ask = |one: &One| {
        let (identity, peer) = (one.identity, other.id());
        one.decide(Decision::Ask { identity, name: "One".into(), note: String::new(), peer })
    };
    ask(&one).unwrap();
    one.decide(Decision::Remove { peer: other.id() }).unwrap();
    let stands = ask(&one).unwrap().number;
    block_on(one.owner.rekey(SoftwareKey::from_secret(&[77; 32]))).unwrap();
    // The first of the three is signed again.
    let again = ask(&one).unwrap().number;
    assert_eq!((waiting(&one, &other)[0], waiting(&one, &other).len()), (again, 3));
    assert_eq!(one.net(|net| net.contact(other.id()).unwrap().asked.clone()), [stands]);
}
