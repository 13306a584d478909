//! The governance kernel that agent software embeds: **agents execute, the kernel authorizes and
//! records.**
//!
//! An application brings its language model, its transport and its interface. The kernel binds every
//! agent to one identity of one owner, judges each operation in two independent layers, asks the
//! owner where a rule says so, records before and after, and denies when anything is in doubt.
//!
//! ```
//! # use clawnet_core::*;
//! # use std::time::SystemTime;
//! #[derive(serde::Serialize)]
//! struct Post { channel: Resource, text: String }
//!
//! impl Operation for Post {
//!     const KIND: &'static str = "chat.post";
//!     type Output = usize;
//!     const EFFECT: Effect = Effect::Release;
//!     fn demands(&self) -> Demands<'_> { Demands::one(Action::Call, &self.channel) }
//! }
//!
//! struct Chat;
//!
//! impl Endpoint<Post> for Chat {
//!     fn admit(&self, _: &Post, _: &Caller) -> Result<Admission, Denial> {
//!         Ok(Admission::unversioned())
//!     }
//!     async fn perform(&self, task: Authorized<'_, Post>) -> Result<usize, Fault> {
//!         Ok(task.operation().text.len())
//!     }
//! }
//!
//! # futures::executor::block_on(async {
//! let key = SoftwareKey::from_secret(&[7; 32]);
//! let clock = || SystemTime::now().into();
//! let kernel = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock).await?;
//! let owner = kernel.owner(key).await?;
//! let work = owner.identity("work").await?;
//! let rules = Grant::new().ask(Action::Call, Region::subtree("tool:chat")?);
//! owner.grant(work, rules).await?;
//!
//! let agent = owner.bind(work, "assistant", "in-process").await?;
//! let chat = kernel.mount("chat", Chat);
//! let post = Post { channel: "tool:chat.team".parse()?, text: "done".into() };
//! let Err(Refusal::Escalated(ticket)) = agent.submit(&chat, &post).await else { panic!() };
//! owner.approve(ticket.id).await?;
//! assert_eq!(agent.submit(&chat, &post).await?, 4);        // spent: the next one asks again
//! assert!(matches!(agent.submit(&chat, &post).await, Err(Refusal::Escalated(_))));
//! assert!(kernel.verify().await?.damage.is_none());
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # The second start
//!
//! Identities, agents and grants are in the ledger and come back with it; names are for people and
//! need not be unique. A program that starts again looks for what it made before:
//!
//! ```
//! # use clawnet_core::*;
//! # async fn start(owner: &Owner) -> Result<Agent, OwnerError> {
//! let (identity, agents) = match owner.find_identity("work") {
//!     Some(known) => (known.identity, known.agents),
//!     None => (owner.identity("work").await?, Vec::new()),
//! };
//! match agents.first() {
//!     Some((agent, _name)) => owner.agent(*agent),
//!     None => owner.bind(identity, "assistant", "in-process").await,
//! }
//! # }
//! ```
//!
//! # The path
//!
//! There is one way to cause an effect, and it is a straight line:
//!
//! ```text
//!  agent.submit(&mount, &operation)
//!      |
//!      v   Bound ----> Permit ------> Admitted ----> Entry -------> Authorized --> perform --> Outcome
//!          who?        layer 1        layer 2        intent,        borrows the    effect      durable
//!                      scope          veto           durable        entry
//!                      \_ ask: ticket to the owner; the same operation submitted again after the
//!                         yes is judged afresh
//! ```
//!
//! Each box is a type made only where its check is performed: private fields, no `Clone`, no serde.
//! There is no public `authorize()`: no authorization without execution, and no execution without
//! two records.
//!
//! # Everything beneath
//!
//! An operation may take a whole folder, a namespace of tools, or every ref of a repository at once.
//! It then demands the *tree*: the resource and everything that is or could be beneath it. The verdict
//! is the least over all of that, so one rule that denies or asks anywhere in it decides, and only a
//! rule about all of it allows; a use counts with that rule, and with every ask within. An endpoint
//! that meets things one by one asks about each: [`Authorized::extends_to`].
//!
//! ```
//! # use clawnet_core::*;
//! # #[derive(serde::Serialize)]
//! # struct Clear { folder: Resource }
//! impl Operation for Clear {
//! #     const KIND: &'static str = "file.clear";
//! #     type Output = ();
//! #     const EFFECT: Effect = Effect::Change;
//!     // …
//!     fn demands(&self) -> Demands<'_> { Demands::tree(Action::Delete, &self.folder) }
//! }
//! # futures::executor::block_on(async {
//! # let key = SoftwareKey::from_secret(&[7; 32]);
//! # let kernel = Kernel::governing(key.public_key());
//! # let kernel = kernel.open(MemoryStore::new(), ManualClock::default()).await?;
//! # let owner = kernel.owner(key).await?;
//! # let work = owner.identity("work").await?;
//! let rules = Grant::new()
//!     .allow(Action::Delete, Region::subtree("fs:/work")?)
//!     .deny(Action::Delete, Region::exact("fs:/work/q3/contract.pdf")?);
//! owner.grant(work, rules).await?;
//! let agent = owner.bind(work, "assistant", "in-process").await?;
//! assert_eq!(agent.judge(&Clear { folder: "fs:/work/q2".parse()? }).verdict, Verdict::Allow);
//! let judged = agent.judge(&Clear { folder: "fs:/work/q3".parse()? });
//! assert_eq!(judged.code, Some(DenyCode::ExplicitDeny));    // whatever there is in it now
//! println!("{}", owner.explain_within(work, Action::Delete, &Region::subtree("fs:/work/q3")?)?);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # The ledger, to outsiders
//!
//! Every record is chained, and a leaf of a tree whose root the kernel signs, with a key that the
//! owner certified, in the form that public witnesses read. Who holds one such checkpoint finds every
//! rewriting and every cut before it; one record is proven with a few hashes; and a [`Bundle`] says
//! who did what, under which grant and by whose yes, to somebody who has nothing but the owner's
//! public key. [`format`](mod@format) is the specification.
//!
//! ```
//! # use clawnet_core::*;
//! # futures::executor::block_on(async {
//! # let key = SoftwareKey::from_secret(&[7; 32]);
//! # let founder = key.public_key();
//! # let kernel = Kernel::governing(founder).open(MemoryStore::new(), ManualClock::default()).await?;
//! # let owner = kernel.owner(key).await?;
//! let own = SoftwareKey::from_secret(&[8; 32]);             // the kernel's, and not the owner's
//! if kernel.certified_key() != Some(own.public_key()) {     // the first time
//!     owner.certify(own.public_key()).await?;
//! }
//! kernel.sign_with(own);
//! let work = owner.identity("work").await?;
//! let checkpoint = kernel.checkpoint().await?;              // a signed note: keep it elsewhere
//!
//! let bundle = owner.bundle(3, &checkpoint).await?;         // record 3 made the identity
//! println!("{}", bundle.check(founder)?);                   // anybody can, with the key alone
//! let deeds = owner.query(&Query::new().identity(work), 50).await?.deeds;
//! assert!(deeds.is_empty());                                // it did nothing yet
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # Facts and projections
//!
//! Other crates keep what they know in the same ledger: a **fact** is a typed statement in it, and a
//! **projection** the fold of it to that crate's state. The kernel asks the projection which facts
//! may follow, verifies the signatures they rest on, and folds them in record order under its one
//! lock, live and when the ledger is opened again. A fact is the kernel's or the owner's; an agent
//! has no way to put one there.
//!
//! ```
//! # use clawnet_core::*;
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Errands { within: Vec<(u64, Grant)>, closed: u64 }
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! enum Errand { Closed, Within(Grant) }
//!
//! impl Projection for Errands {
//!     const NAME: &'static str = "errands";
//!     type Fact = Errand;
//!     fn begin(_: OwnerId) -> Self { Errands { within: Vec::new(), closed: 0 } }
//!     fn claims(&self, _: &Errand, _: Actor) -> Result<Vec<Claim>, Misfit> { Ok(Vec::new()) }
//!     fn check(&self, fact: &Errand, _: &About<'_>) -> Result<(), Misfit> {
//!         let closes_none = matches!(fact, Errand::Closed) && self.within.is_empty();
//!         if closes_none { Err(Misfit::new("none", "no errand is open")) } else { Ok(()) }
//!     }
//!     fn fold(&mut self, fact: &Errand, about: &About<'_>) {
//!         match fact {
//!             Errand::Closed => (self.within, self.closed) = (Vec::new(), self.closed + 1),
//!             Errand::Within(rules) => self.within.push((about.sequence(), rules.clone())),
//!         }
//!     }
//!     fn confine(&self, _: &Cause) -> Option<Confinement> {
//!         let (epoch, _) = *self.within.last()?;              // none: nothing is permitted
//!         Some(Confinement { epoch, mandates: self.within.clone() })
//!     }
//! }
//!
//! # futures::executor::block_on(async {
//! # let key = SoftwareKey::from_secret(&[7; 32]);
//! let governing = Kernel::governing(key.public_key()).project::<Errands>();
//! # let kernel = governing.open(MemoryStore::new(), ManualClock::default()).await?;
//! # let owner = kernel.owner(key).await?;
//! # let work = owner.identity("work").await?;
//! # owner.grant(work, Grant::new().allow(Action::Read, Region::subtree("fs:/work")?)).await?;
//! # let agent = owner.bind(work, "assistant", "in-process").await?;
//! assert!(kernel.declare::<Errands>(&Errand::Closed, None).await.is_err());
//! let narrow = Grant::new().allow(Action::Read, Region::subtree("fs:/work/q3")?);
//! owner.declare::<Errands>(Errand::Within(narrow)).await?;   // signed: evidence to others, too
//!
//! let caused = agent.because(Cause::new("errands", "today", 1)?)?;
//! let may = |agent: &Agent, at: &str| {
//!     agent.judge_demands(&Demands::one(Action::Read, &at.parse().unwrap())).verdict
//! };
//! assert_eq!(may(&agent, "fs:/work/q2"), Verdict::Allow);    // of its owner's own accord
//! assert_eq!(may(&caused, "fs:/work/q2"), Verdict::Deny);    // its scope *and* the errand's
//! assert_eq!(may(&caused, "fs:/work/q3"), Verdict::Allow);
//! kernel.declare::<Errands>(&Errand::Closed, None).await?;
//! assert_eq!(may(&caused, "fs:/work/q3"), Verdict::Deny);    // nothing follows its end
//! assert_eq!(kernel.read(|state: &Errands| state.closed)?, 1);
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! What an agent does because of something that is not its owner's own accord, such as a
//! counterpart's turn, names that **cause** in every record, and is limited by what the projection
//! says of it besides the identity's scope: [`Agent::because`].
//!
//! # Invariants, and what each assumes
//!
//! 1. **Intent before effect, outcome after.** The intent is durable before the endpoint runs. Only
//!    what merely observes may run on a buffered one ([`Limits::durable_reads`] ends that).
//!    *Assumes* the [`Store`] keeps its word and the operation declares its [`Effect`] truly.
//! 2. **Decide on a snapshot, commit in its epoch.** Judging takes no lock. The intent is judged once
//!    more under the ledger's lock, at the record's own time, and only in the same epoch: no intent
//!    follows a revocation.
//! 3. **Ask last.** The owner is asked only for what both layers would let through, at most once for
//!    one operation, and for so many at a time. A no is remembered.
//! 4. **An approval is one yes to one digest**: bound to identity, canonical bytes, epoch, the
//!    resource's version and an expiry, and spent in the same append as the intent. *Assumes* the
//!    signer is the owner's alone.
//! 5. **One log, state is a fold.** State changes only by folding a record, live and at replay; that
//!    of a [`Projection`] too. *Assumes* its fold is a function of what it is told.
//! 6. **Tokens stay home.** What proves is not serializable. What crosses a wire is evidence.
//! 7. **Error means no.** Unknown, unreachable, unparsable, stale, poisoned, panicked: all deny.
//! 8. **Refusals are records too**, and the owner's security events. The agent is told the code and
//!    its own rules.
//!
//! *Not promised*: to stop a hostile crate in the same process, an operation that names fewer
//! resources than it touches, or root on the machine.
//!
//! # Reading the crate
//!
//! The modules below are in the order they build on each other, and each imports only from those
//! above it: a reader can start at the top. One lock orders each ledger (`ledger`); everything that
//! decides is pure (`scope`); everything that is so is a fold (`policy`).

mod digest;
mod base64;
mod id;
mod time;
mod resource;
mod canonical;
mod operation;
mod rule;
mod denial;
mod cause;
mod scope;
mod approval;
mod key;
mod fact;
mod tree;
mod note;
mod store;
mod record;
mod verify;
mod policy;
mod projection;
mod house;
mod directive;
mod ledger;
mod transfer;
mod bundle;
mod bound;
mod permit;
mod endpoint;
mod submit;
mod agent;
mod owner;
mod kernel;

pub mod format;

pub use agent::Agent;
pub use approval::{Approval, ContentRef, OperationText, Question, Ticket, Version};
pub use bound::Caller;
pub use bundle::{Bundle, BundleError, Granted, Grantor, NotABundle, Proven, Unproven, Who};
pub use cause::{Cause, Confinement, NotACause};
pub use denial::{Denial, DenyCode, Difference, Layer, NearMiss};
pub use digest::{Digest, NotHex};
pub use directive::{
    Addressee, Directive, DirectiveError, NodeHead, Receipt, Reported, SignedDirective,
    SignedReceipt, VerifiedDirective,
};
pub use endpoint::{Admission, Authorized, Endpoint, Fault, Mount, Recall};
pub use fact::{Claim, Fact, FactError, Misfit, NotProjected};
pub use house::{HouseFault, HousePolicy, HouseQuestion, Restriction};
pub use id::{AgentId, GrantId, IdentityId, NotAnId, OwnerId, TicketId};
pub use kernel::{Governing, Kernel};
pub use key::{BadSignature, PublicKey, Signature, Signer, SignerError, SoftwareKey, vouched};
pub use ledger::{
    CheckpointError, DeclareError, Follow, Growth, Limits, Progress, ProofError, Recovery, Seen,
    WitnessError, Witnessed,
};
pub use note::{Checkpoint, NoteError, SignedCheckpoint, VerifierKey};
pub use operation::{
    Action, Code, Demand, Demanded, Demands, Effect, Extent, Operation, UnknownAction,
};
pub use owner::{
    Answered, Archive, Body, Concluded, Consulted, Deed, Explanation, Overview, Owner, OwnerError,
    Page, PeerView, Query,
};
pub use permit::NotExtended;
pub use policy::{ActError, Standing};
pub use projection::{About, Projection};
pub use record::{
    Act, Actor, AuditRecord, Credential, Event, HeadError, Intent, Misbehaviour, Offence, Outcome,
    OutcomeKind, Presented, Recalled, Refused, SignedAct, UnreadableRecord,
};
pub use resource::{Kind, Region, Resource, ResourceError};
pub use rule::{
    Actions, Budget, Grant, GrantError, NotARuleId, Rule, RuleError, RuleId, Verdict, Window,
};
pub use scope::{Ability, Capable, Explained, Judgement, Matching, RuleState};
pub use store::{
    Archived, Backup, Batch, Commit, Copied, Decider, Disk, Durability, Frame, Head, IndexEntry,
    IndexRange, LocalStore, MemoryStore, Missing, Opened, Snapshot, Store, StoreError,
};
pub use submit::Refusal;
pub use time::{Clock, ManualClock, Timestamp};
pub use transfer::{Export, ExportError, Flaw, Import, ImportError, Transferred};

pub use tree::{ConsistencyProof, InclusionProof, NotProven, TreeHash};
pub use verify::{Damage, Verification, Verifier};
