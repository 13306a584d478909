//! How a session goes on: turns, and the entries that go with children.

use super::command::{Body, Entry, Kind, Mark, Outcome, Reason, Refusal};
use super::contact::Between;
use super::side::Side;
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
        self.room((owner, self.side(owner, session)?), kind)?;
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
    pub(super) fn room(&self, (by, side): (Owner, &Side), kind: Kind) -> Result<(), Refusal> {
        let extra = u8::from(self.off(Bug::LimitOffByOne));
        let room = match kind {
            Kind::Turn(_) => side.left() + extra >= 1,
            // One turn must remain, to answer.
            Kind::Draw(child, turns) => {
                let open = side.shares.iter().filter(|share| share.back.is_none());
                turns >= 1
                    && side.left() > turns
                    && open.count() < self.rules.children_max
                    && (side.terms.depth() < self.rules.depth_max || self.off(Bug::DepthAsSaid))
                    && side.share(child).is_none()
                    && side.shares.len() < usize::from(side.terms.turns_max)
            }
            Kind::GiveBack(child, used) => {
                let any = side.share(child).filter(|_| self.off(Bug::DrawIsNobodys));
                let share = side.share_of(by, child).or(any).filter(|share| used <= share.turns);
                return if share.is_some() { Ok(()) } else { Err(Refusal::Mismatch) };
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
        // How it ends is for the other side to say, which knows that it arrived.
        take(side, (kind, terms.initiator.owner == owner), uncounted);
        side.flight.push(kind);
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
        let side = self.side(owner, session)?;
        if side.terms.peer(owner) != Some(peer) {
            return Err(Refusal::WrongParty);
        }
        if !side.is_alive() {
            return Err(Refusal::Closed);
        }
        let exact = !self.off(Bug::NumberIgnored);
        if exact && entry.number <= side.number {
            let code = entry.kind.code(entry.terms.initiator.owner == peer);
            let same = side.chain == (entry.previous << 8) | u128::from(code);
            let again = entry.number == side.number && same;
            return if again { Ok(Outcome::Again) } else { Err(Refusal::Stale) };
        }
        if exact && entry.number != side.number + 1 {
            return Err(Refusal::OutOfOrder);
        }
        self.met(owner, peer)?;
        match side.passes() {
            Err(Refusal::Paused) if self.off(Bug::PauseIgnored) => {}
            passes => passes?,
        }
        if side.floor && !self.off(Bug::FloorIgnored) {
            return Err(Refusal::WrongTurn);
        }
        self.room((peer, side), entry.kind)?;
        let late = match self.rules.bug {
            Some(Bug::AmendInFlight) => false,
            Some(Bug::EarlierForgotten) => {
                side.said.contains(&entry.terms) && entry.terms.revision + 1 >= side.terms.revision
            }
            _ => side.said.contains(&entry.terms),
        };
        if exact && entry.previous != side.chain || entry.terms != side.terms && !late {
            return Err(Refusal::Mismatch);
        }
        let uncounted = self.off(Bug::DrawNotCounted);
        let side = self.side_mut(owner, session)?;
        // It was said after all of ours, and names the last.
        side.flight.clear();
        take(side, (entry.kind, entry.terms.initiator.owner == peer), uncounted);
        let endless = self.off(Bug::LimitOffByOne);
        let side = self.side(owner, session)?;
        if let Some(reason) = last(side, entry.kind).filter(|why| *why != Reason::Limit || !endless)
        {
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
