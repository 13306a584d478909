//! What other crates put in the ledger: a typed statement, at rest, and what it may rest on.
//!
//! Core keeps a fact, chains it and gives it back; what it means is for its projection to say
//! ([`Projection`](crate::Projection)).
use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

use crate::{
    canonical::is_canonical,
    denial::shorten,
    key::{BadSignature, PublicKey, Signature},
    operation::Code,
};

/// A statement of another crate, as records keep it: whose projection folds it, and what it says.
///
/// **Refuses**, when it is read, what is not canonical JSON: one fact, one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    pub(crate) projection: Cow<'static, str>,
    said: Said,
}

impl Fact {
    /// What was just written in canonical form.
    pub(crate) fn written(projection: &'static str, said: Vec<u8>) -> Result<Self, FactError> {
        let said = String::from_utf8(said);
        let said = said.map_err(|error| FactError::NotCanonical { what: error.to_string() })?;
        Ok(Self { projection: Cow::Borrowed(projection), said: Said(said.into()) })
    }

    /// The name of the projection that folds it.
    #[must_use]
    pub fn projection(&self) -> &str {
        &self.projection
    }

    /// What it says: canonical JSON.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.said.0
    }
}

/// The canonical JSON of what a fact says.
#[derive(Clone, PartialEq, Eq)]
struct Said(Box<str>);

impl Serialize for Said {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        if is_canonical(raw.get().as_bytes()) {
            Ok(Self(raw.into()))
        } else {
            Err(D::Error::custom("what the fact says is not canonical JSON"))
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a fact is not one of a projection's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactError {
    /// Another projection's.
    #[error("it is a fact of `{projection}`")]
    Foreign {
        /// Whose it is.
        projection: String,
    },
    /// It has no canonical form: it holds a fraction, say, or an integer beyond 2^53 - 1.
    #[error("the fact has {what}")]
    NotCanonical {
        /// What is wrong with it.
        what: String,
    },
    /// It says nothing this projection knows, or says it in another form than it would itself.
    #[error("the fact cannot be read: {what}")]
    Unreadable {
        /// What is wrong with it.
        what: String,
    },
}

/// A signature a fact rests on: that the holder of `key` signed `statement`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a projection makes it, of just these")]
pub struct Claim {
    /// By whom.
    pub key: PublicKey,
    /// What.
    pub statement: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl Claim {
    pub(crate) fn verify(&self) -> Result<(), BadSignature> {
        self.key.verify(&self.statement, &self.signature)
    }
}

/// Why a fact may not follow what stands before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{what} ({code})")]
pub struct Misfit {
    /// Why, for programs.
    pub code: Code,
    /// Why, for people.
    pub what: String,
}

impl Misfit {
    /// For this reason, as a word of the projection's own and in its own words.
    #[must_use]
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code: Code::new(code), what: shorten(what.into()) }
    }
}

/// Nobody folds such facts here: see [`Governing::project`](crate::Governing::project).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no projection `{projection}` is folded here")]
#[non_exhaustive]
pub struct NotProjected {
    /// Which projection would.
    pub projection: String,
}

impl NotProjected {
    pub(crate) fn new(projection: &str) -> Self {
        Self { projection: projection.to_owned() }
    }
}
