//! Deeds on everything beneath something: what a rule says of some of it bears none of it.
use super::*;
use crate::{
    Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation, RuleId,
};

#[derive(serde::Serialize)]
struct Clear {
    all_of: Resource,
}

impl Operation for Clear {
    const KIND: &'static str = "test.clear";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::tree(Action::Delete, &self.all_of)
    }
}

struct Place;

impl Endpoint<Clear> for Place {
    fn admit(&self, _: &Clear, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Clear>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Rules about part of it, all of it, more than it, and the thing alone; a deed on all of it.
async fn deed() -> (Records, u64, Bundle) {
    let governing = Kernel::governing(founder());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let kernel = governing.open_shared(store, ManualClock::default()).await.unwrap();
    let owner = kernel.owner(key(1)).await.unwrap();
    owner.certify(key(2).public_key()).await.unwrap();
    kernel.sign_with(key(2));
    let work = owner.identity("work").await.unwrap();
    let region = |text: &str| Region::subtree(text).unwrap();
    let rules = Grant::new()
        .allow(Action::Delete, region("fs:/a/b/c"))
        .ask(Action::Delete, region("fs:/a/b/d"))
        .allow(Action::Delete, Region::exact("fs:/a/b").unwrap())
        .allow(Action::Delete, region("fs:/a"));
    owner.grant(work, rules).await.unwrap();
    let agent = owner.bind(work, "assistant", "tests").await.unwrap();
    let place = kernel.mount("place", Place);
    let clear = Clear { all_of: "fs:/a/b".parse().unwrap() };
    let Err(Refusal::Escalated(ticket)) = agent.submit(&place, &clear).await else {
        panic!("nobody was asked");
    };
    owner.approve(ticket.id).await.unwrap();
    agent.submit(&place, &clear).await.unwrap();
    let checkpoint = kernel.checkpoint().await.unwrap();
    let records = owner.records(1, usize::MAX).await.unwrap();
    let is_intent = |record: &&AuditRecord| matches!(record.event, Event::Intent(_));
    let intent = records.iter().find(is_intent).unwrap().sequence;
    let bundle = owner.bundle(intent, &checkpoint).await.unwrap();
    let records = records.into_iter().map(|record| (record.sequence, record)).collect();
    (records, intent, bundle)
}

#[test]
fn a_tree_is_borne_by_a_rule_about_all_of_it() {
    let (records, intent, bundle) = block_on(deed());
    let proven = bundle.check(founder()).unwrap();
    let text = proven.to_string();
    assert!(text.contains("\n  all of    delete on fs:/a/b and everything beneath it\n"), "{text}");
    let used: Vec<u16> = proven.rules.iter().map(|granted| granted.rule.index).collect();
    assert_eq!(used, [3, 1], "what covers it, and what asks within");
    let under = |indices: &[u16]| {
        let mut records = records.clone();
        for record in records.values_mut() {
            let with = |rules: &[RuleId]| -> Vec<RuleId> {
                let grant = rules[0].grant;
                indices.iter().map(|index| RuleId { grant, index: *index }).collect()
            };
            if let Event::Intent(intent) = &mut record.event {
                intent.rules = with(&intent.rules).into();
            } else if let Event::Asked(question) = &mut record.event {
                question.rules = with(&question.rules);
            }
        }
        Case { owner: founder().owner(), records: &records }.prove(intent).map(drop)
    };
    assert_eq!(under(&[3, 1]), Ok(()));
    assert_eq!(under(&[3]), Ok(()));
    for part in [&[0][..], &[1], &[2], &[0, 1, 2]] {
        assert!(under(part).is_err(), "borne by rules {part:?}");
    }
}

#[test]
fn a_deed_on_a_thing_is_no_deed_on_all_beneath_it() {
    let (records, intent, _) = block_on(deed());
    let alone = |who: &str| {
        let mut records = records.clone();
        let thing: Resource = "fs:/a/b".parse().unwrap();
        let demands = || Demands::one(Action::Delete, &thing).recorded();
        for record in records.values_mut() {
            if let Event::Intent(intent) = &mut record.event {
                if who != "question" {
                    intent.demands = demands();
                }
            } else if let Event::Asked(question) = &mut record.event
                && who != "intent"
            {
                question.demands = demands();
            }
        }
        Case { owner: founder().owner(), records: &records }.prove(intent).map(drop)
    };
    // What was asked is what was done: neither without the other.
    assert!(alone("intent").is_err() && alone("question").is_err());
    assert_eq!(alone("both"), Ok(()), "the form of it is borne; the digest is the operation's");
}
