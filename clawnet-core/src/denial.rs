//! Why governance said no. A denial is not a failure: nothing was tried.
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    operation::Code,
    resource::Region,
    rule::{Actions, RuleId, Verdict},
};

/// One no, with everything needed to see why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub struct Denial {
    /// Why, for programs.
    pub code: DenyCode,
    /// Which part of the path said it.
    pub layer: Layer,
    /// The rule that came closest to letting it pass. Only of the asking identity's own grants,
    /// unless the owner reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_miss: Option<Box<NearMiss>>,
    /// What an endpoint or a house policy added, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that said no, if a rule did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// Whether the rules above are a grantor's further up, which the agent has no business to see.
    #[serde(skip)]
    pub(crate) above: bool,
}

impl Denial {
    /// A no from layer 2, the only one an endpoint can say.
    pub fn by_endpoint(code: &'static str, reason: impl Into<String>) -> Self {
        let code = DenyCode::Endpoint(Code::new(code));
        Self::of(Layer::Endpoint, code).because(reason.into())
    }

    pub(crate) fn of(layer: Layer, code: DenyCode) -> Self {
        Self { code, layer, near_miss: None, reason: None, rule: None, above: false }
    }

    /// What the agent is told: the code, and rules only of its own identity's grants.
    pub(crate) fn for_agent(mut self) -> Self {
        if self.above {
            self.near_miss = None;
            self.rule = None;
        }
        self
    }

    /// Only what an endpoint may say: its own code and reason, and nothing about rules.
    pub(crate) fn said_by_endpoint(self) -> Self {
        let code = if let DenyCode::Endpoint(code) = self.code { code } else { Code::new("other") };
        let denial = Self::of(Layer::Endpoint, DenyCode::Endpoint(code.bounded()));
        match self.reason {
            Some(reason) => denial.because(reason),
            None => denial,
        }
    }

    pub(crate) fn because(mut self, reason: impl fmt::Display) -> Self {
        self.reason = Some(shorten(reason.to_string()));
        self
    }
}

/// The longest reason, in bytes: records are bounded.
const REASON_BYTES_MAX: usize = 1024;

/// At most so much of `text` as a record keeps.
pub(crate) fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(REASON_BYTES_MAX));
    text
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by {}: {}", self.layer, self.code)?;
        if let Some(rule) = &self.rule {
            write!(f, " by rule {rule}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", {reason}")?;
        }
        self.near_miss.as_ref().map_or(Ok(()), |near| write!(f, "; nearest rule: {near}"))
    }
}

/// Which part of the path said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Layer {
    /// Who asks: an agent or identity that is unknown, frozen, retired, or of another kernel.
    Identity,
    /// Layer 1, the scope.
    Scope,
    /// The application's own policy.
    House,
    /// Layer 2, the endpoint's veto.
    Endpoint,
    /// The owner, or the limits on asking the owner.
    Owner,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Identity => "identity",
            Self::Scope => "scope",
            Self::House => "house policy",
            Self::Endpoint => "endpoint",
            Self::Owner => "owner",
        })
    }
}

/// Why, as a word for programs and ledgers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DenyCode {
    /// No rule says anything else.
    NoGrant,
    /// A rule denies it.
    ExplicitDeny,
    /// The rule that would let it pass begins later.
    NotYetValid,
    /// The rule that let it pass is over.
    Expired,
    /// The rule that let it pass is used up.
    BudgetExhausted,
    /// The operation has no canonical form, or is too large.
    Malformed,
    /// The identity is frozen.
    Frozen,
    /// Everything is frozen.
    KernelFrozen,
    /// The identity is retired.
    Retired,
    /// The owner ended the agent's right to ask.
    Dismissed,
    /// The agent, identity or mount belongs to another kernel.
    Foreign,
    /// The application's own policy forbids it.
    HouseRule(Code),
    /// The application's own policy failed, panicked or took too long.
    HouseFault(Code),
    /// The endpoint's veto.
    Endpoint(Code),
    /// The endpoint could not be asked: it panicked.
    EndpointFault,
    /// The owner already said no to exactly this.
    Rejected,
    /// Too many questions of this identity wait for the owner.
    QuestionLimit,
    /// The right to delegate does not reach so deep.
    DelegationDepth,
    /// What decided changed under the decision, again and again.
    Unsettled,
    /// What the agent acts because of permits nothing: it is over, or unknown.
    CauseOver,
    /// What the agent acts because of is limited by rules that count uses, which nothing counts.
    CauseMetered,
    /// The agent acts because of something already: it takes no other cause.
    CauseHeld,
    /// More rules ask or deny beneath it than are looked at: demand it in parts.
    TooWide,
}

impl fmt::Display for DenyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoGrant => "no grant covers it",
            Self::ExplicitDeny => "forbidden",
            Self::NotYetValid => "not yet valid",
            Self::Expired => "expired",
            Self::BudgetExhausted => "budget exhausted",
            Self::Malformed => "malformed operation",
            Self::Frozen => "the identity is frozen",
            Self::KernelFrozen => "everything is frozen",
            Self::Retired => "the identity is retired",
            Self::Dismissed => "the agent was dismissed",
            Self::Foreign => "the identity or the mount belongs to another kernel",
            Self::HouseRule(name) | Self::HouseFault(name) | Self::Endpoint(name) => name.as_str(),
            Self::EndpointFault => "the endpoint failed while it was asked",
            Self::Rejected => "the owner already said no to exactly this",
            Self::QuestionLimit => "too many open questions",
            Self::DelegationDepth => "delegated too deep",
            Self::Unsettled => "the policy kept changing",
            Self::CauseOver => "what it acts because of permits nothing, or no more",
            Self::CauseMetered => "what it acts because of is limited by rules that count uses",
            Self::CauseHeld => "it acts because of something already",
            Self::TooWide => "too many rules lie beneath it",
        })
    }
}

/// The rule that fails to let an operation pass in the fewest respects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NearMiss {
    /// What the rule is about.
    pub actions: Actions,
    /// In what it differs, in this order: resource or extent, action, window, budget.
    pub differs: Vec<Difference>,
    /// What the rule would have said.
    pub effect: Verdict,
    /// Where the rule holds.
    pub region: Region,
    /// Which rule.
    pub rule: RuleId,
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}", self.effect, self.actions, self.region)?;
        let mut parts = self.differs.iter();
        if let Some(first) = parts.next() {
            write!(f, ", but {first}")?;
        }
        parts.try_for_each(|part| write!(f, " and {part}"))
    }
}

/// One respect in which a rule does not fit an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Difference {
    /// The names part ways at this component, counted from 1.
    Resource {
        /// Which component.
        component: u16,
    },
    /// All beneath a thing is asked for, and the rule is about some of it.
    Extent,
    /// The rule is about other actions.
    Action,
    /// The rule is not there now.
    Window,
    /// The rule is used up.
    Budget,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { component } => write!(f, "the name differs at component {component}"),
            Self::Extent => f.write_str("that is not all beneath it"),
            Self::Action => f.write_str("that is another action"),
            Self::Window => f.write_str("outside its window"),
            Self::Budget => f.write_str("its budget is spent"),
        }
    }
}
