//! Facts, on their way into the ledger: read and proven first, then checked where they stand.
//!
//! Reading a fact and verifying signatures takes long, so neither is done under the ledger's lock:
//! there it is only asked whether the fact rests on the same signatures still, and may follow.
use super::{AppendError, Appended, Entering, Inner, Ledger};
use crate::{
    digest::Digest,
    fact::{Claim, Fact, FactError, Misfit, NotProjected},
    key::BadSignature,
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

/// What a fact's record has to stand on, asked under the lock it is written under.
pub(crate) type Stands<'s> = &'s (dyn Fn(&Inner) -> Result<(), Misfit> + Sync);

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

    /// Appends a fact of the kernel's with what goes with it, if it `stands`, and waits for the
    /// disk.
    pub(crate) async fn tell<P: Projection>(
        &self,
        told: &P::Fact,
        body: Option<&[u8]>,
        stands: Stands<'_>,
    ) -> Result<u64, AppendError> {
        let fact = Fact::of::<P>(told).map_err(ActError::from)?;
        // What is refused anyway leaves nothing behind.
        let vetted = self.vet_as::<P>((told, &fact), Actor::Kernel)?;
        let body = match body {
            Some(body) => Some(self.keep(body).await?),
            None => None,
        };
        let appended = self.declare((fact, vetted), (body, Durability::Durable), stands)?;
        let sequence = appended.sequence;
        self.settle(appended).await?;
        // A state that cannot be kept is no fault of this fact, which is recorded.
        drop(self.keep_up().await);
        Ok(sequence)
    }

    /// Appends a fact of the kernel's, which was vetted; it is vetted again where it has to be.
    pub(crate) fn declare(
        &self,
        (fact, mut vetted): (Fact, Vetted<'_>),
        (body, class): (Option<Digest>, Durability),
        stands: Stands<'_>,
    ) -> Result<Appended, AppendError> {
        let event = Event::Declared { body, fact };
        for _ in 0..ATTEMPTS_MAX {
            let appended = {
                let mut inner = self.lock()?;
                stands(&inner).map_err(ActError::from)?;
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

/// Why a fact was not declared. Nothing was written, unless the ledger failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// It may not follow.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A signature it rests on is not what it should be.
    #[error("a signature the fact rests on: {0}")]
    BadSignature(#[from] BadSignature),
    /// It has no canonical form, or does not read back from it.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// Nobody folds such facts here.
    #[error(transparent)]
    NotProjected(#[from] NotProjected),
    /// The fact, or its body, has more bytes than may be kept.
    #[error("{size_bytes} bytes are more than may be kept")]
    TooLarge {
        /// How many it has.
        size_bytes: usize,
    },
    /// It cannot follow for a reason of core's own.
    #[error(transparent)]
    Act(ActError),
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

impl From<AppendError> for DeclareError {
    fn from(error: AppendError) -> Self {
        let error = match error {
            AppendError::Store(error) => return Self::Store(error),
            AppendError::Act(error) => error,
        };
        if let ActError::Misfit(misfit) = error {
            Self::Misfit(misfit)
        } else if let ActError::Claim(error) = error {
            Self::BadSignature(error)
        } else if let ActError::Fact(error) = error {
            Self::Fact(error)
        } else if let ActError::NotProjected(error) = error {
            Self::NotProjected(error)
        } else if let ActError::TooLarge { size_bytes } = error {
            Self::TooLarge { size_bytes }
        } else {
            Self::Act(error)
        }
    }
}
