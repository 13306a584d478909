use super::*;

fn owner(nth: u8) -> OwnerId {
    OwnerId::of_key(&[nth; 32])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn agenda(seed: u64) -> Agenda {
    let (first, longest) = (Duration::from_secs(1), Duration::from_mins(1));
    Agenda::new(Patience { first, longest, seed })
}

/// The moments at which a lane that nobody answers in is tried again.
fn moments(seed: u64, until: u64) -> Vec<u64> {
    let mut agenda = agenda(seed);
    let lane = (owner(1), owner(2));
    agenda.note(lane);
    let turn = agenda.next(at(0)).unwrap();
    agenda.sent(turn, 1, at(0));
    let mut moments = Vec::new();
    while let Some(next) = agenda.next_at().filter(|next| *next <= at(until)) {
        let turn = agenda.next(next).unwrap();
        assert_eq!(turn, Turn { lane, again: true });
        agenda.sent(turn, 1, next);
        moments.push(next.as_millis());
    }
    moments
}

#[test]
fn what_nobody_answers_is_tried_less_and_less_often() {
    let moments = moments(7, 600_000);
    let waits: Vec<_> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut bound = 2000;
    for wait in &waits {
        assert!((bound..=bound + bound / 4).contains(wait), "{wait} is not about {bound}");
        bound = (bound * 2).min(60_000);
    }
    assert!(waits.len() > 8);
}

#[test]
fn two_hosts_do_not_try_at_the_same_moments() {
    assert_eq!(moments(7, 600_000), moments(7, 600_000));
    let both: BTreeSet<_> = moments(7, 600_000).into_iter().collect();
    assert!(moments(8, 600_000).iter().filter(|moment| both.contains(moment)).count() <= 1);
}

#[test]
fn what_is_new_goes_at_once_and_is_waited_for_anew() {
    let mut agenda = agenda(1);
    let lane = (owner(1), owner(2));
    agenda.note(lane);
    agenda.note(lane);
    let new = Turn { lane, again: false };
    assert_eq!(agenda.next_at(), Some(at(0)));
    assert_eq!(agenda.next(at(0)), Some(new));
    assert_eq!(agenda.next(at(0)), None, "noted twice, and one turn");
    agenda.sent(new, 0, at(0));
    assert_eq!(agenda.next_at(), None, "nothing was there, and nothing is waited for");
    agenda.sent(new, 1, at(0));
    for _ in 0..4 {
        let now = agenda.next_at().unwrap();
        let turn = agenda.next(now).unwrap();
        agenda.sent(turn, 1, now);
    }
    assert_eq!(agenda.trying(lane).unwrap().0, 4);
    agenda.note(lane);
    assert_eq!(agenda.next(at(0)), Some(new));
    agenda.sent(new, 0, at(0));
    assert_eq!(agenda.trying(lane).unwrap().0, 4);
    agenda.sent(new, 1, at(0));
    assert_eq!(agenda.trying(lane).unwrap().0, 0);
}

#[test]
fn who_answers_is_not_waited_for_so_long() {
    let mut agenda = agenda(1);
    let lane = (owner(1), owner(2));
    agenda.note(lane);
    let mut now = at(0);
    for _ in 0..7 {
        let turn = agenda.next(now).unwrap();
        agenda.sent(turn, 2, now);
        now = agenda.next_at().unwrap();
    }
    assert_eq!(agenda.trying(lane).unwrap().0, 6);
    agenda.heard(lane, at(100));
    assert_eq!(agenda.trying(lane).unwrap().0, TRIES_OF_WHO_IS_THERE);
    assert!(agenda.next_at().unwrap() < at(100 + 1000 * 8 * 5 / 4));
    let turn = agenda.next(agenda.next_at().unwrap()).unwrap();
    agenda.sent(turn, 0, at(300));
    assert_eq!((agenda.trying(lane), agenda.next_at()), (None, None));
    assert!(agenda.times.is_empty() && agenda.lanes.is_empty());
}

#[test]
fn whoever_arrives_or_is_reached_has_everything_tried_at_once() {
    let mut agenda = agenda(1);
    for peer in [2, 3] {
        agenda.note((owner(1), owner(peer)));
        agenda.note((owner(peer), owner(1)));
    }
    while let Some(turn) = agenda.next(at(0)) {
        agenda.sent(turn, 1, at(0));
    }
    agenda.hurry(owner(1), at(5));
    let mut tried = Vec::new();
    while let Some(turn) = agenda.next(at(5)) {
        tried.push(turn.lane);
    }
    tried.sort_unstable();
    let mut expect = vec![(owner(1), owner(2)), (owner(1), owner(3))];
    expect.sort_unstable();
    assert_eq!(tried, expect);
    agenda.reach(owner(1), at(6));
    let mut tried = Vec::new();
    while let Some(turn) = agenda.next(at(6)) {
        tried.push(turn.lane);
    }
    tried.sort_unstable();
    let mut expect = vec![(owner(2), owner(1)), (owner(3), owner(1))];
    expect.sort_unstable();
    assert_eq!(tried, expect);
}

#[test]
fn a_visit_happens_once_at_the_last_time_named() {
    let mut agenda = agenda(1);
    agenda.visit(owner(1), Some(at(10)));
    agenda.visit(owner(1), Some(at(30)));
    agenda.visit(owner(2), Some(at(20)));
    assert_eq!(agenda.next_visit(at(15)), None);
    assert_eq!(agenda.next_at(), Some(at(20)));
    assert_eq!(agenda.next_visit(at(40)), Some(owner(2)));
    assert_eq!(agenda.next_visit(at(40)), Some(owner(1)));
    assert_eq!(agenda.next_visit(at(40)), None);
    assert!(agenda.visits.is_empty() && agenda.visit_times.is_empty());
}
