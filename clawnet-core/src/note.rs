//! Checkpoints: a tree's size and root, in words, signed for everybody to read.
//!
//! The forms are C2SP's, so that existing witnesses and tools read them: a `tlog-checkpoint` is
//! three lines (origin, size, root) in a `signed-note`, and a `tlog-cosignature` (v1, Ed25519) is
//! one more signature line, by somebody else, with the time it was made:
//!
//! ```text
//! clawnet/own_7c20f1…                     origin, and the name of the key that signs
//! 20852163                                how many records
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2…=      root of the tree over them
//!
//! — clawnet/own_7c20f1… Az3grlgtzPICa5OS8npVm…
//! — witness.example/w1 jWbPPwAAAABkGFDLEZMHwS…
//! ```
//!
//! **Promises** that a note that was read is written with the same bytes. **Refuses** what the
//! specifications leave to the reader: extension lines (they ask for none), an origin that cannot
//! name a key, base64 with loose ends, more than 64 KiB or 16 signatures. Signatures by keys nobody
//! asked about are kept and ignored, as `signed-note` demands.
use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    base64,
    id::OwnerId,
    key::{PublicKey, Signature, Signer as _, SoftwareKey},
    time::Timestamp,
    tree::TreeHash,
};

mod line;
mod verifier;
#[cfg(test)]
mod tests;

use line::{Line, names_a_key, split};
pub use verifier::VerifierKey;

/// What a log says it is at one moment (C2SP `tlog-checkpoint`). Unsigned it is hearsay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// Which log: `clawnet/` and the owner, for a ledger of ours.
    pub origin: String,
    /// How many records its tree covers.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
}

impl Checkpoint {
    /// The checkpoint of `owner`'s ledger when it had `size` records.
    #[must_use]
    pub fn of(owner: OwnerId, size: u64, root: TreeHash) -> Self {
        Self { origin: format!("{ORIGIN}{owner}"), size, root }
    }

    /// The owner whose ledger this is about, if its origin is of our form.
    #[must_use]
    pub fn owner(&self) -> Option<OwnerId> {
        self.origin.strip_prefix(ORIGIN)?.parse().ok()
    }

    /// The text that is signed: three lines, each ended.
    #[must_use]
    pub fn body(&self) -> String {
        let Self { origin, size, root } = self;
        format!("{origin}\n{size}\n{}\n", base64::encode(root.as_bytes()))
    }

    fn read(body: &str) -> Option<Self> {
        let mut lines = body.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let read = Self {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root: TreeHash::from_bytes(base64::decode(root)?.try_into().ok()?),
        };
        // A size has one form: no sign, no leading zero. Anything after the root is an extension.
        (names_a_key(origin) && read.body() == body).then_some(read)
    }
}

/// A checkpoint and the signatures under it (C2SP `signed-note`). As text, and in JSON as a string,
/// it is the note, byte for byte.
///
/// Who has one has read it; only [`verify`](Self::verify) says that the log said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    signatures: Vec<Line>,
}

impl SignedCheckpoint {
    /// The note in which `key`, under the name of the checkpoint's origin, says `checkpoint`.
    pub(crate) fn sign(checkpoint: Checkpoint, key: &SoftwareKey) -> Self {
        let signature = key.sign_now(checkpoint.body().as_bytes());
        let line = Line {
            name: checkpoint.origin.clone(),
            id: line::key_id(&checkpoint.origin, line::ED25519, &key.public_key()),
            signature: signature.as_bytes().to_vec(),
        };
        Self { checkpoint, signatures: vec![line] }
    }

    /// What it says.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks that `key`, under the name of the checkpoint's origin, signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<(), NoteError> {
        VerifierKey::new(&self.checkpoint.origin, *key)?
            .verify(&self.checkpoint.body(), &self.signatures)
    }

    /// The same note with only the lines of the log itself, whose key is `key`.
    pub(crate) fn by_log_alone(mut self, key: &PublicKey) -> Self {
        let name = &self.checkpoint.origin;
        let own = [line::ED25519, line::COSIGNATURE].map(|kind| line::key_id(name, kind, key));
        self.signatures.retain(|line| own.iter().any(|id| line.is_by(name, *id)));
        self
    }

    /// The same note with one more line: that `key`, as `name`, saw this checkpoint `at` that time
    /// (to the second) and, up to then, nothing that contradicts it. It replaces what the same key
    /// said earlier.
    ///
    /// The message does not hold the name, so one key cosigns under one name.
    pub(crate) fn cosign(
        mut self,
        key: &SoftwareKey,
        name: &str,
        at: Timestamp,
    ) -> Result<Self, NoteError> {
        if !names_a_key(name) {
            return Err(NoteError::Name);
        }
        let time = at.as_millis() / 1000;
        let id = line::key_id(name, line::COSIGNATURE, &key.public_key());
        let signature = key.sign_now(self.cosigned_text(time).as_bytes());
        let signature = [&time.to_be_bytes(), signature.as_bytes().as_slice()].concat();
        self.signatures.retain(|line| !line.is_by(name, id));
        self.signatures.push(Line { name: name.to_owned(), id, signature });
        if self.signatures.len() > SIGNATURES_MAX || self.to_string().len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge);
        }
        Ok(self)
    }

    /// When `key`, as `name`, cosigned this checkpoint: the latest time, if it did so repeatedly.
    pub fn cosigned(&self, name: &str, key: &PublicKey) -> Result<Timestamp, NoteError> {
        let id = line::key_id(name, line::COSIGNATURE, key);
        let mut latest = Err(NoteError::Unsigned);
        for line in self.signatures.iter().filter(|line| line.is_by(name, id)) {
            let (time, signature) =
                line.signature.split_first_chunk().ok_or(NoteError::BadSignature)?;
            let time = u64::from_be_bytes(*time);
            let signature = signature.try_into().map_err(|_| NoteError::BadSignature)?;
            key.verify(self.cosigned_text(time).as_bytes(), &Signature::from_bytes(signature))
                .map_err(|_| NoteError::BadSignature)?;
            let millis = time.checked_mul(1000).filter(|at| *at <= Timestamp::MAX.as_millis());
            let at = Timestamp::from_millis(millis.ok_or(NoteError::BadSignature)?);
            latest = latest.map(|before: Timestamp| before.max(at)).or(Ok(at));
        }
        latest
    }

    /// What a cosigner signs at `time`, in seconds since the epoch.
    fn cosigned_text(&self, time: u64) -> String {
        format!("cosignature/v1\ntime {time}\n{}", self.checkpoint.body())
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint.body())?;
        self.signatures.iter().try_for_each(|line| line.fmt(f))
    }
}

impl FromStr for SignedCheckpoint {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let (body, signatures) = split(text)?;
        let checkpoint = Checkpoint::read(body).ok_or(NoteError::NotACheckpoint)?;
        Ok(Self { checkpoint, signatures })
    }
}

impl Serialize for SignedCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SignedCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Why a note says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// It is longer than 64 KiB, or has more than 16 signatures.
    #[error("the note is larger than 64 KiB or has more than 16 signatures")]
    TooLarge,
    /// It is not a text, an empty line and signature lines, in their one form.
    #[error("not a signed note")]
    NotANote,
    /// The text is not an origin, a size and a root.
    #[error("the note is not a checkpoint without extensions")]
    NotACheckpoint,
    /// A name is empty, or has a space, a plus sign or a control character.
    #[error("not a name for a key")]
    Name,
    /// A text is not `<name>+<key id>+<key>` of an Ed25519 key.
    #[error("not a verifier key")]
    NotAVerifierKey,
    /// That key did not sign.
    #[error("the note has no signature by that key")]
    Unsigned,
    /// A signature line says it is that key's, and is not.
    #[error("a signature of the note does not verify")]
    BadSignature,
}

/// What the origin of a ledger of ours begins with.
const ORIGIN: &str = "clawnet/";
/// How long a note may be.
const NOTE_BYTES_MAX: usize = 64 << 10;
/// How many signatures a note may have: what every verifier must accept at least.
const SIGNATURES_MAX: usize = 16;
