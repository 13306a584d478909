//! Stage two of the path: layer 1.
use crate::{
    bound::Bound,
    denial::Denial,
    house::{self, HouseQuestion},
    operation::{Operation, Request},
    rule::Verdict,
    scope::Judgement,
    time::Timestamp,
};

/// Proof that scope and house policy let one operation pass, or let the owner be asked.
///
/// **Promises** that every demand was judged. **Refuses** to be kept: it borrows the operation, and
/// the entry judges again, under the lock, at the record's own time.
#[must_use]
#[derive(Debug)]
pub(crate) struct Permit<'a, O> {
    bound: Bound<'a>,
    request: &'a Request<'a, O>,
    verdict: Verdict,
    judgement: Judgement,
    at: Timestamp,
}

impl<'a, O: Operation> Permit<'a, O> {
    /// Judges `request` under the scope of whoever is bound.
    pub(crate) fn judge(bound: Bound<'a>, request: &'a Request<'a, O>) -> Result<Self, Denial> {
        let ledger = &*bound.seat().ledger;
        let now = ledger.now();
        let judgement = bound.scope().judge(&request.demands, now);
        let mut verdict = judgement.verdict;
        if verdict == Verdict::Deny {
            return Err(bound.scope().denial(&judgement, &request.demands, now));
        }
        if !ledger.house.is_empty() {
            let asked = HouseQuestion {
                identity: bound.seat().caller().identity(),
                kind: O::KIND,
                operation: request.text(),
                demands: &request.demands,
                now,
                verdict,
            };
            verdict = house::restrict(&ledger.house, &asked, &ledger.clock)?;
        }
        Ok(Self { bound, request, verdict, judgement, at: now })
    }

    pub(crate) fn bound(&self) -> &Bound<'a> {
        &self.bound
    }

    pub(crate) fn request(&self) -> &'a Request<'a, O> {
        self.request
    }

    /// What scope and house policy together said: never [`Verdict::Deny`].
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The scope's word at a moment, and when it was first said.
    pub(crate) fn judged(&self) -> (Timestamp, &Judgement) {
        (self.at, &self.judgement)
    }

    /// The scope's word at another moment.
    pub(crate) fn judge_at(&self, now: Timestamp) -> Judgement {
        self.bound.scope().judge(&self.request.demands, now)
    }
}
