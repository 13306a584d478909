//! Folds over the ledger that other crates bring: what facts mean.
//!
//! A projection has state, as core has its own: changed only by folding records, live and at
//! replay, so that it is as it was when the ledger is opened again, digest for digest.
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    canonical,
    cause::{Cause, Confinement},
    fact::{Claim, Fact, FactError, Misfit, NotProjected},
    id::{AgentId, IdentityId, OwnerId},
    key::PublicKey,
    operation::is_kind,
    policy::{Standing, State},
    record::{Actor, AuditRecord, Event, SignedAct},
    time::Timestamp,
};

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

    /// What it may be told. It reads back from what it writes, without fractions.
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
#[derive(Debug, Clone, Copy)]
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

impl Fact {
    /// What `P` would be told, as records keep it.
    pub fn of<P: Projection>(fact: &P::Fact) -> Result<Self, FactError> {
        const {
            assert!(is_kind(P::NAME), "a projection's name has lower-case words, dots and digits");
        };
        let mut said = Vec::with_capacity(256);
        match canonical::write(fact, &mut said) {
            Ok(()) => Self::new(P::NAME, said),
            Err(error) => Err(FactError::NotCanonical { what: error.to_string() }),
        }
    }

    /// What it tells `P`.
    ///
    /// **Refuses** what `P` would have written otherwise: nothing a fact says is ignored.
    pub fn read<P: Projection>(&self) -> Result<P::Fact, FactError> {
        if self.projection != P::NAME {
            return Err(FactError::Foreign { projection: self.projection.clone() });
        }
        let read: Result<P::Fact, _> = serde_json::from_str(self.as_str());
        let fact = read.map_err(|error| FactError::Unreadable { what: error.to_string() })?;
        if Self::of::<P>(&fact)?.as_str() == self.as_str() {
            Ok(fact)
        } else {
            Err(FactError::Unreadable { what: "it would be written otherwise".into() })
        }
    }
}

impl SignedAct {
    /// What the owner declared to `P` by it, if it is that.
    #[must_use]
    pub fn declared<P: Projection>(&self) -> Option<P::Fact> {
        self.act.fact().and_then(|fact| fact.read::<P>().ok())
    }
}

#[cfg(test)]
pub(crate) mod toy;

/// A projection a kernel is opened with.
#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    begin: fn(OwnerId) -> Box<dyn Folds>,
    read: fn(&Fact) -> Result<Box<dyn Any + Send + Sync>, FactError>,
    resume: fn(&RawValue) -> Option<Box<dyn Folds>>,
}

impl Registered {
    fn new<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            begin: |owner| Box::new(Fold(P::begin(owner))),
            read: |fact| Ok(Box::new(fact.read::<P>()?)),
            resume: |kept| {
                let state: P = serde_json::from_str(kept.get()).ok()?;
                let fold = Fold(state);
                (fold.keep().ok()?.get() == kept.get()).then(|| Box::new(fold) as Box<dyn Folds>)
            },
        }
    }
}

/// The projections a kernel is opened with.
#[derive(Default)]
pub(crate) struct Projected {
    each: Vec<Registered>,
    /// Whether there may be facts of others.
    passes_over: bool,
}

impl Projected {
    /// Of two with one name the first counts.
    pub(crate) fn add<P: Projection>(&mut self) {
        if self.each.iter().all(|known| known.name != P::NAME) {
            self.each.push(Registered::new::<P>());
        }
    }

    pub(crate) fn pass_over(&mut self) {
        self.passes_over = true;
    }

    /// Before the first record.
    pub(crate) fn begin(&self, owner: OwnerId) -> Projections {
        Projections(self.each.iter().map(|one| (one.begin)(owner)).collect())
    }

    /// The states that were kept, if they are of just these projections.
    pub(crate) fn resume(&self, kept: &KeptProjections) -> Option<Projections> {
        if self.each.len() < kept.len() && !self.passes_over {
            return None;
        }
        let each = self.each.iter().map(|one| {
            let kept = kept.get(one.name)?;
            catch_unwind(AssertUnwindSafe(|| (one.resume)(kept))).ok().flatten()
        });
        each.collect::<Option<_>>().map(Projections)
    }

    /// Reads a fact for whichever projection folds it.
    pub(crate) fn read(&self, fact: &Fact) -> Result<Told, Untold> {
        let mine = |registered: &Registered| registered.name == fact.projection;
        let nth = self.each.iter().position(mine);
        let found = nth.and_then(|nth| Some((nth, self.each.get(nth)?)));
        let (nth, registered) = found.ok_or_else(|| NotProjected::new(&fact.projection))?;
        // Reading is the projection's code: what panics there is no fact.
        let read = catch_unwind(AssertUnwindSafe(|| (registered.read)(fact)));
        let read = read.unwrap_or_else(|_| Err(FactError::Unreadable { what: PANICKED.into() }));
        Ok(Told { nth, fact: read? })
    }

    /// The same for a fact that is in the ledger: none, if it may be passed over.
    pub(crate) fn replay(&self, fact: &Fact) -> Result<Option<Told>, Untold> {
        match self.read(fact) {
            Err(Untold::NotProjected(_)) if self.passes_over => Ok(None),
            read => read.map(Some),
        }
    }
}

/// A fact as its projection reads it.
pub(crate) struct Told {
    nth: usize,
    fact: Box<dyn Any + Send + Sync>,
}

/// Why a fact is nobody's here.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Untold {
    #[error(transparent)]
    Fact(#[from] FactError),
    #[error(transparent)]
    NotProjected(#[from] NotProjected),
}

/// The state of every projection, in the order they were registered.
pub(crate) struct Projections(Vec<Box<dyn Folds>>);

/// What projections keep, by name.
pub(crate) type KeptProjections = BTreeMap<String, Box<RawValue>>;

/// A projection panicked while it took a record in: its state is not what the ledger says.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a projection {PANICKED}")]
pub(crate) struct Panicked;

impl Projections {
    /// Every state as canonical JSON.
    pub(crate) fn keep(&self) -> Result<KeptProjections, String> {
        let each = self.0.iter().map(|fold| {
            let kept = catch_unwind(AssertUnwindSafe(|| fold.keep()));
            let kept = kept.unwrap_or_else(|_| Err(PANICKED.into()));
            kept.map(|kept| (fold.name().to_owned(), kept))
        });
        each.collect()
    }

    pub(crate) fn claims(&self, told: &Told, by: Actor) -> Result<Vec<Claim>, Misfit> {
        self.ask(told, |fold, fact| fold.claims(fact, by))
    }

    pub(crate) fn check(&self, told: &Told, about: &About<'_>) -> Result<(), Misfit> {
        self.ask(told, |fold, fact| fold.check(fact, about))
    }

    /// Tells the fact to its projection, or everything else to each.
    pub(crate) fn take_in(
        &mut self,
        told: Option<&Told>,
        event: &Event,
        about: &About<'_>,
    ) -> Result<(), Panicked> {
        match told {
            Some(told) => self.fold(told, about),
            None if event.fact().is_some() => Ok(()),
            None => self.observe(event, about),
        }
    }

    fn fold(&mut self, told: &Told, about: &About<'_>) -> Result<(), Panicked> {
        let Some(fold) = self.0.get_mut(told.nth) else { return Ok(()) };
        let fact: &dyn Any = &*told.fact;
        catch_unwind(AssertUnwindSafe(|| fold.fold(fact, about))).map_err(|_| Panicked)
    }

    fn observe(&mut self, event: &Event, about: &About<'_>) -> Result<(), Panicked> {
        if self.0.is_empty() {
            return Ok(());
        }
        let each = || self.0.iter_mut().for_each(|fold| fold.observe(event, about));
        catch_unwind(AssertUnwindSafe(each)).map_err(|_| Panicked)
    }

    /// The epoch of what limits whoever acts because of `cause`, or none if nothing is permitted.
    pub(crate) fn confined(&self, cause: &Cause) -> Option<u64> {
        let fold = self.knowing(cause)?;
        catch_unwind(AssertUnwindSafe(|| fold.confined(cause))).ok().flatten()
    }

    /// What limits whoever acts because of `cause`, or none if nothing is permitted.
    pub(crate) fn confine(&self, cause: &Cause) -> Option<Confinement> {
        let fold = self.knowing(cause)?;
        catch_unwind(AssertUnwindSafe(|| fold.confine(cause))).ok().flatten()
    }

    fn knowing(&self, cause: &Cause) -> Option<&dyn Folds> {
        let fold = self.0.iter().find(|fold| fold.name() == cause.projection())?;
        Some(&**fold)
    }

    /// The state of `P`, if it is folded here.
    pub(crate) fn of<P: Projection>(&self) -> Result<&P, NotProjected> {
        let mut states = self.0.iter().filter_map(|fold| fold.state().downcast_ref::<P>());
        states.next().ok_or_else(|| NotProjected::new(P::NAME))
    }

    fn ask<T>(
        &self,
        told: &Told,
        ask: impl FnOnce(&dyn Folds, &dyn Any) -> Result<T, Misfit>,
    ) -> Result<T, Misfit> {
        let fold = self.0.get(told.nth).ok_or_else(foreign)?;
        let asked = catch_unwind(AssertUnwindSafe(|| ask(&**fold, &*told.fact)));
        asked.unwrap_or_else(|_| Err(Misfit::new("panicked", "the projection panicked")))
    }
}

/// What is said of a projection that panicked.
const PANICKED: &str = "panicked";

fn foreign() -> Misfit {
    Misfit::new("foreign", "it is a fact of another projection")
}

/// One projection, whichever it is.
trait Folds: Send + Sync {
    fn name(&self) -> &'static str;
    fn state(&self) -> &dyn Any;
    fn keep(&self) -> Result<Box<RawValue>, String>;
    fn claims(&self, fact: &dyn Any, by: Actor) -> Result<Vec<Claim>, Misfit>;
    fn check(&self, fact: &dyn Any, about: &About<'_>) -> Result<(), Misfit>;
    fn fold(&mut self, fact: &dyn Any, about: &About<'_>);
    fn observe(&mut self, event: &Event, about: &About<'_>);
    fn confine(&self, cause: &Cause) -> Option<Confinement>;
    fn confined(&self, cause: &Cause) -> Option<u64>;
}

struct Fold<P>(P);

impl<P: Projection> Folds for Fold<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn state(&self) -> &dyn Any {
        &self.0
    }

    fn keep(&self) -> Result<Box<RawValue>, String> {
        let mut kept = Vec::with_capacity(1024);
        canonical::write(&self.0, &mut kept).map_err(|error| error.to_string())?;
        let text = String::from_utf8(kept).map_err(|error| error.to_string())?;
        RawValue::from_string(text).map_err(|error| error.to_string())
    }

    fn claims(&self, fact: &dyn Any, by: Actor) -> Result<Vec<Claim>, Misfit> {
        self.0.claims(fact.downcast_ref().ok_or_else(foreign)?, by)
    }

    fn check(&self, fact: &dyn Any, about: &About<'_>) -> Result<(), Misfit> {
        self.0.check(fact.downcast_ref().ok_or_else(foreign)?, about)
    }

    fn fold(&mut self, fact: &dyn Any, about: &About<'_>) {
        if let Some(fact) = fact.downcast_ref() {
            self.0.fold(fact, about);
        }
    }

    fn observe(&mut self, event: &Event, about: &About<'_>) {
        self.0.observe(event, about);
    }

    fn confine(&self, cause: &Cause) -> Option<Confinement> {
        self.0.confine(cause)
    }

    fn confined(&self, cause: &Cause) -> Option<u64> {
        self.0.confined(cause)
    }
}
