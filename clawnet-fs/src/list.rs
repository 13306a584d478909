//! `fs.list`: what a directory holds, as far as both layers show it.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
    Timestamp,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct,
};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind},
    held::Held,
    node::Node,
    path::{FsPath, PathError},
    refusal::{FsError, within},
    walk::{SCANNED_MAX, Walk},
};

mod scan;
mod select;

/// Lists a directory.
///
/// **Promises** that it sorts first and cuts after, so that the newest ten are the newest ten, and
/// says when there is more. **Refuses** limits beyond its own. An entry that layer 2 protects, or
/// that layer 1 does not let be listed, is absent and not counted, and a directory that is absent
/// is not walked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct List {
    /// Goes on behind this: what [`Listing::next`] said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// Whether size and times are told. Without them a listing costs a fraction.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub details: bool,
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
    /// When it was made. What has no such time comes first.
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

/// A place in a sorted listing: that of its last entry. Nothing has to be there any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct After {
    /// The entry's path below the directory.
    pub relative_path: String,
    /// What it was sorted by: milliseconds, or bytes. 0 where that is the name.
    #[serde(default)]
    pub value: u64,
}

impl List {
    /// The deepest listing.
    pub const DEPTH_MAX: u32 = 64;
    /// The longest listing.
    pub const ENTRIES_MAX: u32 = 10_000;
    /// How many entries are looked at to make one.
    pub const SCANNED_MAX: u64 = SCANNED_MAX;

    /// The entries of a directory.
    #[must_use]
    pub fn of(path: FsPath) -> Self {
        Self {
            after: None,
            details: true,
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

    /// Those behind a place in the same order.
    #[must_use]
    pub fn after(self, place: After) -> Self {
        Self { after: Some(place), ..self }
    }

    /// Names that begin with a dot too.
    #[must_use]
    pub fn with_hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    /// Names and kinds only. What a directory says of an entry is believed: the place where another
    /// mount begins looks like any directory.
    #[must_use]
    pub fn names_only(self) -> Self {
        Self { details: false, ..self }
    }

    fn limits(&self) -> Result<(), FsError> {
        within("the depth of a listing", self.max_depth.into(), Self::DEPTH_MAX.into())?;
        within("the length of a listing", self.max_entries.into(), Self::ENTRIES_MAX.into())?;
        if self.max_entries == 0 {
            return Err(FsError::InvalidRequest("a listing has at least one entry"));
        }
        let named = |after: &After| self.sort == SortBy::Name && after.value != 0;
        if self.after.as_ref().is_some_and(named) {
            return Err(FsError::InvalidRequest("a listing by name goes on behind a name"));
        }
        Ok(())
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_yes(details: &bool) -> bool {
    *details
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Listing {
    /// The entries, sorted.
    pub entries: Vec<Entry>,
    /// Where to go on, if there are entries beyond the limit.
    pub next: Option<After>,
    /// Which directory.
    pub path: FsPath,
    /// Whether there is more: entries beyond the limit, directories below the depth, or ones that
    /// cannot be opened.
    pub truncated: bool,
}

impl Listing {
    /// The whole path of one of the entries.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn path_of(&self, entry: &Entry) -> Result<FsPath, PathError> {
        self.path.below(&entry.relative_path)
    }
}

/// One entry. Serialised with its name, and its details beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// What is told of it, if that was asked for.
    pub details: Option<Details>,
    /// What it is.
    pub kind: EntryKind,
    /// Its path below the listed directory.
    pub relative_path: Box<str>,
}

impl Entry {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.relative_path.rsplit('/').next().unwrap_or_default()
    }
}

/// What is told of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Details {
    /// When it was made, if the file system tells.
    pub created: Option<Timestamp>,
    /// When its content last changed.
    pub modified: Timestamp,
    /// How long it is.
    pub size_bytes: u64,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = if self.details.is_some() { 6 } else { 3 };
        let mut fields = serializer.serialize_struct("Entry", count)?;
        if let Some(details) = &self.details {
            fields.serialize_field("created", &details.created)?;
        }
        fields.serialize_field("kind", &self.kind)?;
        if let Some(details) = &self.details {
            fields.serialize_field("modified", &details.modified)?;
        }
        fields.serialize_field("name", self.name())?;
        fields.serialize_field("relative_path", &self.relative_path)?;
        if let Some(details) = &self.details {
            fields.serialize_field("size_bytes", &details.size_bytes)?;
        }
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Flat {
            created: Option<Timestamp>,
            kind: EntryKind,
            modified: Option<Timestamp>,
            name: String,
            relative_path: Box<str>,
            size_bytes: Option<u64>,
        }
        let Flat { created, kind, modified, name, relative_path, size_bytes } =
            Flat::deserialize(deserializer)?;
        let details = modified.zip(size_bytes);
        let details =
            details.map(|(modified, size_bytes)| Details { created, modified, size_bytes });
        let entry = Self { details, kind, relative_path };
        if entry.name() == name { Ok(entry) } else { Err(D::Error::custom("a name of another")) }
    }
}

impl Endpoint<List> for Node {
    fn admit(&self, operation: &List, caller: &Caller) -> Result<Admission, Denial> {
        operation.limits()?;
        Held::admit(self, (caller, &operation.path), open)
    }

    async fn perform(&self, task: Authorized<'_, List>) -> Result<Listing, Fault> {
        let operation = task.operation();
        operation.limits()?;
        let list = |folders: &Folders, top: &Top| {
            let top = top.as_ref().map_err(Clone::clone)?;
            let (path, hidden) = (&operation.path, operation.hidden);
            let place = &folders.locate(path)?;
            let walk = Walk { task: &task, folders, place, top: path, hidden, scanned: 0 };
            scan::listing(operation, walk, top)
        };
        Ok(Held::act((self, &task, &operation.path), open, list)?)
    }
}

/// What was opened, or that it is no directory: no fault of governance, but of what is there.
type Top = Result<std::os::fd::OwnedFd, FsError>;

fn open(place: &Place<'_, '_>) -> Result<Top, FsError> {
    match handle::directory(place.root.handle(), &place.relative()) {
        Err(FsError::WrongKind) => Ok(Err(FsError::WrongKind)),
        opened => opened.map(Ok),
    }
}
