//! The application's own policy, which can only lower a verdict.
//!
//! There is no way to say yes here. What fails, panics or takes too long is a no, recorded as a
//! fault, for every scope. A house policy runs under no lock.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::{
    cause::Cause,
    denial::{Denial, DenyCode, Layer},
    id::IdentityId,
    operation::{Code, Demands},
    rule::Verdict,
    time::{HighWater, Timestamp},
};

/// A policy of the embedding application. It sees every operation that layer 1 lets pass.
#[diagnostic::on_unimplemented(message = "`{Self}` is no house policy: implement `HousePolicy`")]
pub trait HousePolicy: Send + Sync + 'static {
    /// Its name in denials and records.
    fn name(&self) -> &'static str;

    /// What it would restrict. Pure and quick: an answer after a second counts as none.
    fn restrict(&self, asked: &HouseQuestion<'_>) -> Result<Restriction, HouseFault>;
}

/// What a house policy is asked.
#[derive(Debug)]
#[non_exhaustive]
pub struct HouseQuestion<'a> {
    /// Who acts.
    pub identity: IdentityId,
    /// Because of what, if not of the owner's own accord.
    pub cause: Option<&'a Cause>,
    /// The operation's kind.
    pub kind: &'static str,
    /// The operation's canonical JSON.
    pub operation: &'a str,
    /// Everything it touches.
    pub demands: &'a Demands<'a>,
    /// When, by the kernel's clock.
    pub now: Timestamp,
    /// What layer 1 says.
    pub verdict: Verdict,
}

/// What a house policy makes of an operation. There is no allow.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a new restriction must be looked at")]
pub enum Restriction {
    /// No objection.
    None,
    /// The owner shall be asked.
    Ask,
    /// No, and why.
    Deny(String),
}

/// A house policy could not tell, which denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HouseFault(pub String);

/// How long a house policy may take.
const ANSWER_MS_MAX: u64 = 1000;

/// The minimum of `asked.verdict` and what every policy says.
pub(crate) fn restrict(
    policies: &[Box<dyn HousePolicy>],
    asked: &HouseQuestion<'_>,
    clock: &HighWater,
) -> Result<Verdict, Denial> {
    let mut verdict = asked.verdict;
    for policy in policies {
        let started = clock.now();
        let answer = catch_unwind(AssertUnwindSafe(|| (policy.name(), policy.restrict(asked))));
        let late = clock.now() >= started.after(Duration::from_millis(ANSWER_MS_MAX));
        let fault = |name, what: &str| {
            let code = DenyCode::HouseFault(Code::new(name).bounded());
            Denial::of(Layer::House, code).because(what)
        };
        match answer {
            Err(_) => return Err(fault("panicked", "a house policy panicked")),
            Ok((name, _)) if late => return Err(fault(name, "took too long to answer")),
            Ok((name, Err(HouseFault(what)))) => return Err(fault(name, &what)),
            Ok((name, Ok(Restriction::Deny(reason)))) => {
                let code = DenyCode::HouseRule(Code::new(name).bounded());
                return Err(Denial::of(Layer::House, code).because(reason));
            }
            Ok((_, Ok(Restriction::Ask))) => verdict = verdict.min(Verdict::Ask),
            Ok((_, Ok(Restriction::None))) => {}
        }
    }
    Ok(verdict)
}
