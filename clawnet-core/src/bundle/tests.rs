//! Bundles of a ledger with everything in it; what is taken out of them, and what is exchanged.
use std::{collections::BTreeMap, sync::Arc};

use futures::executor::block_on;

use super::{
    case::{Case, Records},
    *,
};
use crate::{
    Act, Action, Actor, AuditRecord, Event, Grant, IdentityId, Kernel, Limits, ManualClock,
    MemoryStore, OutcomeKind, Owner, Refusal, Region, Resource, SignedAct, Signer as _, Store,
    Timestamp,
    note::Checkpoint,
    record::chain,
    transfer::tests::{Nothing, Write, founder, key},
    tree::{Frontier, inclusion, inclusion_needs},
};

mod trees;

/// A ledger in which agents of an identity beneath another asked, were told yes and no, and acted;
/// in which both keys changed; and what it was signed under early and late.
struct Story {
    kernel: Kernel,
    owner: Owner,
    records: Records,
    early: SignedCheckpoint,
    late: SignedCheckpoint,
}

/// What nothing of is in the bundle of anything else.
const APART: &str = "nobody-elses-business";

impl Story {
    fn new() -> Self {
        block_on(Self::tell(Arc::new(MemoryStore::new())))
    }

    async fn tell(store: Arc<dyn Store>) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let governing = Kernel::governing(founder()).limits(Limits::default());
        let kernel = governing.open_shared(store, clock.clone()).await.unwrap();
        let mut owner = kernel.owner(key(1)).await.unwrap();
        owner.certify(key(2).public_key()).await.unwrap();
        kernel.sign_with(key(2));
        let region = |text: &str| Region::subtree(text).unwrap();
        let work = owner.identity("work").await.unwrap();
        let apart = owner.identity(APART).await.unwrap();
        let rules = Grant::new()
            .ask(Action::Write, region("fs:/a"))
            .allow(Action::Write, region("fs:/b"))
            .allow(Action::Delegate, region(&format!("identity:{work}")));
        owner.grant(work, rules).await.unwrap();
        owner.grant(apart, Grant::new().allow(Action::Write, region("fs:/x"))).await.unwrap();
        let agent = owner.bind(work, "assistant", "claude-code").await.unwrap();
        let other = owner.attempt(apart, APART, "codex").await.unwrap();
        let mount = kernel.mount("files", Nothing);
        agent.submit(&mount, &Write::new("fs:/b/1", b"allowed")).await.unwrap();
        let early = kernel.checkpoint().await.unwrap();
        owner.rekey(key(3)).await.unwrap();
        owner.certify(key(4).public_key()).await.unwrap();
        kernel.sign_with(key(4));
        let ask = async |agent: &crate::Agent, path: &str| match agent
            .submit(&mount, &Write::new(path, b"asked about"))
            .await
        {
            Err(Refusal::Escalated(ticket)) => ticket.id,
            other => panic!("{other:?}"),
        };
        for path in ["fs:/a/yes", "fs:/a/too"] {
            let ticket = ask(&agent, path).await;
            clock.advance(std::time::Duration::from_secs(5));
            owner.approve(ticket).await.unwrap();
            agent.submit(&mount, &Write::new(path, b"asked about")).await.unwrap();
        }
        owner.reject(ask(&agent, "fs:/a/no").await).await.unwrap();
        other.submit(&mount, &Write::new("fs:/x/1", APART.as_bytes())).await.unwrap();
        other.submit(&mount, &Write::new("fs:/b/1", APART.as_bytes())).await.unwrap_err();
        let handed = Grant::new().allow(Action::Write, region("fs:/b/c"));
        let below = agent.delegate("below", handed).await.unwrap();
        let deep = owner.attempt(below, "q3", "openclaw").await.unwrap();
        deep.submit(&mount, &Write::new("fs:/b/c/1", b"deep")).await.unwrap();
        ask(&agent, "fs:/a/waits").await;
        let approved = ask(&agent, "fs:/a/unspent").await;
        owner.approve(approved).await.unwrap();
        let late = kernel.checkpoint().await.unwrap();
        owner.rekey(key(5)).await.unwrap();
        owner.certify(key(6).public_key()).await.unwrap();
        owner.identity("after").await.unwrap();
        let records = owner.records(1, usize::MAX).await.unwrap();
        let records = records.into_iter().map(|record| (record.sequence, record)).collect();
        Self { kernel, owner, records, early, late }
    }

    fn bundle(&self, sequence: u64) -> Bundle {
        block_on(self.owner.bundle(sequence, &self.late)).unwrap()
    }

    /// The first record of which this is so.
    fn find(&self, is: impl Fn(&Event) -> bool) -> u64 {
        let found = self.records.values().find(|record| is(&record.event));
        found.unwrap().sequence
    }

    /// The intent that spends the first approval.
    fn approved(&self) -> u64 {
        self.find(|event| matches!(event, Event::Intent(intent) if intent.approval.is_some()))
    }

    /// The intent of the identity beneath another.
    fn deep(&self) -> u64 {
        self.records
            .values()
            .rev()
            .find(|one| matches!(one.event, Event::Intent(_)))
            .unwrap()
            .sequence
    }
}

fn parsed(text: &str) -> Result<Proven, String> {
    let bundle: Bundle = text.parse().map_err(|error: NotABundle| error.to_string())?;
    bundle.check(founder()).map_err(|error| error.to_string())
}

#[test]
fn every_record_has_a_bundle_that_says_what_it_is() {
    let story = Story::new();
    for checkpoint in [&story.early, &story.late] {
        let size = checkpoint.checkpoint().size;
        for sequence in 1..=size {
            let bundle = block_on(story.owner.bundle(sequence, checkpoint)).unwrap();
            let text = bundle.to_string();
            let proven = parsed(&text).unwrap();
            assert_eq!(proven.subject, story.records[&sequence]);
            assert_eq!(parsed(&format!("{text}\n")).unwrap(), proven);
            assert_eq!((proven.checkpoint.size, proven.owner), (size, founder().owner()));
        }
        let outside = block_on(story.owner.bundle(size + 1, checkpoint));
        assert!(matches!(outside, Err(BundleError::Proof(ProofError::Outside { .. }))));
    }
    let early = block_on(story.owner.bundle(1, &story.early)).unwrap();
    assert_eq!(early.check(founder()).unwrap().kernel_key, key(2).public_key());
    assert_eq!(story.bundle(1).check(founder()).unwrap().kernel_key, key(4).public_key());
}

#[test]
fn it_is_said_in_words() {
    let story = Story::new();
    let sequence = story.approved();
    let proven = story.bundle(sequence).check(founder()).unwrap();
    let text = proven.to_string();
    let words: Vec<&str> = text.lines().map(|line| line.get(2..10).unwrap().trim()).collect();
    let expect =
        ["cord 17", "who", "what", "when", "grant", "asked", "approved", "outcome", "under"];
    assert_eq!(words[1..], expect[1..], "{text}");
    for part in [
        "`assistant` in claude-code (agt_",
        "for `work` (idn_",
        r#"test.write at `files`: {"content":""#,
        "ask write on fs:/a and below, grt_",
        "by the owner, 2023-11-14T22:13:20.000Z, record 5",
        "2023-11-14T22:13:25.000Z, record ",
        "signed by the owner",
        &format!("did {sequence}"),
    ] {
        assert!(text.contains(part), "`{part}` in\n{text}");
    }
    let whole = (&proven.question, &proven.answer, &proven.intent, &proven.outcome);
    for record in [whole.0, whole.1, whole.2, whole.3].into_iter().flatten() {
        let seen_from = story.bundle(record.sequence).check(founder()).unwrap();
        let same = Proven { subject: proven.subject.clone(), ..seen_from };
        assert_eq!(same, proven, "the same deed, seen from record {}", record.sequence);
    }
    let deep = story.bundle(story.deep()).check(founder()).unwrap();
    assert_eq!(deep.rules.len(), 2, "one rule of each grantor");
    assert!(deep.rules.iter().any(|granted| matches!(granted.by, Grantor::Identity(_))));
    assert_eq!(deep.who.unwrap().job.as_deref(), Some("q3"));
}

#[test]
fn nothing_is_shown_that_is_not_needed() {
    let story = Story::new();
    for record in story.records.values().filter(|r| r.sequence <= story.late.checkpoint().size) {
        let own = format!("{:?}", record.event).contains(APART)
            || matches!(record.actor, Actor::Agent { .. }) && !is_of_work(&story, record);
        if !own {
            let text = story.bundle(record.sequence).to_string();
            assert!(!text.contains(APART), "{record}: {text}");
        }
    }
    let bundle = story.bundle(story.approved());
    assert_eq!(bundle.records.len(), 9, "a deed of four, grant, binding, identity, two keys");
}

fn is_of_work(story: &Story, record: &AuditRecord) -> bool {
    let Actor::Agent { identity, .. } = record.actor else { return false };
    let names = story.owner.identities();
    names.iter().any(|one| one.identity == identity && one.name != APART)
}

#[test]
fn what_is_taken_out_is_missed() {
    let story = Story::new();
    for sequence in [story.approved(), story.deep()] {
        let whole = story.bundle(sequence);
        let mut missed = 0;
        for nth in 0..whole.records.len() {
            let mut less = whole.clone();
            let gone = less.records.remove(nth);
            match (less.check(founder()), &story.records[&gone.sequence].event) {
                (Ok(proven), Event::Outcome(_)) => assert_eq!(proven.outcome, None),
                (checked, event) => {
                    assert!(checked.is_err(), "without {event}");
                    missed += 1;
                }
            }
        }
        assert_eq!(missed, whole.records.len() - 1);
    }
}

#[test]
fn no_bit_of_a_bundle_can_be_flipped() {
    let story = Story::new();
    // Each of a small one; of a large one, one in each byte.
    flip(&story, &story.bundle(1), 1);
    flip(&story, &story.bundle(story.deep()), 9);
}

fn flip(story: &Story, bundle: &Bundle, step: usize) {
    let proven = bundle.check(founder()).unwrap();
    let text = bundle.to_string().into_bytes();
    let mut others = 0;
    for bit in (0..text.len() * 8).step_by(step) {
        let mut flipped = text.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let Ok(flipped) = String::from_utf8(flipped) else { continue };
        if let Ok(read) = parsed(&flipped) {
            // It may be about another of its records, which is as true.
            assert_ne!(read.subject, proven.subject, "bit {bit}");
            assert_eq!(read.subject, story.records[&read.subject.sequence]);
            others += 1;
        }
    }
    assert!(others <= 8, "{others}");
}

#[test]
fn a_bundle_of_somebody_else_or_of_another_time_is_refused() {
    let story = Story::new();
    let bundle = story.bundle(story.approved());
    assert_eq!(bundle.check(key(9).public_key()), Err(Unproven::Foreign(founder())));
    let mut other = bundle.clone();
    other.key = key(9).public_key();
    assert!(other.check(key(9).public_key()).is_err());
    let mut other = bundle.clone();
    other.format = 2;
    assert_eq!(other.check(founder()), Err(Unproven::Format(2)));
    let mut other = bundle.clone();
    other.checkpoint = story.early.clone();
    assert!(matches!(other.check(founder()), Err(Unproven::Outside { .. })));
    let mut other = bundle.clone();
    other.records.reverse();
    assert!(other.check(founder()).is_err());
    let mut other = bundle.clone();
    other.subject += 1000;
    assert!(matches!(other.check(founder()), Err(Unproven::Unfounded { .. })));
    let mut other = bundle;
    other.records = vec![other.records[0].clone(); RECORDS_MAX + 1];
    assert_eq!(other.check(founder()), Err(Unproven::TooMany));
    let note = story.late.to_string();
    let forged = SignedCheckpoint::sign(story.late.checkpoint().clone(), &key(9));
    assert_ne!(forged.to_string(), note);
    let mut other = story.bundle(1);
    other.checkpoint = forged;
    assert_eq!(other.check(founder()), Err(Unproven::Checkpoint(NoteError::Unsigned)));
}

#[test]
fn a_ledger_whose_kernel_was_never_certified_proves_nothing() {
    let story = Story::new();
    let mut bundle = story.bundle(1);
    let certify = |shown: &Shown| !shown.record.get().contains("certify");
    bundle.records.retain(certify);
    assert_eq!(bundle.check(founder()), Err(Unproven::Uncertified));
    let damage = story.kernel.damage();
    assert_eq!(damage, None);
}

#[test]
fn hostile_text_is_refused() {
    let story = Story::new();
    let text = story.bundle(3).to_string();
    let malformed = |text: &str| matches!(text.parse::<Bundle>(), Err(NotABundle::Malformed(_)));
    parsed(&text).unwrap();
    for bad in [
        "",
        "{}",
        "null",
        &text.replace("\"format\":1,", "\"format\":1,\"more\":1,"),
        &text.replace("\"format\":1,", "\"format\": 1,"),
        &text.replace("\"format\":1,", "\"format\":1.0,"),
        &text.replace("\"format\":1,", "\"format\":1,\"format\":1,"),
        &text.replace("\"path\":[", "\"path\":[ "),
        &format!(" {text}"),
        &format!("{text}\n\n"),
        &"[".repeat(100_000),
    ] {
        assert!(malformed(bad), "{bad}");
    }
    let large = "x".repeat(Bundle::SIZE_BYTES_MAX + 1);
    assert_eq!(large.parse::<Bundle>().unwrap_err(), NotABundle::TooLarge);
    let spaced = text.replace("{\"actor\"", "{ \"actor\"");
    assert!(parsed(&spaced).is_err());
}

/// The records, one of them changed; and what is proven of `subject` then.
fn changed(
    story: &Story,
    (subject, which): (u64, u64),
    change: impl Fn(&mut AuditRecord),
) -> Result<(), Unproven> {
    let mut records = story.records.clone();
    change(records.get_mut(&which).unwrap());
    Case { owner: founder().owner(), records: &records }.prove(subject).map(drop)
}

fn act(record: &mut AuditRecord) -> &mut Act {
    let Event::Act(SignedAct { act, .. }) = &mut record.event else { panic!() };
    act
}

/// A deed with everything, and somebody who has nothing to do with it.
struct Deed {
    story: Story,
    intent: u64,
    proven: Proven,
    other: IdentityId,
}

impl Deed {
    fn new() -> Self {
        let story = Story::new();
        let intent = story.approved();
        let proven = story.bundle(intent).check(founder()).unwrap();
        let other = story.owner.find_identity(APART).unwrap().identity;
        assert_eq!(changed(&story, (intent, intent), |_| ()), Ok(()));
        Self { story, intent, proven, other }
    }

    /// Nothing is proven when one of its records is another.
    fn refused(&self, which: u64, why: &str, change: &dyn Fn(&mut AuditRecord)) {
        assert!(changed(&self.story, (self.intent, which), change).is_err(), "{why}");
    }

    fn asks(&self, change: &dyn Fn(&mut crate::Question)) {
        let question = self.proven.question.as_ref().unwrap().sequence;
        self.refused(question, "question", &|record| {
            let Event::Asked(question) = &mut record.event else { panic!() };
            change(question);
        });
    }

    fn approves(&self, change: &dyn Fn(&mut crate::Approval)) {
        let answer = self.proven.answer.as_ref().unwrap().sequence;
        self.refused(answer, "approval", &|record| {
            let Act::Approve(approval) = act(record) else { panic!() };
            change(approval);
        });
    }

    fn intends(&self, change: &dyn Fn(&mut crate::Intent)) {
        self.refused(self.intent, "intent", &|record| {
            let Event::Intent(intent) = &mut record.event else { panic!() };
            change(intent);
        });
    }
}

const LATE: Timestamp = Timestamp::from_millis(1_900_000_000_000);

#[test]
fn a_question_and_its_answer_are_of_exactly_one_operation() {
    let deed = Deed::new();
    let (question, answer) =
        (deed.proven.question.clone().unwrap(), deed.proven.answer.clone().unwrap());
    deed.asks(&|question| question.digest = Digest::ZERO);
    deed.asks(&|question| question.kind = "other".into());
    deed.asks(&|question| question.mount = "other".into());
    deed.asks(&|question| question.content = None);
    deed.asks(&|question| question.operation = crate::OperationText::new("{}"));
    deed.asks(&|question| question.epoch += 1);
    deed.asks(&|question| question.identity = deed.other);
    deed.asks(&|question| question.agent = crate::AgentId::made_at(founder().owner(), 1, 0));
    deed.asks(&|question| question.version = Some(crate::Version::absent()));
    deed.asks(&|question| question.expires = Timestamp::from_millis(1));
    deed.asks(&|question| question.rules.clear());
    deed.refused(question.sequence, "asked later", &|record| record.sequence += 1);

    deed.approves(&|approval| approval.digest = Digest::ZERO);
    deed.approves(&|approval| approval.epoch += 1);
    deed.approves(&|approval| approval.expires = LATE);
    deed.approves(&|approval| approval.identity = deed.other);
    deed.approves(&|approval| approval.version = Some(crate::Version::absent()));
    deed.refused(answer.sequence, "approved too late", &|record| record.at = LATE);
    let later = deed.intent + 1;
    deed.refused(answer.sequence, "approved afterwards", &|record| record.sequence = later);
    deed.refused(answer.sequence, "a no", &|record| {
        let Act::Approve(approval) = act(record) else { panic!() };
        *act(record) = Act::Reject { ticket: approval.ticket };
    });
}

#[test]
fn an_intent_is_what_was_granted_and_approved() {
    let deed = Deed::new();
    let who = deed.proven.who.clone().unwrap();
    deed.intends(&|intent| intent.approval = None);
    deed.intends(&|intent| intent.operation = crate::OperationText::new("{}"));
    deed.intends(&|intent| intent.kind = "other".into());
    deed.intends(&|intent| intent.mount = "other".into());
    deed.intends(&|intent| intent.epoch += 1);
    deed.intends(&|intent| intent.version = Some(crate::Version::absent()));
    deed.intends(&|intent| intent.rules.clear());
    deed.intends(&|intent| intent.rules[0].index = 7);
    let elsewhere: Resource = "fs:/a/elsewhere".parse().unwrap();
    deed.intends(&|intent| {
        intent.demands = crate::Demands::one(Action::Write, &elsewhere).recorded();
    });
    let agent = crate::AgentId::made_at(founder().owner(), 1, 0);
    let another = Actor::Agent { agent, identity: who.identity };
    deed.refused(deed.intent, "too late", &|record| record.at = LATE);
    deed.refused(deed.intent, "another agent's", &|record| record.actor = another);
    deed.refused(deed.intent, "for another", &|record| {
        record.actor = Actor::Agent { agent: who.agent, identity: deed.other };
    });
    let outcome = deed.proven.outcome.as_ref().unwrap().sequence;
    deed.refused(outcome, "its outcome by another", &|record| record.actor = another);
    deed.refused(outcome, "done, says the kernel", &|record| record.actor = Actor::Kernel);
    deed.refused(outcome, "outcome before", &|record| record.sequence = 1);
}

#[test]
fn who_acts_was_bound_and_granted_what_it_did() {
    let deed = Deed::new();
    let grant = deed.proven.rules[0].sequence;
    let granted = |why: &str, other: Grant| {
        deed.refused(grant, why, &|record| {
            let Act::Grant { rules, .. } = act(record) else { panic!() };
            *rules = other.clone();
        });
    };
    let region = |text: &str| Region::subtree(text).unwrap();
    granted("denied", Grant::new().deny(Action::Write, region("fs:/a")));
    granted("another action", Grant::new().ask(Action::Read, region("fs:/a")));
    granted("elsewhere", Grant::new().ask(Action::Write, region("fs:/b")));
    let past = Timestamp::from_millis(1);
    granted("over", Grant::new().ask(Action::Write, region("fs:/a")).until(past));
    deed.refused(grant, "to another", &|record| {
        let Act::Grant { identity, .. } = act(record) else { panic!() };
        *identity = deed.other;
    });
    let bound = deed.proven.who.as_ref().unwrap().bound;
    deed.refused(bound, "another bound", &|record| {
        let Act::Bind { identity, .. } = act(record) else { panic!() };
        *identity = deed.other;
    });
    let made = deed.story.records.values().find(|record| {
        matches!(&record.event, Event::Act(signed) if matches!(signed.act, Act::Identity { .. }))
    });
    deed.refused(made.unwrap().sequence, "another made", &|record| {
        let Act::Identity { identity, .. } = act(record) else { panic!() };
        *identity = deed.other;
    });
}

#[test]
fn an_intent_has_one_outcome() {
    let deed = Deed::new();
    let mut records = deed.story.records.clone();
    let outcome = deed.proven.outcome.clone().unwrap();
    let (_, last) = records.last_key_value().unwrap();
    let second = AuditRecord { sequence: last.sequence, ..outcome };
    records.insert(second.sequence, second.clone());
    let case = Case { owner: founder().owner(), records: &records };
    assert!(case.prove(second.sequence).is_err());
}

#[test]
fn an_operation_beneath_rests_on_every_grantor() {
    let story = Story::new();
    let deep = story.deep();
    let rules = |keep: fn(usize) -> bool| {
        changed(&story, (deep, deep), |record| {
            let Event::Intent(intent) = &mut record.event else { panic!() };
            let mut nth = 0;
            intent.rules.retain(|_| {
                nth += 1;
                keep(nth)
            });
        })
    };
    assert_eq!(rules(|_| true), Ok(()));
    assert!(rules(|nth| nth == 1).is_err());
    assert!(rules(|nth| nth == 2).is_err());
    let kernels = story.find(
        |event| matches!(event, Event::Outcome(outcome) if outcome.result == OutcomeKind::Done),
    );
    assert_eq!(changed(&story, (kernels, kernels), |_| ()), Ok(()));
}

/// What a kernel that lies could sign: `payloads` from record 1 on, chained and under a tree, and
/// at `broken` a record that does not follow the one before it.
fn forged(payloads: &[String], broken: Option<u64>) -> Bundle {
    let (mut tree, mut known) = (Frontier::default(), BTreeMap::new());
    let mut records: Vec<Shown> = Vec::new();
    let mut before = Digest::ZERO;
    for (sequence, payload) in (1..).zip(payloads) {
        let previous = if broken == Some(sequence) { Digest::of_content(b"else") } else { before };
        before = chain(founder().owner(), sequence, previous, payload.as_bytes());
        tree.push(TreeHash::leaf(sequence, before), |at, node| {
            known.insert(at, node);
        });
        let record = RawValue::from_string(payload.clone()).unwrap();
        records.push(Shown { path: Vec::new(), previous, record, sequence });
    }
    for shown in &mut records {
        let needs = inclusion_needs(shown.sequence, tree.size()).unwrap();
        let known: Vec<_> = needs.iter().map(|at| known[at]).collect();
        shown.path = inclusion(shown.sequence, tree.size(), &known).unwrap().path().to_vec();
    }
    let checkpoint = Checkpoint::of(founder().owner(), tree.size(), tree.root());
    let checkpoint = SignedCheckpoint::sign(checkpoint, &key(2));
    Bundle { checkpoint, format: FORMAT, key: founder(), records, subject: 1 }
}

#[test]
fn a_kernel_that_lies_is_held_to_the_form_of_a_ledger() {
    let story = Story::new();
    let log = block_on(story.owner.ledger.store.read(founder().owner(), 1, usize::MAX)).unwrap();
    let payload = |nth: usize| String::from_utf8(log[nth].payload.to_vec()).unwrap();
    // Opened, certified, and an identity made: what stands first in every story.
    let honest = [payload(0), payload(1), payload(2)];
    let said = |payloads: &[String], broken| forged(payloads, broken).check(founder()).map(drop);
    assert_eq!(said(&honest, None), Ok(()));
    let refused = |said: Result<(), Unproven>, sequence: u64, part: &str| match said {
        Err(Unproven::Record { sequence: at, what }) => {
            assert!(at == sequence && what.contains(part), "{at}: {what}");
        }
        other => panic!("{other:?}"),
    };
    refused(said(&honest, Some(2)), 2, "does not follow");
    refused(said(&honest, Some(1)), 1, "does not follow");
    let [opened, certify, identity] = honest.clone();
    refused(said(&[opened.clone(), identity.clone(), certify.clone()], None), 3, "out of order");
    refused(said(&[opened.clone(), certify.clone(), certify.clone()], None), 3, "out of order");
    refused(said(&[certify.clone(), opened.clone()], None), 2, "somebody else");
    let by_owner = |text: &str| text.replace(r#""actor":"kernel""#, r#""actor":"owner""#);
    refused(said(&[by_owner(&opened), certify.clone()], None), 1, "the owner's to cause");
    let by_kernel = certify.replace(r#""actor":"owner""#, r#""actor":"kernel""#);
    refused(said(&[opened.clone(), by_kernel], None), 2, "the kernel's to cause");
    let earlier = identity.replace(r#""at":1700000000000"#, r#""at":1600000000000"#);
    refused(said(&[opened.clone(), certify.clone(), earlier], None), 3, "time");
    let other = identity.replace(r#""name":"work""#, r#""name":"mine""#);
    refused(said(&[opened, certify, other], None), 3, "signature");
}
