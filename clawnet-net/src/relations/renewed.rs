//! What was decided with a key the owner does not have any more, and is not known to have arrived:
//! decided again, with the key there is.
//!
//! A counterpart takes acts by the newest key only, or whoever has the old one could sign acts for
//! places from before it was replaced. So what waits is not shown until the owner signed it again:
//! the same decision, as a new act, in the place it had among those that wait. It may have arrived
//! the first time: then it is refused or taken over there as whatever comes twice, and both agree.
use clawnet_core::{Misfit, OwnerId, SignedAct};

use super::{Relations, due::PENDING_MAX};
use crate::{
    contact::{Contact, Pending},
    reason::Reason,
    said::{Decision, Said},
};

/// A decision that waits for the owner to sign it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outdated {
    /// The number of the act it was decided by.
    pub(crate) act: u64,
    pub(crate) decision: Decision,
    /// Who is to be shown it.
    pub(crate) peer: OwnerId,
}

impl Relations {
    /// Decisions that wait for the owner to sign them again, in order, and for whom.
    pub(crate) fn outdated(&self) -> impl Iterator<Item = Outdated> {
        let each = self.contacts.iter();
        each.flat_map(|(peer, contact)| {
            let outdated = contact.pending.iter().filter(|it| self.is_outdated(it));
            outdated.filter_map(|it| {
                let (act, decision) = (it.act.number, decided(it)?);
                Some(Outdated { act, decision, peer: *peer })
            })
        })
    }

    /// Whom a decision is shown to behind what was decided before, which has to be signed again
    /// first. The end of a contact is behind nothing: it makes that moot.
    pub(crate) fn follows(&self, decision: &Decision) -> Option<OwnerId> {
        let ends = matches!(decision, Decision::Remove { .. });
        self.shown_to(decision).filter(|_| !ends)
    }

    /// What would have to be signed again is moot.
    pub(super) fn drop_outdated(&mut self, peer: OwnerId) {
        let since = self.key_since;
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.pending.retain(|it| it.act.number >= since);
        }
    }

    /// Whether it is signed with a key that the owner does not have any more.
    pub(super) fn is_outdated(&self, pending: &Pending) -> bool {
        pending.act.number < self.key_since
    }

    /// The peer for whom `decision` is the first that waits to be signed again, if there is one.
    pub(super) fn renewing(&self, decision: &Decision) -> Option<OwnerId> {
        let first = |contact: &Contact| {
            contact.pending.iter().find(|it| self.is_outdated(it)).and_then(decided)
        };
        let mut each = self.contacts.iter();
        each.find(|(_, contact)| first(contact).as_ref() == Some(decision)).map(|(peer, _)| *peer)
    }

    /// Whether one more decision may wait to be shown: in order, and not too many. The end of a
    /// contact always may.
    pub(super) fn check_shown(&self, decision: &Decision) -> Result<(), Misfit> {
        let peer = self.follows(decision);
        let Some(contact) = peer.and_then(|peer| self.contact(peer)) else { return Ok(()) };
        if contact.pending.back().is_some_and(|it| self.is_outdated(it)) {
            let what = "what was decided with the key before has to be signed again first";
            return Err(Misfit::new("outdated", what));
        }
        let full = contact.pending.len() >= PENDING_MAX;
        if full { Err(Reason::Limit.into()) } else { Ok(()) }
    }

    /// Whom a decision is shown to, if to anybody.
    fn shown_to(&self, decision: &Decision) -> Option<OwnerId> {
        match decision {
            Decision::Ask { peer, .. }
            | Decision::Confirm { peer, .. }
            | Decision::Present { peer, .. }
            | Decision::Remove { peer } => Some(*peer),
            Decision::Consent { session, .. }
            | Decision::Pause { session }
            | Decision::Release { session, .. }
            | Decision::Resume { session } => Some(self.session(*session)?.peer()),
            Decision::AcceptKey { .. }
            | Decision::Assign { .. }
            | Decision::Block { .. }
            | Decision::Close { .. }
            | Decision::Review { .. }
            | Decision::Unblock { .. } => None,
        }
    }

    /// The same decision, in the same place, by another act.
    pub(super) fn fold_renewed(&mut self, peer: OwnerId, act: &SignedAct) {
        let since = self.key_since;
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        let Some(first) = contact.pending.iter_mut().find(|it| it.act.number < since) else {
            return;
        };
        let before = std::mem::replace(&mut first.act, act.clone()).number;
        // Their answer may name either, if the ask still stands.
        if contact.asked.contains(&before) {
            contact.asked.push(act.number);
        }
    }
}

/// What was decided by it.
fn decided(pending: &Pending) -> Option<Decision> {
    let said = pending.act.declared::<Relations>();
    if let Some(Said::Decided(decision)) = said { Some(decision) } else { None }
}
