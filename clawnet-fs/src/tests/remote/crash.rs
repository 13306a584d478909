//! Links that break and nodes that fall over: nothing twice, and nothing lost.
use super::*;

#[test]
fn a_lost_answer_is_told_as_such_and_asked_for_later() {
    let mut far = Far::new();
    far.wire.deaf.store(true, Ordering::SeqCst);
    assert_eq!(far.code(&Write::new(path("a"), "1")), "outcome_unknown");
    far.wire.deaf.store(false, Ordering::SeqCst);
    drop(far.serving.take().unwrap().join().unwrap());
    assert_eq!(far.work.read_to_string("a").unwrap(), "1");
    let intent = last_intent(&far);
    far.pair();
    assert_eq!(far.remote().endpoint().recall(far.owner.id(), intent), Recalled::Done);
    assert_eq!(far.remote().endpoint().recall(far.owner.id(), 1), Recalled::NotDone);
    far.write("a", "2").unwrap();
}

#[test]
fn what_never_arrived_is_never_done() {
    let mut far = Far::new();
    far.wire.mute.store(true, Ordering::SeqCst);
    assert_eq!(far.code(&Write::new(path("a"), "1")), "outcome_unknown");
    far.wire.mute.store(false, Ordering::SeqCst);
    let late = far.wire.told();
    let intent = last_intent(&far);
    drop(far.serving.take().unwrap().join().unwrap());
    far.pair();
    assert_eq!(far.remote().endpoint().recall(far.owner.id(), intent), Recalled::NotDone);
    // It arrives after all, well signed and in time: it is of another session.
    let mut station = far.hang_up();
    let answer = block_on(station.answer(late, &mut far.log.clone())).unwrap();
    assert_eq!(answer.kind, FrameKind::No);
    assert!(!far.work.exists("a"));
}

#[test]
fn while_the_kernel_is_gone_nothing_is_done() {
    let mut far = Far::new();
    far.write("a", "1").unwrap();
    let station = far.hang_up();
    assert!(far.log.0.lock().unwrap().contains(&Heard::Alone));
    assert_eq!(far.code(&Write::new(path("a"), "2")), r#"Endpoint(Code("link_down"))"#);
    drop(station);
    let daybook = String::from_utf8(far.daybook()).unwrap();
    assert!(daybook.contains(r#"{"alone":{"at":"#));
}

/// The station falls over after the effect and before the receipt is written down: at every byte of
/// its daybook's end.
#[test]
fn a_change_without_a_receipt_gets_one_when_the_station_opens_again() {
    let mut far = Far::new();
    far.write("a", "1").unwrap();
    let intent = last_intent(&far);
    let told = far.wire.told();
    drop(far.hang_up());
    let whole = far.daybook();
    let text = String::from_utf8(whole.clone()).unwrap();
    let gave = text.find(r#"{"gave""#).unwrap();
    let line = text[..gave].rfind('\n').unwrap() + 1;
    let end = line + text[line..].find('\n').unwrap();
    far.work.write("a", "by hand").unwrap();
    for cut in [line, line + 1, gave, end - 1, end] {
        far.set_daybook(&whole[..cut]);
        let mut station = far.station().unwrap();
        let given = block_on(station.answer(told.clone(), &mut far.log.clone())).unwrap();
        let receipt = SignedReceipt::read(&given.head).unwrap();
        assert_eq!(receipt.receipt().outcome, clawnet_core::Reported::Done, "cut at {cut}");
        assert_eq!(receipt.receipt().intent, intent);
    }
    assert_eq!(far.work.read_to_string("a").unwrap(), "by hand");
    // And when nothing had begun, it says so, and does not begin.
    let took = text[..line - 1].rfind('\n').unwrap() + 1;
    far.set_daybook(&whole[..line]);
    far.own_store = Arc::new(MemoryStore::new());
    far.top().remove_file("state/journal").unwrap();
    let mut station = far.station().unwrap();
    let given = block_on(station.answer(told, &mut far.log.clone())).unwrap();
    let receipt = SignedReceipt::read(&given.head).unwrap();
    let outcome = receipt.receipt().outcome.clone();
    assert_eq!(outcome, clawnet_core::Reported::refused("not_begun"), "{took}");
}

#[test]
fn a_daybook_that_is_not_what_was_written_does_not_open() {
    let mut far = Far::new();
    far.write("a", "1").unwrap();
    drop(far.hang_up());
    let whole = far.daybook();
    for at in (0..whole.len() - 1).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        far.set_daybook(&flipped);
        assert!(far.station().is_err(), "byte {at}");
    }
    far.set_daybook(&whole);
    assert!(far.station().is_ok());
}

fn last_intent(far: &Far) -> u64 {
    let records: Vec<AuditRecord> = block_on(far.owner.records(1, 10_000)).unwrap();
    records.iter().rfind(|record| matches!(record.event, Event::Intent(_))).unwrap().sequence
}
