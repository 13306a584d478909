//! The tree over a ledger: what lets an outsider check one record, or that nothing was rewritten,
//! with a few hashes instead of the whole ledger.
//!
//! RFC 6962 and RFC 9162 with SHA-256: a leaf is hashed behind a byte 0, a node behind a byte 1, so
//! that neither is ever taken for the other, and a tree of `n` leaves splits at the largest power of
//! two smaller than `n`. Leaf `i`, from 0, is record `i + 1`; its data is the record's sequence
//! (little-endian, 8 bytes) and its chain hash (32 bytes).
//!
//! **Promises** that two ledgers that differ in a record, or in the order or number of them, have
//! different roots. *Assumes* SHA-256 and, for the records' contents, BLAKE3.
use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::block_api::compress256;

use crate::digest::{Digest, NotHex, hex, unhex};

mod span;
mod frontier;
mod proof;
#[cfg(test)]
mod tests;

pub(crate) use frontier::Frontier;
pub use proof::{ConsistencyProof, InclusionProof, NotProven};
pub(crate) use proof::{consistency, consistency_needs, inclusion, inclusion_needs};
pub(crate) use span::NodeAt;

/// A node of the tree: 32 bytes of SHA-256. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeHash([u8; 32]);

impl TreeHash {
    /// The root of the tree without leaves: SHA-256 of nothing.
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
        0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
        0xb8, 0x55,
    ]);

    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The leaf of the record at `sequence`, whose place in the chain is `chain`.
    #[must_use]
    pub fn leaf(sequence: u64, chain: Digest) -> Self {
        // One block: the prefix, 40 bytes of data, the padding of FIPS 180-4.
        let mut block = [0; 64];
        block[0] = LEAF;
        block[1..9].copy_from_slice(&sequence.to_le_bytes());
        block[9..41].copy_from_slice(chain.as_bytes());
        block[41] = END;
        block[56..].copy_from_slice(&(41_u64 * 8).to_be_bytes());
        Self::compress(&[block])
    }

    /// The node above `left` and `right`.
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        // 65 bytes: a whole block, and one with the last byte and the padding.
        let [most @ .., last] = &right.0;
        let mut first = [0; 64];
        first[0] = NODE;
        first[1..33].copy_from_slice(&left.0);
        first[33..].copy_from_slice(most);
        let mut second = [0; 64];
        second[0] = *last;
        second[1] = END;
        second[56..].copy_from_slice(&(65_u64 * 8).to_be_bytes());
        Self::compress(&[first, second])
    }

    fn compress(blocks: &[Block]) -> Self {
        let mut state = INITIAL;
        compress256(&mut state, blocks);
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_exact_mut(4).zip(state) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        Self(bytes)
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&self.0, &mut [0; 64]))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for TreeHash {
    type Err = NotHex;

    fn from_str(text: &str) -> Result<Self, NotHex> {
        let mut bytes = [0; 32];
        unhex(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl Serialize for TreeHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hex(&self.0, &mut [0; 64]))
    }
}

impl<'de> Deserialize<'de> for TreeHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

type Block = [u8; 64];

/// What a leaf is hashed behind.
const LEAF: u8 = 0;
/// What a node is hashed behind.
const NODE: u8 = 1;
/// What follows a message before its padding.
const END: u8 = 0x80;
/// The state SHA-256 begins with (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];
