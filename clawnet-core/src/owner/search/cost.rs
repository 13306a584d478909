//! What a query costs, counted at the store; and a store that loses the index under a query.
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::executor::block_on;

use super::*;
use crate::{
    agent::Agent,
    bound::Caller,
    denial::Denial,
    endpoint::{Admission, Authorized, Endpoint, Fault},
    id::OwnerId,
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    operation::{Action, Demands, Effect, Operation},
    resource::{Region, Resource},
    rule::Grant,
    store::{
        Batch, Commit, Durability, Head, IndexEntry, IndexRange, MemoryStore, Snapshot, Store,
    },
    time::ManualClock,
};

#[derive(serde::Serialize)]
struct Glimpse(Resource);

impl Operation for Glimpse {
    const KIND: &'static str = "test.glimpse";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.0)
    }
}

struct Place;

impl Endpoint<Glimpse> for Place {
    fn admit(&self, _: &Glimpse, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Glimpse>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Counts what is read, and forgets the index when it was read so often.
#[derive(Default)]
struct Counting {
    kept: MemoryStore,
    frames: AtomicU64,
    entries: AtomicU64,
    forgets_at: AtomicU64,
}

impl Counting {
    /// Frames and entries read since it was asked last.
    fn read(&self) -> (u64, u64) {
        (self.frames.swap(0, Ordering::SeqCst), self.entries.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Store for Counting {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.kept.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        self.kept.append(log, expected, batch, class)
    }

    async fn read(&self, log: OwnerId, at: u64, most: usize) -> Result<Vec<Frame>, StoreError> {
        let frames = self.kept.read(log, at, most).await?;
        self.frames.fetch_add(frames.len() as u64, Ordering::SeqCst);
        Ok(frames)
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
        if self.forgets_at.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.kept.erase_index(log).await?;
        }
        let entries = self.kept.index(log, range).await?;
        self.entries.fetch_add(entries.len().max(1) as u64, Ordering::SeqCst);
        Ok(entries)
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

/// A ledger of some thousand records by two agents, each on resources of its own.
struct Long {
    store: Arc<Counting>,
    kernel: Kernel,
    owner: Owner,
    agents: [Agent; 2],
}

impl Long {
    fn of(count: u64) -> Self {
        let (store, clock) = (Arc::<Counting>::default(), ManualClock::default());
        let key = SoftwareKey::from_secret(&[7; 32]);
        let governing = Kernel::governing(key.public_key());
        let kernel = block_on(governing.open_shared(store.clone(), clock.clone())).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        let agents = ["codex", "openclaw"].map(|runtime| {
            let identity = block_on(owner.identity(runtime)).unwrap();
            let rules = Grant::new().allow(Action::Read, Region::whole_volume().unwrap());
            block_on(owner.grant(identity, rules)).unwrap();
            block_on(owner.attempt(identity, "J-1", runtime)).unwrap()
        });
        let place = kernel.mount("place", Place);
        for nth in 0..count / 2 {
            clock.set(Timestamp::from_millis(nth));
            let agent = usize::from(nth % 2 == 1);
            let resource = format!("fs:/{agent}/{}/x", nth % 100).parse().unwrap();
            block_on(agents[agent].submit(&place, &Glimpse(resource))).unwrap();
        }
        let all = block_on(owner.query(&Query::new(), 1)).unwrap();
        assert_eq!(all.deeds.len(), 1);
        store.read();
        Self { store, kernel, owner, agents }
    }

    /// What one page of this costs.
    fn cost(&self, query: &Query) -> (u64, u64) {
        let page = block_on(self.owner.query(query, 50)).unwrap();
        assert_eq!(page.deeds.len(), 50, "{query:?}");
        self.store.read()
    }
}

#[test]
fn a_page_costs_the_same_in_a_ledger_twenty_times_as_long() {
    let (short, long) = (Long::of(10_000), Long::of(200_000));
    let query = |of: &Long| {
        let region = |text: &str| Region::subtree(text).unwrap();
        let resource = "fs:/1/33/x".parse::<Resource>().unwrap();
        let agent = of.agents[1].caller();
        [
            Query::new(),
            Query::new().resource(&resource),
            Query::new().within(&region("fs:/0")),
            Query::new().identity(agent.identity()).verdict(Verdict::Allow),
            Query::new().runtime("codex").kind("test.glimpse"),
            Query::new().job("J-1").agent(agent.agent()).resource(&resource),
        ]
    };
    for (few, many) in query(&short).iter().zip(&query(&long)) {
        let (few, many) = (short.cost(few), long.cost(many));
        println!("frames and entries read: {few:?} of 10 000, {many:?} of 200 000");
        assert!(many.0 <= few.0 + 60 && many.1 <= few.1 + 60, "{few:?} {many:?}");
        assert!(many.0 <= 220 && many.1 <= 400, "{many:?}");
    }
    let middle = Query::new().until(Timestamp::from_millis(3000)).runtime("openclaw");
    let (few, many) = (short.cost(&middle), long.cost(&middle));
    assert!(many.1 <= few.1 + 10, "a search by halves: {few:?} {many:?}");
}

#[test]
fn what_never_meets_is_given_up_on_and_gone_on_with() {
    let long = Long::of(200_000);
    let never = Query::new().agent(long.agents[0].caller().agent());
    let mut next = never.within(&Region::subtree("fs:/1").unwrap());
    let mut calls = 0;
    loop {
        let page = block_on(long.owner.query(&next, 50)).unwrap();
        let (frames, entries) = long.store.read();
        assert!(page.deeds.is_empty() && frames < 10 && entries < 3000, "{frames} {entries}");
        calls += 1;
        let Some(before) = page.before else { break };
        next = next.before(before);
    }
    assert!((2..20).contains(&calls), "{calls}");
}

#[test]
fn an_index_lost_under_a_query_costs_time_only() {
    let long = Long::of(2_000);
    let query = Query::new().resource(&"fs:/1/33/x".parse().unwrap()).runtime("openclaw");
    let whole = block_on(long.owner.query(&query, 1000)).unwrap();
    assert_eq!(whole.deeds.len(), 10);
    for forgets_at in 1..60 {
        long.store.forgets_at.store(forgets_at, Ordering::SeqCst);
        let again = block_on(long.owner.query(&query, 1000)).unwrap();
        assert_eq!(again, whole, "lost at the reading {forgets_at}");
    }
    drop(long.kernel);
}

#[test]
fn a_query_may_wait_on_another_thread_and_a_dropped_one_leaves_all_as_it_was() {
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let long = Long::of(2_000);
    let query = Query::new().runtime("openclaw");
    drop(sent(long.owner.query(&query, 3)));
    drop(sent(long.owner.body(Digest::ZERO)));
    let place = long.kernel.mount("place", Place);
    let glimpse = Glimpse("fs:/0/0/x".parse().unwrap());
    drop(sent(long.agents[0].submit(&place, &glimpse)));
    assert_eq!(block_on(long.owner.query(&query, 3)).unwrap().deeds.len(), 3);
}
