//! Sessions below sessions: what they take from above, and what they give back.

use super::command::{Draft, Kind, Refusal};
use super::side::{Phase, Side};
use super::terms::{Owner, Session, Terms};
use super::world::{Bug, World};

impl World {
    /// Gives a draft its place below a session: ancestry, scope, and turns set aside for it.
    pub(super) fn place_below(
        &self,
        (parent, child): (Session, Session),
        draft: Draft,
        terms: &mut Terms,
    ) -> Result<(), Refusal> {
        let side = self.side(draft.owner, parent)?;
        match side.phase {
            Phase::Invited => return Err(Refusal::NotOpen),
            Phase::Closed(_) => return Err(Refusal::Closed),
            Phase::Active if !side.consent.both() => return Err(Refusal::Paused),
            Phase::Active => {}
        }
        if self.side(draft.owner, child).is_ok() {
            return Err(Refusal::Mismatch);
        }
        let agreed = side.agreed.ok_or(Refusal::NotOpen)?;
        terms.session = child;
        terms.ancestry = agreed.beneath().ok_or(Refusal::Malformed)?;
        if !self.off(Bug::OwnScopeOnly) {
            terms.scope = agreed.scope.then(draft.grant);
        }
        let said = usize::from(draft.depth_said);
        if !self.off(Bug::DepthAsSaid) {
            self.fits_chain(terms)?;
        } else if said > self.rules.depth_max {
            return Err(Refusal::Malformed);
        }
        if agreed.role(draft.owner) != Some(terms.initiator.who) {
            return Err(Refusal::Mismatch);
        }
        let share = side.share_of(draft.owner, child);
        let share = share.or_else(|| side.share(child).filter(|_| self.off(Bug::DrawIsNobodys)));
        match share {
            Some(share) if share.turns >= draft.turns_max => Ok(()),
            Some(_) | None => Err(Refusal::Limit),
        }
    }

    /// Depth and owners, as far as they can be seen in the terms.
    pub(super) fn fits_chain(&self, terms: &Terms) -> Result<(), Refusal> {
        if terms.depth() > self.rules.depth_max && !self.off(Bug::DepthAsSaid) {
            return Err(Refusal::Malformed);
        }
        let mut seen = *terms;
        if self.off(Bug::CycleOfParentOnly) {
            let parent = terms.parent();
            seen.ancestry = Default::default();
            if let Some(first) = seen.ancestry.first_mut() {
                *first = parent;
            }
        }
        if seen.is_chain() { Ok(()) } else { Err(Refusal::Malformed) }
    }

    /// Whether terms of a child fit what its parent has agreed and set aside for it, at the side
    /// that asked for the child and so knows the parent.
    pub(super) fn fits_parent(&self, owner: Owner, terms: &Terms) -> Result<(), Refusal> {
        let Some(level) = terms.parent() else { return Ok(()) };
        if terms.initiator.owner != owner {
            return Ok(());
        }
        let parent = self.side(owner, level.session)?;
        if !parent.is_active() {
            return Err(Refusal::Paused);
        }
        let agreed = parent.agreed.ok_or(Refusal::NotOpen)?;
        if !terms.scope.begins_with(agreed.scope) && !self.off(Bug::OwnScopeOnly) {
            return Err(Refusal::Mismatch);
        }
        self.fits_share(owner, terms)
    }

    /// Whether as many turns were set aside above as terms of a child have.
    pub(super) fn fits_share(&self, owner: Owner, terms: &Terms) -> Result<(), Refusal> {
        let Some(level) = terms.parent().filter(|_| terms.initiator.owner == owner) else {
            return Ok(());
        };
        let parent = self.side(owner, level.session)?;
        let share = parent.share_of(owner, terms.session).ok_or(Refusal::Limit)?;
        if terms.turns_max > share.turns && !self.off(Bug::ChildOutgrowsDraw) {
            return Err(Refusal::Limit);
        }
        Ok(())
    }

    /// Whether new terms leave the scope as it is while a child may rest on it.
    pub(super) fn fits_children(&self, side: &Side, terms: &Terms) -> Result<(), Refusal> {
        let below = side.shares.iter().any(|share| share.back.is_none());
        let moved = side.agreed.is_some_and(|agreed| agreed.scope != terms.scope);
        if below && moved && !self.off(Bug::OwnScopeOnly) {
            return Err(Refusal::Mismatch);
        }
        Ok(())
    }

    /// Sets turns of a session aside for a child, which gets its name by that.
    pub(super) fn draw(&mut self, owner: Owner, parent: Session, turns: u8) -> Result<(), Refusal> {
        let kind = Kind::Draw(self.next, turns);
        self.speaks(owner, parent)?;
        self.room((owner, self.side(owner, parent)?), kind)?;
        self.next += 1;
        self.enter(owner, parent, kind)
    }

    /// Gives back what a closed child has not used. What its own children drew counts as used, also
    /// where the draw was taken back: they may have spoken by then.
    pub(super) fn give_back(
        &mut self,
        owner: Owner,
        parent: Session,
        child: Session,
    ) -> Result<(), Refusal> {
        let beneath = self
            .side(owner, child)
            .ok()
            .filter(|side| side.terms.parent().is_some_and(|level| level.session == parent));
        let used = match (beneath, self.rules.bug) {
            (None, _) => 0,
            (Some(side), _) if side.is_alive() => return Err(Refusal::NotOpen),
            (Some(side), Some(Bug::GiveBackForgetsDrawn)) => side.used,
            (Some(side), Some(Bug::GiveBackTakenBack)) => side.used + side.drawn,
            (Some(side), _) => side.spent,
        };
        let kind = Kind::GiveBack(child, used);
        self.speaks(owner, parent)?;
        self.room((owner, self.side(owner, parent)?), kind)?;
        self.enter(owner, parent, kind)
    }
}
