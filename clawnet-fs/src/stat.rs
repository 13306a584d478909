//! `fs.stat`: what one file or directory is, without reading it.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind, Facts, Moment},
    held::Held,
    node::Node,
    path::FsPath,
    refusal::FsError,
};

/// Asks what is at a path. A link is refused, here too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Stat {
    /// Which file or directory.
    pub path: FsPath,
}

impl Stat {
    /// What is at `path`.
    #[must_use]
    pub fn of(path: FsPath) -> Self {
        Self { path }
    }
}

impl Operation for Stat {
    const KIND: &'static str = "fs.stat";
    type Output = Status;
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, self.path.resource())
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Status {
    /// When it was made, if the file system tells.
    pub created: Option<Timestamp>,
    /// What it is.
    pub kind: EntryKind,
    /// How many names it has. A file with more than one can be looked at, but not read.
    pub links: u32,
    /// Its permission bits.
    pub mode: u32,
    /// When its content last changed.
    pub modified: Timestamp,
    /// Whether this node reads it for whoever is allowed to.
    pub readable: bool,
    /// How long it is.
    pub size_bytes: u64,
    /// Whether this node changes it for whoever is allowed to.
    pub writable: bool,
}

impl Endpoint<Stat> for Node {
    fn admit(&self, operation: &Stat, caller: &Caller) -> Result<Admission, Denial> {
        Held::admit(self, (caller, &operation.path), look)
    }

    async fn perform(&self, task: Authorized<'_, Stat>) -> Result<Status, Fault> {
        let path = &task.operation().path;
        let status = |folders: &Folders, facts: &Facts| {
            let is_content = facts.gate().is_ok() || facts.kind == EntryKind::Directory;
            Ok(Status {
                created: facts.created.map(timestamp),
                kind: facts.kind,
                links: facts.links,
                mode: facts.mode & 0o777,
                modified: timestamp(facts.modified),
                readable: is_content,
                size_bytes: facts.size_bytes,
                writable: is_content
                    && folders.locate_change_for(task.caller().identity(), path).is_ok(),
            })
        };
        Ok(Held::act((self, &task, path), look, status)?)
    }
}

fn look(place: &Place<'_, '_>) -> Result<Facts, FsError> {
    let root = place.root;
    handle::look_near((root.handle(), root.facts().mount), &place.relative())
}

/// To the millisecond, and never before 1970.
pub(crate) fn timestamp((seconds, nanoseconds): Moment) -> Timestamp {
    let seconds = u64::try_from(seconds).unwrap_or_default();
    let millis = seconds.saturating_mul(1000).saturating_add(u64::from(nanoseconds / 1_000_000));
    Timestamp::from_millis(millis)
}
