//! What names a session, at both of its kernels.
use std::{borrow::Cow, fmt, str::FromStr};

use clawnet_core::{Digest, Head, OwnerId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A session between two owners. Written `ses_…`.
///
/// **Promises** to be the initiator's alone: it is derived from the end of their ledger when the
/// terms were drafted, so nobody makes the same one twice. It says nothing about who may speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The session drafted behind `head` of `initiator`'s ledger, with `responder`.
    #[must_use]
    pub fn drafted(initiator: OwnerId, head: Head, responder: OwnerId) -> Self {
        let mut bytes = b"clawnet session v1\n".to_vec();
        bytes.extend(initiator.as_bytes());
        bytes.extend(head.sequence.to_le_bytes());
        bytes.extend(head.hash.as_bytes());
        bytes.extend(responder.as_bytes());
        let mut front = [0; 16];
        for (to, from) in front.iter_mut().zip(Digest::of_content(&bytes).as_bytes()) {
            *to = *from;
        }
        Self(front)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SessionId {
    fn text<'a>(&self, out: &'a mut [u8; 36]) -> &'a str {
        let digit = |nibble| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
        let (prefix, digits) = out.split_at_mut(4);
        prefix.copy_from_slice(b"ses_");
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        std::str::from_utf8(out).unwrap_or_default()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; 36]))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for SessionId {
    type Err = NotASession;

    fn from_str(text: &str) -> Result<Self, NotASession> {
        let digits = text.strip_prefix("ses_").filter(|digits| digits.len() == 32);
        let mut digits = digits.ok_or(NotASession)?.bytes();
        let mut nibble = || match digits.next() {
            Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
            Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
            Some(_) | None => Err(NotASession),
        };
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = nibble()? << 4 | nibble()?;
        }
        Ok(Self(bytes))
    }
}

/// A text names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session of the form `ses_…`")]
pub struct NotASession;

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text(&mut [0; 36]))
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_spelling() {
        let text = format!("ses_{}", "0a".repeat(16));
        let check =
            |text: &str, good| assert_eq!(text.parse::<SessionId>().is_ok(), good, "{text}");
        check(&text, true);
        check(&text.to_uppercase(), false);
        check(&format!("{text}0"), false);
        check(&text.replace("ses", "own"), false);
        assert_eq!(text.parse::<SessionId>().unwrap().to_string(), text);
    }
}
