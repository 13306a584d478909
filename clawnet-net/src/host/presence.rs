//! Whether an owner's client is here.
use std::{collections::HashMap, fmt};

use clawnet_core::OwnerId;

use super::Host;

/// Who is here, and how often.
#[derive(Debug, Default)]
pub(super) struct Attendance(HashMap<OwnerId, usize>);

impl Attendance {
    pub(super) fn come(&mut self, owner: OwnerId) {
        let count = self.0.entry(owner).or_default();
        *count = count.saturating_add(1);
    }

    fn go(&mut self, owner: OwnerId) {
        if let Some(count) = self.0.get_mut(&owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.0.remove(&owner);
            }
        }
    }

    pub(super) fn of(&self, owner: OwnerId) -> Whereabouts {
        let clients = self.0.get(&owner).copied().unwrap_or(0);
        if clients == 0 { Whereabouts::Away } else { Whereabouts::Here { clients } }
    }
}

/// Whether an owner is here, as far as their clients say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "one is here, or not")]
pub enum Whereabouts {
    /// No client of theirs is.
    Away,
    /// So many of their clients are.
    Here {
        /// How many.
        clients: usize,
    },
}

/// An owner's client is here, until this is dropped.
#[must_use = "dropping it says that the client left"]
pub struct Presence {
    pub(super) host: Host,
    pub(super) owner: OwnerId,
}

impl Presence {
    /// Whose client it is.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.owner
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.host.attendance().go(self.owner);
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Presence of {}", self.owner)
    }
}
