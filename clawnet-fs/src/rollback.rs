//! `fs.rollback`: many changes taken back as one, newest first, after saying what that would do.
use std::collections::BTreeSet;

use clawnet_core::{
    Action, Admission, Authorized, Caller, Code, Demands, Denial, Effect, Endpoint, Fault,
    Operation, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    journal::{Change, Journal, State},
    need::{Need, Needs},
    node::{Changing, Node},
    path::FsPath,
    refusal::{FsError, within},
    reversal::{Reversal, needs_of},
    sight::Sight,
    step::Step,
};

mod selection;

pub use selection::Selection;

use selection::Chosen;

/// Takes back many changes of the caller's own identity.
///
/// It looks first, unless it is told otherwise: a *dry run* tells every change it would take back,
/// why each cannot be, and, if all can, the operation to submit. That one says what every reversal
/// needs, so that layer 1 judges every path under today's rules.
///
/// **Promises** that nothing moves unless every reversal fits: what is there is what the changes
/// left, and what was kept is what was put away, each looked at as it will be after the steps before
/// it. Then it is one change: all of it or nothing, after a crash too, though others may see it half
/// way while it runs. A person's files that no change recorded are never touched. **Refuses** more
/// than [`Rollback::REVERSALS_MAX`] reversals, or more than one operation can demand, as a whole.
/// To take back only a part is the caller's choice: submit fewer of the reversals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rollback {
    /// Only what touches something beneath it. What reaches beyond it too is not taken back.
    pub below: FsPath,
    /// Which changes.
    pub by: Selection,
    /// Whether it only tells what it would do.
    #[serde(default = "dry_run")]
    pub dry_run: bool,
    /// What to take back, newest first. A dry run without any looks for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undoes: Vec<Back>,
}

const fn dry_run() -> bool {
    true
}

/// One change to take back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Back {
    /// Its intent.
    pub intent: u64,
    /// What going back over it does.
    pub needs: Needs,
    /// If it took back several changes itself: only these of them, in order. All, if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<u64>,
}

impl Back {
    /// Takes back what was done at `intent`. The needs are those that a dry run tells.
    #[must_use]
    pub fn new(intent: u64, needs: Needs) -> Self {
        Self { intent, needs, only: Vec::new() }
    }

    /// Of a change that took back several, only these, in order.
    #[must_use]
    pub fn only(self, only: Vec<u64>) -> Self {
        Self { only, ..self }
    }

    fn reversal(&self) -> Reversal<'_> {
        Reversal { intent: self.intent, needs: &self.needs, only: &self.only, again: false }
    }
}

impl Rollback {
    /// The most changes one rollback takes back.
    pub const REVERSALS_MAX: u32 = 100;
    /// The most things one operation can touch, as layer 1 judges it.
    pub const DEMANDS_MAX: u32 = 128;
    /// The most bytes the operation can have as text.
    pub const TEXT_BYTES_MAX: u64 = 64 * 1024;

    /// Tells what taking back would do.
    #[must_use]
    pub fn look(below: FsPath, by: Selection) -> Self {
        Self { below, by, dry_run: true, undoes: Vec::new() }
    }

    /// Takes back exactly these, newest first.
    #[must_use]
    pub fn run(self, undoes: Vec<Back>) -> Self {
        Self { dry_run: false, undoes, ..self }
    }

    /// Tells what taking back exactly these would do.
    #[must_use]
    pub fn look_at(self, undoes: Vec<Back>) -> Self {
        Self { dry_run: true, undoes, ..self }
    }

    fn limits(&self) -> Result<(), FsError> {
        within("a rollback", self.undoes.len() as u64, Self::REVERSALS_MAX.into())?;
        within("what a rollback touches", self.wants().len() as u64 + 1, Self::DEMANDS_MAX.into())?;
        let text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        within("the text of a rollback", text.len() as u64, Self::TEXT_BYTES_MAX)?;
        self.by.limits()?;
        if !self.dry_run && self.undoes.is_empty() {
            return Err(FsError::InvalidRequest("nothing to take back: look first"));
        }
        let newest_first = self.undoes.is_sorted_by(|a, b| a.intent > b.intent);
        if newest_first {
            Ok(())
        } else {
            Err(FsError::InvalidRequest("what is taken back is named once, newest first"))
        }
    }

    /// Everything its reversals need, each thing once.
    fn wants(&self) -> BTreeSet<&Need> {
        self.undoes.iter().flat_map(|back| back.needs.iter()).collect()
    }

    fn needs(&self) -> impl Iterator<Item = &Needs> {
        self.undoes.iter().map(|back| &back.needs)
    }
}

impl Operation for Rollback {
    const KIND: &'static str = "fs.rollback";
    type Output = RolledBack;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let look = Demands::one(Action::List, self.below.resource());
        if self.dry_run {
            return look;
        }
        self.wants().into_iter().fold(look, |all, need| need.add_to(all))
    }
}

/// What was taken back, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RolledBack {
    /// The intent to redo it by. None of a dry run.
    pub intent: Option<u64>,
    /// Each change, newest first.
    pub items: Vec<Item>,
    /// Of a dry run in which everything fits: the operation that does it.
    pub operation: Option<Rollback>,
}

/// One change of a rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Item {
    /// When it was made.
    pub at: Timestamp,
    /// Its intent.
    pub intent: u64,
    /// What kind of operation it was.
    pub kind: String,
    /// What going back over it does. Nothing if layer 1 would not let the paths be listed.
    pub needs: Option<Needs>,
    /// If it took back several changes itself and only some of that is to go: these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<u64>,
    /// Why it cannot be taken back, if it cannot.
    pub refused: Option<Refused>,
}

/// Why a change cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// The word, as [`FsError::code`] says it.
    pub code: Code,
    /// The sentence.
    pub what: String,
}

impl From<&FsError> for Refused {
    fn from(error: &FsError) -> Self {
        Self { code: Code::new(error.code()), what: error.to_string() }
    }
}

impl Endpoint<Rollback> for Node {
    fn admit(&self, operation: &Rollback, caller: &Caller) -> Result<Admission, Denial> {
        self.is_sound()?;
        operation.limits()?;
        self.folders().locate_for(caller.identity(), &operation.below)?;
        let journal = self.journal()?;
        for back in &operation.undoes {
            chosen(&journal, operation, caller, back)?;
        }
        drop(journal);
        if operation.dry_run {
            return Ok(Admission::unversioned());
        }
        Ok(Admission::at(self.version_of(caller, operation.needs())?))
    }

    async fn perform(&self, task: Authorized<'_, Rollback>) -> Result<RolledBack, Fault> {
        let operation = task.operation();
        operation.limits()?;
        if operation.dry_run {
            return Ok(self.dry_run(&task)?);
        }
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Rollback::KIND,
            reverses: operation.undoes.iter().map(|back| back.intent).collect(),
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        let mut items = Vec::new();
        self.change(&change, |journal, folders| {
            let mut sight = self.sight(folders);
            let mut refused = Vec::new();
            for back in &operation.undoes {
                let done = chosen(journal, operation, task.caller(), back)?;
                if let Err(error) = self.fit(&mut sight, &operation.below, &done) {
                    refused.push((back.intent, error));
                }
                let chosen = Chosen { change: done, only: back.only.clone() };
                items.push(item(chosen, Some(back.needs.clone()), None));
            }
            if !refused.is_empty() {
                return Err(FsError::RollbackRefused(refused));
            }
            self.is_version_of(task.caller(), task.version(), operation.needs())?;
            Ok(sight.into_steps())
        })?;
        Ok(RolledBack { intent: Some(task.intent()), items, operation: None })
    }
}

impl Node {
    /// What a rollback would do, without doing it.
    fn dry_run(&self, task: &Authorized<'_, Rollback>) -> Result<RolledBack, FsError> {
        self.is_sound()?;
        let (operation, caller) = (task.operation(), task.caller());
        let folders = self.folders();
        let journal = self.journal()?;
        let found = if operation.undoes.is_empty() {
            operation.by.choose(&journal, caller, &operation.below)?
        } else {
            let told = operation.undoes.iter();
            let told = told.map(|back| {
                let change = chosen(&journal, operation, caller, back)?;
                Ok(Chosen { change, only: back.only.clone() })
            });
            told.collect::<Result<_, FsError>>()?
        };
        let mut sight = self.sight(&folders);
        let mut items = Vec::new();
        let mut undoes = Vec::new();
        for chosen in found {
            let change = &chosen.change;
            let refusal = self.fit(&mut sight, &operation.below, change).err();
            let needs = needs_of(change);
            let shown = needs.as_ref().is_ok_and(|needs| {
                needs.iter().all(|need| {
                    folders.locate_for(caller.identity(), &need.path).is_ok()
                        && task.extends_to(Action::List, need.path.resource()).is_ok()
                })
            });
            let refusal = refusal.or_else(|| needs.as_ref().err().cloned());
            let needs = needs.ok().filter(|_| shown);
            let refusal = if needs.is_some() { refusal } else { Some(FsError::NotListed) };
            if let (Some(needs), None) = (&needs, &refusal) {
                let back = Back::new(change.by.intent, needs.clone());
                undoes.push(back.only(chosen.only.clone()));
            }
            items.push(item(chosen, needs, refusal.as_ref()));
        }
        let whole = !items.is_empty() && undoes.len() == items.len();
        let run = operation.clone().run(undoes);
        if whole {
            run.limits()?;
        }
        Ok(RolledBack { intent: None, items, operation: whole.then_some(run) })
    }
}

impl Node {
    /// Takes the way back over a change as made, if it fits and stays below `below`.
    fn fit(&self, sight: &mut Sight<'_>, below: &FsPath, change: &Change) -> Result<(), FsError> {
        if change.state == State::Expired {
            return Err(FsError::Expired);
        }
        for path in change.steps.iter().flat_map(Step::paths) {
            if !path.is_beneath(below) {
                return Err(FsError::Outside);
            }
        }
        self.follow(sight, change)
    }
}

/// A change that a rollback names: it says what it needs, and the rollback is about it.
fn chosen(
    journal: &Journal,
    operation: &Rollback,
    caller: &Caller,
    back: &Back,
) -> Result<Change, FsError> {
    let change = back.reversal().is_true(journal, caller)?;
    if operation.by.is_about(&change) && touches(&change, &operation.below) {
        return Ok(change);
    }
    Err(FsError::InvalidRequest("a change is not one that the rollback is about"))
}

fn touches(change: &Change, below: &FsPath) -> bool {
    change.steps.iter().flat_map(Step::paths).any(|path| path.is_beneath(below))
}

fn item(chosen: Chosen, needs: Option<Needs>, refusal: Option<&FsError>) -> Item {
    let Chosen { change, only } = chosen;
    Item {
        at: change.at,
        intent: change.by.intent,
        kind: change.kind.to_string(),
        needs,
        only,
        refused: refusal.map(Refused::from),
    }
}
