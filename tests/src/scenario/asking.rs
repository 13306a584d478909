//! Commands of agents: what is asked for, and what becomes of it.
use std::sync::Arc;

use clawnet_core::{Agent, AgentId, Cause, Demands, Denial, Mount, Recalled, Refusal};
use clawnet_net::SessionId;
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer,
    name::Id,
    node,
    probe::{Admit, Change, Effective, Mirror, Observe, Perform, Probe, Release},
    rules::{DemandText, RuleText, demands, grant},
    step::Step,
    trouble::Trouble,
    world::{Driven, Work, World},
};

/// Asks for an effect.
#[derive(Debug, Deserialize)]
pub(super) struct SubmitStep {
    by: String,
    kind: String,
    r#as: Option<String>,
    at: Option<String>,
    /// The session on whose account the agent acts.
    because: Option<String>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Step for SubmitStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(&self.by)?;
        let mut agent = world.principal_of(id)?.agent(id)?;
        if let Some(session) = &self.because {
            let session = world.session(session)?;
            agent = match because(world, (id, &agent), session)? {
                Ok(agent) => Arc::new(agent),
                Err(denial) => return Ok(answer::refusal(&Refusal::Denied(denial))),
            };
        }
        let work = match self.kind.as_str() {
            "probe.observe" => self.probe::<Observe>(world, agent)?,
            "probe.change" => self.probe::<Change>(world, agent)?,
            "probe.release" => self.probe::<Release>(world, agent)?,
            kind => {
                node::submission(world, agent, (kind, self.at.as_deref(), self.fields.clone()))?
            }
        };
        let driven = world.drive(work);
        conclude(world, driven, self.r#as.as_deref())
    }
}

/// The agent, acting because of a session, as far as anything was said in it.
fn because(
    world: &mut World,
    (id, agent): (AgentId, &Agent),
    session: SessionId,
) -> Result<Result<Agent, Denial>, Trouble> {
    let party = world.party_of(id)?;
    let last = party.session(session).map_or(0, |dialogue| dialogue.last);
    let cause = Cause::new("net", &session.to_string(), last);
    let cause = cause.map_err(|error| Trouble::said(&error))?;
    Ok(agent.because(cause))
}

/// What a probe is made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeText {
    demands: Vec<DemandText>,
    #[serde(default)]
    payload: Value,
    content: Option<String>,
}

impl SubmitStep {
    fn probe<E: Effective>(&self, world: &mut World, agent: Arc<Agent>) -> Result<Work, Trouble> {
        let ProbeText { demands: texts, payload, content } =
            node::read_fields(&self.kind, self.fields.clone())?;
        let demands = demands(&texts, &world.names)?;
        let probe = Probe::<E>::new(demands, payload, content);
        let probe = probe.ok_or_else(|| Trouble::misread("a probe has at least one demand"))?;
        let at = match &self.at {
            Some(owner) => world.principal_named(owner)?,
            None => world.principal_of(agent.caller().agent())?,
        };
        let mount: Arc<Mount<Mirror>> = at.opened()?.probes.clone();
        Ok(Box::pin(async move { agent.submit(&mount, &probe).await }))
    }
}

/// What became of a submission, and a name for what the file may speak of later.
fn conclude(world: &mut World, driven: Driven, name: Option<&str>) -> Result<Value, Trouble> {
    match driven {
        Driven::Ended(Ok(output)) => {
            if let Some(name) = name {
                if let Some(intent) = output.get("intent").and_then(Value::as_u64) {
                    world.changes.insert(name.into(), intent);
                }
                if let Some(plan) = output.get("operation").filter(|plan| plan.is_object()) {
                    world.plans.insert(name.into(), plan.clone());
                }
            }
            Ok(json!({"done": output}))
        }
        Driven::Ended(Err(refused)) => {
            if let Refusal::Escalated(ticket) = &refused {
                world.names.give_or_count(name, "ticket", Id::Ticket(ticket.id));
            }
            Ok(answer::refusal(&refused))
        }
        Driven::Hangs(pending) => {
            let name = name.map_or_else(|| world.names.next("submission"), str::to_owned);
            world.keep_pending(&name, pending)?;
            Ok(json!({"pending": name}))
        }
    }
}

/// Lets an effect that hangs go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeStep {
    submission: String,
}

impl Step for ResumeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let pending = world.take_pending(&self.submission)?;
        let driven = world.resume(pending);
        conclude(world, driven, Some(&self.submission))
    }
}

/// Gives up on an effect that hangs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DropStep {
    submission: String,
}

impl Step for DropStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        drop(world.take_pending(&self.submission)?);
        Ok(json!({"dropped": self.submission}))
    }
}

/// What layer 1 would say. It is recorded nowhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JudgeStep {
    by: String,
    demands: Vec<DemandText>,
}

impl Step for JudgeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let id = world.names.find::<AgentId>(&self.by)?;
        let agent = world.principal_of(id)?.agent(id)?;
        let wanted = demands(&self.demands, &world.names)?;
        let nothing = || Trouble::misread("there is at least one demand to judge");
        let ((action, resource), more) = wanted.split_first().ok_or_else(nothing)?;
        let first = Demands::one(*action, resource);
        let all = more.iter().fold(first, |all, (action, resource)| all.and(*action, resource));
        Ok(answer::judgement(&agent.judge_demands(&all)))
    }
}

/// An agent hands part of its scope on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DelegateStep {
    by: String,
    r#as: String,
    rules: Vec<RuleText>,
    ticket: Option<String>,
}

impl Step for DelegateStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.names.check_free(&self.r#as)?;
        let id = world.names.find::<AgentId>(&self.by)?;
        let rules = grant(&self.rules, &world.names)?;
        let principal = world.principal_of(id)?;
        let agent = principal.agent(id)?;
        match block_on(agent.delegate(&self.r#as, rules)) {
            Ok(identity) => {
                let all = principal.owner(None)?.identities();
                let made = all.iter().find(|overview| overview.identity == identity);
                let grant = made.and_then(|made| made.grants.first()).map(|(id, _)| *id);
                world.names.give(&self.r#as, Id::Identity(identity));
                if let Some(grant) = grant {
                    world.names.give(&format!("{}.grant", self.r#as), Id::Grant(grant));
                }
                Ok(json!({"done": {"identity": identity, "grant": grant}}))
            }
            Err(refused) => conclude(world, Driven::Ended(Err(refused)), self.ticket.as_deref()),
        }
    }
}

/// Tells the endpoint of all probes what to answer from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointStep {
    admit: Option<Admit>,
    perform: Option<Perform>,
    recall: Option<Recalled>,
    confirm: Option<bool>,
}

impl Step for EndpointStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut answers = world.manner.answers();
        if let Some(admit) = &self.admit {
            answers.admit = admit.clone();
        }
        if let Some(perform) = &self.perform {
            answers.perform = perform.clone();
        }
        answers.recall = self.recall.or(answers.recall);
        answers.confirm = self.confirm.unwrap_or(answers.confirm);
        Ok(json!({"performed": answers.performed}))
    }
}
