//! Commands about sessions that only a person gives: agreeing, ending, and what is in between.
use clawnet_core::AgentId;
use clawnet_net::{Amendment, Proposal, SessionId};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    moment::Moment,
    name::{Id, Names},
    parties::{decided, no_session, refused},
    rules::{RuleText, grant},
    speaking::{concluded, floor_refused},
    step::Step,
    trouble::Trouble,
    world::World,
};

/// Words terms: an owner agrees to them in the same breath, an agent to nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionProposeStep {
    r#as: String,
    by: Option<String>,
    agent: Option<String>,
    peer: String,
    topic: String,
    within: Option<String>,
    turns: Option<u32>,
    bytes: Option<u32>,
    expires: Option<Moment>,
    idle: Option<Moment>,
    #[serde(default)]
    scope: Vec<RuleText>,
    ticket: Option<String>,
}

impl SessionProposeStep {
    fn proposal(&self, names: &Names) -> Result<Proposal, Trouble> {
        let mut proposal = Proposal::to(names.owner(&self.peer)?, self.topic.as_str());
        proposal = proposal.scope(grant(&self.scope, names)?);
        if let Some(turns) = self.turns {
            proposal = proposal.turns(turns);
        }
        if let Some(bytes) = self.bytes {
            proposal = proposal.bytes(bytes);
        }
        if let Some(expires) = self.expires {
            proposal = proposal.expiring_in(expires.as_duration());
        }
        if let Some(idle) = self.idle {
            proposal = proposal.idle(idle.as_duration());
        }
        Ok(proposal)
    }

    /// By an agent: whoever has the floor of a session proposes beneath it.
    fn by_agent(
        &self,
        world: &mut World,
        (agent, proposal, within): (&str, Proposal, Option<SessionId>),
    ) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(agent)?;
        let party = world.party_of(id)?;
        let agent = world.principal_of(id)?.agent(id)?;
        let proposed = match within {
            None => block_on(party.proposed_by(&agent, proposal)),
            Some(session) => {
                let open = match party.open(session) {
                    Ok(open) => open,
                    Err(why) => return Ok(no_session(why)),
                };
                match block_on(open.floor(&agent)) {
                    Ok(floor) => block_on(floor.propose(proposal)),
                    Err(why) => return Ok(floor_refused(&why)),
                }
            }
        };
        Ok(concluded(world, self.ticket.as_deref(), proposed, |world, session| {
            world.names.give_new(&self.r#as, Id::Session(session));
            json!({"proposed": session})
        }))
    }
}

impl Step for SessionProposeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let proposal = self.proposal(&world.names)?;
        let within = self.within.as_deref().map(|above| world.session(above)).transpose()?;
        if let Some(agent) = &self.agent {
            return self.by_agent(world, (agent, proposal, within));
        }
        let proposal = match within {
            Some(above) => proposal.within(above),
            None => proposal,
        };
        let (party, owner) = world.hand(self.by.as_deref())?;
        let proposed = block_on(party.propose(&owner, proposal));
        if let Ok(session) = &proposed {
            world.names.give_new(&self.r#as, Id::Session(*session));
        }
        decided(proposed, |session| json!({"proposed": session, "consented": true}))
    }
}

/// Agrees to terms: those that stand, or those that were read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionConsentStep {
    by: Option<String>,
    session: String,
    read: Option<String>,
}

impl Step for SessionConsentStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let terms = match &self.read {
            Some(read) => *world.wordings.find(read)?,
            None => match party.session(session) {
                Some(dialogue) => dialogue.amended.as_deref().unwrap_or(&dialogue.wording).digest,
                None => return Ok(refused(clawnet_net::Reason::Unknown)),
            },
        };
        let consented = block_on(party.consent(&owner, session, terms));
        decided(consented, |()| json!({"consented": session}))
    }
}

/// Words other terms for a session and agrees to them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionAmendStep {
    by: Option<String>,
    session: String,
    turns: Option<u32>,
    bytes: Option<u32>,
    expires: Option<Moment>,
    idle: Option<Moment>,
    scope: Option<Vec<RuleText>>,
}

impl Step for SessionAmendStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let mut amendment = Amendment::new();
        if let Some(turns) = self.turns {
            amendment = amendment.turns(turns);
        }
        if let Some(bytes) = self.bytes {
            amendment = amendment.bytes(bytes);
        }
        if let Some(expires) = self.expires {
            amendment = amendment.expiring_in(expires.as_duration());
        }
        if let Some(idle) = self.idle {
            amendment = amendment.idle(idle.as_duration());
        }
        if let Some(scope) = &self.scope {
            amendment = amendment.scope(grant(scope, &world.names)?);
        }
        let (party, owner) = world.hand(self.by.as_deref())?;
        let amended = block_on(party.amend(&owner, session, amendment));
        decided(amended, |_| json!({"amended": session}))
    }
}

/// Lets one agent, and no other, speak in a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionAssignStep {
    by: Option<String>,
    session: String,
    agent: String,
}

impl Step for SessionAssignStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let agent = world.names.find::<AgentId>(&self.agent)?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let assigned = block_on(party.assign(&owner, session, agent));
        decided(assigned, |()| json!({"speaks": agent}))
    }
}

/// Lets a result be told one level up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionReleaseStep {
    by: Option<String>,
    session: String,
    text: String,
}

impl Step for SessionReleaseStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let released = block_on(party.release(&owner, session, &self.text));
        decided(released, |()| json!({"released": session}))
    }
}

macro_rules! about_session {
    ($(
        $(#[$doc:meta])*
        $step:ident: $verb:ident, $said:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $step {
            by: Option<String>,
            session: String,
        }

        impl Step for $step {
            fn run(&self, world: &mut World) -> Result<Value, Trouble> {
                let session = world.session(&self.session)?;
                let (party, owner) = world.hand(self.by.as_deref())?;
                decided(block_on(party.$verb(&owner, session)), |()| json!({$said: session}))
            }
        }
    )*};
}

about_session! {
    /// Does not agree to terms.
    SessionDeclineStep: decline, "declined";
    /// Makes a session wait.
    SessionPauseStep: pause, "paused";
    /// Has nothing more against its going on.
    SessionResumeStep: resume, "resumed";
    /// Ends a session.
    SessionCloseStep: close, "closed";
}
