//! What a bundle proves, in words.
use std::fmt;

use crate::{
    approval::shown,
    id::{AgentId, IdentityId, OwnerId},
    key::PublicKey,
    note::Checkpoint,
    operation::Demanded,
    record::{Act, AuditRecord, Event, SignedAct},
    resource::Region,
    rule::{Rule, RuleId},
    time::Timestamp,
};

/// What [`Bundle::check`](crate::Bundle::check) found to be so. Displayed as a few lines: who, what,
/// when, under which grant, approved when, with what outcome, under which checkpoint.
///
/// It is so that the ledger says it: who signed is proven, and that this was recorded, in this
/// order, before the checkpoint. Whether the effect happened as its outcome says, and at the time
/// it says, is the kernel's word.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proven {
    /// Whose ledger it is.
    pub owner: OwnerId,
    /// The key that signed the checkpoint, which the owner certified.
    pub kernel_key: PublicKey,
    /// What all of it is under.
    pub checkpoint: Checkpoint,
    /// The record it is about.
    pub subject: AuditRecord,
    /// The agent that caused it, or the deed it belongs to.
    pub who: Option<Who>,
    /// The rules that let it pass, or asked.
    pub rules: Vec<Granted>,
    /// The question to the owner.
    pub question: Option<AuditRecord>,
    /// The owner's signed answer to it.
    pub answer: Option<AuditRecord>,
    /// The intent.
    pub intent: Option<AuditRecord>,
    /// What came of it.
    pub outcome: Option<AuditRecord>,
}

/// An agent, and how it came to act.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Who {
    /// Which agent.
    pub agent: AgentId,
    /// What it is called.
    pub name: String,
    /// Where it runs.
    pub runtime: String,
    /// The job it was bound for, if for one.
    pub job: Option<String>,
    /// For whom it acts.
    pub identity: IdentityId,
    /// What the identity is called.
    pub identity_name: String,
    /// The record by which the owner bound it.
    pub bound: u64,
}

/// A rule that let an operation pass, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Granted {
    /// Which.
    pub rule: RuleId,
    /// What it says.
    pub text: Rule,
    /// To whom it was granted: who acts, or an identity above.
    pub holder: IdentityId,
    /// By whom.
    pub by: Grantor,
    /// The record of the grant.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
}

/// Who issued a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "nobody else can")]
pub enum Grantor {
    /// The owner, by a signed act.
    Owner,
    /// An agent of this identity, out of its own scope.
    Identity(IdentityId),
}

/// The same before it is known whose it is.
pub(super) struct Facts {
    subject: AuditRecord,
    pub(super) who: Option<Who>,
    pub(super) rules: Vec<Granted>,
    pub(super) question: Option<AuditRecord>,
    pub(super) answer: Option<AuditRecord>,
    pub(super) intent: Option<AuditRecord>,
    pub(super) outcome: Option<AuditRecord>,
}

impl Facts {
    pub(super) fn about(subject: &AuditRecord) -> Self {
        Self {
            subject: subject.clone(),
            who: None,
            rules: Vec::new(),
            question: None,
            answer: None,
            intent: None,
            outcome: None,
        }
    }

    pub(super) fn under(self, (owner, kernel_key): (OwnerId, PublicKey), of: Checkpoint) -> Proven {
        let Self { subject, who, rules, question, answer, intent, outcome } = self;
        let checkpoint = of;
        #[rustfmt::skip]
        let proven = Proven {
            owner, kernel_key, checkpoint, subject, who, rules, question, answer, intent, outcome,
        };
        proven
    }
}

impl fmt::Display for Proven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "record {} of the ledger of {}", self.subject.sequence, self.owner)?;
        if let Some(who) = &self.who {
            writeln!(f, "  who       {who}")?;
        }
        let deed = self.intent.as_ref().or(self.question.as_ref()).unwrap_or(&self.subject);
        writeln!(f, "  what      {}", What(deed))?;
        for (action, region) in demands(deed).into_iter().flat_map(Demanded::iter) {
            if let Region::Subtree(root) = region {
                let root = root.as_str().escape_debug();
                writeln!(f, "  all of    {action} on {root} and everything beneath it")?;
            }
        }
        writeln!(f, "  when      {}, record {}", deed.at, deed.sequence)?;
        for granted in &self.rules {
            writeln!(f, "  grant     {granted}")?;
        }
        if let Some(asked) = &self.question {
            writeln!(f, "  asked     {}, record {}", asked.at, asked.sequence)?;
        }
        if let Some(answer) = &self.answer {
            let no = matches!(&answer.event, Event::Act(SignedAct { act: Act::Reject { .. }, .. }));
            let word = if no { "rejected" } else { "approved" };
            let (at, sequence) = (answer.at, answer.sequence);
            writeln!(f, "  {word}  {at}, record {sequence}, signed by the owner")?;
        }
        if let Some(outcome) = &self.outcome {
            let said = outcome.event.to_string().escape_debug().to_string();
            writeln!(f, "  outcome   {said}, {}, record {}", outcome.at, outcome.sequence)?;
        }
        let Self { checkpoint, kernel_key, .. } = self;
        write!(f, "  under     the checkpoint of {} records, ", checkpoint.size)?;
        write!(f, "root {}, signed by the certified key {kernel_key}", checkpoint.root)
    }
}

/// What a record says an operation touches.
fn demands(record: &AuditRecord) -> Option<&Demanded> {
    if let Event::Intent(intent) = &record.event {
        Some(&intent.demands)
    } else if let Event::Asked(asked) = &record.event {
        Some(&asked.demands)
    } else if let Event::Denied(refused) = &record.event {
        refused.demands.as_ref()
    } else {
        None
    }
}

/// What was done or asked for, as it was recorded.
struct What<'r>(&'r AuditRecord);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, mount, operation) = if let Event::Intent(intent) = &self.0.event {
            (&*intent.kind, &*intent.mount, &intent.operation)
        } else if let Event::Asked(asked) = &self.0.event {
            (asked.kind.as_str(), asked.mount.as_str(), &asked.operation)
        } else {
            return write!(f, "{}", self.0.event.to_string().escape_debug());
        };
        let operation = shown(operation.as_str());
        write!(f, "{} at `{}`: {operation}", kind.escape_debug(), mount.escape_debug())
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, name, runtime, identity, identity_name, .. } = self;
        let (name, runtime) = (name.escape_debug(), runtime.escape_debug());
        write!(f, "`{name}` in {runtime} ({agent})")?;
        if let Some(job) = &self.job {
            write!(f, ", at job `{}`", job.escape_debug())?;
        }
        write!(f, ", for `{}` ({identity})", identity_name.escape_debug())
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, text, sequence, at, .. } = self;
        let text = text.to_string();
        write!(f, "{}, {rule}, by ", text.escape_debug())?;
        match self.by {
            Grantor::Owner => f.write_str("the owner")?,
            Grantor::Identity(identity) => write!(f, "{identity}")?,
        }
        write!(f, ", {at}, record {sequence}")
    }
}
