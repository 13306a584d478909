//! Commands that look things up: who did what, and what became of a text.
use clawnet_core::{Body, Deed, Digest, Event, Query, TicketId, Verdict};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::plain, moment::Moment, principal::SignedBy, rules::RegionText, step::Step,
    trouble::Trouble, world::World,
};

/// Who did what, the newest first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryStep {
    identity: Option<String>,
    agent: Option<String>,
    runtime: Option<String>,
    job: Option<String>,
    resource: Option<String>,
    within: Option<RegionText>,
    verdict: Option<Verdict>,
    approval: Option<String>,
    grant: Option<String>,
    kind: Option<String>,
    since: Option<Moment>,
    until: Option<Moment>,
    before: Option<u64>,
    count: Option<usize>,
}

impl Step for QueryStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let query = self.about_whom(world)?;
        let query = self.about_what(world, query)?;
        let count = self.count.unwrap_or(usize::MAX);
        let page = block_on(world.owner(None)?.query(&query, count))?;
        let deeds: Vec<_> = page.deeds.iter().map(deed).collect();
        Ok(json!({"deeds": deeds, "before": page.before}))
    }
}

impl QueryStep {
    fn about_whom(&self, world: &World) -> Result<Query, Trouble> {
        let mut query = Query::new();
        if let Some(name) = &self.identity {
            query = query.identity(world.names.find(name)?);
        }
        if let Some(name) = &self.agent {
            query = query.agent(world.names.find(name)?);
        }
        if let Some(runtime) = &self.runtime {
            query = query.runtime(runtime);
        }
        if let Some(job) = &self.job {
            query = query.job(job);
        }
        if let Some(name) = &self.approval {
            query = query.approval(world.names.find(name)?);
        }
        if let Some(name) = &self.grant {
            query = query.grant(world.names.find(name)?);
        }
        Ok(query)
    }

    fn about_what(&self, world: &World, mut query: Query) -> Result<Query, Trouble> {
        if let Some(resource) = &self.resource {
            query = query.resource(&world.names.resource(resource)?);
        }
        if let Some(region) = &self.within {
            query = query.within(&region.read(&world.names)?);
        }
        if let Some(verdict) = self.verdict {
            query = query.verdict(verdict);
        }
        if let Some(kind) = &self.kind {
            query = query.kind(kind);
        }
        if let Some(since) = self.since {
            query = query.since(since.as_timestamp());
        }
        if let Some(until) = self.until {
            query = query.until(until.as_timestamp());
        }
        if let Some(before) = self.before {
            query = query.before(before);
        }
        Ok(query)
    }
}

/// A deed in a row. What there is nothing of is left out.
fn deed(deed: &Deed) -> Value {
    let answer = deed.approval.as_ref().and_then(|approval| approval.answer.as_ref());
    let asked = deed.approval.as_ref().map(|approval| {
        json!({
            "ticket": approval.ticket,
            "said": answer.map(|answer| answer.verdict),
            "record": answer.map(|answer| answer.sequence),
        })
    });
    let outcome = deed.outcome.as_ref();
    let row = json!({
        "record": deed.sequence,
        "at": deed.at,
        "who": format!("{}@{}", deed.agent, deed.identity),
        "runtime": deed.runtime,
        "job": deed.job,
        "verdict": deed.verdict,
        "kind": deed.kind,
        "demands": plain(&deed.demands),
        "rules": plain(&deed.rules),
        "asked": asked,
        "refused": deed.denial.as_ref().map(|denial| plain(&denial.code)),
        "result": outcome.map(|outcome| plain(&outcome.result)),
        "evidence": outcome.and_then(|outcome| outcome.evidence),
    });
    let Value::Object(fields) = row else { return row };
    Value::Object(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// What there is of a text that was kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyStep {
    ticket: Option<String>,
    digest: Option<String>,
}

impl Step for BodyStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let digest = digest(world, self.ticket.as_deref(), self.digest.as_deref())?;
        Ok(match block_on(world.owner(None)?.body(digest))? {
            Body::Kept(bytes) => json!({"kept": String::from_utf8_lossy(&bytes)}),
            Body::Erased { sequence, at } => json!({"erased": {"record": sequence, "at": at}}),
            Body::Unknown => json!({"unknown": digest}),
        })
    }
}

/// Removes a text for good.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseStep {
    ticket: Option<String>,
    digest: Option<String>,
    signed_by: Option<SignedBy>,
}

impl Step for EraseStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let digest = digest(world, self.ticket.as_deref(), self.digest.as_deref())?;
        block_on(world.owner(self.signed_by.as_ref())?.erase(digest))?;
        Ok(json!({"erased": digest}))
    }
}

/// The digest of a text: as it is written, or of what a question was about.
fn digest(
    world: &mut World,
    ticket: Option<&str>,
    digest: Option<&str>,
) -> Result<Digest, Trouble> {
    let ticket = match (ticket, digest) {
        (Some(ticket), None) => world.names.find::<TicketId>(ticket)?,
        (None, Some(digest)) => {
            let wrong = |_| Trouble::Misread(format!("`{digest}` is no digest"));
            return digest.parse().map_err(wrong);
        }
        _ => return Err(Trouble::misread("say which: a `ticket` or a `digest`")),
    };
    let records = block_on(world.owner(None)?.records(1, usize::MAX))?;
    let mut asked = records.iter().filter_map(|record| {
        if let Event::Asked(question) = &record.event { Some(question) } else { None }
    });
    let asked = asked.find(|question| question.ticket == ticket);
    let content = asked.and_then(|question| question.content);
    let nothing = || Trouble::Said("the question has no content".into());
    content.map(|content| content.digest).ok_or_else(nothing)
}
