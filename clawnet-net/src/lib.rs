//! Collaboration between two people's agents, over [`clawnet_core`].
//!
//! Contacts, presented identities, consent, sessions, recursive collaboration, the host that keeps
//! many owners' kernels over one store, and the transports between them belong here. This release
//! holds what they stand on, and nothing that pretends to be more: the address.
//!
//! **Only an identity has an address.** A manager agent, the owner's adviser, has none: there is no
//! value of any type in this crate that names one, so no message can be sent to it.
//!
//! ```
//! # use clawnet_core::{Kernel, MemoryStore, Signer, SoftwareKey, Timestamp};
//! # use clawnet_net::Address;
//! # futures::executor::block_on(async {
//! let key = SoftwareKey::from_secret(&[7; 32]);
//! let clock = || Timestamp::from_millis(1_795_000_000_000);
//! let kernel = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock).await?;
//! let work = kernel.owner(key).await?.identity("work").await?;
//!
//! let address = Address::of(kernel.owner_id(), work);
//! assert_eq!(address.to_string().parse(), Ok(address));
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

mod address;
mod transport;
mod id;
mod reason;
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

pub mod protocol;

pub use address::{Address, NotAnAddress};
pub use briefing::{Briefing, Foreign};
pub use contact::{Bond, Contact, Keys, Presenting};
pub use dialogue::{Dialogue, Ended, Pauses, Side, Standing, Wording};
pub use entry::{End, Ending, Entry, LedgerHead, Mark, SignedEnd, SignedEntry, Turn, What};
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
pub use wire::{Envelope, Letter, To};
