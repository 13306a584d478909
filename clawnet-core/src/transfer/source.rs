//! Reading bytes that somebody else wrote, and never more at once than there are.
use std::{
    io::{self, BufRead, BufReader, Read},
    sync::Arc,
};

use super::{Flaw, ImportError};
use crate::{
    base64,
    digest::{Digest, unhex},
};

/// Bytes from outside, in order.
pub(super) struct Source<R> {
    bytes: BufReader<R>,
}

/// Why the next bytes are not what they have to be.
pub(super) enum Wrong {
    Io(io::Error),
    Flaw(Flaw),
}

impl From<Flaw> for Wrong {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl Wrong {
    /// The same, of an entry.
    pub(super) fn at(self, entry: u64, record: u64) -> ImportError {
        match self {
            Self::Io(error) => ImportError::Source(Arc::new(error)),
            Self::Flaw(flaw) => ImportError::Entry { entry, record, flaw },
        }
    }
}

impl<R: Read> Source<R> {
    pub(super) fn new(source: R) -> Self {
        Self { bytes: BufReader::with_capacity(PIECE_BYTES, source) }
    }

    /// As many bytes as `N`.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let mut bytes = [0; N];
        match self.bytes.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Flaw::CutOff.into()),
            Err(error) => Err(Wrong::Io(error)),
        }
    }

    /// The next `count` bytes: memory is taken as they come, not as they are announced.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::with_capacity(count.min(PIECE_BYTES));
        let taken = self.bytes.by_ref().take(count as u64).read_to_end(&mut bytes);
        taken.map_err(Wrong::Io)?;
        if bytes.len() == count { Ok(bytes) } else { Err(Flaw::CutOff.into()) }
    }

    /// What is before the next `end`, which is consumed: at most `count_max` bytes.
    pub(super) fn until(&mut self, end: u8, count_max: usize) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        let room = (count_max as u64).saturating_add(1);
        self.bytes.by_ref().take(room).read_until(end, &mut bytes).map_err(Wrong::Io)?;
        if bytes.pop_if(|last| *last == end).is_some() {
            return Ok(bytes);
        }
        let full = bytes.len() > count_max;
        Err(if full { Flaw::TooLarge } else { Flaw::CutOff }.into())
    }

    /// The next bytes, which have to be these.
    pub(super) fn must_be(&mut self, text: &[u8]) -> Result<(), Wrong> {
        if self.take(text.len())? == text { Ok(()) } else { Err(Flaw::Malformed.into()) }
    }

    /// A digest in hexadecimal.
    pub(super) fn digest(&mut self) -> Result<Digest, Wrong> {
        digest_of(&self.array::<64>()?)
    }

    /// What base64 up to the next quote says, the quote included: at most `count_max` bytes.
    pub(super) fn base64(&mut self, count_max: usize) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        let mut rest = (count_max as u64).div_ceil(3).saturating_mul(4).saturating_add(1);
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let room = rest.min(PIECE_BYTES as u64);
            let read = self.bytes.by_ref().take(room).read_until(b'"', &mut piece);
            rest = rest.saturating_sub(read.map_err(Wrong::Io)? as u64);
            let last = piece.pop_if(|last| *last == b'"').is_some();
            if !last && (piece.len() as u64) < room {
                return Err(Flaw::CutOff.into());
            }
            if !last && rest == 0 {
                return Err(Flaw::TooLarge.into());
            }
            // Only the last piece may be padded, and only it is not full.
            let padded = !last && piece.ends_with(b"=");
            let text = std::str::from_utf8(&piece).ok().filter(|_| !padded);
            bytes.extend(text.and_then(base64::decode).ok_or(Flaw::Malformed)?);
            if bytes.len() > count_max {
                return Err(Flaw::TooLarge.into());
            }
            if last {
                return Ok(bytes);
            }
        }
    }

    /// Whether nothing is left.
    pub(super) fn is_over(&mut self) -> Result<bool, Wrong> {
        let mut one = Vec::with_capacity(1);
        self.bytes.by_ref().take(1).read_to_end(&mut one).map_err(Wrong::Io)?;
        Ok(one.is_empty())
    }
}

/// The digest of 64 hexadecimal digits.
pub(super) fn digest_of(digits: &[u8]) -> Result<Digest, Wrong> {
    let mut bytes = [0; 32];
    let text = std::str::from_utf8(digits).map_err(|_| Flaw::Malformed)?;
    unhex(text, &mut bytes).map_err(|_| Flaw::Malformed)?;
    Ok(Digest::from_bytes(bytes))
}

/// How much is read at once: whole groups of base64.
const PIECE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_has_one_form_in_whichever_pieces_it_is_read() {
        let read = |text: String| Source::new(text.as_bytes()).base64(1 << 20).ok();
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(200_000).collect();
        assert!(read(base64::encode(&bytes) + "\"").as_ref() == Some(&bytes));
        // Whole groups, and one that is padded where a piece ends.
        let (front, back) = bytes.split_at(PIECE_BYTES / 4 * 3 - 1);
        assert!(read(base64::encode(front) + &base64::encode(back) + "\"").is_none());
        assert!(read(base64::encode(&bytes)).is_none());
        let largest = base64::encode(&vec![7; (1 << 20) + 1]) + "\"";
        assert!(read(largest).is_none());
    }
}
