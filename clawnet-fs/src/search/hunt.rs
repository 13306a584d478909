//! From a directory, or a file, to what was found in it.
use std::{
    collections::VecDeque,
    fs::File,
    os::fd::{AsFd, BorrowedFd},
};

use clawnet_core::{Action, Authorized};

use super::{
    Found, Search, Searched, Top,
    content::{Content, Matcher},
};
use crate::{
    folders::{Folders, Place},
    handle::{self, EntryKind},
    node::Node,
    path::FsPath,
    refusal::FsError,
    walk::{Walk, goes_on},
};

/// One search under way.
pub(super) struct Hunt<'a> {
    node: &'a Node,
    task: &'a Authorized<'a, Search>,
    operation: &'a Search,
    matcher: Matcher,
    found: Vec<Found>,
    files: u64,
    bytes: u64,
    truncated: bool,
    unsearched: u64,
}

/// Something to look at: its path below the top, and what it is.
type Candidate = (String, EntryKind);

impl<'a> Hunt<'a> {
    pub(super) fn new(node: &'a Node, task: &'a Authorized<'a, Search>) -> Result<Self, FsError> {
        let operation = task.operation();
        let matcher = Matcher::of(&operation.keywords)?;
        let (found, truncated) = (Vec::new(), false);
        let (files, bytes, unsearched) = (0, 0, 0);
        Ok(Self { node, task, operation, matcher, found, files, bytes, truncated, unsearched })
    }

    /// Searches what was opened.
    pub(super) fn from(
        mut self,
        top: &Top,
        (folders, place): (&'a Folders, &'a Place<'a, 'a>),
    ) -> Result<Searched, FsError> {
        match top {
            Top::File(file, size_bytes) => {
                let content = self.content(&self.operation.path, Ok((file, *size_bytes)))?;
                self.judge((self.operation.path.clone(), EntryKind::File), *size_bytes, content);
            }
            Top::Directory(directory) => {
                let (task, top) = (self.task, &self.operation.path);
                let hidden = self.operation.hidden;
                let walk = Walk { task, folders, place, top, hidden, scanned: 0 };
                self.directories(walk, directory.as_fd())?;
            }
        }
        self.cut();
        let mut left = Search::TEXT_CHARS_MAX;
        for found in &mut self.found {
            let chars = found.text.as_ref().map_or(0, |text| text.chars().count());
            if chars > left {
                (found.text, found.truncated) = (None, true);
            } else {
                left -= chars;
            }
        }
        let Self { found: results, truncated, unsearched, .. } = self;
        Ok(Searched { results, truncated, unsearched })
    }

    /// In the order of their paths, so that a limit always leaves out the same.
    fn directories(
        &mut self,
        mut walk: Walk<'a, Search>,
        top: BorrowedFd<'_>,
    ) -> Result<(), FsError> {
        let mut candidates = self.candidates(&mut walk, top)?;
        candidates.sort_unstable();
        let reads_all = self.task.extends_below(Action::Read, walk.top.resource()).is_ok();
        for (relative, kind) in candidates {
            let Some(path) = walk.path_of(&relative) else { continue };
            let at = walk.place.root.handle();
            let below = format!("{}/{relative}", walk.place.relative());
            let lets = || reads_all || self.task.extends_to(Action::Read, path.resource()).is_ok();
            let (mut size_bytes, mut content) = (None, Content::default());
            if self.operation.content && kind == EntryKind::File && lets() {
                goes_on(self.task)?;
                let opened = handle::sized_content(at, &below);
                size_bytes = opened.as_ref().ok().map(|(_, size)| *size);
                let opened = opened.as_ref().map(|(file, size)| (file, *size));
                content = self.content(&path, opened.map_err(Clone::clone))?;
            }
            if content.hits == 0 && self.matcher.hits(name_of(&path)) == 0 {
                continue;
            }
            // What was only met by its name may have gone since.
            let told = size_bytes.or_else(|| Some(handle::look(at, &below).ok()?.size_bytes));
            if let Some(size_bytes) = told {
                self.judge((path, kind), size_bytes, content);
            }
        }
        Ok(())
    }

    fn candidates(
        &mut self,
        walk: &mut Walk<'a, Search>,
        top: BorrowedFd<'_>,
    ) -> Result<Vec<Candidate>, FsError> {
        let mut candidates = Vec::new();
        let mut ahead = VecDeque::from([walk.top()]);
        while let Some(here) = ahead.pop_front() {
            let opened = if here.below.is_empty() { None } else { walk.open(&here)? };
            let directory = match &opened {
                Some(opened) => opened.as_fd(),
                None if here.below.is_empty() => top,
                None => {
                    self.truncated = true;
                    continue;
                }
            };
            let from = candidates.len();
            walk.directory((&here, directory), |seen| {
                if matches!(seen.kind, EntryKind::File | EntryKind::Directory) {
                    candidates.push((seen.relative.to_owned(), seen.kind));
                }
                Ok(())
            })?;
            let fresh = candidates.get(from..).unwrap_or_default().iter();
            let mut below = fresh.filter(|(_, kind)| *kind == EntryKind::Directory);
            if here.depth < self.operation.depth {
                ahead.extend(below.map(|(relative, _)| walk.next(&here, relative)));
            } else {
                self.truncated |= below.next().is_some();
            }
        }
        Ok(candidates)
    }

    /// What a file holds that layer 1 lets be read: nothing, if it is not to be searched.
    fn content(
        &mut self,
        path: &FsPath,
        opened: Result<(&File, u64), FsError>,
    ) -> Result<Content, FsError> {
        if !self.operation.content {
            return Ok(Content::default());
        }
        let (file, size_bytes) = match opened {
            Ok(opened) => opened,
            Err(error) if error.is_absence() => return Ok(Content::default()),
            Err(_) => return Ok(self.left_out()),
        };
        if size_bytes > Search::FILE_BYTES_MAX {
            return Ok(self.left_out());
        }
        if self.files >= Search::FILES_MAX || self.bytes + size_bytes > Search::BYTES_MAX {
            self.truncated = true;
            return Ok(Content::default());
        }
        // Whether there is a hit tells content too.
        if self.node.tell(self.task.caller(), path).is_err() {
            return Ok(self.left_out());
        }
        self.files += 1;
        self.bytes += size_bytes;
        self.matcher.search(file).or_else(|_| Ok(self.left_out()))
    }

    fn left_out(&mut self) -> Content {
        self.unsearched += 1;
        Content::default()
    }

    /// Keeps what has a hit.
    fn judge(&mut self, (path, kind): (FsPath, EntryKind), size_bytes: u64, content: Content) {
        let hits = self.matcher.hits(name_of(&path)) + content.hits;
        if hits == 0 {
            return;
        }
        let Content { text, truncated, .. } = content;
        self.found.push(Found { hits, kind, path, size_bytes, text, truncated });
        if self.found.len() > 2 * self.max() {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.found
            .sort_by(|a, b| b.hits.cmp(&a.hits).then_with(|| a.path.as_str().cmp(b.path.as_str())));
        self.truncated |= self.found.len() > self.max();
        self.found.truncate(self.max());
    }

    fn max(&self) -> usize {
        usize::try_from(self.operation.max_results).unwrap_or(usize::MAX)
    }
}

fn name_of(path: &FsPath) -> &str {
    path.as_str().rsplit('/').next().unwrap_or_default()
}
