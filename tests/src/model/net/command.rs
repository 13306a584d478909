//! What may happen to the world, what is sent, and what may come of it: plain data.

use super::terms::{Owner, Scope, Session, Terms, Who};

/// One thing that happens. Whoever does it is `owner`; numbers are those of [`Body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// An owner asks another for contact, as one of its identities.
    Ask(Owner, Owner, Who),
    /// An owner confirms exactly the ask with this number.
    Confirm(Owner, Owner, Who, u8),
    /// An owner declines an ask, or ends a contact.
    Remove(Owner, Owner),
    /// An owner ends a contact and answers nothing from that peer any more.
    Block(Owner, Owner),
    /// The owner who blocked takes it back. The contact stays ended.
    Unblock(Owner, Owner),
    /// An owner changes which identity the peer meets from now on.
    Present(Owner, Owner, Who),
    /// An owner stops an identity.
    Freeze(Owner, Who),
    /// An owner takes a new key.
    Rekey(Owner),
    /// An owner accepts the peer's new key.
    AcceptKey(Owner, Owner),
    /// Somebody drafts a session with a peer. Nobody has consented.
    Propose(Draft),
    /// An agent sets turns of a session aside, for a child that is not drafted yet.
    Draw(Owner, Session, u8),
    /// An owner consents to exactly these terms.
    Consent(Owner, Terms),
    /// An owner proposes other limits or another scope, and consents to them.
    Amend(Owner, Session, u8, Scope),
    /// An agent speaks.
    Turn(Owner, Session, Mark),
    /// An agent gives back to a session what a closed child of it did not use.
    GiveBack(Owner, Session, Session),
    /// An owner pauses a session.
    Pause(Owner, Session),
    /// The owner who paused goes on.
    Resume(Owner, Session),
    /// An owner closes a session, or declines an invitation.
    Close(Owner, Session),
    /// A session's time is over at one side.
    Expire(Owner, Session),
    /// Something that was ever sent arrives.
    Deliver(Message),
    /// Something arrives with a field changed by somebody without the key.
    Tamper(Message),
    /// A hostile owner says something, or anybody addresses whom nobody may address.
    Forge(Message, Who),
}

/// What a session is drafted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Draft {
    /// Who drafts it.
    pub owner: Owner,
    /// With whom.
    pub peer: Owner,
    /// Below which session, and which turns set aside there.
    pub parent: Option<(Session, Session)>,
    /// Turns of both sides together.
    pub turns_max: u8,
    /// One grant beside those of the parent.
    pub grant: bool,
    /// How deep whoever drafts it says it is. Nobody believes that.
    pub depth_said: u8,
}

/// How a turn leaves the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Goes on.
    Continue,
    /// Is settled.
    Resolved,
    /// Leads nowhere.
    Deadlock,
}

/// Something with a number in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Something said. Passes the floor.
    Turn(Mark),
    /// Turns set aside for a child. Keeps the floor.
    Draw(Session, u8),
    /// A child is closed, and has used so many of its turns. Keeps the floor.
    GiveBack(Session, u8),
}

impl Kind {
    /// Stands for the digest of the entry: differs for all that a search can say, and tells which
    /// party said it.
    #[must_use]
    pub fn code(self, by_initiator: bool) -> u8 {
        let by = if by_initiator { 0 } else { BY_RESPONDER };
        by | match self {
            Self::Turn(Mark::Continue) => 1,
            Self::Turn(Mark::Resolved) => 2,
            Self::Turn(Mark::Deadlock) => 3,
            Self::Draw(child, turns) => 0x40 | ((child & 3) << 3) | (turns & 7),
            Self::GiveBack(child, used) => 0x80 | ((child & 3) << 3) | (used & 7),
        }
    }
}

/// Set in the code of what the responder said.
pub const BY_RESPONDER: u8 = 0x20;
/// Set in the code of whatever is no turn.
pub const NO_TURN: u8 = 0xc0;

/// One envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// Whose.
    pub from: Owner,
    /// To whose kernel.
    pub to: Owner,
    /// Which of the owner's keys stands behind it.
    pub key: u8,
    /// What is said.
    pub body: Body,
}

/// What an envelope says. The first number of an act counts the owner's acts towards that peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Body {
    /// Act: I ask for contact, and you would meet this identity.
    Ask(u8, Who),
    /// Act: I confirm your ask with this number, and you meet this identity.
    Confirm(u8, u8, Who),
    /// Act: we are no contacts.
    Part(u8),
    /// Act: you meet this identity from now on.
    Present(u8, Who),
    /// Act: I consent to these terms. An invitation, an amendment or an answer to one.
    Consent(u8, Terms),
    /// Act: I pause the session, or go on with it.
    Pause(u8, Session, bool),
    /// An entry of a session.
    Entry(Entry),
    /// A session is closed here; how far it came, and why.
    End(Session, u8, Reason),
}

impl Body {
    /// The number among the owner's acts, if it is one.
    #[must_use]
    pub fn act(&self) -> Option<u8> {
        match *self {
            Self::Ask(number, _)
            | Self::Confirm(number, _, _)
            | Self::Part(number)
            | Self::Present(number, _)
            | Self::Consent(number, _)
            | Self::Pause(number, _, _) => Some(number),
            Self::Entry(_) | Self::End(..) => None,
        }
    }

    /// The session it is about, if it is about one.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        match *self {
            Self::Consent(_, terms) => Some(terms.session),
            Self::Pause(_, session, _) | Self::End(session, ..) => Some(session),
            Self::Entry(entry) => Some(entry.terms.session),
            Self::Ask(..) | Self::Confirm(..) | Self::Part(..) | Self::Present(..) => None,
        }
    }
}

/// A numbered message of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// Under which terms it was said.
    pub terms: Terms,
    /// Which in the session, both sides counted together, from 1.
    pub number: u8,
    /// Everything said before it: stands for the digest of the entry before.
    pub previous: u128,
    /// What it is.
    pub kind: Kind,
}

/// Why a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its turns are used.
    Limit,
    /// The agents said so.
    Resolved,
    /// The agents said so.
    Deadlock,
    /// An owner said so.
    Owner,
    /// An owner said so before it opened.
    Declined,
    /// The contact ended.
    Contact,
    /// The identity was frozen.
    Frozen,
    /// Its time was over.
    Expired,
    /// It was not opened in time, or names an identity that is no longer presented.
    Lapsed,
    /// The session above closed.
    Parent,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is so.
    Done,
    /// It was so already: answered as the first time, and nothing changed.
    Again,
    /// No, and nothing has changed but the record of it.
    Refused(Refusal),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The one answer to whatever is addressed to nobody, to a manager, or by somebody who is
    /// blocked or a stranger.
    Unknown,
    /// Not signed by whom it says.
    Forged,
    /// Whoever says it is no party.
    WrongParty,
    /// Somebody else has the floor.
    WrongTurn,
    /// Not the next number.
    OutOfOrder,
    /// Something later was taken before.
    Stale,
    /// The session is closed.
    Closed,
    /// The session is paused, or its terms are not agreed.
    Paused,
    /// A limit of turns, depth, or children.
    Limit,
    /// The peer's new key has not been accepted.
    KeyChanged,
    /// The session is not open, the contact not mutual, or the identity not live.
    NotOpen,
    /// Not the terms, or not the entry before.
    Mismatch,
    /// Not a thing that can be said: no turns, or turns beyond bounds.
    Malformed,
}
