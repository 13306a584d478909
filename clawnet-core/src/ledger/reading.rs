//! Reading a ledger back from its first record on, checked: what verifying and exporting share.
use super::{Ledger, Progress};
use crate::{
    key::PublicKey,
    store::{Frame, Head, StoreError},
    verify::{Damage, Verification, Verifier},
};

/// The records there were when this began, each as it was written. Appends may go on meanwhile.
pub(crate) struct Reading<'l> {
    ledger: &'l Ledger,
    verifier: Verifier,
    founder: PublicKey,
    end: Head,
}

/// Why a ledger was not read to its end.
pub(crate) enum Unread {
    /// It is not what was written. Nothing is written to it any more.
    Damage(Damage),
    /// The store cannot be read.
    Store(StoreError),
}

impl<'l> Reading<'l> {
    pub(crate) fn of(ledger: &'l Ledger) -> Self {
        let (end, founder) = {
            let inner = ledger.peek();
            (inner.head, inner.state.founder)
        };
        Self { ledger, verifier: Verifier::new(founder), founder, end }
    }

    /// The key the ledger began with.
    pub(crate) fn founder(&self) -> PublicKey {
        self.founder
    }

    /// The next records, at least one, or none behind the last. A break ends all writing: the
    /// ledger is failed from then on.
    pub(crate) async fn next(&mut self, size_bytes_max: usize) -> Result<Vec<Frame>, Unread> {
        let checked = self.read_on(size_bytes_max).await;
        if let Err(Unread::Damage(Damage { sequence, what })) = &checked {
            let position = format!("record {sequence}");
            self.ledger.fail(StoreError::Damaged { position, what: what.clone() });
        }
        checked
    }

    async fn read_on(&mut self, size_bytes_max: usize) -> Result<Vec<Frame>, Unread> {
        let done = self.verifier.head();
        // A ledger that failed may be broken behind what was opened of it.
        let failed = self.ledger.failure().is_some();
        if done.sequence >= self.end.sequence && !failed {
            return Ok(Vec::new());
        }
        let next = done.sequence.saturating_add(1);
        let broken = |what| Unread::Damage(Damage { sequence: next, what });
        let mut frames = match self.ledger.store.read(self.ledger.owner, next, size_bytes_max).await
        {
            Ok(frames) => frames,
            Err(StoreError::Damaged { position, what }) => {
                return Err(broken(format!("{what} (at {position})")));
            }
            Err(error) => return Err(Unread::Store(error)),
        };
        if !failed {
            frames.retain(|frame| frame.sequence <= self.end.sequence);
        }
        if frames.is_empty() && done.sequence < self.end.sequence {
            return Err(broken("it and everything after it is gone".into()));
        }
        for frame in &frames {
            self.verifier.check(frame).map_err(Unread::Damage)?;
            if frame.sequence == self.end.sequence && frame.hash != self.end.hash {
                let what = "the last record is not the one this kernel wrote".into();
                return Err(Unread::Damage(Damage { sequence: frame.sequence, what }));
            }
        }
        Ok(frames)
    }

    pub(crate) fn progress(&self) -> Progress {
        let records = self.verifier.head().sequence;
        Progress { records, of: self.end.sequence.max(records) }
    }

    /// What was found so far.
    pub(crate) fn found(&self) -> Verification {
        self.verifier.found()
    }

    /// The last record that was read.
    pub(crate) fn head(&self) -> Head {
        self.verifier.head()
    }
}
