//! Folds over the ledger that other crates bring: what facts mean.
//!
//! A projection has state, as core has its own: changed only by folding records, live and at
//! replay, so that it is as it was when the ledger is opened again, digest for digest.
use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    canonical,
    cause::{Cause, Confinement},
    fact::{Claim, Fact, FactError, Misfit},
    id::{AgentId, IdentityId, OwnerId},
    key::PublicKey,
    operation::is_kind,
    policy::{Standing, State},
    record::{Actor, AuditRecord, Event, SignedAct},
    time::Timestamp,
};

mod folds;

pub(crate) use folds::{KeptProjections, Panicked, Projected, Projections, Told, Untold};

/// A fold over a ledger that gives another crate its state, and decides which of its facts may
/// follow.
///
/// **Promises** the implementor makes: `check` and `fold` are functions of the state, the fact and
/// what [`About`] tells, and nothing else; they are quick, since they run under the ledger's lock,
/// and so must not call the kernel. What panics refuses (`claims`, `check`) or ends all writing
/// (`fold`, `observe`).
///
/// **Order**: each record is told once, in its place, live and at replay, after core's own state
/// has taken it in.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fold a kernel can keep",
    note = "implement `Projection`: a stable name, its facts, and what they do to its state"
)]
pub trait Projection: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name, such as `net`: stable, in ledgers for ever. Lower case, digits, dots, `_`, `-`.
    const NAME: &'static str;

    /// What it may be told. **Promises**, too, to read back from what it writes, without
    /// fractions: that is seen to whenever a ledger is opened, and with each fact that is declared
    /// where debug assertions are on.
    type Fact: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Before the first record.
    fn begin(owner: OwnerId) -> Self;

    /// Signatures the fact rests on. Core verifies them, live before it takes the lock, and at
    /// replay; then asks again under the lock whether they are still the same.
    fn claims(&self, fact: &Self::Fact, by: Actor) -> Result<Vec<Claim>, Misfit>;

    /// Whether it may follow. Changes nothing.
    fn check(&self, fact: &Self::Fact, about: &About<'_>) -> Result<(), Misfit>;

    /// Takes in a fact that `check` let pass.
    fn fold(&mut self, fact: &Self::Fact, about: &About<'_>);

    /// Whether a fact is something the owner should look at: it is then among
    /// [`Owner::security_events`](crate::Owner::security_events). Asked of the fact alone.
    fn is_security_event(fact: &Self::Fact) -> bool {
        _ = fact;
        false
    }

    /// Takes in a record of core's own: intents, outcomes, freezes, retirements. Told of every
    /// record that is no fact.
    fn observe(&mut self, event: &Event, about: &About<'_>) {
        _ = (event, about);
    }

    /// What limits an agent that acts because of `cause`, besides its identity's scope. None, as
    /// always unless this is implemented, permits nothing.
    ///
    /// **Promises** the implementor makes: a confinement that changed has another epoch, and a
    /// cause that is over has none.
    fn confine(&self, cause: &Cause) -> Option<Confinement> {
        _ = cause;
        None
    }

    /// The epoch of [`confine`](Self::confine), without the rest of it: asked under the ledger's
    /// lock before every intent and every effect.
    fn confined(&self, cause: &Cause) -> Option<u64> {
        self.confine(cause).map(|confinement| confinement.epoch)
    }
}

/// The record a projection is told of, and what core knows as of it: for `check` before it, for
/// `fold` and `observe` with it.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) act: Option<&'a SignedAct>,
    pub(crate) state: &'a State,
}

impl<'a> About<'a> {
    pub(crate) fn of(record: &'a AuditRecord, state: &'a State) -> Self {
        let AuditRecord { sequence, at, actor, ref event, .. } = *record;
        Self { sequence, at, actor, act: event.act(), state }
    }

    /// The record's place.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When, by the kernel's clock; never less than the record before.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Who caused it: facts are the kernel's or the owner's, never an agent's.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The owner's act that it is. None for what the kernel declares, and while it is asked
    /// whether the owner should be asked to sign at all.
    #[must_use]
    pub fn act(&self) -> Option<&'a SignedAct> {
        self.act
    }

    /// Whose ledger it is.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.state.owner
    }

    /// The key the owner signs with.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.state.key
    }

    /// The kernel's key that the owner certified last, if any.
    #[must_use]
    pub fn kernel_key(&self) -> Option<PublicKey> {
        self.state.kernel_key
    }

    /// Whether this ledger has the identity and it may act, and so may all it stands beneath.
    #[must_use]
    pub fn is_live(&self, identity: IdentityId) -> bool {
        self.state.barred(identity).is_none()
    }

    /// How the identity itself stands, if this ledger has it.
    #[must_use]
    pub fn standing(&self, identity: IdentityId) -> Option<Standing> {
        self.state.identities.get(&identity).map(|state| state.standing)
    }

    /// For which identity the agent is bound, if it is.
    #[must_use]
    pub fn bound(&self, agent: AgentId) -> Option<IdentityId> {
        self.state.agents.get(&agent).map(|state| state.identity)
    }

    /// At which endpoint the intent with this sequence is to be performed, while it has no outcome.
    #[must_use]
    pub fn open_intent(&self, intent: u64) -> Option<&'a str> {
        self.state.intents.get(&intent).map(|mount| &**mount)
    }
}

impl fmt::Debug for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "About record {} by the {}", self.sequence, self.actor.role())
    }
}

impl Fact {
    /// What `P` would be told, as records keep it.
    pub fn of<P: Projection>(fact: &P::Fact) -> Result<Self, FactError> {
        const {
            assert!(is_kind(P::NAME), "a projection's name has lower-case words, dots and digits");
        };
        let mut said = Vec::with_capacity(SAID_BYTES);
        match canonical::write(fact, &mut said) {
            Ok(()) => Self::written(P::NAME, said),
            Err(error) => Err(FactError::NotCanonical { what: error.to_string() }),
        }
    }

    /// What it tells `P`.
    ///
    /// **Refuses** what `P` would have written otherwise: nothing a fact says is ignored.
    pub fn read<P: Projection>(&self) -> Result<P::Fact, FactError> {
        if self.projection != P::NAME {
            return Err(FactError::Foreign { projection: self.projection.to_string() });
        }
        let read: Result<P::Fact, _> = serde_json::from_str(self.as_str());
        let fact = read.map_err(|error| FactError::Unreadable { what: error.to_string() })?;
        if canonical::is_written(&fact, self.as_str()) {
            Ok(fact)
        } else {
            Err(FactError::Unreadable { what: "it would be written otherwise".into() })
        }
    }
}

/// How many bytes most facts have at most.
const SAID_BYTES: usize = 1024;

impl SignedAct {
    /// What the owner declared to `P` by it, if it is that.
    #[must_use]
    pub fn declared<P: Projection>(&self) -> Option<P::Fact> {
        self.act.fact().and_then(|fact| fact.read::<P>().ok())
    }
}

#[cfg(test)]
pub(crate) mod toy;
