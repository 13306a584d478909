//! What this kernel says by itself: terms drafted, entries sent, sessions ended, messages refused.
use clawnet_core::{About, Act, Misfit, OwnerId, SignedAct, Timestamp};

use super::{Relations, came::SESSIONS_MAX, decided::check_room, over_at};
use crate::{
    contact::{Bond, Contact, Presenting},
    dialogue::{Dialogue, Side},
    entry::{Ending, SignedEntry, What},
    id::SessionId,
    reason::Reason,
    said::{Refused, Review},
    terms::Terms,
};

impl Relations {
    pub(super) fn check_drafted(&self, terms: &Terms, about: &About<'_>) -> Result<(), Misfit> {
        terms.check().map_err(|error| Misfit::new("terms", error.to_string()))?;
        if about.at() >= terms.expires_at {
            return Err(Reason::Expired.into());
        }
        let Some(dialogue) = self.session(terms.session) else {
            return Ok(self.check_first_draft(terms, about)?);
        };
        if dialogue.ended.is_some() {
            return Err(Reason::Closed.into());
        }
        let present = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
        let amends = present.terms.check_amended(terms);
        amends.map_err(|error| Misfit::new("terms", error.to_string()))?;
        // What could not be agreed to would only make the session wait.
        self.contact(dialogue.peer()).ok_or(Reason::Unknown)?.check_open()?;
        check_room(dialogue, terms)?;
        Ok(self.check_bounds(dialogue, terms)?)
    }

    fn check_first_draft(&self, terms: &Terms, about: &About<'_>) -> Result<(), Reason> {
        let peer = terms.responder.owner();
        let contact = self.contact(peer).ok_or(Reason::Unknown)?;
        contact.check_open()?;
        let shown = |presenting: &Option<Presenting>, identity| {
            presenting.as_ref().is_some_and(|shown| shown.identity == identity)
        };
        let ours = terms.initiator.identity();
        if terms.initiator.owner() != self.owner
            || !shown(&contact.ours, ours)
            || !shown(&contact.theirs, terms.responder.identity())
            || !about.is_live(ours)
        {
            return Err(Reason::WrongParty);
        }
        if terms.revision != 1 {
            return Err(Reason::Mismatch);
        }
        if contact.sessions >= SESSIONS_MAX {
            return Err(Reason::Limit);
        }
        match terms.parent() {
            None => Ok(()),
            Some(parent) => self.check_child(parent, terms),
        }
    }

    /// A session beneath another has its turns from it, and can only be narrower.
    fn check_child(&self, parent: SessionId, terms: &Terms) -> Result<(), Reason> {
        let above = self.open_dialogue(parent)?;
        if !above.opened {
            return Err(Reason::NotOpen);
        }
        if above.amended.is_some() {
            return Err(Reason::Paused);
        }
        let levels = terms.ancestry.split_last();
        let follows = levels.is_some_and(|(last, before)| {
            *last == above.terms().level() && before == above.terms().ancestry.as_slice()
        });
        let scope = terms.scope.get(..above.terms().scope.len());
        let narrower = scope == Some(above.terms().scope.as_slice())
            && terms.expires_at <= above.terms().expires_at
            && terms.initiator == above.ours();
        if !follows || !narrower {
            return Err(Reason::Mismatch);
        }
        let paid = self.drawn_for(terms).is_some_and(|turns| turns >= terms.turns_max);
        if paid { Ok(()) } else { Err(Reason::Limit) }
    }

    /// How many turns were set aside above for the session of these terms.
    pub(super) fn drawn_for(&self, terms: &Terms) -> Option<u32> {
        let above = self.session(terms.parent()?)?;
        let drawn = above.drawn.get(&terms.session).filter(|drawn| drawn.by == above.role);
        drawn.map(|drawn| drawn.turns)
    }

    pub(super) fn fold_drafted(&mut self, terms: &Terms, about: &About<'_>) {
        if let Some(dialogue) = self.dialogues.get_mut(&terms.session) {
            dialogue.reword(terms);
            dialogue.last_at = about.at();
            self.reconfine(terms.session);
            return;
        }
        let mut dialogue = Dialogue::new(Side::Initiator, terms.clone(), about.at());
        // Never one that a session of this name had before.
        dialogue.epoch = about.sequence();
        if let Some(contact) = self.contacts.get_mut(&dialogue.peer()) {
            contact.sessions = contact.sessions.saturating_add(1);
        }
        self.dialogues.insert(terms.session, dialogue);
        if let Some(above) = terms.parent().and_then(|above| self.dialogues.get_mut(&above)) {
            above.children.push(terms.session);
        }
    }

    pub(super) fn check_ended(
        &self,
        (session, reason): (SessionId, Ending),
        at: Timestamp,
    ) -> Result<(), Reason> {
        let dialogue = self.open_dialogue(session)?;
        let due = over_at(dialogue, at) == Some(reason);
        if due || reason == Ending::Contradiction { Ok(()) } else { Err(Reason::Mismatch) }
    }

    pub(super) fn check_sent(&self, signed: &SignedEntry, about: &About<'_>) -> Result<(), Reason> {
        let entry = &signed.entry;
        let dialogue = self.open_dialogue(entry.session)?;
        self.contact(dialogue.peer()).ok_or(Reason::Unknown)?.check_open()?;
        dialogue.check_next(dialogue.role, &entry.what, about.at())?;
        let next = entry.number == dialogue.last.saturating_add(1)
            && entry.previous == dialogue.previous
            && entry.terms == dialogue.wording.digest;
        if !next || dialogue.in_flight.len() >= IN_FLIGHT_MAX {
            return Err(Reason::OutOfOrder);
        }
        if !about.is_live(dialogue.ours().identity()) {
            return Err(Reason::WrongParty);
        }
        let beneath = |child: &SessionId| {
            self.session(*child).filter(|it| it.terms().parent() == Some(entry.session))
        };
        match &entry.what {
            What::Turn(turn) => {
                let released = |child| beneath(child).is_some_and(|it| it.released.is_some());
                if turn.results.iter().all(released) { Ok(()) } else { Err(Reason::Mismatch) }
            }
            What::Draw { child, .. } => {
                if self.session(*child).is_some() {
                    Err(Reason::Mismatch)
                } else {
                    Ok(())
                }
            }
            // Turns that were set aside for terms nobody drafted come back whole, and those of a
            // session that is forgotten never do.
            What::GiveBack { child, used } => {
                let drawn = dialogue.drawn.get(child).map_or(0, |drawn| drawn.turns);
                let spent = match beneath(child) {
                    Some(over) if over.ended.is_some() => over.cost,
                    Some(_) => return Err(Reason::NotOpen),
                    None if dialogue.children.contains(child) => drawn,
                    None => 0,
                };
                if *used == spent { Ok(()) } else { Err(Reason::Mismatch) }
            }
        }
    }

    pub(super) fn fold_sent(&mut self, signed: &SignedEntry, about: &About<'_>) {
        let session = signed.entry.session;
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        let (side, paused) = (dialogue.role, dialogue.pauses);
        // How it ends is for the other side to say, which knows that it arrived.
        dialogue.count(side, signed, about.at());
        dialogue.said.push(about.sequence());
        dialogue.in_flight.push_back(signed.clone());
        let cleared = signed.entry.turn().is_some() && std::mem::take(&mut dialogue.touched);
        if cleared || dialogue.pauses != paused {
            self.reconfine(session);
        }
        self.note_due(session);
    }

    pub(super) fn fold_refused(&mut self, refused: &Refused, at: Timestamp) {
        // Nobody is accused without the two heads that prove it.
        let proven = refused.reason == Reason::Contradiction && refused.heads.is_some();
        let Some(peer) = refused.peer.filter(|_| proven) else { return };
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.distrusted = true;
        }
        self.end_with((peer, at), Ending::Contradiction, |_| true);
    }

    /// What else the owner decided may end sessions, or change the keys that contacts know.
    pub(super) fn observe_act(&mut self, signed: &SignedAct, about: &About<'_>) {
        if matches!(signed.act, Act::Freeze { .. } | Act::Retire { .. }) {
            let dead = |dialogue: &Dialogue| {
                dialogue.ended.is_none() && !about.is_live(dialogue.ours().identity())
            };
            let each = self.dialogues.iter().filter(|(_, dialogue)| dead(dialogue));
            let each: Vec<_> = each.map(|(id, _)| *id).collect();
            for id in each {
                self.end(id, Ending::Frozen, about.at());
            }
        }
        if matches!(signed.act, Act::Rekey { .. }) {
            self.key_since = signed.number;
        }
        if matches!(signed.act, Act::Certify { .. } | Act::Rekey { .. }) {
            let knows = |contact: &Contact| contact.bond != Bond::Ended && !contact.blocked;
            for (peer, contact) in self.contacts.iter_mut().filter(|(_, it)| knows(it)) {
                contact.rekeyed = Some(signed.number);
                self.due.entry(*peer).or_default();
            }
        }
    }

    /// The identity did something else because of a session.
    pub(super) fn observe_deed(&mut self, session: SessionId) {
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        let peer = dialogue.peer();
        let first = !std::mem::replace(&mut dialogue.touched, true);
        let reviewed = self.contact(peer).map(|contact| contact.review);
        if first && reviewed == Some(Review::WhenSensitive) {
            self.reconfine(session);
        }
    }

    pub(super) fn fold_arrived(&mut self, peer: OwnerId, act: u64) {
        let since = self.key_since;
        if let Some(contact) = self.contacts.get_mut(&peer) {
            // Just this one: keys tell nothing of what was decided before them. Nor does the answer to
            // an act that has to be signed again: it may have been a no for its key alone.
            let waits = |number| number != act || number < since;
            contact.pending.retain(|pending| waits(pending.act.number));
            contact.rekeyed = contact.rekeyed.filter(|number| *number > act);
        }
        self.tidy_due(peer);
    }
}

/// How many entries of one session may be on their way: a turn, and what children draw and give
/// back before it.
const IN_FLIGHT_MAX: usize = 8;
