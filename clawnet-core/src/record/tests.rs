//! Every event is written in canonical form, and reads back as what it was.
use super::*;
use crate::{
    denial::{DenyCode, Difference, Layer, NearMiss},
    key::Signature,
    operation::Action,
    resource::Region,
    rule::{Budget, Rule, Verdict, Window},
};

fn owner() -> OwnerId {
    OwnerId::of_key(&[1; 32])
}

fn identity() -> IdentityId {
    IdentityId::made_at(owner(), 1, 0)
}

fn agent() -> AgentId {
    AgentId::made_at(owner(), 2, 0)
}

fn grant() -> GrantId {
    GrantId::made_at(owner(), 3, 0)
}

fn ticket() -> TicketId {
    TicketId::made_at(owner(), 4, 0)
}

fn rule() -> RuleId {
    RuleId { grant: grant(), index: 7 }
}

fn cause() -> Cause {
    "net:ses_7c20#3".parse().unwrap()
}

fn fact() -> Fact {
    Fact::written("net", br#"{"said":[1,"\\"]}"#.to_vec()).unwrap()
}

fn demanded() -> Demanded {
    let (from, to) = ("fs:/a/ä".parse().unwrap(), "fs:/b".parse().unwrap());
    crate::operation::Demands::one(Action::Read, &from).and(Action::Write, &to).recorded()
}

fn rules() -> Grant {
    let rule = Rule::new(Verdict::Allow, [Action::Read, Action::Push], region())
        .within(Window::from(Timestamp::from_millis(1)))
        .within(Window::until(Timestamp::from_millis(9)))
        .at_most(Budget::uses(3).per(std::time::Duration::from_secs(1)));
    Grant::new().rule(rule).deny(Action::Delete, Region::exact("env:prod").unwrap())
}

fn region() -> Region {
    Region::subtree("repo:git.host/org/app@refs/heads").unwrap()
}

fn question(version: Option<Version>) -> Question {
    Question {
        agent: agent(),
        cause: version.is_none().then(cause),
        confinement: version.is_none().then_some(3),
        content: Some(crate::approval::ContentRef { digest: Digest::ZERO, size_bytes: 3 }),
        demands: demanded(),
        digest: Digest::ZERO,
        epoch: 2,
        expires: Timestamp::from_millis(5),
        identity: identity(),
        kind: "fs.write".into(),
        mount: "files".into(),
        name: "work".into(),
        operation: OperationText::new(r#"{"a":1}"#),
        rules: vec![rule()],
        ticket: ticket(),
        version,
    }
}

fn acts() -> Vec<Act> {
    let (identity, agent) = (identity(), agent());
    vec![
        Act::Approve(question(None).approval()),
        Act::Approve(question(Some(Version::absent())).approval()),
        Act::Approve(question(Some(Version::of(&[b"x"]))).approval()),
        Act::Bind { agent, identity, job: None, name: "a".into(), runtime: "r".into() },
        Act::Bind { agent, identity, job: Some("j".into()), name: "a".into(), runtime: "r".into() },
        Act::Certify { key: PublicKey::from_bytes([8; 32]) },
        Act::Declare { fact: fact() },
        Act::Dismiss { agent },
        Act::Erase { body: Digest::ZERO },
        Act::Freeze { identity: None },
        Act::Freeze { identity: Some(identity) },
        Act::Grant { grant: grant(), identity, rules: rules() },
        Act::Identity { identity, name: "ä\n\"".into(), parent: Some(identity) },
        Act::Reject { ticket: ticket() },
        Act::Rekey { key: PublicKey::from_bytes([8; 32]), proof: Signature::from_bytes([3; 64]) },
        Act::Retire { archive: Digest::ZERO, identity },
        Act::Revoke { grant: grant() },
        Act::Unfreeze { identity: Some(identity) },
    ]
}

fn denial() -> Denial {
    let near_miss = NearMiss {
        actions: Action::Read.into(),
        differs: vec![Difference::Resource { component: 2 }, Difference::Window],
        effect: Verdict::Ask,
        region: region(),
        rule: rule(),
    };
    let code = DenyCode::HouseRule(Code::new("hours"));
    Denial {
        near_miss: Some(Box::new(near_miss)),
        rule: Some(rule()),
        ..Denial::of(Layer::House, code).because("closed")
    }
}

/// A head that no test here verifies.
fn head(size: u64) -> Presented {
    let key = crate::key::SoftwareKey::from_secret(&[4; 32]);
    let said = crate::note::Checkpoint::of(owner(), size, crate::tree::TreeHash::EMPTY);
    let note = SignedCheckpoint::sign(said.clone(), &key);
    let note = note.cosign(&key, &said.origin, Timestamp::from_millis(1000)).unwrap();
    let signature = Signature::from_bytes([3; 64]);
    let acts = acts().into_iter().map(|act| SignedAct::new(act, 8, signature)).collect();
    Presented::new(note, Credential { acts, founder: PublicKey::from_bytes([8; 32]) })
}

fn about_peers() -> Vec<Event> {
    let path = crate::tree::ConsistencyProof::new(7, 9, vec![crate::tree::TreeHash::EMPTY]);
    let Presented { checkpoint, credential } = head(5);
    let misbehaved = |path| Event::Misbehaved(Box::new(Misbehaviour::new(head(7), head(9), path)));
    vec![
        Event::Checkpoint(checkpoint.clone()),
        misbehaved(None),
        misbehaved(Some(path)),
        Event::Witnessed { checkpoint: checkpoint.clone(), credential: None },
        Event::Witnessed { checkpoint, credential: Some(credential) },
    ]
}

fn events() -> Vec<Event> {
    let key = PublicKey::from_bytes([9; 32]);
    let mut events = vec![
        Event::Asked(question(Some(Version::absent()))),
        Event::Asked(question(None)),
        Event::Declared { body: None, fact: fact() },
        Event::Declared { body: Some(Digest::ZERO), fact: fact() },
        Event::Delegated {
            agent: agent(),
            grant: grant(),
            identity: identity(),
            name: "intern".into(),
            rules: rules(),
        },
        Event::Denied(Refused {
            cause: Some(cause()),
            demands: Some(demanded()),
            denial: denial(),
            kind: "fs.read".into(),
            operation: Some(OperationText::new("{}")),
        }),
        Event::Erased { body: Digest::ZERO },
        Event::Intent(Intent {
            approval: Some(ticket()),
            cause: Some(cause()),
            demands: demanded(),
            effect: Effect::Release,
            epoch: 4,
            kind: "mail.send".into(),
            mount: "mail".into(),
            operation: OperationText::new(r#"{"to":"ann"}"#),
            rules: smallvec::smallvec![rule(), rule(), rule()],
            version: Some(Version::absent()),
        }),
        Event::Opened { format: 1, key },
        Event::Recalled { intent: 5, said: Recalled::NotDone },
        Event::Recovered { closed: 2 },
        Event::Snapshot { signature: Signature::from_bytes([3; 64]), state: Digest::ZERO },
    ];
    let failed = OutcomeKind::Failed { code: Code::new("no_space"), what: "full".into() };
    for result in [OutcomeKind::Done, failed, OutcomeKind::Interrupted] {
        let evidence = Some(Digest::ZERO);
        events.push(Event::Outcome(Outcome { evidence, intent: 6, result }));
    }
    let signature = Signature::from_bytes([3; 64]);
    events.extend(acts().into_iter().map(|act| Event::Act(SignedAct::new(act, 8, signature))));
    events
}

#[test]
fn every_event_is_canonical_and_reads_back() {
    let actors =
        [Actor::Owner, Actor::Kernel, Actor::Agent { agent: agent(), identity: identity() }];
    for event in events().into_iter().chain(about_peers()) {
        for actor in actors {
            let at = Timestamp::from_millis(1_795_000_000_000);
            let mut written = Vec::new();
            encode(&mut written, at, actor, &event).unwrap();
            let frame = Frame::new(1, Digest::ZERO, written.as_slice().into());
            let record = AuditRecord::from_frame(&frame).unwrap();
            assert_eq!((record.actor, record.at, &record.event), (actor, at, &event));
            let mut canonical = Vec::new();
            let tree: serde_json::Value = serde_json::from_slice(&written).unwrap();
            crate::canonical::write(&tree, &mut canonical).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            assert_eq!(text(&written), text(&canonical));
        }
    }
}

#[test]
fn what_an_act_states_survives_reading() {
    for act in acts() {
        let stated = SignedAct::statement(owner(), 8, &act);
        let again: Act = serde_json::from_str(&serde_json::to_string(&act).unwrap()).unwrap();
        assert_eq!(SignedAct::statement(owner(), 8, &again), stated, "{act:?}");
        assert!(stated.len() > 40, "{act:?}");
    }
}

/// Every intent of these parts, and outcomes.
fn hot_events() -> Vec<Event> {
    let path: crate::resource::Resource = "fs:/a/\"ä\"".parse().unwrap();
    let one = crate::operation::Demands::one(Action::Read, &path);
    let trees = crate::operation::Demands::tree(Action::Delete, &path).and(Action::List, &path);
    let versions = [None, Some(Version::absent()), Some(Version::of(&[b"x"]))];
    let mut events = Vec::new();
    for nth in 0..216_usize {
        let pick = |from: usize, of: usize| nth / from % of;
        let rule = RuleId { grant: grant(), index: [0, 9, 10, u16::MAX][nth % 4] };
        events.push(Event::Intent(Intent {
            approval: (pick(1, 2) == 0).then(ticket),
            cause: (pick(3, 2) == 0).then(cause),
            demands: if pick(2, 2) == 0 { one.recorded() } else { trees.recorded() },
            effect: [Effect::Observe, Effect::Change, Effect::Release][pick(4, 3)],
            epoch: [0, 7, 10, 1_795_000_000_099, u64::MAX][nth % 5],
            kind: ["fs.read", "a\\b"][pick(12, 2)].into(),
            mount: ["files", "fi\"les\n", "\u{7f}ä\u{1}"][pick(24, 3)].into(),
            operation: OperationText::new(["{}", r#"{"a":"}\"{"}"#][nth % 2]),
            rules: (0..nth % 4).map(|_| rule).collect(),
            version: versions[pick(72, 3)].clone(),
        }));
        let evidence = (pick(1, 2) == 0).then(|| Digest::of_content(&[nth.to_le_bytes()[0]]));
        let intent = nth as u64 * 0x1234_5678_9abc;
        events.push(Event::Outcome(Outcome { evidence, intent, result: OutcomeKind::Done }));
    }
    events
}

#[test]
fn what_is_written_by_hand_is_what_serialising_gives() {
    let agent = Actor::Agent { agent: agent(), identity: identity() };
    let mut by_hand = 0;
    for event in hot_events().into_iter().chain(events()).chain(about_peers()) {
        for (actor, at) in [(agent, u64::MAX), (Actor::Kernel, 0), (Actor::Owner, 100)] {
            let at = Timestamp::from_millis(at);
            let mut written = b"before".to_vec();
            let Some(done) = hot::write(&mut written, (at, actor), &event) else {
                assert_eq!(written, b"before");
                continue;
            };
            done.unwrap();
            by_hand += 1;
            let serialised = serde_json::to_string(&Body { actor, at, event: &event }).unwrap();
            assert_eq!(std::str::from_utf8(&written[6..]), Ok(serialised.as_str()));
        }
    }
    assert!(by_hand > 3 * 2 * 200);
}
