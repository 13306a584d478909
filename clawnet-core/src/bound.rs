//! Stage one of the path: who asks.
use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    cause::Cause,
    denial::{Denial, DenyCode, Layer},
    id::{AgentId, IdentityId, OwnerId},
    ledger::Ledger,
    scope::{Confining, Scope},
    store::StoreError,
};

/// Who acts: bound to one owner and one identity by the handle it acts through, never by anything
/// an operation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    owner: OwnerId,
    identity: IdentityId,
    agent: AgentId,
    job: Option<Arc<str>>,
    cause: Option<Cause>,
}

impl Caller {
    /// The owner everything is done for.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// The identity it is done as.
    #[must_use]
    pub fn identity(&self) -> IdentityId {
        self.identity
    }

    /// The agent that does it.
    #[must_use]
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// The job the agent was bound for, if it was bound for one: another runtime's go at it has the
    /// same.
    #[must_use]
    pub fn job(&self) -> Option<&str> {
        self.job.as_deref()
    }

    /// Why it is done, if not of the owner's own accord.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        self.cause.as_ref()
    }
}

/// An agent's place at its kernel: who it is, and the scope it acted under last. On cache lines of
/// its own, like the scope: agents on other cores do not slow it.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Seat {
    pub(crate) ledger: Arc<Ledger>,
    caller: Caller,
    /// The scope, and the version of the policy it was taken at. Its own lock: agents do not wait
    /// for each other.
    known: Mutex<Option<(u64, Arc<Scope>)>>,
}

impl Seat {
    pub(crate) fn new(ledger: Arc<Ledger>, bound: (AgentId, IdentityId, Option<&str>)) -> Self {
        let (agent, identity, job) = bound;
        let (owner, job) = (ledger.owner, job.map(Arc::from));
        let caller = Caller { owner, identity, agent, job, cause: None };
        Self { ledger, caller, known: Mutex::default() }
    }

    /// The same agent, acting because of `cause`.
    pub(crate) fn because(&self, cause: Cause) -> Self {
        let caller = Caller { cause: Some(cause), ..self.caller.clone() };
        Self { ledger: self.ledger.clone(), caller, known: Mutex::default() }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Proof that an agent is bound to a live identity of this kernel, under the scope as it stands.
///
/// **Refuses** agents that were dismissed, identities that are frozen, retired or unknown, and
/// everything while the kernel is frozen or its ledger cannot be written.
#[must_use]
#[derive(Debug)]
pub(crate) struct Bound<'s> {
    seat: &'s Seat,
    scope: Arc<Scope>,
    version: u64,
}

impl<'s> Bound<'s> {
    /// Looks the identity's scope up. Without a change of policy it costs two atomic reads; for an
    /// agent with a cause, a look at the projection that knows it.
    pub(crate) fn prove(seat: &'s Seat) -> Result<Self, Unbound> {
        let ledger = &*seat.ledger;
        if let Some(error) = ledger.failure() {
            return Err(Unbound::Ledger(error.clone()));
        }
        let version = ledger.version();
        let mut known = seat.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, scope) = match &*known {
            Some((at, scope)) if *at == version && scope.confining.stands(seat) => {
                (version, scope.clone())
            }
            Some(_) | None => {
                let mut inner = ledger.lock_still().map_err(Unbound::Ledger)?;
                // Read under the lock that changes are made under: never newer than the scope.
                let version = ledger.version();
                if !inner.state.agents.contains_key(&seat.caller.agent) {
                    let barred = inner.state.barred(seat.caller.identity);
                    let retired = barred.filter(|code| *code == DenyCode::Retired);
                    let code = retired.unwrap_or(DenyCode::Dismissed);
                    return Err(Unbound::Denied(Denial::of(Layer::Identity, code)));
                }
                let scope = inner.scope(seat.caller.identity);
                let scope = match &seat.caller.cause {
                    None => scope,
                    Some(cause) => {
                        let confinement = inner.projections.confine(cause);
                        drop(inner);
                        let denied = |code| Unbound::Denied(Denial::of(Layer::Identity, code));
                        let confinement = confinement.ok_or(DenyCode::CauseOver);
                        let confined = confinement
                            .and_then(|confinement| scope.confined(ledger.owner, &confinement));
                        Arc::new(confined.map_err(denied)?)
                    }
                };
                *known = Some((version, scope.clone()));
                (version, scope)
            }
        };
        drop(known);
        match &scope.barred {
            Some(code) => Err(Unbound::Denied(Denial::of(Layer::Identity, code.clone()))),
            None => Ok(Self { seat, scope, version }),
        }
    }

    pub(crate) fn seat(&self) -> &'s Seat {
        self.seat
    }

    /// The version of the policy the scope was taken at.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Confining {
    /// Whether it is still what limits an agent because of its cause.
    fn stands(&self, seat: &Seat) -> bool {
        let Some(cause) = &seat.caller.cause else { return true };
        seat.ledger.peek().confined(Some(cause)) == self.epoch
    }
}

/// Why nobody is bound.
#[derive(Debug)]
pub(crate) enum Unbound {
    Denied(Denial),
    Ledger(StoreError),
}
