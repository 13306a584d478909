//! Digests: BLAKE3 in `derive_key` mode, one domain per meaning, every part length-prefixed.
//!
//! **Promises** that two values of different meaning never share a digest, and that no two lists
//! of parts do: `["ab", "c"]` and `["a", "bc"]` differ.
use std::{fmt, str::FromStr, sync::LazyLock};

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// 32 bytes of BLAKE3. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest before anything was written: the parent of a chain's first record.
    pub const ZERO: Self = Self([0; 32]);

    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of one piece of content, as operations and bodies name it: plain BLAKE3, so that
    /// `b3sum` on the same bytes prints the same digits.
    #[must_use]
    pub fn of_content(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 64];
        f.write_str(hex(&self.0, &mut text))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let mut bytes = [0; 32];
        unhex(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 64];
        serializer.serialize_str(hex(&self.0, &mut text))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A text is not the expected number of lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not lower-case hexadecimal of the right length")]
pub struct NotHex;

/// One meaning of a digest. Its context text is part of the format and never changes.
pub(crate) struct Domain(LazyLock<ContextKey>);

/// A record's place in the chain.
pub(crate) static CHAIN: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 ledger chain v1")));
/// An operation, as an approval names it.
pub(crate) static OPERATION: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 operation v1")));
/// An identifier derived from where in a ledger its bearer was made.
pub(crate) static IDENTIFIER: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 identifier v1")));
/// The state a ledger folds to.
pub(crate) static STATE: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 state v1")));

/// A text that records are looked up by, in an index that is rebuilt when it is lost.
pub(crate) static TERM: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 index term v1")));

/// What a kernel tells a node.
pub(crate) static DIRECTIVE: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 directive v1")));
/// What a node says came of it.
pub(crate) static RECEIPT: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 receipt v1")));
/// What a node answers with.
pub(crate) static ANSWER: Domain =
    Domain(LazyLock::new(|| hash_derive_key_context("clawnet 2026 answer v1")));

impl Domain {
    /// Hashes fields of fixed size, which say how long the payload is, and the payload.
    pub(crate) fn digest_whole(&self, fields: &[u8; 64], payload: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_from_context_key(&self.0);
        hasher.update(fields);
        hasher.update(payload);
        Digest(*hasher.finalize().as_bytes())
    }

    /// Hashes `parts`, each behind its length.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut hasher = blake3::Hasher::new_from_context_key(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

/// Writes `bytes` as lower-case hexadecimal into the front of `out`.
pub(crate) fn hex<'a>(bytes: &[u8], out: &'a mut [u8]) -> &'a str {
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(WRITTEN.get(usize::from(*byte)).unwrap_or(&[b'0'; 2]));
    }
    let length = (bytes.len() * 2).min(out.len());
    out.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
}

/// Reads exactly as many bytes as `out` holds.
pub(crate) fn unhex(text: &str, out: &mut [u8]) -> Result<(), NotHex> {
    let digits = text.as_bytes();
    if digits.len() != out.len() * 2 {
        return Err(NotHex);
    }
    let value = |digit: &u8| READ.get(usize::from(*digit)).copied().unwrap_or(NO_DIGIT);
    let mut seen = 0;
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return Err(NotHex) };
        let (high, low) = (value(high), value(low));
        seen |= high | low;
        *byte = (high << 4) | low;
    }
    if seen < NO_DIGIT { Ok(()) } else { Err(NotHex) }
}

/// What stands in [`READ`] for whatever is no digit.
const NO_DIGIT: u8 = 16;
const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// The two digits of each byte.
#[expect(clippy::indexing_slicing, reason = "a constant that panics does not compile")]
static WRITTEN: [[u8; 2]; 256] = {
    let (mut written, mut byte) = ([[0; 2]; 256], 0);
    while byte < 256 {
        written[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    written
};

/// The value of each digit.
#[expect(clippy::indexing_slicing, reason = "a constant that panics does not compile")]
static READ: [u8; 256] = {
    let (mut read, mut value) = ([NO_DIGIT; 256], 0);
    while value < NO_DIGIT {
        read[DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    read
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_separate_parts_and_domains_separate_meanings() {
        assert_ne!(CHAIN.digest(&[b"ab", b"c"]), CHAIN.digest(&[b"a", b"bc"]));
        assert_ne!(CHAIN.digest(&[b"a"]), OPERATION.digest(&[b"a"]));
    }

    #[test]
    fn text_round_trips_and_nothing_else_is_accepted() {
        let digest = Digest::of_content(b"x");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "00", &digest.to_string().to_uppercase(), &format!("{digest}0")] {
            assert_eq!(bad.parse::<Digest>(), Err(NotHex), "{bad}");
        }
    }
}
