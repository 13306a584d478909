//! A public key with the name it signs notes under, in one line of text.
use std::{fmt, str::FromStr};

use super::{
    NoteError,
    line::{ED25519, Line, key_id, names_a_key},
};
use crate::{
    base64,
    digest::{hex, unhex},
    key::{PublicKey, Signature},
};

/// What tools that read notes are told to trust: `<name>+<key id>+<base64 of type and key>`, the
/// key being Ed25519. The key id is 8 lower-case hexadecimal digits and follows from the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

impl VerifierKey {
    /// `key` under `name`, which for a log is the origin of its checkpoints.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, NoteError> {
        if !names_a_key(name) {
            return Err(NoteError::Name);
        }
        Ok(Self { name: name.to_owned(), key })
    }

    /// The name it signs under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks that this key signed `text`. Lines by other keys are ignored; every one that says it
    /// is by this key has to be.
    pub(super) fn verify(&self, text: &str, lines: &[Line]) -> Result<(), NoteError> {
        let id = key_id(&self.name, ED25519, &self.key);
        let mut verdict = Err(NoteError::Unsigned);
        for line in lines.iter().filter(|line| line.is_by(&self.name, id)) {
            let signature = line.signature.as_slice().try_into();
            let signature = Signature::from_bytes(signature.map_err(|_| NoteError::BadSignature)?);
            self.key.verify(text.as_bytes(), &signature).map_err(|_| NoteError::BadSignature)?;
            verdict = Ok(());
        }
        verdict
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = key_id(&self.name, ED25519, &self.key);
        let bytes = [&[ED25519], self.key.as_bytes().as_slice()].concat();
        write!(f, "{}+{}+{}", self.name, hex(&id, &mut [0; 8]), base64::encode(&bytes))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (digits, encoded) = rest.split_once('+')?;
            let mut id = [0; 4];
            unhex(digits, &mut id).ok()?;
            let bytes = base64::decode(encoded)?;
            let (kind, key) = bytes.split_first()?;
            let key = PublicKey::from_bytes(key.try_into().ok()?);
            let known = *kind == ED25519 && id == key_id(name, ED25519, &key);
            known.then(|| Self::new(name, key).ok())?
        };
        read().ok_or(NoteError::NotAVerifierKey)
    }
}
