//! What somebody who has the disk and no key makes of a ledger.
use futures::executor::block_on;

use super::*;
use crate::{
    digest::STATE,
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    record::chain,
    store::{Batch, MemoryStore, Snapshot},
    time::{ManualClock, Timestamp},
};

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

/// Puts a record behind the last one, and a state beside it in which the owner's key is another.
/// For this no secret is needed.
async fn take_over(store: &dyn Store, owner: OwnerId, thief: PublicKey) {
    let kept = store.snapshot(owner).await.unwrap().unwrap();
    let mut kept: serde_json::Value = serde_json::from_slice(&kept.state).unwrap();
    let mut tree = Edge::default();
    for frame in store.read(owner, 1, usize::MAX).await.unwrap() {
        tree.push(frame.sequence, frame.hash);
    }
    kept["state"]["key"] = serde_json::to_value(thief).unwrap();
    kept["state"]["kernel_key"] = serde_json::to_value(thief).unwrap();
    kept["tree"] = serde_json::to_value(&tree).unwrap();
    let bytes = serde_json::to_vec(&kept).unwrap();

    let head = store.head(owner).await.unwrap();
    let (state, at) = (STATE.digest(&[&bytes]), 1000);
    // Signed by a key that the thief does hold.
    let statement = Event::snapshot_statement(owner, head.sequence + 1, state);
    let signature = key(9).sign_now(&statement);
    let event = format!(r#"{{"snapshot":{{"signature":"{signature}","state":"{state}"}}}}"#);
    let payload = format!(r#"{{"actor":"kernel","at":{at},"event":{event}}}"#).into_bytes();
    let sequence = head.sequence + 1;
    let hash = chain(owner, sequence, head.hash, &payload);
    let batch = Batch::from_iter([Frame::new(sequence, hash, payload.into())]);
    store.append(owner, head, batch, Durability::Durable).await.unwrap();
    store.keep_snapshot(owner, Snapshot::new(sequence, bytes)).await.unwrap();
}

#[test]
fn a_state_that_no_key_vouches_for_is_not_believed() {
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = ManualClock::at(Timestamp::from_millis(1000));
        let open = || {
            let governing = Kernel::governing(key(1).public_key());
            governing.open_shared(store.clone(), clock.clone())
        };
        let kernel = open().await.unwrap();
        let owner = kernel.owner(key(1)).await.unwrap();
        owner.certify(key(2).public_key()).await.unwrap();
        kernel.sign_with(key(2));
        owner.identity("work").await.unwrap();
        kernel.snapshot().await.unwrap();
        kernel.checkpoint().await.unwrap();
        let id = kernel.owner_id();
        drop((kernel, owner));

        take_over(&*store, id, key(9).public_key()).await;
        let again = open().await.unwrap();
        assert!(again.damage().is_some(), "the forged record is found");
        let thief = again.owner(key(9)).await;
        assert!(thief.is_err(), "who has the disk is the owner");
    });
}
