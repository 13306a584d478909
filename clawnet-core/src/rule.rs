//! What an owner writes down: rules, and grants of them.
//!
//! A rule is a verdict over actions, a region, a window and a budget. Order has no meaning and
//! nothing is "more specific": a deny beats every allow it overlaps. A rule outside its window is
//! not there, whatever its effect, so a lapsing deny can raise a verdict: who means "for ever" sets
//! no window.
use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    id::GrantId,
    operation::{Action, UnknownAction},
    resource::Region,
    time::Timestamp,
};

/// What a rule says, and what the rules together decide. Ordered: `Deny < Ask < Allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a new verdict shall break every decision made on it")]
pub enum Verdict {
    /// No.
    Deny,
    /// Only with the owner's yes to exactly this operation.
    Ask,
    /// Yes.
    Allow,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        })
    }
}

/// A set of actions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<Action>", into = "Vec<Action>")]
pub struct Actions(u16);

impl Actions {
    /// The actions that see and change nothing: reading and listing.
    #[must_use]
    pub const fn look() -> Self {
        Self(Action::Read.bit() | Action::List.bit())
    }

    /// Whether `action` is among them.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    pub(crate) const fn bits(self) -> u16 {
        self.0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| self.contains(*action))
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        Self(action.bit())
    }
}

impl<const N: usize> From<[Action; N]> for Actions {
    fn from(actions: [Action; N]) -> Self {
        Self(actions.into_iter().fold(0, |bits, action| bits | action.bit()))
    }
}

impl From<Actions> for Vec<Action> {
    fn from(actions: Actions) -> Self {
        actions.iter().collect()
    }
}

impl TryFrom<Vec<Action>> for Actions {
    type Error = UnknownAction;

    fn try_from(actions: Vec<Action>) -> Result<Self, UnknownAction> {
        Ok(Self(actions.into_iter().fold(0, |bits, action| bits | action.bit())))
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Action::as_str).collect();
        f.pad(&words.join(", "))
    }
}

impl fmt::Debug for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// When a rule is there: from its start on, until before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl Window {
    /// Always.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// From `from` on.
    #[must_use]
    pub const fn from(from: Timestamp) -> Self {
        Self { from: Some(from), until: None }
    }

    /// Until before `until`.
    #[must_use]
    pub const fn until(until: Timestamp) -> Self {
        Self { from: None, until: Some(until) }
    }

    /// The moments in both. May be empty, which issuing a grant refuses.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { from: self.from.max(other.from), until }
    }

    /// Whether the rule is there at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && !self.is_over(now)
    }

    /// Whether it will never be there again after `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// The first moment it is there, and the first it is no longer.
    pub(crate) fn edges(self) -> (Timestamp, Option<Timestamp>) {
        (self.from.unwrap_or_default(), self.until)
    }

    fn is_empty(&self) -> bool {
        matches!((self.from, self.until), (Some(from), Some(until)) if from >= until)
    }
}

/// How often a rule may be used, altogether or per period. An operation is one use, however many of
/// its demands the rule covers. Counted with the intent and never given back: an effect that was
/// interrupted may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    per_ms: Option<u64>,
    uses: u32,
}

impl Budget {
    /// At most `uses` times, ever.
    #[must_use]
    pub const fn uses(uses: u32) -> Self {
        Self { per_ms: None, uses }
    }

    /// At most so many times in each period. Periods are counted from the epoch, in whole
    /// milliseconds; less than one is refused when the grant is issued.
    #[must_use]
    pub fn per(mut self, period: Duration) -> Self {
        self.per_ms = Some(Timestamp::default().after(period).as_millis());
        self
    }

    /// How many uses there are, and which period `now` is in.
    pub(crate) fn at(&self, now: Timestamp) -> (u32, u64) {
        let period = self.per_ms.map_or(0, |ms| now.as_millis().checked_div(ms).unwrap_or(0));
        (self.uses, period)
    }

    fn is_empty(&self) -> bool {
        self.uses == 0 || self.per_ms == Some(0)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.per_ms {
            Some(ms) => write!(f, "{} uses per {ms} ms", self.uses),
            None => write!(f, "{} uses", self.uses),
        }
    }
}

/// A verdict over actions, a region, a window and a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    actions: Actions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    budget: Option<Budget>,
    effect: Verdict,
    region: Region,
    #[serde(default, skip_serializing_if = "is_always")]
    window: Window,
}

impl Rule {
    /// The effect of `effect` on `actions` in `region`, always and as often as wanted.
    #[must_use]
    pub fn new(effect: Verdict, actions: impl Into<Actions>, region: Region) -> Self {
        Self { actions: actions.into(), budget: None, effect, region, window: Window::ALWAYS }
    }

    /// The same, but only in `window`.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        self.window = self.window.and(window);
        self
    }

    /// The same, but only so often. A budget on a deny is refused when the grant is issued.
    #[must_use]
    pub fn at_most(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// What it says.
    #[must_use]
    pub fn effect(&self) -> Verdict {
        self.effect
    }

    /// About which actions.
    #[must_use]
    pub fn actions(&self) -> Actions {
        self.actions
    }

    /// On what.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// When.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// How often.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.budget
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}", self.effect, self.actions, self.region)?;
        if let Some(from) = self.window.from {
            write!(f, " from {from}")?;
        }
        if let Some(until) = self.window.until {
            write!(f, " until {until}")?;
        }
        self.budget.map_or(Ok(()), |budget| write!(f, ", {budget}"))
    }
}

/// A set of rules to be issued to an identity, and revoked as one.
///
/// What no rule mentions is denied: there is no need to say so.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grant {
    rules: Vec<Rule>,
}

impl Grant {
    /// The most rules one grant may have.
    pub const RULES_MAX: usize = 4096;

    /// No rules yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a rule that allows.
    #[must_use]
    pub fn allow(self, actions: impl Into<Actions>, region: Region) -> Self {
        self.rule(Rule::new(Verdict::Allow, actions, region))
    }

    /// With a rule that asks the owner each time. It needs no allow beside it.
    #[must_use]
    pub fn ask(self, actions: impl Into<Actions>, region: Region) -> Self {
        self.rule(Rule::new(Verdict::Ask, actions, region))
    }

    /// With a rule that denies, whatever else is granted by the same grantor.
    #[must_use]
    pub fn deny(self, actions: impl Into<Actions>, region: Region) -> Self {
        self.rule(Rule::new(Verdict::Deny, actions, region))
    }

    /// With this rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Every rule so far only until before `until`.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        for rule in &mut self.rules {
            rule.window = rule.window.and(Window::until(until));
        }
        self
    }

    /// Its rules, in the order they were named.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether it may be issued at `now`.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), GrantError> {
        if self.rules.is_empty() || self.rules.len() > Self::RULES_MAX {
            return Err(GrantError::RuleCount { count: self.rules.len() });
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let wrong = |what| Err(GrantError::Rule { index, what });
            if rule.actions.0 == 0 {
                return wrong(RuleError::NoActions);
            }
            if rule.window.is_empty() {
                return wrong(RuleError::WindowEmpty);
            }
            if rule.window.is_over(now) {
                return wrong(RuleError::WindowPast);
            }
            match rule.budget {
                Some(_) if rule.effect == Verdict::Deny => return wrong(RuleError::BudgetOnDeny),
                Some(budget) if budget.is_empty() => return wrong(RuleError::BudgetEmpty),
                Some(_) | None => {}
            }
        }
        Ok(())
    }
}

/// Which rule of which grant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct RuleId {
    /// The grant it was issued in.
    pub grant: GrantId,
    /// Its place in the grant, from 0.
    pub index: u16,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.grant, self.index)
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for RuleId {
    type Err = NotARuleId;

    fn from_str(text: &str) -> Result<Self, NotARuleId> {
        let (grant, index) = text.split_once('#').ok_or(NotARuleId)?;
        let grant = grant.parse().map_err(|_| NotARuleId)?;
        Ok(Self { grant, index: index.parse().map_err(|_| NotARuleId)? })
    }
}

impl Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RuleId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text is not a grant's identifier, `#` and a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a rule identifier of the form `grt_…#0`")]
pub struct NotARuleId;

/// Why a grant was not issued. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// It has no rules, or more than [`Grant::RULES_MAX`].
    #[error("a grant has between 1 and {} rules, not {count}", Grant::RULES_MAX)]
    RuleCount {
        /// How many it has.
        count: usize,
    },
    /// One of its rules can never do what it says.
    #[error("rule {index} of the grant {what}")]
    Rule {
        /// Its place in the grant, from 0.
        index: usize,
        /// What is wrong with it.
        what: RuleError,
    },
}

/// Why a rule can never do what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It is about no action.
    #[error("names no action")]
    NoActions,
    /// Its window ends before or when it begins.
    #[error("has an empty window")]
    WindowEmpty,
    /// Its window is over.
    #[error("has a window that is over")]
    WindowPast,
    /// Its budget is zero, or counted per less than a millisecond.
    #[error("has an empty budget")]
    BudgetEmpty,
    /// A deny that runs out would be an allow in disguise.
    #[error("denies, and so cannot have a budget")]
    BudgetOnDeny,
}

fn is_always(window: &Window) -> bool {
    *window == Window::ALWAYS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule::new(Verdict::Ask, Action::Write, Region::subtree("fs:/a").unwrap())
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn windows_are_half_open() {
        let window = Window::from(at(10)).and(Window::until(at(20)));
        let holds: Vec<_> = [9, 10, 19, 20].map(|now| window.holds(at(now))).into();
        assert_eq!(holds, [false, true, true, false]);
    }

    #[test]
    fn a_rule_that_can_do_nothing_is_not_issued() {
        let check = |rule: Rule, expect| {
            let what = Grant::new().rule(rule).check(at(100)).map_err(|error| match error {
                GrantError::Rule { index: 0, what } => what,
                GrantError::Rule { .. } | GrantError::RuleCount { .. } => panic!("{error}"),
            });
            assert_eq!(what, expect);
        };
        check(rule(), Ok(()));
        check(rule().within(Window::until(at(100))), Err(RuleError::WindowPast));
        let empty = Window::from(at(200)).and(Window::until(at(200)));
        check(rule().within(empty), Err(RuleError::WindowEmpty));
        check(rule().at_most(Budget::uses(0)), Err(RuleError::BudgetEmpty));
        let blink = Budget::uses(1).per(Duration::from_micros(10));
        check(rule().at_most(blink), Err(RuleError::BudgetEmpty));
        let deny = Rule::new(Verdict::Deny, Action::Read, Region::whole_volume().unwrap());
        check(deny.at_most(Budget::uses(1)), Err(RuleError::BudgetOnDeny));
        check(Rule { actions: Actions(0), ..rule() }, Err(RuleError::NoActions));
        assert_eq!(Grant::new().check(at(0)), Err(GrantError::RuleCount { count: 0 }));
    }

    #[test]
    fn rules_round_trip_and_unknown_fields_are_refused() {
        let rule = rule().within(Window::until(at(5))).at_most(Budget::uses(2));
        let text = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&text).unwrap(), rule);
        let odd = text.replace("\"effect\"", "\"efect\"");
        assert!(serde_json::from_str::<Rule>(&odd).is_err());
        assert!(serde_json::from_str::<Rule>(&text.replace("write", "wirte")).is_err());
        assert!(serde_json::from_str::<Rule>(&text.replace("fs:/a", "fs:/a/..")).is_err());
    }
}
