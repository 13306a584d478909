//! How a session goes on: turns, and the entries that go with children.

use super::command::{Body, Entry, Kind, Mark, Outcome, Reason, Refusal};
use super::contact::Between;
use super::side::{Phase, Side};
use super::terms::{Owner, Session};
use super::world::{Bug, World};

impl World {
    pub(super) fn turn(
        &mut self,
        owner: Owner,
        session: Session,
        mark: Mark,
    ) -> Result<(), Refusal> {
        self.speaks(owner, session)?;
        let kind = Kind::Turn(mark);
        self.room(self.side(owner, session)?, kind)?;
        self.enter(owner, session, kind)
    }

    /// Whether anything of ours passes in a session now.
    pub(super) fn speaks(&self, owner: Owner, session: Session) -> Result<(), Refusal> {
        let side = self.side(owner, session)?;
        side.passes()?;
        let peer = side.terms.peer(owner).ok_or(Refusal::WrongParty)?;
        self.met(owner, peer)?;
        self.lives(owner, side.terms.role(owner).ok_or(Refusal::WrongParty)?)?;
        if side.floor { Ok(()) } else { Err(Refusal::WrongTurn) }
    }

    /// Whether the turns left allow an entry.
    pub(super) fn room(&self, side: &Side, kind: Kind) -> Result<(), Refusal> {
        let extra = u8::from(self.off(Bug::LimitOffByOne));
        let room = match kind {
            Kind::Turn(_) => side.left() + extra >= 1,
            // One turn must remain, to answer.
            Kind::Draw(child, turns) => {
                turns >= 1
                    && side.left() > turns
                    && side.shares.iter().all(|share| share.child != child)
            }
            Kind::GiveBack(child, used) => {
                side.share(child).is_some_and(|share| used <= share.turns)
            }
        };
        if room { Ok(()) } else { Err(Refusal::Limit) }
    }

    /// Says an entry of our own.
    pub(super) fn enter(
        &mut self,
        owner: Owner,
        session: Session,
        kind: Kind,
    ) -> Result<(), Refusal> {
        let uncounted = self.off(Bug::DrawNotCounted);
        let side = self.side_mut(owner, session)?;
        let terms = side.terms;
        let entry = Entry { terms, number: side.number + 1, previous: side.chain, kind };
        take(side, (kind, terms.initiator.owner == owner), uncounted);
        side.flight.push(kind);
        if let Some(reason) = last(side, kind) {
            side.phase = Phase::Closing(reason);
        }
        let peer = terms.peer(owner).ok_or(Refusal::WrongParty)?;
        self.send(owner, peer, Body::Entry(entry))
    }

    /// An entry of the peer's arrives.
    pub(super) fn entered(
        &mut self,
        (owner, peer): Between,
        entry: Entry,
    ) -> Result<Outcome, Refusal> {
        let session = entry.terms.session;
        self.met(owner, peer)?;
        let side = self.side(owner, session)?;
        if side.terms.peer(owner) != Some(peer) {
            return Err(Refusal::Unknown);
        }
        let (number, exact) = (entry.number, !self.off(Bug::NumberIgnored));
        if exact && number <= side.number {
            // Every chain but ours went another way.
            let codes = u32::from(side.number - number) * 8;
            let held = side.chain.checked_shr(codes).unwrap_or(0);
            let said = (entry.previous << 8)
                | u64::from(entry.kind.code(entry.terms.initiator.owner == peer));
            return if held == said { Ok(Outcome::Again) } else { Err(Refusal::Mismatch) };
        }
        match side.passes() {
            Err(Refusal::Paused) if self.off(Bug::PauseIgnored) => {}
            passes => passes?,
        }
        if side.floor && !self.off(Bug::FloorIgnored) {
            return Err(Refusal::WrongTurn);
        }
        if exact && number != side.number + 1 {
            return Err(Refusal::OutOfOrder);
        }
        if exact && entry.previous != side.chain || entry.terms != side.terms {
            return Err(Refusal::Mismatch);
        }
        self.room(side, entry.kind)?;
        let uncounted = self.off(Bug::DrawNotCounted);
        let side = self.side_mut(owner, session)?;
        // It was said after all of ours, and names the last.
        side.flight.clear();
        take(side, (entry.kind, entry.terms.initiator.owner == peer), uncounted);
        if let Some(reason) = last(side, entry.kind) {
            self.close(owner, session, reason)?;
        }
        Ok(Outcome::Done)
    }
}

/// Counts an entry.
fn take(side: &mut Side, (kind, by_initiator): (Kind, bool), uncounted: bool) {
    side.count(kind, by_initiator);
    if let (Kind::Draw(_, turns), true) = (kind, uncounted) {
        side.drawn -= turns;
    }
}

/// Whether an entry was the last, and why.
fn last(side: &Side, kind: Kind) -> Option<Reason> {
    match kind {
        Kind::Turn(Mark::Resolved) => Some(Reason::Resolved),
        Kind::Turn(Mark::Deadlock) => Some(Reason::Deadlock),
        Kind::Turn(Mark::Continue) if side.left() == 0 => Some(Reason::Limit),
        Kind::Turn(Mark::Continue) | Kind::Draw(..) | Kind::GiveBack(..) => None,
    }
}
