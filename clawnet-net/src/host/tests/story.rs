use super::*;

/// Everything that happens between two owners, from strangers to a session whose turns are used
/// up, at whichever host each of them is.
fn tell(sites: &[&Site], (one, first): (One, &Host), (other, second): (One, &Host)) -> SessionId {
    one.ask(first, other.id());
    settle(sites);
    other.confirm(second, one.id());
    settle(sites);
    let session = one.propose(first, other.id(), 10);
    settle(sites);
    other.consent(second, session);
    settle(sites);
    for nth in 0..10 {
        let (speaker, host) = if nth % 2 == 0 { (one, first) } else { (other, second) };
        speaker.try_say(host, session, &format!("turn {nth}")).unwrap();
        settle(sites);
    }
    session
}

fn check_told((one, first): (One, &Host), (other, second): (One, &Host), session: SessionId) {
    let told = one.told(first, session);
    assert_eq!(told, other.told(second, session));
    assert_eq!(told.len(), 10);
    for (nth, (number, from, spoken)) in told.iter().enumerate() {
        assert_eq!(*number, nth as u64 + 1);
        assert_eq!(*from, if nth % 2 == 0 { one.id() } else { other.id() });
        assert!(spoken.contains(&format!("turn {nth}")), "{spoken}");
    }
    let over = Some(Standing::Ended(Ending::Limit));
    assert_eq!(one.standing(first, session), over);
    assert_eq!(other.standing(second, session), over);
}

#[test]
fn two_owners_of_one_host_talk_and_nothing_leaves_it() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let site = Site::new(&[1, 2], &network, &clock);
    let (one, other) = (One::join(&site.host, 1), One::join(&site.host, 2));
    let session = tell(&[&site], (one, &site.host), (other, &site.host));
    check_told((one, &site.host), (other, &site.host), session);
    let counts = site.host.counts();
    assert_eq!((network.counts().sent, counts.sent, counts.received), (0, 0, 0));
    assert!(counts.judged > 20);
}

#[test]
fn what_a_kernel_here_gave_out_is_its_owners_and_nobody_elses() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let site = Site::new(&[1, 2, 3], &network, &clock);
    let [one, other, third] = [1, 2, 3].map(|seed| One::join(&site.host, seed));
    let (guest, owner, _) = third.handles(&site.host);
    block_on(guest.ask(&owner, other.id(), third.shown(), "about valves")).unwrap();
    let frames = block_on(guest.outgoing(other.id()));
    assert_eq!(frames.len(), 1);
    let carried_by = |who: One| {
        site.host.route(who.id(), other.id(), frames[0].clone());
        let taken = (0..4).find_map(|_| {
            block_on(site.host.step());
            other.bond(&site.host, third.id())
        });
        taken.is_some()
    };
    site.host.desk().stirred.clear();
    assert!(!carried_by(one), "somebody else spoke in their name");
    assert!(carried_by(third));
}

/// State is kept and read back with each snapshot: fields that stand in order are written in one
/// pass, others are sorted as a tree, which takes ten times as long.
#[test]
fn what_is_kept_is_in_order_as_it_is_declared() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let site = Site::new(&[1, 2], &network, &clock);
    let (one, other) = (One::join(&site.host, 1), One::join(&site.host, 2));
    tell(&[&site], (one, &site.host), (other, &site.host));
    one.propose(&site.host, other.id(), 4);
    let guest = block_on(site.host.party(one.id())).unwrap();
    let kept = guest.kernel().read(|net: &crate::Relations| serde_json::to_string(net).unwrap());
    let sorted: serde_json::Value = serde_json::from_str(kept.as_ref().unwrap()).unwrap();
    assert_eq!(kept.unwrap(), serde_json::to_string(&sorted).unwrap());
}

#[test]
fn two_owners_of_two_hosts_talk_over_a_good_network() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let (here, there) = (Site::new(&[1], &network, &clock), Site::new(&[2], &network, &clock));
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    let session = tell(&[&here, &there], (one, &here.host), (other, &there.host));
    check_told((one, &here.host), (other, &there.host), session);
    // Each frame was sent once: nobody had to wait for anything.
    assert!(network.counts().sent < 60, "{:?}", network.counts());
}

#[test]
fn whatever_the_network_does_both_ledgers_tell_the_same() {
    let faults = Faults::none()
        .losing(150)
        .doubling(150)
        .reordering(300)
        .delaying(200, 400)
        .flipping(30)
        .truncating(30);
    let seeds = if cfg!(debug_assertions) { 200 } else { 2000 };
    let mut mix = crate::transport::Counts::default();
    for seed in 0..seeds {
        let (network, clock) = (SimulatedNetwork::new(seed, faults), start());
        let here = Site::new(&[1, 3], &network, &clock);
        let there = Site::new(&[2], &network, &clock);
        let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
        let session = tell(&[&here, &there], (one, &here.host), (other, &there.host));
        check_told((one, &here.host), (other, &there.host), session);
        let counts = network.counts();
        mix.lost += counts.lost;
        mix.doubled += counts.doubled;
        mix.reordered += counts.reordered;
        mix.flipped += counts.flipped;
        mix.truncated += counts.truncated;
    }
    let each = [mix.lost, mix.doubled, mix.reordered, mix.flipped, mix.truncated];
    assert!(each.iter().all(|count| *count > 50), "{mix:?}");
}

#[test]
fn who_cannot_be_reached_for_hours_hears_everything_when_they_can() {
    let (network, clock) = (SimulatedNetwork::new(5, Faults::none()), start());
    let (here, there) = (Site::new(&[1], &network, &clock), Site::new(&[2], &network, &clock));
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    let session = tell(&[&here, &there], (one, &here.host), (other, &there.host));
    network.part(one.id(), other.id());
    let again = one.propose(&here.host, other.id(), 4);
    let mut sent = network.counts().sent;
    for _ in 0..1800 {
        here.turn();
        network.deliver();
        there.turn();
        clock.advance(Duration::from_secs(2));
    }
    sent = network.counts().sent - sent;
    assert!((10..60).contains(&sent), "{sent} frames in an hour to who is not there");
    assert_eq!(other.standing(&there.host, again), None);
    network.heal();
    drop(here.host.arrive(one.id()));
    settle(&[&here, &there]);
    assert_eq!(other.standing(&there.host, again), None, "it lapsed, and nobody heard of it");
    let later = one.propose(&here.host, other.id(), 4);
    settle(&[&here, &there]);
    assert!(other.standing(&there.host, later).is_some());
    check_told((one, &here.host), (other, &there.host), session);
}
