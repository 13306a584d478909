//! Intent before effect, outcome after, and both before anybody is told; and a kept state is believed
//! only as far as the ledger vouches for it.
use std::{
    future::Future,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use async_trait::async_trait;
use clawnet_core::*;
use futures::executor::block_on;

use super::bench::{Bench, CHANGE, Probe, ProbePoint, key};

/// Intent first: nothing is performed that the store has not already taken.
#[test]
fn an_intent_is_in_the_store_before_its_effect() {
    struct Looks(Arc<MemoryStore>);
    impl Endpoint<Probe<CHANGE>> for Looks {
        fn admit(&self, _: &Probe<CHANGE>, _: &Caller) -> Result<Admission, Denial> {
            Ok(Admission::unversioned())
        }

        async fn perform(&self, task: Authorized<'_, Probe<CHANGE>>) -> Result<u64, Fault> {
            let owner = task.caller().owner();
            let head = self.0.head(owner).await.unwrap();
            assert_eq!(head.sequence, task.intent(), "the intent is the last record there is");
            let frames = self.0.read(owner, head.sequence, usize::MAX).await.unwrap();
            let record = AuditRecord::from_frame(&frames[0]).unwrap();
            assert!(matches!(record.event, Event::Intent(_)), "{record:?}");
            Ok(task.intent())
        }
    }
    let bench = Bench::new();
    let (identity, agent) = bench.identity("work", None);
    let all = Region::subtree("fs:/a").unwrap();
    bench.grant(identity, Grant::new().allow(Action::Write, all));
    let looks = bench.kernel.mount("looks", Looks(bench.store.clone()));
    let intent = block_on(agent.submit(&looks, &Probe::on(Action::Write, "fs:/a/b"))).unwrap();
    let records = block_on(bench.owner.records(intent, 9)).unwrap();
    let [_, outcome] = records.as_slice() else { panic!("{records:?}") };
    let Event::Outcome(outcome) = &outcome.event else { panic!("{outcome:?}") };
    assert_eq!((outcome.intent, &outcome.result), (intent, &OutcomeKind::Done));
}

/// A store that answers durable appends when it is told to.
#[derive(Default)]
struct Waits {
    memory: MemoryStore,
    waiting: Mutex<Option<Vec<Decider>>>,
}

#[async_trait]
impl Store for Waits {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.memory.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        let at_once = self.memory.append(log, expected, batch, class);
        match (&mut *self.waiting.lock().unwrap(), class) {
            (Some(waiting), Durability::Durable) => {
                let (decider, commit) = Commit::pending();
                waiting.push(decider);
                commit
            }
            (Some(_) | None, _) => at_once,
        }
    }

    async fn read(&self, log: OwnerId, from: u64, max: usize) -> Result<Vec<Frame>, StoreError> {
        self.memory.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.memory.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.memory.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.memory.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.memory.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.memory.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.memory.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.memory.erase_body(log, digest).await
    }
}

/// What is read may still be on its way to the disk, and whoever wrote it gone. Who tells others of
/// it can wait until it is there; and waits for nothing more.
#[test]
fn what_is_written_can_be_waited_for_by_whoever_read_it() {
    for disk in [Ok(()), Err(StoreError::Poisoned)] {
        let store = Arc::new(Waits::default());
        let governing = Kernel::governing(Signer::public_key(&key()));
        let opened = governing.open_shared(store.clone(), ManualClock::default());
        let kernel = block_on(opened).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        *store.waiting.lock().unwrap() = Some(Vec::new());
        let waker = futures::task::noop_waker();
        let mut context = Context::from_waker(&waker);
        let mut written = Box::pin(owner.identity("work"));
        assert!(written.as_mut().poll(&mut context).is_pending());
        drop(written);

        let mut settled = Box::pin(kernel.settled());
        assert!(settled.as_mut().poll(&mut context).is_pending(), "it is not on disk");
        let waiting = std::mem::take(&mut *store.waiting.lock().unwrap()).unwrap();
        for decider in waiting {
            decider.decide(disk.clone());
        }
        let Poll::Ready(settled) = settled.as_mut().poll(&mut context) else { panic!() };
        assert_eq!(settled.is_ok(), disk.is_ok());
        *store.waiting.lock().unwrap() = Some(Vec::new());
        let again = Box::pin(kernel.settled()).as_mut().poll(&mut context);
        assert!(matches!(again, Poll::Ready(again) if again.is_ok() == disk.is_ok()));
        assert!(store.waiting.lock().unwrap().as_ref().unwrap().is_empty(), "nothing to wait for");
    }
}

/// What changes something waits for the disk: before its intent is durable there is no effect, and
/// if the disk says no there never is one.
#[test]
fn an_effect_waits_until_its_intent_is_durable() {
    for disk in [Ok(()), Err(StoreError::Poisoned)] {
        let store = Arc::new(Waits::default());
        let governing = Kernel::governing(Signer::public_key(&key()));
        let opened = governing.open_shared(store.clone(), ManualClock::default());
        let kernel = block_on(opened).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        let work = block_on(owner.identity("work")).unwrap();
        let rules = Grant::new().allow(Action::Write, Region::subtree("fs:/a").unwrap());
        block_on(owner.grant(work, rules)).unwrap();
        let agent = block_on(owner.bind(work, "assistant", "tests")).unwrap();
        let probe = kernel.mount("probe", ProbePoint::default());
        *store.waiting.lock().unwrap() = Some(Vec::new());

        let operation = Probe::<CHANGE>::on(Action::Write, "fs:/a/b");
        let mut submitted = Box::pin(agent.submit(&probe, &operation));
        let mut poll = || {
            let waker = futures::task::noop_waker();
            submitted.as_mut().poll(&mut Context::from_waker(&waker))
        };
        assert!(poll().is_pending());
        assert_eq!(probe.endpoint().performed(), 0, "the disk has not answered");
        let waiting = std::mem::take(&mut *store.waiting.lock().unwrap()).unwrap();
        let [intent] = <[_; 1]>::try_from(waiting).unwrap();
        intent.decide(disk.clone());
        match (poll(), disk) {
            (Poll::Ready(Ok(_)), Ok(())) => assert_eq!(probe.endpoint().performed(), 1),
            (Poll::Ready(Err(Refusal::Ledger(_))), Err(_)) => {
                assert_eq!(probe.endpoint().performed(), 0);
                assert!(kernel.failure().is_some(), "nothing is permitted any more");
            }
            (other, disk) => panic!("{other:?} after {disk:?}"),
        }
    }
}

/// A kept state is a shortcut: one that the ledger does not vouch for is not taken, whatever it says.
#[test]
fn a_kept_state_that_was_changed_is_not_believed() {
    let bench = Bench::new();
    let (identity, agent) = bench.identity("work", None);
    let rules = Grant::new().ask(Action::Write, Region::subtree("fs:/work").unwrap());
    bench.grant(identity, rules);
    let (id, owner) = (agent.caller().agent(), bench.owner.id());
    block_on(clawnet_tests::keeping::keep(&bench.kernel, &bench.owner)).unwrap();
    let kept = block_on(bench.store.snapshot(owner)).unwrap().unwrap();
    let text = String::from_utf8(kept.state.clone()).unwrap();
    let check = |state: String, sequence: u64, from_snapshot: u64| {
        let snapshot = Snapshot::new(sequence, state.into_bytes());
        block_on(bench.store.keep_snapshot(owner, snapshot)).unwrap();
        let again = Bench::open(bench.store.clone(), bench.clock.clone(), Limits::default());
        assert_eq!(again.kernel.recovery().from_snapshot, from_snapshot, "{sequence}");
        let write = Probe::<CHANGE>::on(Action::Write, "fs:/work/q3.md");
        let agent = again.owner.agent(id).unwrap();
        assert_eq!(agent.judge(&write).verdict, Verdict::Ask);
    };
    check(text.clone(), kept.sequence, kept.sequence);
    for (from, to) in [("\"ask\"", "\"allow\""), ("fs:/work", "fs:/"), ("\"at\":0", "\"at\":9")] {
        let forged = text.replace(from, to);
        assert_ne!(forged, text, "{from}");
        check(forged, kept.sequence, 0);
    }
    for sequence in (0..kept.sequence).chain([kept.sequence + 1, u64::MAX]) {
        check(text.clone(), sequence, 0);
    }
}
