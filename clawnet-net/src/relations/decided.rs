//! What this ledger's owner decides about others: whether it may be decided, and what it does.
use clawnet_core::{About, Digest, IdentityId, Misfit, OwnerId, SignedAct};

use super::Relations;
use crate::{
    contact::{Bond, Contact, Pending, Presenting},
    dialogue::{Dialogue, Pauses, RELEASES_MAX, Side, Wording},
    entry::Ending,
    id::SessionId,
    reason::Reason,
    said::Decision,
    terms::Terms,
    text,
};

impl Relations {
    pub(super) fn check_decided(
        &self,
        decision: &Decision,
        about: &About<'_>,
    ) -> Result<(), Misfit> {
        if self.renewing(decision).is_some() {
            return Ok(());
        }
        self.check_shown(decision)?;
        match decision {
            Decision::AcceptKey { key, peer } => {
                let changed = self.known(*peer)?.changed_key();
                if changed == Some(*key) { Ok(()) } else { Err(Reason::Mismatch.into()) }
            }
            Decision::Ask { identity, name, note, peer } => {
                check_presenting((*identity, name), about)?;
                self.check_ask(*peer, note)
            }
            Decision::Assign { agent, session } => {
                let ours = self.open_dialogue(*session)?.ours().identity();
                if about.bound(*agent) == Some(ours) {
                    Ok(())
                } else {
                    Err(Misfit::new("foreign_agent", "the agent acts for another identity"))
                }
            }
            Decision::Block { peer } => {
                let ended = self.contact(*peer).is_none_or(|it| it.bond == Bond::Ended);
                let silent = ended && *peer != self.owner && !self.is_blocked(*peer);
                if silent { Ok(()) } else { Err(Reason::Mismatch.into()) }
            }
            Decision::Close { session } => Ok(self.open_dialogue(*session).map(drop)?),
            Decision::Confirm { asked, identity, name, peer } => {
                check_presenting((*identity, name), about)?;
                let contact = self.known(*peer)?;
                let waits = contact.asking == Some(*asked) && contact.bond == Bond::Asking;
                if waits { Ok(()) } else { Err(Reason::Mismatch.into()) }
            }
            Decision::Consent { revision, session, terms } => {
                let dialogue = self.open_dialogue(*session)?;
                let wording = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
                if (wording.terms.revision, wording.digest) != (*revision, *terms) {
                    return Err(Reason::Mismatch.into());
                }
                if wording.ours.is_some() {
                    return Err(Reason::Replayed.into());
                }
                check_room(dialogue, &wording.terms)?;
                Ok(self.check_agreeable(dialogue, wording, about)?)
            }
            Decision::Pause { session } => self.check_pauses(*session, |it| !it.ours),
            Decision::Resume { session } => self.check_pauses(*session, |it| it.ours),
            Decision::Present { identity, name, peer } => {
                check_presenting((*identity, name), about)?;
                let mutual = self.known(*peer)?.bond == Bond::Mutual;
                if mutual { Ok(()) } else { Err(Reason::Unknown.into()) }
            }
            Decision::Release { body, session } => self.check_release((*session, *body)),
            Decision::Remove { peer } => {
                let ended = self.known(*peer)?.bond == Bond::Ended;
                if ended { Err(Reason::Unknown.into()) } else { Ok(()) }
            }
            Decision::Review { peer, .. } => self.known(*peer).map(drop),
            Decision::Unblock { peer } => {
                if self.is_blocked(*peer) {
                    Ok(())
                } else {
                    Err(Reason::Mismatch.into())
                }
            }
        }
    }

    fn known(&self, peer: OwnerId) -> Result<&Contact, Misfit> {
        self.contact(peer).ok_or_else(|| Reason::Unknown.into())
    }

    pub(super) fn is_blocked(&self, peer: OwnerId) -> bool {
        self.contact(peer).is_some_and(|contact| contact.blocked)
    }

    fn check_ask(&self, peer: OwnerId, note: &str) -> Result<(), Misfit> {
        if !note.is_empty() {
            check_text(note, NOTE_CHARS_MAX)?;
        }
        let free = self.contact(peer).is_none_or(|contact| {
            contact.bond == Bond::Ended
                || (contact.bond == Bond::Asking && contact.asked.is_empty())
        });
        if free && peer != self.owner && !self.is_blocked(peer) {
            Ok(())
        } else {
            Err(Reason::Mismatch.into())
        }
    }

    fn check_pauses(
        &self,
        session: SessionId,
        fits: impl Fn(&Pauses) -> bool,
    ) -> Result<(), Misfit> {
        let dialogue = self.open_dialogue(session)?;
        if !dialogue.opened {
            return Err(Reason::NotOpen.into());
        }
        if fits(&dialogue.pauses) { Ok(()) } else { Err(Reason::Replayed.into()) }
    }

    /// Only the far end of a session beneath another one has something to release.
    fn check_release(&self, (session, body): (SessionId, Digest)) -> Result<(), Misfit> {
        let dialogue = self.session(session).ok_or(Reason::Unknown)?;
        if !dialogue.opened {
            return Err(Reason::NotOpen.into());
        }
        let far = dialogue.terms().responder.owner() == self.owner;
        if !far || dialogue.terms().parent().is_none() {
            Err(Reason::WrongParty.into())
        } else if dialogue.releases >= RELEASES_MAX {
            Err(Reason::Limit.into())
        } else {
            Ok(dialogue.check_released(body)?)
        }
    }

    /// Whether anybody here may agree to `wording` now.
    pub(super) fn check_agreeable(
        &self,
        dialogue: &Dialogue,
        wording: &Wording,
        about: &About<'_>,
    ) -> Result<(), Reason> {
        let contact = self.contact(dialogue.peer()).ok_or(Reason::Unknown)?;
        contact.check_open()?;
        if about.at() >= wording.terms.expires_at {
            return Err(Reason::Expired);
        }
        self.check_bounds(dialogue, &wording.terms)?;
        if about.is_live(dialogue.ours().identity()) { Ok(()) } else { Err(Reason::WrongParty) }
    }

    /// Whether `terms` leave room for what was said, what is set aside, and what is above.
    pub(super) fn check_bounds(&self, dialogue: &Dialogue, terms: &Terms) -> Result<(), Reason> {
        let spoken = dialogue.used.saturating_add(dialogue.set_aside());
        let paid = self.drawn_for(terms).is_some_and(|turns| turns >= terms.turns_max);
        let owed = terms.parent().is_some() && dialogue.role == Side::Initiator && !paid;
        if (dialogue.opened && terms.turns_max <= spoken) || owed {
            return Err(Reason::Limit);
        }
        let above = terms.parent().and_then(|above| self.session(above));
        if dialogue.role == Side::Initiator && above.is_some_and(|it| it.amended.is_some()) {
            return Err(Reason::Paused);
        }
        // Sessions beneath begin with what this one allows: it is not reworded under them.
        let moved = !dialogue.drawn.is_empty() && terms.scope != dialogue.terms().scope;
        if moved { Err(Reason::Mismatch) } else { Ok(()) }
    }

    pub(super) fn fold_decided(&mut self, decision: &Decision, about: &About<'_>) {
        let Some(act) = about.act() else { return };
        if let Some(peer) = self.renewing(decision) {
            return self.fold_renewed(peer, act);
        }
        match decision {
            Decision::AcceptKey { key, peer } => {
                if let Some(keys) = self.contacts.get_mut(peer).and_then(|it| it.keys.as_mut()) {
                    keys.accepted = *key;
                }
                self.reconfine_all(*peer);
            }
            Decision::Ask { identity, name, peer, .. } => {
                self.fold_ask(*peer, Presenting::new(*identity, name.as_str()), about);
                self.show(*peer, Pending { act: act.clone(), text: None, terms: None });
            }
            Decision::Assign { agent, session } => {
                if let Some(dialogue) = self.dialogues.get_mut(session) {
                    dialogue.speaker = Some(*agent);
                }
                // Whoever was speaking does no more.
                self.reconfine(*session);
            }
            Decision::Block { peer } => self.fold_block(*peer, about),
            Decision::Close { session } => {
                let opened = self.session(*session).is_some_and(|dialogue| dialogue.opened);
                let reason = if opened { Ending::Owner } else { Ending::Declined };
                self.end(*session, reason, about.at());
            }
            Decision::Confirm { identity, name, peer, .. } => {
                let ours = Presenting::new(*identity, name.as_str());
                self.become_mutual(*peer, about.at());
                if let Some(contact) = self.contacts.get_mut(peer) {
                    contact.ours = Some(ours);
                }
                self.show(*peer, Pending { act: act.clone(), text: None, terms: None });
            }
            Decision::Consent { session, .. } => self.fold_consent(*session, act, about),
            Decision::Pause { session } => self.fold_pause(*session, act, true),
            Decision::Resume { session } => self.fold_pause(*session, act, false),
            Decision::Present { identity, name, peer } => {
                self.fold_present(*peer, Presenting::new(*identity, name.as_str()), about);
                self.show(*peer, Pending { act: act.clone(), text: None, terms: None });
            }
            Decision::Release { body, session } => {
                let Some(dialogue) = self.dialogues.get_mut(session) else { return };
                dialogue.released = Some(*body);
                dialogue.releases = dialogue.releases.saturating_add(1);
                let peer = dialogue.peer();
                self.show(peer, Pending { act: act.clone(), text: Some(*body), terms: None });
            }
            Decision::Remove { peer } => {
                self.end_contact(*peer, about.at());
                self.drop_outdated(*peer);
                self.show(*peer, Pending { act: act.clone(), text: None, terms: None });
            }
            Decision::Review { peer, review } => {
                if let Some(contact) = self.contacts.get_mut(peer) {
                    contact.review = *review;
                }
                self.reconfine_all(*peer);
            }
            Decision::Unblock { peer } => {
                if let Some(contact) = self.contacts.get_mut(peer) {
                    contact.blocked = false;
                }
            }
        }
    }

    fn fold_present(&mut self, peer: OwnerId, ours: Presenting, about: &About<'_>) {
        let identity = ours.identity;
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.ours = Some(ours);
        }
        self.end_with((peer, about.at()), Ending::Lapsed, |dialogue| {
            !dialogue.opened && dialogue.ours().identity() != identity
        });
    }

    fn fold_ask(&mut self, peer: OwnerId, ours: Presenting, about: &About<'_>) {
        let contact = self.contacts.entry(peer);
        let contact = contact.or_insert_with(|| Contact::new(Bond::Asked, about.at()));
        if contact.bond != Bond::Asking {
            contact.bond = Bond::Asked;
        }
        contact.since = about.at();
        contact.asked = about.act().map(|act| act.number).into_iter().collect();
        contact.ours = Some(ours);
    }

    fn fold_block(&mut self, peer: OwnerId, about: &About<'_>) {
        let contact = self.contacts.entry(peer);
        let contact = contact.or_insert_with(|| Contact::new(Bond::Ended, about.at()));
        contact.blocked = true;
        contact.pending.clear();
        self.due.remove(&peer);
    }

    fn fold_consent(&mut self, session: SessionId, act: &SignedAct, about: &About<'_>) {
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        let wording = dialogue.amended.as_deref_mut().unwrap_or(&mut dialogue.wording);
        wording.ours = Some(act.clone());
        dialogue.consented.push(wording.digest);
        dialogue.last_at = about.at();
        // Whoever has not agreed has to see what to.
        let terms = wording.theirs.is_none().then(|| Box::new(wording.terms.clone()));
        let peer = dialogue.peer();
        self.adopt(session, about);
        self.show(peer, Pending { act: act.clone(), text: None, terms });
    }

    fn fold_pause(&mut self, session: SessionId, act: &SignedAct, paused: bool) {
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        dialogue.pauses.ours = paused;
        let peer = dialogue.peer();
        self.reconfine(session);
        self.show(peer, Pending { act: act.clone(), text: None, terms: None });
    }

    /// Puts terms in force once both have agreed.
    pub(super) fn adopt(&mut self, session: SessionId, about: &About<'_>) {
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        match dialogue.amended.take() {
            Some(amended) if amended.agreed() => {
                dialogue.wording = *amended;
                if dialogue.last == 0 {
                    dialogue.previous = dialogue.wording.digest;
                }
            }
            Some(amended) => dialogue.amended = Some(amended),
            None if dialogue.wording.agreed() && !dialogue.opened => {
                dialogue.opened = true;
                dialogue.previous = dialogue.wording.digest;
            }
            None => return,
        }
        dialogue.agreed = about.sequence();
        dialogue.last_at = about.at();
        self.reconfine(session);
    }

    pub(super) fn reconfine_all(&mut self, peer: OwnerId) {
        for dialogue in self.dialogues.values_mut().filter(|dialogue| dialogue.peer() == peer) {
            dialogue.epoch = dialogue.epoch.saturating_add(1);
        }
    }
}

/// What is on its way has to fit when it arrives. A turn does, which is counted here already; what
/// was drawn may have come back since, and would not.
pub(super) fn check_room(dialogue: &Dialogue, terms: &Terms) -> Result<(), Reason> {
    let fewer = terms.turns_max < dialogue.terms().turns_max;
    let size = dialogue.in_flight.iter().filter_map(|sent| sent.entry.turn());
    let large = size.map(|turn| turn.size_bytes).max() > Some(terms.bytes_max);
    let drawing = dialogue.in_flight.iter().any(|sent| sent.entry.turn().is_none());
    let full = large || (fewer && drawing);
    if full { Err(Reason::Limit) } else { Ok(()) }
}

fn check_presenting((identity, name): (IdentityId, &str), about: &About<'_>) -> Result<(), Misfit> {
    if !about.is_live(identity) {
        return Err(Misfit::new("not_live", "only a live identity is shown to others"));
    }
    check_text(name, NAME_CHARS_MAX)
}

/// Text that is shown to people is bounded, visible and not blank, and reads in the order it is
/// written in.
pub(super) fn check_text(text: &str, chars_max: usize) -> Result<(), Misfit> {
    let fits = (1..=chars_max).contains(&text.chars().count());
    if fits && text::is_seen(text).is_some() && text.trim() == text {
        Ok(())
    } else {
        Err(Misfit::new("text", format!("a text of 1 to {chars_max} visible characters is wanted")))
    }
}

pub(super) const NAME_CHARS_MAX: usize = 64;
pub(super) const NOTE_CHARS_MAX: usize = 500;
