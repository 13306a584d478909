//! The application's own policy, as a file says it: it can only lower a verdict.
use std::sync::{Arc, Mutex, PoisonError};

use clawnet_core::{HouseFault, HousePolicy, HouseQuestion, Region, Restriction};
use serde::Deserialize;

/// House rules that a file may change at any time. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct HouseRules(Arc<Mutex<Vec<HouseRule>>>);

/// What the house says to what touches a region.
#[derive(Debug, Clone)]
pub(super) struct HouseRule {
    pub(super) region: Region,
    pub(super) says: Says,
}

/// What a house policy says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Says {
    Ask,
    Deny(String),
    /// It cannot tell, which denies.
    Fault(String),
}

impl HouseRules {
    pub(super) fn add(&self, rule: HouseRule) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }
}

impl HousePolicy for HouseRules {
    fn name(&self) -> &'static str {
        "house"
    }

    fn restrict(&self, asked: &HouseQuestion<'_>) -> Result<Restriction, HouseFault> {
        let rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let touched = |rule: &&HouseRule| {
            asked.demands.iter().any(|demand| rule.region.contains(demand.resource))
        };
        let mut said = Restriction::None;
        for rule in rules.iter().filter(touched) {
            match &rule.says {
                Says::Ask => said = Restriction::Ask,
                Says::Deny(reason) => return Ok(Restriction::Deny(reason.clone())),
                Says::Fault(what) => return Err(HouseFault(what.clone())),
            }
        }
        Ok(said)
    }
}
