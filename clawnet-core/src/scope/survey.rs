//! What can this identity do? Every zone with one verdict, from the same index that judges.
//!
//! The verdict on a resource depends only on which rules' regions it is in, so it is constant in
//! each zone: on the very resource a rule names, and on what lies beneath a subtree's root and no
//! other rule names. Judging one member of each zone therefore answers for all of it.
use std::collections::BTreeMap;

use super::{Ability, Finding, Scope, mandate::Place};
use crate::{
    operation::{Action, Demand},
    resource::{Region, Resource},
    rule::Verdict,
    time::Timestamp,
};

pub(super) fn abilities(scope: &Scope, now: Timestamp) -> Vec<Ability> {
    let mut zones = BTreeMap::new();
    for rule in scope.mandates.iter().flat_map(|mandate| mandate.rules()) {
        for action in rule.actions().iter() {
            let key = (action, rule.region().clone());
            zones.entry(key).or_insert_with_key(|(_, region)| verdict(scope, action, region, now));
        }
    }
    let shown = zones.iter().filter(|((action, region), verdict)| {
        enclosing(&zones, *action, region).unwrap_or(Verdict::Deny) != **verdict
    });
    let each = shown.map(|((action, region), verdict)| Ability {
        region: region.clone(),
        action: *action,
        verdict: *verdict,
    });
    let mut abilities: Vec<_> = each.collect();
    abilities.sort();
    abilities
}

fn verdict(scope: &Scope, action: Action, region: &Region, now: Timestamp) -> Verdict {
    let place = match region {
        Region::Exact(_) => Place::Here,
        Region::Subtree(_) => Place::Below,
    };
    let demand = Demand::on(action, region.root());
    let each =
        scope.mandates.iter().map(|mandate| match mandate.judge_at(demand, place, now.into()) {
            Finding::Pass(verdict, _) => verdict,
            Finding::Deny(..) => Verdict::Deny,
        });
    each.min().unwrap_or(Verdict::Deny)
}

/// The verdict of the next larger zone around `region`, if a rule names one.
fn enclosing(
    zones: &BTreeMap<(Action, Region), Verdict>,
    action: Action,
    region: &Region,
) -> Option<Verdict> {
    let own = match region {
        Region::Exact(root) => Some(root.clone()),
        Region::Subtree(root) => root.parent(),
    };
    let mut above: Option<Resource> = own;
    while let Some(root) = above {
        above = root.parent();
        if let Some(verdict) = zones.get(&(action, Region::Subtree(root))) {
            return Some(*verdict);
        }
    }
    None
}
