//! `fs.read`: the content of one file, or a range of it.
use std::os::unix::fs::FileExt;

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation,
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::{handle, image, node::Node, path::FsPath, refusal::FsError};

/// Reads a file.
///
/// Without a limit it reads to the end, and **refuses** if that is more than
/// [`Read::SIZE_BYTES_MAX`]: a cut read must not look complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Read {
    /// Whether the digest of the whole file is wanted, to write with
    /// [`Write::if_content_is`](crate::Write::if_content_is).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// How many bytes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// From which byte on.
    #[serde(default)]
    pub offset: u64,
    /// Which file.
    pub path: FsPath,
}

impl Read {
    /// The most bytes one read gives: 100 MiB.
    pub const SIZE_BYTES_MAX: u64 = 100 << 20;

    /// All of a file.
    #[must_use]
    pub fn of(path: FsPath) -> Self {
        Self { digest: false, limit: None, offset: 0, path }
    }

    /// At most `limit` bytes from `offset` on.
    #[must_use]
    pub fn range(self, offset: u64, limit: u64) -> Self {
        Self { offset, limit: Some(limit), ..self }
    }

    /// And the digest of the whole file.
    #[must_use]
    pub fn with_digest(self) -> Self {
        Self { digest: true, ..self }
    }
}

impl Operation for Read {
    const KIND: &'static str = "fs.read";
    type Output = Portion;
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, self.path.resource())
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Portion {
    /// The bytes.
    pub content: Bytes,
    /// The digest of the whole file, if it was asked for.
    pub digest: Option<Digest>,
    /// Whether the file goes on behind them.
    pub has_more: bool,
    /// Where in the file they begin.
    pub offset: u64,
    /// How long the file is.
    pub size_bytes: u64,
}

/// Bytes that are text to whoever can read them as text. Serialised as `encoding`, `utf8` or
/// `base64`, and `text`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(Vec<u8>);

impl Bytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to keep.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }

    /// The text they are, if they are.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Bytes", 2)?;
        if let Some(text) = self.as_text() {
            fields.serialize_field("encoding", "utf8")?;
            fields.serialize_field("text", text)?;
        } else {
            fields.serialize_field("encoding", "base64")?;
            fields.serialize_field("text", &base64(&self.0))?;
        }
        fields.end()
    }
}

impl Endpoint<Read> for Node {
    fn admit(&self, operation: &Read, _: &Caller) -> Result<Admission, Denial> {
        within("a read", operation.limit.unwrap_or_default(), Read::SIZE_BYTES_MAX)?;
        if let Some(facts) = self.look(&operation.path)? {
            facts.gate()?;
        }
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Read>) -> Result<Portion, Fault> {
        let portion = read(self, task.operation())?;
        portion.digest.iter().for_each(|digest| task.attest(*digest));
        Ok(portion)
    }
}

fn read(node: &Node, operation: &Read) -> Result<Portion, FsError> {
    let Read { digest, limit, offset, ref path } = *operation;
    node.is_sound()?;
    within("a read", limit.unwrap_or_default(), Read::SIZE_BYTES_MAX)?;
    let folders = node.folders();
    let place = folders.locate(path)?;
    let (file, facts) = handle::content(place.root.handle(), &place.relative())?;
    let left = facts.size_bytes.saturating_sub(offset);
    let wanted = limit.map_or(left, |limit| limit.min(left));
    within("a read without a range", wanted, Read::SIZE_BYTES_MAX)?;
    let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(usize::MAX)];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    let digest = if digest {
        within("a file to take the digest of", facts.size_bytes, Read::SIZE_BYTES_MAX)?;
        let whole = offset == 0 && filled as u64 == facts.size_bytes;
        Some(if whole {
            Digest::of_content(&bytes)
        } else {
            image::digest(&file, facts.size_bytes)?
        })
    } else {
        None
    };
    let has_more = offset.saturating_add(filled as u64) < facts.size_bytes;
    Ok(Portion { content: Bytes(bytes), digest, has_more, offset, size_bytes: facts.size_bytes })
}

/// Refuses what is over a limit: nothing is clamped.
pub(crate) fn within(what: &'static str, size: u64, max: u64) -> Result<(), FsError> {
    if size > max { Err(FsError::LimitExceeded { what, max }) } else { Ok(()) }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | usize::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS.get(word >> (18 - 6 * place) & 63).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_or_base64() {
        let check = |bytes: &[u8], expect: &str| {
            assert_eq!(serde_json::to_string(&Bytes(bytes.to_vec())).unwrap(), expect);
        };
        check("grüße".as_bytes(), r#"{"encoding":"utf8","text":"grüße"}"#);
        check(&[0xff], r#"{"encoding":"base64","text":"/w=="}"#);
        check(&[0xff, 0xfe], r#"{"encoding":"base64","text":"//4="}"#);
        check(&[0xff, 0xfe, 0xfd], r#"{"encoding":"base64","text":"//79"}"#);
        check(&[0xff, 0, 0, 1], r#"{"encoding":"base64","text":"/wAAAQ=="}"#);
    }
}
