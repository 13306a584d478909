//! One process: a store on a simulated disk, and two owners' kernels in it.
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clawnet_core::*;
use clawnet_tests::{disk::SimDisk, keeping::kernel_key};
use futures::executor::block_on;

use super::deed::{CHANGE, Deed, Hand, OBSERVE, Plan, RELEASE, World};

/// Small enough that segments fill every dozen operations.
const SEGMENT_SIZE_BYTES: u32 = 16 << 10;

/// A kept state, whose it is, and where on the tape it was kept.
pub(super) type Kept = (usize, OwnerId, Snapshot);

/// The store, and beside it the kept states: a simulated disk carries no index to keep them in.
#[derive(Debug)]
pub(super) struct Shelf {
    local: LocalStore,
    disk: SimDisk,
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[async_trait]
impl Store for Shelf {
    async fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        self.local.head(log).await
    }

    fn append(&self, log: OwnerId, expected: Head, batch: Batch, class: Durability) -> Commit {
        self.local.append(log, expected, batch, class)
    }

    async fn read(&self, log: OwnerId, from: u64, max: usize) -> Result<Vec<Frame>, StoreError> {
        self.local.read(log, from, max).await
    }

    async fn keep_snapshot(&self, log: OwnerId, snapshot: Snapshot) -> Result<(), StoreError> {
        self.local.keep_snapshot(log, snapshot.clone()).await?;
        let at = self.disk.note();
        self.kept.lock().unwrap().push((at, log, snapshot));
        Ok(())
    }

    async fn snapshot(&self, log: OwnerId) -> Result<Option<Snapshot>, StoreError> {
        let kept = self.kept.lock().unwrap();
        let last = kept.iter().rev().find(|(_, owner, _)| *owner == log);
        Ok(last.map(|(_, _, snapshot)| snapshot.clone()))
    }

    async fn keep_index(&self, log: OwnerId, entries: Vec<IndexEntry>) -> Result<(), StoreError> {
        self.local.keep_index(log, entries).await
    }

    async fn index(&self, log: OwnerId, range: IndexRange) -> Result<Vec<IndexEntry>, StoreError> {
        self.local.index(log, range).await
    }

    async fn erase_index(&self, log: OwnerId) -> Result<(), StoreError> {
        self.local.erase_index(log).await
    }

    async fn keep_body(&self, log: OwnerId, body: &[u8]) -> Result<Digest, StoreError> {
        self.local.keep_body(log, body).await
    }

    async fn body(&self, log: OwnerId, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.local.body(log, digest).await
    }

    async fn erase_body(&self, log: OwnerId, digest: Digest) -> Result<(), StoreError> {
        self.local.erase_body(log, digest).await
    }
}

/// Who acts for an owner, by their identifiers.
#[derive(Debug, Clone, Default)]
pub(super) struct Staff {
    pub(super) identities: Vec<IdentityId>,
    pub(super) agents: Vec<AgentId>,
    pub(super) lent: Option<GrantId>,
}

/// One owner's kernel.
pub(super) struct Desk {
    pub(super) kernel: Kernel,
    /// Signs, so it is there only when there is something to do.
    owner: Option<Owner>,
    pub(super) hand: Mount<Hand>,
}

impl Desk {
    pub(super) fn owner(&self) -> &Owner {
        self.owner.as_ref().expect("the owners are seated")
    }
}

/// The process.
pub(super) struct House {
    pub(super) opened: Opened,
    pub(super) store: Arc<Shelf>,
    pub(super) desks: Vec<Desk>,
    pub(super) clock: ManualClock,
}

/// The two owners' keys.
pub(super) fn key(owner: usize) -> SoftwareKey {
    SoftwareKey::from_secret(&[u8::try_from(owner + 1).unwrap(); 32])
}

pub(super) fn owner_id(owner: usize) -> OwnerId {
    key(owner).public_key().owner()
}

impl House {
    /// Opens everything, as a program does when it starts.
    pub(super) async fn open(
        world: &World,
        disk: &SimDisk,
        kept: &Arc<Mutex<Vec<Kept>>>,
    ) -> Result<Self, StoreError> {
        let (local, opened) = LocalStore::open_on(Box::new(disk.clone()), SEGMENT_SIZE_BYTES)?;
        let store = Arc::new(Shelf { local, disk: disk.clone(), kept: kept.clone() });
        let (mut desks, clock) = (Vec::new(), ManualClock::default());
        for owner in 0..2 {
            let mut limits = Limits::default();
            limits.snapshot_every = SNAPSHOT_EVERY;
            let governing = Kernel::governing(key(owner).public_key()).limits(limits);
            let kernel = governing.open_shared(store.clone(), clock.clone()).await?;
            kernel.sign_with(kernel_key());
            let hand = kernel.mount("hand", Hand { world: world.clone(), owner });
            desks.push(Desk { kernel, owner: None, hand });
        }
        Ok(Self { opened, store, desks, clock })
    }

    /// Lets the owners take their seats.
    pub(super) async fn seat(&mut self) -> Result<(), StoreError> {
        for (owner, desk) in self.desks.iter_mut().enumerate() {
            let seated = desk.kernel.owner(key(owner)).await;
            desk.owner = Some(seated.map_err(in_store)?);
        }
        Ok(())
    }

    /// Submits one operation. None: its agent is not bound yet.
    pub(super) async fn submit(&self, staff: &Staff, plan: &Plan) -> Option<Result<u64, Refusal>> {
        let desk = &self.desks[plan.owner];
        let agent = desk.owner().agent(*staff.agents.get(plan.agent)?).ok()?;
        Some(match plan.effect {
            OBSERVE => agent.submit(&desk.hand, &Deed::<OBSERVE>::of(plan)).await,
            CHANGE => agent.submit(&desk.hand, &Deed::<CHANGE>::of(plan)).await,
            _ => agent.submit(&desk.hand, &Deed::<RELEASE>::of(plan)).await,
        })
    }

    /// The ends of both ledgers.
    pub(super) fn heads(&self) -> [Head; 2] {
        [0, 1].map(|owner: usize| self.desks[owner].kernel.head())
    }

    /// Everything in one ledger from `sequence` on.
    pub(super) fn frames(&self, owner: usize, sequence: u64) -> Vec<Frame> {
        let (mut frames, mut next) = (Vec::new(), sequence);
        loop {
            let more = block_on(self.store.read(owner_id(owner), next, 1 << 20)).unwrap();
            let Some(last) = more.last() else { return frames };
            next = last.sequence + 1;
            frames.extend(more);
        }
    }
}

const SNAPSHOT_EVERY: u64 = 64;

/// What the store said, of what an owner's call may say.
pub(super) fn in_store(error: OwnerError) -> StoreError {
    match error {
        OwnerError::Store(error) => error,
        other => panic!("not the store's fault: {other}"),
    }
}
