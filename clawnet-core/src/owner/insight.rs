//! What the owner sees: questions, events, and why things are as they are.
use std::fmt;

use super::{Owner, OwnerError};
use crate::{
    approval::{ContentRef, Question},
    bound::Caller,
    id::{AgentId, GrantId, IdentityId},
    ledger::Follow,
    operation::{Action, Demand, Demands, Extent},
    policy::{ActError, Standing},
    record::AuditRecord,
    resource::{Region, Resource},
    rule::{Grant, Verdict},
    scope::{Ability, Capable, Explained},
    store::StoreError,
};

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 1 << 20;

impl Owner {
    /// The questions that wait, the oldest first. What was asked because of something that is over
    /// is not among them.
    #[must_use]
    pub fn inbox(&self) -> Vec<Question> {
        let now = self.ledger.now();
        let inner = self.ledger.peek();
        let waiting = inner
            .state
            .questions
            .values()
            .filter(|asked| !asked.granted && now < asked.question.expires)
            .filter(|asked| inner.is_open(&asked.question));
        let mut questions: Vec<_> = waiting.map(|asked| asked.question.clone()).collect();
        questions.sort_by_key(|question| (question.expires, question.ticket));
        questions
    }

    /// The content a question is about, checked against its digest. None if it was erased.
    pub async fn content(&self, content: &ContentRef) -> Result<Option<Vec<u8>>, OwnerError> {
        self.kept_body(content.digest).await
    }

    /// Every record from `sequence` on, and those to come.
    #[must_use]
    pub fn follow(&self, sequence: u64) -> Follow {
        Follow::new(self.ledger.clone(), sequence)
    }

    /// The records from `sequence` on, at most `count_max` of them.
    pub async fn records(
        &self,
        sequence: u64,
        count_max: usize,
    ) -> Result<Vec<AuditRecord>, OwnerError> {
        let mut records = Vec::new();
        let mut next = sequence.max(1);
        while records.len() < count_max {
            let frames = self.ledger.store.read(self.id(), next, CHUNK_BYTES).await?;
            if frames.is_empty() {
                break;
            }
            for frame in frames.iter().take(count_max - records.len()) {
                let record = AuditRecord::from_frame(frame).map_err(|error| {
                    let position = format!("record {}", error.sequence);
                    StoreError::Damaged { position, what: error.what }
                })?;
                next = record.sequence + 1;
                records.push(record);
            }
        }
        Ok(records)
    }

    /// What the owner should look at, the latest first: refusals, failures, interruptions, and what
    /// projections say is. The last 1024 are remembered here; the ledger has them all.
    pub async fn security_events(&self, count_max: usize) -> Result<Vec<AuditRecord>, OwnerError> {
        let numbers: Vec<u64> = {
            let inner = self.ledger.peek();
            inner.state.security.iter().rev().take(count_max).copied().collect()
        };
        let mut events = Vec::with_capacity(numbers.len());
        for number in numbers {
            events.extend(self.records(number, 1).await?);
        }
        Ok(events)
    }

    /// The owner's identities, by name.
    #[must_use]
    pub fn identities(&self) -> Vec<Overview> {
        let inner = self.ledger.peek();
        let each = inner.state.identities.iter().map(|(id, state)| {
            let agents = inner.state.agents.iter().filter(|(_, agent)| agent.identity == *id);
            Overview {
                identity: *id,
                name: state.name.clone(),
                parent: state.parent,
                standing: state.standing,
                agents: agents.map(|(id, agent)| (*id, agent.name.clone())).collect(),
                grants: inner.state.grants(*id),
            }
        });
        let mut all: Vec<_> = each.collect();
        all.sort_by(|a, b| (&a.name, a.identity).cmp(&(&b.name, b.identity)));
        all
    }

    /// The live identity of this name, one of them if there are several: what a
    /// program looks for when it starts a second time.
    #[must_use]
    pub fn find_identity(&self, name: &str) -> Option<Overview> {
        let mut all = self.identities().into_iter();
        all.find(|one| one.standing == Standing::Live && one.name == name)
    }

    /// What `identity`'s scope says to an operation, mandate by mandate and rule by rule.
    pub fn explain(
        &self,
        identity: IdentityId,
        action: Action,
        resource: &Resource,
    ) -> Result<Explanation, OwnerError> {
        self.explain_demand(identity, Demand::on(action, resource))
    }

    /// The same of an operation on all that `region` holds: of a subtree, with the rules about all
    /// of it, and those that ask or deny somewhere in it.
    pub fn explain_within(
        &self,
        identity: IdentityId,
        action: Action,
        region: &Region,
    ) -> Result<Explanation, OwnerError> {
        self.explain_demand(identity, Demand::within(action, region))
    }

    fn explain_demand(
        &self,
        identity: IdentityId,
        demand: Demand<'_>,
    ) -> Result<Explanation, OwnerError> {
        let (scope, now) = self.scope_of(identity)?;
        let judgement = scope.judge(&Demands::only(demand), now);
        Ok(Explanation {
            verdict: judgement.verdict,
            why: judgement.code.map(|code| code.to_string()),
            action: demand.action,
            resource: demand.resource.clone(),
            extent: demand.extent,
            mandates: scope.explain(demand, now),
        })
    }

    /// Everything `identity` may do now: each zone in which one verdict holds, after the minimum
    /// over its chain. What is not listed, and lies in no listed subtree, is denied. Each zone is
    /// about the things in it one by one: an operation on everything beneath something gets the
    /// least of the zones in there ([`Owner::explain_within`]).
    pub fn what_can(&self, identity: IdentityId) -> Result<Vec<Ability>, OwnerError> {
        let (scope, now) = self.scope_of(identity)?;
        Ok(scope.survey(now))
    }

    /// Every identity that may do this now, with or without being asked about.
    pub fn who_can(&self, action: Action, resource: &Resource) -> Result<Vec<Capable>, OwnerError> {
        let demands = Demands::one(action, resource);
        let mut inner = self.ledger.lock()?;
        let now = self.ledger.tick(&inner);
        let all: Vec<_> = {
            let identities = inner.state.identities.iter();
            identities.map(|(id, state)| (*id, state.name.clone())).collect()
        };
        let mut capable = Vec::new();
        for (identity, name) in all {
            let verdict = inner.scope(identity).judge(&demands, now).verdict;
            if verdict > Verdict::Deny {
                capable.push(Capable { identity, name, verdict });
            }
        }
        Ok(capable)
    }

    /// Who an agent acts for, by its identifier.
    pub fn caller(&self, agent: AgentId) -> Result<Caller, OwnerError> {
        self.agent(agent).map(|agent| agent.caller().clone())
    }

    fn scope_of(
        &self,
        identity: IdentityId,
    ) -> Result<(std::sync::Arc<crate::scope::Scope>, crate::time::Timestamp), OwnerError> {
        let mut inner = self.ledger.lock()?;
        if !inner.state.identities.contains_key(&identity) {
            return Err(ActError::UnknownIdentity(identity).into());
        }
        let now = self.ledger.tick(&inner);
        Ok((inner.scope(identity), now))
    }
}

/// One identity, as the owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// Which.
    pub identity: IdentityId,
    /// What it is called.
    pub name: String,
    /// Whose scope limits it.
    pub parent: Option<IdentityId>,
    /// Whether it may act.
    pub standing: Standing,
    /// Who acts for it.
    pub agents: Vec<(AgentId, String)>,
    /// What it was granted.
    pub grants: Vec<(GrantId, Grant)>,
}

/// Why an identity may or may not do one thing now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The minimum over all mandates.
    pub verdict: Verdict,
    /// Why it is denied, if it is.
    pub why: Option<String>,
    /// What was asked about.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// On it alone, or on everything beneath it, too.
    pub extent: Extent,
    /// What each mandate says, the owner's first.
    pub mandates: Vec<Explained>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}", self.verdict, self.action, self.resource)?;
        if self.extent == Extent::Subtree {
            f.write_str(" and everything beneath it")?;
        }
        if let Some(why) = &self.why {
            write!(f, ": {why}")?;
        }
        for mandate in &self.mandates {
            let grantor = mandate.grantor.map_or("the owner".into(), |id| id.to_string());
            write!(f, "\n  granted by {grantor}: {}", mandate.verdict)?;
            for rule in &mandate.matching {
                write!(f, "\n    {}: {} ({})", rule.state, rule.text, rule.rule)?;
            }
            if let Some(near) = &mandate.near_miss {
                write!(f, "\n    nearest: {near}")?;
            }
        }
        Ok(())
    }
}
