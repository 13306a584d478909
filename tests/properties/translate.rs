//! The model's values as the kernel's. What the kernel refuses to issue because it could never do
//! what it says is replaced by what it amounts to; the model is never changed to fit, but for
//! contacts, which have no parts in the kernel.
use std::{fmt::Write as _, time::Duration};

use clawnet_core::{
    Action, Actions, Budget, Grant, Region, Resource, Rule, Timestamp, Verdict, Window,
};
use clawnet_tests::model::{
    generate::Request,
    oracle::{self, Effect, Mandate},
};

use super::bench::Wanted;

/// The model's chain, as far as the kernel can say it.
pub(super) fn normal_chain(chain: &[Mandate]) -> Vec<Mandate> {
    let link = |mandate: &Mandate| Mandate { rules: mandate.rules.iter().map(normal).collect() };
    chain.iter().map(link).collect()
}

/// The same rule, with a contact of one part.
pub(super) fn normal(rule: &oracle::Rule) -> oracle::Rule {
    use oracle::Region::{Exact, Subtree};
    let region = match &rule.region {
        Subtree(top) => Subtree(normal_resource(top)),
        Exact(one) => Exact(normal_resource(one)),
    };
    oracle::Rule { region, ..rule.clone() }
}

pub(super) fn normal_resource(resource: &oracle::Resource) -> oracle::Resource {
    let mut resource = resource.clone();
    if resource.kind == "contact" {
        resource.parts = vec![resource.parts.join(".")];
    }
    resource
}

/// A demand as the kernel reads it, or nothing if it refuses the text. A path is read by the
/// kernel's own parser; other names are spelled in its alphabet first.
pub(super) fn request(request: &Request) -> Option<Wanted> {
    let action = request.action.parse().ok()?;
    if request.kind == "fs" {
        return Some((action, format!("fs:{}", request.text).parse().ok()?, request.tree));
    }
    let parts: Vec<&str> = request.text.split('/').collect();
    Some((action, resource(&oracle::Resource::new(&request.kind, &parts))?, request.tree))
}

/// The same demand for the model, unless it refuses the path.
pub(super) fn normal_demand(request: &Request) -> Option<oracle::Demand> {
    let demand = request.demand()?;
    Some(oracle::Demand { resource: normal_resource(&demand.resource), ..demand })
}

/// A demand the model has read.
pub(super) fn demand(demand: &oracle::Demand) -> Option<Wanted> {
    Some((demand.action.parse().ok()?, resource(&demand.resource)?, demand.tree))
}

/// A resource in the kernel's spelling: two differ exactly if the model's do.
pub(super) fn resource(resource: &oracle::Resource) -> Option<Resource> {
    let resource = normal_resource(resource);
    let kind = resource.kind.as_str();
    let mut parts: Vec<String> = resource.parts.iter().map(|part| spell(kind, part)).collect();
    let separator = match kind {
        "tool" | "net" => ".",
        "fs" => return format!("fs:/{}", resource.parts.join("/")).parse().ok(),
        _ => "/",
    };
    if kind == "net" {
        parts.reverse();
    }
    format!("{kind}:{}", parts.join(separator)).parse().ok()
}

fn spell(kind: &str, part: &str) -> String {
    let mut spelled = if part.is_empty() { "__".to_owned() } else { String::new() };
    for c in part.chars() {
        if c == '-' || c.is_ascii_alphanumeric() && !(kind == "net" && c.is_ascii_uppercase()) {
            spelled.push(c);
        } else {
            write!(spelled, "_{:x}_", u32::from(c)).unwrap();
        }
    }
    spelled
}

/// A grant of `rules`, issued at `now`, and for each of its rules the model's name of it.
pub(super) fn grant(rules: &[oracle::Rule], now: u64) -> (Grant, Vec<oracle::RuleId>) {
    let kept: Vec<_> = rules.iter().filter_map(|of| Some((rule(of, now)?, of.id))).collect();
    let (kept, ids): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
    if kept.is_empty() {
        // A grant that grants nothing is still an act, after which earlier approvals are void.
        return (Grant::new().deny(Action::Deploy, Region::exact("env:nowhere").unwrap()), ids);
    }
    (kept.into_iter().fold(Grant::new(), Grant::rule), ids)
}

/// The rule, unless there is no moment after `now` at which it says anything.
pub(super) fn rule(rule: &oracle::Rule, now: u64) -> Option<Rule> {
    let oracle::Window { from, until } = rule.window;
    if until.is_some_and(|until| until <= from.unwrap_or(0).max(now)) {
        return None;
    }
    let spent = rule.budget.is_some_and(|budget| budget.limit == 0);
    let effect = match rule.effect {
        Effect::Allow if spent => return None,
        Effect::Allow => Verdict::Allow,
        Effect::Ask if spent => Verdict::Deny,
        Effect::Ask => Verdict::Ask,
        Effect::Deny => Verdict::Deny,
    };
    let actions: Vec<Action> = rule.actions.iter().map(|action| action.parse().unwrap()).collect();
    let actions = Actions::try_from(actions).unwrap();
    let at = Timestamp::from_millis;
    let from = from.map_or(Window::ALWAYS, |from| Window::from(at(from)));
    let until = until.map_or(Window::ALWAYS, |until| Window::until(at(until)));
    let made = Rule::new(effect, actions, region(&rule.region)).within(from.and(until));
    let budget = rule.budget.filter(|_| effect != Verdict::Deny).map(|budget| {
        let uses = Budget::uses(budget.limit);
        budget.per_ms.map_or(uses, |per_ms| uses.per(Duration::from_millis(per_ms)))
    });
    Some(match budget {
        Some(budget) => made.at_most(budget),
        None => made,
    })
}

pub(super) fn region(region: &oracle::Region) -> Region {
    match region {
        oracle::Region::Subtree(top) => Region::Subtree(resource(top).unwrap()),
        oracle::Region::Exact(one) => Region::Exact(resource(one).unwrap()),
    }
}

pub(super) fn verdict(verdict: oracle::Verdict) -> Verdict {
    match verdict {
        oracle::Verdict::Deny => Verdict::Deny,
        oracle::Verdict::Ask => Verdict::Ask,
        oracle::Verdict::Allow => Verdict::Allow,
    }
}
