//! Doing what is due: through the node's own kernel, as an agent that stands for the one there.
use clawnet_core::{
    Action, Agent, Digest, Directive, Effect, Endpoint, Event, Fault, Grant, IdentityId,
    OutcomeKind, OwnerId, Recall as _, Recalled, Refusal, Region, Reported,
};

use super::{
    super::{
        daybook::{Event as Note, Took},
        frame::{Frame, FrameKind},
        served::{Runner, Served, operation},
        welcome::text,
    },
    Station, StationError, Stop,
};
use crate::{node::Node, refusal::FsError};

/// A directive that is due, before it is known which operation it is about.
pub(super) struct Asking<'a> {
    pub(super) station: &'a mut Station,
    pub(super) directive: &'a Directive,
    pub(super) digest: Digest,
    pub(super) content: Option<Vec<u8>>,
}

/// Why an operation was not submitted.
pub(super) enum Unmet {
    /// Its text is not that of this kind.
    NotThis,
    Stop(Stop),
}

impl<E: Into<StationError>> From<E> for Unmet {
    fn from(error: E) -> Self {
        Self::Stop(Stop::Failed(error.into()))
    }
}

impl Runner for Asking<'_> {
    type Output = Result<(Frame, Reported), Unmet>;

    async fn run<O: Served>(self) -> Self::Output
    where
        Node: Endpoint<O>,
    {
        let Self { station, directive, digest, content } = self;
        let json = directive.operation.as_str();
        let operation = operation::<O>(json, content).map_err(|_| Unmet::NotThis)?;
        let agent = station.stands_in(directive).await?;
        let took = station.take(directive, digest);
        let changes = O::EFFECT != Effect::Observe;
        if changes {
            // INVARIANT: written down before it is begun, so that it is never begun again.
            station.daybook.append(Note::Took(took.clone()))?;
        }
        let agent = station.agents.get(&agent);
        let agent = agent.ok_or(FsError::InvalidRequest("no such agent"))?;
        let (outcome, body, content) = match agent.submit(&station.node, &operation).await {
            Ok(mut output) => {
                let content = O::take(&mut output);
                bounded(text(&output), content, changes)
            }
            Err(Refusal::Denied(denial)) => (Reported::from(&denial), Vec::new(), Vec::new()),
            Err(Refusal::Escalated(_)) => (Reported::refused("asks"), Vec::new(), Vec::new()),
            Err(Refusal::Failed(fault)) => (fault.reported(), Vec::new(), Vec::new()),
            // What came of it is found out when the station is opened again.
            Err(Refusal::Ledger(error)) => return Err(error.into()),
        };
        let frame = if changes {
            station.answer_change(&took, &outcome, body)?
        } else {
            station.answer_look(&took, &outcome, (body, content))
        };
        Ok((frame, outcome))
    }
}

/// An answer as it can travel. What was looked for and is too long is not told; what was changed is
/// done, and told without its answer.
fn bounded(body: Vec<u8>, content: Vec<u8>, changes: bool) -> (Reported, Vec<u8>, Vec<u8>) {
    let max = Frame::BODY_BYTES_MAX;
    match (body.len() <= max, changes) {
        (true, _) => (Reported::Done, body, content),
        (false, true) => (Reported::Done, b"null".to_vec(), Vec::new()),
        (false, false) => {
            let error = FsError::LimitExceeded { what: "the answer", max: max as u64 };
            (Fault::from(error).reported(), Vec::new(), Vec::new())
        }
    }
}

/// Under what an agent is found: owner, identity, and the job or the agent there.
pub(super) type Key = (OwnerId, IdentityId, String);

/// How many agents of others a station stands for.
const AGENTS_MAX: usize = 4096;
const RUNTIME: &str = "remote";
const RECORDS: usize = 256;

impl Station {
    fn take(&self, directive: &Directive, digest: Digest) -> Took {
        Took {
            directive: digest,
            intent: directive.intent,
            kernel: directive.kernel,
            kind: directive.kind.clone(),
            number: directive.number,
            owner: directive.owner,
            previous: self.session.as_ref().map_or(Digest::ZERO, |session| session.chain),
            size: self.kernel.head().sequence,
        }
    }

    /// A change is answered with a signature, and written down first.
    fn answer_change(
        &mut self,
        took: &Took,
        outcome: &Reported,
        body: Vec<u8>,
    ) -> Result<Frame, StationError> {
        let answer = String::from_utf8_lossy(&body).into_owned();
        let signed = self.give(took, outcome.clone(), answer)?;
        self.went(&signed.receipt().clone(), true);
        let mut frame = Frame::new(FrameKind::Signed, signed.to_bytes());
        frame.body = body;
        Ok(frame)
    }

    /// A look is answered at once, and signed with those that follow.
    fn answer_look(
        &mut self,
        took: &Took,
        outcome: &Reported,
        (body, content): (Vec<u8>, Vec<u8>),
    ) -> Frame {
        let about = (took.intent, took.number, took.previous);
        let receipt = self.receipt((took.directive, about), outcome.clone(), (&body, &content));
        let due = self.is_due_to_sign(receipt.at);
        self.went(&receipt, due);
        let (kind, head) = if due {
            (FrameKind::Signed, receipt.sign(&self.key).to_bytes())
        } else {
            (FrameKind::Told, receipt.to_bytes())
        };
        Frame { kind, head, body, content }
    }

    /// What became of a change that the node fell over in.
    pub(super) async fn found_out(&self, took: &Took) -> Result<Reported, StationError> {
        let not_begun = || Reported::refused("not_begun");
        let mut own = None;
        let mut from = took.size + 1;
        loop {
            let records = self.owner.records(from, RECORDS).await?;
            let Some(last) = records.last() else { break };
            from = last.sequence + 1;
            for record in records {
                match (&record.event, own) {
                    (Event::Intent(intent), None) if intent.kind == took.kind.as_str() => {
                        own = Some(record.sequence);
                        let said = self.node.endpoint().recall(self.owner.id(), record.sequence);
                        match said {
                            Recalled::Done => return Ok(Reported::Done),
                            Recalled::NotDone => return Ok(not_begun()),
                            Recalled::Unknown => {}
                        }
                    }
                    (Event::Denied(_), None) => return Ok(not_begun()),
                    (Event::Outcome(outcome), Some(own)) if outcome.intent == own => {
                        return Ok(match &outcome.result {
                            OutcomeKind::Done => Reported::Done,
                            OutcomeKind::Failed { code, what } => {
                                Reported::Failed { code: code.clone(), what: what.clone() }
                            }
                            OutcomeKind::Interrupted | _ => self.interrupted(own),
                        });
                    }
                    _ => {}
                }
            }
        }
        Ok(own.map_or_else(not_begun, |own| self.interrupted(own)))
    }

    /// What to say of an intent that nobody saw end, and of which the node's journal is silent.
    fn interrupted(&self, own: u64) -> Reported {
        if self.node.endpoint().never_began(self.owner.id(), own) {
            Reported::refused("not_begun")
        } else {
            Reported::Interrupted
        }
    }

    /// Makes sure that an agent here stands for the agent there, and says under what it is found.
    /// Each identity there has one of its own here, so that nobody sees or undoes what another did.
    async fn stands_in(&mut self, directive: &Directive) -> Result<Key, StationError> {
        let Directive { owner, identity, agent, job, .. } = directive;
        let name = job.clone().unwrap_or_else(|| format!("agent {agent}"));
        let key = (*owner, *identity, name);
        if !self.agents.contains_key(&key) {
            if self.agents.len() >= AGENTS_MAX {
                let max = AGENTS_MAX as u64;
                return Err(FsError::LimitExceeded { what: "agents", max }.into());
            }
            let found = self.stand_in(&key, job.as_deref()).await?;
            self.agents.insert(key.clone(), found);
        }
        Ok(key)
    }

    /// The identity of this node's own ledger that stands for one of another ledger, which is made
    /// if it is not there: the list of this node names those that are here.
    ///
    /// # Errors
    /// When the node's own ledger cannot be written.
    pub async fn stands_for(
        &self,
        owner: OwnerId,
        identity: IdentityId,
    ) -> Result<IdentityId, StationError> {
        let owner = owner.to_string();
        let title = format!("{identity}@{}", owner.trim_start_matches("own_"));
        let known = self.owner.find_identity(&title);
        // Made before a crash, it may lack its grant.
        let granted = known.as_ref().is_some_and(|one| !one.grants.is_empty());
        let own = match known {
            Some(known) => known.identity,
            None => self.owner.identity(&title).await?,
        };
        if !granted {
            let unknown = || FsError::InvalidRequest("no region for the node");
            let all = Region::whole_volume().map_err(|_| unknown())?;
            let actions = [Action::Read, Action::List, Action::Write, Action::Delete];
            self.owner.grant(own, Grant::new().allow(actions, all)).await?;
        }
        Ok(own)
    }

    async fn stand_in(
        &self,
        (owner, identity, name): &Key,
        job: Option<&str>,
    ) -> Result<Agent, StationError> {
        let own = self.stands_for(*owner, *identity).await?;
        let known = self.owner.identities().into_iter().find(|one| one.identity == own);
        let agents = known.map(|one| one.agents).unwrap_or_default();
        let known = agents.iter().find(|(_, known)| known == name);
        Ok(match (known, job) {
            (Some((agent, _)), _) => self.owner.agent(*agent)?,
            (None, Some(job)) => self.owner.attempt(own, job, RUNTIME).await?,
            (None, None) => self.owner.bind(own, name, RUNTIME).await?,
        })
    }
}
