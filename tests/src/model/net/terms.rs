//! What two owners agree on: small values, equal exactly if their digests would be.

/// An owner, and so a kernel.
pub type Owner = u8;
/// A session, by the order in which they were drafted.
pub type Session = u8;

/// The longest ancestry a message may carry here, one above what is ever allowed.
pub const LEVELS_MAX: usize = 3;

/// Whom an address names at its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A role of the owner.
    Identity(u8),
    /// Never addressed, and never answers.
    Manager,
    /// An identity the owner does not have.
    Nobody,
}

/// Where messages about a session go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Whose kernel.
    pub owner: Owner,
    /// Which role.
    pub who: Who,
}

/// A list of grants, each of one of two kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scope {
    length: u8,
    kinds: u8,
}

impl Scope {
    /// This list, and one grant more.
    #[must_use]
    pub fn then(self, kind: bool) -> Self {
        let bit = if kind { 1 << (self.length % 8) } else { 0 };
        Self { length: self.length + 1, kinds: self.kinds | bit }
    }

    /// Whether `first` is this list, or the beginning of it.
    #[must_use]
    pub fn begins_with(self, first: Self) -> bool {
        let mask = (1_u8 << (first.length % 8)) - 1;
        self.length >= first.length && self.kinds & mask == first.kinds
    }
}

/// A session above another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level {
    /// Its name.
    pub session: Session,
    /// Who asked for it.
    pub initiator: Owner,
    /// Who was asked.
    pub responder: Owner,
}

/// Everything both owners say yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// Which session.
    pub session: Session,
    /// How often it has been amended.
    pub revision: u8,
    /// Turns of both sides together.
    pub turns_max: u8,
    /// What the session may be about.
    pub scope: Scope,
    /// Who asks.
    pub initiator: Address,
    /// Who is asked.
    pub responder: Address,
    /// From the root down to the parent.
    pub ancestry: [Option<Level>; LEVELS_MAX],
}

impl Terms {
    /// The sessions above this one, from the root down.
    #[must_use]
    pub fn levels(&self) -> impl DoubleEndedIterator<Item = Level> + use<> {
        self.ancestry.into_iter().flatten()
    }

    /// How far below the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.levels().count()
    }

    /// The session right above.
    #[must_use]
    pub fn parent(&self) -> Option<Level> {
        self.levels().next_back()
    }

    /// Whether `session` is somewhere above.
    #[must_use]
    pub fn is_below(&self, session: Session) -> bool {
        self.levels().any(|level| level.session == session)
    }

    /// This session as a level above others.
    #[must_use]
    pub fn level(&self) -> Level {
        let (initiator, responder) = (self.initiator.owner, self.responder.owner);
        Level { session: self.session, initiator, responder }
    }

    /// The ancestry of a child.
    #[must_use]
    pub fn beneath(&self) -> Option<[Option<Level>; LEVELS_MAX]> {
        let mut ancestry = self.ancestry;
        let free = ancestry.iter_mut().find(|level| level.is_none())?;
        *free = Some(self.level());
        Some(ancestry)
    }

    /// The other party, if `owner` is one.
    #[must_use]
    pub fn peer(&self, owner: Owner) -> Option<Owner> {
        match (self.initiator.owner, self.responder.owner) {
            (initiator, responder) if initiator == owner => Some(responder),
            (initiator, responder) if responder == owner => Some(initiator),
            _ => None,
        }
    }

    /// The role that `owner` plays, if it is a party.
    #[must_use]
    pub fn role(&self, owner: Owner) -> Option<Who> {
        let ends = [self.initiator, self.responder];
        ends.iter().find(|address| address.owner == owner).map(|address| address.who)
    }

    /// Whether the chain of owners goes on without a break and meets nobody twice: each session
    /// below another is begun by one of its two parties, with somebody new.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        let mut met: Vec<Owner> = Vec::new();
        let mut above: Option<Level> = None;
        for level in self.levels().chain([self.level()]) {
            let joins = above
                .is_none_or(|above| [above.initiator, above.responder].contains(&level.initiator));
            if !joins || met.contains(&level.responder) || level.initiator == level.responder {
                return false;
            }
            if above.is_none() {
                met.push(level.initiator);
            }
            met.push(level.responder);
            above = Some(level);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_begins_with_what_it_grew_from() {
        let none = Scope::default();
        let (a, b) = (none.then(true), none.then(false));
        assert!(a.begins_with(none) && a.then(false).begins_with(a) && a.begins_with(a));
        assert!(!a.begins_with(b) && !none.begins_with(a) && !b.then(true).begins_with(a));
    }
}
