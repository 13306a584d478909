//! Attacks that once worked.
use super::*;

/// The node's own layer 1 lets all of it be listed: this kernel's does not.
#[test]
fn a_listing_from_there_shows_what_layer_one_here_lets_be_listed() {
    let far = Far::new();
    far.work.create_dir("secret").unwrap();
    for name in ["a", "b", "c", "secret/plan", "z"] {
        far.work.write(name, "").unwrap();
    }
    let identity = far.agent.caller().identity();
    let deny = Grant::new()
        .deny(Action::List, Region::subtree("fs:/work/secret").unwrap())
        .deny(Action::List, Region::exact("fs:/work/b").unwrap());
    block_on(far.owner.grant(identity, deny)).unwrap();
    let top: FsPath = "/work".parse().unwrap();
    for list in [List::of(top.clone()), List::of(top.clone()).recursive(5)] {
        let told = far.submit(&list).unwrap();
        let names: Vec<&str> = told.entries.iter().map(|entry| &*entry.relative_path).collect();
        assert_eq!(names, ["a", "c", "z"]);
    }
    let page = |max| List::of(top.clone()).first(max, SortBy::Name, Direction::Ascending);
    let told = far.submit(&page(1)).unwrap();
    assert_eq!(told.next.unwrap().relative_path, "a");
    // To go on behind what is not shown would show it.
    assert_eq!(far.code(&page(2)), "limit_exceeded");
}

/// Nor does any other look: what can be left out is, and what is counted with the rest is not told.
#[test]
fn no_other_look_there_shows_what_layer_one_here_does_not_let_be_told() {
    let far = Far::new();
    for name in ["open", "secret"] {
        far.work.create_dir(name).unwrap();
    }
    for name in ["open/a", "secret/plan", "secret/b"] {
        far.write(name, "needle").unwrap();
    }
    far.submit(&Move::new(path("secret/b"), path("open/b"))).unwrap();
    let search = |at: &FsPath| word(&far.submit(&Search::at(at.clone(), ["needle"])));
    let by = Selection::Since(Timestamp::from_millis(0));
    let look = |at: &FsPath| word(&far.submit(&Rollback::look(at.clone(), by.clone())));
    let past = |at: &FsPath| -> Vec<String> {
        let told = far.submit(&History::of(at.clone())).unwrap();
        told.changes.iter().flat_map(|change| &change.paths).map(FsPath::to_string).collect()
    };
    let deny = |action, region: &str| {
        let grant = Grant::new().deny(action, Region::subtree(region).unwrap());
        block_on(far.owner.grant(far.agent.caller().identity(), grant)).unwrap()
    };
    let (top, open): (FsPath, FsPath) = ("/work".parse().unwrap(), path("open"));
    assert_eq!((search(&top), look(&top), past(&top).len()), ("ok".into(), "ok".into(), 5));
    deny(Action::List, "fs:/work/secret");
    assert_eq!(search(&top), "failed unsupported");
    assert_eq!(look(&top), "failed unsupported");
    assert_eq!(past(&top), ["fs:/work/open/a"]);
    assert_eq!((search(&open), look(&open)), ("ok".into(), "ok".into()), "all of it alike");
    deny(Action::Read, "fs:/work/open/a");
    assert_eq!(search(&open), "failed unsupported", "to search is to read");
    assert_eq!(look(&open), "ok");
}

/// A receipt for another owner's intent of the same number says nothing about this one's.
#[test]
fn what_a_node_said_to_another_owner_is_not_believed() {
    let mut far = Far::new();
    far.wire.mute.store(true, Ordering::SeqCst);
    assert_eq!(far.code(&Write::new(path("a"), "1")), "outcome_unknown");
    far.wire.mute.store(false, Ordering::SeqCst);
    let head = far.wire.told().head;
    let lost = clawnet_core::SignedDirective::read(&head).unwrap().directive().clone();
    drop(far.serving.take().unwrap().join().unwrap());
    far.pair();
    let receipt = clawnet_core::Receipt {
        answer: clawnet_core::Receipt::answer(b"", b""),
        at: Timestamp::from_millis(START),
        directive: Digest::of_content(b"another owner's"),
        format: clawnet_core::Receipt::FORMAT,
        head: NodeHead { hash: Digest::ZERO, size: 1 },
        intent: lost.intent,
        node: node_key().public_key(),
        number: 1,
        outcome: clawnet_core::Reported::Done,
        previous: Digest::ZERO,
    };
    let bytes = receipt.sign(&node_key()).to_bytes();
    far.wire.changing(move |frame| {
        let unseen = frame.kind == FrameKind::Unseen;
        if unseen { Frame::new(FrameKind::Signed, bytes.clone()) } else { frame }
    });
    let said = far.remote().endpoint().recall(far.owner.id(), lost.intent);
    assert_eq!(said, Recalled::Unknown);
}
