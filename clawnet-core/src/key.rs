//! The owner's key: what makes an act the owner's, to anybody, for ever.
//!
//! Ed25519, verified strictly, and no other algorithm: nothing on a wire chooses one. What is
//! signed begins with a line that says what it is, so a signature over one kind of statement is
//! never one over another.
use std::{cell::RefCell, fmt, str::FromStr};

use async_trait::async_trait;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    digest::{NotHex, hex, unhex},
    id::OwnerId,
};

/// An Ed25519 public key. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the bytes as they are; a key that is no point on the curve verifies nothing.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The owner this key makes.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        OwnerId::of_key(&self.0)
    }

    /// Checks that the holder of this key signed exactly `statement`. Strict: no weak keys, no
    /// second form of one signature.
    pub fn verify(&self, statement: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let key = self.point().ok_or(BadSignature)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(statement, &signature).map_err(|_| BadSignature)
    }
}

impl PublicKey {
    /// The point it names, if it names one. Those of whom something came lately are at hand: to
    /// find the point is a tenth of verifying.
    fn point(&self) -> Option<VerifyingKey> {
        let find = || VerifyingKey::from_bytes(&self.0).ok();
        let [first, ..] = self.0;
        let lately = LATELY.try_with(|lately| {
            let mut lately = lately.try_borrow_mut().ok()?;
            let slot = lately.get_mut(usize::from(first) % LATELY_MAX)?;
            if let Some((_, point)) = slot.filter(|(known, _)| known == self) {
                return Some(point);
            }
            *slot = find().map(|point| (*self, point));
            slot.map(|(_, point)| point)
        });
        lately.ok().flatten().or_else(find)
    }
}

/// How many points each thread has at hand: 15 KiB of them.
const LATELY_MAX: usize = 64;

thread_local! {
    static LATELY: RefCell<[Option<(PublicKey, VerifyingKey)>; LATELY_MAX]> =
        const { RefCell::new([None; LATELY_MAX]) };
}

/// What a kernel's key signs for another crate: a line that says so, a line that says what it is
/// about, and the statement. Who checks such a signature makes the same of what it was shown, with
/// the key of a verified [`Credential`](crate::Credential).
///
/// **Promises** that nothing else a key of ours signs is one of these, nor is one topic's
/// statement another's. **Refuses** a topic that is no such word as `net.turn`: what comes of it
/// is empty, and nothing signs that.
#[must_use]
pub fn vouched(topic: &str, statement: &[u8]) -> Vec<u8> {
    if !is_topic(topic) {
        return Vec::new();
    }
    [VOUCHED, topic.as_bytes(), b"\n", statement].concat()
}

/// What begins everything a kernel vouches for.
const VOUCHED: &[u8] = b"clawnet vouched v1\n";
/// How many bytes a topic may have.
const TOPIC_BYTES_MAX: usize = 64;

/// Whether a topic is one line, and a word.
pub(crate) fn is_topic(topic: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(plain)
}

/// An Ed25519 signature. Written as 128 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// The signature is not one by this key over this statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

/// Whoever can sign for the owner: a key in memory, a device, a person at another screen.
///
/// **Promises** the implementor makes: it is the owner's alone. An agent that can reach a signer
/// is the owner, as far as anybody can tell.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The key its signatures verify with.
    fn public_key(&self) -> PublicKey;

    /// Signs `statement`, which is readable text, or says why not. It may take as long as a person
    /// takes: nothing waits under a lock.
    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError>;
}

/// The signer did not sign. Nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the owner's key did not sign: {0}")]
pub struct SignerError(pub String);

/// A key held in memory, wiped when dropped.
pub struct SoftwareKey(SigningKey);

impl SoftwareKey {
    /// The key of this secret. Take it from the operating system's randomness, never from a
    /// clock or a phrase.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// Signs `statement` at once: what is in memory asks nobody.
    pub(crate) fn sign_now(&self, statement: &[u8]) -> Signature {
        Signature(self.0.sign(statement).to_bytes())
    }
}

#[async_trait]
impl Signer for SoftwareKey {
    fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
        Ok(self.sign_now(statement))
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftwareKey")
    }
}

macro_rules! hexadecimal {
    ($($name:ident: $bytes:literal,)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(hex(&self.0, &mut [0; $bytes * 2]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut bytes = [0; $bytes];
                unhex(text, &mut bytes).map(|()| Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(hex(&self.0, &mut [0; $bytes * 2]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

hexadecimal! {
    PublicKey: 32,
    Signature: 64,
}
