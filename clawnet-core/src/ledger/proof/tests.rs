use std::sync::Arc;

use futures::executor::block_on;

use crate::{
    Action, Admission, Agent, Authorized, Caller, CheckpointError, Demands, Denial, Effect,
    Endpoint, Fault, Grant, Kernel, Limits, ManualClock, MemoryStore, Mount, NotProven, Operation,
    ProofError, Region, Resource, Signer, SoftwareKey, Store, Timestamp, TreeHash, Verifier,
};

#[derive(serde::Serialize)]
struct Look(Resource);

impl Operation for Look {
    const KIND: &'static str = "test.look";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.0)
    }
}

struct Nothing;

impl Endpoint<Look> for Nothing {
    fn admit(&self, _: &Look, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Look>) -> Result<(), Fault> {
        Ok(())
    }
}

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

struct Bench {
    kernel: Kernel,
    store: Arc<MemoryStore>,
    agent: Agent,
    mount: Mount<Nothing>,
}

impl Bench {
    async fn open(limits: Limits) -> Self {
        let store = Arc::new(MemoryStore::new());
        let kernel = open(&store, limits).await;
        let owner = kernel.owner(key(1)).await.unwrap();
        owner.certify(key(2).public_key()).await.unwrap();
        kernel.sign_with(key(2));
        let work = owner.identity("work").await.unwrap();
        let rules = Grant::new().allow(Action::Read, Region::subtree("fs:/a").unwrap());
        owner.grant(work, rules).await.unwrap();
        let agent = owner.bind(work, "a", "here").await.unwrap();
        let mount = kernel.mount("nothing", Nothing);
        Self { kernel, store, agent, mount }
    }

    async fn look(&self, times: usize) {
        for _ in 0..times {
            self.agent.submit(&self.mount, &Look("fs:/a".parse().unwrap())).await.unwrap();
        }
    }
}

async fn open(store: &Arc<MemoryStore>, limits: Limits) -> Kernel {
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let governing = Kernel::governing(key(1).public_key()).limits(limits);
    governing.open_shared(store.clone(), clock).await.unwrap()
}

fn often() -> Limits {
    Limits { checkpoint_every: 100, snapshot_every: 1000, ..Limits::default() }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// The root over the first `size` records, by somebody who reads them all.
async fn root_of(store: &MemoryStore, size: u64) -> TreeHash {
    let mut verifier = Verifier::new(key(1).public_key());
    let log = key(1).public_key().owner();
    for frame in store.read(log, 1, usize::MAX).await.unwrap().iter().take(place(size)) {
        verifier.check(frame).unwrap();
    }
    verifier.found().root
}

#[test]
fn every_record_is_proven_under_every_checkpoint_whatever_became_of_the_rows() {
    block_on(async {
        let bench = Bench::open(often()).await;
        let log = bench.kernel.owner_id();
        bench.look(2200).await;
        let early = bench.kernel.checkpoint().await.unwrap();
        bench.look(2500).await;
        let late = bench.kernel.checkpoint().await.unwrap();
        early.verify(&key(2).public_key()).unwrap();
        assert!(early.verify(&key(1).public_key()).is_err());
        let frames = bench.store.read(log, 1, usize::MAX).await.unwrap();
        let reopened = open(&bench.store, often()).await;
        for round in 0..3 {
            let kernel = if round == 0 { &bench.kernel } else { &reopened };
            if round == 2 {
                bench.store.erase_index(log).await.unwrap();
            }
            for signed in [&early, &late] {
                let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
                assert_eq!(root, root_of(&bench.store, size).await);
                for sequence in (1..=size).step_by(61).chain([size]) {
                    let proof = kernel.prove(sequence, signed).await.unwrap();
                    let frame = &frames[place(sequence) - 1];
                    proof.verify(frame.hash, &root).unwrap();
                    let other = &frames[place(sequence) % frames.len()];
                    assert_eq!(proof.verify(other.hash, &root), Err(NotProven::Root));
                }
                let outside = kernel.prove(size + 1, signed).await;
                assert!(matches!(outside, Err(ProofError::Outside { .. })));
            }
            let late_root = &late.checkpoint().root;
            for from in (1..=late.checkpoint().size).step_by(97).chain([64, 4096]) {
                let proof = kernel.prove_growth(from, &late).await.unwrap();
                proof.verify(&root_of(&bench.store, from).await, late_root).unwrap();
            }
        }
    });
}

#[test]
fn rows_that_were_changed_are_made_again() {
    block_on(async {
        let bench = Bench::open(often()).await;
        bench.look(4500).await;
        let signed = bench.kernel.checkpoint().await.unwrap();
        let log = bench.kernel.owner_id();
        let range = crate::IndexRange::prefix(b"n", 100);
        let mut rows = bench.store.index(log, range.clone()).await.unwrap();
        assert_eq!(rows.len(), 2, "9000 records have two whole rows");
        let kept = rows.clone();
        for row in &mut rows {
            row.value[77] ^= 1;
        }
        bench.store.keep_index(log, rows).await.unwrap();
        bench.kernel.prove(3, &signed).await.unwrap();
        bench.kernel.prove(8000, &signed).await.unwrap();
        assert_eq!(bench.store.index(log, range).await.unwrap(), kept);
    });
}

#[test]
fn a_checkpoint_needs_a_key_that_the_owner_certified() {
    block_on(async {
        let bench = Bench::open(Limits::default()).await;
        bench.kernel.sign_with(key(3));
        let refused = bench.kernel.checkpoint().await;
        assert!(matches!(refused, Err(CheckpointError::NotCertified(_))));
        let owner = bench.kernel.owner(key(1)).await.unwrap();
        owner.certify(key(3).public_key()).await.unwrap();
        let signed = bench.kernel.checkpoint().await.unwrap();
        signed.verify(&key(3).public_key()).unwrap();
        bench.kernel.sign_with(key(2));
        assert!(bench.kernel.checkpoint().await.is_err());

        let other = Bench::open(Limits::default()).await;
        other.look(50).await;
        let foreign = other.kernel.checkpoint().await.unwrap();
        assert!(matches!(bench.kernel.prove(1, &foreign).await, Err(ProofError::Foreign)));
        let keyless = open(&bench.store, Limits::default()).await;
        assert!(matches!(keyless.checkpoint().await, Err(CheckpointError::NoKey)));
    });
}

#[test]
fn both_readings_of_a_ledger_agree_and_count_its_checkpoints() {
    block_on(async {
        let bench = Bench::open(often()).await;
        bench.look(600).await;
        let found = bench.kernel.verify().await.unwrap();
        assert_eq!((found.damage, found.acts), (None, 4));
        assert!(found.checkpoints >= 11, "{}", found.checkpoints);
        assert_eq!(found.root, root_of(&bench.store, found.records).await);
        let again = Kernel::governing(key(1).public_key()).verifying_everything();
        let clock = ManualClock::at(Timestamp::from_millis(1000));
        let again = again.open_shared(bench.store.clone(), clock).await.unwrap();
        assert_eq!(again.damage(), None);
        assert_eq!(again.verify().await.unwrap().root, found.root);
    });
}

#[test]
fn growth_leads_from_any_past_to_what_is_on_disk() {
    block_on(async {
        let bench = Bench::open(Limits::default()).await;
        let owner = bench.kernel.owner(key(1)).await.unwrap();
        let mut sizes = Vec::new();
        for round in 0..36 {
            owner.identity(&format!("{round}")).await.unwrap();
            let size = bench.kernel.head().sequence;
            // What merely observes may be lost with the power: it is not told of yet.
            bench.look(round % 3 * 60).await;
            let growth = bench.kernel.growth(0).await.unwrap();
            assert_eq!(growth.size, size);
            assert_eq!(growth.root, root_of(&bench.store, growth.size).await);
            assert_eq!(growth.path, None);
            assert_eq!(bench.kernel.growth(growth.size).await.unwrap(), growth);
            sizes.push(growth.size);
            let recent = (growth.size.saturating_sub(70)..growth.size).step_by(3);
            for from in sizes.iter().copied().chain(recent) {
                let told = bench.kernel.growth(from).await.unwrap();
                assert_eq!((told.size, told.root), (growth.size, growth.root));
                let Some(path) = told.path else { continue };
                assert_eq!((path.from(), path.to()), (from, growth.size));
                path.verify(&root_of(&bench.store, from).await, &growth.root).unwrap();
            }
            let beyond = bench.kernel.growth(growth.size + 1).await;
            assert!(matches!(beyond, Err(ProofError::Outside { .. })), "{beyond:?}");
        }
    });
}

#[test]
fn nothing_is_known_to_be_on_disk_of_a_ledger_that_was_just_opened() {
    block_on(async {
        let bench = Bench::open(often()).await;
        bench.look(3).await;
        let opened = open(&bench.store, often()).await;
        let growth = opened.growth(0).await.unwrap();
        assert_eq!((growth.size, growth.root), (0, TreeHash::EMPTY));
        assert!(opened.growth(3).await.is_err());
        opened.sign_with(key(2));
        let size = opened.head().sequence + 1;
        assert_eq!(opened.growth(3).await.unwrap().size, size);
        assert_eq!(opened.growth(4).await.unwrap().size, size);
        assert_eq!(opened.head().sequence, size);
    });
}
