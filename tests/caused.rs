//! A second ledger, the same on every run: facts, and what an agent does because of them. Kept apart
//! from the first story, whose ledger is as it was before there were any.
#![cfg(test)]
use std::sync::Arc;

use clawnet_core::*;
use clawnet_tests::errand::{Errand, Errands, errand};
use serde::Serialize;

use crate::story::{KERNEL, OWNER, founder, key};

/// A kernel with facts.
pub(crate) struct Caused {
    pub(crate) owner: Owner,
    /// Of everything there is.
    pub(crate) late: SignedCheckpoint,
}

/// Tells somebody something.
#[derive(Serialize)]
struct Tell {
    what: &'static str,
    whom: Resource,
}

impl Operation for Tell {
    const KIND: &'static str = "story.tell";
    type Output = ();
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Send, &self.whom)
    }
}

struct Post;

impl Endpoint<Tell> for Post {
    fn admit(&self, _: &Tell, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Tell>) -> Result<(), Fault> {
        Ok(())
    }
}

fn tool(name: &str) -> Region {
    Region::subtree(&format!("tool:{name}")).unwrap()
}

impl Caused {
    pub(crate) async fn tell() -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_795_000_100_000));
        let store: Arc<MemoryStore> = Arc::default();
        let governing = Kernel::governing(founder()).project::<Errands>();
        let kernel = governing.open_shared(store, clock).await.unwrap();
        let owner = kernel.owner(key(OWNER)).await.unwrap();
        owner.certify(key(KERNEL).public_key()).await.unwrap();
        kernel.sign_with(key(KERNEL));
        let work = owner.identity("work").await.unwrap();
        let rules =
            Grant::new().allow(Action::Send, tool("mail")).ask(Action::Send, tool("mail.ann"));
        owner.grant(work, rules).await.unwrap();
        let agent = owner.bind(work, "assistant", "in-process").await.unwrap();
        let begun = Errand::Begun {
            name: "q3 \u{1f600}".into(),
            within: vec![Grant::new().allow(Action::Send, tool("mail"))],
        };
        kernel.declare::<Errands>(&begun, Some(b"the whole of it, \xff")).await.unwrap();
        let within = vec![
            Grant::new().allow(Action::Send, tool("mail")),
            Grant::new().allow(Action::Send, tool("mail.ann")).deny(Action::Call, tool("shell")),
        ];
        owner.declare::<Errands>(Errand::Begun { name: "ask".into(), within }).await.unwrap();
        kernel.declare::<Errands>(&Errand::Counted { count: 3 }, None).await.unwrap();
        run(&kernel, &owner, &agent).await;
        kernel.declare::<Errands>(&Errand::Over { name: "ask".into() }, None).await.unwrap();
        let late = kernel.checkpoint().await.unwrap();
        Self { owner, late }
    }

    /// As JSON lines, with the bodies.
    pub(crate) async fn exported(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let how = Export::json_lines().with_bodies();
        self.owner.export(&mut lines, how, |_| ()).await.unwrap();
        lines
    }

    /// The intent that spent a yes, because of an errand.
    pub(crate) async fn subject(&self) -> u64 {
        let records = self.owner.records(1, usize::MAX).await.unwrap();
        let spent =
            |event: &Event| matches!(event, Event::Intent(intent) if intent.approval.is_some());
        records.iter().find(|record| spent(&record.event)).unwrap().sequence
    }
}

/// Is asked about, told yes, and refused; and does something of its owner's own accord.
async fn run(kernel: &Kernel, owner: &Owner, agent: &Agent) {
    let post = kernel.mount("post", Post);
    let tell = |whom: &str| Tell { what: "done", whom: whom.parse().unwrap() };
    agent.submit(&post, &tell("tool:mail.bob")).await.unwrap();
    let (first, second) = (errand("ask", 1).unwrap(), errand("ask", 2).unwrap());
    let first = agent.because(first).unwrap();
    let Err(Refusal::Escalated(ticket)) = first.submit(&post, &tell("tool:mail.ann")).await else {
        panic!("nobody was asked")
    };
    owner.approve(ticket.id).await.unwrap();
    let second = agent.because(second).unwrap();
    second.submit(&post, &tell("tool:mail.ann")).await.unwrap();
    second.submit(&post, &tell("tool:mail.bob")).await.unwrap_err();
}
