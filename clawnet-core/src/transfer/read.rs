//! Reading entries, in either form. What is read here is as an export has it, and not yet verified.
use std::io::Read;

use super::{
    BODY, BODY_BYTES_MAX, END, FORMAT, Flaw, Form, ImportError, MAGIC, RECORD, first_line,
    source::{Source, Wrong, digest_of},
};
use crate::{
    digest::Digest,
    key::PublicKey,
    store::{Frame, Head},
};

/// One entry behind the header.
pub(super) enum Entry {
    Record(Frame),
    Body(Digest, Vec<u8>),
    End(Head),
}

/// An export's entries, in order.
pub(super) struct Reader<R> {
    source: Source<R>,
    form: Form,
    /// How many entries were begun, the header included.
    entry: u64,
}

impl<R: Read> Reader<R> {
    /// Reads the header, which has to be that of `founder`'s ledger.
    pub(super) fn open(source: R, founder: PublicKey) -> Result<Self, ImportError> {
        let mut source = Source::new(source);
        let opened = open(&mut source, founder);
        let form = opened.map_err(|refused| match refused {
            Unopened::Wrong(Wrong::Flaw(_)) => ImportError::NotAnExport,
            Unopened::Wrong(wrong) => wrong.at(1, 0),
            Unopened::Refused(error) => error,
        })?;
        Ok(Self { source, form, entry: 1 })
    }

    /// The next entry, which stands behind record `record`.
    pub(super) fn next(&mut self, record: u64) -> Result<Entry, ImportError> {
        self.entry = self.entry.saturating_add(1);
        let read = match self.form {
            Form::JsonLines => line(&mut self.source),
            Form::Native => entry(&mut self.source),
        };
        read.map_err(|wrong| wrong.at(self.entry, record))
    }

    /// Refuses whatever is left.
    pub(super) fn finish(&mut self, record: u64) -> Result<(), ImportError> {
        let over = self.source.is_over();
        let over = over.and_then(|over| over.then_some(()).ok_or(Flaw::BehindTheEnd.into()));
        over.map_err(|wrong| wrong.at(self.entry.saturating_add(1), record))
    }

    /// This entry is wrong.
    pub(super) fn wrong(&self, record: u64, flaw: Flaw) -> ImportError {
        ImportError::Entry { entry: self.entry, record, flaw }
    }
}

enum Unopened {
    Wrong(Wrong),
    Refused(ImportError),
}

impl From<Wrong> for Unopened {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

fn open<R: Read>(source: &mut Source<R>, founder: PublicKey) -> Result<Form, Unopened> {
    let (form, format, key) = match &source.array::<8>()? {
        MAGIC => {
            let format = u32::from_le_bytes(source.array()?);
            (Form::Native, format, PublicKey::from_bytes(source.array()?))
        }
        br#"{"export"# => {
            let line = source.until(b'\n', HEADER_BYTES_MAX)?;
            let (format, key) = header(&line).ok_or(Wrong::Flaw(Flaw::Malformed))?;
            (Form::JsonLines, format, key)
        }
        _ => return Err(Unopened::Refused(ImportError::NotAnExport)),
    };
    match (format, key) {
        (FORMAT, key) if key == founder => Ok(form),
        (FORMAT, key) => Err(Unopened::Refused(ImportError::Foreign(key))),
        (format, _) => Err(Unopened::Refused(ImportError::Format(format))),
    }
}

/// The version and the key that the first line of an export in JSON Lines names, from its ninth
/// byte on and without its newline.
fn header(rest: &[u8]) -> Option<(u32, PublicKey)> {
    let rest = std::str::from_utf8(rest).ok()?;
    let (format, about) = rest.strip_prefix(r#"":{"format":"#)?.split_once(',')?;
    let format = format.parse().ok()?;
    let key = digest_of(about.strip_prefix(r#""key":""#)?.as_bytes().get(..64)?).ok()?;
    let key = PublicKey::from_bytes(*key.as_bytes());
    // INVARIANT: one form, of the version that is known.
    let same = format != FORMAT || first_line(key) == format!("{{\"export{rest}\n");
    same.then_some((format, key))
}

/// A line of JSON Lines.
fn line<R: Read>(source: &mut Source<R>) -> Result<Entry, Wrong> {
    match &source.array::<9>()? {
        br#"{"hash":""# => {
            let hash = source.digest()?;
            source.must_be(br#"","record":"#)?;
            let mut rest = source.until(b'\n', Frame::SIZE_BYTES_MAX + TAIL_BYTES_MAX)?;
            let (length, sequence) = tail(&rest).ok_or(Flaw::Malformed)?;
            if length > Frame::SIZE_BYTES_MAX {
                return Err(Flaw::TooLarge.into());
            }
            rest.truncate(length);
            Ok(Entry::Record(Frame::new(sequence, hash, rest.into())))
        }
        br#"{"body":{"# => {
            source.must_be(br#""content":""#)?;
            let content = source.base64(BODY_BYTES_MAX)?;
            source.must_be(br#","digest":""#)?;
            let digest = source.digest()?;
            source.must_be(b"\"}}\n")?;
            Ok(Entry::Body(digest, content))
        }
        br#"{"end":{""# => {
            source.must_be(br#"hash":""#)?;
            let hash = source.digest()?;
            source.must_be(br#"","sequence":"#)?;
            let sequence = number(&source.until(b'}', TAIL_BYTES_MAX)?).ok_or(Flaw::Malformed)?;
            source.must_be(b"}\n")?;
            Ok(Entry::End(Head { sequence, hash }))
        }
        _ => Err(Flaw::Malformed.into()),
    }
}

/// How long the payload is in front of `,"sequence":7}`, and the number there. A number has no
/// such text inside, so there is one way to read it.
fn tail(rest: &[u8]) -> Option<(usize, u64)> {
    let digits = rest.strip_suffix(b"}")?.rsplit(|byte| *byte == b':').next()?;
    let sequence = number(digits)?;
    let tail = format!(",\"sequence\":{sequence}}}");
    Some((rest.strip_suffix(tail.as_bytes())?.len(), sequence))
}

/// A number in its one form.
fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// An entry of the native form.
fn entry<R: Read>(source: &mut Source<R>) -> Result<Entry, Wrong> {
    match source.array()? {
        [RECORD] => {
            let length = length(source, Frame::SIZE_BYTES_MAX)?;
            let sequence = u64::from_le_bytes(source.array()?);
            let hash = Digest::from_bytes(source.array()?);
            Ok(Entry::Record(Frame::new(sequence, hash, source.take(length)?.into())))
        }
        [BODY] => {
            let length = length(source, BODY_BYTES_MAX)?;
            let digest = Digest::from_bytes(source.array()?);
            Ok(Entry::Body(digest, source.take(length)?))
        }
        [END] => {
            let sequence = u64::from_le_bytes(source.array()?);
            let hash = Digest::from_bytes(source.array()?);
            Ok(Entry::End(Head { sequence, hash }))
        }
        _ => Err(Flaw::Malformed.into()),
    }
}

fn length<R: Read>(source: &mut Source<R>, size_bytes_max: usize) -> Result<usize, Wrong> {
    let length = usize::try_from(u32::from_le_bytes(source.array()?)).ok();
    Ok(length.filter(|length| *length <= size_bytes_max).ok_or(Flaw::TooLarge)?)
}

/// How long what stands behind a payload may be.
const TAIL_BYTES_MAX: usize = 40;
/// How long the rest of the first line may be.
const HEADER_BYTES_MAX: usize = 256;
