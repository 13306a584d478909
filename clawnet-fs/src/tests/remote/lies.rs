//! What a kernel does not believe, whoever says it.
use super::*;

#[test]
fn every_flipped_bit_of_an_answer_ends_the_link() {
    let mut far = Far::new();
    far.work.write("a", "content").unwrap();
    let read = Read::of(path("a"));
    far.submit(&read).unwrap();
    let length = far.wire.received.lock().unwrap().last().unwrap().to_bytes().len();
    // Every byte, and within it one bit or another.
    let mut late = 0;
    for at in 0..length {
        let bit = at % 8;
        far.wire.changing(move |frame| {
            let mut bytes = frame.to_bytes();
            let Some(byte) = bytes.get_mut(at) else { return frame };
            *byte ^= 1 << bit;
            let (header, rest) = bytes.split_first_chunk().unwrap();
            // What is no frame any more is cut off by the link itself.
            Frame::read(header, rest).unwrap_or(Frame::new(FrameKind::Hello, Vec::new()))
        });
        let answered = far.submit(&read);
        *far.wire.on_answer.lock().unwrap() = None;
        match answered {
            // Nobody signed it yet: the next signature is one under something else.
            Ok(_) => {
                late += 1;
                assert_eq!(far.remote().endpoint().seal().unwrap_err().code(), "unsigned");
            }
            Err(refused) => assert!(matches!(refused, Refusal::Failed(_)), "byte {at}: {refused}"),
        }
        assert!(far.remote().endpoint().welcome().is_none(), "byte {at}");
        drop(far.serving.take().unwrap().join().unwrap());
        far.pair();
    }
    assert!(late > 0 && late < length / 4, "{late} of {length}");
    far.submit(&read).unwrap();
}

#[test]
fn an_answer_to_another_question_is_not_believed() {
    let far = Far::new();
    far.write("a", "1").unwrap();
    let old = far.wire.received.lock().unwrap().last().unwrap().clone();
    far.wire.changing(move |_| old.clone());
    assert_eq!(far.code(&Write::new(path("a"), "2")), "other_answer");
    assert_eq!(far.code(&Read::of(path("a"))), r#"Endpoint(Code("link_down"))"#);
}

#[test]
fn a_change_needs_a_signature_and_a_look_needs_one_in_time() {
    let far = Far::new();
    far.wire.changing(|frame| {
        let Ok(signed) = SignedReceipt::read(&frame.head) else { return frame };
        Frame { kind: FrameKind::Told, head: signed.receipt().to_bytes(), ..frame }
    });
    assert_eq!(far.code(&Write::new(path("a"), "2")), "unsigned");

    let far = Far::new();
    far.work.write("a", "1").unwrap();
    let read = Read::of(path("a"));
    far.wire.changing(|frame| {
        let Ok(signed) = SignedReceipt::read(&frame.head) else { return frame };
        Frame { kind: FrameKind::Told, head: signed.receipt().to_bytes(), ..frame }
    });
    (0..63).for_each(|_| drop(far.submit(&read).unwrap()));
    assert_eq!(far.code(&read), "unsigned");
    assert_eq!(far.remote().endpoint().unvouched(), 63);

    let far = Far::new();
    far.work.write("a", "1").unwrap();
    far.wire.changing(|frame| {
        let Ok(signed) = SignedReceipt::read(&frame.head) else { return frame };
        Frame { kind: FrameKind::Told, head: signed.receipt().to_bytes(), ..frame }
    });
    far.submit(&read).unwrap();
    far.clock.advance(Duration::from_millis(100));
    assert_eq!(far.code(&read), "unsigned");
}

#[test]
fn a_receipt_by_another_key_is_not_believed() {
    let far = Far::new();
    far.wire.changing(|frame| {
        let Ok(signed) = SignedReceipt::read(&frame.head) else { return frame };
        let thief = SoftwareKey::from_secret(&[66; 32]);
        Frame { head: signed.receipt().clone().sign(&thief).to_bytes(), ..frame }
    });
    assert_eq!(far.code(&Write::new(path("a"), "2")), "bad_signature");
}

/// The node's key is stolen, or its operator lies: every receipt is well signed.
fn lying(lie: impl Fn(&mut clawnet_core::Receipt) + Send + Sync + 'static) -> String {
    let far = Far::new();
    far.write("a", "1").unwrap();
    far.wire.changing(move |frame| {
        let Ok(signed) = SignedReceipt::read(&frame.head) else { return frame };
        let mut receipt = signed.receipt().clone();
        lie(&mut receipt);
        Frame { head: receipt.sign(&node_key()).to_bytes(), ..frame }
    });
    far.code(&Write::new(path("a"), "2"))
}

#[test]
fn a_node_that_contradicts_itself_is_not_believed() {
    assert_eq!(lying(|receipt| receipt.head.size = 3), "node_went_back");
    assert_eq!(lying(|receipt| receipt.at = Timestamp::from_millis(1)), "node_went_back");
    assert_eq!(lying(|receipt| receipt.previous = Digest::ZERO), "receipt_missing");
    assert_eq!(lying(|receipt| receipt.number += 1), "other_answer");
    assert_eq!(lying(|receipt| receipt.intent += 1), "other_answer");
    assert_eq!(lying(|receipt| receipt.directive = Digest::ZERO), "other_answer");
    assert_eq!(lying(|receipt| receipt.answer = Digest::ZERO), "other_content");
    let fork = |receipt: &mut clawnet_core::Receipt| {
        receipt.head = NodeHead { hash: Digest::ZERO, size: receipt.head.size - 2 };
    };
    assert_eq!(lying(fork), "node_forked");
    let other = |receipt: &mut clawnet_core::Receipt| {
        receipt.node = PublicKey::from_bytes([1; 32]);
    };
    assert_eq!(lying(other), "bad_signature");
}

#[test]
fn a_node_that_was_put_back_is_told_when_it_greets() {
    let mut far = Far::new();
    far.write("a", "1").unwrap();
    let head = far.remote().endpoint().head().unwrap();
    drop(far.hang_up());
    // Its own ledger is lost: an older copy, or none.
    far.own_store = Arc::new(MemoryStore::new());
    let station = far.station().unwrap();
    let link = Box::new(far.serve(station));
    let refused = far.remote().endpoint().reconnect(link).unwrap_err();
    assert_eq!(refused.code(), "node_went_back");
    assert!(far.remote().endpoint().welcome().is_none());
    drop(far.serving.take().unwrap().join().unwrap());
    // A kernel that started again, and remembers.
    let station = far.station().unwrap();
    let link = Box::new(far.serve(station));
    let refused = RemoteNode::pair(link, Far::pairing().remembering(head)).unwrap_err();
    assert_eq!(refused.code(), "node_went_back");
}

#[test]
fn another_node_is_not_greeted() {
    let mut far = Far::new();
    drop(far.hang_up());
    let state = far.station_of(SoftwareKey::from_secret(&[66; 32]), true).unwrap_err();
    // Not even over this one's daybook.
    assert!(matches!(state, StationError::Daybook(FsError::LogUnavailable(_))), "{state}");
    let station = far.station_of(node_key(), false).unwrap();
    let link = Box::new(far.serve(station));
    assert_eq!(far.remote().endpoint().reconnect(link).unwrap_err().code(), "outcome_unknown");
    assert_eq!(far.heard("unknown_kernel"), 1);
}
