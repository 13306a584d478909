//! Where a frame goes and who claims to have sent it, read from its end without reading the rest.
//!
//! A canonical envelope ends with `,"from":"own_…","to":"…"}`: a bounded number of bytes, whatever
//! stands before them. So what is over a limit, or for nobody here, costs the same however large it
//! is. The kernel it goes to reads all of it, and finds the same or refuses it.
use clawnet_core::OwnerId;

use crate::wire::To;

/// What the end of a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Who claims to have sent it.
    pub(super) from: OwnerId,
    /// Where it goes; none if that is nothing that can be named.
    pub(super) to: Option<To>,
}

impl Header {
    /// The header of a frame; none if it has none.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let from_end = frame.len().saturating_sub(TAIL_BYTES_MAX);
        let tail = frame.get(from_end..)?.strip_suffix(b"\"}")?;
        let (before, to) = rsplit(tail, b",\"to\":\"")?;
        let (_, from) = rsplit(before.strip_suffix(b"\"")?, b",\"from\":\"")?;
        let from = text(from)?.parse().ok()?;
        Some(Self { from, to: text(to).and_then(|to| to.parse().ok()) })
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// What stands before and after the last `mark`.
fn rsplit<'b>(bytes: &'b [u8], mark: &[u8]) -> Option<(&'b [u8], &'b [u8])> {
    let at = bytes.windows(mark.len()).rposition(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(mark.len())?..)?))
}

/// How many bytes are looked at: enough for the longest address there is, and some more for names
/// that are none.
const TAIL_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use clawnet_core::Digest;

    use super::*;
    use crate::{
        reason::Reason,
        wire::{Envelope, Letter},
    };

    fn owner(nth: u8) -> OwnerId {
        OwnerId::of_key(&[nth; 32])
    }

    #[test]
    fn a_header_is_what_the_whole_envelope_says() {
        let identity = format!("idn_{}@{}", "1".repeat(24), owner(2)).parse().unwrap();
        for to in [To::Owner(owner(2)), To::Identity(identity)] {
            let body = Letter::Refused { of: Digest::ZERO, reason: Reason::Busy };
            let bytes = Envelope::new(owner(1), to, body).encode().unwrap();
            let header = Header { from: owner(1), to: Some(to) };
            assert_eq!(Header::of(&bytes), Some(header));
            for cut in 0..bytes.len() {
                assert_eq!(Header::of(&bytes[..cut]), None, "cut to {cut} bytes");
            }
        }
    }

    #[test]
    fn what_names_nothing_still_says_who_sent_it() {
        let check = |to: &str, expect: Option<To>| {
            let frame = format!(r#"{{"body":0,"from":"{}","to":"{to}"}}"#, owner(1));
            let found = Header::of(frame.as_bytes());
            assert_eq!(found, Some(Header { from: owner(1), to: expect }), "{to}");
        };
        check(&owner(2).to_string(), Some(To::Owner(owner(2))));
        check("manager", None);
        check(&format!("agt_{}@{}", "1".repeat(24), owner(2)), None);
        check(&format!("idn_{}", "1".repeat(24)), None);
        check("", None);
    }

    #[test]
    fn only_the_end_is_read() {
        let frame = |size: usize| {
            let body = "x".repeat(size);
            format!(r#"{{"body":"{body}","from":"{0}","to":"{0}"}}"#, owner(1)).into_bytes()
        };
        let header = Header::of(&frame(1));
        assert!(header.is_some());
        assert_eq!(Header::of(&frame(1 << 20)), header);
        assert_eq!(Header::of(b""), None);
        assert_eq!(Header::of(&vec![b'"'; 1 << 16]), None);
        let far = "x".repeat(TAIL_BYTES_MAX);
        let far = format!(r#"{{"body":0,"from":"{}","to":"{far}"}}"#, owner(1));
        assert_eq!(Header::of(far.as_bytes()), None);
    }
}
