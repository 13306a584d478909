//! A frame as it lies in a segment: 76 bytes of head, then the payload.
use super::{checksum::checksum, segment::Position};
use crate::{digest::Digest, id::OwnerId, store::Frame};

/// A frame's head, not yet verified: only [`Head::payload`] does that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) owner: OwnerId,
    pub(super) sequence: u64,
    /// Where the log's frame before this one is.
    pub(super) previous: Position,
    pub(super) hash: Digest,
    checksum: u64,
    size_bytes: usize,
}

impl Head {
    /// How long it is.
    pub(super) const SIZE_BYTES: usize = 76;

    /// Reads a head, if the bytes are long enough and it is not absurd.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (checksum, rest) = rest.split_first_chunk()?;
        let (owner, rest) = rest.split_first_chunk()?;
        let (sequence, rest) = rest.split_first_chunk()?;
        let (previous, rest) = rest.split_first_chunk()?;
        let hash = rest.first_chunk()?;
        let payload = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        (payload <= Frame::SIZE_BYTES_MAX).then_some(Self {
            owner: OwnerId::from_bytes(*owner),
            sequence: u64::from_le_bytes(*sequence),
            previous: Position::from_u64(u64::from_le_bytes(*previous)),
            hash: Digest::from_bytes(*hash),
            checksum: u64::from_le_bytes(*checksum),
            size_bytes: Self::SIZE_BYTES + payload,
        })
    }

    /// How long head and payload are.
    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The payload in `entry`, which this head was read from, if not a bit of both has changed.
    pub(super) fn payload<'a>(&self, entry: &'a [u8]) -> Option<&'a [u8]> {
        let summed = entry.get(SUMMED_FROM..self.size_bytes)?;
        (checksum(summed) == self.checksum).then(|| entry.get(Self::SIZE_BYTES..self.size_bytes))?
    }
}

/// How long `frame` is in a segment.
pub(super) fn size_bytes(frame: &Frame) -> usize {
    Head::SIZE_BYTES.saturating_add(frame.payload.len())
}

/// Writes `frame` of `owner`, whose frame before it is at `previous`, behind `out`.
pub(super) fn write(out: &mut Vec<u8>, owner: OwnerId, previous: Position, frame: &Frame) {
    let start = out.len();
    let size = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&size.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(owner.as_bytes());
    out.extend_from_slice(&frame.sequence.to_le_bytes());
    out.extend_from_slice(&previous.to_u64().to_le_bytes());
    out.extend_from_slice(frame.hash.as_bytes());
    out.extend_from_slice(&frame.payload);
    let sum = checksum(out.get(start + SUMMED_FROM..).unwrap_or_default());
    if let Some(place) = out.get_mut(start + 4..start + SUMMED_FROM) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

/// What the checksum covers begins behind it; the length is in the sum as such.
const SUMMED_FROM: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_changed_bit_is_not() {
        let owner = OwnerId::from_bytes([7; 16]);
        let frame = Frame::new(5, Digest::of_content(b"h"), b"payload".as_slice().into());
        let previous = Position { segment: 1, offset: 32 };
        let mut bytes = Vec::new();
        write(&mut bytes, owner, previous, &frame);
        assert_eq!(bytes.len(), size_bytes(&frame));
        let head = Head::parse(&bytes).unwrap();
        assert_eq!((head.owner, head.sequence, head.previous), (owner, 5, previous));
        assert_eq!((head.hash, head.payload(&bytes)), (frame.hash, Some(&*frame.payload)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped.resize(bytes.len() + 256, 0);
            let found = Head::parse(&flipped).and_then(|head| Some(head.payload(&flipped)?.len()));
            assert_eq!(found, None, "bit {bit}");
        }
    }
}
