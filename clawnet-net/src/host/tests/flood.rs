use super::*;

/// A frame for `to` that costs its kernel a look.
fn frame(from: OwnerId, to: OwnerId, nth: usize) -> Vec<u8> {
    let digest = clawnet_core::Digest::of_content(&nth.to_le_bytes());
    let refused = r#"{"refused":{"of":""#;
    format!(r#"{{"body":{refused}{digest}","reason":"closed"}}}},"from":"{from}","to":"{to}"}}"#)
        .into_bytes()
}

fn link(seed: u16) -> Proven {
    Proven::on_the_word_of_a_transport([id(seed)])
}

#[test]
fn who_floods_waits_and_nobody_else_does() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of(1..=4)).open();
    for seed in 1..=4 {
        One::join(&host, seed);
    }
    let before = host.counts();
    // One peer sends a hundred thousand frames to one owner; then three others one each.
    for nth in 0..100_000 {
        host.deliver(Arrived::new(frame(id(9), id(1), nth), link(9)));
    }
    let flooded = host.counts();
    assert_eq!(flooded.received - before.received, 100_000);
    let waiting = HostLimits::default().frames_waiting_max as u64;
    assert_eq!(flooded.turned_away, 100_000 - waiting, "what is turned away is counted");
    for (nth, owner) in [2, 3, 4].into_iter().enumerate() {
        host.deliver(Arrived::new(frame(id(8), id(owner), nth), link(8)));
    }
    host.deliver(Arrived::new(frame(id(8), id(1), 3), link(8)));
    // All of theirs are judged within so many pieces of work as there are owners and senders.
    for _ in 0..16 {
        block_on(host.step()).unwrap();
    }
    let senders = host.desk().intake.senders_of(id(1));
    assert_eq!(senders, [Some(id(9))], "who sent one frame still waits behind a flood");
    for owner in [2, 3, 4] {
        assert_eq!(host.desk().intake.senders_of(id(owner)), []);
    }
}

#[test]
fn what_was_turned_away_is_in_the_owners_ledger_by_powers_of_two() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1])).open();
    let one = One::join(&host, 1);
    for nth in 0..5000 {
        host.deliver(Arrived::new(frame(id(9), id(1), nth), link(9)));
    }
    let turned_away = host.counts().turned_away;
    block_on(host.work());
    let (_, owner, _) = one.handles(&host);
    let records = block_on(owner.records(1, usize::MAX)).unwrap();
    let mut busy = Vec::new();
    for record in records {
        if let clawnet_core::Event::Declared { fact, .. } = &record.event
            && fact.as_str().contains(r#""reason":"busy""#)
        {
            busy.push(fact.as_str().to_owned());
        }
    }
    assert_eq!(busy.len(), 1, "{busy:?}");
    assert!(busy[0].contains(&format!(r#""count":{turned_away}"#)), "{busy:?}");
    assert!(busy[0].contains(&id(9).to_string()), "{busy:?}");
}

#[test]
fn strangers_share_what_strangers_may_send() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1])).open();
    One::join(&host, 1);
    let burst = u64::from(HostLimits::default().from_link.burst);
    let nobody = Proven::on_the_word_of_a_transport([]);
    for nth in 0..2 * burst {
        // Each claims to be somebody else.
        let from = id(100 + u16::try_from(nth).unwrap());
        let nth = usize::try_from(nth).unwrap();
        host.deliver(Arrived::new(frame(from, id(1), nth), nobody.clone()));
    }
    assert_eq!(host.counts().turned_away, burst);
    assert_eq!(host.leaving(), [], "nobody is answered in whose name strangers speak");
    host.deliver(Arrived::new(frame(id(9), id(1), 0), link(9)));
    assert_eq!(host.counts().turned_away, burst + 1, "the queue holds no more");
    block_on(host.work());
    host.deliver(Arrived::new(frame(id(9), id(1), 0), link(9)));
    assert_eq!(host.counts().turned_away, burst + 1, "who is known is not counted with them");
}

#[test]
fn what_waits_is_bounded_and_nothing_more_is_taken_in() {
    let limits = HostLimits { frames_waiting_all_max: 10, ..HostLimits::default() };
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of(1..=20)).limits(limits);
    let host = host.open();
    let mut taken = 0;
    while host.has_room().is_ok() {
        host.deliver(Arrived::new(frame(id(99), id(taken + 1), 0), link(99)));
        taken += 1;
    }
    assert_eq!(taken, 10);
}
