//! Stage two of the path: layer 1.
use crate::{
    bound::Bound,
    denial::Denial,
    house::{self, HouseQuestion},
    operation::{Demands, Operation, Request},
    rule::Verdict,
    scope::{Judgement, Moment},
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
        let now = bound.seat().ledger.now();
        let judgement = bound.scope().judge(&request.demands, now);
        if judgement.verdict == Verdict::Deny {
            return Err(bound.scope().denial(&judgement, &request.demands, now));
        }
        let mut permit = Self { bound, request, verdict: judgement.verdict, judgement, at: now };
        permit.verdict = permit.housed(&request.demands, now, permit.verdict)?;
        Ok(permit)
    }

    /// Whether what was permitted extends to something else, by scope and house policy as they
    /// stand now: they say of it at least what they said of the operation.
    pub(crate) fn extends_to(&self, demands: &Demands<'_>) -> Result<(), NotExtended> {
        let now = self.bound.seat().ledger.now();
        let paid = &self.judgement.rules;
        let verdict = self.bound.scope().judge_at(demands, Moment { now, paid }).verdict;
        if verdict < self.verdict {
            return Err(NotExtended);
        }
        match self.housed(demands, now, verdict) {
            Ok(verdict) if verdict >= self.verdict => Ok(()),
            Ok(_) | Err(_) => Err(NotExtended),
        }
    }

    /// What house policies leave of a verdict.
    fn housed(
        &self,
        demands: &Demands<'_>,
        now: Timestamp,
        verdict: Verdict,
    ) -> Result<Verdict, Denial> {
        let ledger = &*self.bound.seat().ledger;
        if ledger.house.is_empty() {
            return Ok(verdict);
        }
        let asked = HouseQuestion {
            identity: self.bound.seat().caller().identity(),
            cause: self.bound.seat().caller().cause(),
            kind: O::KIND,
            operation: self.request.text(),
            demands,
            now,
            verdict,
        };
        house::restrict(&ledger.house, &asked, &ledger.clock)
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

/// What was authorized does not extend to it: leave it out of what is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was authorized does not extend to it")]
pub struct NotExtended;
