//! Records in one line each, for people.
use std::fmt;

use super::{Act, Actor, AuditRecord, Cause, Demanded, Event, Fact, Offence, OutcomeKind};
use crate::approval::shown;

/// The number, the time, who, and what.
impl fmt::Display for AuditRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}  {}  {:<6}  {}", self.sequence, self.at, self.actor.role(), self.event)
    }
}

impl Actor {
    /// `agent`, `kernel` or `owner`.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        match self {
            Self::Agent { .. } => "agent",
            Self::Kernel => "kernel",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(signed) => signed.act.fmt(f),
            Self::Asked(question) => {
                write!(f, "asks for {}{}", question.kind, On(Some(&question.demands)))?;
                because(f, question.cause.as_ref())?;
                write!(f, ", {}", question.ticket)
            }
            Self::Checkpoint(signed) => {
                let said = signed.checkpoint();
                write!(f, "signs a checkpoint of {} records, {}", said.size, said.root)
            }
            Self::Declared { fact, .. } => write!(f, "declares {}", Said(fact)),
            Self::Delegated { identity, name, .. } => {
                write!(f, "delegates to `{name}`, {identity}")
            }
            Self::Denied(refused) => {
                let on = On(refused.demands.as_ref());
                write!(f, "{}{on}: {}", refused.kind, refused.denial)
            }
            Self::Erased { body } => write!(f, "erased {body}"),
            Self::Intent(intent) => {
                write!(f, "will {}{}", intent.kind, On(Some(&intent.demands)))?;
                because(f, intent.cause.as_ref())?;
                intent.approval.map_or(Ok(()), |ticket| write!(f, ", spends {ticket}"))
            }
            Self::Misbehaved(proof) => {
                write!(f, "proves that {} ", proof.owner())?;
                match proof.claim() {
                    Some(Offence::Fork { size }) => write!(f, "has two pasts of {size} records"),
                    Some(Offence::Rollback { from, to }) => {
                        write!(f, "went back from {from} records to {to}")
                    }
                    Some(Offence::Acts { number }) => write!(f, "signed act {number} twice"),
                    None => f.write_str("did nothing wrong"),
                }
            }
            Self::Opened { format, .. } => write!(f, "opens the ledger, format {format}"),
            Self::Outcome(outcome) => match &outcome.result {
                OutcomeKind::Done => write!(f, "did {}", outcome.intent),
                OutcomeKind::Failed { code, what } => {
                    write!(f, "failed {}: {code}, {what}", outcome.intent)
                }
                OutcomeKind::Interrupted => write!(f, "interrupted {}", outcome.intent),
            },
            Self::Recalled { intent, said } => write!(f, "learns of {intent}: {said:?}"),
            Self::Recovered { closed } => write!(f, "closed {closed} interrupted intents"),
            Self::Snapshot { .. } => f.write_str("keeps the state"),
            Self::Witnessed { checkpoint, .. } => {
                let said = checkpoint.checkpoint();
                write!(f, "sees {} at {} records, {}", said.origin, said.size, said.root)
            }
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Approve(approval) => write!(f, "says yes to {}", approval.ticket),
            Self::Bind { agent, job: Some(job), runtime, .. } => {
                write!(f, "binds {agent} in {runtime} for the job `{job}`")
            }
            Self::Bind { agent, name, .. } => write!(f, "binds the agent `{name}`, {agent}"),
            Self::Certify { key } => write!(f, "certifies the kernel's key {key}"),
            Self::Declare { fact } => write!(f, "declares {}", Said(fact)),
            Self::Dismiss { agent } => write!(f, "dismisses {agent}"),
            Self::Erase { body } => write!(f, "erases {body}"),
            Self::Freeze { identity: Some(identity) } => write!(f, "freezes {identity}"),
            Self::Freeze { identity: None } => f.write_str("freezes everything"),
            Self::Grant { grant, identity, rules } => {
                write!(f, "grants {identity} {} rules, {grant}", rules.rules().len())
            }
            Self::Identity { identity, name, .. } => {
                write!(f, "makes the identity `{name}`, {identity}")
            }
            Self::Rekey { key, .. } => write!(f, "signs with {key} from here on"),
            Self::Reject { ticket } => write!(f, "says no to {ticket}"),
            Self::Retire { identity, .. } => write!(f, "retires {identity}"),
            Self::Revoke { grant } => write!(f, "revokes {grant}"),
            Self::Unfreeze { identity: Some(identity) } => write!(f, "unfreezes {identity}"),
            Self::Unfreeze { identity: None } => f.write_str("unfreezes everything"),
        }
    }
}

fn because(f: &mut fmt::Formatter<'_>, cause: Option<&Cause>) -> fmt::Result {
    cause.map_or(Ok(()), |cause| write!(f, ", because of {cause}"))
}

/// Whose fact it is, and the beginning of what it says.
struct Said<'a>(&'a Fact);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.0.as_str();
        let short = said.get(..said.floor_char_boundary(FACT_BYTES_SHOWN)).unwrap_or_default();
        let more = if short.len() < said.len() { "…" } else { "" };
        write!(f, "`{}`: {}{more}", self.0.projection().escape_debug(), shown(short))
    }
}

/// How much of a fact a line shows.
const FACT_BYTES_SHOWN: usize = 160;

/// What an operation touches; of many, the first.
struct On<'a>(Option<&'a Demanded>);

impl fmt::Display for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || self.0.into_iter().flat_map(Demanded::iter);
        for (nth, (_, region)) in all().take(SHOWN_MAX).enumerate() {
            write!(f, "{}{region}", if nth == 0 { " " } else { ", " })?;
        }
        match all().count().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// How many resources a line shows.
const SHOWN_MAX: usize = 3;
