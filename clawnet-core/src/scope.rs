//! Layer 1: may this identity do this, now?
//!
//! ```text
//! mandate(op) = over the rules that match (action, resource) and whose window holds now:
//!               any Deny -> Deny;  else any Ask -> Ask;  else any Allow -> Allow;  else Deny
//!               budget spent: that Allow is not there, that Ask is a Deny
//! scope(op)   = the minimum over its mandates, and over the operation's demands
//! mandate(a tree) = the minimum over everything that is or could be in it
//! ```
//!
//! A scope is a chain of mandates, the owner's first; delegating appends one. The minimum cannot
//! exceed any member, so delegation narrows **by construction**, not by a check that could be
//! wrong. Judging is pure: no clock, no lock, no budget spent, and it proves nothing.
use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use crate::{
    cause::Confinement,
    denial::{Denial, DenyCode, Layer, NearMiss},
    id::{GrantId, IdentityId, OwnerId},
    operation::{Action, Demand, Demands},
    resource::{Region, Resource},
    rule::{RuleId, Verdict},
    time::Timestamp,
};

mod mandate;
mod meter;
mod survey;

pub(crate) use mandate::{Held, Mandate};
pub(crate) use meter::Meter;

/// A chain of mandates: immutable, shared, compared by its epoch.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Scope {
    /// Counts every change to the chain, so that a decision can be told from a stale one.
    pub(crate) epoch: u64,
    /// Why nothing at all is let through, if so.
    pub(crate) barred: Option<DenyCode>,
    /// The owner's first. An empty chain denies.
    pub(crate) mandates: SmallVec<[Arc<Mandate>; 2]>,
    /// What limits it because of a cause: these mandates come first.
    pub(crate) confining: Confining,
}

/// Mandates of a confinement, at the front of a scope.
#[derive(Debug, Clone, Default)]
pub(crate) struct Confining {
    /// The confinement's epoch, if there is one.
    pub(crate) epoch: Option<u64>,
    /// The record each of them rests on.
    records: SmallVec<[u64; 2]>,
}

/// What layer 1 says about one operation at one moment. It proves nothing and runs nothing: only
/// submitting the operation does, and judges it again.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judgement {
    /// The minimum over all demands and mandates.
    pub verdict: Verdict,
    /// Why it is [`Verdict::Deny`], if it is.
    pub code: Option<DenyCode>,
    /// The rule that denies; or one rule per demand and mandate, which together suffice.
    pub rules: SmallVec<[RuleId; 2]>,
    /// Where it was denied: the place of the demand and of the mandate.
    pub(crate) at: (usize, usize),
}

impl Scope {
    /// The same, under a confinement too. One that permits nothing has no mandates, or counts uses.
    pub(crate) fn confined(
        &self,
        owner: OwnerId,
        confinement: &Confinement,
    ) -> Result<Self, DenyCode> {
        if confinement.mandates.is_empty() {
            return Err(DenyCode::CauseOver);
        }
        if confinement.is_metered() {
            return Err(DenyCode::CauseMetered);
        }
        let mut confining = Confining { epoch: Some(confinement.epoch), ..Confining::default() };
        let mut mandates = SmallVec::new();
        for (nth, (issued, rules)) in (CONFINING..).zip(&confinement.mandates) {
            // No grant of this ledger's has this identifier: those end with 0 and 1.
            let grant = GrantId::made_at(owner, *issued, nth);
            let held = (0..).zip(rules.rules()).map(|(index, rule)| Held {
                id: RuleId { grant, index },
                issued: *issued,
                rule: rule.clone(),
                meter: None,
            });
            mandates.push(Arc::new(Mandate::compile(None, held.collect())));
            confining.records.push(*issued);
        }
        mandates.extend(self.mandates.iter().cloned());
        Ok(Self { epoch: self.epoch, barred: self.barred.clone(), mandates, confining })
    }

    /// The rule of this module's page.
    pub(crate) fn judge(&self, demands: &Demands<'_>, now: Timestamp) -> Judgement {
        self.judge_at(demands, now.into())
    }

    /// The same, where some budgets are paid for already.
    pub(crate) fn judge_at(&self, demands: &Demands<'_>, at: Moment<'_>) -> Judgement {
        let mut judgement =
            Judgement { verdict: Verdict::Allow, code: None, rules: SmallVec::new(), at: (0, 0) };
        if let Some(code) = &self.barred {
            return judgement.denied(code.clone(), None);
        }
        if self.mandates.is_empty() {
            return judgement.denied(DenyCode::NoGrant, None);
        }
        for (nth_demand, demand) in demands.iter().enumerate() {
            for (nth_mandate, mandate) in self.mandates.iter().enumerate() {
                judgement.at = (nth_demand, nth_mandate);
                match mandate.judge(*demand, at) {
                    Finding::Pass(verdict, rules) => {
                        judgement.verdict = judgement.verdict.min(verdict);
                        // A confinement's rules are no grants, and count nothing.
                        if nth_mandate >= self.confining.records.len() {
                            judgement.use_rules(rules);
                        }
                    }
                    Finding::Deny(code, rule) => return judgement.denied(code, rule),
                }
            }
        }
        judgement
    }

    /// The denial a judgement amounts to. Slower than judging, and bounded: the near miss is looked
    /// for among the neighbours of what was asked, never among all rules.
    pub(crate) fn denial(
        &self,
        judgement: &Judgement,
        demands: &Demands<'_>,
        now: Timestamp,
    ) -> Denial {
        let code = judgement.code.clone().unwrap_or(DenyCode::NoGrant);
        let layer = if self.barred.is_some() { Layer::Identity } else { Layer::Scope };
        let near_miss = if self.barred.is_some() || code == DenyCode::ExplicitDeny {
            None
        } else {
            self.near_miss(judgement.at, demands, now)
        };
        let above = judgement.at.1 + 1 < self.mandates.len();
        let near_miss = near_miss.map(Box::new);
        let denial = Denial { near_miss, above, ..Denial::of(layer, code) };
        let confining = self.confining.records.get(judgement.at.1);
        match confining.filter(|_| self.barred.is_none()) {
            // The identity's scope may let it pass.
            Some(record) => denial.because(format_args!("confined by record {record}")),
            None => Denial { rule: judgement.rules.last().copied(), ..denial },
        }
    }

    fn near_miss(
        &self,
        at: (usize, usize),
        demands: &Demands<'_>,
        now: Timestamp,
    ) -> Option<NearMiss> {
        self.mandates.get(at.1)?.near_miss(*demands.iter().nth(at.0)?, now)
    }

    /// One mandate after the other, for people.
    pub(crate) fn explain(&self, demand: Demand<'_>, now: Timestamp) -> Vec<Explained> {
        let each = self.mandates.iter().map(|mandate| {
            let verdict = match mandate.judge(demand, now.into()) {
                Finding::Pass(verdict, _) => verdict,
                Finding::Deny(..) => Verdict::Deny,
            };
            let matching = mandate.matching(demand, now);
            let silent = verdict == Verdict::Deny && matching.is_empty() && self.barred.is_none();
            let near_miss = if silent { mandate.near_miss(demand, now) } else { None };
            Explained { grantor: mandate.grantor, verdict, matching, near_miss }
        });
        each.collect()
    }

    /// Every zone in which the verdict is one, after the minimum over the chain.
    pub(crate) fn survey(&self, now: Timestamp) -> Vec<Ability> {
        if self.barred.is_some() { Vec::new() } else { survey::abilities(self, now) }
    }
}

/// What a confinement's mandates are named after, beside their record: the first of them.
const CONFINING: u32 = 2;

/// When something is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment<'m> {
    pub(crate) now: Timestamp,
    /// Rules a use of which is counted already: to these it does not matter what is left.
    pub(crate) paid: &'m [RuleId],
}

impl From<Timestamp> for Moment<'_> {
    fn from(now: Timestamp) -> Self {
        Self { now, paid: &[] }
    }
}

impl Judgement {
    /// A rule is used once by an operation, however many of its demands it covers.
    fn use_rules(&mut self, rules: Rules) {
        for rule in rules {
            if !self.rules.contains(&rule) {
                self.rules.push(rule);
            }
        }
    }

    fn denied(mut self, code: DenyCode, rule: Option<RuleId>) -> Self {
        self.verdict = Verdict::Deny;
        self.code = Some(code);
        self.rules.clear();
        self.rules.extend(rule);
        self
    }
}

/// What one mandate says about one demand.
pub(crate) enum Finding {
    Pass(Verdict, Rules),
    Deny(DenyCode, Option<RuleId>),
}

/// The rules that let a demand pass: one, or every ask that counts uses.
pub(crate) type Rules = SmallVec<[RuleId; 1]>;

/// What one mandate says about one demand, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// Who granted: an identity that delegated, or none for the owner.
    pub grantor: Option<IdentityId>,
    /// What this mandate alone says.
    pub verdict: Verdict,
    /// Every rule about this action on this resource, those outside their window or used up too.
    pub matching: Vec<Matching>,
    /// The nearest rule that does not fit, if none does.
    pub near_miss: Option<NearMiss>,
}

/// A rule about this action on this resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Matching {
    /// Which.
    pub rule: RuleId,
    /// Its text.
    pub text: String,
    /// Whether it is there now.
    pub state: RuleState,
}

/// Whether a rule is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleState {
    /// It is.
    InForce,
    /// Its window has not begun.
    NotYet,
    /// Its window is over. A lapsed deny no longer denies.
    Lapsed,
    /// Its budget is spent.
    Spent,
}

impl fmt::Display for RuleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::InForce => "in force",
            Self::NotYet => "not yet",
            Self::Lapsed => "lapsed",
            Self::Spent => "spent",
        })
    }
}

/// What an identity can do in one zone, and everywhere in it alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Ability {
    /// Where. Zones beneath it that have a verdict of their own are listed apart.
    pub region: Region,
    /// What is done.
    pub action: Action,
    /// What the whole chain says.
    pub verdict: Verdict,
}

/// Whether an identity can do one thing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Capable {
    /// Who.
    pub identity: IdentityId,
    /// The name the owner gave it.
    pub name: String,
    /// What its scope says: [`Verdict::Ask`] or [`Verdict::Allow`].
    pub verdict: Verdict,
}

/// The parts of `asked` and `ruled` that are equal from the front, counted from 1 to the first
/// that is not.
fn first_difference(asked: &Resource, ruled: &Resource) -> u16 {
    let split = |resource: &Resource| {
        let ends: Vec<usize> = resource.prefixes().map(|prefix| prefix.end).collect();
        let starts = std::iter::once(0).chain(ends.clone());
        let parts = starts.zip(ends).map(|(from, to)| resource.key().get(from..to));
        parts.map(|part| part.unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let (asked, ruled) = (split(asked), split(ruled));
    let equal = asked.iter().zip(&ruled).take_while(|(a, b)| a == b).count();
    // A path's first prefix is the root, which is no component.
    let root = usize::from(asked.first().is_some_and(|first| first.ends_with(':')));
    u16::try_from((equal + 1).saturating_sub(root)).unwrap_or(u16::MAX)
}
