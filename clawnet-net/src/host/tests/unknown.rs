use super::{houses::Watched, *};

/// Frames from a proven sender to `to`, whatever that is.
fn frame(from: OwnerId, to: &str, nth: usize) -> Vec<u8> {
    let digest = clawnet_core::Digest::of_content(&nth.to_le_bytes());
    format!(r#"{{"body":{{"taken":{{"of":"{digest}"}}}},"from":"{from}","to":"{to}"}}"#).into()
}

#[test]
fn a_thousand_names_of_nobody_have_one_answer() {
    let watched = Watched::new();
    let store: Arc<dyn Store> = watched.clone();
    let limits = HostLimits { from_sender: Rate::per_second(10_000), ..HostLimits::default() };
    let host = Host::over(store, start(), Ring::of([1])).limits(limits).open();
    let one = One::join(&host, 1);
    let hosted = one.id();
    let stranger = id(9);
    let link = Proven::on_the_word_of_a_transport([stranger]);
    let before = watched.calls();
    for nth in 0..1000 {
        let digits = format!("{nth:024x}");
        let to = match nth % 8 {
            0 => id(1000 + u16::try_from(nth).unwrap()).to_string(),
            1 => format!("idn_{digits}@{}", id(2000 + u16::try_from(nth).unwrap())),
            2 => format!("agt_{digits}@{hosted}"),
            3 => format!("manager@{hosted}"),
            4 => format!("own_{digits}"),
            5 => format!("{hosted}@{hosted}"),
            6 => String::new(),
            _ => format!("{}@{}", one.identity, id(77)),
        };
        host.deliver(Arrived::new(frame(stranger, &to, nth), link.clone()));
        let leaving = host.leaving();
        assert_eq!(leaving, [(stranger, NOBODY.to_vec())], "{to}");
        assert_eq!(block_on(host.work()), 0);
    }
    assert_eq!(watched.calls(), before, "a name nobody has was looked up");
    assert_eq!(host.counts().unknown, 1000);
}

#[test]
fn an_identity_that_never_was_has_the_answer_of_an_owner_who_never_was() {
    let (network, clock) = (SimulatedNetwork::new(1, Faults::none()), start());
    let (here, there) = (Site::new(&[1], &network, &clock), Site::new(&[2, 3], &network, &clock));
    let (one, other) = (One::join(&here.host, 1), One::join(&there.host, 2));
    one.ask(&here.host, other.id());
    settle(&[&here, &there]);
    other.confirm(&there.host, one.id());
    settle(&[&here, &there]);
    let session = one.propose(&here.host, other.id(), 4);
    settle(&[&here, &there]);
    other.consent(&there.host, session);
    settle(&[&here, &there]);
    one.try_say(&here.host, session, "hello").unwrap();
    block_on(here.host.work());
    let (_, said) = here.host.leaving().pop().unwrap();
    let said = String::from_utf8(said).unwrap();
    let named = |identity: &str, from: OwnerId| {
        let said = said.replace(&one.id().to_string(), &from.to_string());
        said.replace(&format!(r#""to":"{}"#, other.identity), &format!(r#""to":"{identity}"#))
    };
    // To an identity that never was; and to the right one, from a stranger.
    let never = format!("idn_{}", "7".repeat(24));
    for (frame, from) in [(named(&never, one.id()), one.id()), (said.clone(), id(9))] {
        let link = Proven::on_the_word_of_a_transport([from]);
        let frame = frame.replace(&one.id().to_string(), &from.to_string());
        there.host.deliver(Arrived::new(frame.into_bytes(), link));
        assert!(block_on(there.host.work()) > 0);
        assert_eq!(there.host.leaving(), [(from, NOBODY.to_vec())]);
    }
    assert_eq!(other.told(&there.host, session), []);
}

#[test]
fn an_answer_is_never_answered_and_nobody_hears_what_they_have_not_proven_to_be() {
    let host = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of([1])).open();
    One::join(&host, 1);
    let link = Proven::on_the_word_of_a_transport([id(9)]);
    for frame in [NOBODY, BUSY] {
        host.deliver(Arrived::new(frame.to_vec(), link.clone()));
    }
    // Over the link of one, in the name of another.
    host.deliver(Arrived::new(frame(id(8), &id(77).to_string(), 1), link.clone()));
    host.deliver(Arrived::new(frame(id(8), &id(1).to_string(), 2), link.clone()));
    host.deliver(Arrived::new(b"no envelope at all".to_vec(), link));
    // From who is at home here: no way leads to them from here.
    let home = Proven::on_the_word_of_a_transport([id(1)]);
    host.deliver(Arrived::new(frame(id(1), &id(77).to_string(), 3), home));
    block_on(host.work());
    assert_eq!(host.leaving(), []);
    let counts = host.counts();
    assert_eq!((counts.received, counts.unknown, counts.unreadable), (6, 2, 1));
}

#[test]
fn the_address_alone_decides_whose_kernel_it_is() {
    let hosting = Host::over(Arc::new(MemoryStore::new()), start(), Ring::of(1..=3));
    let limits = HostLimits { idle: Duration::ZERO, ..HostLimits::default() };
    let host = hosting.limits(limits).open();
    let _joined = [1, 2, 3].map(|seed| One::join(&host, seed));
    block_on(host.put_away_idle());
    // In the name of one owner of this host, over the link of another; about a third.
    let frame = String::from_utf8(frame(id(1), &id(2).to_string(), 0)).unwrap();
    let frame = frame.replace(r#"{"taken""#, &format!(r#"{{"to":"{}","taken""#, id(3)));
    host.deliver(Arrived::new(frame.into(), Proven::on_the_word_of_a_transport([id(1), id(3)])));
    while host.counts().judged == 0 {
        block_on(host.step()).unwrap();
    }
    assert!(host.0.houses.if_open(id(2)).is_some());
    assert_eq!((host.counts().judged, host.counts().open_now), (1, 1));
}
