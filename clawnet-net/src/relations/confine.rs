//! What an agent may do because of a session, besides what its identity may do at all.
use clawnet_core::{Action, Cause, Confinement, Grant, NotACause, Projection, Region, Resource};

use super::Relations;
use crate::{
    contact::Contact,
    dialogue::{Dialogue, Standing},
    id::SessionId,
    said::Review,
};

/// Because of what in a session something is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// What is heard and said in it: `ses_…`.
    Words(SessionId),
    /// Its turns, which are set aside and come back without a word: `ses_….turns`.
    Turns(SessionId),
}

impl Because {
    /// What a cause of this projection's names.
    pub(crate) fn of(cause: &Cause) -> Option<Self> {
        match cause.name().strip_suffix(TURNS) {
            Some(session) => session.parse().ok().map(Self::Turns),
            None => cause.name().parse().ok().map(Self::Words),
        }
    }

    /// The cause, with the number of the last entry.
    pub(crate) fn cause(self, last: u64) -> Result<Cause, NotACause> {
        let name = match self {
            Self::Words(session) => session.to_string(),
            Self::Turns(session) => format!("{session}{TURNS}"),
        };
        Cause::new(<Relations as Projection>::NAME, &name, last)
    }

    /// The session.
    pub(crate) fn session(self) -> SessionId {
        let (Self::Words(session) | Self::Turns(session)) = self;
        session
    }
}

const TURNS: &str = ".turns";

impl Relations {
    /// The epoch of a session's confinement, while anything may be done because of it.
    pub(super) fn confined_by(&self, cause: &Cause) -> Option<u64> {
        let (dialogue, _) = self.governing(cause)?;
        Some(dialogue.epoch)
    }

    /// Every level's scope is one more mandate, and speaking to the other side is let through, or
    /// asked about where the owner reads what leaves: there is nothing to read in turns alone.
    pub(super) fn confine_to(&self, cause: &Cause) -> Option<Confinement> {
        let (dialogue, contact) = self.governing(cause)?;
        let peer: Resource = format!("contact:{}", dialogue.peer()).parse().ok()?;
        let words = matches!(Because::of(cause), Some(Because::Words(_)));
        let read_first = words && is_read_first(dialogue, contact);
        // Agreeing to the session was agreeing to speak in it, at every level.
        let speaking = |grant: &Grant| {
            let (grant, peer) = (grant.clone(), Region::Exact(peer.clone()));
            if read_first { grant.ask(Action::Send, peer) } else { grant.allow(Action::Send, peer) }
        };
        let scope = dialogue.terms().scope.iter();
        let mandates = scope.map(|grant| (dialogue.agreed, speaking(grant))).collect();
        Some(Confinement { epoch: dialogue.epoch, mandates })
    }

    /// The session a cause names, if it goes on.
    fn governing(&self, cause: &Cause) -> Option<(&Dialogue, &Contact)> {
        let session = Because::of(cause)?.session();
        let dialogue = self.session(session).filter(|it| it.standing() == Standing::Open)?;
        let contact = self.contact(dialogue.peer())?;
        let known = contact.check_open().is_ok() && cause.number() <= dialogue.last;
        known.then_some((dialogue, contact))
    }
}

/// Whether the owner reads the next turn before it leaves: always, or because the identity did
/// something else on account of the session, or heard beneath it what nobody released.
fn is_read_first(dialogue: &Dialogue, contact: &Contact) -> bool {
    let reviewed = match contact.review {
        Review::Autonomous => false,
        Review::EachTurn => true,
        Review::WhenSensitive => dialogue.touched,
    };
    reviewed || !dialogue.unreleased.is_empty()
}
