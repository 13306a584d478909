//! Commands of agents in sessions: what is said, and what comes back.
use clawnet_core::{AgentId, Refusal};
use clawnet_net::{Mark, NoFloor, SessionId};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer,
    name::Id,
    parties::{no_session, refused},
    step::Step,
    trouble::Trouble,
    world::World,
};

/// Says something in a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SayStep {
    by: String,
    r#in: String,
    text: Option<String>,
    size: Option<usize>,
    #[serde(default = "on")]
    mark: Mark,
    #[serde(default)]
    drawing_on: Vec<String>,
    ticket: Option<String>,
}

fn on() -> Mark {
    Mark::Continue
}

impl Step for SayStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(&self.by)?;
        let session = world.session(&self.r#in)?;
        let results: Result<Vec<SessionId>, _> =
            self.drawing_on.iter().map(|child| world.session(child)).collect();
        let results = results?;
        let text = match (&self.text, self.size) {
            (Some(text), None) => text.clone(),
            (None, Some(size)) => "x".repeat(size),
            _ => return Err(Trouble::misread("say a `text`, or so many bytes: `size`")),
        };
        let party = world.party_of(id)?;
        let agent = world.principal_of(id)?.agent(id)?;
        let open = match party.open(session) {
            Ok(open) => open,
            Err(why) => return Ok(no_session(why)),
        };
        let said = match block_on(open.floor(&agent)) {
            Ok(floor) => block_on(floor.drawing_on(results).say(&text, self.mark)),
            Err(why) => return Ok(floor_refused(&why)),
        };
        let ticket = self.ticket.as_deref();
        Ok(concluded(world, ticket, said, |_, number| json!({"said": number})))
    }
}

/// Gives back what a session beneath another left over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GiveBackStep {
    by: String,
    r#in: String,
    child: String,
    ticket: Option<String>,
}

impl Step for GiveBackStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(&self.by)?;
        let (session, child) = (world.session(&self.r#in)?, world.session(&self.child)?);
        let party = world.party_of(id)?;
        let agent = world.principal_of(id)?.agent(id)?;
        let open = match party.open(session) {
            Ok(open) => open,
            Err(why) => return Ok(no_session(why)),
        };
        let given = match block_on(open.floor(&agent)) {
            Ok(floor) => block_on(floor.give_back(child)),
            Err(why) => return Ok(floor_refused(&why)),
        };
        let ticket = self.ticket.as_deref();
        Ok(concluded(world, ticket, given, |_, number| json!({"given_back": number})))
    }
}

/// What an agent is told before it speaks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BriefingStep {
    by: String,
    r#in: String,
}

impl Step for BriefingStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(&self.by)?;
        let session = world.session(&self.r#in)?;
        let party = world.party_of(id)?;
        let agent = world.principal_of(id)?.agent(id)?;
        let open = match party.open(session) {
            Ok(open) => open,
            Err(why) => return Ok(no_session(why)),
        };
        match block_on(open.floor(&agent)) {
            Ok(floor) => {
                let told = floor.briefing();
                Ok(json!({
                    "number": floor.number(),
                    "turn": told.turn,
                    "left": told.left,
                    "prompt": told.prompt,
                    "foreign": {
                        "heard": told.foreign.heard,
                        "name": told.foreign.name,
                        "topic": told.foreign.topic,
                    },
                }))
            }
            Err(why) => Ok(floor_refused(&why)),
        }
    }
}

/// What became of something an agent asked for. What is refused is an error, unless it is expected.
pub(super) fn concluded<T>(
    world: &mut World,
    ticket: Option<&str>,
    outcome: Result<T, Refusal>,
    done: impl FnOnce(&mut World, T) -> Value,
) -> Value {
    let refusal = match outcome {
        Ok(value) => return done(world, value),
        Err(refusal) => refusal,
    };
    let mut value = answer::refusal(&refusal);
    if let Refusal::Escalated(asked) = &refusal {
        world.names.give_or_count(ticket, "ticket", Id::Ticket(asked.id));
    } else if let Some(fields) = value.as_object_mut() {
        fields.insert("error".into(), refusal.to_string().into());
    }
    value
}

/// Why an agent may not speak now.
pub(super) fn floor_refused(why: &NoFloor) -> Value {
    match why {
        NoFloor::Refused(reason) => refused(*reason),
        NoFloor::Denied(denial) => {
            let mut value = answer::refusal(&Refusal::Denied(denial.clone()));
            if let Some(fields) = value.as_object_mut() {
                fields.insert("error".into(), denial.to_string().into());
            }
            value
        }
        NoFloor::Speaker => json!({"refused": "speaker", "error": why.to_string()}),
        NoFloor::Amended => json!({"refused": "amended", "error": why.to_string()}),
        NoFloor::Ledger(_) | _ => json!({"error": why.to_string()}),
    }
}
