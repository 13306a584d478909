//! `fs.history`: what an identity did here, newest first, and what taking it back needs.
use clawnet_core::{
    Action, Admission, AgentId, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault,
    Operation, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    journal::{Change, Journal, Key, Row, State, Which},
    need::Needs,
    node::Node,
    path::FsPath,
    refusal::{FsError, within},
    reversal::needs_of,
    step::Step,
};

/// Tells what the caller's own identity changed beneath a path, newest first.
///
/// **Promises** that only that identity's changes are told, and only those of which layer 1 would
/// let every path be listed and layer 2 shows every path: another is absent, and not counted. What
/// reaches beyond `path` is told of a path above both. A page holds `limit` entries at most and may
/// hold fewer, even none, while there are older ones: [`Past::before`] says where to go on.
///
/// It waits for a change that is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct History {
    /// Only what was done before this intent: [`Past::before`] of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only operations of this kind, such as `fs.write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How many entries.
    #[serde(default = "limit")]
    pub limit: u32,
    /// Only what lies beneath it, or is it.
    pub path: FsPath,
    /// Only what was done then or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only what was done then or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl History {
    /// The longest page.
    pub const LIMIT_MAX: u32 = 1000;
    /// How many changes are looked at to make one.
    pub const SCANNED_MAX: usize = 5000;

    /// The newest changes beneath `path`.
    #[must_use]
    pub fn of(path: FsPath) -> Self {
        Self { before: None, kind: None, limit: limit(), path, since: None, until: None }
    }

    /// At most so many.
    #[must_use]
    pub fn at_most(self, limit: u32) -> Self {
        Self { limit, ..self }
    }

    /// Only those before this intent.
    #[must_use]
    pub fn before(self, intent: u64) -> Self {
        Self { before: Some(intent), ..self }
    }

    /// Only operations of one kind.
    #[must_use]
    pub fn of_kind(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// Only those of a span of time, both ends included.
    #[must_use]
    pub fn within(self, since: Timestamp, until: Timestamp) -> Self {
        Self { since: Some(since), until: Some(until), ..self }
    }

    fn limits(&self) -> Result<(), FsError> {
        let kind_bytes = self.kind.as_ref().map_or(0, String::len);
        within("the name of a kind", kind_bytes as u64, 64)?;
        if self.limit == 0 {
            return Err(FsError::InvalidRequest("a page has at least one change"));
        }
        within("the length of a page", self.limit.into(), Self::LIMIT_MAX.into())
    }

    fn is_about(&self, row: &Row, kind: Option<&str>) -> bool {
        self.kind.as_deref().is_none_or(|wanted| kind == Some(wanted))
            && self.until.is_none_or(|until| row.at <= until)
    }
}

const fn limit() -> u32 {
    50
}

impl Operation for History {
    const KIND: &'static str = "fs.history";
    type Output = Past;
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::List, self.path.resource())
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Past {
    /// Newest first.
    pub changes: Vec<PastChange>,
    /// The intent to go on before, if there may be older ones.
    pub before: Option<u64>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PastChange {
    /// Which agent of the identity made it.
    pub agent: AgentId,
    /// When its intent was recorded, by the kernel's clock.
    pub at: Timestamp,
    /// Its intent in the owner's ledger.
    pub intent: u64,
    /// For which job.
    pub job: Option<String>,
    /// Because of what, such as a session, if not of the owner's own accord.
    pub cause: Option<String>,
    /// What kind of operation it was.
    pub kind: String,
    /// What it touched.
    pub paths: Vec<FsPath>,
    /// Whether somebody saved in between. Their version is what was kept.
    pub raced: bool,
    /// Whether it was found done, or finished, after a crash.
    pub recovered: bool,
    /// The changes it took back.
    pub reverses: Vec<u64>,
    /// What became of it.
    pub state: Standing,
    /// What taking it back needs, if it can be: for [`Undo::new`](crate::Undo::new), or of what
    /// took something back itself, for [`Redo::new`](crate::Redo::new).
    pub undo: Option<Needs>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Standing {
    /// It is done.
    Done,
    /// It was done, and taken back.
    Undone,
    /// It was done, and what it displaced is kept no longer.
    Expired,
    /// Nothing was done, or all of it was given up.
    Aborted,
    /// It stopped half way, for the owner to look at.
    Conflict,
    /// It was not brought to an end yet.
    Open,
}

impl From<State> for Standing {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Done => Self::Done,
            State::Undone => Self::Undone,
            State::Expired => Self::Expired,
            State::Aborted => Self::Aborted,
            State::Conflict => Self::Conflict,
        }
    }
}

impl Endpoint<History> for Node {
    fn admit(&self, operation: &History, caller: &Caller) -> Result<Admission, Denial> {
        operation.limits()?;
        self.is_sound()?;
        self.folders().locate_for(caller.identity(), &operation.path)?;
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, History>) -> Result<Past, Fault> {
        self.is_sound()?;
        let operation = task.operation();
        operation.limits()?;
        let folders = self.folders();
        let identity = task.caller().identity();
        folders.locate_for(identity, &operation.path)?;
        let shows = |path: &FsPath| {
            folders.locate_for(identity, path).is_ok()
                && task.extends_to(Action::List, path.resource()).is_ok()
        };
        let journal = self.journal()?;
        Ok(page(&journal, operation, task.caller(), &shows)?)
    }
}

/// One page: at most so many entries out of at most so many looked at.
fn page(
    journal: &Journal,
    operation: &History,
    caller: &Caller,
    shows: &dyn Fn(&FsPath) -> bool,
) -> Result<Past, FsError> {
    let history = journal.history();
    let whose = (caller.owner(), caller.identity());
    let before = operation.before.unwrap_or(u64::MAX);
    let before = operation.until.map_or(before, |until| before.min(history.after(whose, until)));
    let mut past = Past { changes: Vec::new(), before: None };
    let mut last = None;
    for (scanned, (by, row)) in history.newest(whose, Which::All, before).enumerate() {
        if operation.since.is_some_and(|since| row.at < since) {
            return Ok(past);
        }
        if past.changes.len() as u64 >= operation.limit.into() || scanned >= History::SCANNED_MAX {
            past.before = last;
            return Ok(past);
        }
        last = Some(by.intent);
        if operation.is_about(row, history.kind(row).map(|kind| &**kind)) {
            past.changes.extend(entry(journal, (by, row), &operation.path, shows)?);
        }
    }
    Ok(past)
}

fn entry(
    journal: &Journal,
    (by, row): (Key, &Row),
    below: &FsPath,
    shows: &dyn Fn(&FsPath) -> bool,
) -> Result<Option<PastChange>, FsError> {
    let change = journal.change(by)?;
    let paths = paths(&change);
    if !paths.iter().all(|path| path.is_beneath(below) && shows(path)) {
        return Ok(None);
    }
    let Change { who, at, kind, reverses, .. } = change.clone();
    let undo = (row.state == State::Done).then(|| needs_of(&row.in_force(change)));
    Ok(Some(PastChange {
        agent: who.agent,
        at,
        intent: by.intent,
        job: who.job.clone(),
        cause: who.cause.clone(),
        kind: kind.to_string(),
        paths,
        raced: row.raced,
        recovered: row.recovered,
        reverses,
        state: row.state.into(),
        undo: undo.and_then(Result::ok),
    }))
}

/// What a change touches, each path once.
pub(crate) fn paths(change: &Change) -> Vec<FsPath> {
    let mut paths: Vec<FsPath> = change.steps.iter().flat_map(Step::paths).cloned().collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}
