//! Going back over changes that are done: what it needs, and the steps if every one of them fits.
use clawnet_core::{Authorized, Caller, IdentityId, Operation, Version};

use crate::{
    folders::Folders,
    image::{self, Image},
    journal::{Change, Journal, State},
    need::Needs,
    node::{Changing, Node},
    plan::is_version,
    refusal::FsError,
    sight::Sight,
    step::Step,
};

/// One change to take back, and what that needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reversal<'o> {
    pub(crate) intent: u64,
    pub(crate) needs: &'o Needs,
    /// Of a change that took back several: only these. All, if there are none.
    pub(crate) only: &'o [u64],
    /// Whether it has to be one that took back others.
    pub(crate) again: bool,
}

impl Reversal<'_> {
    /// Refuses a reversal that does not say what it does.
    pub(crate) fn is_true(self, journal: &Journal, caller: &Caller) -> Result<Change, FsError> {
        let change = reversible(journal, caller.identity(), self.intent)?;
        if self.again && change.reverses.is_empty() {
            return Err(FsError::InvalidRequest("only what took something back can be redone"));
        }
        let change = self.part(change)?;
        if needs_of(&change)? != *self.needs {
            return Err(FsError::InvalidRequest("the undo does not say what it needs"));
        }
        Ok(change)
    }

    fn part(self, change: Change) -> Result<Change, FsError> {
        if self.only.is_empty() {
            return Ok(change);
        }
        let roots = change.roots();
        let named = self.only.is_sorted_by(|a, b| a < b);
        if !named || !self.only.iter().all(|root| roots.contains(root)) {
            return Err(FsError::InvalidRequest("a part of a change is not one"));
        }
        Ok(change.only(self.only))
    }
}

impl Node {
    /// What layer 2 says about taking a change back: yes, in this state of everything it touches.
    pub(crate) fn admits(&self, what: Reversal<'_>, caller: &Caller) -> Result<Version, FsError> {
        self.is_sound()?;
        what.is_true(&*self.journal()?, caller)?;
        self.version_of(caller, [what.needs])
    }

    /// Takes one change back.
    pub(crate) fn take_back<O: Operation>(
        &self,
        task: &Authorized<'_, O>,
        what: Reversal<'_>,
    ) -> Result<(), FsError> {
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: O::KIND,
            reverses: vec![what.intent],
            content: &[],
            strict: true,
            confirm: &|| task.confirm(),
        };
        self.change(&change, |journal, folders| {
            let done = what.is_true(journal, task.caller())?;
            let mut sight = self.sight(folders);
            self.follow(&mut sight, &done)?;
            self.is_version_of(task.caller(), task.version(), [what.needs])?;
            Ok(sight.into_steps())
        })?;
        Ok(())
    }

    /// Takes the way back over a change as made, if every step of it fits.
    ///
    /// A file is as it was when it came, so it brings nothing to where it came from. What a
    /// directory holds by now has to be allowed to flow there.
    pub(crate) fn follow(&self, sight: &mut Sight<'_>, change: &Change) -> Result<(), FsError> {
        for step in backwards(change) {
            let from = step.from().filter(|_| step.trade.after().is_some_and(Image::holds));
            from.map_or(Ok(()), |from| self.may_flow(from, &step.path))?;
        }
        sight.follow(backwards(change))
    }

    pub(crate) fn sight<'n>(&'n self, folders: &'n Folders) -> Sight<'n> {
        Sight::of(folders, self.store())
    }

    /// The state of everything that needs something.
    pub(crate) fn version_of<'o>(
        &self,
        caller: &Caller,
        needs: impl IntoIterator<Item = &'o Needs>,
    ) -> Result<Version, FsError> {
        let images = self.images(caller, needs)?;
        let images: Vec<Option<&Image>> = images.iter().map(Option::as_ref).collect();
        Ok(image::version(&images))
    }

    /// Refuses if that is not what it was when layer 2 was asked.
    pub(crate) fn is_version_of<'o>(
        &self,
        caller: &Caller,
        admitted: Option<&Version>,
        needs: impl IntoIterator<Item = &'o Needs>,
    ) -> Result<(), FsError> {
        let images = self.images(caller, needs)?;
        let images: Vec<Option<&Image>> = images.iter().map(Option::as_ref).collect();
        is_version(admitted, &images)
    }

    fn images<'o>(
        &self,
        caller: &Caller,
        needs: impl IntoIterator<Item = &'o Needs>,
    ) -> Result<Vec<Option<Image>>, FsError> {
        let mut paths: Vec<_> =
            needs.into_iter().flat_map(Needs::iter).map(|need| &need.path).collect();
        paths.sort_unstable();
        paths.dedup();
        let image = |path| match self.image(caller, path) {
            // A file stands where a directory above it was.
            Err(FsError::WrongKind) => Ok(None),
            other => other,
        };
        paths.into_iter().map(image).collect()
    }
}

/// A change of this identity that can be taken back. Another's is as unknown as none.
pub(crate) fn reversible(
    journal: &Journal,
    identity: IdentityId,
    intent: u64,
) -> Result<Change, FsError> {
    let (by, row) = journal.history().of_identity(identity, intent).ok_or(FsError::NotFound)?;
    match row.state {
        State::Done => Ok(row.in_force(journal.change(by)?)),
        State::Undone => Err(FsError::AlreadyUndone),
        State::Expired => Err(FsError::Expired),
        State::Open | State::Aborted | State::Conflict => Err(FsError::NotReversible),
    }
}

/// What going back over a change needs.
pub(crate) fn needs_of(change: &Change) -> Result<Needs, FsError> {
    Needs::of(backwards(change))
}

pub(crate) fn backwards(change: &Change) -> impl Iterator<Item = Step> {
    change.steps.iter().rev().map(Step::reversed)
}
