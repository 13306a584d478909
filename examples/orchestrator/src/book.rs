//! Who is at home here: an owner's first key, and their kernel's, which decides nothing.
use std::{collections::BTreeMap, sync::Arc};

use clawnet_core::{OwnerId, PublicKey, SoftwareKey};
use clawnet_net::Keyring;

/// The guests of one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<BTreeMap<OwnerId, Guest>>);

#[derive(Clone)]
struct Guest {
    founder: PublicKey,
    kernel: [u8; 32],
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.founder.fmt(f)
    }
}

impl Book {
    /// Each with the secret of their kernel's key.
    pub(crate) fn of(guests: impl IntoIterator<Item = (PublicKey, [u8; 32])>) -> Self {
        let guests = guests.into_iter().map(|(founder, kernel)| {
            let guest = Guest { founder, kernel };
            (founder.owner(), guest)
        });
        Self(Arc::new(guests.collect()))
    }

    pub(crate) fn key(&self, owner: OwnerId) -> Option<PublicKey> {
        self.0.get(&owner).map(|guest| guest.founder)
    }

    pub(crate) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.0.keys().copied()
    }
}

impl Keyring for Book {
    fn founder(&self, owner: OwnerId) -> Option<PublicKey> {
        self.key(owner)
    }

    fn kernel_key(&self, owner: OwnerId) -> Option<SoftwareKey> {
        self.0.get(&owner).map(|guest| SoftwareKey::from_secret(&guest.kernel))
    }
}
