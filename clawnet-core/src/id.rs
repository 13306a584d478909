//! Identifiers: 96 bits behind a text prefix, 128 for owners, one type per thing.
//!
//! Nothing here is random. An identifier is derived from the owner's key or from the ledger and
//! the place in it where its bearer was made, so replaying a ledger gives the same identifiers,
//! and an identifier of one owner's ledger is unknown in every other.
use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::digest::{Digest, IDENTIFIER, hex, unhex};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident: $bytes:literal = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Derives the identifier of what record `sequence` of `owner`'s ledger made.
            #[allow(dead_code, reason = "owners come from keys, all others from places")]
            pub(crate) fn made_at(owner: OwnerId, sequence: u64, nth: u32) -> Self {
                Self(front(IDENTIFIER.digest(&[
                    $prefix.as_bytes(), &owner.0, &sequence.to_le_bytes(), &nth.to_le_bytes(),
                ])))
            }

            /// Derives the identifier of what record `sequence` says about `digest`.
            #[allow(dead_code, reason = "only questions are about digests")]
            pub(crate) fn made_for(owner: OwnerId, sequence: u64, digest: Digest) -> Self {
                Self(front(IDENTIFIER.digest(&[
                    $prefix.as_bytes(), &owner.0, &sequence.to_le_bytes(), digest.as_bytes(),
                ])))
            }

            /// Its bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            pub(crate) fn text<'a>(&self, out: &'a mut [u8; 4 + 2 * $bytes]) -> &'a str {
                let (prefix, digits) = out.split_at_mut(4);
                prefix.copy_from_slice(concat!($prefix, "_").as_bytes());
                hex(&self.0, digits);
                std::str::from_utf8(out).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.text(&mut [0; 4 + 2 * $bytes]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let refused = NotAnId { expected: $prefix, digits: 2 * $bytes };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(refused)?;
                let mut bytes = [0; $bytes];
                unhex(digits, &mut bytes).map_err(|_| refused)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.text(&mut [0; 4 + 2 * $bytes]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A human principal, and with it their one ledger. Derived from the owner's public key.
    OwnerId: 16 = "own";
    /// A role the owner plays towards others.
    IdentityId: 12 = "idn";
    /// A running actor bound to one identity.
    AgentId: 12 = "agt";
    /// An issued, revocable set of rules.
    GrantId: 12 = "grt";
    /// A question to the owner about one exact operation.
    TicketId: 12 = "tkt";
}

impl OwnerId {
    /// The owner whom `key` makes: the digest of the key itself, so nobody else can be it.
    #[must_use]
    pub fn of_key(key: &[u8; 32]) -> Self {
        Self(front(IDENTIFIER.digest(&[b"own", key])))
    }

    /// Takes the bytes as they are, as a store finds them in its segments.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// A text is not an identifier of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of the form `{expected}_` and {digits} hexadecimal digits")]
pub struct NotAnId {
    expected: &'static str,
    digits: usize,
}

fn front<const N: usize>(digest: Digest) -> [u8; N] {
    let mut front = [0; N];
    for (to, from) in front.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    front
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_belongs_to_one_place_and_one_kind() {
        let owner = OwnerId::of_key(&[1; 32]);
        let other = OwnerId::of_key(&[2; 32]);
        let id = IdentityId::made_at(owner, 7, 0);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, IdentityId::made_at(owner, 8, 0));
        assert_ne!(id, IdentityId::made_at(owner, 7, 1));
        assert_ne!(id, IdentityId::made_at(other, 7, 0));
        assert_ne!(id.as_bytes(), AgentId::made_at(owner, 7, 0).as_bytes());
        assert!(id.to_string().parse::<AgentId>().is_err());
    }
}
