//! A session while it is driven: typed, so that nobody speaks in one that both owners have not
//! agreed to.
//!
//! At rest a session is a [`Dialogue`], plain data. A [`Session`] is made of it only by verifying
//! both owners' signatures again, over the terms as they stand, and gives the floor only to the agent
//! whose turn it is.
use std::{fmt, marker::PhantomData, sync::Arc};

use clawnet_core::{BadSignature, Digest, OwnerId, PublicKey, Resource, SignedAct};

use crate::{
    desk::Desk,
    dialogue::{Dialogue, Standing},
    entry::Ending,
    id::SessionId,
    outbox::contact,
    relations::Relations,
    said::{Decision, Said},
    terms::Terms,
};

mod floor;

pub use floor::{Floor, NoFloor};

/// A session, in a state that was verified. `S` is [`Invited`] or [`Open`].
///
/// **Refuses** to be stored, sent or copied: it is made from the ledger each time, and what is at
/// rest is a [`Dialogue`].
pub struct Session<S> {
    pub(crate) desk: Arc<Desk>,
    /// The other owner, as rules name them.
    contact: Option<Resource>,
    digest: Digest,
    terms: Terms,
    state: PhantomData<fn() -> S>,
}

/// A session that somebody has to agree to.
#[derive(Debug)]
pub struct Invited(());

/// A session both owners have agreed to.
#[derive(Debug)]
pub struct Open(());

/// One owner's signed yes to the terms of one session. `W` is [`Ours`] or [`Theirs`].
///
/// **Promises** that the signature was verified just before.
pub struct Consent<W> {
    terms: Digest,
    session: SessionId,
    whose: PhantomData<fn() -> W>,
}

/// By the owner of this kernel.
#[derive(Debug)]
pub struct Ours(());

/// By the other owner.
#[derive(Debug)]
pub struct Theirs(());

/// Why a session cannot be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSession {
    /// It is over.
    #[error("the session is over")]
    Ended(Ending),
    /// A signature at rest does not verify: the ledger is not what it was.
    #[error("a consent does not verify")]
    Forged,
    /// Both owners have agreed already.
    #[error("the session is open")]
    Open,
    /// Both have not agreed to the terms as they stand.
    #[error("both owners have not agreed")]
    NotAgreed,
    /// There is none of that name.
    #[error("no such session is known")]
    Unknown,
}

/// Why a session does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAgreed {
    /// A consent is to another session.
    #[error("a consent is to another session")]
    OtherSession,
    /// A consent is to other terms than those that stand.
    #[error("a consent is to other terms")]
    OtherTerms,
    /// The session is not open here.
    #[error(transparent)]
    NotOpen(#[from] NoSession),
}

impl<S> Session<S> {
    /// Which.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.terms.session
    }

    /// What it is about, and within which bounds.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// What both owners sign.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    fn of(desk: &Arc<Desk>, dialogue: &Dialogue) -> Self {
        let wording = &dialogue.wording;
        let (digest, terms) = (wording.digest, wording.terms.clone());
        let contact = contact(dialogue.peer()).ok();
        Self { desk: desk.clone(), contact, digest, terms, state: PhantomData }
    }
}

impl Session<Invited> {
    /// A session that waits for an owner's yes.
    pub(crate) fn invited(desk: &Arc<Desk>, session: SessionId) -> Result<Self, NoSession> {
        let dialogue = desk.read(|net| net.session(session).cloned()).ok_or(NoSession::Unknown)?;
        match dialogue.standing() {
            Standing::Invited => Ok(Self::of(desk, &dialogue)),
            Standing::Open | Standing::Paused => Err(NoSession::Open),
            Standing::Ended(reason) => Err(NoSession::Ended(reason)),
        }
    }

    /// This owner's yes, if it was said.
    #[must_use]
    pub fn ours(&self) -> Option<Consent<Ours>> {
        self.consent(|dialogue| {
            let act = dialogue.wording.ours.clone()?;
            Some((self.desk.kernel.owner_id(), act))
        })
    }

    /// The other owner's yes, if it has come.
    #[must_use]
    pub fn theirs(&self) -> Option<Consent<Theirs>> {
        self.consent(|dialogue| Some((dialogue.peer(), dialogue.wording.theirs.clone()?)))
    }

    fn consent<W>(
        &self,
        pick: impl FnOnce(&Dialogue) -> Option<(OwnerId, SignedAct)>,
    ) -> Option<Consent<W>> {
        let (signer, act) = self.desk.look(self.id(), |dialogue, _| pick(dialogue)).flatten()?;
        let key = self.desk.signer(signer, act.number)?;
        verify(&act, (signer, key), &self.terms).ok()?;
        Some(Consent { terms: self.digest, session: self.id(), whose: PhantomData })
    }

    /// Opens it, with a yes of each owner to the same terms: those that stand. Both are spent.
    ///
    /// # Errors
    /// When either is to something else, or the terms are others by now.
    pub fn open(
        self,
        ours: Consent<Ours>,
        theirs: Consent<Theirs>,
    ) -> Result<Session<Open>, NotAgreed> {
        let agreed = [ours.spend(), theirs.spend()];
        if agreed.iter().any(|(session, _)| *session != self.id()) {
            return Err(NotAgreed::OtherSession);
        }
        let open = Session::<Open>::load(&self.desk, self.id())?;
        if agreed.iter().any(|(_, terms)| *terms != open.digest) {
            return Err(NotAgreed::OtherTerms);
        }
        Ok(open)
    }
}

impl<W> Consent<W> {
    fn spend(self) -> (SessionId, Digest) {
        (self.session, self.terms)
    }
}

impl Session<Open> {
    /// Takes it from the ledger, and verifies both owners' signatures again.
    pub(crate) fn load(desk: &Arc<Desk>, session: SessionId) -> Result<Self, NoSession> {
        let dialogue = desk.read(|net| net.session(session).cloned()).ok_or(NoSession::Unknown)?;
        match dialogue.standing() {
            Standing::Ended(reason) => return Err(NoSession::Ended(reason)),
            Standing::Invited => return Err(NoSession::NotAgreed),
            Standing::Open | Standing::Paused => {}
        }
        let wording = &dialogue.wording;
        let ours = wording.ours.as_ref().ok_or(NoSession::NotAgreed)?;
        let theirs = wording.theirs.as_ref().ok_or(NoSession::NotAgreed)?;
        if wording.terms.digest() != wording.digest {
            return Err(NoSession::Forged);
        }
        for (owner, act) in [(desk.kernel.owner_id(), ours), (dialogue.peer(), theirs)] {
            let key = desk.signer(owner, act.number).ok_or(NoSession::NotAgreed)?;
            verify(act, (owner, key), &wording.terms).map_err(|_| NoSession::Forged)?;
        }
        Ok(Self::of(desk, &dialogue))
    }
}

/// Whether `act` is the yes of the owner with this key to just these terms.
pub(crate) fn verify(
    act: &SignedAct,
    (owner, key): (OwnerId, PublicKey),
    terms: &Terms,
) -> Result<(), BadSignature> {
    let agreed = Decision::Consent {
        revision: terms.revision,
        session: terms.session,
        terms: terms.digest(),
    };
    if act.declared::<Relations>() != Some(Said::Decided(agreed)) {
        return Err(BadSignature);
    }
    act.verify(owner, &key)
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session {}", self.id())
    }
}

impl<W> fmt::Debug for Consent<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consent to {}", self.session)
    }
}
