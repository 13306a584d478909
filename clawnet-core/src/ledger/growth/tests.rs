//! What is asked under the tree's lock, and what is not.
use std::sync::{Arc, OnceLock};

use futures::executor::block_on;

use super::*;
use crate::{
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    store::MemoryStore,
    time::Timestamp,
};

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

#[test]
fn the_clock_is_asked_under_no_lock() {
    let asked = Arc::new(OnceLock::<Arc<Ledger>>::new());
    let known = asked.clone();
    let clock = move || {
        if let Some(ledger) = known.get() {
            assert!(ledger.edge.try_lock().is_ok(), "under the tree's lock");
            assert!(ledger.inner.try_lock().is_ok(), "under the ledger's lock");
        }
        Timestamp::from_millis(1000)
    };
    block_on(async {
        let governing = Kernel::governing(key(1).public_key());
        let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
        let owner = kernel.owner(key(1)).await.unwrap();
        let work = owner.identity("work").await.unwrap();
        let ledger = owner.bind(work, "assistant", "test").await.unwrap().seat.ledger.clone();
        assert!(asked.set(ledger.clone()).is_ok());
        owner.certify(key(2).public_key()).await.unwrap();
        kernel.sign_with(key(2));
        kernel.checkpoint().await.unwrap();
        ledger.snapshot().await.unwrap();
        kernel.growth(1).await.unwrap();
    });
}
