//! From directories to a listing.
use std::{
    collections::VecDeque,
    os::fd::{AsFd, OwnedFd},
};

use clawnet_core::Timestamp;

use super::{
    Details, Entry, List, Listing, SortBy,
    select::{Ranked, Selection},
};
use crate::{
    handle::{EntryKind, Facts},
    refusal::FsError,
    stat::timestamp,
    walk::{Ahead, Seen, Walk, facts_of},
};

/// What is at `top` and below it, as far as it was asked for.
pub(super) fn listing(
    operation: &List,
    mut walk: Walk<'_, List>,
    top: &OwnedFd,
) -> Result<Listing, FsError> {
    let mut scan = Scan {
        operation,
        mount: walk.place.root.facts().mount,
        selection: Selection::of(operation),
        cut: false,
    };
    let mut ahead = VecDeque::from([walk.top()]);
    while let Some(here) = ahead.pop_front() {
        let opened = if here.below.is_empty() { None } else { walk.open(&here)? };
        let directory = match &opened {
            Some(opened) => opened.as_fd(),
            None if here.below.is_empty() => top.as_fd(),
            None => {
                scan.cut = true;
                continue;
            }
        };
        let mut below = Vec::new();
        walk.directory((&here, directory), |seen| scan.see(&here, &seen, &mut below))?;
        ahead.extend(below.iter().map(|relative| walk.next(&here, relative)));
    }
    let late = scan.tells_late();
    let Scan { mount, selection, cut, .. } = scan;
    let (mut entries, next) = selection.finish();
    if late {
        tell(&mut entries, top, mount)?;
    }
    let truncated = cut || next.is_some();
    Ok(Listing { entries, next, path: operation.path.clone(), truncated })
}

struct Scan<'a> {
    operation: &'a List,
    mount: u64,
    selection: Selection<'a>,
    /// Something that was asked for is not in it.
    cut: bool,
}

impl Scan<'_> {
    /// Whether details can wait until it is known what is listed.
    fn tells_late(&self) -> bool {
        let List { details, recursive, sort, .. } = *self.operation;
        details && !recursive && sort == SortBy::Name
    }

    /// Whether sorting or telling needs more than the directory says.
    fn tells_now(&self) -> bool {
        let List { details, sort, .. } = *self.operation;
        (details || sort != SortBy::Name) && !self.tells_late()
    }

    fn see(
        &mut self,
        here: &Ahead,
        seen: &Seen<'_>,
        below: &mut Vec<String>,
    ) -> Result<(), FsError> {
        let (mut kind, mut details) = (seen.kind, None);
        if self.tells_now() {
            let Some(facts) = seen.facts(self.mount)? else { return Ok(()) };
            kind = facts.kind;
            details = Some(details_of(&facts));
        }
        if self.operation.recursive && kind == EntryKind::Directory {
            if here.depth < self.operation.max_depth {
                below.push(seen.relative.to_owned());
            } else {
                self.cut = true;
            }
        }
        let value = details.map_or(0, |details| match self.operation.sort {
            SortBy::Name => 0,
            SortBy::Modified => details.modified.as_millis(),
            SortBy::Created => details.created.map_or(0, Timestamp::as_millis),
            SortBy::Size => details.size_bytes.min(EXACT_MAX),
        });
        let details = details.filter(|_| self.operation.details);
        let relative_path = seen.relative.into();
        self.selection.add(Ranked::new(value, Entry { details, kind, relative_path }));
        Ok(())
    }
}

/// The greatest integer that every reader of JSON keeps exactly: beyond it, sizes sort alike.
const EXACT_MAX: u64 = (1 << 53) - 1;

/// Adds the details of entries of one directory. Those that went away are not in it any more.
fn tell(entries: &mut Vec<Entry>, directory: &OwnedFd, mount: u64) -> Result<(), FsError> {
    let mut failed = None;
    entries.retain_mut(|entry| match facts_of(directory.as_fd(), &entry.relative_path, mount) {
        Ok(Some(facts)) => {
            entry.kind = facts.kind;
            entry.details = Some(details_of(&facts));
            true
        }
        Ok(None) => false,
        Err(error) => {
            failed = Some(error);
            true
        }
    });
    failed.map_or(Ok(()), Err)
}

fn details_of(facts: &Facts) -> Details {
    Details {
        created: facts.created.map(timestamp),
        modified: timestamp(facts.modified),
        size_bytes: facts.size_bytes,
    }
}
