//! What agents may ask to say, as operations: what is judged, shown to the owner, and recorded.
use clawnet_core::{Action, Demands, Digest, Effect, Grant, Operation, Resource, ResourceError};
use serde::Serialize;

use crate::{
    dialogue::Dialogue,
    entry::{Mark, Turn, What},
    id::SessionId,
    terms::Proposal,
};

/// Where in a session something is said: a yes to it is a yes in just this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    pub(crate) number: u64,
    pub(crate) previous: Digest,
    pub(crate) session: SessionId,
    pub(crate) terms: Digest,
}

impl Place {
    /// Behind everything that was said.
    pub(crate) fn next(dialogue: &Dialogue) -> Self {
        Self {
            number: dialogue.last.saturating_add(1),
            previous: dialogue.previous,
            session: dialogue.terms().session,
            terms: dialogue.wording.digest,
        }
    }
}

/// Saying something to the other side.
#[derive(Debug, Serialize)]
pub(crate) struct Say {
    contact: Resource,
    pub(crate) place: Place,
    #[serde(skip)]
    pub(crate) text: String,
    turn: Turn,
}

impl Say {
    pub(crate) fn new(
        contact: Resource,
        place: Place,
        text: &str,
        (mark, results): (Mark, Vec<SessionId>),
    ) -> Self {
        let turn = Turn::of(text, mark, results);
        Self { contact, place, text: text.to_owned(), turn }
    }

    pub(crate) fn what(&self) -> What {
        What::Turn(self.turn.clone())
    }

    /// How many bytes the text has in an envelope.
    pub(crate) fn escaped_size(&self) -> usize {
        let escaped = |byte: u8| match byte {
            0..0x20 => 6,
            b'"' | b'\\' => 2,
            _ => 1,
        };
        self.text.bytes().map(escaped).sum()
    }
}

impl Operation for Say {
    const KIND: &'static str = "net.turn";
    type Output = u64;
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Send, &self.contact)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(self.text.as_bytes())
    }
}

/// Giving back what a session beneath this one left over.
#[derive(Debug, Serialize)]
pub(crate) struct GiveBack {
    child: SessionId,
    contact: Resource,
    pub(crate) place: Place,
    used: u32,
}

impl GiveBack {
    pub(crate) fn new(contact: Resource, place: Place, (child, used): (SessionId, u32)) -> Self {
        Self { child, contact, place, used }
    }

    pub(crate) fn what(&self) -> What {
        What::GiveBack { child: self.child, used: self.used }
    }
}

impl Operation for GiveBack {
    const KIND: &'static str = "net.give_back";
    type Output = u64;
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Send, &self.contact)
    }
}

/// Wording terms that the owner may agree to.
#[derive(Debug, Serialize)]
pub(crate) struct Propose {
    bytes_max: u32,
    contact: Resource,
    expires_in_ms: u64,
    idle_ms: u64,
    #[serde(skip)]
    proposal: Proposal,
    scope: Grant,
    topic: String,
    turns_max: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<Within>,
}

/// The session above, whose other side is told of the turns it takes.
#[derive(Debug, Serialize)]
struct Within {
    contact: Resource,
    place: Place,
}

impl Propose {
    pub(crate) fn new(proposal: Proposal) -> Result<Self, ResourceError> {
        let ms =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            bytes_max: proposal.bytes_max,
            contact: contact(proposal.peer)?,
            expires_in_ms: ms(proposal.expires_in),
            idle_ms: ms(proposal.idle),
            scope: proposal.scope.clone(),
            topic: proposal.topic.clone(),
            turns_max: proposal.turns_max,
            within: None,
            proposal,
        })
    }

    /// The same, on the turns of the session at `place`, with `contact`.
    pub(crate) fn within(self, contact: Resource, place: Place) -> Self {
        let proposal = self.proposal.within(place.session);
        Self { proposal, within: Some(Within { contact, place }), ..self }
    }

    pub(crate) fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    pub(crate) fn place(&self) -> Option<Place> {
        self.within.as_ref().map(|within| within.place)
    }

    /// What it takes from the session above.
    pub(crate) fn draw(&self, child: SessionId) -> What {
        What::Draw { child, turns: self.turns_max }
    }
}

impl Operation for Propose {
    const KIND: &'static str = "net.propose";
    type Output = SessionId;
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        let demands = Demands::one(Action::Send, &self.contact);
        match &self.within {
            Some(within) => demands.and(Action::Send, &within.contact),
            None => demands,
        }
    }
}

/// Another owner, as rules name them.
pub(crate) fn contact(peer: clawnet_core::OwnerId) -> Result<Resource, ResourceError> {
    format!("contact:{peer}").parse()
}
