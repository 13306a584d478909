//! The right to ask: what the application hands to an actor.
use std::fmt;

use serde::Serialize;

use crate::{
    bound::{Bound, Caller, Seat, Unbound},
    cause::Cause,
    denial::{Denial, DenyCode, Layer},
    endpoint::{Admission, Authorized, Endpoint, Fault, Mount},
    id::{GrantId, IdentityId},
    operation::{Action, Demands, Effect, Operation},
    policy::DEPTH_MAX,
    record::{Actor, Event},
    resource::Resource,
    rule::{Grant, Verdict},
    scope::Judgement,
    store::Durability,
    submit::{Refusal, submit},
};

/// A running actor, bound to one identity of one owner. Whoever holds it may ask, and nothing else:
/// there is no way from here to granting, approving or reading the ledger.
///
/// Made only by the owner, with [`Owner::bind`](crate::Owner::bind). It is not `Clone`: share it by
/// reference, so that who holds it stays plain.
#[derive(Debug)]
pub struct Agent {
    pub(crate) seat: Seat,
}

impl Agent {
    /// Who it is and for whom it acts.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.seat.caller()
    }

    /// The same agent, acting because of `cause` and not of the owner's own accord: it acts under
    /// its identity's scope *and* what the cause permits, by whichever projection knows it. Every
    /// record of what it does names the cause.
    ///
    /// **Promises** that nothing it does begins once the cause is over. **Refuses** a cause that
    /// permits nothing now, and an agent that has one already: nobody gets out of a confinement by
    /// taking another.
    pub fn because(&self, cause: Cause) -> Result<Self, Denial> {
        let denied = |code| Denial::of(Layer::Identity, code);
        if self.caller().cause().is_some() {
            return Err(denied(DenyCode::CauseHeld));
        }
        if self.seat.ledger.peek().confined(Some(&cause)).is_none() {
            return Err(denied(DenyCode::CauseOver));
        }
        Ok(Self { seat: self.seat.because(cause) })
    }

    /// Asks for one effect. There is no other way to cause one.
    ///
    /// Returns what the endpoint gave back once the outcome is recorded, or why there is none. If
    /// the owner is asked, submit the *same* operation again after the yes. Dropping the future is
    /// safe at any point: an intent that was recorded is then closed as interrupted.
    pub async fn submit<O, E>(&self, at: &Mount<E>, operation: &O) -> Result<O::Output, Refusal>
    where
        O: Operation,
        E: Endpoint<O>,
    {
        let result = submit(&self.seat, at, operation).await;
        // A state that cannot be kept is no fault of this operation: what it did is recorded, and a
        // ledger that failed says so to the next one.
        drop(self.seat.ledger.keep_up().await);
        result
    }

    /// What layer 1 would say to this now, to decide whether to offer it. It is recorded nowhere
    /// and proves nothing: only [`Agent::submit`] acts, and judges again.
    pub fn judge<O: Operation>(&self, operation: &O) -> Judgement {
        self.judge_demands(&operation.demands())
    }

    /// The same for what an operation would touch.
    pub fn judge_demands(&self, demands: &Demands<'_>) -> Judgement {
        match Bound::prove(&self.seat) {
            Ok(bound) => {
                let mut judgement = bound.scope().judge(demands, self.seat.ledger.now());
                // Rules of grantors further up are none of the agent's business.
                if bound.scope().mandates.len() > 1 {
                    judgement.rules.clear();
                }
                judgement
            }
            Err(Unbound::Denied(denial)) => Judgement::barred(denial.code),
            Err(Unbound::Ledger(_)) => Judgement::barred(DenyCode::Unsettled),
        }
    }

    /// Hands part of the own scope on, to a new identity beneath this agent's. It needs the right
    /// to `delegate` on `identity:` and the own identity, is asked for and recorded like any other
    /// operation, and can only narrow: the new identity acts under this scope *and* the grant. An
    /// agent with a cause hands nothing on: what limits it does not go along.
    pub async fn delegate(&self, name: &str, grant: Grant) -> Result<IdentityId, Refusal> {
        let own = format!("identity:{}", self.caller().identity());
        let Ok(identity) = own.parse::<Resource>() else {
            return Err(Denial::of(Layer::Identity, DenyCode::Malformed).into());
        };
        let office = Mount::new("kernel", Office(&self.seat), self.seat.ledger.clone());
        self.submit(&office, &Delegate { grant, identity, name: name.into() }).await
    }
}

/// Handing part of a scope on, as the operation it is.
#[derive(Serialize)]
struct Delegate {
    grant: Grant,
    identity: Resource,
    name: String,
}

impl Operation for Delegate {
    const KIND: &'static str = "kernel.delegate";
    type Output = IdentityId;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Delegate, &self.identity)
    }
}

/// The kernel as the endpoint of what changes its own state at an agent's wish.
struct Office<'s>(&'s Seat);

impl Office<'_> {
    fn event(&self, operation: &Delegate, sequence: u64) -> Event {
        let ledger = &self.0.ledger;
        Event::Delegated {
            agent: self.0.caller().agent(),
            grant: GrantId::made_at(ledger.owner, sequence, 1),
            identity: IdentityId::made_at(ledger.owner, sequence, 1),
            name: operation.name.clone(),
            rules: operation.grant.clone(),
        }
    }
}

impl Endpoint<Delegate> for Office<'_> {
    fn admit(&self, operation: &Delegate, caller: &Caller) -> Result<Admission, Denial> {
        if caller.cause().is_some() {
            let what = "what limits it because of its cause would not go along";
            return Err(Denial::by_endpoint("cause_held", what));
        }
        let ledger = &self.0.ledger;
        let now = ledger.now();
        let inner = ledger.peek();
        if inner.state.chain(caller.identity()).len() >= DEPTH_MAX {
            return Err(Denial::of(Layer::Endpoint, DenyCode::DelegationDepth));
        }
        let actor = Actor::Agent { agent: caller.agent(), identity: caller.identity() };
        let about = (now.max(inner.state.at), actor);
        match inner.state.check(about, &self.event(operation, 0)) {
            Ok(()) => Ok(Admission::unversioned()),
            Err(error) => Err(Denial::by_endpoint("delegation", error.to_string())),
        }
    }

    async fn perform(&self, task: Authorized<'_, Delegate>) -> Result<IdentityId, Fault> {
        let event = self.event(task.operation(), task.intent());
        let Event::Delegated { identity, .. } = event else {
            return Err(Fault::new("delegation", "made no identity"));
        };
        let ledger = &self.0.ledger;
        let caller = task.caller();
        let actor = Actor::Agent { agent: caller.agent(), identity: caller.identity() };
        let appended = {
            let failed = |error: &dyn fmt::Display| Fault::new("ledger", error.to_string());
            let mut inner = ledger.lock().map_err(|error| failed(&error))?;
            // Under the same lock as the append: no delegation follows a change of policy.
            if inner.state.epoch(caller.identity()) != task.epoch() {
                return Err(Fault::new("revoked", "the policy changed before the effect"));
            }
            let appended = ledger.append(&mut inner, (actor, &event), Durability::Durable);
            appended.map_err(|error| failed(&error))?
        };
        ledger.settle(appended).await.map_err(|error| Fault::new("ledger", error.to_string()))?;
        Ok(identity)
    }
}

impl Judgement {
    fn barred(code: DenyCode) -> Self {
        Self {
            verdict: Verdict::Deny,
            code: Some(code),
            rules: smallvec::SmallVec::new(),
            at: (0, 0),
        }
    }
}

#[cfg(test)]
mod tests;
