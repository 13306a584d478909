//! `fs.undo`: the same trades backwards, authorised today and recorded like everything else.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, IdentityId,
    Operation, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    folders::Folders,
    handle::EntryKind,
    image::{self, Image},
    journal::{Change, Journal, State},
    node::{Changing, Node},
    path::FsPath,
    plan::{Plan, is_version},
    refusal::FsError,
    step::Step,
};

/// Takes back one change: an overwrite, a new file, a directory, a deletion, or an undo.
///
/// It says itself what it needs, so that layer 1 can judge it under today's rules; the node checks
/// what it says against its journal. Obtained from [`Node::undo_of`].
///
/// **Promises** that the very file comes back, with its mode, times and attributes. **Refuses** if
/// what is there now is not what the change left: then nothing moves. Undoing an undo is redoing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Undo {
    /// The intent of the change to take back.
    pub intent: u64,
    /// What going back does, in the order it is done.
    pub needs: Needs,
}

/// What an undo does. At least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Need>", into = "Vec<Need>")]
pub struct Needs {
    first: Need,
    others: Vec<Need>,
}

/// One thing an undo does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Need {
    /// What is done.
    pub action: Action,
    /// To what.
    pub path: FsPath,
}

impl Needs {
    /// Each of them, in the order they are done.
    pub fn iter(&self) -> impl Iterator<Item = &Need> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl TryFrom<Vec<Need>> for Needs {
    type Error = FsError;

    fn try_from(needs: Vec<Need>) -> Result<Self, FsError> {
        let mut needs = needs.into_iter();
        let first = needs.next().ok_or(FsError::InvalidRequest("an undo needs something"))?;
        Ok(Self { first, others: needs.collect() })
    }
}

impl From<Needs> for Vec<Need> {
    fn from(needs: Needs) -> Self {
        std::iter::once(needs.first).chain(needs.others).collect()
    }
}

impl Operation for Undo {
    const KIND: &'static str = "fs.undo";
    type Output = Undone;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let Needs { first, others } = &self.needs;
        let all = Demands::one(first.action, first.path.resource());
        others.iter().fold(all, |all, need| all.and(need.action, need.path.resource()))
    }
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Undone {
    /// The intent to redo it by.
    pub intent: u64,
    /// The intent that was undone.
    pub reversed: u64,
}

impl Node {
    /// The operation that would take back what `identity` did at `intent`.
    ///
    /// # Errors
    /// When there is no such change, which is also the answer about another identity's; or when it
    /// was taken back before, or never completed.
    pub fn undo_of(&self, identity: IdentityId, intent: u64) -> Result<Undo, FsError> {
        let journal = self.journal()?;
        let change = reversible(&journal, identity, intent)?;
        let need = |step: Step| {
            let gone = step.trade.after().is_none();
            let from = step.from().cloned().map(|path| Need { action: Action::Delete, path });
            let action = if gone { Action::Delete } else { Action::Write };
            from.into_iter().chain([Need { action, path: step.path }])
        };
        let needs: Vec<Need> = backwards(&change).flat_map(need).collect();
        Ok(Undo { intent, needs: needs.try_into()? })
    }

    /// Refuses an undo that does not say what it would do.
    fn is_true(&self, undo: &Undo, caller: &Caller) -> Result<(), FsError> {
        if self.undo_of(caller.identity(), undo.intent)? == *undo {
            Ok(())
        } else {
            Err(FsError::InvalidRequest("the undo does not say what it needs"))
        }
    }
}

impl Endpoint<Undo> for Node {
    fn admit(&self, operation: &Undo, caller: &Caller) -> Result<Admission, Denial> {
        self.is_sound()?;
        self.is_true(operation, caller)?;
        let images = operation.needs.iter().map(|need| self.image(&need.path));
        let images: Vec<Option<Image>> = images.collect::<Result<_, _>>()?;
        let images: Vec<Option<&Image>> = images.iter().map(Option::as_ref).collect();
        Ok(Admission::at(image::version(&images)))
    }

    async fn perform(&self, task: Authorized<'_, Undo>) -> Result<Undone, Fault> {
        let undo = task.operation();
        self.is_true(undo, task.caller())?;
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Undo::KIND,
            reverses: vec![undo.intent],
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        self.change(&change, |journal, folders| {
            plan((self, folders), &change, journal, task.version())
        })?;
        Ok(Undone { intent: task.intent(), reversed: undo.intent })
    }
}

fn reversible(journal: &Journal, identity: IdentityId, intent: u64) -> Result<Change, FsError> {
    let (by, row) = journal.history().of_identity(identity, intent).ok_or(FsError::NotFound)?;
    match row.state {
        State::Done => journal.change(by),
        State::Undone => Err(FsError::AlreadyUndone),
        State::Expired => Err(FsError::Expired),
        State::Open | State::Aborted | State::Conflict => Err(FsError::NotReversible),
    }
}

fn backwards(change: &Change) -> impl Iterator<Item = Step> {
    change.steps.iter().rev().map(Step::reversed)
}

/// The way back, if what is there is what the change left and what was kept is what it kept.
fn plan(
    (node, folders): (&Node, &Folders),
    change: &Changing<'_>,
    journal: &Journal,
    admitted: Option<&Version>,
) -> Result<Vec<Step>, FsError> {
    let Some(&reversed) = change.reverses.first() else { return Err(FsError::NotReversible) };
    let done = reversible(journal, change.caller.identity(), reversed)?;
    let mut plan = Plan::new(folders, change.key());
    let mut images = Vec::new();
    let mut slots = Vec::new();
    for mut step in backwards(&done) {
        let comes_by_this = slots.contains(&step.slot);
        slots.push(step.slot.clone());
        let found = node.image(&step.path)?;
        if !is_left(step.trade.before(), found.as_ref()) {
            let expected = step.trade.before().and_then(|left| left.hash);
            let found = found.and_then(|image| image.hash);
            return Err(FsError::Conflict { expected, found });
        }
        if let Some(from) = step.from().cloned() {
            let moved = node.image(&from)?;
            if !is_left(step.trade.after(), moved.as_ref()) {
                let expected = step.trade.after().and_then(|left| left.hash);
                let found = moved.and_then(|image| image.hash);
                return Err(FsError::Conflict { expected, found });
            }
            if let Some(image) = moved.clone().filter(|image| image.kind == EntryKind::File) {
                step.trade.set_after(image);
            }
            images.push(moved);
        } else if let (false, Some(kept)) = (comes_by_this, step.trade.after()) {
            match Image::at(node.store().handle(), step.slot.as_str())? {
                Some(image) if kept.seals(&image) => {}
                _ => return Err(FsError::Tampered),
            }
        }
        if let Some(image) = found.clone().filter(|image| image.kind == EntryKind::File) {
            step.trade.set_before(image);
        }
        images.push(found);
        plan.step(step);
    }
    let images: Vec<Option<&Image>> = images.iter().map(Option::as_ref).collect();
    is_version(admitted, &images)?;
    Ok(plan.into_steps())
}

/// Whether what is found is what was left. A directory only has to be the same one: whether it is
/// empty by the time it goes is looked at when it is in the store.
fn is_left(left: Option<&Image>, found: Option<&Image>) -> bool {
    match (left, found) {
        (None, None) => true,
        (Some(left), Some(found)) if left.kind == EntryKind::Directory => {
            (left.kind, left.ino) == (found.kind, found.ino)
        }
        (Some(left), Some(found)) => left.holds_what(found),
        _ => false,
    }
}
