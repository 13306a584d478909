//! What is to be sent, and sent again, until the other side is known to have it.
use clawnet_core::{Digest, OwnerId, SignedAct};

use super::Relations;
use crate::{
    contact::Pending,
    entry::{End, SignedEntry},
    id::SessionId,
    said::{Decision, Said},
    terms::Terms,
    wire::To,
};

/// Something a peer is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Due {
    /// A decision of this owner's.
    Act { act: Box<SignedAct>, terms: Option<Box<Terms>>, text: Option<Digest>, to: To },
    /// That a session is over here.
    End { end: End, to: To },
    /// An entry, with what leads to its head from the one of `from` records.
    Entry { from: Option<u64>, signed: Box<SignedEntry>, to: To },
    /// The keys, up to the act with this number.
    Keys { act: u64 },
}

impl Relations {
    /// Those for whom something waits.
    pub(crate) fn due(&self) -> impl Iterator<Item = OwnerId> {
        self.due.keys().copied()
    }

    /// What `peer` is to be sent, in order: one decision at a time, and what is said in sessions.
    pub(crate) fn outgoing(&self, peer: OwnerId) -> Vec<Due> {
        let mut all = Vec::new();
        let Some(contact) = self.contact(peer).filter(|contact| !contact.blocked) else {
            return all;
        };
        all.extend(contact.rekeyed.map(|act| Due::Keys { act }));
        let next = contact.pending.front().filter(|pending| !self.is_outdated(pending));
        if let Some(Pending { act, text, terms }) = next.cloned() {
            all.push(Due::Act { act: Box::new(act), terms, text, to: To::Owner(peer) });
        }
        for session in self.due.get(&peer).into_iter().flatten() {
            all.extend(self.outgoing_in(*session));
        }
        all
    }

    /// What is to be sent in one session.
    pub(crate) fn outgoing_in(&self, session: SessionId) -> Vec<Due> {
        let Some(dialogue) = self.session(session) else { return Vec::new() };
        let to = To::Identity(dialogue.theirs());
        if let Some(ended) = dialogue.ended {
            let end = End { after: dialogue.last, reason: ended.reason, session };
            return Vec::from_iter((!dialogue.told).then_some(Due::End { end, to }));
        }
        // Each of them continues what the one before it will have shown.
        let mut from = dialogue.proven;
        let each = dialogue.in_flight.iter().map(|sent| {
            let entry = Due::Entry { from, signed: Box::new(sent.clone()), to };
            from = Some(sent.head.size);
            entry
        });
        each.collect()
    }

    /// How a session ended here, to answer who did not hear of it.
    pub(crate) fn ended(&self, session: SessionId) -> Option<(End, To)> {
        let dialogue = self.session(session)?;
        let reason = dialogue.ended?.reason;
        let end = End { after: dialogue.last, reason, session };
        Some((end, To::Identity(dialogue.theirs())))
    }

    /// A decision the peer is to be shown.
    pub(super) fn show(&mut self, peer: OwnerId, pending: Pending) {
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        // Only the end of the contact comes when there is no room: what else is behind the decision
        // on its way is moot.
        if contact.pending.len() >= PENDING_MAX {
            contact.pending.truncate(1);
        }
        contact.pending.push_back(pending);
        self.due.entry(peer).or_default();
    }

    /// Notes whether something in a session is to be sent.
    pub(super) fn note_due(&mut self, session: SessionId) {
        let Some(dialogue) = self.dialogues.get(&session) else { return };
        let (peer, over) = (dialogue.peer(), dialogue.ended.is_some());
        let waits = if over { !dialogue.told } else { !dialogue.in_flight.is_empty() };
        if waits {
            self.due.entry(peer).or_default().insert(session);
        } else {
            if let Some(sessions) = self.due.get_mut(&peer) {
                sessions.remove(&session);
            }
            self.tidy_due(peer);
        }
    }

    /// Forgets a peer for whom nothing waits any more.
    pub(super) fn tidy_due(&mut self, peer: OwnerId) {
        let idle = self.due.get(&peer).is_some_and(std::collections::BTreeSet::is_empty);
        let done = self.contact(peer).is_none_or(|contact| {
            contact.blocked || (contact.pending.is_empty() && contact.rekeyed.is_none())
        });
        if idle && done {
            self.due.remove(&peer);
        }
    }
}

/// Whether a decision is about how `session` goes on, and about nothing beyond its end.
pub(super) fn steers(pending: &Pending, session: SessionId) -> bool {
    let Some(Said::Decided(decision)) = pending.act.declared::<Relations>() else { return false };
    let about = match decision {
        Decision::Consent { session, .. }
        | Decision::Pause { session }
        | Decision::Resume { session } => Some(session),
        Decision::AcceptKey { .. }
        | Decision::Ask { .. }
        | Decision::Assign { .. }
        | Decision::Block { .. }
        | Decision::Close { .. }
        | Decision::Confirm { .. }
        | Decision::Present { .. }
        | Decision::Release { .. }
        | Decision::Remove { .. }
        | Decision::Review { .. }
        | Decision::Unblock { .. } => None,
    };
    about == Some(session)
}

/// How many decisions wait for one peer.
pub(super) const PENDING_MAX: usize = 64;
