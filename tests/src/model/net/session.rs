//! How a session is drafted, agreed, changed, paused and closed.

use super::command::{Body, Draft, Kind, Outcome, Reason, Refusal};
use super::contact::Between;
use super::side::{Pair, Phase, Side};
use super::terms::{Address, Owner, Scope, Session, Terms};
use super::world::{Bug, World};

/// Most turns that may be agreed on here.
const TURNS_MAX: u8 = 7;

impl World {
    pub(super) fn propose(&mut self, draft: Draft) -> Result<(), Refusal> {
        let Draft { owner, peer, .. } = draft;
        self.met(owner, peer)?;
        let contact = *self.contact(owner, peer)?;
        let (Some(ours), Some(theirs)) = (contact.ours, contact.theirs) else {
            return Err(Refusal::NotOpen);
        };
        self.lives(owner, ours)?;
        let own = Scope::default().then(draft.grant);
        let mut terms = Terms {
            session: self.next,
            revision: 0,
            turns_max: draft.turns_max,
            scope: own,
            initiator: Address { owner, who: ours },
            responder: Address { owner: peer, who: theirs },
            ancestry: Default::default(),
        };
        within(&terms)?;
        if let Some(place) = draft.parent {
            self.place_below(place, draft, &mut terms)?;
        } else {
            self.next += 1;
        }
        let mut side = Side::invited(terms, true);
        let eager = self.off(Bug::InitiatorConsents);
        side.consent.ours = eager;
        self.kernel_mut(owner)?.sides.insert(terms.session, side);
        if eager { self.tell_consent(owner, terms) } else { Ok(()) }
    }

    pub(super) fn consent(&mut self, owner: Owner, terms: Terms) -> Result<(), Refusal> {
        let side = self.side(owner, terms.session)?;
        if !side.is_alive() {
            return Err(Refusal::Closed);
        }
        if side.terms != terms {
            return Err(Refusal::Mismatch);
        }
        if side.consent.ours {
            return Err(Refusal::Stale);
        }
        self.may_consent(owner, &terms)?;
        self.said.push((owner, terms));
        self.said.sort_unstable();
        let side = self.side_mut(owner, terms.session)?;
        side.consent();
        self.tell_consent(owner, terms)
    }

    /// What must hold at an owner's side for its yes to these terms.
    fn may_consent(&self, owner: Owner, terms: &Terms) -> Result<(), Refusal> {
        let side = self.side(owner, terms.session)?;
        let peer = terms.peer(owner).ok_or(Refusal::WrongParty)?;
        self.met(owner, peer)?;
        self.lives(owner, terms.role(owner).ok_or(Refusal::WrongParty)?)?;
        within(terms)?;
        // One turn at least is left.
        if side.phase == Phase::Active && terms.turns_max <= side.used + side.drawn {
            return Err(Refusal::Limit);
        }
        // What is on its way was said under more. Turns are counted among the used ones.
        let fewer = side.agreed.is_some_and(|agreed| terms.turns_max < agreed.turns_max);
        let drawing = side.flight.iter().any(|kind| !matches!(kind, Kind::Turn(_)));
        if fewer && drawing && !self.off(Bug::FewerInFlight) {
            return Err(Refusal::Limit);
        }
        self.fits_parent(owner, terms)?;
        self.fits_children(self.side(owner, terms.session)?, terms)
    }

    fn tell_consent(&mut self, owner: Owner, terms: Terms) -> Result<(), Refusal> {
        let peer = terms.peer(owner).ok_or(Refusal::WrongParty)?;
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Consent(number, terms))
    }

    pub(super) fn amend(
        &mut self,
        (owner, session): (Owner, Session),
        turns_max: u8,
        scope: Scope,
    ) -> Result<(), Refusal> {
        let side = self.side(owner, session)?;
        if !side.is_alive() {
            return Err(Refusal::Closed);
        }
        let revision = side.terms.revision + 1;
        let terms = Terms { revision, turns_max, scope, ..side.terms };
        self.may_consent(owner, &terms)?;
        self.said.push((owner, terms));
        self.said.sort_unstable();
        let kept = self.off(Bug::AmendKeepsConsent) && self.side(owner, session)?.consent.theirs;
        let side = self.side_mut(owner, session)?;
        side.amend(terms, Pair { ours: false, theirs: kept });
        side.consent();
        self.tell_consent(owner, terms)
    }

    /// The peer's owner consents: an invitation, an amendment, or an answer to ours.
    pub(super) fn consented(
        &mut self,
        (owner, peer): Between,
        terms: Terms,
    ) -> Result<Outcome, Refusal> {
        self.met(owner, peer)?;
        if terms.peer(owner) != Some(peer) {
            return Err(Refusal::WrongParty);
        }
        within(&terms)?;
        let Ok(side) = self.side(owner, terms.session) else {
            return self.invited((owner, peer), terms);
        };
        let (known, consent) = (side.terms, side.consent);
        let initiated = known.initiator.owner == owner;
        if !side.is_alive() && !self.off(Bug::ReplayRevives) {
            return Err(Refusal::Closed);
        }
        if terms == known {
            return self.agreed((owner, terms.session));
        }
        let same = Terms {
            revision: terms.revision,
            turns_max: terms.turns_max,
            scope: terms.scope,
            ..known
        };
        // Where amendments cross, the initiator's stands.
        let crossing = terms.revision == known.revision && !consent.theirs;
        if crossing && initiated || terms.revision < known.revision {
            return Err(Refusal::Stale);
        }
        if terms.revision == known.revision && !crossing {
            return Err(Refusal::Stale);
        }
        if same != terms {
            return Err(Refusal::Mismatch);
        }
        self.amended((owner, terms.session), terms)
    }

    /// They agree to what we have already.
    fn agreed(&mut self, (owner, session): (Owner, Session)) -> Result<Outcome, Refusal> {
        let revived = self.off(Bug::ReplayRevives);
        let side = self.side_mut(owner, session)?;
        if side.consent.theirs && !revived {
            return Ok(Outcome::Again);
        }
        side.consent.theirs = true;
        if revived && side.consent.both() {
            side.phase = Phase::Active;
        }
        side.open();
        Ok(Outcome::Done)
    }

    fn amended(
        &mut self,
        (owner, session): (Owner, Session),
        terms: Terms,
    ) -> Result<Outcome, Refusal> {
        let keeps = self.off(Bug::AmendKeepsConsent);
        // Whether it can be is asked of who agrees to it.
        if self.off(Bug::BoundsWhenItComes) {
            self.fits_share(owner, &terms)?;
            self.fits_children(self.side(owner, session)?, &terms)?;
        }
        let side = self.side_mut(owner, session)?;
        let ours = keeps && side.consent.ours;
        side.amend(terms, Pair { ours, theirs: true });
        side.open();
        Ok(Outcome::Done)
    }

    fn invited(&mut self, (owner, peer): Between, terms: Terms) -> Result<Outcome, Refusal> {
        self.fits_chain(&terms)?;
        if terms.initiator.owner != peer {
            return Err(Refusal::WrongParty);
        }
        let contact = *self.contact(owner, peer)?;
        // Whoever names an identity that they do not meet names nobody.
        if contact.ours != Some(terms.responder.who) {
            return Err(Refusal::Unknown);
        }
        self.lives(owner, terms.responder.who).map_err(|_| Refusal::Unknown)?;
        if contact.theirs != Some(terms.initiator.who) || terms.revision != 0 {
            return Err(Refusal::Mismatch);
        }
        let mut side = Side::invited(terms, false);
        side.consent.theirs = true;
        self.kernel_mut(owner)?.sides.insert(terms.session, side);
        Ok(Outcome::Done)
    }

    pub(super) fn pause(
        &mut self,
        owner: Owner,
        session: Session,
        on: bool,
    ) -> Result<(), Refusal> {
        let side = self.side_mut(owner, session)?;
        match side.phase {
            Phase::Invited => return Err(Refusal::NotOpen),
            Phase::Closed(_) => return Err(Refusal::Closed),
            Phase::Active if side.paused.ours == on => return Err(Refusal::Stale),
            Phase::Active => {}
        }
        side.paused.ours = on;
        let peer = side.terms.peer(owner).ok_or(Refusal::WrongParty)?;
        let number = self.act(owner, peer)?;
        self.send(owner, peer, Body::Pause(number, session, on))
    }

    pub(super) fn paused(
        &mut self,
        (owner, peer): Between,
        session: Session,
        on: bool,
    ) -> Result<(), Refusal> {
        let side = self.side_mut(owner, session)?;
        if side.terms.peer(owner) != Some(peer) {
            return Err(Refusal::WrongParty);
        }
        match side.phase {
            Phase::Invited => Err(Refusal::NotOpen),
            Phase::Closed(_) => Err(Refusal::Closed),
            Phase::Active if side.paused.theirs == on => Err(Refusal::Mismatch),
            Phase::Active => {
                side.paused.theirs = on;
                Ok(())
            }
        }
    }

    pub(super) fn expire(&mut self, owner: Owner, session: Session) -> Result<(), Refusal> {
        let reason = match self.side(owner, session)?.phase {
            Phase::Invited => Reason::Lapsed,
            Phase::Active | Phase::Closed(_) => Reason::Expired,
        };
        self.close(owner, session, reason)
    }

    /// Closes a session and all below it, the lowest first, and says so to each peer.
    pub(super) fn close(
        &mut self,
        owner: Owner,
        session: Session,
        reason: Reason,
    ) -> Result<(), Refusal> {
        if !self.side(owner, session)?.is_alive() {
            return Err(Refusal::Closed);
        }
        let shallow = self.off(Bug::GrandchildrenStay);
        let sides = self.kernel(owner)?.sides.iter().filter(|(_, side)| {
            let terms = &side.terms;
            let child = terms.parent().is_some_and(|parent| parent.session == session);
            side.is_alive() && if shallow { child } else { terms.is_below(session) }
        });
        let mut below: Vec<(usize, Session)> =
            sides.map(|(session, side)| (side.terms.depth(), *session)).collect();
        below.sort_unstable_by(|a, b| b.cmp(a));
        for (_, child) in below {
            self.close_one(owner, child, Reason::Parent)?;
        }
        self.close_one(owner, session, reason)
    }

    pub(super) fn close_all(
        &mut self,
        owner: Owner,
        sessions: &[Session],
        reason: Reason,
    ) -> Result<(), Refusal> {
        for session in sessions {
            if self.side(owner, *session)?.is_alive() {
                self.close(owner, *session, reason)?;
            }
        }
        Ok(())
    }

    fn close_one(&mut self, owner: Owner, session: Session, reason: Reason) -> Result<(), Refusal> {
        let side = self.side_mut(owner, session)?;
        side.phase = Phase::Closed(reason);
        side.spent = side.used + side.drawn;
        let (after, terms) = (side.number, side.terms);
        // Nobody was ever told of a draft.
        let draft = side.agreed.is_none() && !side.consent.any();
        let peer = terms.peer(owner).ok_or(Refusal::WrongParty)?;
        if draft { Ok(()) } else { self.send(owner, peer, Body::End(session, after, reason)) }
    }

    /// The peer's side is closed, and came that far. Closes ours, and takes back what it never got.
    pub(super) fn ended(
        &mut self,
        (owner, peer): Between,
        session: Session,
        (after, reason): (u8, Reason),
    ) -> Result<Outcome, Refusal> {
        let stays = self.off(Bug::UsedStays);
        let side = self.side_mut(owner, session)?;
        if side.terms.peer(owner) != Some(peer) {
            return Err(Refusal::WrongParty);
        }
        if side.settled {
            return Ok(Outcome::Again);
        }
        side.settled = true;
        // What we said at closing stays said: the number as it was then.
        if side.is_alive() {
            // What is above it there is no concern of ours.
            let reason = if reason == Reason::Parent { Reason::Owner } else { reason };
            self.close(owner, session, reason)?;
        }
        let side = self.side_mut(owner, session)?;
        while side.number > after && !side.flight.is_empty() && !stays {
            side.discount();
        }
        side.flight.clear();
        Ok(Outcome::Done)
    }
}

/// What no terms may go beyond.
fn within(terms: &Terms) -> Result<(), Refusal> {
    if (1..=TURNS_MAX).contains(&terms.turns_max) { Ok(()) } else { Err(Refusal::Malformed) }
}
