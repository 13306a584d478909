//! One owner's side of collaboration.
use std::{fmt, sync::Arc};

use clawnet_core::{
    ActError, CheckpointError, DeclareError, Kernel, Misfit, NotProjected, Owner, OwnerError,
    OwnerId, StoreError,
};

use crate::{
    contact::Contact,
    desk::Desk,
    dialogue::Dialogue,
    id::SessionId,
    reason::Reason,
    relations::Relations,
    said::Said,
    talk::{Invited, NoSession, Open, Session},
};

mod amendment;
mod owner;
mod outgoing;
mod refusals;
mod receive;
mod tick;
mod transcript;
#[cfg(test)]
mod tests;

pub use amendment::Amendment;
pub use refusals::NOBODY;
use refusals::Refusals;
pub use transcript::{Line, Spoken};

/// One owner's side of collaboration: contacts, sessions and what crosses to others, over their
/// kernel. Cheap to clone.
///
/// **Promises** that what the owner decides is signed by the owner and recorded before anybody is
/// told, that nothing that came is believed but what it proves, and that everything not known to
/// have arrived is sent again, after a restart too. **Refuses** everything about a session that both
/// owners have not agreed to.
///
/// It sends nothing itself: the application, or a host, carries bytes between
/// [`outgoing`](Self::outgoing) here and [`receive`](Self::receive) there.
#[derive(Clone)]
pub struct Party {
    desk: Arc<Desk>,
    refusals: Arc<Refusals>,
}

/// Why something an owner decided did not come about. Nothing changed, unless the ledger failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// The handle is another owner's.
    #[error("the handle is another owner's")]
    Foreign,
    /// The kernel was opened without [`Relations`].
    #[error(transparent)]
    NotProjected(#[from] NotProjected),
    /// The owner's decision cannot be, for a reason of the kernel's.
    #[error(transparent)]
    Owner(OwnerError),
    /// The contact or the session does not stand so that it could be.
    #[error("{0}")]
    Refused(Reason),
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
    /// The kernel has no key that the owner certified, or does not sign with it.
    #[error("the kernel signs nothing: {0}")]
    Uncertified(#[from] CheckpointError),
    /// What was asked for is not possible, in words.
    #[error("{0}")]
    Unfit(String),
}

impl Party {
    /// The side of the owner whose kernel this is.
    ///
    /// **Refuses** a kernel that was opened without
    /// [`project::<Relations>()`](clawnet_core::Governing::project), or that signs with no key the
    /// owner certified: [`Kernel::sign_with`].
    pub fn of(kernel: Arc<Kernel>) -> Result<Self, PartyError> {
        kernel.read(|_: &Relations| ())?;
        // What is signed here is nobody's to use: no statement of this crate is about that.
        _ = kernel.vouch("net.here", b"")?;
        Ok(Self { desk: Arc::new(Desk::new(kernel)), refusals: Arc::default() })
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.desk.kernel
    }

    /// What is known of a counterpart.
    #[must_use]
    pub fn contact(&self, peer: OwnerId) -> Option<Contact> {
        self.desk.read(|net| net.contact(peer).cloned())
    }

    /// Every counterpart.
    #[must_use]
    pub fn contacts(&self) -> Vec<(OwnerId, Contact)> {
        let all = self.desk.read(|net| {
            Some(net.contacts().map(|(peer, contact)| (peer, contact.clone())).collect())
        });
        all.unwrap_or_default()
    }

    /// How a session stands.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<Dialogue> {
        self.desk.read(|net| net.session(session).cloned())
    }

    /// Every session that is not forgotten.
    #[must_use]
    pub fn sessions(&self) -> Vec<(SessionId, Dialogue)> {
        let all = self.desk.read(|net| {
            Some(net.sessions().map(|(id, dialogue)| (id, dialogue.clone())).collect())
        });
        all.unwrap_or_default()
    }

    /// A session that waits for an owner's yes, to be opened by hand. It opens by itself too, as
    /// soon as both have agreed.
    pub fn invited(&self, session: SessionId) -> Result<Session<Invited>, NoSession> {
        Session::invited(&self.desk, session)
    }

    /// A session both owners have agreed to, to be driven. Both signatures are verified again.
    pub fn open(&self, session: SessionId) -> Result<Session<Open>, NoSession> {
        Session::load(&self.desk, session)
    }

    /// What a session beneath another one came to, if its far end let it be told, and nobody had it
    /// erased.
    pub async fn result(&self, session: SessionId) -> Result<Option<String>, StoreError> {
        let released = self.desk.read(|net| net.session(session)?.released);
        match released {
            Some(body) => self.desk.text(body).await,
            None => Ok(None),
        }
    }

    /// That nobody else holds any part of this: no clone, not the kernel, no handle to decide or to
    /// act with, no session that is driven. Then, and only then, dropping it ends the kernel.
    pub(crate) fn check_unused(&self) -> Result<(), InUse> {
        let desk = Arc::strong_count(&self.desk);
        // The kernel is held by the desk and the outbox, and its ledger by the outbox's mount.
        let kernel = Arc::strong_count(&self.desk.kernel);
        let handles = self.desk.kernel.handles();
        if (desk, kernel, handles) == (1, 2, 1) { Ok(()) } else { Err(InUse) }
    }

    /// Frames for this owner were turned away before anybody looked at them, so many since the last
    /// time.
    pub(crate) fn turned_away(&self, peer: Option<OwnerId>, times: u64) {
        if let Some(refused) = self.refusals.count_many((peer, Reason::Busy), times) {
            drop(self.desk.kernel.declare_buffered::<Relations>(&Said::Refused(refused)));
        }
    }

    /// Whether the handle is this owner's.
    fn check(&self, owner: &Owner) -> Result<(), PartyError> {
        if owner.id() == self.desk.kernel.owner_id() { Ok(()) } else { Err(PartyError::Foreign) }
    }
}

/// Somebody holds a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InUse;

impl From<Reason> for PartyError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<OwnerError> for PartyError {
    fn from(error: OwnerError) -> Self {
        if let OwnerError::Store(error) = error {
            return Self::Store(error);
        }
        let OwnerError::Act(ActError::Misfit(misfit)) = error else { return Self::Owner(error) };
        misfit.into()
    }
}

impl From<Misfit> for PartyError {
    fn from(misfit: Misfit) -> Self {
        let reason = Reason::of_code(misfit.code.as_str());
        reason.map_or_else(|| Self::Unfit(misfit.to_string()), Self::Refused)
    }
}

impl From<DeclareError> for PartyError {
    fn from(error: DeclareError) -> Self {
        if let DeclareError::Misfit(misfit) = error {
            return misfit.into();
        }
        let DeclareError::Store(error) = error else { return Self::Unfit(error.to_string()) };
        Self::Store(error)
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Party {}", self.desk.kernel.owner_id())
    }
}
