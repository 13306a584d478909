//! Collaboration between two people's agents, over [`clawnet_core`]: **nothing happens that both
//! owners did not allow.**
//!
//! Two owners become *contacts*. Both sign the same *terms*, and a *session* is open. In it their
//! agents speak in turns, each an operation that the sender's kernel judges and both ledgers record,
//! numbered, signed, and chained to the turn before. Either owner stops it at any time. What is heard
//! in it gives nobody any authority: an agent that acts because of a session acts under its identity's
//! scope *and* the session's.
//!
//! ```
//! # use std::sync::Arc;
//! # use clawnet_core::*;
//! # use clawnet_net::*;
//! # async fn begin(seed: u8) -> (Arc<Kernel>, Owner) {
//! #     let key = |secret| SoftwareKey::from_secret(&[secret; 32]);
//! #     let governing = Kernel::governing(key(seed).public_key()).project::<Relations>();
//! #     let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
//! #     let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
//! #     let owner = kernel.owner(key(seed)).await.unwrap();
//! #     owner.certify(key(seed + 100).public_key()).await.unwrap();
//! #     kernel.sign_with(key(seed + 100));
//! #     (Arc::new(kernel), owner)
//! # }
//! # async fn carry(from: &Party, to: &Party) {
//! #     let link = clawnet_net::Proven::on_the_word_of_a_transport([from.kernel().owner_id()]);
//! #     let back = clawnet_net::Proven::on_the_word_of_a_transport([to.kernel().owner_id()]);
//! #     for frame in from.outgoing(to.kernel().owner_id()).await {
//! #         for answer in to.receive(&frame, &link).await {
//! #             from.receive(&answer, &back).await;
//! #         }
//! #     }
//! # }
//! # futures::executor::block_on(async {
//! // A kernel that folds `Relations`, opened with `Kernel::governing(key).project::<Relations>()`.
//! let (kernel, ann) = begin(1).await;
//! let (her, at_work) = (Party::of(kernel)?, ann.identity("work").await?);
//! # let (kernel, bob) = begin(2).await;
//! # let (his, office) = (Party::of(kernel)?, bob.identity("office").await?);
//!
//! // Both become contacts, each choosing whom the other meets.
//! her.ask(&ann, bob.id(), Presenting::new(at_work, "Ann at Acme"), "valves").await?;
//! # carry(&her, &his).await;
//! his.confirm(&bob, ann.id(), Presenting::new(office, "Bob's office")).await?;
//! # carry(&his, &her).await;
//!
//! // Both agree to the same terms.
//! let session = her.propose(&ann, Proposal::to(bob.id(), "2,000 valves").turns(6)).await?;
//! # carry(&her, &his).await;
//! let terms = his.invited(session)?.digest();                  // shown to Bob, who reads them
//! his.consent(&bob, session, terms).await?;
//! # carry(&his, &her).await;
//!
//! // Her agent speaks: what her own rules let leave, and because of this session alone.
//! let may_write_to_bob = Region::exact(&format!("contact:{}", bob.id()))?;
//! ann.grant(at_work, Grant::new().allow(Action::Send, may_write_to_bob)).await?;
//! let agent = ann.bind(at_work, "assistant", "in-process").await?;
//! let open = her.open(session)?;                               // verifies both signatures again
//! let floor = open.floor(&agent).await?;                       // her turn, and her agent's
//! println!("{}", floor.briefing().prompt);                     // its role, each turn anew
//! floor.say("Can you deliver 2,000 in March?", Mark::Continue).await?;
//! # carry(&her, &his).await;
//!
//! assert_eq!(his.session(session).unwrap().used, 1);           // both ledgers have it
//! assert!(her.open(session)?.floor(&agent).await.is_err());    // it is Bob's turn
//! his.close(&bob, session).await?;                             // and either owner ends it
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! A [`Party`] makes bytes and takes bytes; a [`Transport`] carries them, and a host keeps many
//! owners' parties over one store. What the bytes are, and when each thing counts, is in
//! [`protocol`].
//!
//! # What holds, and what each rests on
//!
//! - **Only an identity has an address.** There is no value of any type in this crate that names a
//!   manager, and whoever tries to reach one by text gets [`NOBODY`], the same bytes as for nobody
//!   at all. *Assumes* nothing.
//! - **Both owners agreed** to the very terms a session runs under, the initiator's owner too. At rest
//!   a session is plain data; [`Party::open`] verifies both signatures before it gives a
//!   [`Session<Open>`](Session). *Assumes* that each owner's signer is their own.
//! - **Both ledgers tell the same**: the same entries, in the same order, and when a session is over the
//!   same number of turns. *Assumes* that messages arrive in the end.
//! - **A counterpart that rewrites its past is found by its next turn**, in the session it does it in.
//! - **What a foreign turn causes** is done because of the session, within its scope and the identity's
//!   own. *Assumes* that the application gives the model [`Floor::agent`], and not another handle.
//! - **Sessions beneath sessions narrow**: each level's grants, turns drawn from all above, no owner
//!   twice, closed children first.
//! - **What came is evidence.** Nothing a message says is believed but what its signatures prove, and
//!   the ledger keeps them.
//!
//! *Not promised*: to notice what an agent paraphrases in a text it may send; to keep a counterpart from
//! showing others what it was told; to hide from a host which owners talk through it, and when.

mod address;
mod transport;
mod id;
mod reason;
mod text;
mod terms;
mod entry;
mod said;
mod wire;
mod contact;
mod dialogue;
mod relations;
mod lanes;
mod outbox;
mod desk;
mod briefing;
mod talk;
mod party;
mod host;

pub mod protocol;

pub use address::{Address, NotAnAddress};
pub use briefing::{Briefing, Foreign};
pub use contact::{Bond, Contact, Keys, Presenting};
pub use dialogue::{Dialogue, Drawn, Ended, Pauses, Side, Standing, Wording};
pub use entry::{End, Ending, Entry, LedgerHead, Mark, SignedEnd, SignedEntry, Turn, What};
#[cfg(feature = "tokio")]
pub use host::TokioTimer;
pub use host::{
    BUSY, Guest, Host, HostCounts, HostError, HostLimits, Hosting, Keyring, Presence, Rate, Timer,
    Whereabouts,
};
pub use id::{NotASession, SessionId};
pub use party::{Amendment, Line, NOBODY, Party, PartyError, Spoken};
pub use reason::Reason;
pub use relations::Relations;
pub use said::{Came, Decision, Evidence, Refused, Review, Said, Shown};
pub use talk::{
    Consent, Floor, Invited, NoFloor, NoSession, NotAgreed, Open, Ours, Session, Theirs,
};
pub use terms::{DEPTH_MAX, Level, Proposal, Terms, TermsError};
pub use transport::{
    Arrived, Closed, Counts, FRAME_BYTES_MAX, Faults, Hub, JoinError, MemoryTransport, NotProven,
    Proven, SendError, SimulatedNetwork, SimulatedTransport, Transport,
};
#[cfg(feature = "tokio")]
pub use transport::{
    ClaimError, Directory, LinkError, LinkEvent, LinkEvents, NodeError, NodeKey, NotVouched, Route,
    Speaker, TlsLimits, TlsTransport,
};
pub use wire::{Envelope, Letter, To};
