//! What may happen to a kernel, and what may come of it: plain data, printed when a case fails.

use std::collections::BTreeSet;

use super::oracle::{Demand, Rule, RuleId};

/// One thing that happens to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// The owner makes an identity, with nothing granted.
    NewIdentity {
        /// Never used before, not even by one now retired.
        name: String,
        /// Known and not retired.
        parent: Option<String>,
    },
    /// The owner adds rules to an identity. Their ids are replaced by the world's own.
    Grant {
        /// Known and not retired.
        to: String,
        /// All at once.
        rules: Vec<Rule>,
    },
    /// The owner takes a grant back.
    Revoke {
        /// By number.
        grant: u32,
    },
    /// The owner stops an identity and all below it, or everything.
    Freeze {
        /// Absent: everything.
        identity: Option<String>,
    },
    /// The owner lets go on what that freeze stopped, and nothing else.
    Unfreeze {
        /// Absent: everything, except what is frozen singly.
        identity: Option<String>,
    },
    /// The owner ends an identity.
    Retire {
        /// Known and not retired.
        identity: String,
    },
    /// An agent submits an operation.
    Act(Act),
    /// Somebody says yes to a question.
    Approve {
        /// Still open.
        ticket: u32,
        /// Only the owner counts.
        by: Party,
    },
    /// Somebody says no to a question.
    Reject {
        /// Still open.
        ticket: u32,
        /// Only the owner counts.
        by: Party,
    },
    /// The machine's clock goes on.
    Tick {
        /// By so much.
        ms: u64,
    },
    /// The machine's clock is set.
    WallJump {
        /// To this, earlier or later.
        to: u64,
    },
    /// The process ends without warning.
    Crash,
    /// The process starts again, from the records.
    Restart,
}

impl Command {
    /// The name under which it is recorded.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NewIdentity { .. } => "new_identity",
            Self::Grant { .. } => "grant",
            Self::Revoke { .. } => "revoke",
            Self::Freeze { .. } => "freeze",
            Self::Unfreeze { .. } => "unfreeze",
            Self::Retire { .. } => "retire",
            Self::Act(_) => "act",
            Self::Approve { .. } => "approve",
            Self::Reject { .. } => "reject",
            Self::Tick { .. } => "tick",
            Self::WallJump { .. } => "wall_jump",
            Self::Crash => "crash",
            Self::Restart => "restart",
        }
    }
}

/// An operation as the kernel sees it, and what the endpoint says to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Act {
    /// As whom.
    pub identity: String,
    /// The operation's kind, like `fs.write`.
    pub kind: String,
    /// Everything it touches.
    pub demands: Vec<Demand>,
    /// Stands for its canonical bytes.
    pub digest: String,
    /// What running it does. Decides when it may run, never whether.
    pub effect: OperationEffect,
    /// Layer 2's answer, if asked now.
    pub endpoint: Answer,
}

/// What an operation does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationEffect {
    /// Looks.
    Observe,
    /// Alters.
    Change,
    /// Lets something leave.
    Release,
}

/// What layer 2 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Would run it, on this version of the resource.
    Allow(u64),
    /// Would not.
    Deny,
    /// Cannot be asked.
    Dark,
}

/// Who answers a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Party {
    /// With the owner's key.
    Owner,
    /// With any other, the requester's included.
    Other,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is so.
    Done,
    /// It is so, and the grant has this number.
    Granted(u32),
    /// The operation ran.
    Ran {
        /// The approval spent on it, if it needed one.
        ticket: Option<u32>,
        /// The rules that lost one use.
        debited: BTreeSet<RuleId>,
    },
    /// The owner is asked, under this number.
    Escalated(u32),
    /// No, and nothing has changed.
    Denied(Denial),
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Denial {
    /// The process is down.
    Down,
    /// No such identity, grant or ticket.
    Unknown,
    /// The name is taken.
    Taken,
    /// The identity, or one above it, has been retired.
    Retired,
    /// The identity, one above it, or everything is frozen.
    Frozen,
    /// Layer 1 says no.
    Scope,
    /// Layer 2 says no.
    Endpoint,
    /// Layer 2 says nothing. Recorded as a fault, never a question.
    Fault,
    /// The owner rejected this before.
    Refused,
    /// Too many open questions.
    Fatigue,
    /// Only the owner may answer.
    NotOwner,
    /// The question is no longer open.
    Closed,
}
