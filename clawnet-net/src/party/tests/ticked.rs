//! What is over by time, and when others may be told.
use std::{
    future::Future as _,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use clawnet_core::{
    Batch, Commit, Decider, Digest, Durability, Frame, Head, IndexEntry, IndexRange, Snapshot,
    StoreError,
};

use super::*;

/// A store whose disk answers when it is told to.
#[derive(Default)]
struct Held {
    inner: MemoryStore,
    waiting: Mutex<Option<Vec<Decider>>>,
}

#[async_trait::async_trait]
impl Store for Held {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.inner.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        let at_once = self.inner.append(log, expected, batch, class);
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
        self.inner.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.inner.keep_snapshot(log, snapshot).await
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot(log).await
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.inner.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.inner.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.inner.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.inner.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.inner.erase_body(log, digest).await
    }
}

#[test]
fn nobody_is_told_of_an_end_that_is_not_on_the_disk() {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let store = Arc::new(Held::default());
    let (one, other) = (One::over(store.clone(), 1, &clock), One::new(2, &clock));
    meet(&one, &other);
    for topic in ["x", "y", "z"] {
        agree(&one, &other, Proposal::to(other.id(), topic));
    }
    clock.advance(std::time::Duration::from_hours(25));
    *store.waiting.lock().unwrap() = Some(Vec::new());
    let mut context = Context::from_waker(Waker::noop());
    let mut tick = Box::pin(one.party.tick());
    assert!(tick.as_mut().poll(&mut context).is_pending());
    let ends = store.waiting.lock().unwrap().as_ref().unwrap().len();
    assert_eq!(ends, 3, "each is on its way to the disk");
    one.party.again(other.id());
    let mut outgoing = Box::pin(one.party.outgoing(other.id()));
    assert!(outgoing.as_mut().poll(&mut context).is_pending(), "they are not on the disk");
    let waiting = store.waiting.lock().unwrap().replace(Vec::new()).unwrap();
    for decider in waiting {
        assert!(outgoing.as_mut().poll(&mut context).is_pending());
        decider.decide(Ok(()));
    }
    let Poll::Ready(frames) = outgoing.as_mut().poll(&mut context) else { panic!() };
    assert_eq!(frames.len(), 3);
    let Poll::Ready(Ok(over)) = tick.as_mut().poll(&mut context) else { panic!() };
    assert_eq!(over.len(), 3);
}
