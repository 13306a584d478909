//! Who is here, who was reached, and what is tried because of it.
use super::*;

/// A host whose first owner asked somebody who cannot be reached, an hour ago.
fn waiting() -> (Host, ManualClock, OwnerId) {
    let clock = start();
    let hosting = Host::over(Arc::new(MemoryStore::new()), clock.clone(), Ring::of([1]));
    let host = hosting.open();
    let (one, peer) = (One::join(&host, 1), id(2));
    one.ask(&host, peer);
    for _ in 0..1800 {
        block_on(host.work());
        clock.advance(Duration::from_secs(2));
    }
    drop(host.leaving());
    (host, clock, peer)
}

fn sent(host: &Host) -> usize {
    block_on(host.work());
    host.leaving().len()
}

#[test]
fn an_owner_is_here_as_long_as_a_client_of_theirs_is() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1, 2])).open();
    assert_eq!(host.presence(id(1)), Whereabouts::Away);
    let (first, second) = (host.arrive(id(1)), host.arrive(id(1)));
    assert_eq!(first.owner(), id(1));
    assert_eq!(host.presence(id(1)), Whereabouts::Here { clients: 2 });
    assert_eq!(host.presence(id(2)), Whereabouts::Away);
    drop(first);
    assert_eq!(host.presence(id(1)), Whereabouts::Here { clients: 1 });
    drop(second);
    assert_eq!(host.presence(id(1)), Whereabouts::Away);
}

#[test]
fn what_waits_is_tried_at_once_when_either_side_comes() {
    let (host, clock, peer) = waiting();
    block_on(host.work());
    drop(host.leaving());
    clock.advance(Duration::from_secs(1));
    assert_eq!(sent(&host), 0);
    assert!(host.trying(id(1), peer).unwrap().0 > 6);
    drop(host.arrive(id(1)));
    assert_eq!(sent(&host), 1, "when a client of theirs comes");
    assert_eq!(host.trying(id(1), peer).unwrap().0, 1);
    host.reached(id(3));
    assert_eq!(sent(&host), 0, "when somebody else is reached");
    host.reached(peer);
    assert_eq!(sent(&host), 1, "when the peer is reached");
}

#[test]
fn who_is_heard_of_is_not_waited_for_so_long() {
    let (host, clock, peer) = waiting();
    let (tries, _) = host.trying(id(1), peer).unwrap();
    assert!(tries > 6);
    let frame = format!(r#"{{"body":0,"from":"{peer}","to":"{}"}}"#, id(1)).into_bytes();
    let nobody = Proven::on_the_word_of_a_transport([]);
    host.deliver(Arrived::new(frame.clone(), nobody));
    block_on(host.work());
    assert!(host.trying(id(1), peer).unwrap().0 >= tries, "in their name, and not by them");
    host.deliver(Arrived::new(frame, Proven::on_the_word_of_a_transport([peer])));
    block_on(host.work());
    let (tries, at) = host.trying(id(1), peer).unwrap();
    assert!(tries < 6 && at < clock.now().after(Duration::from_secs(10)));
}

#[test]
fn what_is_sent_again_keeps_no_kernel_open() {
    let limits = HostLimits { resend_after_max: Duration::from_secs(10), ..HostLimits::default() };
    let clock = start();
    let hosting = Host::over(Arc::new(MemoryStore::new()), clock.clone(), Ring::of([1]));
    let host = hosting.limits(limits).open();
    One::join(&host, 1).ask(&host, id(2));
    let mut away = 0;
    for _ in 0..600 {
        block_on(host.work());
        drop(host.leaving());
        clock.advance(Duration::from_secs(1));
        away += usize::from(host.counts().open_now == 0);
    }
    assert!(away > 0, "it was open for ten minutes because of what nobody answered");
}
