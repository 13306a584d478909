//! The floor: the right to say the next thing, held by one agent for as long as it thinks.
use std::fmt;

use clawnet_core::{
    Agent, Caller, Denial, DenyCode, Layer, OwnerId, Refusal, Resource, StoreError,
};

use super::{Open, Session};
use crate::{
    briefing::Briefing,
    contact::Contact,
    dialogue::{Dialogue, RESULTS_MAX},
    entry::{Mark, Turn, What},
    id::SessionId,
    outbox::{GiveBack, Place, Propose, Say},
    reason::Reason,
    relations::Because,
    terms::Proposal,
};

/// The right to say the next thing in a session.
///
/// **Promises** that it is this side's turn, that the agent acts for the identity in the terms, and
/// that what it does with [`Floor::agent`] is done because of the session, within its scope.
/// **Refuses** to outlive what it rests on: what was said, decided or revoked meanwhile makes what
/// is said with it refused, by the kernel and by the outbox.
pub struct Floor<'s> {
    agent: Agent,
    briefing: Briefing,
    contact: Resource,
    place: Place,
    results: Vec<SessionId>,
    session: &'s Session<Open>,
    /// The agent of its owner's own accord.
    unmoved: &'s Agent,
}

/// Why an agent may not speak now.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NoFloor {
    /// The terms are others by now: load the session again.
    #[error("the terms have changed since the session was loaded")]
    Amended,
    /// The kernel says no.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The ledger cannot be read.
    #[error("the ledger failed: {0}")]
    Ledger(#[from] StoreError),
    /// The session says no: it is over, paused, or it is the other side's turn.
    #[error("{0}")]
    Refused(Reason),
    /// The agent acts for another owner or identity, or the owner lets another one speak.
    #[error("another agent speaks in the session")]
    Speaker,
}

impl Session<Open> {
    /// Gives `agent` the floor, if it is its turn: with its role, and what was said.
    ///
    /// # Errors
    /// When the session is over or waits, when it is the other side's turn, or another agent's.
    pub async fn floor<'s>(&'s self, agent: &'s Agent) -> Result<Floor<'s>, NoFloor> {
        let (desk, id) = (&*self.desk, self.id());
        let now = desk.kernel.now();
        let look = |dialogue: &Dialogue, contact: &Contact| {
            check_speaker(dialogue, agent.caller())?;
            contact.check_open().map_err(NoFloor::Refused)?;
            let any = What::Turn(Turn::of("", Mark::Continue, Vec::new()));
            dialogue.check_next(dialogue.role, &any, now).map_err(NoFloor::Refused)?;
            let heard = dialogue.heard;
            Ok((Briefing::of(dialogue, contact), Place::next(dialogue), heard))
        };
        let looked = desk.look(id, look).unwrap_or(Err(NoFloor::Refused(Reason::Unknown)));
        let (mut briefing, place, heard) = looked?;
        if place.terms != self.digest {
            return Err(NoFloor::Amended);
        }
        if let Some(heard) = heard {
            briefing.foreign.heard = desk.text(heard).await?;
        }
        let last = place.number.saturating_sub(1);
        let cause = Because::Words(id).cause(last);
        let cause = cause.map_err(|_| NoFloor::Refused(Reason::Malformed))?;
        let contact = self.contact.clone().ok_or(NoFloor::Refused(Reason::Malformed))?;
        let (unmoved, agent) = (agent, agent.because(cause)?);
        Ok(Floor { agent, briefing, contact, place, results: Vec::new(), session: self, unmoved })
    }
}

fn check_speaker(dialogue: &Dialogue, caller: &Caller) -> Result<(), NoFloor> {
    let ours = dialogue.ours();
    let same = (caller.owner(), caller.identity()) == (ours.owner(), ours.identity());
    let chosen = dialogue.speaker.is_none_or(|speaker| speaker == caller.agent());
    if same && chosen { Ok(()) } else { Err(NoFloor::Speaker) }
}

impl Floor<'_> {
    /// What the agent is told before it speaks.
    #[must_use]
    pub fn briefing(&self) -> &Briefing {
        &self.briefing
    }

    /// The agent, acting because of the session: whatever it does before it speaks it does with
    /// this, within the session's scope and its own.
    #[must_use]
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The number of what is said next.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.place.number
    }

    /// The turn draws on the released results of these sessions beneath: at most 8 count.
    #[must_use]
    pub fn drawing_on(mut self, results: impl IntoIterator<Item = SessionId>) -> Self {
        self.results.extend(results);
        self.results.truncate(RESULTS_MAX);
        self
    }

    /// Says `text`, and passes the floor. Returns the number it has.
    ///
    /// If the owner is asked, take the floor again after their yes and say the same: it is one
    /// operation for as long as nothing else was said.
    pub async fn say(self, text: &str, mark: Mark) -> Result<u64, Refusal> {
        let Self { agent, contact, place, results, session, .. } = self;
        let say = Say::new(contact, place, text, (mark, results));
        agent.submit(&session.desk.outbox, &say).await
    }

    /// Words terms for a session beneath this one, on its turns, and keeps the floor: take it
    /// again. Nobody has agreed to them, and nothing of them leaves before this owner does, but for
    /// how many turns they take.
    ///
    /// Asking somebody is sending to them, and it is done because of this session: its terms have
    /// to allow `send` on `contact:` and the third owner's identifier, at every level, as the
    /// identity's own rules have to. Else it is refused, and says so. By hand an owner asks without
    /// that: [`Party::propose`](crate::Party::propose).
    pub async fn propose(self, proposal: Proposal) -> Result<SessionId, Refusal> {
        let (session, third) = (self.place.session, proposal.peer);
        let turns = self.turns()?;
        let propose = Propose::new(proposal).map_err(malformed)?.within(self.contact, self.place);
        let proposed = turns.submit(&self.session.desk.outbox, &propose).await;
        proposed.map_err(|refusal| explained(refusal, session, third))
    }

    /// Gives back what a session beneath this one left over, and keeps the floor: take it again.
    /// It has no words, so it is no turn to the owner's review, nor is what a proposal takes.
    pub async fn give_back(self, child: SessionId) -> Result<u64, Refusal> {
        let turns = self.turns()?;
        let cost = self.session.desk.look(child, |dialogue, _| dialogue.cost).unwrap_or(0);
        let give = GiveBack::new(self.contact, self.place, (child, cost));
        turns.submit(&self.session.desk.outbox, &give).await
    }

    /// The agent, for what has no words.
    fn turns(&self) -> Result<Agent, Refusal> {
        let cause = Because::Turns(self.place.session).cause(self.place.number.saturating_sub(1));
        let malformed = || Denial::by_endpoint(Reason::Malformed.code(), "the session has no name");
        Ok(self.unmoved.because(cause.map_err(|_| malformed())?)?)
    }
}

/// Speaking to the other side is always within a session: what no terms let through is the third.
fn explained(refusal: Refusal, session: SessionId, third: OwnerId) -> Refusal {
    let Refusal::Denied(mut denial) = refusal else { return refusal };
    let confined = denial.layer == Layer::Scope && denial.code == DenyCode::NoGrant;
    if let Some(reason) = denial.reason.as_mut().filter(|_| confined) {
        *reason = format!("{reason}: the terms of {session} name no send to contact:{third}");
    }
    Refusal::Denied(denial)
}

fn malformed(error: clawnet_core::ResourceError) -> Refusal {
    Refusal::Denied(Denial::by_endpoint(Reason::Malformed.code(), error.to_string()))
}

impl fmt::Debug for Floor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Floor for entry {} of {}", self.place.number, self.place.session)
    }
}
