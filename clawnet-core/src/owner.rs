//! The right to decide: everything only a person may do, each of it signed.
use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    agent::Agent,
    bound::Seat,
    digest::Digest,
    fact::Fact,
    id::{AgentId, GrantId, IdentityId, OwnerId, TicketId},
    key::{Signer, SignerError},
    ledger::{AppendError, Ledger},
    policy::{ActError, Standing, State},
    projection::Projection,
    record::{Act, Actor, Event, SignedAct},
    rule::Grant,
    store::{Durability, StoreError},
};

mod deed;
mod insight;
mod keys;
mod peers;
mod query;
mod search;
mod transfer;

pub use deed::{Answered, Concluded, Consulted, Deed};
pub use insight::{Explanation, Overview};
pub use peers::PeerView;
pub use query::{Page, Query};
pub use search::Body;

/// The owner's handle: who holds it, and can make its signer sign, decides.
///
/// Every decision is signed by the owner's key over the decision itself, its number and the ledger,
/// checked, recorded durably and in force when the call returns. An agent's key never counts.
pub struct Owner {
    pub(crate) ledger: Arc<Ledger>,
    signer: Box<dyn Signer>,
}

impl Owner {
    pub(crate) fn new(ledger: Arc<Ledger>, signer: Box<dyn Signer>) -> Self {
        Self { ledger, signer }
    }

    /// Whose ledger this is.
    #[must_use]
    pub fn id(&self) -> OwnerId {
        self.ledger.owner
    }

    /// Makes an identity, which may do nothing until it is granted something.
    pub async fn identity(&self, name: &str) -> Result<IdentityId, OwnerError> {
        self.make_identity(name, None).await
    }

    /// Makes an identity beneath `parent`: it acts under what `parent` may *and* what it is granted
    /// itself, and stops when `parent` does.
    pub async fn delegate(&self, parent: IdentityId, name: &str) -> Result<IdentityId, OwnerError> {
        self.make_identity(name, Some(parent)).await
    }

    /// Lets a running actor ask on behalf of `identity`. `runtime` says where it runs.
    pub async fn bind(
        &self,
        identity: IdentityId,
        name: &str,
        runtime: &str,
    ) -> Result<Agent, OwnerError> {
        let make = |owner, number| Act::Bind {
            agent: AgentId::made_at(owner, number, 0),
            identity,
            job: None,
            name: name.to_owned(),
            runtime: runtime.to_owned(),
        };
        self.act(make).await.map(|number| self.bound_at(number, identity, None))
    }

    /// Lets `runtime` have a go at `job` for `identity`: binds an agent for that and nothing else.
    /// Authority is the identity's, so another runtime's go at the same job has the same, and all
    /// of them are found by the job's name.
    pub async fn attempt(
        &self,
        identity: IdentityId,
        job: &str,
        runtime: &str,
    ) -> Result<Agent, OwnerError> {
        let make = |owner, number| Act::Bind {
            agent: AgentId::made_at(owner, number, 0),
            identity,
            job: Some(job.to_owned()),
            name: job.to_owned(),
            runtime: runtime.to_owned(),
        };
        self.act(make).await.map(|number| self.bound_at(number, identity, Some(job)))
    }

    /// Gives the handle of an agent bound earlier, after a restart say.
    pub fn agent(&self, agent: AgentId) -> Result<Agent, OwnerError> {
        let inner = self.ledger.peek();
        let state = inner.state.agents.get(&agent).ok_or(ActError::UnknownAgent(agent))?;
        let bound = (agent, state.identity, state.job.as_deref());
        Ok(Agent { seat: Seat::new(self.ledger.clone(), bound) })
    }

    /// Ends an agent's right to ask.
    pub async fn dismiss(&self, agent: AgentId) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Dismiss { agent }).await.map(drop)
    }

    /// Issues a grant to `identity`.
    pub async fn grant(&self, identity: IdentityId, rules: Grant) -> Result<GrantId, OwnerError> {
        let make = |owner, number| Act::Grant {
            grant: GrantId::made_at(owner, number, 0),
            identity,
            rules: rules.clone(),
        };
        let number = self.act(make).await?;
        Ok(GrantId::made_at(self.id(), number, 0))
    }

    /// Puts a fact in the ledger that the owner stands for, with one signature, and tells `P` of
    /// it. Returns the act: evidence to others, who check it with [`SignedAct::verify`].
    pub async fn declare<P: Projection>(&self, fact: P::Fact) -> Result<SignedAct, OwnerError> {
        let fact = Fact::of::<P>(&fact).map_err(ActError::from)?;
        self.act_on(|_, _| Ok(Act::Declare { fact: fact.clone() })).await
    }

    /// The same with something that belongs to it, which is kept beside the ledger first: the fact
    /// names its digest. It can be erased without breaking the chain.
    pub async fn declare_with<P: Projection>(
        &self,
        fact: P::Fact,
        body: &[u8],
    ) -> Result<SignedAct, OwnerError> {
        // What cannot follow leaves nothing behind.
        let vetted = Fact::of::<P>(&fact).map_err(ActError::from)?;
        drop(self.ledger.vet(&vetted, Actor::Owner)?);
        self.ledger.keep(body).await?;
        self.declare::<P>(fact).await
    }

    /// Takes a grant back. When this returns no intent that uses it can follow.
    pub async fn revoke(&self, grant: GrantId) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Revoke { grant }).await.map(drop)
    }

    /// Stops an identity and all beneath it at once, and voids its questions and approvals.
    pub async fn freeze(&self, identity: IdentityId) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Freeze { identity: Some(identity) }).await.map(drop)
    }

    /// Lets a frozen identity go on.
    pub async fn unfreeze(&self, identity: IdentityId) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Unfreeze { identity: Some(identity) }).await.map(drop)
    }

    /// Stops everything at once.
    pub async fn freeze_all(&self) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Freeze { identity: None }).await.map(drop)
    }

    /// Lets everything go on that is not frozen by itself.
    pub async fn unfreeze_all(&self) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Unfreeze { identity: None }).await.map(drop)
    }

    /// Says yes to exactly what was asked, once.
    pub async fn approve(&self, ticket: TicketId) -> Result<(), OwnerError> {
        let question = {
            let inner = self.ledger.peek();
            let asked = inner.state.questions.get(&ticket);
            asked.map(|asked| asked.question.clone()).ok_or(ActError::UnknownTicket(ticket))?
        };
        self.act(|_, _| Act::Approve(question.approval())).await.map(drop)
    }

    /// Says no. The same operation is not asked about again.
    pub async fn reject(&self, ticket: TicketId) -> Result<(), OwnerError> {
        self.act(|_, _| Act::Reject { ticket }).await.map(drop)
    }

    /// Ends an identity for good: its grants, agents, questions and approvals are gone, and what it
    /// was is kept as an archive.
    pub async fn retire(&self, identity: IdentityId) -> Result<Archive, OwnerError> {
        loop {
            let archive = Archive::draw(&self.ledger.peek().state, identity)?;
            let bytes = archive.bytes()?;
            let kept = self.ledger.store.keep_body(self.id(), &bytes).await;
            let digest = kept.map_err(|error| {
                // What is too large is refused whole, and the store goes on.
                let refused = matches!(error, StoreError::TooLarge { .. });
                if refused { error } else { self.ledger.fail(error) }
            })?;
            // What changed while the owner was signing is in the archive too, or it is drawn again.
            let make = |state: &State, _| {
                let same = Archive::draw(state, identity)? == archive;
                let act = Act::Retire { archive: digest, identity };
                if same { Ok(act) } else { Err(ActError::OutOfPlace) }
            };
            match self.act_on(make).await {
                Err(OwnerError::Act(ActError::OutOfPlace)) => {}
                done => return done.map(|_| archive),
            }
        }
    }

    /// The archive of a retired identity, if it was not erased.
    pub async fn archive(&self, identity: IdentityId) -> Result<Option<Archive>, OwnerError> {
        let standing = {
            let inner = self.ledger.peek();
            let state = inner.state.identities.get(&identity);
            state.map(|state| state.standing).ok_or(ActError::UnknownIdentity(identity))?
        };
        let Standing::Retired { archive } = standing else { return Ok(None) };
        let Some(bytes) = self.kept_body(archive).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let position = format!("body {archive}");
            OwnerError::Store(StoreError::Damaged { position, what: error.to_string() })
        })
    }

    /// Removes a body for good: content of a question, an archive, evidence. The decision is
    /// recorded first and its completion after it, so a crash in between is made good when the
    /// ledger is opened; the records that name the body still verify. Content that comes again is
    /// kept again. Copies elsewhere are out of reach.
    pub async fn erase(&self, body: Digest) -> Result<(), OwnerError> {
        // One that cannot be read is there too.
        if let Ok(None) = self.ledger.store.body(self.id(), body).await {
            return Err(OwnerError::NoBody(body));
        }
        self.act(|_, _| Act::Erase { body }).await?;
        self.ledger.erase(body).await.map_err(OwnerError::Store)
    }

    /// A body by its digest, checked against it.
    pub(crate) async fn kept_body(&self, digest: Digest) -> Result<Option<Vec<u8>>, OwnerError> {
        Ok(self.ledger.body(digest).await?)
    }

    fn bound_at(&self, number: u64, identity: IdentityId, job: Option<&str>) -> Agent {
        let agent = AgentId::made_at(self.id(), number, 0);
        Agent { seat: Seat::new(self.ledger.clone(), (agent, identity, job)) }
    }

    async fn make_identity(
        &self,
        name: &str,
        parent: Option<IdentityId>,
    ) -> Result<IdentityId, OwnerError> {
        let make = |owner, number| Act::Identity {
            identity: IdentityId::made_at(owner, number, 0),
            name: name.to_owned(),
            parent,
        };
        let number = self.act(make).await?;
        Ok(IdentityId::made_at(self.id(), number, 0))
    }

    /// Signs and records one act. Another act that came in between makes it sign again: numbers
    /// are consecutive, and what was signed is what is recorded.
    async fn act(&self, make: impl Fn(OwnerId, u64) -> Act) -> Result<u64, OwnerError> {
        self.act_on(|_, number| Ok(make(self.id(), number))).await.map(|signed| signed.number)
    }

    /// The same, for acts made of what is so: the act has to be the same when it is recorded.
    async fn act_on(
        &self,
        make: impl Fn(&State, u64) -> Result<Act, ActError>,
    ) -> Result<SignedAct, OwnerError> {
        loop {
            let (number, act) = {
                let inner = self.ledger.lock()?;
                if self.signer.public_key() != inner.state.key {
                    return Err(OwnerError::ForeignKey);
                }
                let number = inner.state.acts + 1;
                let act = make(&inner.state, number)?;
                inner.state.check_act(&act, self.ledger.tick(&inner))?;
                (number, act)
            };
            // What cannot follow is not signed.
            let vetted = match act.fact() {
                Some(fact) => Some(self.ledger.vet(fact, Actor::Owner)?),
                None => None,
            };
            let statement = SignedAct::statement(self.id(), number, &act);
            let signature = self.signer.sign(&statement).await?;
            let (event, appended) = {
                let mut inner = self.ledger.lock()?;
                if inner.state.acts + 1 != number {
                    continue;
                }
                if make(&inner.state, number)? != act {
                    return Err(ActError::OutOfPlace.into());
                }
                let event = Event::Act(SignedAct::new(act, number, signature));
                let (actor, class) = (Actor::Owner, Durability::Durable);
                let appended = match &vetted {
                    None => Some(self.ledger.append(&mut inner, (actor, &event), class)?),
                    Some(vetted) => {
                        let entering = (actor, &event, vetted);
                        self.ledger.append_vetted(&mut inner, entering, class)?
                    }
                };
                // What the fact rests on is not what it was: it is vetted and signed again.
                let Some(appended) = appended else { continue };
                (event, appended)
            };
            self.ledger.settle(appended).await?;
            let Event::Act(signed) = event else { return Err(ActError::OutOfPlace.into()) };
            return Ok(signed);
        }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner {}", self.ledger.owner)
    }
}

/// What a retired identity was, kept under the digest its retirement records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Archive {
    /// Who acted for it, by identifier and name.
    pub agents: Vec<(AgentId, String)>,
    /// What it held.
    pub grants: Vec<(GrantId, Grant)>,
    /// Which it was.
    pub identity: IdentityId,
    /// What it was called.
    pub name: String,
    /// Whose scope limited it.
    pub parent: Option<IdentityId>,
}

impl Archive {
    fn draw(state: &State, identity: IdentityId) -> Result<Self, ActError> {
        let own = state.identities.get(&identity);
        let own = own.ok_or(ActError::UnknownIdentity(identity))?;
        let agents = state.agents.iter().filter(|(_, agent)| agent.identity == identity);
        Ok(Self {
            agents: agents.map(|(id, agent)| (*id, agent.name.clone())).collect(),
            grants: state.grants(identity),
            identity,
            name: own.name.clone(),
            parent: own.parent,
        })
    }

    fn bytes(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(self).map_err(|error| StoreError::Damaged {
            position: "archive".into(),
            what: error.to_string(),
        })
    }
}

/// Why a decision of the owner did not come about. Nothing was changed, unless the ledger failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// It cannot be.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The signer did not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no such body: it was never kept, or is erased already.
    #[error("no body {0} is kept")]
    NoBody(Digest),
    /// The signer's key is not this ledger's owner's.
    #[error("the key is not that of the ledger's owner")]
    ForeignKey,
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

impl From<AppendError> for OwnerError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Act(error) => Self::Act(error),
            AppendError::Store(error) => Self::Store(error),
        }
    }
}
