use std::{sync::Arc, time::Duration};

use futures::executor::block_on;

use crate::{
    Act, ActError, Batch, Checkpoint, ConsistencyProof, Credential, Digest, Durability, Event,
    Frame, HeadError, Kernel, ManualClock, MemoryStore, Misbehaviour, NoteError, Offence, Owner,
    Presented, Seen, SignedAct, SignedCheckpoint, Signer, SoftwareKey, Store, StoreError,
    Timestamp, TreeHash, Verifier, WitnessError, Witnessed,
    record::{Actor, chain, encode, key_statement},
    store::Head,
};

mod adversary;
mod exchange;

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

/// One owner with a kernel, a store and a clock of their own.
struct Side {
    nth: u8,
    /// The present keys, of the owner and of the kernel.
    keys: (u8, u8),
    kernel: Kernel,
    owner: Owner,
    store: Arc<MemoryStore>,
    clock: ManualClock,
}

impl Side {
    /// The owner's key is `nth`, the kernel's 100 more.
    async fn open(nth: u8) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(5_000_000));
        let side = Self::reopen((nth, (nth, 100 + nth)), Arc::default(), clock).await;
        side.owner.certify(key(100 + nth).public_key()).await.unwrap();
        side
    }

    async fn reopen(
        (nth, keys): (u8, (u8, u8)),
        store: Arc<MemoryStore>,
        clock: ManualClock,
    ) -> Self {
        let governing = Kernel::governing(key(nth).public_key()).verifying_everything();
        let kernel = governing.open_shared(store.clone(), clock.clone()).await.unwrap();
        assert_eq!(kernel.damage(), None);
        kernel.sign_with(key(keys.1));
        let owner = kernel.owner(key(keys.0)).await.unwrap();
        Self { nth, keys, kernel, owner, store, clock }
    }

    /// The same owner on a copy of the first `count` records, with a clock of its own.
    async fn copy(&self, count: usize) -> Self {
        let copy = Arc::new(MemoryStore::new());
        let log = self.kernel.owner_id();
        for frame in self.frames().await.into_iter().take(count) {
            let head = copy.head(log).await.unwrap();
            copy.append(log, head, Batch::from_iter([frame]), Durability::Durable).await.unwrap();
        }
        let clock = ManualClock::at(crate::Clock::now(&self.clock));
        Self::reopen((self.nth, self.keys), copy, clock).await
    }

    async fn frames(&self) -> Vec<Frame> {
        self.store.read(self.kernel.owner_id(), 1, usize::MAX).await.unwrap()
    }

    async fn work(&self, names: &[&str]) {
        for name in names {
            self.owner.identity(name).await.unwrap();
        }
    }

    /// A head, shown a second after everything before it.
    async fn present(&self) -> Presented {
        self.clock.advance(Duration::from_secs(1));
        self.kernel.present().await.unwrap()
    }

    async fn sees(&self, shown: &Presented) -> Result<Witnessed, WitnessError> {
        self.kernel.witness(shown, None).await
    }

    /// The same, where `other` answers for what is wanted.
    async fn asks(&self, other: &Self, shown: &Presented) -> Result<Witnessed, WitnessError> {
        match self.sees(shown).await {
            Err(WitnessError::NeedsProof { from, .. }) => {
                let proof = other.kernel.prove_growth(from, &shown.checkpoint).await.unwrap();
                self.kernel.witness(shown, Some(&proof)).await
            }
            done => done,
        }
    }

    /// What kinds of records about others there are.
    async fn recorded(&self) -> (usize, usize) {
        let events = self.owner.records(1, usize::MAX).await.unwrap();
        let count = |is: fn(&Event) -> bool| events.iter().filter(|one| is(&one.event)).count();
        let witnessed = count(|event| matches!(event, Event::Witnessed { .. }));
        (witnessed, count(|event| matches!(event, Event::Misbehaved(_))))
    }

    /// What stands in the ledger verifies for a stranger, and folds to the same again.
    async fn check(&self) {
        let mut verifier = Verifier::new(key(self.nth).public_key());
        for frame in self.frames().await {
            verifier.check(&frame).unwrap();
        }
        let about = (self.nth, self.keys);
        let again = Self::reopen(about, self.store.clone(), self.clock.clone()).await;
        assert_eq!(again.owner.peers(), self.owner.peers());
    }
}

/// What a stranger makes of a proof, who gets it as text and knows an owner's identifier.
fn judged(by: &Side, proof: &Misbehaviour) -> Offence {
    let text = serde_json::to_string(proof).unwrap();
    let read: Misbehaviour = serde_json::from_str(&text).unwrap();
    assert_eq!((&read, read.owner()), (proof, by.kernel.owner_id()));
    read.verify().unwrap()
}

#[track_caller]
fn convicted(seen: Result<Witnessed, WitnessError>) -> Misbehaviour {
    match seen.unwrap() {
        Witnessed { seen: Seen::Misbehaved(proof), cosigned: None } => *proof,
        other => panic!("{other:?}"),
    }
}

/// A signed act of the owner whose founding key is `founder`.
fn act(founder: u8, (signer, number): (u8, u64), act: Act) -> SignedAct {
    let owner = key(founder).public_key().owner();
    let signature = key(signer).sign_now(&SignedAct::statement(owner, number, &act));
    SignedAct::new(act, number, signature)
}

fn certify(founder: u8, by: (u8, u64), nth: u8) -> SignedAct {
    act(founder, by, Act::Certify { key: key(nth).public_key() })
}

fn rekey(founder: u8, by: (u8, u64), nth: u8) -> SignedAct {
    let (owner, new) = (key(founder).public_key().owner(), key(nth).public_key());
    let proof = key(nth).sign_now(&key_statement(owner, by.1, new));
    act(founder, by, Act::Rekey { key: new, proof })
}

fn credential(founder: u8, acts: Vec<SignedAct>) -> Credential {
    Credential { acts, founder: key(founder).public_key() }
}

/// A head with this much in it, by whoever holds the keys; `kernel` signs it.
fn made(credential: Credential, kernel: u8, (size, root, second): (u64, u8, u64)) -> Presented {
    let root = TreeHash::from_bytes([root; 32]);
    let said = Checkpoint::of(credential.owner(), size, root);
    let at = Timestamp::from_millis(second * 1000);
    let signed = SignedCheckpoint::sign(said.clone(), &key(kernel));
    Presented::new(signed.cosign(&key(kernel), &said.origin, at).unwrap(), credential)
}

#[test]
fn heads_that_grow_are_recorded_once_and_cosigned() {
    block_on(async {
        let (ann, bob) = (Side::open(1).await, Side::open(2).await);
        let early = bob.present().await;
        let seen = ann.sees(&early).await.unwrap();
        assert_eq!(seen.seen, Seen::First);
        let name = format!("clawnet/{}", ann.kernel.owner_id());
        let cosigned = seen.cosigned.unwrap();
        assert_eq!(cosigned.checkpoint(), early.checkpoint.checkpoint());
        cosigned.verify(&key(102).public_key()).unwrap();
        assert_eq!(
            cosigned.cosigned(&name, &key(101).public_key()).unwrap().as_millis(),
            5_000_000
        );
        assert_eq!(ann.sees(&early).await.unwrap().seen, Seen::Unchanged);

        bob.work(&["a", "b"]).await;
        let late = bob.present().await;
        let (from, to) = (early.checkpoint.checkpoint().size, late.checkpoint.checkpoint().size);
        let wants = |seen| match seen {
            Err(WitnessError::NeedsProof { from, to }) => (from, to),
            other => panic!("{other:?}"),
        };
        assert_eq!(wants(ann.sees(&late).await), (from, to));
        let proof = bob.kernel.prove_growth(from, &late.checkpoint).await.unwrap();
        let other = bob.kernel.prove_growth(from + 1, &late.checkpoint).await.unwrap();
        assert_eq!(wants(ann.kernel.witness(&late, Some(&other)).await), (from, to));
        let beside = proof.path().iter().map(|_| TreeHash::EMPTY).collect();
        let wrong = ConsistencyProof::new(from, to, beside);
        let refused = ann.kernel.witness(&late, Some(&wrong)).await;
        assert!(matches!(refused, Err(WitnessError::NotProven)), "{refused:?}");
        let seen = ann.kernel.witness(&late, Some(&proof)).await.unwrap();
        assert_eq!((seen.seen, seen.cosigned.is_some()), (Seen::Grown { from }, true));
        assert_eq!(ann.sees(&early).await.unwrap().seen, Seen::Older);
        assert_eq!(ann.sees(&late).await.unwrap().seen, Seen::Unchanged);

        assert_eq!(ann.recorded().await, (2, 0));
        let [peer] = ann.owner.peers().try_into().unwrap();
        assert_eq!((peer.owner, peer.size, peer.misbehaved), (bob.kernel.owner_id(), to, None));
        assert_eq!(peer.at, late.verify().unwrap());
        ann.check().await;
    });
}

#[test]
fn whoever_goes_back_or_apart_is_exposed() {
    block_on(async {
        let (ann, bob) = (Side::open(1).await, Side::open(2).await);
        let fork = bob.copy(2).await;
        let back = bob.copy(2).await;
        bob.work(&["a", "b"]).await;
        fork.work(&["a", "c"]).await;
        let (good, bad) = (bob.present().await, fork.present().await);
        let size = good.checkpoint.checkpoint().size;
        drop(ann.sees(&good).await.unwrap());
        assert_eq!(judged(&bob, &convicted(ann.sees(&bad).await)), Offence::Fork { size });

        fork.work(&["d"]).await;
        let bad = fork.present().await;
        assert_eq!(judged(&bob, &convicted(ann.asks(&fork, &bad).await)), Offence::Fork { size });

        back.clock.advance(Duration::from_secs(9));
        let bad = back.present().await;
        let (from, to) = (size, bad.checkpoint.checkpoint().size);
        let rolled_back = Offence::Rollback { from, to };
        assert_eq!(judged(&bob, &convicted(ann.sees(&bad).await)), rolled_back);
        // The same, where the messages come in the other order.
        let cay = Side::open(3).await;
        drop(cay.sees(&bad).await.unwrap());
        assert_eq!(judged(&bob, &convicted(cay.sees(&good).await)), rolled_back);

        // The first proof is kept, and the ledger that was good is still followed.
        assert_eq!(ann.recorded().await, (1, 1));
        bob.clock.advance(Duration::from_secs(20));
        let later = bob.present().await;
        let seen = ann.asks(&bob, &later).await.unwrap();
        assert_eq!((seen.seen, seen.cosigned), (Seen::Grown { from }, None));
        let [peer] = ann.owner.peers().try_into().unwrap();
        let [event] = ann.owner.security_events(9).await.unwrap().try_into().unwrap();
        assert_eq!(peer.misbehaved, Some(event.sequence));
        let said = format!("proves that {} has two pasts of {size} records", peer.owner);
        assert_eq!(event.event.to_string(), said);
        ann.check().await;
    });
}

#[test]
fn within_one_second_nothing_is_proven() {
    block_on(async {
        let ann = Side::open(1).await;
        let bob = credential(2, vec![certify(2, (2, 1), 102)]);
        let shown = |about| made(bob.clone(), 102, about);
        let noted = shown((9, 1, 70)).checkpoint;
        let noted = noted.cosign(&key(7), "w", Timestamp::default()).unwrap();
        drop(ann.sees(&Presented::new(noted, bob.clone())).await.unwrap());
        let recorded = ann.owner.records(1, usize::MAX).await.unwrap().pop().unwrap().event;
        let alone = shown((9, 1, 70)).checkpoint;
        assert!(matches!(recorded, Event::Witnessed { checkpoint, .. } if checkpoint == alone));
        assert_eq!(ann.sees(&shown((8, 2, 70))).await.unwrap().seen, Seen::Older);
        assert_eq!(ann.sees(&shown((8, 2, 69))).await.unwrap().seen, Seen::Older);
        let early = ann.sees(&shown((10, 2, 70))).await;
        assert!(matches!(early, Err(WitnessError::NeedsProof { from: 9, to: 10 })));
        let same = Misbehaviour::new(shown((9, 1, 70)), shown((8, 2, 70)), None);
        assert_eq!(same.verify(), Err(HeadError::NoOffence));
        let later = Misbehaviour::new(shown((9, 1, 70)), shown((8, 2, 71)), None);
        assert_eq!(later.verify(), Ok(Offence::Rollback { from: 9, to: 8 }));
        convicted(ann.sees(&shown((8, 2, 71))).await);
        ann.check().await;
    });
}

#[test]
fn a_key_that_was_replaced_speaks_no_more_to_who_knows() {
    block_on(async {
        let (ann, bob) = (Side::open(1).await, Side::open(2).await);
        drop(ann.sees(&bob.present().await).await.unwrap());
        let old = bob.kernel.present().await.unwrap().credential;
        bob.owner.certify(key(152).public_key()).await.unwrap();
        bob.kernel.sign_with(key(152));
        let shown = bob.present().await;
        let seen = ann.asks(&bob, &shown).await.unwrap();
        assert!(matches!(seen.seen, Seen::Grown { .. }));
        // A thief goes on from the same past, with the key of then.
        let from = shown.checkpoint.checkpoint().size;
        bob.work(&["a"]).await;
        let shown = bob.present().await;
        let said = shown.checkpoint.checkpoint().clone();
        let signed = SignedCheckpoint::sign(said.clone(), &key(102));
        let signed = signed.cosign(&key(102), &said.origin, shown.verify().unwrap()).unwrap();
        let proof = bob.kernel.prove_growth(from, &shown.checkpoint).await.unwrap();
        let newer = Presented::new(signed.clone(), shown.credential.clone());
        assert_eq!(newer.verify(), Err(HeadError::Note(NoteError::Unsigned)));
        let older = Presented::new(signed, old);
        older.verify().unwrap();
        let refused = ann.kernel.witness(&older, Some(&proof)).await;
        assert!(matches!(refused, Err(WitnessError::Outdated)), "{refused:?}");
        let seen = ann.kernel.witness(&shown, Some(&proof)).await.unwrap();
        assert_eq!(seen.seen, Seen::Grown { from });

        // What is known of the owner's keys only ever goes on.
        let known = credential(3, vec![certify(3, (3, 2), 103), rekey(3, (3, 5), 33)]);
        let check = |acts: Vec<SignedAct>, continues| {
            let shown = credential(3, acts);
            shown.verify().unwrap();
            assert_eq!(shown.continues(&known), continues, "{shown:?}");
        };
        let moved = || rekey(3, (3, 5), 33);
        check(vec![certify(3, (3, 2), 103), moved()], true);
        check(vec![certify(3, (3, 2), 103), moved(), rekey(3, (33, 6), 34)], true);
        check(vec![moved(), certify(3, (33, 6), 104)], true);
        check(vec![certify(3, (3, 2), 103)], false);
        check(vec![certify(3, (3, 3), 103), moved()], false);
        check(vec![certify(3, (3, 9), 104)], false);
        check(vec![rekey(3, (3, 5), 34), certify(3, (34, 6), 104)], false);
        let certified = |nth| credential(nth, vec![certify(nth, (nth, 2), 103)]);
        assert!(certified(3).continues(&certified(3)) && !certified(4).continues(&certified(3)));
        ann.check().await;
    });
}

#[test]
fn two_acts_of_one_number_are_proof_enough() {
    block_on(async {
        let ann = Side::open(1).await;
        let first = made(credential(2, vec![certify(2, (2, 4), 102)]), 102, (9, 1, 70));
        let second = made(credential(2, vec![certify(2, (2, 4), 103)]), 103, (10, 1, 71));
        drop(ann.sees(&first).await.unwrap());
        let proof = convicted(ann.sees(&second).await);
        assert_eq!(proof.verify(), Ok(Offence::Acts { number: 4 }));
        let other = made(credential(2, vec![certify(2, (2, 5), 103)]), 103, (10, 1, 71));
        let none = Misbehaviour::new(first.clone(), other, None);
        assert_eq!(none.verify(), Err(HeadError::NoOffence));
        // Nor are two ledgers one.
        for about in [(9, 2, 70), (8, 1, 71)] {
            let foreign = made(credential(3, vec![certify(3, (3, 4), 103)]), 103, about);
            let none = Misbehaviour::new(first.clone(), foreign, None);
            assert_eq!(none.verify(), Err(HeadError::Foreign));
        }
        ann.check().await;
    });
}

#[test]
fn a_credential_leads_from_key_to_key_and_is_bounded() {
    let check = |acts: Vec<SignedAct>, expect| {
        assert_eq!(credential(1, acts).verify(), expect);
    };
    let refused = |number| Err(HeadError::Credential { number });
    let (own, rekeyed) = (|| certify(1, (1, 2), 9), || rekey(1, (1, 3), 2));
    check(vec![own()], Ok(key(9).public_key()));
    check(vec![own(), rekeyed()], Ok(key(9).public_key()));
    check(vec![rekeyed(), certify(1, (2, 4), 9)], Ok(key(9).public_key()));
    check(vec![], Err(HeadError::NotCertified));
    check(vec![rekeyed()], Err(HeadError::NotCertified));
    check(vec![own(), certify(1, (1, 3), 8)], refused(3));
    check(vec![rekeyed(), own()], refused(2));
    check(vec![certify(1, (1, 3), 9), rekeyed()], refused(3));
    check(vec![rekeyed(), certify(1, (1, 4), 9)], refused(4));
    check(vec![certify(2, (1, 2), 9)], refused(2));
    check(vec![certify(1, (1, 0), 9)], refused(0));
    check(vec![certify(1, (1, 1 << 53), 9)], refused(1 << 53));
    check(vec![act(1, (1, 1), Act::Freeze { identity: None }), own()], refused(1));
    let (owner, taken) = (key(1).public_key().owner(), key(2).public_key());
    let proof = key(1).sign_now(&key_statement(owner, 3, taken));
    check(vec![own(), act(1, (1, 3), Act::Rekey { key: taken, proof })], refused(3));
    let chain = |keys: u8| -> Vec<SignedAct> {
        let first = certify(1, (1, 1), 200);
        let moves = (1..=keys).map(|nth| rekey(1, (nth, u64::from(nth) + 1), nth + 1));
        std::iter::once(first).chain(moves).collect()
    };
    check(chain(64), Ok(key(200).public_key()));
    check(chain(65), Err(HeadError::TooManyActs));
}

#[test]
fn a_head_needs_both_signatures_and_its_own_ledger() {
    let bob = || credential(2, vec![certify(2, (2, 1), 102)]);
    let good = made(bob(), 102, (9, 1, 70));
    assert_eq!(good.verify(), Ok(Timestamp::from_millis(70_000)));
    let check = |shown: Presented, expect| assert_eq!(shown.verify(), Err(expect));
    check(made(bob(), 103, (9, 1, 70)), HeadError::Note(NoteError::Unsigned));
    check(made(bob(), 102, (0, 1, 70)), HeadError::Size);
    check(made(bob(), 102, (1 << 53, 1, 70)), HeadError::Size);
    let foreign = Presented::new(
        made(credential(3, vec![certify(3, (3, 1), 102)]), 102, (9, 1, 70)).checkpoint,
        bob(),
    );
    check(foreign, HeadError::Foreign);
    let said = good.checkpoint.checkpoint().clone();
    let bare = SignedCheckpoint::sign(said.clone(), &key(102));
    check(Presented::new(bare, bob()), HeadError::Note(NoteError::Unsigned));
    let note = good.checkpoint.to_string();
    let (body, lines) = note.split_once("\n\n").unwrap();
    let cosigned = lines.lines().last().unwrap();
    let alone = format!("{body}\n\n{cosigned}\n").parse().unwrap();
    check(Presented::new(alone, bob()), HeadError::Note(NoteError::Unsigned));
    let witness = good.checkpoint.clone().cosign(&key(7), "w", Timestamp::default()).unwrap();
    let more = Presented::new(witness, bob());
    assert_eq!((more.verify(), more.alone()), (good.verify(), good));
}

#[test]
fn a_head_of_our_own_is_refused_and_one_we_lost_ends_all_writing() {
    block_on(async {
        let ann = Side::open(1).await;
        let early = ann.present().await;
        let (cut, fork) = (ann.copy(3).await, ann.copy(2).await);
        fork.work(&["x", "y", "z"]).await;
        ann.work(&["a"]).await;
        for shown in [early, ann.present().await] {
            let refused = ann.sees(&shown).await;
            assert!(matches!(refused, Err(WitnessError::Ourselves)), "{refused:?}");
        }
        let forged = made(credential(1, vec![certify(1, (2, 1), 102)]), 102, (90, 1, 70));
        assert!(matches!(ann.sees(&forged).await, Err(WitnessError::Head(_))));
        ann.work(&["b"]).await;

        let shown = ann.present().await;
        for (other, sequence) in [(cut, 4), (fork, shown.checkpoint.checkpoint().size)] {
            let damage = match other.sees(&shown).await {
                Err(WitnessError::Lost(damage)) => damage,
                refused => panic!("{refused:?}"),
            };
            assert!(damage.sequence <= sequence, "{damage}");
            let refused = other.owner.identity("more").await;
            assert!(matches!(refused, Err(crate::OwnerError::Store(StoreError::Damaged { .. }))));
        }
    });
}

#[test]
fn a_remembered_checkpoint_finds_an_older_or_another_copy() {
    block_on(async {
        let ann = Side::open(1).await;
        ann.work(&["a"]).await;
        let shown = ann.present().await.checkpoint;
        ann.work(&["b"]).await;
        let (cut, fork) = (ann.copy(2).await, ann.copy(2).await);
        fork.work(&["x", "y", "z"]).await;
        let foreign = Side::open(2).await.present().await.checkpoint;
        let open = |store: &Arc<MemoryStore>, signed: &SignedCheckpoint| {
            let governing = Kernel::governing(key(1).public_key()).remembering_checkpoint(signed);
            let opened = governing.open_shared(store.clone(), ann.clock.clone());
            Box::pin(async { opened.await.unwrap().damage().cloned() })
        };
        let check = async |store: &Arc<MemoryStore>, expect| {
            assert_eq!(open(store, &shown).await.map(|damage| damage.sequence), expect);
        };
        check(&ann.store, None).await;
        check(&cut.store, Some(3)).await;
        check(&fork.store, Some(shown.checkpoint().size)).await;
        check(&Arc::default(), Some(1)).await;
        let damage = open(&ann.store, &foreign).await.unwrap();
        assert!(damage.what.ends_with("is of another ledger"), "{damage}");
    });
}

#[test]
fn a_kernel_cosigns_nothing_by_a_key_that_is_also_its_own() {
    block_on(async {
        let ann = Side::open(1).await;
        let shared = credential(2, vec![certify(2, (2, 1), 101)]);
        let seen = ann.sees(&made(shared, 101, (9, 1, 70))).await.unwrap();
        assert_eq!((seen.seen, seen.cosigned), (Seen::First, None));
        ann.kernel.sign_with(key(55));
        let other = credential(3, vec![certify(3, (3, 1), 103)]);
        let seen = ann.sees(&made(other, 103, (9, 1, 70))).await.unwrap();
        assert_eq!((seen.seen, seen.cosigned), (Seen::First, None));
    });
}

#[test]
fn so_many_counterparts_are_remembered_and_no_more() {
    block_on(async {
        let ann = Side::open(1).await;
        let shown = |nth: u16| {
            let mut secret = [9; 32];
            secret[..2].copy_from_slice(&nth.to_le_bytes());
            let founder = SoftwareKey::from_secret(&secret);
            let (owner, act) =
                (founder.public_key().owner(), Act::Certify { key: key(77).public_key() });
            let signature = founder.sign_now(&SignedAct::statement(owner, 1, &act));
            let acts = vec![SignedAct::new(act, 1, signature)];
            let credential = Credential { acts, founder: founder.public_key() };
            made(credential, 77, (9, 1, 70))
        };
        for nth in 0..1024 {
            drop(ann.sees(&shown(nth)).await.unwrap());
        }
        let refused = ann.sees(&shown(1024)).await;
        assert!(matches!(refused, Err(WitnessError::Act(ActError::TooManyPeers))));
        assert_eq!(ann.sees(&shown(0)).await.unwrap().seen, Seen::Unchanged);
        ann.work(&["the ledger goes on"]).await;
    });
}

/// Appends what somebody with the disk makes up, as this actor's own.
async fn planted(side: &Side, (actor, event): (Actor, Event)) -> (bool, bool) {
    let copy = side.copy(usize::MAX).await;
    let frames = copy.frames().await;
    let (log, last) = (copy.kernel.owner_id(), frames.last().unwrap());
    let mut payload = Vec::new();
    encode(&mut payload, crate::Clock::now(&copy.clock), actor, &event).unwrap();
    let sequence = last.sequence + 1;
    let hash: Digest = chain(log, sequence, last.hash, &payload);
    let frame = Frame::new(sequence, hash, payload.as_slice().into());
    let mut verifier = Verifier::new(key(side.nth).public_key());
    for frame in &frames {
        verifier.check(frame).unwrap();
    }
    let stranger = verifier.check(&frame).is_ok();
    let batch = Batch::from_iter([frame]);
    copy.store.append(log, Head::after(last), batch, Durability::Durable).await.unwrap();
    let governing = Kernel::governing(key(side.nth).public_key());
    let opened = governing.open_shared(copy.store.clone(), copy.clock.clone()).await.unwrap();
    (stranger, opened.damage().is_none())
}

#[test]
fn what_was_never_shown_is_not_believed_at_replay_either() {
    block_on(async {
        let ann = Side::open(1).await;
        let bob = || credential(2, vec![certify(2, (2, 4), 102)]);
        let shown = |about| made(bob(), 102, about);
        let event = |head: Presented, known: bool| Event::Witnessed {
            checkpoint: head.checkpoint,
            credential: (!known).then_some(head.credential),
        };
        drop(ann.sees(&shown((9, 1, 70))).await.unwrap());
        // What the stranger says, who keeps no heads, and what opening the ledger says.
        let check = async |event: Event, expect| {
            assert_eq!(planted(&ann, (Actor::Kernel, event)).await, expect);
        };
        check(event(shown((10, 2, 71)), true), (true, true)).await;
        let by_owner = (Actor::Owner, event(shown((10, 2, 71)), true));
        assert_eq!(planted(&ann, by_owner).await, (false, false));
        check(event(made(bob(), 103, (10, 2, 71)), true), (false, false)).await;
        check(event(made(credential(2, vec![]), 102, (10, 2, 71)), false), (false, false)).await;
        let other = made(credential(3, vec![certify(3, (3, 4), 103)]), 103, (10, 2, 71));
        check(event(other.clone(), false), (true, true)).await;
        check(event(other.clone(), true), (false, false)).await;
        let mixed = Presented::new(shown((10, 2, 71)).checkpoint, other.credential.clone());
        check(event(mixed, false), (false, false)).await;
        // Somebody else's credential for their own key says nothing of this ledger; nor does one
        // that the owner never signed.
        let said = Checkpoint::of(key(5).public_key().owner(), 10, TreeHash::EMPTY);
        let signed = SignedCheckpoint::sign(said.clone(), &key(103));
        let signed = signed.cosign(&key(103), &said.origin, Timestamp::from_millis(71_000));
        let posed = Presented::new(signed.unwrap(), other.credential.clone());
        check(event(posed, false), (false, false)).await;
        let forged = credential(2, vec![certify(2, (9, 5), 103)]);
        check(event(made(forged, 103, (10, 2, 71)), false), (false, false)).await;
        check(event(shown((9, 1, 71)), true), (true, false)).await;
        check(event(shown((10, 2, 69)), true), (true, false)).await;
        let outdated = made(credential(2, vec![certify(2, (2, 3), 102)]), 102, (10, 2, 71));
        check(event(outdated, false), (true, false)).await;
        let own = made(credential(1, vec![certify(1, (1, 1), 101)]), 101, (10, 2, 71));
        check(event(own, false), (true, false)).await;

        let (good, bad) = (shown((9, 1, 70)), shown((9, 2, 70)));
        let proof = |a: &Presented, b: &Presented| {
            Event::Misbehaved(Box::new(Misbehaviour::new(a.clone(), b.clone(), None)))
        };
        check(proof(&good, &bad), (true, true)).await;
        check(proof(&good, &good), (false, false)).await;
        check(proof(&good, &made(bob(), 103, (9, 2, 70))), (false, false)).await;
        let stranger = made(other.credential.clone(), 103, (10, 3, 71));
        check(proof(&other, &stranger), (true, false)).await;
        convicted(ann.sees(&bad).await);
        check(proof(&good, &bad), (true, false)).await;
    });
}
