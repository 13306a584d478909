//! `fs.search`: which files hold a word, in their names or in what they say.
use std::{fs::File, os::fd::OwnedFd};

use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Operation,
};
use rustix::fs::{FileType, OFlags, fstat};
use serde::{Deserialize, Serialize};

use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind},
    held::Held,
    node::Node,
    path::FsPath,
    refusal::{FsError, within},
};

mod content;
mod hunt;

use self::hunt::Hunt;

/// Looks for words in the names of files and directories, and in the content of files.
///
/// A word is a piece of text, found wherever its bytes are; letters of ASCII are found in either
/// case, all others as they are written. Any of the words is a hit, and so is every place of it.
///
/// **Promises** that nothing is told of an entry that both layers would not list, nor of content
/// that they would not let be read; and that the same tree gives the same answer. A path that is a
/// file is searched alone. **Refuses** limits beyond its own, and words that are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Search {
    /// Whether files are searched too, and not only names.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub content: bool,
    /// How deep. The directory's own entries are at depth 1.
    #[serde(default = "depth")]
    pub depth: u32,
    /// Whether names that begin with a dot are looked at.
    #[serde(default)]
    pub hidden: bool,
    /// What is looked for.
    pub keywords: Vec<String>,
    /// How many results.
    #[serde(default = "max_results")]
    pub max_results: u32,
    /// Where.
    pub path: FsPath,
}

impl Search {
    /// The deepest search.
    pub const DEPTH_MAX: u32 = 5;
    /// How many words.
    pub const KEYWORDS_MAX: usize = 16;
    /// The longest word, in bytes.
    pub const KEYWORD_BYTES_MAX: usize = 256;
    /// The most results.
    pub const RESULTS_MAX: u32 = 200;
    /// How many files are searched. Beyond it the answer says `truncated`.
    pub const FILES_MAX: u64 = 5000;
    /// The largest file that is searched: 500 MB. A larger one counts as unsearched.
    pub const FILE_BYTES_MAX: u64 = 500_000_000;
    /// How much is searched altogether: 4 GiB. Beyond it the answer says `truncated`.
    pub const BYTES_MAX: u64 = 4 << 30;
    /// How many characters of text one answer holds.
    pub const TEXT_CHARS_MAX: usize = 500_000;

    /// Looks for any of `keywords` in a directory, or in one file.
    #[must_use]
    pub fn at<I: IntoIterator<Item: Into<String>>>(path: FsPath, keywords: I) -> Self {
        let keywords = keywords.into_iter().map(Into::into).collect();
        let (depth, max_results) = (depth(), max_results());
        Self { content: true, depth, hidden: false, keywords, max_results, path }
    }

    /// Only in names.
    #[must_use]
    pub fn names_only(self) -> Self {
        Self { content: false, ..self }
    }

    /// So many directories deep.
    #[must_use]
    pub fn deep(self, depth: u32) -> Self {
        Self { depth, ..self }
    }

    /// The first so many results.
    #[must_use]
    pub fn first(self, max_results: u32) -> Self {
        Self { max_results, ..self }
    }

    /// Names that begin with a dot too.
    #[must_use]
    pub fn with_hidden(self) -> Self {
        Self { hidden: true, ..self }
    }

    fn limits(&self) -> Result<(), FsError> {
        within("the depth of a search", self.depth.into(), Self::DEPTH_MAX.into())?;
        within("the length of a search", self.max_results.into(), Self::RESULTS_MAX.into())?;
        within("the number of words", self.keywords.len() as u64, Self::KEYWORDS_MAX as u64)?;
        let mut folded: Vec<_> = self.keywords.iter().map(|k| k.to_ascii_lowercase()).collect();
        folded.sort_unstable();
        let twice = folded.windows(2).any(|two| two.first() == two.last());
        if folded.is_empty() || folded.iter().any(String::is_empty) {
            return Err(FsError::InvalidRequest("there is no word to look for"));
        }
        if twice {
            return Err(FsError::InvalidRequest("a word is there twice"));
        }
        let longest = folded.iter().map(String::len).max().unwrap_or_default();
        within("the length of a word", longest as u64, Self::KEYWORD_BYTES_MAX as u64)
    }
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_yes(content: &bool) -> bool {
    *content
}

const fn depth() -> u32 {
    2
}

const fn max_results() -> u32 {
    50
}

impl Operation for Search {
    const KIND: &'static str = "fs.search";
    type Output = Searched;
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        let list = Demands::one(Action::List, self.path.resource());
        if self.content { list.and(Action::Read, self.path.resource()) } else { list }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Searched {
    /// Where, those with the most hits first, equal ones by path.
    pub results: Vec<Found>,
    /// Whether there may be more: results, files or directories beyond a limit.
    pub truncated: bool,
    /// How many files that may be read were not searched: too large, with a second name, or
    /// nothing that may flow to this agent.
    pub unsearched: u64,
}

/// One file or directory with a hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Found {
    /// How often any of the words is in its name and its content, overlapping ones too.
    pub hits: u64,
    /// What it is.
    pub kind: EntryKind,
    /// Its path.
    pub path: FsPath,
    /// How long it is.
    pub size_bytes: u64,
    /// The lines with a hit, the long ones in part. Absent if the content has none, or is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether there are lines with a hit that the text leaves out.
    pub truncated: bool,
}

impl Endpoint<Search> for Node {
    fn admit(&self, operation: &Search, caller: &Caller) -> Result<Admission, Denial> {
        operation.limits()?;
        Held::admit(self, (caller, &operation.path), open)
    }

    async fn perform(&self, task: Authorized<'_, Search>) -> Result<Searched, Fault> {
        let operation = task.operation();
        operation.limits()?;
        let search = |folders: &Folders, top: &Top| {
            let place = folders.locate(&operation.path)?;
            Hunt::new(self, &task)?.from(top, (folders, &place))
        };
        Ok(Held::act((self, &task, &operation.path), open, search)?)
    }
}

/// Where a search begins.
#[derive(Debug)]
enum Top {
    Directory(OwnedFd),
    /// And how long it is.
    File(File, u64),
}

fn open(place: &Place<'_, '_>) -> Result<Top, FsError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = handle::open(place.root.handle(), &place.relative(), flags)?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Directory {
        return Ok(Top::Directory(fd));
    }
    let file = File::from(fd);
    let size_bytes = handle::content_size(&file)?;
    Ok(Top::File(file, size_bytes))
}
