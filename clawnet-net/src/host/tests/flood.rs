use super::{strangers::KEPT_MAX, *};

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
fn who_sends_too_much_is_turned_away_though_nothing_waits() {
    let (clock, store) = (start(), Arc::new(MemoryStore::new()));
    let mut limits = HostLimits::default();
    (limits.from_sender, limits.from_link) = (Rate::per_second(20), Rate::per_second(10));
    let host = Host::over(store, clock.clone(), Ring::of([1])).limits(limits).open();
    One::join(&host, 1);
    let send = |from: u16, over: &Proven| {
        let before = host.counts().judged;
        for nth in 0..50 {
            host.deliver(Arrived::new(frame(id(from), id(1), nth), over.clone()));
            while host.desk().intake.waiting() > 0 {
                block_on(host.step());
            }
        }
        host.counts().judged - before
    };
    assert_eq!(send(9, &link(9)), 20);
    assert_eq!(send(9, &link(9)), 0);
    assert_eq!(send(8, &link(8)), 20, "another has a bucket of their own");
    // In the names of others, over links of their own: for each, all together.
    assert_eq!((send(7, &link(9)), send(6, &link(9))), (10, 0));
    assert_eq!((send(7, &link(8)), send(7, &link(7))), (10, 20));
    clock.advance(Duration::from_millis(500));
    assert_eq!(send(9, &link(9)), 10);
}

#[test]
fn everybody_together_sends_one_owner_only_so_much() {
    let limits = HostLimits { for_owner: Rate::per_second(10), ..HostLimits::default() };
    let (clock, store) = (start(), Arc::new(MemoryStore::new()));
    let host = Host::over(store, clock.clone(), Ring::of([1, 2])).limits(limits).open();
    let send = |to: u16| {
        let before = host.counts().turned_away;
        for from in 100..120 {
            host.deliver(Arrived::new(frame(id(from), id(to), 0), link(from)));
        }
        let told = host.leaving().into_iter().filter(|(_, frame)| frame == BUSY).count();
        assert_eq!(host.counts().turned_away - before, told as u64);
        told
    };
    assert_eq!(send(1), 10);
    assert_eq!(send(1), 20);
    assert_eq!(send(2), 10, "another owner has a bucket of their own");
    clock.advance(Duration::from_millis(500));
    assert_eq!(send(1), 15);
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

/// A host of sixty owners, the first of whom has asked `friend`.
fn street(friend: OwnerId, limits: HostLimits) -> (Host, ManualClock) {
    let (clock, ring) = (start(), Ring::of(1..=60));
    let host = Host::over(Arc::new(MemoryStore::new()), clock.clone(), ring).limits(limits).open();
    let joined: Vec<_> = (1..=60).map(|seed| One::join(&host, seed)).collect();
    joined[0].ask(&host, friend);
    block_on(host.work());
    (host, clock)
}

/// How many of those whom somebody names are told to be busy, when nobody's kernel is open.
fn busy(host: &Host, (from, over): (u16, &Proven)) -> usize {
    block_on(host.put_away_idle());
    drop(host.leaving());
    assert_eq!(host.counts().open_now, 0);
    let before = host.counts();
    for to in 2..=60 {
        host.deliver(Arrived::new(frame(id(from), id(to), 0), over.clone()));
    }
    while host.desk().intake.waiting() > 0 {
        block_on(host.step());
    }
    let told = host.leaving().into_iter().filter(|(_, frame)| frame == BUSY).count();
    let turned_away = host.counts().turned_away - before.turned_away;
    // The first owner's may be, to ask their friend again.
    assert!(host.counts().opened - before.opened <= 60 - turned_away, "turned away and opened");
    assert!(over.speaks_for(id(from)).is_err() || told as u64 == turned_away);
    usize::try_from(turned_away).unwrap()
}

#[test]
fn strangers_open_only_so_many_kernels() {
    let mut limits = HostLimits { idle: Duration::ZERO, ..HostLimits::default() };
    limits.strangers = Rate::per_second(20).burst(40);
    let friend = id(99);
    let (host, clock) = street(friend, limits);
    let told = |from: u16| busy(&host, (from, &link(from)));
    assert_eq!(told(98), 49);
    assert_eq!(told(98), 59);
    // Of what all may, one has a quarter: another has theirs, until all have had what all may.
    assert_eq!((told(97), told(96), told(95)), (49, 49, 49));
    assert_eq!(told(94), 59);
    clock.advance(Duration::from_secs(1));
    assert_eq!((told(98), told(97), told(94)), (54, 54, 49));
    assert_eq!(told(96), 59);
    clock.advance(Duration::from_mins(1));
    assert_eq!(told(98), 49, "filled above its rim");
    block_on(host.put_away_idle());
    let spent = host.counts();
    host.deliver(Arrived::new(frame(id(98), id(60), 0), link(98)));
    host.deliver(Arrived::new(frame(friend, id(1), 0), link(99)));
    block_on(host.work());
    assert_eq!(host.counts().turned_away, spent.turned_away + 1);
    assert_eq!(host.counts().judged, spent.judged + 1, "who is awaited is no stranger");
}

#[test]
fn a_stranger_keeps_no_other_stranger_from_being_heard() {
    let mut limits = HostLimits { idle: Duration::ZERO, ..HostLimits::default() };
    limits.strangers = Rate::per_second(4);
    let (host, _) = street(id(99), limits);
    let nobody = Proven::on_the_word_of_a_transport([]);
    // In whose name it may be, who has not proven whose they are is one.
    assert_eq!(busy(&host, (90, &nobody)), 58);
    assert_eq!(busy(&host, (91, &nobody)), 59);
    assert_eq!(busy(&host, (92, &link(92))), 58);
    // Who is turned away over and over takes nothing from those who are left.
    assert_eq!(busy(&host, (92, &link(92))), 59);
    assert_eq!(busy(&host, (93, &link(93))), 58);
}

/// Two hosts with one owner each, who are contacts. The other's takes nothing from strangers.
fn acquainted() -> ([Site; 2], [One; 2], ManualClock) {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let limits = HostLimits { strangers: Rate::per_second(0), ..HostLimits::default() };
    let here = Site::new(&[1], &network, &clock);
    let there = Site::limited(&[2], (&network, &clock), limits);
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    one.ask(&here.host, other.id());
    settle(&[&here, &there]);
    other.confirm(&there.host, one.id());
    settle(&[&here, &there]);
    ([here, there], [one, other], clock)
}

#[test]
fn who_was_heard_before_is_no_stranger() {
    let ([here, there], [one, other], clock) = acquainted();
    clock.advance(there.limits.idle);
    assert_eq!(block_on(there.host.put_away_idle()), 1);
    assert_eq!(there.host.trying(other.id(), one.id()), None);
    let session = one.propose(&here.host, other.id(), 4);
    settle(&[&here, &there]);
    assert!(other.standing(&there.host, session).is_some());
    assert_eq!(there.host.counts().turned_away, 0);
}

#[test]
fn who_is_heard_now_and_then_is_not_forgotten_for_others() {
    let ([here, there], [one, other], clock) = acquainted();
    let mut heard = 0_u64;
    for _ in 0..2 {
        clock.advance(there.limits.idle);
        assert_eq!(block_on(there.host.put_away_idle()), 1);
        // As many others are heard as make the host forget whom it does not hear meanwhile.
        for _ in 0..KEPT_MAX {
            heard += 1;
            let mut key = [9; 32];
            key[..8].copy_from_slice(&heard.to_le_bytes());
            there.host.desk().strangers.meet((other.id(), OwnerId::of_key(&key)));
        }
        let session = one.propose(&here.host, other.id(), 4);
        settle(&[&here, &there]);
        assert_eq!(there.host.counts().turned_away, 0, "{heard} others were heard");
        assert!(other.standing(&there.host, session).is_some());
    }
}

#[test]
fn what_was_turned_away_is_told_when_the_kernel_is_open_again() {
    let limits = HostLimits {
        idle: Duration::ZERO,
        strangers: Rate::per_second(0),
        ..HostLimits::default()
    };
    let hosting = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1]));
    let host = hosting.limits(limits).open();
    let one = One::join(&host, 1);
    block_on(host.put_away_idle());
    let knock = |nth| {
        host.deliver(Arrived::new(frame(id(9), id(1), nth), link(9)));
        block_on(host.work());
    };
    (0..5).for_each(knock);
    assert_eq!((host.counts().turned_away, host.counts().judged), (5, 0));
    let (_, owner, _) = one.handles(&host);
    knock(5);
    let records = block_on(owner.records(1, usize::MAX)).unwrap();
    let told = records.iter().any(|record| {
        matches!(&record.event, clawnet_core::Event::Declared { fact, .. }
            if fact.as_str().contains(r#""count":5"#) && fact.as_str().contains(r#""busy""#))
    });
    assert!(told, "nobody told the owner of five frames");
}

#[test]
fn frames_do_not_keep_a_host_from_all_else() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1])).open();
    One::join(&host, 1);
    for nth in 0..100 {
        host.deliver(Arrived::new(frame(id(9), id(1), nth), link(9)));
    }
    host.desk().stirred.insert(id(1));
    for _ in 0..2 {
        block_on(host.step()).unwrap();
    }
    assert!(host.desk().stirred.is_empty());
    assert_eq!(host.counts().judged, 1);
}
