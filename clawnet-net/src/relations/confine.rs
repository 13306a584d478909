//! What an agent may do because of a session, besides what its identity may do at all.
use clawnet_core::{Action, Cause, Confinement, Grant, Region, Resource};

use super::Relations;
use crate::{
    contact::Contact,
    dialogue::{Dialogue, Standing},
    id::SessionId,
    said::Review,
};

impl Relations {
    /// The epoch of a session's confinement, while anything may be done because of it.
    pub(super) fn confined_by(&self, cause: &Cause) -> Option<u64> {
        let (dialogue, _) = self.governing(cause)?;
        Some(dialogue.epoch)
    }

    /// Every level's scope is one more mandate, and speaking to the other side is let through, or
    /// asked about where the owner reads what leaves.
    pub(super) fn confine_to(&self, cause: &Cause) -> Option<Confinement> {
        let (dialogue, contact) = self.governing(cause)?;
        let peer: Resource = format!("contact:{}", dialogue.peer()).parse().ok()?;
        let read_first = is_read_first(dialogue, contact);
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
        let session: SessionId = cause.name().parse().ok()?;
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
