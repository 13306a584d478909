//! Commands that look: what the owner sees, and why things are as they are.
use clawnet_core::{Action, TicketId};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, step::Step, trouble::Trouble, world::World};

/// The questions that wait.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxStep {}

impl Step for InboxStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let questions = world.owner(None)?.inbox();
        Ok(json!({"questions": questions.iter().map(answer::question).collect::<Vec<_>>()}))
    }
}

/// What a question is about, as the owner may read it before deciding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentStep {
    ticket: String,
}

impl Step for ContentStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let ticket = world.names.find::<TicketId>(&self.ticket)?;
        let owner = world.owner(None)?;
        let inbox = owner.inbox();
        let asked = inbox.iter().find(|question| question.ticket == ticket);
        let content = match asked.and_then(|question| question.content.as_ref()) {
            Some(content) => block_on(owner.content(content))?,
            None => None,
        };
        Ok(json!({"content": content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())}))
    }
}

/// Why an identity may or may not do something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExplainStep {
    identity: String,
    action: Action,
    resource: String,
}

impl Step for ExplainStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let identity = world.names.find(&self.identity)?;
        let resource = world.names.resource(&self.resource)?;
        let explanation = world.owner(None)?.explain(identity, self.action, &resource)?;
        Ok(answer::explanation(&explanation))
    }
}

/// Everything an identity may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatCanStep {
    identity: String,
}

impl Step for WhatCanStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let identity = world.names.find(&self.identity)?;
        let abilities = world.owner(None)?.what_can(identity)?;
        Ok(json!({"can": abilities.iter().map(answer::ability).collect::<Vec<_>>()}))
    }
}

/// Everyone who may do something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhoCanStep {
    action: Action,
    resource: String,
}

impl Step for WhoCanStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let resource = world.names.resource(&self.resource)?;
        let mut capable = world.owner(None)?.who_can(self.action, &resource)?;
        capable.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(json!({"can": capable.iter().map(answer::capable).collect::<Vec<_>>()}))
    }
}

/// The owner's identities.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentitiesStep {}

impl Step for IdentitiesStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let all = world.owner(None)?.identities();
        Ok(json!({"identities": all.iter().map(answer::overview).collect::<Vec<_>>()}))
    }
}

/// What the owner should look at, the latest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecurityStep {
    count: Option<usize>,
}

impl Step for SecurityStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let owner = world.owner(None)?;
        let events = block_on(owner.security_events(self.count.unwrap_or(usize::MAX)))?;
        Ok(json!({"events": events.iter().map(answer::record).collect::<Vec<_>>()}))
    }
}

/// The ledger's records, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsStep {
    from: Option<u64>,
    count: Option<usize>,
    event: Option<String>,
}

impl Step for RecordsStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let owner = world.owner(None)?;
        let count = self.count.unwrap_or(usize::MAX);
        let records = block_on(owner.records(self.from.unwrap_or(1), count))?;
        let shown = records.iter().map(answer::record).filter(|record| self.is_wanted(record));
        Ok(json!({"records": shown.collect::<Vec<_>>()}))
    }
}

impl RecordsStep {
    fn is_wanted(&self, record: &Value) -> bool {
        let event = record.get("event");
        self.event.as_ref().is_none_or(|kind| event.is_some_and(|event| event.get(kind).is_some()))
    }
}
