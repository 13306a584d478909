//! Rules and demands as a file writes them: with names, and with times people can read.
use clawnet_core::{Action, Actions, Budget, Grant, Region, Resource, Rule, Verdict, Window};
use serde::Deserialize;

use super::{moment::Moment, name::Names, trouble::Trouble};

/// A rule of a grant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleText {
    effect: Verdict,
    actions: Vec<Action>,
    region: RegionText,
    window: Option<WindowText>,
    budget: Option<BudgetText>,
}

/// A set of resources.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum RegionText {
    Exact(String),
    Subtree(String),
    WholeVolume,
}

/// When a rule is there, in times since the world's beginning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowText {
    from: Option<Moment>,
    until: Option<Moment>,
}

/// How often a rule may be used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetText {
    uses: u32,
    per_ms: Option<Moment>,
}

/// An action on a resource: `["write", "fs:/work/a"]`.
#[derive(Debug, Deserialize)]
pub(super) struct DemandText(Action, String);

impl RegionText {
    pub(super) fn read(&self, names: &Names) -> Result<Region, Trouble> {
        Ok(match self {
            Self::Exact(text) => Region::Exact(names.resource(text)?),
            Self::Subtree(text) => Region::subtree(names.resource(text)?.as_str())?,
            Self::WholeVolume => Region::whole_volume()?,
        })
    }
}

impl RuleText {
    fn read(&self, names: &Names) -> Result<Rule, Trouble> {
        let actions = Actions::try_from(self.actions.clone());
        let actions = actions.map_err(|error| Trouble::said(&error))?;
        let mut rule = Rule::new(self.effect, actions, self.region.read(names)?);
        if let Some(WindowText { from, until }) = &self.window {
            if let Some(from) = from {
                rule = rule.within(Window::from(from.as_timestamp()));
            }
            if let Some(until) = until {
                rule = rule.within(Window::until(until.as_timestamp()));
            }
        }
        if let Some(BudgetText { uses, per_ms }) = &self.budget {
            let budget = Budget::uses(*uses);
            rule = rule.at_most(match per_ms {
                Some(period) => budget.per(period.as_duration()),
                None => budget,
            });
        }
        Ok(rule)
    }
}

/// The grant that these rules make.
pub(super) fn grant(rules: &[RuleText], names: &Names) -> Result<Grant, Trouble> {
    rules.iter().try_fold(Grant::new(), |grant, rule| Ok(grant.rule(rule.read(names)?)))
}

/// The demands that these texts make.
pub(super) fn demands(
    demands: &[DemandText],
    names: &Names,
) -> Result<Vec<(Action, Resource)>, Trouble> {
    demands.iter().map(|DemandText(action, text)| Ok((*action, names.resource(text)?))).collect()
}
