//! One owner's ledger with every event and every act in it, the same on every run: what the other
//! verifier, the golden files and the examples of the format are made of.
#![cfg(test)]
use std::{sync::Arc, time::Duration};

use clawnet_core::*;
use serde::Serialize;

/// A kernel with a past.
pub(crate) struct Story {
    pub(crate) kernel: Kernel,
    pub(crate) owner: Owner,
    /// The head shown when there were two records.
    pub(crate) head: Presented,
    /// The last checkpoint, by the second keys, after which there are some more records.
    pub(crate) late: SignedCheckpoint,
}

/// The keys of the story, each of 32 times this byte.
pub(crate) const OWNER: u8 = 7;
pub(crate) const NEXT_OWNER: u8 = 8;
pub(crate) const KERNEL: u8 = 9;
pub(crate) const NEXT_KERNEL: u8 = 10;
const PEER: u8 = 11;
const PEER_KERNEL: u8 = 12;

pub(crate) fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

pub(crate) fn founder() -> PublicKey {
    key(OWNER).public_key()
}

/// Text that is written in more than one way by who does not take care.
const NOTE: &str =
    "\"quoted\" \\ / \u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f} ü \u{2028} \u{fb33} \u{1f600}";

/// Writes content, and says something about it.
#[derive(Serialize)]
struct Write {
    content: Digest,
    note: &'static str,
    path: Resource,
    #[serde(skip)]
    bytes: &'static [u8],
}

impl Write {
    fn new(path: &str, bytes: &'static [u8]) -> Self {
        let content = Digest::of_content(bytes);
        Self { content, note: NOTE, path: path.parse().unwrap(), bytes }
    }
}

impl Operation for Write {
    const KIND: &'static str = "story.write";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.path)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(self.bytes)
    }
}

/// Takes away a thing and everything beneath it.
#[derive(Serialize)]
struct Clear {
    path: Resource,
}

impl Operation for Clear {
    const KIND: &'static str = "story.clear";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::tree(Action::Delete, &self.path)
    }
}

/// Performs what it is told, but for one thing, and attests what was written; of what was cleared
/// it leaves a receipt.
struct Desk;

impl Endpoint<Clear> for Desk {
    fn admit(&self, _: &Clear, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Clear>) -> Result<(), Fault> {
        task.attest_body(format!("cleared by {}", task.intent()).into_bytes());
        Ok(())
    }
}

impl Endpoint<Write> for Desk {
    fn admit(&self, write: &Write, _: &Caller) -> Result<Admission, Denial> {
        let new = write.path.to_string().ends_with("/new");
        Ok(Admission::at(if new { Version::absent() } else { Version::of(&[b"old"]) }))
    }

    async fn perform(&self, task: Authorized<'_, Write>) -> Result<(), Fault> {
        if task.operation().path.to_string().ends_with("/full") {
            return Err(Fault::new("no_space", "es ist kein Platz für \u{1f4c4}"));
        }
        task.attest(task.operation().content);
        Ok(())
    }
}

impl Recall for Desk {
    fn recall(&self, _: OwnerId, _: u64) -> Recalled {
        Recalled::Done
    }
}

/// A clock that moves on by a quarter of a second each time it is asked to.
#[derive(Clone)]
struct Time(ManualClock);

impl Time {
    fn passes(&self) {
        self.0.advance(Duration::from_millis(250));
    }
}

fn region(text: &str) -> Region {
    Region::subtree(text).unwrap()
}

async fn open(store: Arc<MemoryStore>, time: &Time, (owner, kernel_key): (u8, u8)) -> Kernel {
    let governing = Kernel::governing(key(owner).public_key());
    let kernel = governing.open_shared(store, time.0.clone()).await.unwrap();
    assert_eq!(kernel.damage(), None);
    kernel.sign_with(key(kernel_key));
    kernel
}

impl Story {
    pub(crate) async fn tell() -> Self {
        let time = Time(ManualClock::at(Timestamp::from_millis(1_795_000_000_250)));
        let store = Arc::new(MemoryStore::new());
        let kernel = open(store.clone(), &time, (OWNER, KERNEL)).await;
        let owner = kernel.owner(key(OWNER)).await.unwrap();
        time.passes();
        owner.certify(key(KERNEL).public_key()).await.unwrap();
        time.passes();
        let head = kernel.present().await.unwrap();
        let (agent, left) = crash(&time, &kernel, &owner, &store).await;
        drop((owner, kernel));

        let kernel = open(left, &time, (OWNER, KERNEL)).await;
        let mut owner = kernel.owner(key(OWNER)).await.unwrap();
        assert_eq!(kernel.recovery().closed, 1);
        let agent = owner.agent(agent).unwrap();
        let desk = kernel.mount("desk", Desk);
        assert_eq!(kernel.settle(&desk).await.unwrap(), 1);
        ask(&time, &owner, &agent, &desk).await;
        kernel.checkpoint().await.unwrap();
        witness(&time, &kernel).await;
        owner.rekey(key(NEXT_OWNER)).await.unwrap();
        time.passes();
        owner.certify(key(NEXT_KERNEL).public_key()).await.unwrap();
        kernel.sign_with(key(NEXT_KERNEL));
        let late = end(&time, &kernel, &owner, &agent).await;
        Self { kernel, owner, head, late }
    }

    /// Both forms of it, with the bodies that are left.
    pub(crate) async fn exported(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut lines, mut native) = (Vec::new(), Vec::new());
        for (out, how) in [(&mut lines, Export::json_lines()), (&mut native, Export::native())] {
            self.owner.export(out, how.with_bodies(), |_| ()).await.unwrap();
        }
        (lines, native)
    }

    /// The first record of which this is so.
    pub(crate) async fn find(&self, is: impl Fn(&Event) -> bool) -> u64 {
        let records = self.owner.records(1, usize::MAX).await.unwrap();
        records.into_iter().find(|record| is(&record.event)).unwrap().sequence
    }
}

/// Lets an agent write, and gives what is left of the ledger when the power fails under it.
async fn crash(
    time: &Time,
    kernel: &Kernel,
    owner: &Owner,
    store: &MemoryStore,
) -> (AgentId, Arc<MemoryStore>) {
    let work = owner.identity("W\u{f6}rk \"Q3\" \u{1f600}").await.unwrap();
    let rules = Grant::new()
        .allow([Action::Write, Action::Delete], region("fs:/free"))
        .deny(Action::Delete, region("fs:/free/kept"))
        .ask(Action::Write, region("fs:/docs"))
        .allow(Action::Delegate, region(&format!("identity:{work}")));
    owner.grant(work, rules).await.unwrap();
    time.passes();
    let agent = owner.bind(work, "assistant", "in-process").await.unwrap();
    let desk = kernel.mount("desk", Desk);
    agent.submit(&desk, &Write::new("fs:/free/new", b"allowed")).await.unwrap();
    let left = Arc::new(MemoryStore::new());
    let log = kernel.owner_id();
    let mut frames = store.read(log, 1, usize::MAX).await.unwrap();
    let outcome = frames.pop();
    assert!(outcome.is_some());
    let all: Batch = frames.into_iter().collect();
    left.append(log, Head::EMPTY, all, Durability::Durable).await.unwrap();
    (agent.caller().agent(), left)
}

/// Asks, and is told yes, yes and no; is refused; fails.
async fn ask(time: &Time, owner: &Owner, agent: &Agent, desk: &Mount<Desk>) {
    let asked = async |path: &str, bytes: &'static [u8]| {
        let write = Write::new(path, bytes);
        match agent.submit(desk, &write).await {
            Err(Refusal::Escalated(ticket)) => (ticket.id, write),
            other => panic!("{other:?}"),
        }
    };
    for (path, bytes) in [("fs:/docs/new", &b"to be erased"[..]), ("fs:/docs/q3", b"\0kept!\xff")] {
        let (ticket, write) = asked(path, bytes).await;
        time.passes();
        owner.approve(ticket).await.unwrap();
        agent.submit(desk, &write).await.unwrap();
    }
    let (ticket, _) = asked("fs:/docs/no", b"\0kept!\xff").await;
    owner.reject(ticket).await.unwrap();
    agent.submit(desk, &Write::new("fs:/home", b"")).await.unwrap_err();
    agent.submit(desk, &Write::new("fs:/free/full", b"")).await.unwrap_err();
    for (path, clears) in [("fs:/free/old", true), ("fs:/free", false)] {
        let cleared = agent.submit(desk, &Clear { path: path.parse().unwrap() }).await;
        assert_eq!(cleared.is_ok(), clears, "{path}");
    }
    time.passes();
}

/// Sees two heads of a counterpart, the second one with a proof, and then one of its other past.
async fn witness(time: &Time, kernel: &Kernel) {
    let begin = async || {
        let peer = open(Arc::default(), time, (PEER, PEER_KERNEL)).await;
        let owner = peer.owner(key(PEER)).await.unwrap();
        owner.certify(key(PEER_KERNEL).public_key()).await.unwrap();
        (peer, owner)
    };
    let ((peer, owner), (other, other_owner)) = (begin().await, begin().await);
    let first = peer.present().await.unwrap();
    let seen = kernel.witness(&first, None).await.unwrap();
    assert_eq!(seen.seen, Seen::First);
    owner.identity("one past").await.unwrap();
    let second = peer.present().await.unwrap();
    let from = first.checkpoint.checkpoint().size;
    let proof = peer.prove_growth(from, &second.checkpoint).await.unwrap();
    let seen = kernel.witness(&second, Some(&proof)).await.unwrap();
    assert_eq!(seen.seen, Seen::Grown { from });
    other_owner.identity("another past").await.unwrap();
    other_owner.freeze_all().await.unwrap();
    other_owner.unfreeze_all().await.unwrap();
    let forked = other.present().await.unwrap();
    let from = second.checkpoint.checkpoint().size;
    let proof = other.prove_growth(from, &forked.checkpoint).await.unwrap();
    let seen = kernel.witness(&forked, Some(&proof)).await.unwrap();
    assert!(matches!(seen.seen, Seen::Misbehaved(_)), "{seen:?}");
}

/// Hands on, ends, erases, keeps; and signs a checkpoint that some records follow.
async fn end(time: &Time, kernel: &Kernel, owner: &Owner, agent: &Agent) -> SignedCheckpoint {
    let handed = Grant::new().allow(Action::Write, region("fs:/free/below"));
    let below = agent.delegate("below", handed).await.unwrap();
    let other = owner.attempt(below, "q3 \u{2014} report", "codex").await.unwrap();
    let desk = kernel.mount("desk", Desk);
    other.submit(&desk, &Write::new("fs:/free/below/x", b"deep")).await.unwrap();
    time.passes();
    owner.erase(Digest::of_content(b"to be erased")).await.unwrap();
    owner.dismiss(other.caller().agent()).await.unwrap();
    owner.retire(below).await.unwrap();
    let work = agent.caller().identity();
    owner.freeze(work).await.unwrap();
    owner.unfreeze(work).await.unwrap();
    owner.freeze_all().await.unwrap();
    owner.unfreeze_all().await.unwrap();
    kernel.snapshot().await.unwrap();
    let late = kernel.checkpoint().await.unwrap();
    let home = owner.delegate(work, "home").await.unwrap();
    let rules = Grant::new()
        .rule(
            Rule::new(Verdict::Allow, Actions::look(), region("fs:/home"))
                .within(Window::until(Timestamp::from_millis(1_900_000_000_000)))
                .at_most(Budget::uses(3).per(Duration::from_mins(1))),
        )
        .deny(Action::Write, Region::exact("fs:/home/x").unwrap());
    let grant = owner.grant(home, rules).await.unwrap();
    owner.revoke(grant).await.unwrap();
    late
}
