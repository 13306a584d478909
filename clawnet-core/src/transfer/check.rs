//! Verifying an export entry by entry, with the founding key and nothing else.
use std::{collections::BTreeSet, io::Read};

use super::{
    Flaw, ImportError, Transferred,
    read::{Entry, Reader},
    record_of,
};
use crate::{
    digest::Digest,
    key::PublicKey,
    store::{Frame, Head},
    verify::Verifier,
};

/// An export being read, of which everything that was handed out is verified.
pub(super) struct Checked<R> {
    reader: Reader<R>,
    verifier: Verifier,
    last: Option<Frame>,
    /// The body that the last record names.
    named: Option<Digest>,
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
        Ok(Self { reader, verifier, last: None, named: None, bodies: BTreeSet::new() })
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
                self.named = record_of(&frame)?.event.body();
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
        if self.named != Some(digest) {
            return Err(Flaw::Unnamed);
        }
        if Digest::of_content(content) != digest {
            return Err(Flaw::NotItsDigest);
        }
        if self.bodies.insert(digest) { Ok(()) } else { Err(Flaw::Twice) }
    }
}
