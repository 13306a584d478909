//! Verifying an export entry by entry, with the founding key and nothing else.
use std::{collections::BTreeSet, io::Read};

use super::{
    Flaw, ImportError, Transferred, is_line_of_json,
    read::{Entry, Reader},
};
use crate::{
    digest::Digest,
    key::PublicKey,
    record::AuditRecord,
    store::{Frame, Head},
    verify::{Damage, Verifier},
};

/// An export being read, of which everything that was handed out is verified.
pub(super) struct Checked<R> {
    reader: Reader<R>,
    verifier: Verifier,
    /// What a body would be named by.
    last: Option<Frame>,
    /// 32 bytes of each body that was there.
    bodies: BTreeSet<Digest>,
}

/// What an export holds.
pub(super) enum Item<'c> {
    Record(&'c Frame),
    Body(Vec<u8>),
}

impl<R: Read> Checked<R> {
    pub(super) fn open(source: R, founder: PublicKey) -> Result<Self, ImportError> {
        let reader = Reader::open(source, founder)?;
        let verifier = Verifier::new(founder);
        Ok(Self { reader, verifier, last: None, bodies: BTreeSet::new() })
    }

    /// The last record that was handed out.
    pub(super) fn head(&self) -> Head {
        self.verifier.head()
    }

    /// What all of it was, so far.
    pub(super) fn found(&self) -> Transferred {
        Transferred { found: self.verifier.found(), bodies: self.bodies.len() as u64 }
    }

    /// The next record or body; none if the export was whole.
    pub(super) fn next(&mut self) -> Result<Option<Item<'_>>, ImportError> {
        let head = self.head();
        match self.reader.next(head.sequence)? {
            Entry::Record(frame) => {
                self.verifier.check(&frame)?;
                if !is_line_of_json(&frame.payload) {
                    let what = "it is not one line of JSON".into();
                    return Err(Damage { sequence: frame.sequence, what }.into());
                }
                Ok(Some(Item::Record(self.last.insert(frame))))
            }
            Entry::Body(digest, content) => match self.check_body(digest, &content) {
                Ok(()) => Ok(Some(Item::Body(content))),
                Err(flaw) => Err(self.reader.wrong(head.sequence, flaw)),
            },
            Entry::End(end) if end == head && end != Head::EMPTY => {
                self.reader.finish(head.sequence).map(|()| None)
            }
            Entry::End(_) => Err(self.reader.wrong(head.sequence, Flaw::End)),
        }
    }

    fn check_body(&mut self, digest: Digest, content: &[u8]) -> Result<(), Flaw> {
        let record = self.last.as_ref().and_then(|frame| AuditRecord::from_frame(frame).ok());
        if record.and_then(|record| record.event.body()) != Some(digest) {
            return Err(Flaw::Unnamed);
        }
        if Digest::of_content(content) != digest {
            return Err(Flaw::NotItsDigest);
        }
        if self.bodies.insert(digest) { Ok(()) } else { Err(Flaw::Twice) }
    }
}
