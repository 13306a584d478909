//! What was said is said again: the ledger as it stood then, and what was kept beside it.
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    fact::{Claim, Misfit},
    id::OwnerId,
    key::{Signer as _, SoftwareKey},
    projection::About,
    store::MemoryStore,
    time::ManualClock,
};

/// Keeps nothing, and takes every even number.
#[derive(Serialize, Deserialize)]
struct Evens {}

impl Projection for Evens {
    const NAME: &'static str = "evens";
    type Fact = u64;

    fn begin(_: OwnerId) -> Self {
        Self {}
    }

    fn claims(&self, _: &u64, _: Actor) -> Result<Vec<Claim>, Misfit> {
        Ok(Vec::new())
    }

    fn check(&self, number: &u64, _: &About<'_>) -> Result<(), Misfit> {
        if number.is_multiple_of(2) { Ok(()) } else { Err(Misfit::new("odd", "it is odd")) }
    }

    fn fold(&mut self, _: &u64, _: &About<'_>) {}
}

async fn open() -> (Kernel, crate::owner::Owner) {
    let key = SoftwareKey::from_secret(&[1; 32]);
    let governing = Kernel::governing(key.public_key()).project::<Evens>();
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
    let owner = kernel.owner(key).await.unwrap();
    (kernel, owner)
}

#[test]
fn the_ledger_as_it_stood_then_is_proven_as_it_was_then() {
    block_on(async {
        let (kernel, _) = open().await;
        for number in 0..20 {
            kernel.declare::<Evens>(&(number * 2), None).await.unwrap();
        }
        let then = kernel.growth(0).await.unwrap();
        let path = kernel.growth(7).await.unwrap().path;
        for number in 0..90 {
            kernel.declare::<Evens>(&(number * 2), None).await.unwrap();
        }
        assert_eq!(kernel.growth_to(0, then.size).await.unwrap(), then);
        assert_eq!(kernel.growth_to(then.size, then.size).await.unwrap(), then);
        let again = kernel.growth_to(7, then.size).await.unwrap();
        assert_eq!((again.size, again.root, &again.path), (then.size, then.root, &path));
        let before = kernel.growth_to(0, 7).await.unwrap();
        assert_eq!(path.unwrap().verify(&before.root, &then.root), Ok(()));
        assert!(kernel.growth_to(7, 1000).await.is_err());
    });
}

#[test]
fn what_belongs_to_a_fact_is_kept_only_with_it() {
    block_on(async {
        let (kernel, owner) = open().await;
        kernel.declare::<Evens>(&2, Some(b"said")).await.unwrap();
        owner.declare_with::<Evens>(4, b"decided").await.unwrap();
        kernel.declare::<Evens>(&3, Some(b"odd")).await.unwrap_err();
        owner.declare_with::<Evens>(5, b"odder").await.unwrap_err();
        let kept = async |text: &[u8]| kernel.body(Digest::of_content(text)).await.unwrap();
        assert_eq!(kept(b"said").await.as_deref(), Some(&b"said"[..]));
        assert_eq!(kept(b"decided").await.as_deref(), Some(&b"decided"[..]));
        assert_eq!((kept(b"odd").await, kept(b"odder").await), (None, None));
    });
}
