//! The projections of one kernel, whichever they are: registered, told, asked and kept.
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::value::RawValue;

use super::{About, Projection};
use crate::{
    canonical,
    cause::{Cause, Confinement},
    fact::{Claim, Fact, FactError, Misfit, NotProjected},
    id::OwnerId,
    record::{Actor, Event},
};

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

    /// A fact of `P` as it was told, which is `fact` at rest.
    pub(crate) fn told<'f, P: Projection>(
        &self,
        told: &'f P::Fact,
        fact: &Fact,
    ) -> Result<Told<'f>, Untold> {
        let (nth, _) = self.find(P::NAME)?;
        if cfg!(debug_assertions) {
            drop(self.read(fact)?);
        }
        let seen = catch_unwind(AssertUnwindSafe(|| P::is_security_event(told)));
        let what = PANICKED.into();
        let security = seen.map_err(|_| FactError::Unreadable { what })?;
        Ok(Told { nth, fact: Shape::Lent(told), security })
    }

    /// Reads a fact for whichever projection folds it.
    pub(crate) fn read(&self, fact: &Fact) -> Result<Told<'static>, Untold> {
        let (nth, registered) = self.find(&fact.projection)?;
        // Reading is the projection's code: what panics there is no fact.
        let read = catch_unwind(AssertUnwindSafe(|| (registered.read)(fact)));
        let read = read.unwrap_or_else(|_| Err(FactError::Unreadable { what: PANICKED.into() }));
        let (fact, security) = read?;
        Ok(Told { nth, fact: Shape::Read(fact), security })
    }

    fn find(&self, name: &str) -> Result<(usize, &Registered), NotProjected> {
        let mut each = self.each.iter().enumerate();
        let found = each.find(|(_, registered)| registered.name == name);
        found.ok_or_else(|| NotProjected::new(name))
    }

    /// The same for a fact that is in the ledger: none, if it may be passed over.
    pub(crate) fn replay(&self, fact: &Fact) -> Result<Option<Told<'static>>, Untold> {
        match self.read(fact) {
            Err(Untold::NotProjected(_)) if self.passes_over => Ok(None),
            read => read.map(Some),
        }
    }
}

/// A projection a kernel is opened with.
#[derive(Clone, Copy)]
struct Registered {
    name: &'static str,
    begin: fn(OwnerId) -> Box<dyn Folds>,
    read: fn(&Fact) -> Result<(AnyFact, bool), FactError>,
    resume: fn(&RawValue) -> Option<Box<dyn Folds>>,
}

impl Registered {
    fn new<P: Projection>() -> Self {
        Self {
            name: P::NAME,
            begin: |owner| Box::new(Fold(P::begin(owner))),
            read: |fact| {
                let fact = fact.read::<P>()?;
                let security = P::is_security_event(&fact);
                Ok((Box::new(fact), security))
            },
            resume: |kept| {
                let state: P = serde_json::from_str(kept.get()).ok()?;
                let fold = Fold(state);
                (fold.keep().ok()?.get() == kept.get()).then(|| Box::new(fold) as Box<dyn Folds>)
            },
        }
    }
}

/// A fact as its projection knows it.
pub(crate) struct Told<'f> {
    nth: usize,
    fact: Shape<'f>,
    /// Whether it is something the owner should look at.
    pub(crate) security: bool,
}

/// Whose it is: whoever declares it lends it, and one in the ledger is read.
enum Shape<'f> {
    Lent(&'f (dyn Any + Send + Sync)),
    Read(AnyFact),
}

impl Told<'_> {
    fn fact(&self) -> &dyn Any {
        match &self.fact {
            Shape::Lent(fact) => *fact,
            Shape::Read(fact) => &**fact,
        }
    }
}

type AnyFact = Box<dyn Any + Send + Sync>;

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

    pub(crate) fn claims(&self, told: &Told<'_>, by: Actor) -> Result<Vec<Claim>, Misfit> {
        self.ask(told, |fold, fact| fold.claims(fact, by))
    }

    pub(crate) fn check(&self, told: &Told<'_>, about: &About<'_>) -> Result<(), Misfit> {
        self.ask(told, |fold, fact| fold.check(fact, about))
    }

    /// Tells the fact to its projection, or everything else to each.
    pub(crate) fn take_in(
        &mut self,
        told: Option<&Told<'_>>,
        event: &Event,
        about: &About<'_>,
    ) -> Result<(), Panicked> {
        match told {
            Some(told) => self.fold(told, about),
            None if event.fact().is_some() => Ok(()),
            None => self.observe(event, about),
        }
    }

    fn fold(&mut self, told: &Told<'_>, about: &About<'_>) -> Result<(), Panicked> {
        let Some(fold) = self.0.get_mut(told.nth) else { return Ok(()) };
        let fact = told.fact();
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
        told: &Told<'_>,
        ask: impl FnOnce(&dyn Folds, &dyn Any) -> Result<T, Misfit>,
    ) -> Result<T, Misfit> {
        let fold = self.0.get(told.nth).ok_or_else(foreign)?;
        let asked = catch_unwind(AssertUnwindSafe(|| ask(&**fold, told.fact())));
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
