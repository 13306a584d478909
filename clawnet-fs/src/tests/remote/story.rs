//! What works.
use super::*;

#[test]
fn every_operation_is_done_there_as_it_would_be_here() {
    let far = Far::new();
    let bytes = vec![0, 159, 146, 150, b'\n', 255];
    let made = far.submit(&Mkdir::new(path("notes"))).unwrap();
    assert!(made.created);
    let write = Write::new(path("notes/a.bin"), bytes.clone());
    let written = far.submit(&write).unwrap();
    assert_eq!((written.created, written.size_bytes), (true, 6));
    assert_eq!(far.work.read("notes/a.bin").unwrap(), bytes);
    let read = far.submit(&Read::of(path("notes/a.bin")).with_digest()).unwrap();
    assert_eq!(read.content.as_slice(), bytes);
    assert_eq!(read.digest, Some(Digest::of_content(&bytes)));
    let status = far.submit(&Stat::of(path("notes/a.bin"))).unwrap();
    assert_eq!((status.kind, status.size_bytes), (EntryKind::File, 6));
    let listing = far.submit(&List::of(path("notes"))).unwrap();
    assert_eq!(listing.entries.len(), 1);
    far.submit(&Delete::new(path("notes/a.bin"))).unwrap();
    assert!(!far.work.exists("notes/a.bin"));
    let text = r#"{"intent":0,"needs":[{"action":"delete","path":"fs:/work/notes/a.bin"}]}"#;
    let mut undo: Undo = serde_json::from_str(text).unwrap();
    undo.intent = written.intent;
    // It was deleted since: nothing is undone over somebody's head.
    assert_eq!(far.code(&undo), "conflict");
}

#[test]
fn an_undo_names_the_nodes_own_intent() {
    let far = Far::new();
    far.work.write("a", "by hand").unwrap();
    let written = far.write("a", "by an agent").unwrap();
    let needs = r#"[{"action":"write","path":"fs:/work/a"}]"#;
    let text = format!(r#"{{"intent":{},"needs":{needs}}}"#, written.intent);
    let undo: Undo = serde_json::from_str(&text).unwrap();
    far.submit(&undo).unwrap();
    assert_eq!(far.work.read_to_string("a").unwrap(), "by hand");
    assert_eq!(far.code(&undo), "already_undone");
}

#[test]
fn another_identitys_operation_is_unknown_there_too() {
    let far = Far::new();
    let written = far.write("a", "mine").unwrap();
    let other = agent(&far.owner, "home");
    let text = format!(
        r#"{{"intent":{},"needs":[{{"action":"delete","path":"fs:/work/a"}}]}}"#,
        written.intent
    );
    let undo: Undo = serde_json::from_str(&text).unwrap();
    let refused = block_on(other.submit(far.remote(), &undo)).unwrap_err();
    let Refusal::Failed(fault) = refused else { panic!("{refused}") };
    assert_eq!(fault.code(), "not_found");
    far.submit(&undo).unwrap();
}

#[test]
fn the_outcome_is_backed_by_the_nodes_signature() {
    let far = Far::new();
    far.write("a", "1").unwrap();
    far.submit(&Read::of(path("a"))).unwrap();
    far.write("a", "2").unwrap();
    let records = block_on(far.owner.records(1, 1000)).unwrap();
    let evidence = records.iter().filter_map(|record| {
        if let Event::Outcome(outcome) = &record.event { outcome.evidence } else { None }
    });
    let evidence: Vec<Digest> = evidence.collect();
    assert_eq!(evidence.len(), 3);
    let clawnet_core::Body::Kept(last) = block_on(far.owner.body(evidence[2])).unwrap() else {
        panic!("no evidence")
    };
    let lines: Vec<&[u8]> = last.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
    // The look before it, unsigned, and the signed receipt that names it.
    let look = clawnet_core::Receipt::read(lines[0]).unwrap();
    assert_eq!(look.digest(), evidence[1]);
    let signed = SignedReceipt::read(lines[1]).unwrap();
    assert_eq!(signed.verify(&node_key().public_key()).unwrap().previous, look.digest());
}

#[test]
fn the_node_has_a_ledger_of_its_own() {
    let far = Far::new();
    let before = far.own_records();
    far.write("a", "1").unwrap();
    assert!(far.own_records() >= before + 2);
    let head = far.remote().endpoint().head().unwrap();
    assert_eq!(head.size, far.own_records());
    let welcome = far.remote().endpoint().welcome().unwrap();
    assert_eq!(welcome.confinement, "a test");
    assert!(welcome.kinds.contains(&"fs.read".to_owned()));
}

#[test]
fn looks_are_signed_with_the_64th_after_100_ms_and_with_the_next_change() {
    let far = Far::new();
    far.work.write("a", "x").unwrap();
    let read = Read::of(path("a"));
    let signed = || {
        let received = far.wire.received.lock().unwrap();
        received.iter().filter(|frame| frame.kind == FrameKind::Signed).count()
    };
    (0..63).for_each(|_| drop(far.submit(&read).unwrap()));
    assert_eq!(signed(), 0);
    far.submit(&read).unwrap();
    assert_eq!(signed(), 1);
    far.submit(&read).unwrap();
    far.clock.advance(Duration::from_millis(100));
    far.submit(&read).unwrap();
    assert_eq!(signed(), 2);
    far.submit(&read).unwrap();
    far.write("b", "1").unwrap();
    assert_eq!(signed(), 3);
    far.submit(&read).unwrap();
    far.remote().endpoint().seal().unwrap();
    far.remote().endpoint().seal().unwrap();
    assert_eq!(far.remote().endpoint().head().unwrap().size, far.own_records());
}
