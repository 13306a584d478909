//! Where a message can go: to one identity of one owner.
use std::{borrow::Cow, fmt, str::FromStr};

use clawnet_core::{IdentityId, OwnerId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// One identity of one owner. Written `idn_…@own_…`.
///
/// **Refuses** to name anything else: not an owner, not an agent, not a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    owner: OwnerId,
    identity: IdentityId,
}

impl Address {
    /// The address of `identity` at `owner`'s kernel. Whether there is such an identity is for that
    /// kernel to know.
    #[must_use]
    pub const fn of(owner: OwnerId, identity: IdentityId) -> Self {
        Self { owner, identity }
    }

    /// Whose kernel it is at.
    #[must_use]
    pub const fn owner(&self) -> OwnerId {
        self.owner
    }

    /// Which identity.
    #[must_use]
    pub const fn identity(&self) -> IdentityId {
        self.identity
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.identity, self.owner)
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let (identity, owner) = text.split_once('@').ok_or(NotAnAddress)?;
        let identity = identity.parse().map_err(|_| NotAnAddress)?;
        Ok(Self { owner: owner.parse().map_err(|_| NotAnAddress)?, identity })
    }
}

/// A text names no identity of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the form `idn_…@own_…`")]
pub struct NotAnAddress;

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_an_identity_has_an_address() {
        let owner = format!("own_{}", "0".repeat(32));
        let check = |text: &str, good| assert_eq!(text.parse::<Address>().is_ok(), good, "{text}");
        check(&format!("idn_{}@{owner}", "1".repeat(24)), true);
        check(&format!("agt_{}@{owner}", "1".repeat(24)), false);
        check(&format!("manager@{owner}"), false);
        check(&owner, false);
    }
}
