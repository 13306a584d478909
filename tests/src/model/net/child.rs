//! Sessions below sessions: what they take from above, and what they give back.

use super::command::{Draft, Kind, Refusal};
use super::side::Phase;
use super::terms::{Owner, Scope, Session, Terms};
use super::world::{Bug, World};

impl World {
    /// Gives a draft its place below `parent`: ancestry, scope, and turns that could be drawn.
    pub(super) fn place_below(
        &self,
        parent: Session,
        draft: Draft,
        terms: &mut Terms,
    ) -> Result<(), Refusal> {
        let side = self.side(draft.owner, parent)?;
        side.passes()?;
        terms.ancestry = side.terms.beneath().ok_or(Refusal::Limit)?;
        if !self.off(Bug::OwnScopeOnly) {
            terms.scope = side.terms.scope.then(draft.grant);
        }
        if side.left() <= draft.turns_max {
            return Err(Refusal::Limit);
        }
        let children = self.kernel(draft.owner)?.sides.values().filter(|other| {
            other.is_alive() && other.terms.parent().is_some_and(|level| level.session == parent)
        });
        if children.count() >= self.rules.children_max {
            return Err(Refusal::Limit);
        }
        if self.off(Bug::DepthAsSaid) {
            let deep = usize::from(draft.depth_said) > self.rules.depth_max;
            return if deep { Err(Refusal::Limit) } else { Ok(()) };
        }
        self.fits_chain(terms)
    }

    /// Depth and owners, as far as they can be seen in the terms.
    pub(super) fn fits_chain(&self, terms: &Terms) -> Result<(), Refusal> {
        if terms.depth() > self.rules.depth_max && !self.off(Bug::DepthAsSaid) {
            return Err(Refusal::Limit);
        }
        let mut seen = *terms;
        if self.off(Bug::CycleOfParentOnly) {
            let parent = terms.parent();
            seen.ancestry = Default::default();
            if let Some(first) = seen.ancestry.first_mut() {
                *first = parent;
            }
        }
        if seen.is_chain() { Ok(()) } else { Err(Refusal::Mismatch) }
    }

    /// Whether terms of a child fit what its parent has agreed and set aside for it. Only the side
    /// that asked for the child knows the parent.
    pub(super) fn fits_parent(&self, owner: Owner, terms: &Terms) -> Result<(), Refusal> {
        let Some(level) = terms.parent() else { return Ok(()) };
        if terms.initiator.owner != owner {
            return Ok(());
        }
        let parent = self.side(owner, level.session)?;
        if parent.phase != Phase::Active {
            return Err(Refusal::NotOpen);
        }
        let agreed = parent.agreed.ok_or(Refusal::NotOpen)?;
        if !terms.scope.begins_with(agreed.scope) && !self.off(Bug::OwnScopeOnly) {
            return Err(Refusal::Mismatch);
        }
        let share = parent.share(terms.session).ok_or(Refusal::NotOpen)?;
        if terms.turns_max > share.turns && !self.off(Bug::ChildOutgrowsDraw) {
            return Err(Refusal::Limit);
        }
        Ok(())
    }

    /// Whether new terms leave the scopes of the children that live here as they are.
    pub(super) fn fits_children(&self, owner: Owner, terms: &Terms) -> Result<(), Refusal> {
        let mut children = self.kernel(owner)?.sides.values().filter(|side| {
            let below = side.terms.parent().is_some_and(|level| level.session == terms.session);
            below && side.is_alive()
        });
        let narrow = |scope: Scope| scope.begins_with(terms.scope);
        if children.all(|side| narrow(side.terms.scope)) || self.off(Bug::OwnScopeOnly) {
            return Ok(());
        }
        Err(Refusal::Mismatch)
    }

    /// Sets turns of the parent aside for a drafted child.
    pub(super) fn draw(&mut self, owner: Owner, child: Session) -> Result<(), Refusal> {
        let side = self.side(owner, child)?;
        let drafted = side.phase == Phase::Invited && side.terms.initiator.owner == owner;
        let level = side.terms.parent().filter(|_| drafted).ok_or(Refusal::NotOpen)?;
        let kind = Kind::Draw(child, side.terms.turns_max);
        self.speaks(owner, level.session)?;
        self.room(self.side(owner, level.session)?, kind)?;
        self.enter(owner, level.session, kind)
    }

    /// Gives back what a closed child has not used. What its own children drew counts as used, also
    /// where the draw was taken back: they may have spoken by then.
    pub(super) fn give_back(&mut self, owner: Owner, child: Session) -> Result<(), Refusal> {
        let side = self.side(owner, child)?;
        let level = side.terms.parent().ok_or(Refusal::NotOpen)?;
        if side.is_alive() || side.terms.initiator.owner != owner {
            return Err(Refusal::NotOpen);
        }
        let used = match self.rules.bug {
            Some(Bug::GiveBackForgetsDrawn) => side.used,
            Some(Bug::GiveBackTakenBack) => side.used + side.drawn,
            _ => side.spent,
        };
        let kind = Kind::GiveBack(child, used);
        self.speaks(owner, level.session)?;
        self.room(self.side(owner, level.session)?, kind)?;
        self.enter(owner, level.session, kind)
    }
}
