//! One kernel's view of one session.

use super::command::{Kind, Reason, Refusal};
use super::terms::{Owner, Session, Terms};

/// Something each of two parties has said or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pair {
    /// We have.
    pub ours: bool,
    /// They have.
    pub theirs: bool,
}

impl Pair {
    /// Both have.
    #[must_use]
    pub fn both(self) -> bool {
        self.ours && self.theirs
    }

    /// At least one has.
    #[must_use]
    pub fn any(self) -> bool {
        self.ours || self.theirs
    }
}

/// The life of a session at one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Drafted or received.
    Invited,
    /// Has been open; open now if the present terms are agreed.
    Active,
    /// Over.
    Closed(Reason),
}

/// What one kernel knows of one session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Side {
    /// The newest, agreed or not.
    pub terms: Terms,
    /// The newest that both owners agreed on.
    pub agreed: Option<Terms>,
    /// All that our owner has agreed to. The other side may have spoken under any of them.
    pub said: Vec<Terms>,
    /// To the present terms.
    pub consent: Pair,
    /// Who has paused.
    pub paused: Pair,
    /// Where it is.
    pub phase: Phase,
    /// Turns, with what children used.
    pub used: u8,
    /// Turns set aside for children.
    pub drawn: u8,
    /// The last entry, ours on its way included.
    pub number: u8,
    /// The codes of all entries, eight bits each.
    pub chain: u128,
    /// We drafted it.
    pub initiated: bool,
    /// Whether we may speak.
    pub floor: bool,
    /// Our own entries that nothing has proven, oldest first.
    pub flight: Vec<Kind>,
    /// Turns set aside, and what came back of them.
    pub shares: Vec<Share>,
    /// Used and set aside when it closed here. What is taken back later may have been spent below.
    pub spent: u8,
    /// Closed, and the other side has said how far it came.
    pub settled: bool,
}

impl Side {
    /// A draft or an invitation. The initiator speaks first.
    #[must_use]
    pub fn invited(terms: Terms, initiated: bool) -> Self {
        Self {
            terms,
            agreed: None,
            said: Vec::new(),
            consent: Pair::default(),
            paused: Pair::default(),
            phase: Phase::Invited,
            used: 0,
            drawn: 0,
            number: 0,
            chain: 0,
            initiated,
            floor: initiated,
            flight: Vec::new(),
            shares: Vec::new(),
            spent: 0,
            settled: false,
        }
    }

    /// Not over.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.phase, Phase::Closed(_))
    }

    /// Open, and both owners agree on the present terms.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.phase == Phase::Active && self.consent.both()
    }

    /// Why no entry passes now, if none does.
    ///
    /// # Errors
    /// The reason.
    pub fn passes(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Invited => Err(Refusal::NotOpen),
            Phase::Closed(_) => Err(Refusal::Closed),
            Phase::Active if !self.consent.both() || self.paused.any() => Err(Refusal::Paused),
            Phase::Active => Ok(()),
        }
    }

    /// Turns that are neither used nor set aside.
    #[must_use]
    pub fn left(&self) -> u8 {
        self.terms.turns_max.saturating_sub(self.used + self.drawn)
    }

    /// Our owner agrees to the present terms.
    pub fn consent(&mut self) {
        self.consent.ours = true;
        self.said.push(self.terms);
        self.open();
    }

    /// Takes new terms. Both owners have to agree again.
    pub fn amend(&mut self, terms: Terms, consent: Pair) {
        self.terms = terms;
        self.consent = consent;
    }

    /// Opens, if both owners agree.
    pub fn open(&mut self) {
        if self.consent.both() && self.is_alive() {
            self.agreed = Some(self.terms);
            self.phase = Phase::Active;
        }
    }

    /// Counts one entry more.
    pub fn count(&mut self, kind: Kind, by_initiator: bool) {
        self.number += 1;
        self.chain = (self.chain << 8) | u128::from(kind.code(by_initiator));
        match kind {
            Kind::Turn(_) => {
                self.used += 1;
                self.floor = !self.floor;
            }
            Kind::Draw(child, turns) => {
                self.drawn += turns;
                self.shares.push(Share { child, turns, by_initiator, back: None });
            }
            Kind::GiveBack(child, used) => {
                let open = |share: &&mut Share| share.child == child && share.back.is_none();
                if let Some(share) = self.shares.iter_mut().find(open) {
                    share.back = Some(used);
                    self.drawn -= share.turns;
                    self.used += used;
                }
            }
        }
    }

    /// Takes back our own newest entry, which did not arrive.
    pub fn discount(&mut self) {
        let Some(kind) = self.flight.pop() else { return };
        self.number -= 1;
        self.chain >>= 8;
        match kind {
            Kind::Turn(_) => {
                self.used -= 1;
                self.floor = !self.floor;
            }
            Kind::Draw(child, turns) => {
                self.drawn -= turns;
                self.shares.retain(|share| share.child != child || share.back.is_some());
            }
            Kind::GiveBack(child, used) => {
                let back = |share: &&mut Share| share.child == child && share.back.is_some();
                if let Some(share) = self.shares.iter_mut().rev().find(back) {
                    share.back = None;
                    self.drawn += share.turns;
                    self.used -= used;
                }
            }
        }
    }

    /// What is set aside for `child` and not given back.
    #[must_use]
    pub fn share(&self, child: Session) -> Option<Share> {
        self.shares.iter().find(|share| share.child == child && share.back.is_none()).copied()
    }

    /// What `owner` has set aside for `child` and not given back.
    #[must_use]
    pub fn share_of(&self, owner: Owner, child: Session) -> Option<Share> {
        let initiates = self.terms.initiator.owner == owner;
        self.share(child).filter(|share| share.by_initiator == initiates)
    }
}

/// Turns set aside for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// For which.
    pub child: Session,
    /// How many.
    pub turns: u8,
    /// Who set them aside, and alone may use them or give them back.
    pub by_initiator: bool,
    /// How many of them were used, once that is known.
    pub back: Option<u8>,
}
