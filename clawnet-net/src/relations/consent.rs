//! The other owner's consent to terms: to an invitation, to an answer, to what was amended.
use clawnet_core::{About, Digest, OwnerId};

use super::{Relations, came::SESSIONS_MAX};
use crate::{
    contact::{Contact, Presenting},
    dialogue::{Dialogue, Side},
    id::SessionId,
    reason::Reason,
    said::Shown,
    terms::Terms,
};

/// What a consent is to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    pub(super) session: SessionId,
    pub(super) revision: u32,
    pub(super) digest: Digest,
}

impl Relations {
    pub(super) fn check_their_consent(
        &self,
        (from, agreed): (OwnerId, Agreed),
        terms: Option<&Terms>,
        about: &About<'_>,
    ) -> Result<(), Reason> {
        let Agreed { session, revision, digest } = agreed;
        let contact = self.contact(from).ok_or(Reason::Unknown)?;
        contact.check_open()?;
        if let Some(terms) = terms
            && (terms.session, terms.revision, terms.digest()) != (session, revision, digest)
        {
            return Err(Reason::Mismatch);
        }
        let Some(dialogue) = self.session(session) else {
            return self.check_invitation((from, contact), terms, about);
        };
        let dialogue =
            if dialogue.peer() == from { dialogue } else { return Err(Reason::Unknown) };
        if dialogue.ended.is_some() {
            return Err(Reason::Closed);
        }
        let present = dialogue.present();
        if (present.terms.revision, present.digest) == (revision, digest) {
            return if present.theirs.is_none() { Ok(()) } else { Err(Reason::Replayed) };
        }
        let terms = terms.ok_or(Reason::Stale)?;
        // The later wording counts, and of two on their way at once the initiator's. Whatever it
        // says, both then wait for the same one: whether it can be is asked of who agrees to it.
        let crossing = revision == present.terms.revision && present.theirs.is_none();
        let counts = crossing && dialogue.role == Side::Responder;
        if revision <= present.terms.revision && !counts {
            return Err(Reason::Stale);
        }
        // Whoever leaps to the last wording there may be leaves the other none to answer with.
        if revision > present.terms.revision.saturating_add(LEAP_MAX) {
            return Err(Reason::Limit);
        }
        present.terms.check_reworded(terms).map_err(|_| Reason::Mismatch)
    }

    fn check_invitation(
        &self,
        (from, contact): (OwnerId, &Contact),
        terms: Option<&Terms>,
        about: &About<'_>,
    ) -> Result<(), Reason> {
        let terms = terms.ok_or(Reason::Unknown)?;
        terms.check().map_err(|_| Reason::Malformed)?;
        if terms.initiator.owner() != from || terms.responder.owner() != self.owner {
            return Err(Reason::WrongParty);
        }
        let meets = |presenting: &Option<Presenting>, identity| {
            presenting.as_ref().is_some_and(|shown| shown.identity == identity)
        };
        // Whoever names an identity that the contact does not meet names nobody.
        if !meets(&contact.ours, terms.responder.identity())
            || !about.is_live(terms.responder.identity())
        {
            return Err(Reason::Unknown);
        }
        if !meets(&contact.theirs, terms.initiator.identity()) || terms.revision != 1 {
            return Err(Reason::Mismatch);
        }
        if about.at() >= terms.expires_at {
            return Err(Reason::Expired);
        }
        if contact.sessions >= SESSIONS_MAX { Err(Reason::Limit) } else { Ok(()) }
    }

    pub(super) fn fold_their_consent(
        &mut self,
        (from, session): (OwnerId, SessionId),
        shown: &Shown,
        about: &About<'_>,
    ) {
        if let Some(terms) = &shown.terms {
            match self.dialogues.get_mut(&session) {
                None => {
                    let mut dialogue = Dialogue::new(Side::Responder, terms.clone(), about.at());
                    // Never one that a session of this name had before.
                    dialogue.epoch = about.sequence();
                    self.dialogues.insert(session, dialogue);
                    if let Some(contact) = self.contacts.get_mut(&from) {
                        contact.sessions = contact.sessions.saturating_add(1);
                    }
                }
                // An answer may repeat what it answers.
                Some(dialogue) if dialogue.present().digest != terms.digest() => {
                    dialogue.reword(terms);
                }
                Some(_) => {}
            }
        }
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        dialogue.last_at = about.at();
        let wording = dialogue.amended.as_deref_mut().unwrap_or(&mut dialogue.wording);
        wording.theirs = Some(shown.act.clone());
        // Their consent to these terms proves that this owner's arrived.
        if let (Some(ours), Some(contact)) = (&wording.ours, self.contacts.get_mut(&from)) {
            contact.pending.retain(|pending| pending.act.number > ours.number);
        }
        self.adopt(session, about);
    }
}

/// How far ahead of the one known here a wording may be: those nobody agreed to are skipped.
const LEAP_MAX: u32 = 8;
