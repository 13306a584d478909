//! A checksum for finding rot, not tampering: the chain above is for that.
//!
//! The bytes are taken as little-endian words of eight, the last filled up with zeros. Each step is
//! a bijection of the sum, so a change within one word is *always* found, and any other but for one
//! in 2^64. It costs a fifth of a hash of a record, which every record that is read must pay.

/// The checksum of `bytes`, which begins from their length.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let start = START ^ bytes.len() as u64;
    let sum = words.iter().chain([&last]).fold(start, |sum, word| {
        (sum.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    });
    sum ^ (sum >> 32)
}

const START: u64 = 0x243F_6A88_85A3_08D3;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes: Vec<u8> = (0..=99).collect();
        let sum = checksum(&bytes);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(checksum(&flipped), sum, "bit {bit}");
        }
        (0..bytes.len()).for_each(|length| assert_ne!(checksum(&bytes[..length]), sum));
        assert_ne!(checksum(&[0; 8]), checksum(&[0; 16]));
    }
}
