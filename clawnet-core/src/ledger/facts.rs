//! Facts, on their way into the ledger: read and proven first, then checked where they stand.
//!
//! Reading a fact and verifying signatures takes long, so neither is done under the ledger's lock:
//! there it is only asked whether the fact rests on the same signatures still, and may follow.
use super::{AppendError, Appended, Entering, Inner, Ledger};
use crate::{
    digest::Digest,
    fact::{Claim, Fact, Misfit},
    policy::ActError,
    projection::{About, Projection, Told, Untold},
    record::{Actor, Event, SignedAct},
    store::{Durability, StoreError},
    time::Timestamp,
};

/// A fact that was read, and the signatures it rests on, which are good.
pub(crate) struct Vetted<'f> {
    told: Told<'f>,
    claims: Vec<Claim>,
    /// The last record then: behind it the fact rests on just these.
    after: u64,
}

/// How often a fact is vetted again because what it rests on changed under it.
const ATTEMPTS_MAX: usize = 8;

impl Ledger {
    /// Reads a fact, verifies what it rests on, and asks whether it could follow now.
    pub(crate) fn vet(&self, fact: &Fact, by: Actor) -> Result<Vetted<'static>, AppendError> {
        let told = self.projected.read(fact).map_err(ActError::from)?;
        self.vet_told(told, by)
    }

    /// The same for what `P` is told, which is `fact` at rest.
    pub(crate) fn vet_as<'f, P: Projection>(
        &self,
        (told, fact): (&'f P::Fact, &Fact),
        by: Actor,
    ) -> Result<Vetted<'f>, AppendError> {
        let told = self.projected.told::<P>(told, fact).map_err(ActError::from)?;
        self.vet_told(told, by)
    }

    fn vet_told<'f>(&self, told: Told<'f>, by: Actor) -> Result<Vetted<'f>, AppendError> {
        let (after, claims) = {
            let mut inner = self.lock()?;
            let now = self.tick(&inner);
            // The projection is told of what this closes, and that before any fact.
            self.close_abandoned(&mut inner, now)?;
            let claims = inner.projections.claims(&told, by).map_err(ActError::from)?;
            let about = inner.about((now, by), None);
            inner.projections.check(&told, &about).map_err(ActError::from)?;
            (inner.head.sequence, claims)
        };
        claims.iter().try_for_each(Claim::verify).map_err(ActError::from)?;
        Ok(Vetted { told, claims, after })
    }

    /// Appends a fact of the kernel's, which was vetted; it is vetted again where it has to be.
    pub(crate) fn declare(
        &self,
        (fact, mut vetted): (Fact, Vetted<'_>),
        body: Option<Digest>,
        class: Durability,
    ) -> Result<Appended, AppendError> {
        let event = Event::Declared { body, fact };
        for _ in 0..ATTEMPTS_MAX {
            let appended = {
                let mut inner = self.lock()?;
                self.append_vetted(&mut inner, (Actor::Kernel, &event, &vetted), class)?
            };
            if let Some(appended) = appended {
                return Ok(appended);
            }
            vetted = self.vet_told(vetted.told, Actor::Kernel)?;
        }
        let unsettled = Misfit::new("unsettled", "what it rests on changed again and again");
        Err(ActError::from(unsettled).into())
    }

    /// Keeps what goes with a fact, before a record names it.
    pub(crate) async fn keep(&self, body: &[u8]) -> Result<Digest, AppendError> {
        self.store.keep_body(self.owner, body).await.map_err(|error| {
            // What is too large is refused whole, and the store goes on.
            if let StoreError::TooLarge { size_bytes, .. } = error {
                return ActError::TooLarge { size_bytes }.into();
            }
            AppendError::Store(self.fail(error))
        })
    }

    /// A body by its digest, checked against it.
    pub(crate) async fn body(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.store.body(self.owner, digest).await? else { return Ok(None) };
        if Digest::of_content(&bytes) == digest {
            return Ok(Some(bytes));
        }
        let what = "its content does not have its digest".into();
        Err(StoreError::Damaged { position: format!("body {digest}"), what })
    }

    /// Appends an event with a fact that was vetted; or does not, if it rests on other signatures
    /// by now.
    pub(crate) fn append_vetted(
        &self,
        inner: &mut Inner,
        (actor, event, vetted): (Actor, &Event, &Vetted<'_>),
        class: Durability,
    ) -> Result<Option<Appended>, AppendError> {
        let now = self.tick(inner);
        self.close_abandoned(inner, now)?;
        inner.state.check((now, actor), event)?;
        let told = &vetted.told;
        if inner.head.sequence != vetted.after
            && inner.projections.claims(told, actor).map_err(ActError::from)? != vetted.claims
        {
            return Ok(None);
        }
        let about = inner.about((now, actor), event.act());
        inner.projections.check(told, &about).map_err(ActError::from)?;
        let entering = Entering { now, actor, event, told: Some(told) };
        self.write(inner, &entering, class).map(Some)
    }
}

impl Inner {
    /// What a projection is told of the next record.
    fn about<'a>(
        &'a self,
        (at, actor): (Timestamp, Actor),
        act: Option<&'a SignedAct>,
    ) -> About<'a> {
        let sequence = self.head.sequence.saturating_add(1);
        About { sequence, at, actor, act, state: &self.state }
    }
}

impl From<Untold> for ActError {
    fn from(untold: Untold) -> Self {
        match untold {
            Untold::Fact(error) => Self::Fact(error),
            Untold::NotProjected(error) => Self::NotProjected(error),
        }
    }
}
