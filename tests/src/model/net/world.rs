//! The kernels, the wire, and one step of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::command::{Body, Command, Message, Outcome, Reason, Refusal};
use super::side::Side;
use super::terms::{Owner, Session, Terms, Who};

/// A rule that can be turned off, to see that a search finds what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// One turn beyond the limit is taken.
    LimitOffByOne,
    /// A draft carries its owner's consent.
    InitiatorConsents,
    /// New terms keep a consent to the old ones.
    AmendKeepsConsent,
    /// Closing closes children, and not theirs.
    GrandchildrenStay,
    /// A child is compared with the parent's owners only.
    CycleOfParentOnly,
    /// A child begins with its own scope.
    OwnScopeOnly,
    /// A child is as deep as it says.
    DepthAsSaid,
    /// An entry that did not arrive stays counted.
    UsedStays,
    /// A draw does not count.
    DrawNotCounted,
    /// Whoever confirms need not have been asked.
    ConfirmUnasked,
    /// An entry passes while the session is paused.
    PauseIgnored,
    /// Acts are taken again, and open what is closed.
    ReplayRevives,
    /// Entries are taken from whoever does not have the floor.
    FloorIgnored,
    /// What a blocked peer says is taken.
    BlockIgnored,
    /// A manager is presented like an identity.
    ManagerAnswers,
    /// An entry's number is not compared.
    NumberIgnored,
    /// A child gives back what its own children have drawn.
    GiveBackForgetsDrawn,
    /// A child gives back what was drawn from it by a draw that never arrived.
    GiveBackTakenBack,
    /// A turn that was on its way when the terms changed is not taken.
    AmendInFlight,
    /// A turn that was on its way when the terms changed twice is not taken.
    EarlierForgotten,
    /// A side agrees to fewer turns while draws of its own, and what came back, are on their way.
    FewerInFlight,
    /// A wording that could not be agreed to now is not taken in at all.
    BoundsWhenItComes,
    /// Whoever is party to a session may use what the other set aside in it.
    DrawIsNobodys,
    /// A child's terms are amended beyond what was drawn for it.
    ChildOutgrowsDraw,
}

/// What does not change during a story.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules {
    /// Levels above a session, at most.
    pub depth_max: usize,
    /// Children open at once, for each session.
    pub children_max: usize,
    /// Contacts are mutual from the start, and how they came to be is not on the wire.
    pub acquainted: bool,
    /// An act goes out when the one before it was answered. Answers are not lost to liars.
    pub in_order: bool,
    /// Signs whatever it likes.
    pub hostile: Option<Owner>,
    /// The rule that is off.
    pub bug: Option<Bug>,
}

/// Where a contact stands, at one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stand {
    /// Never met.
    #[default]
    None,
    /// We have asked.
    Asked,
    /// They have asked.
    Asking,
    /// Both have asked, and nobody has confirmed.
    Crossed,
    /// One has asked and the other confirmed.
    Mutual,
    /// Over.
    Ended,
}

/// One kernel's view of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Contact {
    /// Where it stands.
    pub stand: Stand,
    /// We have blocked them.
    pub blocked: bool,
    /// Which of our identities they meet.
    pub ours: Option<Who>,
    /// Which of theirs we meet.
    pub theirs: Option<Who>,
    /// Our ask that waits, by its number.
    pub our_ask: u8,
    /// Their ask that waits.
    pub their_ask: u8,
    /// Our acts towards them.
    pub said: u8,
    /// Our newest act that was answered, with a yes or a no.
    pub answered: u8,
    /// Their newest act that we took.
    pub heard: u8,
    /// The key of theirs that we know.
    pub key: u8,
    /// They have another, which our owner has not accepted.
    pub changed: Option<u8>,
}

/// One owner's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Kernel {
    /// By peer.
    pub contacts: BTreeMap<Owner, Contact>,
    /// By name. Nothing is forgotten.
    pub sides: BTreeMap<Session, Side>,
    /// Identities that are frozen for good.
    pub frozen: BTreeSet<Who>,
    /// Which of the owner's keys is in use.
    pub key: u8,
}

/// Something on the wire, and whether its receiver has taken it once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sent {
    /// What.
    pub message: Message,
    /// It was taken.
    pub taken: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// By owner.
    pub kernels: Vec<Arc<Kernel>>,
    /// All that was ever sent, in order of its content.
    pub wire: Vec<Sent>,
    /// What owners said yes to with their own hands. For the laws only: no rule reads it.
    pub said: Vec<(Owner, Terms)>,
    /// The name of the next draft.
    pub next: Session,
    /// What does not change.
    pub rules: Rules,
}

/// Makes one step. Total and pure; what is refused changes nothing.
#[must_use]
pub fn step(world: &World, command: &Command) -> (World, Outcome) {
    let (mut next, outcome) = step_unanswered(world, command);
    if world.rules.in_order {
        next.answer(command, outcome);
    }
    (next, outcome)
}

fn step_unanswered(world: &World, command: &Command) -> (World, Outcome) {
    let mut next = world.clone();
    match next.apply(command) {
        Ok(outcome) => (next, outcome),
        // The one refusal that is remembered: the owner is shown the new key.
        Err(Refusal::KeyChanged) => {
            let mut next = world.clone();
            next.show_key(command);
            (next, Outcome::Refused(Refusal::KeyChanged))
        }
        Err(refusal) => (world.clone(), Outcome::Refused(refusal)),
    }
}

impl World {
    /// Owners who never met, with nothing frozen and nothing said.
    #[must_use]
    pub fn of_strangers(owners: u8, rules: Rules) -> Self {
        let kernel = |owner| {
            let peers = (0..owners).filter(|peer| *peer != owner);
            let contacts = peers.map(|peer| (peer, Contact::default())).collect();
            Arc::new(Kernel { contacts, ..Kernel::default() })
        };
        let kernels = (0..owners).map(kernel).collect();
        Self { kernels, wire: Vec::new(), said: Vec::new(), next: 0, rules }
    }

    fn apply(&mut self, command: &Command) -> Result<Outcome, Refusal> {
        match *command {
            Command::Ask(owner, peer, who) => self.ask(owner, peer, who)?,
            Command::Confirm(owner, peer, who, asked) => {
                self.confirm((owner, peer), who, asked)?;
            }
            Command::Remove(owner, peer) => self.remove(owner, peer)?,
            Command::Block(owner, peer) => self.block(owner, peer)?,
            Command::Unblock(owner, peer) => self.unblock(owner, peer)?,
            Command::Present(owner, peer, who) => self.present(owner, peer, who)?,
            Command::Freeze(owner, who) => self.freeze(owner, who)?,
            Command::Rekey(owner) => self.kernel_mut(owner)?.key += 1,
            Command::AcceptKey(owner, peer) => self.accept_key(owner, peer)?,
            Command::Propose(draft) => self.propose(draft)?,
            Command::Draw(owner, parent, turns) => self.draw(owner, parent, turns)?,
            Command::Consent(owner, terms) => self.consent(owner, terms)?,
            Command::Amend(owner, session, turns_max, scope) => {
                self.amend((owner, session), turns_max, scope)?;
            }
            Command::Turn(owner, session, mark) => self.turn(owner, session, mark)?,
            Command::GiveBack(owner, parent, child) => self.give_back(owner, parent, child)?,
            Command::Pause(owner, session) => self.pause(owner, session, true)?,
            Command::Resume(owner, session) => self.pause(owner, session, false)?,
            Command::Close(owner, session) => {
                let open = self.side(owner, session)?.agreed.is_some();
                let reason = if open { Reason::Owner } else { Reason::Declined };
                self.close(owner, session, reason)?;
            }
            Command::Expire(owner, session) => self.expire(owner, session)?,
            Command::Deliver(message) => {
                if !self.wire.iter().any(|sent| sent.message == message) {
                    return Err(Refusal::Forged);
                }
                let outcome = self.receive(message)?;
                for sent in self.wire.iter_mut().filter(|sent| sent.message == message) {
                    sent.taken = true;
                }
                return Ok(outcome);
            }
            Command::Tamper(_) => return Err(Refusal::Forged),
            Command::Forge(message, whom) => return self.forged(message, whom),
        }
        Ok(Outcome::Done)
    }

    /// Only an identity has an address; and only somebody who holds the key signs.
    fn forged(&mut self, message: Message, whom: Who) -> Result<Outcome, Refusal> {
        if !self.answers(message.to, whom) {
            return Err(Refusal::Unknown);
        }
        if self.rules.hostile == Some(message.from) {
            return self.receive(message);
        }
        Err(Refusal::Forged)
    }

    fn receive(&mut self, message: Message) -> Result<Outcome, Refusal> {
        let (owner, peer) = (message.to, message.from);
        let contact = *self.contact(owner, peer)?;
        if contact.blocked && !self.off(Bug::BlockIgnored) {
            return Err(Refusal::Unknown);
        }
        if let Some(outcome) = self.heard(&contact, &message.body)? {
            return Ok(outcome);
        }
        known_key(&contact, message)?;
        match message.body {
            Body::Ask(number, who) => self.asked((owner, peer), number, who)?,
            Body::Confirm(_, asked, who) => self.confirmed((owner, peer), asked, who)?,
            Body::Part(_) => self.parted(owner, peer)?,
            Body::Present(_, who) => self.presented((owner, peer), who)?,
            Body::Consent(_, terms) => {
                let outcome = self.consented((owner, peer), terms)?;
                if outcome == Outcome::Again {
                    return Ok(outcome);
                }
            }
            Body::Pause(_, session, on) => self.paused((owner, peer), session, on)?,
            Body::Entry(entry) => return self.entered((owner, peer), entry),
            Body::End(session, after, reason) => {
                return self.ended((owner, peer), session, (after, reason));
            }
        }
        if let Some(number) = message.body.act() {
            self.contact_mut(owner, peer)?.heard = number;
        }
        Ok(Outcome::Done)
    }

    /// Acts only go on; the last one may come again.
    fn heard(&self, contact: &Contact, body: &Body) -> Result<Option<Outcome>, Refusal> {
        match body.act() {
            Some(_) if self.off(Bug::ReplayRevives) => Ok(None),
            Some(number) if number < contact.heard => Err(Refusal::Stale),
            Some(number) if number == contact.heard => Ok(Some(Outcome::Again)),
            Some(_) | None => Ok(None),
        }
    }

    /// The sender hears what came of an act, unless it may come to something yet.
    fn answer(&mut self, command: &Command, outcome: Outcome) {
        let Command::Deliver(message) = *command else { return };
        // Nobody who answers like nobody has said which message was meant.
        let later = [
            Refusal::KeyChanged,
            Refusal::Limit,
            Refusal::NotOpen,
            Refusal::OutOfOrder,
            Refusal::Paused,
            Refusal::Unknown,
        ];
        let later = later.map(Outcome::Refused);
        let Some(act) = message.body.act().filter(|_| !later.contains(&outcome)) else { return };
        if let Ok(contact) = self.contact(message.from, message.to)
            && contact.answered + 1 == act
            && let Ok(contact) = self.contact_mut(message.from, message.to)
        {
            contact.answered = act;
        }
    }

    /// A refused message that shows a new key of a contact.
    fn show_key(&mut self, command: &Command) {
        let (Command::Deliver(message) | Command::Forge(message, _)) = *command else { return };
        if let Ok(contact) = self.contact_mut(message.to, message.from)
            && message.key > contact.key
        {
            contact.changed = contact.changed.max(Some(message.key));
        }
    }

    /// Says something to a peer.
    pub(super) fn send(&mut self, from: Owner, to: Owner, body: Body) -> Result<(), Refusal> {
        let message = Message { from, to, key: self.kernel(from)?.key, body };
        let place = self.wire.binary_search_by(|sent| sent.message.cmp(&message));
        if let Err(place) = place {
            self.wire.insert(place, Sent { message, taken: false });
        }
        Ok(())
    }

    /// The number of the owner's next act towards a peer.
    pub(super) fn act(&mut self, owner: Owner, peer: Owner) -> Result<u8, Refusal> {
        let contact = self.contact_mut(owner, peer)?;
        contact.said += 1;
        Ok(contact.said)
    }

    pub(super) fn off(&self, bug: Bug) -> bool {
        self.rules.bug == Some(bug)
    }

    /// One owner's kernel.
    ///
    /// # Errors
    /// There is no such owner.
    pub fn kernel(&self, owner: Owner) -> Result<&Kernel, Refusal> {
        self.kernels.get(usize::from(owner)).map(Arc::as_ref).ok_or(Refusal::Unknown)
    }

    pub(super) fn kernel_mut(&mut self, owner: Owner) -> Result<&mut Kernel, Refusal> {
        let kernel = self.kernels.get_mut(usize::from(owner)).ok_or(Refusal::Unknown)?;
        Ok(Arc::make_mut(kernel))
    }

    /// What one kernel knows of a peer.
    ///
    /// # Errors
    /// There is no such peer.
    pub fn contact(&self, owner: Owner, peer: Owner) -> Result<&Contact, Refusal> {
        self.kernel(owner)?.contacts.get(&peer).ok_or(Refusal::Unknown)
    }

    pub(super) fn contact_mut(
        &mut self,
        owner: Owner,
        peer: Owner,
    ) -> Result<&mut Contact, Refusal> {
        self.kernel_mut(owner)?.contacts.get_mut(&peer).ok_or(Refusal::Unknown)
    }

    /// What one kernel knows of a session.
    ///
    /// # Errors
    /// It knows none of that name.
    pub fn side(&self, owner: Owner, session: Session) -> Result<&Side, Refusal> {
        self.kernel(owner)?.sides.get(&session).ok_or(Refusal::Unknown)
    }

    pub(super) fn side_mut(
        &mut self,
        owner: Owner,
        session: Session,
    ) -> Result<&mut Side, Refusal> {
        self.kernel_mut(owner)?.sides.get_mut(&session).ok_or(Refusal::Unknown)
    }

    /// Whether an owner plays that role and has not frozen it.
    pub(super) fn lives(&self, owner: Owner, who: Who) -> Result<(), Refusal> {
        let manager = who == Who::Manager && self.off(Bug::ManagerAnswers);
        if !matches!(who, Who::Identity(_)) && !manager {
            return Err(Refusal::Unknown);
        }
        if self.kernel(owner)?.frozen.contains(&who) { Err(Refusal::NotOpen) } else { Ok(()) }
    }

    /// Whether anything at an owner answers to that name.
    fn answers(&self, owner: Owner, who: Who) -> bool {
        let manager = who == Who::Manager && self.off(Bug::ManagerAnswers);
        self.kernel(owner).is_ok() && (matches!(who, Who::Identity(_)) || manager)
    }
}

/// What binds needs a key that the owner knows. What ends never does.
fn known_key(contact: &Contact, message: Message) -> Result<(), Refusal> {
    let first = contact.stand == Stand::None;
    let ends = matches!(message.body, Body::Part(_) | Body::End(..));
    if !first && !ends && (message.key > contact.key || contact.changed.is_some()) {
        return Err(Refusal::KeyChanged);
    }
    Ok(())
}
