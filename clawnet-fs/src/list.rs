//! `fs.list`: what a directory holds, as far as layer 2 shows it.
use std::{cmp::Ordering, collections::VecDeque, os::fd::AsFd};

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind, Facts},
    node::Node,
    path::FsPath,
    read::within,
    refusal::FsError,
    stat::timestamp,
};

/// Lists a directory.
///
/// **Promises** that it sorts first and cuts after, so that the newest ten are the newest ten, and
/// says when there is more. **Refuses** limits beyond its own. Entries that layer 2 protects are
/// absent and not counted. Layer 1 judges the directory, not yet every entry: each entry carries
/// its [`FsPath`], so that a kernel which can judge outputs can leave out what a rule denies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct List {
    /// Whether names that begin with a dot are shown.
    #[serde(default)]
    pub hidden: bool,
    /// How deep, if it is recursive. The directory's own entries are at depth 1.
    #[serde(default = "max_depth")]
    pub max_depth: u32,
    /// How many entries.
    #[serde(default = "max_entries")]
    pub max_entries: u32,
    /// In which direction.
    #[serde(default)]
    pub order: Direction,
    /// Which directory.
    pub path: FsPath,
    /// Whether directories in it are listed too.
    #[serde(default)]
    pub recursive: bool,
    /// By what.
    #[serde(default)]
    pub sort: SortBy,
}

/// What a listing is sorted by. Equal entries are sorted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SortBy {
    /// The path below the directory, byte by byte.
    #[default]
    Name,
    /// When the content last changed.
    Modified,
    /// When it was made.
    Created,
    /// How long it is.
    Size,
}

/// Which end of a sorted listing comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// The least.
    #[default]
    Ascending,
    /// The greatest.
    Descending,
}

impl List {
    /// The deepest listing.
    pub const DEPTH_MAX: u32 = 64;
    /// The longest listing.
    pub const ENTRIES_MAX: u32 = 10_000;
    /// How many entries are looked at to make one.
    pub const SCANNED_MAX: u64 = 100_000;

    /// The entries of a directory.
    #[must_use]
    pub fn of(path: FsPath) -> Self {
        Self {
            hidden: false,
            max_depth: max_depth(),
            max_entries: max_entries(),
            order: Direction::Ascending,
            path,
            recursive: false,
            sort: SortBy::Name,
        }
    }

    /// And of the directories in it, `max_depth` deep.
    #[must_use]
    pub fn recursive(self, max_depth: u32) -> Self {
        Self { recursive: true, max_depth, ..self }
    }

    /// The first `max_entries` in this order.
    #[must_use]
    pub fn first(self, max_entries: u32, sort: SortBy, order: Direction) -> Self {
        Self { max_entries, order, sort, ..self }
    }

    /// Names that begin with a dot, too.
    #[must_use]
    pub fn with_hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    fn limits(&self) -> Result<(), FsError> {
        within("the depth of a listing", self.max_depth.into(), Self::DEPTH_MAX.into())?;
        within("the length of a listing", self.max_entries.into(), Self::ENTRIES_MAX.into())
    }
}

const fn max_depth() -> u32 {
    5
}

const fn max_entries() -> u32 {
    1000
}

impl Operation for List {
    const KIND: &'static str = "fs.list";
    type Output = Listing;
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::List, self.path.resource())
    }
}

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Listing {
    /// The entries, sorted.
    pub entries: Vec<Entry>,
    /// Whether there is more: entries beyond the limit, or directories below the depth.
    pub truncated: bool,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Entry {
    /// When it was made, if the file system tells.
    pub created: Option<Timestamp>,
    /// What it is.
    pub kind: EntryKind,
    /// When its content last changed.
    pub modified: Timestamp,
    /// What it is called.
    pub name: String,
    /// Its whole path.
    pub path: FsPath,
    /// Its path below the listed directory.
    pub relative_path: String,
    /// How long it is.
    pub size_bytes: u64,
}

impl Endpoint<List> for Node {
    fn admit(&self, operation: &List, _: &Caller) -> Result<Admission, Denial> {
        operation.limits()?;
        self.look(&operation.path)?;
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, List>) -> Result<Listing, Fault> {
        self.is_sound()?;
        let operation = task.operation();
        operation.limits()?;
        let folders = self.folders();
        let place = folders.locate(&operation.path)?;
        let scan = Scan { folders: &folders, place: &place, operation, scanned: 0 };
        Ok(scan.listing()?)
    }
}

struct Scan<'a> {
    folders: &'a Folders,
    place: &'a Place<'a, 'a>,
    operation: &'a List,
    scanned: u64,
}

impl Scan<'_> {
    fn listing(mut self) -> Result<Listing, FsError> {
        let mut entries = Vec::new();
        let mut truncated = false;
        let mut ahead = VecDeque::from([(String::new(), 1)]);
        while let Some((below, depth)) = ahead.pop_front() {
            let from = entries.len();
            match self.directory(&below, &mut entries) {
                Ok(()) => {}
                // A directory that changed under the walk is not in the listing any more.
                Err(error) if !below.is_empty() && has_gone(&error) => continue,
                Err(error) => return Err(error),
            }
            if !self.operation.recursive {
                continue;
            }
            let found = entries.get(from..).unwrap_or_default().iter();
            let directories = found.filter(|entry| entry.kind == EntryKind::Directory);
            if depth < self.operation.max_depth {
                ahead.extend(directories.map(|entry| (entry.relative_path.clone(), depth + 1)));
            } else {
                truncated |= directories.count() > 0;
            }
        }
        entries.sort_by(|a, b| self.compare(a, b));
        let max = usize::try_from(self.operation.max_entries).unwrap_or(usize::MAX);
        truncated |= entries.len() > max;
        entries.truncate(max);
        Ok(Listing { entries, truncated })
    }

    /// Adds what the directory `below` the listed one holds.
    fn directory(&mut self, below: &str, entries: &mut Vec<Entry>) -> Result<(), FsError> {
        let mut path = self.place.relative();
        if !below.is_empty() {
            path = format!("{path}/{below}");
        }
        let directory = handle::directory(self.place.root.handle(), &path)?;
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            self.scanned += 1;
            within("the number of entries to look at", self.scanned, List::SCANNED_MAX)?;
            // A name that is no text cannot be asked for, so it is not shown.
            let Ok(name) = entry.file_name().to_str() else { continue };
            let hidden = name.starts_with('.') && !self.operation.hidden;
            if hidden || !self.folders.shows(self.place, below, name) {
                continue;
            }
            let facts = match Facts::of_entry(directory.as_fd(), name) {
                Ok(facts) => facts,
                Err(FsError::NotFound) => continue,
                Err(error) => return Err(error),
            };
            entries.extend(self.entry(below, name, &facts));
        }
        Ok(())
    }

    fn entry(&self, below: &str, name: &str, facts: &Facts) -> Option<Entry> {
        let relative_path =
            if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let listed = self.operation.path.as_str().trim_end_matches('/');
        let path = format!("{listed}/{relative_path}").parse().ok()?;
        let elsewhere = facts.mount != self.place.root.facts().mount;
        Some(Entry {
            created: facts.created.map(timestamp),
            kind: if elsewhere { EntryKind::Other } else { facts.kind },
            modified: timestamp(facts.modified),
            name: name.to_owned(),
            path,
            relative_path,
            size_bytes: facts.size_bytes,
        })
    }

    fn compare(&self, a: &Entry, b: &Entry) -> Ordering {
        let by_name = || a.relative_path.cmp(&b.relative_path);
        let least_first = match self.operation.sort {
            SortBy::Name => by_name(),
            SortBy::Modified => a.modified.cmp(&b.modified),
            SortBy::Created => a.created.cmp(&b.created),
            SortBy::Size => a.size_bytes.cmp(&b.size_bytes),
        };
        let sorted = match self.operation.order {
            Direction::Ascending => least_first,
            Direction::Descending => least_first.reverse(),
        };
        sorted.then_with(by_name)
    }
}

const fn has_gone(error: &FsError) -> bool {
    error.is_absence()
        || matches!(error, FsError::NotRegular | FsError::CrossesMount | FsError::WrongKind)
}
