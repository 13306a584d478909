//! A projection for tests: errands that an owner sends agents on, within rules, and what was
//! counted meanwhile.
use std::collections::BTreeMap;

use clawnet_core::{
    About, Actor, Cause, Claim, Confinement, Event, Grant, Misfit, OwnerId, Projection,
};
use serde::{Deserialize, Serialize};

/// Which errands are open, and what was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Errands {
    /// By name: since which record, and within which rules, each with the record it rests on.
    pub open: BTreeMap<String, (u64, Vec<(u64, Grant)>)>,
    /// The sum of what was counted.
    pub counted: u64,
    /// How many records that are no facts there were.
    pub seen: u64,
    /// The last record that was told of.
    pub last: u64,
}

/// What is told of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::exhaustive_enums, reason = "tests say each of them")]
pub enum Errand {
    /// One begins, or goes on within other rules.
    Begun {
        /// Its name.
        name: String,
        /// All of these limit it.
        within: Vec<Grant>,
    },
    /// So many were counted; never none.
    Counted {
        /// How many.
        count: u64,
    },
    /// One is over.
    Over {
        /// Its name.
        name: String,
    },
}

/// The cause that an errand is.
#[must_use]
pub fn errand(name: &str, number: u64) -> Option<Cause> {
    Cause::new(Errands::NAME, name, number).ok()
}

impl Projection for Errands {
    const NAME: &'static str = "errands";
    type Fact = Errand;

    fn begin(_: OwnerId) -> Self {
        Self { open: BTreeMap::new(), counted: 0, seen: 0, last: 0 }
    }

    fn claims(&self, _: &Errand, _: Actor) -> Result<Vec<Claim>, Misfit> {
        Ok(Vec::new())
    }

    fn check(&self, fact: &Errand, _: &About<'_>) -> Result<(), Misfit> {
        match fact {
            Errand::Over { name } if !self.open.contains_key(name) => {
                Err(Misfit::new("unknown", "there is no such errand"))
            }
            Errand::Counted { count: 0 } => Err(Misfit::new("nothing", "nothing was counted")),
            Errand::Begun { .. } | Errand::Counted { .. } | Errand::Over { .. } => Ok(()),
        }
    }

    fn fold(&mut self, fact: &Errand, about: &About<'_>) {
        self.last = about.sequence();
        match fact {
            Errand::Begun { name, within } => {
                let rules = within.iter().map(|rules| (self.last, rules.clone())).collect();
                self.open.insert(name.clone(), (self.last, rules));
            }
            Errand::Counted { count } => self.counted = self.counted.saturating_add(*count),
            Errand::Over { name } => drop(self.open.remove(name)),
        }
    }

    fn observe(&mut self, _: &Event, about: &About<'_>) {
        self.last = about.sequence();
        self.seen = self.seen.saturating_add(1);
    }

    fn confine(&self, cause: &Cause) -> Option<Confinement> {
        let (epoch, mandates) = self.open.get(cause.name())?.clone();
        Some(Confinement { epoch, mandates })
    }

    fn confined(&self, cause: &Cause) -> Option<u64> {
        self.open.get(cause.name()).map(|(epoch, _)| *epoch)
    }
}
