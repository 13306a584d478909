//! What somebody did, or wanted to do, and everything the ledger says about it.
use std::fmt;

use serde::Serialize;

use crate::{
    approval::OperationText,
    cause::Cause,
    denial::Denial,
    digest::Digest,
    id::{AgentId, GrantId, IdentityId, TicketId},
    operation::Demanded,
    record::{OutcomeKind, Recalled},
    rule::{RuleId, Verdict},
    time::Timestamp,
};

/// One operation that was let through, asked about or refused: who wanted what, under which grant,
/// who said yes, and what came of it. Displayed as a few lines; serialised as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Deed {
    /// Which agent.
    pub agent: AgentId,
    /// What the agent is called, or was: a dismissed one too.
    pub agent_name: String,
    /// The question to the owner it is, or the one whose yes it spends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Consulted>,
    /// When.
    pub at: Timestamp,
    /// Because of what, if not of the owner's own accord.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What it touches, unless it was malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demanded>,
    /// Why it was refused, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denial: Option<Denial>,
    /// For which identity.
    pub identity: IdentityId,
    /// What the identity is called, or was: a retired one too.
    pub identity_name: String,
    /// The job the agent is bound for, if it is for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The operation's kind.
    pub kind: String,
    /// The endpoint's name, which a refusal does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// The operation itself, unless it was malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationText>,
    /// What came of it, if it was let through and is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Concluded>,
    /// The rules that let it pass, asked or forbade it.
    pub rules: Vec<RuleId>,
    /// Where the agent runs.
    pub runtime: String,
    /// The record's place in the ledger.
    pub sequence: u64,
    /// Whether it was let through, asked about or refused.
    pub verdict: Verdict,
}

/// A question to the owner, and the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Consulted {
    /// The answer, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answered>,
    /// Which question.
    pub ticket: TicketId,
}

/// What the owner said, by a signed act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// The act's place in the ledger.
    pub sequence: u64,
    /// Allow for a yes, deny for a no.
    pub verdict: Verdict,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Concluded {
    /// When.
    pub at: Timestamp,
    /// What backs it, by digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Digest>,
    /// What the endpoint said later, where nobody saw it end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recalled: Option<Recalled>,
    /// What came.
    pub result: OutcomeKind,
    /// The outcome's place in the ledger.
    pub sequence: u64,
}

impl Deed {
    /// The grants of [`Deed::rules`], each once.
    #[must_use]
    pub fn grants(&self) -> Vec<GrantId> {
        let mut grants: Vec<_> = self.rules.iter().map(|rule| rule.grant).collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }
}

/// Who wanted what in the first line, and then a line for each thing the ledger says about it.
impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (agent, identity) = (self.agent_name.escape_debug(), self.identity_name.escape_debug());
        let runtime = self.runtime.escape_debug();
        write!(f, "{:>6}  {}  {:<5}  ", self.sequence, self.at, self.verdict)?;
        write!(f, "`{agent}` in {runtime} as `{identity}`: {}", self.kind)?;
        for (nth, (action, region)) in self.demands.iter().flat_map(Demanded::iter).enumerate() {
            write!(f, "{}{action} {region}", if nth == 0 { ", " } else { " and " })?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n        because of {cause}")?;
        }
        if let Some(job) = &self.job {
            write!(f, "\n        for the job `{}`", job.escape_debug())?;
        }
        for (nth, rule) in self.rules.iter().enumerate() {
            write!(f, "{}{rule}", if nth == 0 { "\n        under " } else { ", " })?;
        }
        if let Some(approval) = &self.approval {
            write!(f, "\n        {approval}")?;
        }
        if let Some(denial) = &self.denial {
            write!(f, "\n        {denial}")?;
        }
        self.outcome.as_ref().map_or(Ok(()), |outcome| write!(f, "\n        {outcome}"))
    }
}

impl fmt::Display for Consulted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(answer) = &self.answer else {
            return write!(f, "the owner was asked, {}", self.ticket);
        };
        let said = if answer.verdict == Verdict::Allow { "yes" } else { "no" };
        let (at, sequence) = (answer.at, answer.sequence);
        write!(f, "the owner said {said} to {} at {at}, record {sequence}", self.ticket)
    }
}

impl fmt::Display for Concluded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            OutcomeKind::Done => f.write_str("done")?,
            OutcomeKind::Failed { code, what } => {
                write!(f, "failed: {code}, {}", what.escape_debug())?;
            }
            OutcomeKind::Interrupted => f.write_str("interrupted")?,
        }
        write!(f, " at {}, record {}", self.at, self.sequence)?;
        if let Some(evidence) = &self.evidence {
            write!(f, ", evidence {evidence}")?;
        }
        match self.recalled {
            Some(Recalled::Done) => f.write_str("; the endpoint says it happened"),
            Some(Recalled::NotDone) => f.write_str("; the endpoint says it did not happen"),
            Some(Recalled::Unknown) => f.write_str("; the endpoint cannot tell"),
            None => Ok(()),
        }
    }
}
