//! What an agent can do to everybody else by asking.
use std::{
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures::{FutureExt as _, executor::block_on};

use super::*;
use crate::{
    agent::Agent,
    bound::Caller,
    digest::Digest,
    endpoint::{Admission, Authorized},
    id::OwnerId,
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    operation::{Action, Effect},
    owner::{Owner, Query},
    resource::{Region, Resource},
    rule::Grant,
    store::{
        Batch, Commit, Decider, Frame, Head, IndexEntry, IndexRange, MemoryStore, Snapshot, Store,
    },
    time::ManualClock,
};

/// Looks at many things at once, whose names follow from a few bytes.
#[derive(serde::Serialize)]
struct Many {
    beneath: String,
    count: u32,
    #[serde(skip)]
    each: Vec<Resource>,
}

impl Many {
    fn of(beneath: String, count: u32) -> Self {
        let each = (0..count).map(|nth| format!("{beneath}/{nth}").parse().unwrap()).collect();
        Self { beneath, count, each }
    }
}

impl Operation for Many {
    const KIND: &'static str = "test.many";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        let first = Demands::one(Action::Read, &self.each[0]);
        self.each[1..].iter().fold(first, |all, one| all.and(Action::Read, one))
    }
}

struct Place;

impl<O: Operation<Output = ()>> Endpoint<O> for Place {
    fn admit(&self, _: &O, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, O>) -> Result<(), Fault> {
        Ok(())
    }
}

mod callbacks;

struct Desk {
    kernel: Arc<Kernel>,
    owner: Owner,
    agent: Agent,
}

impl Desk {
    fn on(store: Arc<dyn Store>, rules: Grant) -> Self {
        let key = || SoftwareKey::from_secret(&[1; 32]);
        let governing = Kernel::governing(key().public_key());
        let kernel = block_on(governing.open_shared(store, ManualClock::default())).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        let work = block_on(owner.identity("work")).unwrap();
        block_on(owner.grant(work, rules)).unwrap();
        let agent = block_on(owner.bind(work, "a", "here")).unwrap();
        Self { kernel: Arc::new(kernel), owner, agent }
    }

    fn new(rules: Grant) -> Self {
        Self::on(Arc::new(MemoryStore::new()), rules)
    }
}

fn reading(place: &str) -> Grant {
    Grant::new().allow(Action::Read, Region::subtree(place).unwrap())
}

#[test]
fn what_is_refused_and_fits_into_no_record_is_refused_all_the_same() {
    let desk = Desk::new(reading("fs:/a"));
    let place = desk.kernel.mount("place", Place);
    let deep = format!("fs:{}", format!("/{}", "x".repeat(200)).repeat(5));
    let refused = block_on(desk.agent.submit(&place, &Many::of(deep, 2000)));
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");
    assert!(desk.kernel.failure().is_none(), "{:?}", desk.kernel.failure());
    block_on(desk.agent.submit(&place, &Many::of("fs:/a".into(), 2))).unwrap();
    let last = block_on(desk.owner.security_events(1)).unwrap();
    assert!(matches!(last[0].event, Event::Denied(_)));

    // What is allowed, and does not fit.
    let deep = format!("fs:/a{}", format!("/{}", "x".repeat(200)).repeat(5));
    let refused = block_on(desk.agent.submit(&place, &Many::of(deep, 2000)));
    assert!(matches!(refused, Err(Refusal::Denied(_))), "{refused:?}");
    assert!(desk.kernel.failure().is_none(), "{:?}", desk.kernel.failure());
}

#[test]
#[ignore = "each demand of a record costs the index some kilobytes until its block is full"]
fn what_an_agent_asks_for_costs_the_index_no_multiple_of_its_record() {
    let desk = Desk::new(reading("fs:/a"));
    let place = desk.kernel.mount("place", Place);
    let before = block_on(desk.owner.query(&Query::new(), 1)).unwrap();
    assert!(before.deeds.is_empty());
    for nth in 0..10 {
        let steps: Vec<_> = (0..14).map(|step| format!("/{nth}.{step}")).collect();
        let steps = steps.concat();
        // Each name has a folder of its own.
        let each = (0..128).map(|one| format!("fs:/{one}{steps}").parse().unwrap()).collect();
        let many = Many { beneath: steps, count: 128, each };
        assert!(block_on(desk.agent.submit(&place, &many)).is_err());
    }
    let frames = block_on(desk.agent.seat.ledger.store.read(desk.owner.id(), 1, usize::MAX));
    let size_bytes: usize = frames.unwrap().iter().map(|frame| frame.payload.len()).sum();
    let cost = allocation_counter::measure(|| {
        block_on(desk.owner.query(&Query::new().before(1), 1)).unwrap();
    });
    println!("{size_bytes} bytes of records, {} bytes in memory", cost.bytes_current);
    assert!(usize::try_from(cost.bytes_current).unwrap() < 4 * size_bytes);
}

/// A store whose disk does not keep up.
#[derive(Default)]
struct Behind {
    kept: MemoryStore,
    full: AtomicBool,
    waiting: Mutex<Vec<Decider>>,
}

#[async_trait]
impl Store for Behind {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.kept.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        let commit = self.kept.append(log, expected, batch, class);
        if !self.full.load(Ordering::SeqCst) {
            return commit;
        }
        let (decider, commit) = Commit::pending();
        self.waiting.lock().unwrap().push(decider);
        commit
    }

    async fn read(&self, log: OwnerId, at: u64, most: usize) -> Result<Vec<Frame>, StoreError> {
        self.kept.read(log, at, most).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.kept.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.kept.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, all: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.kept.keep_index(log, all).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.kept.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.kept.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.kept.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.kept.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.kept.erase_body(log, digest).await
    }
}

#[test]
fn who_is_refused_waits_where_the_store_says_so() {
    let store = Arc::<Behind>::default();
    let desk = Desk::on(store.clone(), reading("fs:/a"));
    let place = desk.kernel.mount("place", Place);
    let elsewhere = Many::of("fs:/b".into(), 1);
    let refused = desk.agent.submit(&place, &elsewhere).now_or_never();
    assert!(matches!(refused, Some(Err(Refusal::Denied(_)))), "{refused:?}");

    store.full.store(true, Ordering::SeqCst);
    let mut refused = pin!(desk.agent.submit(&place, &elsewhere));
    let polled = (&mut refused).now_or_never();
    assert!(polled.is_none(), "it asks on and on: {polled:?}");
    for decider in store.waiting.lock().unwrap().drain(..) {
        decider.decide(Ok(()));
    }
    let refused = refused.now_or_never();
    assert!(matches!(refused, Some(Err(Refusal::Denied(_)))), "{refused:?}");

    let refused = {
        let refused = desk.agent.submit(&place, &elsewhere);
        store.waiting.lock().unwrap().clear();
        let mut refused = pin!(refused);
        assert!((&mut refused).now_or_never().is_none());
        for decider in store.waiting.lock().unwrap().drain(..) {
            decider.decide(Err(StoreError::Poisoned));
        }
        refused.now_or_never()
    };
    assert!(matches!(refused, Some(Err(Refusal::Ledger(_)))), "{refused:?}");
}
