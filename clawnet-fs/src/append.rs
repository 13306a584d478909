//! `fs.append`: more at the end of a file, in one step and with what was there kept.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    folders::Folders,
    handle,
    image::{self, Image},
    node::{Changing, Node},
    path::FsPath,
    plan::{Look, Plan, is_version},
    refusal::{FsError, within},
    source::{Planned, Source},
    write::{Content, Expected, Write, Written, matches},
};

/// Adds to the end of a file, or makes it.
///
/// Never in place: what was there is kept, and readers see all of the addition or none. **Refuses**
/// when somebody saves in between, and a result longer than a write could be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Append {
    /// What to add.
    pub content: Content,
    /// What has to be there for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<Expected>,
    /// To which file.
    pub path: FsPath,
}

impl Append {
    /// Adds `content` to what is at `path`.
    #[must_use]
    pub fn new(path: FsPath, content: impl Into<Vec<u8>>) -> Self {
        Self { content: Content::from(content.into()), if_match: None, path }
    }

    /// Only if the file has this content now.
    #[must_use]
    pub fn if_content_is(self, digest: Digest) -> Self {
        Self { if_match: Some(Expected::Content(digest)), ..self }
    }

    /// Only if nothing is there now.
    #[must_use]
    pub fn if_absent(self) -> Self {
        Self { if_match: Some(Expected::Absent), ..self }
    }

    fn size_bytes(&self) -> u64 {
        self.content.as_slice().len() as u64
    }
}

impl Operation for Append {
    const KIND: &'static str = "fs.append";
    type Output = Written;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, self.path.resource())
    }

    fn content(&self) -> Option<&[u8]> {
        Some(self.content.as_slice())
    }
}

impl Endpoint<Append> for Node {
    fn admit(&self, operation: &Append, caller: &Caller) -> Result<Admission, Denial> {
        within("the content", operation.size_bytes(), Write::SIZE_BYTES_MAX)?;
        self.may_write(caller, &operation.path)?;
        let look = Look::of((self, caller), &operation.path)?;
        Ok(Admission::at(image::version(&[look.image()])).holding(look))
    }

    async fn perform(&self, task: Authorized<'_, Append>) -> Result<Written, Fault> {
        let operation = task.operation();
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Append::KIND,
            reverses: Vec::new(),
            content: operation.content.as_slice(),
            strict: true,
            confirm: &|| task.confirm(),
        };
        let mut left = None;
        self.change(&change, |_, folders| {
            self.may_write(task.caller(), &operation.path)?;
            let planned = plan(folders, &change, operation, (task.version(), task.held()))?;
            let step = planned.steps.last().map(|step| &step.trade);
            left = step.and_then(|trade| Some((trade.before().is_none(), trade.after()?.clone())));
            Ok(planned)
        })?;
        let (created, Image { hash: Some(digest), size_bytes, .. }) =
            left.ok_or(FsError::NotReversible)?
        else {
            return Err(FsError::NotReversible.into());
        };
        task.attest(digest);
        Ok(Written { created, digest, intent: task.intent(), raced: false, size_bytes })
    }
}

fn plan(
    folders: &Folders,
    change: &Changing<'_>,
    operation: &Append,
    (admitted, look): (Option<&Version>, Option<&Look>),
) -> Result<Planned, FsError> {
    let path = &operation.path;
    let mut plan = Plan::new(folders, change.key()).holding(path, look);
    let before = plan.image(path)?;
    is_version(admitted, &[before.as_ref()])?;
    if let Some(expected) = operation.if_match {
        matches(folders, path, expected, before.as_ref())?;
    }
    let mut hasher = blake3::Hasher::new();
    let mut size_bytes = operation.size_bytes();
    if let Some(before) = &before {
        size_bytes += before.size_bytes;
        within("the file with what is added", size_bytes, Write::SIZE_BYTES_MAX)?;
        let place = folders.locate(path)?;
        let (file, _) = handle::content(place.root.handle(), &place.relative())?;
        image::digest_into(&mut hasher, &file, before.size_bytes)?;
    }
    hasher.update(operation.content.as_slice());
    let digest = Digest::from_bytes(*hasher.finalize().as_bytes());
    plan.bring(path, before, Image::planned(size_bytes, digest))?;
    Ok(plan.bringing(Source::Longer))
}
