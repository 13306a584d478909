//! What a record can be found by: a pure function of the record, and of how its agent was bound.
//!
//! A term is 16 bytes: what it is about, then an identifier, or a digest cut short. Two things may
//! share one, so who finds a record by a term looks at the record before believing it.
use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use smallvec::SmallVec;

use crate::{
    cause::Cause,
    digest::{Digest, TERM},
    id::{AgentId, GrantId, IdentityId, TicketId},
    operation::Demanded,
    policy::AgentState,
    record::{Act, Actor, AuditRecord, Event},
    resource::{Region, Resource},
    rule::{RuleId, Verdict},
    store::Frame,
};

mod scan;

/// One thing a record can be found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Term([u8; 16]);

/// What one record can be found by.
pub(crate) type Terms = SmallVec<[Term; 12]>;

impl Term {
    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What `agent` did.
    pub(crate) fn agent(agent: AgentId) -> Self {
        Self::of(b'a', agent.as_bytes())
    }

    /// The act that bound `agent`.
    pub(crate) fn binding(agent: AgentId) -> Self {
        Self::of(b'b', agent.as_bytes())
    }

    /// What happened because of something, or of a part of it: a cause without its number.
    pub(crate) fn cause(source: &str) -> Self {
        let name = source.find(':').map_or(0, |colon| colon + 1);
        let dot = source.get(name..).and_then(|name| name.find('.'));
        let whole = dot.and_then(|dot| source.get(..name + dot));
        Self::text(b'c', whole.unwrap_or(source))
    }

    /// What became of a body.
    pub(crate) fn body(digest: Digest) -> Self {
        Self::of(b'd', digest.as_bytes())
    }

    /// What a grant let pass, asked about or refused, and the acts that issued it and took it back.
    pub(crate) fn grant(grant: GrantId) -> Self {
        Self::of(b'g', grant.as_bytes())
    }

    /// What was done for `identity`.
    pub(crate) fn identity(identity: IdentityId) -> Self {
        Self::of(b'i', identity.as_bytes())
    }

    /// What was done by agents bound for a job.
    pub(crate) fn job(job: &str) -> Self {
        Self::text(b'j', job)
    }

    /// Operations of one kind.
    pub(crate) fn kind(kind: &str) -> Self {
        Self::text(b'k', kind)
    }

    /// Each change of the owner's key, and each certificate of the kernel's.
    pub(crate) fn keys() -> Self {
        Self::of(b'o', b"")
    }

    /// The record that made `identity`.
    pub(crate) fn making(identity: IdentityId) -> Self {
        Self::of(b'm', identity.as_bytes())
    }

    /// What touched exactly this.
    pub(crate) fn exactly(resource: &Resource) -> Self {
        Self::text(b'r', resource.key())
    }

    /// What was done in a runtime.
    pub(crate) fn runtime(runtime: &str) -> Self {
        Self::text(b's', runtime)
    }

    /// A question, its answer, and the intent that spends it.
    pub(crate) fn ticket(ticket: TicketId) -> Self {
        Self::of(b't', ticket.as_bytes())
    }

    /// What was let through, asked about or refused.
    pub(crate) fn verdict(verdict: Verdict) -> Self {
        Self::of(
            b'v',
            match verdict {
                Verdict::Deny => b"deny",
                Verdict::Ask => b"ask",
                Verdict::Allow => b"allow",
            },
        )
    }

    /// What touched something beneath this.
    fn beneath(key: &str) -> Self {
        Self::text(b'w', key)
    }

    /// What touched all there is beneath this.
    fn all_of(key: &str) -> Self {
        Self::text(b'x', key)
    }

    /// Terms of which each record that touches `region` has one. Others may have one too.
    pub(crate) fn of_region(region: &Region) -> SmallVec<[Self; 8]> {
        let root = region.root();
        // What touched all of something touched what is in it.
        let around = root.prefixes().take(ANCESTORS_MAX);
        let around = around.map(|prefix| Self::all_of(root.key_to(prefix)));
        let mut terms: SmallVec<[Self; 8]> = around.collect();
        match region {
            Region::Exact(_) => terms.push(Self::exactly(root)),
            // Something that lies too deep is found by what it lies in.
            Region::Subtree(_) if root.prefixes().count() > ANCESTORS_MAX => {
                let lies_in = root.prefixes().nth(ANCESTORS_MAX - 1);
                let key = lies_in.map_or("", |prefix| root.key_to(prefix));
                terms.push(Self::beneath(key));
            }
            Region::Subtree(_) => {
                terms.extend([Self::exactly(root), Self::beneath(root.key())]);
            }
        }
        terms
    }

    /// What a demand on `resource` is found by: itself, and each region root above it.
    pub(super) fn of_resource(resource: &Resource) -> impl Iterator<Item = Self> {
        let depth = resource.prefixes().count();
        let above = resource.prefixes().take(ANCESTORS_MAX.min(depth.saturating_sub(1)));
        let above = above.map(|prefix| Self::beneath(resource.key_to(prefix)));
        std::iter::once(Self::exactly(resource)).chain(above)
    }

    /// What a demand on all of `region` is found by, too.
    fn of_tree(region: &Region) -> Option<Self> {
        let Region::Subtree(root) = region else { return None };
        let reached = root.prefixes().take(ANCESTORS_MAX).last();
        reached.map(|prefix| Self::all_of(root.key_to(prefix)))
    }

    /// What all that an agent does is found by.
    pub(super) fn of_actor(actor: Actor, bound: Option<&AgentState>) -> Terms {
        let Actor::Agent { agent, identity } = actor else { return Terms::new() };
        let mut terms: Terms = smallvec::smallvec![Self::agent(agent), Self::identity(identity)];
        if let Some(bound) = bound {
            terms.push(Self::runtime(&bound.runtime));
            terms.extend(bound.job.as_deref().map(Self::job));
        }
        terms
    }

    fn text(kind: u8, text: &str) -> Self {
        Self::of(kind, TERM.digest(&[&[kind], text.as_bytes()]).as_bytes())
    }

    fn of(kind: u8, bytes: &[u8]) -> Self {
        let mut term = [0; 16];
        for (to, from) in term.iter_mut().zip(std::iter::once(&kind).chain(bytes)) {
            *to = *from;
        }
        Self(term)
    }
}

/// How many regions above a resource it is found by, the outermost first: what an agent writes
/// into a record is paid for in the index many times over.
const ANCESTORS_MAX: usize = 16;

/// Everything `record` can be found by, without order or repetition. `bound` says how the agent
/// that caused it was bound.
pub(crate) fn of(record: &AuditRecord, bound: Option<&AgentState>) -> Terms {
    let mut terms = Terms::new();
    let mut deed = |verdict: Verdict, kind: &str, demands: Option<&Demanded>| {
        terms.extend(Term::of_actor(record.actor, bound));
        terms.extend([Term::verdict(verdict), Term::kind(kind)]);
        for (_, region) in demands.iter().flat_map(|demands| demands.iter()) {
            terms.extend(Term::of_resource(region.root()));
            terms.extend(Term::of_tree(region));
        }
    };
    match &record.event {
        Event::Intent(intent) => {
            deed(Verdict::Allow, &intent.kind, Some(&intent.demands));
            terms.extend(intent.approval.map(Term::ticket));
            terms.extend(intent.cause.as_ref().map(Cause::source).map(Term::cause));
            terms.extend(intent.rules.iter().map(|rule| Term::grant(rule.grant)));
        }
        Event::Asked(question) => {
            deed(Verdict::Ask, &question.kind, Some(&question.demands));
            terms.push(Term::ticket(question.ticket));
            terms.extend(question.cause.as_ref().map(Cause::source).map(Term::cause));
            terms.extend(question.content.map(|content| Term::body(content.digest)));
            terms.extend(question.rules.iter().map(|rule| Term::grant(rule.grant)));
        }
        Event::Denied(refused) => {
            deed(Verdict::Deny, &refused.kind, refused.demands.as_ref());
            terms.extend(refused.cause.as_ref().map(Cause::source).map(Term::cause));
            terms.extend(refused.denial.rule.map(|rule| Term::grant(rule.grant)));
        }
        Event::Act(signed) => terms.extend(of_act(&signed.act)),
        Event::Delegated { grant, identity, .. } => {
            terms.extend([Term::grant(*grant), Term::making(*identity)]);
        }
        Event::Declared { body, .. } => terms.extend(body.map(Term::body)),
        Event::Erased { body } => terms.push(Term::body(*body)),
        Event::Outcome(outcome) => terms.extend(outcome.evidence.map(Term::body)),
        Event::Checkpoint(_)
        | Event::Misbehaved(_)
        | Event::Opened { .. }
        | Event::Recalled { .. }
        | Event::Recovered { .. }
        | Event::Snapshot { .. }
        | Event::Witnessed { .. } => {}
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

fn of_act(act: &Act) -> Option<Term> {
    match act {
        Act::Approve(approval) => Some(Term::ticket(approval.ticket)),
        Act::Reject { ticket } => Some(Term::ticket(*ticket)),
        Act::Bind { agent, .. } => Some(Term::binding(*agent)),
        Act::Erase { body } => Some(Term::body(*body)),
        Act::Grant { grant, .. } | Act::Revoke { grant } => Some(Term::grant(*grant)),
        Act::Retire { archive, .. } => Some(Term::body(*archive)),
        Act::Certify { .. } | Act::Rekey { .. } => Some(Term::keys()),
        Act::Identity { identity, .. } => Some(Term::making(*identity)),
        Act::Declare { .. } | Act::Dismiss { .. } | Act::Freeze { .. } | Act::Unfreeze { .. } => {
            None
        }
    }
}

/// What of a record there is to be found by, read without copying it.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Glance<'p> {
    #[serde(borrow)]
    pub(super) actor: Cow<'p, str>,
    pub(super) at: u64,
    #[serde(borrow)]
    pub(super) event: Seen<'p>,
}

/// The events of which a ledger mostly consists. The others are read whole.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Seen<'p> {
    Declared(SeenDeclared),
    #[serde(borrow)]
    Intent(SeenIntent<'p>),
    Outcome(SeenOutcome),
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct SeenDeclared {
    #[serde(default)]
    pub(super) body: Option<Digest>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct SeenIntent<'p> {
    #[serde(default)]
    pub(super) approval: Option<TicketId>,
    #[serde(borrow, default)]
    pub(super) cause: Option<Text<'p>>,
    #[serde(borrow)]
    pub(super) demands: SmallVec<[(IgnoredAny, Text<'p>); 2]>,
    #[serde(borrow)]
    pub(super) kind: Cow<'p, str>,
    #[serde(borrow)]
    pub(super) rules: SmallVec<[Text<'p>; 2]>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct SeenOutcome {
    #[serde(default)]
    pub(super) evidence: Option<Digest>,
    pub(super) intent: u64,
}

/// Text, borrowed unless it has escapes.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'p>(#[serde(borrow)] pub(super) Cow<'p, str>);

impl<'p> Glance<'p> {
    /// Looks at a frame; none if it is none of them.
    pub(super) fn at(frame: &'p Frame) -> Option<Self> {
        scan::glance(&frame.payload).or_else(|| serde_json::from_slice(&frame.payload).ok())
    }
}

impl Text<'_> {
    /// What all that happens because of the same thing is found by, where this is a cause.
    pub(super) fn cause(&self) -> Option<Term> {
        self.0.rsplit_once('#').map(|(source, _)| Term::cause(source))
    }

    /// The grant of the rule this names.
    pub(super) fn grant(&self) -> Option<GrantId> {
        self.0.parse::<RuleId>().ok().map(|rule| rule.grant)
    }
}
