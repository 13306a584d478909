//! What is looked for in a ledger.
use smallvec::SmallVec;

use super::deed::Deed;
use crate::{
    id::{AgentId, GrantId, IdentityId, TicketId},
    ledger::Term,
    operation::Demanded,
    resource::{Region, Resource},
    rule::Verdict,
    time::Timestamp,
};

/// Which deeds are looked for: those that meet everything that is said here. Nothing said, all.
///
/// ```
/// # use clawnet_core::*;
/// # async fn show(owner: &Owner, work: IdentityId) -> Result<(), OwnerError> {
/// let refused = Query::new().identity(work).verdict(Verdict::Deny);
/// for deed in owner.query(&refused, 50).await?.deeds {
///     println!("{deed}");
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Query {
    identity: Option<IdentityId>,
    agent: Option<AgentId>,
    runtime: Option<String>,
    job: Option<String>,
    pub(super) regions: SmallVec<[Region; 1]>,
    verdict: Option<Verdict>,
    approval: Option<TicketId>,
    cause: Option<String>,
    grant: Option<GrantId>,
    kind: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    before: Option<u64>,
}

impl Query {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Done for this identity, and not for one beneath it.
    pub fn identity(self, identity: IdentityId) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Done by this agent.
    pub fn agent(self, agent: AgentId) -> Self {
        Self { agent: Some(agent), ..self }
    }

    /// Done by agents bound in this runtime.
    pub fn runtime(self, runtime: &str) -> Self {
        Self { runtime: Some(runtime.into()), ..self }
    }

    /// Done by agents bound for this job.
    pub fn job(self, job: &str) -> Self {
        Self { job: Some(job.into()), ..self }
    }

    /// Touching this, and what else is said: said twice, both.
    pub fn resource(self, resource: &Resource) -> Self {
        self.within(&Region::Exact(resource.clone()))
    }

    /// Touching something of this region, and what else is said: said twice, one of each.
    pub fn within(mut self, region: &Region) -> Self {
        self.regions.push(region.clone());
        self
    }

    /// Let through (allow), asked about (ask) or refused (deny).
    pub fn verdict(self, verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..self }
    }

    /// The question with this ticket, and what its yes was spent on.
    pub fn approval(self, ticket: TicketId) -> Self {
        Self { approval: Some(ticket), ..self }
    }

    /// Because of this, or of a part of it: a cause without its number, such as `net:ses_7c20f1…`.
    pub fn cause(self, source: &str) -> Self {
        Self { cause: Some(source.into()), ..self }
    }

    /// Let through, asked about or refused by a rule of this grant.
    pub fn grant(self, grant: GrantId) -> Self {
        Self { grant: Some(grant), ..self }
    }

    /// Operations of this kind.
    pub fn kind(self, kind: &str) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// At this moment or later.
    pub fn since(self, moment: Timestamp) -> Self {
        Self { since: Some(moment), ..self }
    }

    /// Before this moment.
    pub fn until(self, moment: Timestamp) -> Self {
        Self { until: Some(moment), ..self }
    }

    /// Recorded before this one: to go on where a [`Page`] ends.
    pub fn before(self, sequence: u64) -> Self {
        Self { before: Some(sequence), ..self }
    }

    /// From when, until when and before which record.
    pub(super) fn bounds(&self) -> (Option<Timestamp>, Option<Timestamp>, Option<u64>) {
        (self.since, self.until, self.before)
    }

    /// Lists of records of which each deed looked for is in every one: in the list of one of these
    /// terms. What is likely to be the rarest comes first.
    pub(super) fn terms(&self) -> Vec<SmallVec<[Term; 3]>> {
        let one = |term: Term| SmallVec::<[Term; 3]>::from_iter([term]);
        let mut lists = Vec::new();
        lists.extend(self.approval.map(Term::ticket).map(one));
        lists.extend(self.cause.as_deref().map(Term::cause).map(one));
        lists.extend(
            self.regions.iter().map(|region| Term::of_region(region).into_iter().collect()),
        );
        lists.extend(self.job.as_deref().map(Term::job).map(one));
        lists.extend(self.agent.map(Term::agent).map(one));
        lists.extend(self.grant.map(Term::grant).map(one));
        lists.extend(self.identity.map(Term::identity).map(one));
        lists.extend(self.runtime.as_deref().map(Term::runtime).map(one));
        lists.extend(self.kind.as_deref().map(Term::kind).map(one));
        lists.extend(self.verdict.map(Term::verdict).map(one));
        if lists.is_empty() {
            let each = [Verdict::Allow, Verdict::Ask, Verdict::Deny];
            lists.push(each.into_iter().map(Term::verdict).collect());
        }
        lists
    }

    /// Whether `deed` is one that is looked for. The index only says where to look.
    pub(super) fn matches(&self, deed: &Deed) -> bool {
        let is = |wanted: &Option<String>, found: Option<&String>| {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        };
        let touches = |region: &Region| {
            let mut demands = deed.demands.iter().flat_map(Demanded::iter);
            demands.any(|(_, touched)| region.overlaps(touched))
        };
        let ticket = deed.approval.as_ref().map(|approval| approval.ticket);
        self.identity.is_none_or(|identity| identity == deed.identity)
            && self.agent.is_none_or(|agent| agent == deed.agent)
            && is(&self.runtime, Some(&deed.runtime))
            && is(&self.job, deed.job.as_ref())
            && self.regions.iter().all(touches)
            && self.verdict.is_none_or(|verdict| verdict == deed.verdict)
            && self.approval.is_none_or(|wanted| Some(wanted) == ticket)
            && self.cause.as_deref().is_none_or(|wanted| {
                deed.cause.as_ref().is_some_and(|cause| cause.is_within(wanted))
            })
            && self.grant.is_none_or(|grant| deed.rules.iter().any(|rule| rule.grant == grant))
            && is(&self.kind, Some(&deed.kind))
            && self.since.is_none_or(|since| since <= deed.at)
            && self.until.is_none_or(|until| deed.at < until)
            && self.before.is_none_or(|before| deed.sequence < before)
    }
}

/// Deeds that were found, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// What was found.
    pub deeds: Vec<Deed>,
    /// What to say to [`Query::before`] to go on: there may be more, or nothing. None at the end.
    pub before: Option<u64>,
}

impl Page {
    pub(super) fn new(deeds: Vec<Deed>, before: Option<u64>) -> Self {
        Self { deeds, before }
    }
}
