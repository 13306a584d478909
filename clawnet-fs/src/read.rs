//! `fs.read`: the content of one file, or a range of it.
use std::{fs::File, sync::Arc};

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation,
};
use rustix::{
    buffer::spare_capacity,
    io::{pread, retry_on_intr},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct,
};

use crate::{
    folders::{Folders, Place},
    handle,
    held::Held,
    image,
    node::Node,
    path::FsPath,
    refusal::{FsError, within},
};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    /// Reads text. Other bytes travel beside an answer, never in it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Text {
            encoding: String,
            text: String,
        }
        let Text { encoding, text } = Text::deserialize(deserializer)?;
        if encoding == "utf8" {
            return Ok(Self(text.into_bytes()));
        }
        Err(D::Error::custom("bytes that are no text do not stand in JSON here"))
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
    fn admit(&self, operation: &Read, caller: &Caller) -> Result<Admission, Denial> {
        within("a read", operation.limit.unwrap_or_default(), Read::SIZE_BYTES_MAX)?;
        Held::admit(self, (caller, &operation.path), open)
    }

    async fn perform(&self, task: Authorized<'_, Read>) -> Result<Portion, Fault> {
        let operation = task.operation();
        let read = |_: &Folders, opened: &Opened| {
            self.tell_of(task.caller(), &opened.label)?;
            portion(&opened.file, opened.size_bytes, operation)
        };
        let portion = Held::act((self, &task, &operation.path), open, read)?;
        portion.digest.iter().for_each(|digest| task.attest(*digest));
        Ok(portion)
    }
}

/// What is to be read, open.
#[derive(Debug)]
struct Opened {
    file: File,
    size_bytes: u64,
    /// Of the folder it is in.
    label: Arc<str>,
}

fn open(place: &Place<'_, '_>) -> Result<Opened, FsError> {
    let (file, size_bytes) = handle::sized_content(place.root.handle(), &place.relative())?;
    Ok(Opened { file, size_bytes, label: place.root.label().clone() })
}

/// What was asked for of a file that was `looked` bytes long when it was looked at. One that is no
/// longer so is looked at once more; what it does meanwhile is said, not waited for.
fn portion(file: &File, looked: u64, operation: &Read) -> Result<Portion, FsError> {
    let Read { digest, limit, offset, .. } = *operation;
    let (mut size_bytes, mut bytes) = (looked, Vec::new());
    for _ in 0..2 {
        let left = size_bytes.saturating_sub(offset);
        let wanted = limit.map_or(left, |limit| limit.min(left));
        within("a read without a range", wanted, Read::SIZE_BYTES_MAX)?;
        // Room for one byte more than there should be: a file that grew shows it by itself.
        let room = limit.unwrap_or(u64::MAX).min(wanted + 1);
        fill(file, offset, &mut bytes, room)?;
        if bytes.len() as u64 == wanted {
            break;
        }
        size_bytes = handle::content_size(file)?;
        bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    }
    let end = offset.saturating_add(bytes.len() as u64);
    let digest = if digest {
        within("a file to take the digest of", size_bytes, Read::SIZE_BYTES_MAX)?;
        let whole = offset == 0 && end == size_bytes;
        Some(if whole { Digest::of_content(&bytes) } else { image::digest(file, size_bytes)? })
    } else {
        None
    };
    Ok(Portion { content: Bytes(bytes), digest, has_more: end < size_bytes, offset, size_bytes })
}

/// Reads on behind what there is, up to `room` bytes altogether: one call, if the file is as long.
fn fill(file: &File, offset: u64, bytes: &mut Vec<u8>, room: u64) -> Result<(), FsError> {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    loop {
        let missing = room.saturating_sub(bytes.len());
        if missing == 0 {
            return Ok(());
        }
        bytes.reserve_exact(missing);
        let at = offset.saturating_add(bytes.len() as u64);
        let read = retry_on_intr(|| pread(file, spare_capacity(bytes), at))?;
        bytes.truncate(room);
        if read < missing {
            return Ok(());
        }
    }
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
