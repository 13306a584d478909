//! Which keys count: the owner's own, and the one the kernel signs checkpoints with.
use super::{Owner, OwnerError};
use crate::{
    key::{PublicKey, Signer},
    policy::ActError,
    record::{Act, key_statement},
};

impl Owner {
    /// Lets the kernel sign checkpoints with `key` from here on, in place of the one before it: to
    /// begin, and to rotate. Erase the old secret then: nobody who breaks in later can sign for the
    /// time before. See [`Kernel::sign_with`](crate::Kernel::sign_with).
    pub async fn certify(&self, key: PublicKey) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Certify { key }).await.map(drop)
    }

    /// Decides with another key from here on, to which both the old and the new one agree. The
    /// ledger keeps the name its first key gave it. Other handles made with the old key decide
    /// nothing any more.
    pub async fn rekey(&mut self, new: impl Signer + 'static) -> Result<(), OwnerError> {
        let key = new.public_key();
        loop {
            let number = self.ledger.lock()?.state.acts.saturating_add(1);
            let proof = new.sign(&key_statement(self.id(), number, key)).await?;
            let make = |_: &_, next| {
                let act = Act::Rekey { key, proof };
                if next == number { Ok(act) } else { Err(ActError::OutOfPlace) }
            };
            match self.act_on(make).await {
                // Another decision came in between, and the proof is for its place.
                Err(OwnerError::Act(ActError::OutOfPlace)) => {}
                done => {
                    done?;
                    self.signer = Box::new(new);
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{
        kernel::Kernel,
        key::SoftwareKey,
        store::MemoryStore,
        time::{ManualClock, Timestamp},
    };

    fn key(nth: u8) -> SoftwareKey {
        SoftwareKey::from_secret(&[nth; 32])
    }

    #[test]
    fn only_the_new_key_decides_after_a_change_and_the_ledger_keeps_its_name() {
        block_on(async {
            let store = std::sync::Arc::new(MemoryStore::new());
            let clock = ManualClock::at(Timestamp::from_millis(1000));
            let governing = || Kernel::governing(key(1).public_key());
            let kernel = governing().open_shared(store.clone(), clock.clone()).await.unwrap();
            let mut owner = kernel.owner(key(1)).await.unwrap();
            let old = kernel.owner(key(1)).await.unwrap();
            let work = owner.identity("work").await.unwrap();
            owner.rekey(key(2)).await.unwrap();
            owner.freeze(work).await.unwrap();
            assert!(matches!(old.unfreeze(work).await, Err(OwnerError::ForeignKey)));
            assert!(matches!(kernel.owner(key(1)).await, Err(OwnerError::ForeignKey)));

            let again = governing().open_shared(store.clone(), clock.clone()).await.unwrap();
            assert_eq!(again.damage(), None);
            assert_eq!(again.owner_id(), key(1).public_key().owner());
            again.owner(key(2)).await.unwrap().unfreeze(work).await.unwrap();
            assert!(matches!(again.owner(key(1)).await, Err(OwnerError::ForeignKey)));
        });
    }

    #[test]
    fn a_key_has_one_role() {
        block_on(async {
            let clock = ManualClock::at(Timestamp::from_millis(1000));
            let governing = Kernel::governing(key(1).public_key());
            let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
            let mut owner = kernel.owner(key(1)).await.unwrap();
            let in_use = |done| matches!(done, Err(OwnerError::Act(ActError::KeyInUse)));
            assert!(in_use(owner.certify(key(1).public_key()).await));
            owner.certify(key(3).public_key()).await.unwrap();
            assert!(in_use(owner.certify(key(3).public_key()).await));
            assert!(in_use(owner.rekey(key(3)).await));
            owner.rekey(key(2)).await.unwrap();
            assert!(in_use(owner.rekey(key(1)).await));
        });
    }
}
