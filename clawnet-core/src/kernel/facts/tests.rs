//! Facts of a toy projection, on their way into the ledger and back.
use std::sync::Arc;

use futures::executor::block_on;

use super::*;
use crate::{
    fact::{Claim, Misfit},
    id::OwnerId,
    key::{BadSignature, PublicKey, Signer as _, SoftwareKey},
    owner::{Body, Owner, OwnerError},
    policy::ActError,
    projection::{
        About,
        toy::{Tally, Told, statement},
    },
    record::{Event, SignedAct},
    store::{Batch, Frame, MemoryStore, Store},
    time::{ManualClock, Timestamp},
};

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1000))
}

async fn open(store: &Arc<MemoryStore>) -> Result<Kernel, StoreError> {
    let governing = Kernel::governing(key(1).public_key()).project::<Tally>();
    let store: Arc<dyn Store> = store.clone();
    governing.open_shared(store, clock()).await
}

async fn begin() -> (Arc<MemoryStore>, Kernel, Owner) {
    let store = Arc::new(MemoryStore::new());
    let kernel = open(&store).await.unwrap();
    let owner = kernel.owner(key(1)).await.unwrap();
    owner.certify(key(2).public_key()).await.unwrap();
    kernel.sign_with(key(2));
    (store, kernel, owner)
}

fn add(by: u64) -> Told {
    Told::Add { by }
}

fn signed(nth: u8, by: u64) -> Told {
    let signature = key(nth).sign_now(&statement(by));
    Told::Signed { by, key: key(nth).public_key(), signature }
}

/// The state as a kernel that opens the ledger again has it, from its snapshot and from the first
/// record.
async fn again(store: &Arc<MemoryStore>) -> Tally {
    let opened = open(store).await.unwrap();
    assert_eq!(opened.damage(), None);
    let from_snapshot = opened.read(Tally::clone).unwrap();
    let whole = Kernel::governing(key(1).public_key()).project::<Tally>().verifying_everything();
    let shared: Arc<dyn Store> = store.clone();
    let whole = whole.open_shared(shared, clock()).await.unwrap();
    assert_eq!(whole.recovery().from_snapshot, 0);
    assert_eq!(whole.read(Tally::clone).unwrap(), from_snapshot);
    from_snapshot
}

#[test]
fn a_fact_is_folded_live_at_replay_and_from_a_snapshot() {
    block_on(async {
        let (store, kernel, owner) = begin().await;
        owner.identity("work").await.unwrap();
        kernel.declare::<Tally>(&add(2), None).await.unwrap();
        kernel.declare_buffered::<Tally>(&add(3)).unwrap();
        let act = owner.declare::<Tally>(add(4)).await.unwrap();
        assert_eq!(act.declared::<Tally>(), Some(add(4)));
        act.verify(owner.id(), &key(1).public_key()).unwrap();
        assert_eq!(act.verify(owner.id(), &key(2).public_key()), Err(BadSignature));
        let live = kernel.read(Tally::clone).unwrap();
        assert_eq!((live.counted, live.seen), (9, 3));
        assert_eq!(again(&store).await, live);

        kernel.snapshot().await.unwrap();
        kernel.declare::<Tally>(&signed(5, 6), None).await.unwrap();
        let live = kernel.read(Tally::clone).unwrap();
        assert_eq!((live.counted, live.seen), (15, 4));
        let opened = open(&store).await.unwrap();
        assert_eq!((opened.recovery().from_snapshot, opened.recovery().replayed), (7, 1));
        assert_eq!(again(&store).await, live);
    });
}

#[test]
fn only_what_fits_follows_and_nothing_else_is_written() {
    block_on(async {
        let (store, kernel, owner) = begin().await;
        let before = kernel.head();
        let misfit = |done: Result<u64, DeclareError>| match done {
            Err(DeclareError::Misfit(misfit)) => misfit.code.as_str().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(misfit(kernel.declare::<Tally>(&add(0), None).await), "nothing");
        assert_eq!(misfit(kernel.declare_buffered::<Tally>(&add(0))), "nothing");
        assert_eq!(misfit(kernel.declare::<Tally>(&Told::Ours, None).await), "not_ours");
        for when in [1, 2] {
            let panics = Told::Panic { when };
            assert_eq!(misfit(kernel.declare::<Tally>(&panics, None).await), "panicked");
        }
        let refused = owner.declare::<Tally>(add(0)).await;
        assert!(matches!(refused, Err(OwnerError::Act(ActError::Misfit(_)))), "{refused:?}");
        // A body of what is refused is not kept.
        let body = b"x".as_slice();
        assert_eq!(misfit(kernel.declare::<Tally>(&add(0), Some(body)).await), "nothing");
        let digest = Digest::of_content(body);
        assert_eq!(store.body(owner.id(), digest).await.unwrap(), None);
        assert_eq!(kernel.head(), before);

        owner.declare::<Tally>(Told::Ours).await.unwrap();
        let sequence = kernel.declare::<Tally>(&add(1), Some(body)).await.unwrap();
        assert_eq!(store.body(owner.id(), digest).await.unwrap().unwrap(), body);
        let record = owner.records(sequence, 1).await.unwrap().remove(0);
        assert_eq!(record.event.body(), Some(digest));
        assert_eq!(record.event.fact().unwrap().read::<Tally>(), Ok(add(1)));
        let found = owner.body(digest).await.unwrap();
        assert_eq!(found, Body::Kept(body.to_vec()));
        again(&store).await;
    });
}

#[test]
fn a_fact_rests_on_good_signatures_live_and_at_replay() {
    block_on(async {
        let (store, kernel, owner) = begin().await;
        let Told::Signed { key: by, signature, .. } = signed(5, 6) else { panic!() };
        let forged = Told::Signed { by: 7, key: by, signature };
        let refused = kernel.declare::<Tally>(&forged, None).await;
        assert!(matches!(refused, Err(DeclareError::BadSignature(_))), "{refused:?}");
        let refused = owner.declare::<Tally>(forged.clone()).await;
        assert!(matches!(refused, Err(OwnerError::Act(ActError::Claim(_)))), "{refused:?}");
        kernel.declare::<Tally>(&signed(5, 6), None).await.unwrap();
        again(&store).await;

        // Somebody else's kernel may have let it in all the same: replaying does not.
        let event = Event::Declared { body: None, fact: Fact::of::<Tally>(&forged).unwrap() };
        let store = forge(&store, owner.id(), &event).await;
        let opened = open(&store).await.unwrap();
        let damage = opened.damage().unwrap();
        assert_eq!((damage.sequence, damage.what.as_str()), (4, "signature does not verify"));
    });
}

/// A copy of a ledger with one record more, which no kernel wrote.
async fn forge(from: &Arc<MemoryStore>, owner: OwnerId, event: &Event) -> Arc<MemoryStore> {
    let mut payload = Vec::new();
    let at = Timestamp::from_millis(1000);
    crate::record::encode(&mut payload, at, Actor::Kernel, event).unwrap();
    forge_bytes(from, owner, payload).await
}

async fn forge_bytes(
    from: &Arc<MemoryStore>,
    owner: OwnerId,
    payload: Vec<u8>,
) -> Arc<MemoryStore> {
    let to = MemoryStore::new();
    let mut frames = from.read(owner, 1, usize::MAX).await.unwrap();
    let (sequence, last) = (frames.len() as u64 + 1, frames.last().unwrap().hash);
    let hash = crate::record::chain(owner, sequence, last, &payload);
    frames.push(Frame::new(sequence, hash, payload.into()));
    for frame in frames {
        let head = to.head(owner).await.unwrap();
        to.append(owner, head, Batch::from_iter([frame]), Durability::Durable).await.unwrap();
    }
    Arc::new(to)
}

#[test]
fn a_fact_has_one_text() {
    block_on(async {
        let (store, _, owner) = begin().await;
        let sane = |said: &str| {
            format!(
                r#"{{"actor":"kernel","at":1000,"event":{{"declared":{{"fact":{{"projection":"tally","said":{said}}}}}}}}}"#
            )
        };
        let check = |said: &'static str, what: &'static str| {
            let (payload, store, owner) = (sane(said).into_bytes(), store.clone(), owner.id());
            async move {
                let opened = open(&forge_bytes(&store, owner, payload).await).await.unwrap();
                let damage = opened.damage().map(|damage| damage.what.clone()).unwrap_or_default();
                assert!(damage.contains(what) && damage.is_empty() == what.is_empty(), "{damage}");
            }
        };
        check(r#"{"add":{"by":1}}"#, "").await;
        check(r#"{"add":{"by": 1}}"#, "not canonical").await;
        check(r#"{"signed":{"key":1,"by":1}}"#, "not canonical").await;
        // Canonical, and still not what the projection would have written.
        check(r#"{"ours":null}"#, "written otherwise").await;
        check(r#"{"add":{"by":1,"more":2}}"#, "unknown field").await;
        check(r#"{"add":{"by":0}}"#, "does not fit").await;
    });
}

#[test]
fn a_ledger_with_facts_opens_only_with_who_folds_them() {
    block_on(async {
        let (store, kernel, _) = begin().await;
        let bare = || {
            let store: Arc<dyn Store> = store.clone();
            Kernel::governing(key(1).public_key()).open_shared(store, clock())
        };
        // Nothing was said yet.
        let opened = bare().await.unwrap();
        assert!(matches!(opened.read(|_: &Tally| ()), Err(NotProjected { .. })));
        let refused = opened.declare::<Tally>(&add(1), None).await;
        assert!(matches!(refused, Err(DeclareError::NotProjected(_))), "{refused:?}");
        drop(opened);

        kernel.declare::<Tally>(&add(1), None).await.unwrap();
        let missing = |opened: Result<Kernel, StoreError>| match opened {
            Err(StoreError::NotProjected { projection }) => assert_eq!(projection, "tally"),
            other => panic!("{other:?}"),
        };
        missing(bare().await);
        kernel.snapshot().await.unwrap();
        missing(bare().await);
        assert_eq!(again(&store).await.counted, 1);

        // Who only looks can, and decide for the owner; but nobody acts because of a fact.
        let shared: Arc<dyn Store> = store.clone();
        let over = Kernel::governing(key(1).public_key()).passing_over_facts();
        let over = over.open_shared(shared, clock()).await.unwrap();
        assert_eq!((over.damage(), over.recovery().from_snapshot), (None, 4));
        let owner = over.owner(key(1)).await.unwrap();
        let work = owner.identity("work").await.unwrap();
        let agent = owner.bind(work, "a", "here").await.unwrap();
        let cause = crate::projection::toy::errand("trip", 1);
        assert_eq!(agent.because(cause).unwrap_err().code, crate::DenyCode::CauseOver);
        let refused = over.declare::<Tally>(&add(1), None).await;
        assert!(matches!(refused, Err(DeclareError::NotProjected(_))), "{refused:?}");
        over.sign_with(key(2));
        over.snapshot().await.unwrap();
        let opened = open(&store).await.unwrap();
        assert_eq!(opened.recovery().from_snapshot, 0);
        assert_eq!(again(&store).await.counted, 1);
    });
}

/// Counts every record there is, and is registered late.
#[derive(serde::Serialize, serde::Deserialize)]
struct Count(u64);

impl Projection for Count {
    const NAME: &'static str = "count";
    type Fact = ();

    fn begin(_: OwnerId) -> Self {
        Self(0)
    }

    fn claims(&self, (): &(), _: Actor) -> Result<Vec<Claim>, Misfit> {
        Ok(Vec::new())
    }

    fn check(&self, (): &(), _: &About<'_>) -> Result<(), Misfit> {
        Ok(())
    }

    fn fold(&mut self, (): &(), _: &About<'_>) {}

    fn observe(&mut self, _: &Event, about: &About<'_>) {
        self.0 += 1;
        assert!(self.0 == about.sequence(), "told of record {} out of place", about.sequence());
    }
}

#[test]
fn who_comes_late_is_told_everything_from_the_start() {
    block_on(async {
        let store = Arc::new(MemoryStore::new());
        let governing = || Kernel::governing(key(1).public_key());
        let shared = || -> Arc<dyn Store> { store.clone() };
        let kernel = governing().open_shared(shared(), clock()).await.unwrap();
        let owner = kernel.owner(key(1)).await.unwrap();
        owner.certify(key(2).public_key()).await.unwrap();
        kernel.sign_with(key(2));
        kernel.snapshot().await.unwrap();
        let opened = governing().open_shared(shared(), clock()).await.unwrap();
        assert_eq!((opened.recovery().from_snapshot, opened.recovery().replayed), (3, 0));

        let late = governing().project::<Count>().open_shared(shared(), clock()).await.unwrap();
        assert_eq!((late.recovery().from_snapshot, late.recovery().replayed), (0, 3));
        late.sign_with(key(2));
        late.snapshot().await.unwrap();
        assert_eq!(late.read(|count: &Count| count.0).unwrap(), 4);
        let next = governing().project::<Count>().open_shared(shared(), clock()).await.unwrap();
        assert_eq!((next.recovery().from_snapshot, next.recovery().replayed), (4, 0));
        assert_eq!(next.read(|count: &Count| count.0).unwrap(), 4);
    });
}

#[test]
fn what_panics_while_it_folds_ends_the_ledger() {
    block_on(async {
        let (store, kernel, owner) = begin().await;
        let done = kernel.declare::<Tally>(&Told::Panic { when: 3 }, None).await;
        assert!(matches!(done, Err(DeclareError::Store(StoreError::Poisoned))), "{done:?}");
        assert!(owner.identity("work").await.is_err());
        assert!(kernel.failure().is_some());
        let opened = open(&store).await.unwrap();
        let damage = opened.damage().unwrap();
        assert_eq!((damage.sequence, damage.what.as_str()), (3, "a projection panicked"));
    });
}

#[test]
fn a_look_that_panics_changes_nothing() {
    block_on(async {
        let (_, kernel, owner) = begin().await;
        let look = || drop(kernel.read(|_: &Tally| panic!("as told")));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_err());
        owner.identity("work").await.unwrap();
    });
}

/// Signs as the owner does, and meanwhile has something happen.
struct Meanwhile(std::sync::Mutex<Option<(Kernel, Told)>>);

#[async_trait::async_trait]
impl crate::key::Signer for Arc<Meanwhile> {
    fn public_key(&self) -> PublicKey {
        key(1).public_key()
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, crate::key::SignerError> {
        let meanwhile = self.0.lock().unwrap().take();
        if let Some((kernel, fact)) = meanwhile {
            kernel.declare_buffered::<Tally>(&fact).unwrap();
        }
        Ok(key(1).sign_now(statement))
    }
}

#[test]
fn a_fact_does_not_follow_on_signatures_that_no_longer_count() {
    block_on(async {
        let (store, kernel, _) = begin().await;
        let signer = Arc::new(Meanwhile(std::sync::Mutex::default()));
        let owner = kernel.owner(signer.clone()).await.unwrap();
        owner.declare::<Tally>(signed(5, 1)).await.unwrap();
        let other = Told::Signer { key: key(7).public_key() };
        *signer.0.lock().unwrap() = Some((kernel, other));
        // Verified with one key, and by the time it is signed another counts.
        let refused = owner.declare::<Tally>(signed(5, 2)).await;
        assert!(matches!(refused, Err(OwnerError::Act(ActError::Claim(_)))), "{refused:?}");
        owner.declare::<Tally>(signed(7, 4)).await.unwrap();
        drop(owner);
        assert_eq!(again(&store).await.counted, 5);
    });
}

#[test]
fn a_fact_that_no_longer_fits_once_it_is_signed_does_not_follow() {
    block_on(async {
        let (store, kernel, _) = begin().await;
        let over = || Told::Over { name: "trip".into() };
        let begun = Told::Errand { name: "trip".into(), rules: Vec::new() };
        kernel.declare::<Tally>(&begun, None).await.unwrap();
        let signer = Arc::new(Meanwhile(std::sync::Mutex::default()));
        let owner = kernel.owner(signer.clone()).await.unwrap();
        *signer.0.lock().unwrap() = Some((kernel, over()));
        let refused = owner.declare::<Tally>(over()).await;
        assert!(matches!(refused, Err(OwnerError::Act(ActError::Misfit(_)))), "{refused:?}");
        again(&store).await;
    });
}

#[test]
fn what_is_too_large_is_refused_whole() {
    block_on(async {
        let (_, kernel, owner) = begin().await;
        let name = "x".repeat(Frame::SIZE_BYTES_MAX);
        let large = Told::Errand { name, rules: Vec::new() };
        let refused = kernel.declare::<Tally>(&large, None).await;
        assert!(matches!(refused, Err(DeclareError::TooLarge { .. })), "{refused:?}");
        let refused = owner.declare::<Tally>(large).await;
        assert!(matches!(refused, Err(OwnerError::Act(ActError::TooLarge { .. }))), "{refused:?}");
        kernel.declare::<Tally>(&add(1), None).await.unwrap();
    });
}

#[test]
fn what_was_declared_is_evidence_to_others() {
    block_on(async {
        let (_, kernel, mut owner) = begin().await;
        owner.rekey(key(3)).await.unwrap();
        let act = owner.declare::<Tally>(add(1)).await.unwrap();
        let told = serde_json::to_string(&act).unwrap();
        let act: SignedAct = serde_json::from_str(&told).unwrap();
        let credential = kernel.credential();
        assert_eq!(credential.verify(), Ok(key(2).public_key()));
        assert_eq!(credential.certified(), Some(key(2).public_key()));
        assert_eq!((credential.key(), credential.owner()), (key(3).public_key(), owner.id()));
        act.verify(credential.owner(), &credential.key()).unwrap();
        let other = key(9).public_key().owner();
        assert_eq!(act.verify(other, &credential.key()), Err(BadSignature));
        assert!(act.declared::<Count>().is_none());
    });
}

mod effects;
mod vouching;

#[test]
fn what_a_projection_says_the_owner_should_see_is_seen_after_a_restart_too() {
    block_on(async {
        let (store, kernel, owner) = begin().await;
        kernel.declare::<Tally>(&add(2), None).await.unwrap();
        let begun = Told::Errand { name: "trip".into(), rules: Vec::new() };
        kernel.declare::<Tally>(&begun, None).await.unwrap();
        let over = Told::Over { name: "trip".into() };
        let over = kernel.declare::<Tally>(&over, None).await.unwrap();
        let seen = async |owner: &Owner| {
            let events = owner.security_events(9).await.unwrap();
            events.iter().map(|event| event.sequence).collect::<Vec<_>>()
        };
        assert_eq!(seen(&owner).await, [over]);
        let opened = open(&store).await.unwrap();
        assert_eq!(seen(&opened.owner(key(1)).await.unwrap()).await, [over]);
        kernel.snapshot().await.unwrap();
        let opened = open(&store).await.unwrap();
        assert!(opened.recovery().from_snapshot > 0);
        assert_eq!(seen(&opened.owner(key(1)).await.unwrap()).await, [over]);
    });
}
