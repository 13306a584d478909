//! What came from a counterpart: whether it is theirs and in order, and what it does.
use clawnet_core::{About, Claim, OwnerId, SignedAct};

use super::{
    Relations,
    consent::Agreed,
    decided::{NAME_CHARS_MAX, NOTE_CHARS_MAX, check_text},
};
use crate::{
    contact::{Bond, Contact, Keys, Presenting},
    dialogue::{Dialogue, RELEASES_MAX},
    entry::{Ending, SignedEnd, SignedEntry},
    id::SessionId,
    reason::Reason,
    said::{Came, Decision, Evidence, Said, Shown},
    terms::Terms,
};

impl Relations {
    /// The signatures it rests on.
    pub(super) fn claims_of(&self, came: &Came) -> Result<Vec<Claim>, Reason> {
        let pinned = self.contact(came.from).and_then(|contact| contact.keys.as_ref());
        let by_kernel = |statement, signature| {
            let key = pinned.ok_or(Reason::Unknown)?.kernel;
            Ok(vec![Claim { key, statement, signature }])
        };
        match &came.what {
            Evidence::Act(Shown { act, credential, .. }) => {
                let keys = Keys::shown(came.from, credential, pinned)?;
                let mut claims = keys.claims(credential, pinned)?;
                let statement = SignedAct::statement(came.from, act.number, &act.act);
                claims.push(Claim { key: keys.owner, statement, signature: act.signature });
                Ok(claims)
            }
            Evidence::End(signed) => by_kernel(signed.statement(), signed.signature),
            Evidence::Entry(signed) => by_kernel(signed.statement(), signed.signature),
            Evidence::Keys(credential) => {
                let pinned = Some(pinned.ok_or(Reason::Unknown)?);
                Keys::shown(came.from, credential, pinned)?.claims(credential, pinned)
            }
        }
    }

    pub(super) fn check_came(&self, came: &Came, about: &About<'_>) -> Result<(), Reason> {
        if came.from == self.owner {
            return Err(Reason::WrongParty);
        }
        if self.is_blocked(came.from) {
            return Err(Reason::Unknown);
        }
        if let Some(contact) = self.contact(came.from).filter(|_| decides(&came.what)) {
            contact.lately.check(about.at(), DECIDED_MAX)?;
        }
        match &came.what {
            Evidence::Act(shown) => self.check_act(came.from, shown, about),
            Evidence::End(signed) => self.check_end(came.from, signed),
            Evidence::Entry(signed) => self.check_entry(came.from, signed, about),
            Evidence::Keys(credential) => {
                let pinned = self.contact(came.from).and_then(|it| it.keys.as_ref());
                let pinned = pinned.ok_or(Reason::Unknown)?;
                let shown = Keys::shown(came.from, credential, Some(pinned))?;
                if shown.same(pinned) { Err(Reason::Replayed) } else { Ok(()) }
            }
        }
    }

    fn check_act(&self, from: OwnerId, shown: &Shown, about: &About<'_>) -> Result<(), Reason> {
        let Some(Said::Decided(decision)) = shown.act.declared::<Self>() else {
            return Err(Reason::Mismatch);
        };
        let contact = self.contact(from);
        if !matches!(decision, Decision::Ask { .. }) && contact.is_none_or(|it| it.keys.is_none()) {
            let answers = matches!(decision, Decision::Confirm { .. } | Decision::Remove { .. });
            // Their first word may be the answer to this owner's, and a no is one.
            if !(answers && contact.is_some()) {
                return Err(Reason::Unknown);
            }
        }
        if shown.terms.is_some() && !matches!(decision, Decision::Consent { .. }) {
            return Err(Reason::Malformed);
        }
        if let Some(contact) = contact {
            if shown.act.number == contact.acts {
                return Err(Reason::Replayed);
            }
            if shown.act.number < contact.acts {
                return Err(Reason::Stale);
            }
            if let Some(pinned) = &contact.keys {
                let told = Keys::shown(from, &shown.credential, Some(pinned))?;
                if told.owner != pinned.accepted {
                    return Err(Reason::KeyChanged);
                }
            }
        }
        self.check_their_decision(from, (&decision, shown.terms.as_ref()), about)
    }

    fn check_their_decision(
        &self,
        from: OwnerId,
        (decision, terms): (&Decision, Option<&Terms>),
        about: &About<'_>,
    ) -> Result<(), Reason> {
        let contact = self.contact(from);
        let bond = contact.map(|contact| contact.bond);
        let to_us =
            |peer: &OwnerId| if *peer == self.owner { Ok(()) } else { Err(Reason::WrongParty) };
        let only = |fits: bool| if fits { Ok(()) } else { Err(Reason::Mismatch) };
        match decision {
            Decision::Ask { name, note, peer, .. } => {
                to_us(peer)?;
                check_text(name, NAME_CHARS_MAX).map_err(|_| Reason::Malformed)?;
                if !note.is_empty() {
                    check_text(note, NOTE_CHARS_MAX).map_err(|_| Reason::Malformed)?;
                }
                if self.waiting >= WAITING_MAX {
                    return Err(Reason::Limit);
                }
                self.asks.check(about.at(), ASKS_MAX)?;
                only(matches!(bond, None | Some(Bond::Asked | Bond::Ended)))
            }
            Decision::Confirm { asked, name, peer, .. } => {
                to_us(peer)?;
                check_text(name, NAME_CHARS_MAX).map_err(|_| Reason::Malformed)?;
                only(contact.is_some_and(|it| it.asked.contains(asked)))
            }
            Decision::Present { name, peer, .. } => {
                to_us(peer)?;
                check_text(name, NAME_CHARS_MAX).map_err(|_| Reason::Malformed)?;
                only(bond == Some(Bond::Mutual))
            }
            Decision::Remove { peer } => {
                to_us(peer)?;
                only(bond.is_some_and(|bond| bond != Bond::Ended))
            }
            Decision::Consent { revision, session, terms: digest } => {
                let agreed = Agreed { session: *session, revision: *revision, digest: *digest };
                self.check_their_consent((from, agreed), terms, about)
            }
            Decision::Pause { session } => only(!self.their_open(from, *session)?.pauses.theirs),
            Decision::Resume { session } => only(self.their_open(from, *session)?.pauses.theirs),
            Decision::Release { body, session } => {
                let dialogue = self.theirs(from, *session)?;
                let far = dialogue.terms().responder.owner() == from && dialogue.opened;
                only(far && dialogue.terms().parent().is_some())?;
                dialogue.check_released(*body)?;
                if dialogue.releases < RELEASES_MAX { Ok(()) } else { Err(Reason::Limit) }
            }
            Decision::AcceptKey { .. }
            | Decision::Assign { .. }
            | Decision::Block { .. }
            | Decision::Close { .. }
            | Decision::Review { .. }
            | Decision::Unblock { .. } => Err(Reason::Mismatch),
        }
    }

    fn theirs(&self, from: OwnerId, session: SessionId) -> Result<&Dialogue, Reason> {
        let dialogue = self.session(session).ok_or(Reason::Unknown)?;
        if dialogue.peer() == from { Ok(dialogue) } else { Err(Reason::WrongParty) }
    }

    fn their_open(&self, from: OwnerId, session: SessionId) -> Result<&Dialogue, Reason> {
        let dialogue = self.theirs(from, session)?;
        match (dialogue.ended, dialogue.opened) {
            (Some(_), _) => Err(Reason::Closed),
            (None, false) => Err(Reason::NotOpen),
            (None, true) => Ok(dialogue),
        }
    }

    fn check_end(&self, from: OwnerId, signed: &SignedEnd) -> Result<(), Reason> {
        let dialogue = self.theirs(from, signed.end.session)?;
        let over = dialogue.ended.is_some() && dialogue.told;
        if over { Err(Reason::Replayed) } else { Ok(()) }
    }

    fn check_entry(
        &self,
        from: OwnerId,
        signed: &SignedEntry,
        about: &About<'_>,
    ) -> Result<(), Reason> {
        let entry = &signed.entry;
        let dialogue = self.theirs(from, entry.session)?;
        if dialogue.ended.is_some() {
            return Err(Reason::Closed);
        }
        if entry.number <= dialogue.last {
            let same = entry.number == dialogue.last && entry.digest() == dialogue.previous;
            return Err(if same { Reason::Replayed } else { Reason::Stale });
        }
        if entry.number > dialogue.last.saturating_add(1) {
            return Err(Reason::OutOfOrder);
        }
        self.contact(from).ok_or(Reason::Unknown)?.check_open()?;
        if !about.is_live(dialogue.ours().identity()) {
            return Err(Reason::Unknown);
        }
        dialogue.check_next(dialogue.role.other(), &entry.what, about.at())?;
        let agreed = dialogue.consented.contains(&entry.terms);
        // Nothing is before the first one but the terms it is said under.
        let previous = if dialogue.last == 0 { entry.terms } else { dialogue.previous };
        if !agreed || entry.previous != previous {
            return Err(Reason::Mismatch);
        }
        match dialogue.head {
            Some(held) if signed.head.size < held.size => Err(Reason::Contradiction),
            Some(held) if signed.head.size == held.size && signed.head.root != held.root => {
                Err(Reason::Contradiction)
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn fold_came(&mut self, came: &Came, about: &About<'_>) {
        let contact = self.contacts.get_mut(&came.from).filter(|_| decides(&came.what));
        if let Some(contact) = contact {
            contact.lately.count(about.at());
        }
        match &came.what {
            Evidence::Act(shown) => self.fold_act(came.from, shown, about),
            Evidence::End(signed) => self.fold_end(signed, about),
            Evidence::Entry(signed) => self.fold_entry(signed, about),
            Evidence::Keys(credential) => {
                let Some(contact) = self.contacts.get_mut(&came.from) else { return };
                if let Ok(keys) = Keys::shown(came.from, credential, contact.keys.as_ref()) {
                    contact.keys = Some(keys);
                }
                self.reconfine_all(came.from);
            }
        }
    }

    fn fold_act(&mut self, from: OwnerId, shown: &Shown, about: &About<'_>) {
        let Some(Said::Decided(decision)) = shown.act.declared::<Self>() else { return };
        let contact = self.contacts.entry(from);
        let contact = contact.or_insert_with(|| Contact::new(Bond::Asking, about.at()));
        contact.acts = shown.act.number;
        if let Ok(keys) = Keys::shown(from, &shown.credential, contact.keys.as_ref()) {
            contact.keys = Some(keys);
        }
        match decision {
            Decision::Ask { identity, name, note, .. } => {
                contact.bond = Bond::Asking;
                contact.asking = Some(shown.act.number);
                contact.since = about.at();
                contact.note = note;
                contact.theirs = Some(Presenting::new(identity, name));
                self.waiting = self.waiting.saturating_add(1);
                self.asks.count(about.at());
            }
            Decision::Confirm { identity, name, .. } => {
                contact.theirs = Some(Presenting::new(identity, name));
                contact.ask_arrived();
                self.become_mutual(from, about.at());
            }
            Decision::Present { identity, name, .. } => {
                contact.theirs = Some(Presenting::new(identity, name));
                self.end_with((from, about.at()), Ending::Lapsed, |dialogue| {
                    !dialogue.opened && dialogue.theirs().identity() != identity
                });
            }
            Decision::Remove { .. } => {
                contact.pending.clear();
                // Whom this owner never showed anything leaves nothing behind.
                let strange = contact.ours.is_none() && contact.bond == Bond::Asking;
                self.end_contact(from, about.at());
                if strange {
                    self.contacts.remove(&from);
                }
            }
            Decision::Consent { session, .. } => {
                self.fold_their_consent((from, session), shown, about);
            }
            Decision::Pause { session } => self.fold_their_pause(session, true),
            Decision::Resume { session } => self.fold_their_pause(session, false),
            Decision::Release { body, session } => {
                let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
                dialogue.released = Some(body);
                dialogue.releases = dialogue.releases.saturating_add(1);
                let parent = dialogue.terms().parent();
                if let Some(above) = parent.and_then(|parent| self.dialogues.get_mut(&parent)) {
                    above.unreleased.remove(&session);
                }
                if let Some(parent) = parent {
                    self.reconfine(parent);
                }
            }
            Decision::AcceptKey { .. }
            | Decision::Assign { .. }
            | Decision::Block { .. }
            | Decision::Close { .. }
            | Decision::Review { .. }
            | Decision::Unblock { .. } => {}
        }
        self.tidy_due(from);
    }

    fn fold_their_pause(&mut self, session: SessionId, paused: bool) {
        if let Some(dialogue) = self.dialogues.get_mut(&session) {
            dialogue.pauses.theirs = paused;
        }
        self.reconfine(session);
    }

    fn fold_end(&mut self, signed: &SignedEnd, about: &About<'_>) {
        let session = signed.end.session;
        let Some(dialogue) = self.dialogues.get(&session) else { return };
        let reason = dialogue.ended_by(&signed.end);
        // What is beneath it ends before anything is taken back: it was paid for until now.
        self.end(session, reason, about.at());
        if let Some(dialogue) = self.dialogues.get_mut(&session) {
            dialogue.arrived(signed.end.after);
            dialogue.take_back(signed.end.after);
            dialogue.in_flight.clear();
            dialogue.told = true;
        }
        self.note_due(session);
    }

    fn fold_entry(&mut self, signed: &SignedEntry, about: &About<'_>) {
        let session = signed.entry.session;
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        dialogue.arrived(u64::MAX);
        dialogue.head = Some(signed.head);
        let side = dialogue.role.other();
        let paused = dialogue.pauses;
        let ending = dialogue.count(side, signed, about.at());
        dialogue.said.push(about.sequence());
        dialogue.heard = signed.entry.turn().map(|turn| turn.body).or(dialogue.heard);
        let changed = dialogue.pauses != paused;
        let parent = dialogue.terms().parent();
        if changed {
            self.reconfine(session);
        }
        // What is heard beneath a session must not be told in it before it is released.
        let above = parent.filter(|_| signed.entry.turn().is_some());
        if let Some((parent, dialogue)) =
            above.and_then(|parent| Some((parent, self.dialogues.get_mut(&parent)?)))
            && dialogue.children.contains(&session)
            && dialogue.unreleased.insert(session)
        {
            self.reconfine(parent);
        }
        self.note_due(session);
        if let Some(reason) = ending {
            self.end(session, reason, about.at());
        }
    }

    pub(super) fn become_mutual(&mut self, peer: OwnerId, at: clawnet_core::Timestamp) {
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        if contact.asking.take().is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        if contact.bond != Bond::Mutual {
            contact.since = at;
        }
        contact.bond = Bond::Mutual;
    }

    pub(super) fn end_contact(&mut self, peer: OwnerId, at: clawnet_core::Timestamp) {
        let Some(contact) = self.contacts.get_mut(&peer) else { return };
        if contact.asking.take().is_some() {
            self.waiting = self.waiting.saturating_sub(1);
        }
        contact.asked.clear();
        contact.bond = Bond::Ended;
        contact.since = at;
        self.end_with((peer, at), Ending::Contact, |_| true);
    }
}

/// Whether an owner said it, who may say any number of things.
fn decides(what: &Evidence) -> bool {
    matches!(what, Evidence::Act(_) | Evidence::Keys(_))
}

/// How many may wait for this owner's answer to become contacts.
const WAITING_MAX: u32 = 64;
/// How many asks are taken in an hour, by everybody together.
const ASKS_MAX: u32 = 1024;
/// How many decisions of one contact are taken in an hour. What is said in sessions is bounded by
/// their terms.
const DECIDED_MAX: u32 = 8192;
/// How many sessions with one contact may be going on.
pub(super) const SESSIONS_MAX: u32 = 256;
