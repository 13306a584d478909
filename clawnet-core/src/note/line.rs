//! A note's text and its signature lines, and what names the key of one (C2SP `signed-note`).
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{NOTE_BYTES_MAX, NoteError, SIGNATURES_MAX};
use crate::{base64, key::PublicKey};

/// The type of an Ed25519 signature over the note's text.
pub(super) const ED25519: u8 = 1;
/// The type of a timestamped Ed25519 cosignature (C2SP `tlog-cosignature`).
pub(super) const COSIGNATURE: u8 = 4;

/// A signature line, its newline included: a key's name and short identifier, and bytes that mean
/// something to who knows that key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

impl Line {
    /// Whether it says it is by the key so named. Name and identifier together tell the key.
    pub(super) fn is_by(&self, name: &str, id: [u8; 4]) -> bool {
        self.name == name && self.id == id
    }

    fn read(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = base64::decode(encoded)?;
        let (id, signature) = bytes.split_first_chunk()?;
        let read = Self { name: name.to_owned(), id: *id, signature: signature.to_vec() };
        (names_a_key(name) && !signature.is_empty()).then_some(read)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.id, self.signature.as_slice()].concat();
        writeln!(f, "{DASH}{} {}", self.name, base64::encode(&bytes))
    }
}

/// What tells keys of one name apart: `SHA-256(name, newline, type, key)`, the first four bytes.
pub(super) fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', kind]);
    hasher.update(key.as_bytes());
    let digest: [u8; 32] = hasher.finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// Whether `name` can stand in a signature line and in a verifier key.
pub(super) fn names_a_key(name: &str) -> bool {
    let barred = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    !name.is_empty() && !name.contains(barred)
}

/// A note's text, its last newline included, and its signature lines: those after the last empty
/// line.
pub(super) fn split(note: &str) -> Result<(&str, Vec<Line>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLarge);
    }
    if note.contains(|c: char| c < ' ' && c != '\n') {
        return Err(NoteError::NotANote);
    }
    let gap = note.rfind("\n\n").ok_or(NoteError::NotANote)?;
    let (text, rest) = note.split_at(gap + 1);
    let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let lines = lines.ok_or(NoteError::NotANote)?.split('\n');
    if lines.clone().nth(SIGNATURES_MAX).is_some() {
        return Err(NoteError::TooLarge);
    }
    let lines: Option<Vec<Line>> = lines.map(Line::read).collect();
    Ok((text, lines.ok_or(NoteError::NotANote)?))
}

/// What a signature line begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";
