//! What crosses a transport: one bounded, canonical envelope.
//!
//! Nothing in an envelope is believed. It says where it goes and carries evidence; who sent it is
//! what the evidence proves. Decoding accepts one spelling of each envelope and bounds everything
//! before it is looked at.
use std::{borrow::Cow, fmt, str::FromStr};

use clawnet_core::{ConsistencyProof, Credential, Digest, OwnerId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    address::Address,
    entry::{SignedEnd, SignedEntry},
    reason::Reason,
    said::Shown,
};

/// One message between two kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Envelope {
    /// What it carries.
    pub body: Letter,
    /// Who says to have sent it.
    pub from: OwnerId,
    /// Where it goes.
    pub to: To,
}

/// What an envelope carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Letter {
    /// A decision of the sending owner.
    Act {
        /// The decision, and what proves it.
        shown: Box<Shown>,
        /// The text of a released result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// A session is over for the sender.
    End(SignedEnd),
    /// Something said in a session.
    Entry {
        /// That the sender's ledger continues what the receiver was shown of it last.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<ConsistencyProof>,
        /// What.
        signed: Box<SignedEntry>,
        /// The text of a turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The sender's keys are others now.
    Keys(Credential),
    /// A message was refused. Nobody signed this: it changes nothing at the receiver.
    Refused {
        /// The digest of an entry, or the content digest of any other message.
        of: Digest,
        /// Why.
        reason: Reason,
    },
    /// A message arrived, and need not be sent again. It proves nothing either.
    Taken {
        /// The digest of an entry, or the content digest of any other message.
        of: Digest,
    },
}

impl Letter {
    /// What an answer to it names: the digest of an entry, and of anything else of all `bytes` it
    /// came in.
    pub(crate) fn name(&self, bytes: &[u8]) -> Digest {
        match self {
            Self::Entry { signed, .. } => signed.entry.digest(),
            Self::Act { .. }
            | Self::End(_)
            | Self::Keys(_)
            | Self::Refused { .. }
            | Self::Taken { .. } => Digest::of_content(bytes),
        }
    }

    /// About how many bytes it has at most, unless it is one of those that are seldom sent.
    fn size_hint(&self) -> usize {
        match self {
            Self::Entry { text, .. } => text.as_ref().map_or(0, String::len) + (3 << 10),
            Self::Refused { .. } | Self::Taken { .. } => 256,
            Self::Act { .. } | Self::End(_) | Self::Keys(_) => 1 << 10,
        }
    }
}

/// Where an envelope goes: to an owner, about being contacts, or to one identity.
///
/// **Refuses** to name anything else: there is no way to write a manager down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "nothing else has an address")]
pub enum To {
    /// One identity. Written `idn_…@own_…`.
    Identity(Address),
    /// An owner. Written `own_…`.
    Owner(OwnerId),
}

impl To {
    /// Whose kernel it is for.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        match self {
            Self::Identity(address) => address.owner(),
            Self::Owner(owner) => *owner,
        }
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(address) => write!(f, "{address}"),
            Self::Owner(owner) => write!(f, "{owner}"),
        }
    }
}

impl FromStr for To {
    type Err = crate::address::NotAnAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(owner) => Ok(Self::Owner(owner)),
            Err(_) => text.parse().map(Self::Identity),
        }
    }
}

impl Serialize for To {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for To {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Envelope {
    /// How many bytes an envelope may have.
    pub const SIZE_BYTES_MAX: usize = 256 << 10;

    pub(crate) fn new(from: OwnerId, to: To, body: Letter) -> Self {
        Self { body, from, to }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// When it would be too large.
    pub fn encode(&self) -> Result<Vec<u8>, Reason> {
        let bytes = self.written(self.body.size_hint())?;
        if bytes.len() > Self::SIZE_BYTES_MAX { Err(Reason::Oversize) } else { Ok(bytes) }
    }

    /// Reads one.
    ///
    /// # Errors
    /// `oversize`, `malformed`, or `not_canonical` where another spelling means the same.
    pub fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        if bytes.len() > Self::SIZE_BYTES_MAX {
            return Err(Reason::Oversize);
        }
        let read: Self = serde_json::from_slice(bytes).map_err(|_| Reason::Malformed)?;
        let again = read.written(bytes.len())?;
        if again == bytes { Ok(read) } else { Err(Reason::NotCanonical) }
    }

    /// As it is written, in about so many bytes.
    fn written(&self, size_bytes: usize) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::with_capacity(size_bytes);
        serde_json::to_writer(&mut bytes, self).map_err(|_| Reason::Malformed)?;
        Ok(bytes)
    }
}
