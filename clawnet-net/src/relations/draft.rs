//! Terms from a proposal: who meets whom, beneath what, within which scope.
use clawnet_core::{OwnerId, Timestamp};

use super::Relations;
use crate::{
    address::Address,
    id::SessionId,
    reason::Reason,
    terms::{Proposal, Terms},
};

impl Relations {
    /// The terms of `session` as proposed at `now`. Nobody has agreed to them.
    ///
    /// # Errors
    /// When there is no such contact, or no session to be beneath.
    pub fn draft(
        &self,
        proposal: &Proposal,
        session: SessionId,
        now: Timestamp,
    ) -> Result<Terms, Reason> {
        let contact = self.contact(proposal.peer).ok_or(Reason::Unknown)?;
        contact.check_open()?;
        let (ours, theirs) = (contact.ours.as_ref(), contact.theirs.as_ref());
        let (ours, theirs) = ours.zip(theirs).ok_or(Reason::Unknown)?;
        let address = |owner: OwnerId, identity| Address::of(owner, identity);
        let mut terms = Terms {
            ancestry: Vec::new(),
            bytes_max: proposal.bytes_max,
            expires_at: now.after(proposal.expires_in),
            idle_ms: u64::try_from(proposal.idle.as_millis()).unwrap_or(u64::MAX),
            initiator: address(self.owner, ours.identity),
            responder: address(proposal.peer, theirs.identity),
            revision: 1,
            scope: Vec::new(),
            session,
            topic: proposal.topic.clone(),
            turns_max: proposal.turns_max,
        };
        if let Some(parent) = proposal.parent {
            let dialogue = self.open_dialogue(parent)?;
            // One identity takes part above and beneath, or nobody drafts anything.
            if dialogue.ours() != terms.initiator {
                return Err(Reason::Mismatch);
            }
            let above = dialogue.terms();
            terms.ancestry.clone_from(&above.ancestry);
            terms.ancestry.push(above.level());
            terms.scope.clone_from(&above.scope);
            terms.expires_at = terms.expires_at.min(above.expires_at);
        }
        terms.scope.push(proposal.scope.clone());
        Ok(terms)
    }
}
