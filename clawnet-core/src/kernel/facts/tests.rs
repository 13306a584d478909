//! A toy projection: a tally of what was counted, which anybody may sign for.
use std::sync::Arc;

use futures::executor::block_on;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    fact::Claim,
    id::OwnerId,
    key::{PublicKey, SoftwareKey},
    projection::About,
    record::Event,
    store::{MemoryStore, Store},
    time::{ManualClock, Timestamp},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tally {
    counted: u64,
    owner: OwnerId,
    seen: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Count {
    Add { by: u64 },
    Signed { by: u64, key: PublicKey, signature: Signature },
}

impl Projection for Tally {
    const NAME: &'static str = "tally";
    type Fact = Count;

    fn begin(owner: OwnerId) -> Self {
        Self { counted: 0, owner, seen: 0 }
    }

    fn claims(&self, fact: &Count, _: Actor) -> Result<Vec<Claim>, Misfit> {
        Ok(match fact {
            Count::Add { .. } => Vec::new(),
            Count::Signed { by, key, signature } => {
                let statement = format!("add {by}").into_bytes();
                vec![Claim { key: *key, statement, signature: *signature }]
            }
        })
    }

    fn check(&self, fact: &Count, _: &About<'_>) -> Result<(), Misfit> {
        let (Count::Add { by } | Count::Signed { by, .. }) = fact;
        if *by > 0 { Ok(()) } else { Err(Misfit::new("nothing", "nothing was counted")) }
    }

    fn fold(&mut self, fact: &Count, _: &About<'_>) {
        let (Count::Add { by } | Count::Signed { by, .. }) = fact;
        self.counted += by;
    }

    fn observe(&mut self, _: &Event, _: &About<'_>) {
        self.seen += 1;
    }
}

fn key(nth: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[nth; 32])
}

async fn open(store: &Arc<MemoryStore>) -> Kernel {
    use crate::key::Signer as _;
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let governing = Kernel::governing(key(1).public_key()).project::<Tally>();
    let store: Arc<dyn Store> = store.clone();
    governing.open_shared(store, clock).await.unwrap()
}

#[test]
fn a_fact_is_folded_live_and_at_replay() {
    block_on(async {
        let store = Arc::new(MemoryStore::new());
        let kernel = open(&store).await;
        let owner = kernel.owner(key(1)).await.unwrap();
        owner.identity("work").await.unwrap();
        kernel.declare::<Tally>(&Count::Add { by: 2 }, None).await.unwrap();
        kernel.declare_buffered::<Tally>(&Count::Add { by: 3 }).unwrap();
        let signed = owner.declare::<Tally>(Count::Add { by: 4 }).await.unwrap();
        assert_eq!(signed.declared::<Tally>(), Some(Count::Add { by: 4 }));
        let live = kernel.read(Tally::clone).unwrap();
        assert_eq!((live.counted, live.seen), (9, 2));
        let again = open(&store).await;
        assert_eq!(again.damage(), None);
        assert_eq!(again.read(Tally::clone).unwrap(), live);
    });
}
