//! What going back over a change does, as the operation says it and layer 1 judges it.
use clawnet_core::{Action, Demands};
use serde::{Deserialize, Serialize};

use crate::{
    image::Image,
    path::FsPath,
    refusal::FsError,
    step::{Step, Trade, passed_on},
};

/// What taking a change back does. At least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Need>", into = "Vec<Need>")]
pub struct Needs {
    first: Need,
    others: Vec<Need>,
}

/// One thing taking a change back does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Need {
    /// What is done.
    pub action: Action,
    /// To what.
    pub path: FsPath,
    /// And to everything beneath it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tree: bool,
}

impl Needs {
    /// What these steps do, in the order they are made.
    pub(crate) fn of(steps: impl Iterator<Item = Step>) -> Result<Self, FsError> {
        let mut needs: Vec<Need> = Vec::new();
        let steps: Vec<Step> = steps.collect();
        for (nth, step) in steps.iter().enumerate() {
            // Read, too, as of a move: what comes to another place may be read there.
            let from = step.from().or_else(|| passed_on(&steps, nth, step));
            let tree = step.trade.after().is_some_and(Image::holds);
            let read = from.map(|from| Need { action: Action::Read, path: from.clone(), tree });
            for need in of_step(step).into_iter().chain(read) {
                if !needs.contains(&need) {
                    needs.push(need);
                }
            }
        }
        needs.try_into().map_err(|_| FsError::NotReversible)
    }

    /// Each of them, in the order they are done.
    pub fn iter(&self) -> impl Iterator<Item = &Need> {
        std::iter::once(&self.first).chain(&self.others)
    }

    pub(crate) fn demands(&self) -> Demands<'_> {
        let first = if self.first.tree {
            Demands::tree(self.first.action, self.first.path.resource())
        } else {
            Demands::one(self.first.action, self.first.path.resource())
        };
        self.others.iter().fold(first, |all, need| need.add_to(all))
    }
}

impl Need {
    pub(crate) fn add_to<'n>(&'n self, all: Demands<'n>) -> Demands<'n> {
        let (action, resource) = (self.action, self.path.resource());
        if self.tree { all.and_tree(action, resource) } else { all.and(action, resource) }
    }
}

impl TryFrom<Vec<Need>> for Needs {
    type Error = FsError;

    fn try_from(needs: Vec<Need>) -> Result<Self, FsError> {
        let mut needs = needs.into_iter();
        let first = needs.next().ok_or(FsError::InvalidRequest("going back needs something"))?;
        Ok(Self { first, others: needs.collect() })
    }
}

impl From<Needs> for Vec<Need> {
    fn from(needs: Needs) -> Self {
        std::iter::once(needs.first).chain(needs.others).collect()
    }
}

fn of_step(step: &Step) -> Vec<Need> {
    let need = |action, path: &FsPath, tree| Need { action, path: path.clone(), tree };
    let path = &step.path;
    match &step.trade {
        Trade::Exchange { before, after } => {
            vec![need(Action::Write, path, before.holds() || after.holds())]
        }
        Trade::Place { after } => vec![need(Action::Write, path, after.holds())],
        Trade::Take { before } => vec![need(Action::Delete, path, before.holds())],
        Trade::Shift { from, after } => {
            let tree = after.holds();
            vec![need(Action::Delete, from, tree), need(Action::Write, path, tree)]
        }
    }
}
