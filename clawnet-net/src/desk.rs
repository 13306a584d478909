//! What the parts of a party share.
use std::sync::Arc;

use clawnet_core::{Act, Digest, Kernel, Mount, OwnerId, PublicKey, StoreError};

use crate::{
    contact::Contact, dialogue::Dialogue, id::SessionId, lanes::Lanes, outbox::Outbox,
    relations::Relations,
};

/// One owner's kernel, the way out of it, and the ways to others.
pub(crate) struct Desk {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) outbox: Mount<Outbox>,
}

impl Desk {
    pub(crate) fn new(kernel: Arc<Kernel>) -> Self {
        let lanes = Arc::new(Lanes::default());
        let outbox = kernel.mount("net", Outbox::new(kernel.clone(), lanes.clone()));
        Self { kernel, lanes, outbox }
    }

    /// A look at contacts and sessions. A kernel that folds none of them knows none.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Relations) -> Option<T>) -> Option<T> {
        self.kernel.read(look).ok().flatten()
    }

    /// A look at a session, and at the contact it is with.
    pub(crate) fn look<T>(
        &self,
        session: SessionId,
        look: impl FnOnce(&Dialogue, &Contact) -> T,
    ) -> Option<T> {
        self.read(|net| {
            let dialogue = net.session(session)?;
            Some(look(dialogue, net.contact(dialogue.peer())?))
        })
    }

    /// A text that was kept, unless it was erased.
    pub(crate) async fn text(&self, body: Digest) -> Result<Option<String>, StoreError> {
        let kept = self.kernel.body(body).await?;
        Ok(kept.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// The key an owner signed the act of this number with, if they are known.
    pub(crate) fn signer(&self, owner: OwnerId, number: u64) -> Option<PublicKey> {
        if owner == self.kernel.owner_id() {
            return Some(self.own_key(number));
        }
        self.read(|net| Some(net.contact(owner)?.keys.as_ref()?.owner_at(number)))
    }

    fn own_key(&self, number: u64) -> PublicKey {
        let credential = self.kernel.credential();
        let mut before = credential.acts.iter().rev().filter(|signed| signed.number < number);
        let last = before.find_map(|signed| {
            let Act::Rekey { key, .. } = &signed.act else { return None };
            Some(*key)
        });
        last.unwrap_or(credential.founder)
    }
}
