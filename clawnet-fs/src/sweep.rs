//! What is kept and for how long: the quota before a change, the retention after its days, and the
//! one place where bytes of a user are removed.
//!
//! Removing takes three steps, each good for a crash after it: a `Pruned` record, durable, by which
//! the change cannot be undone any more; then the slots one by one; and nothing else, for a slot
//! that is gone is gone. What was left is removed when the node is opened again.
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use clawnet_core::Timestamp;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat2, unlinkat},
    io::Errno,
};

use crate::{
    folders::Folders,
    handle::{self, EntryKind, Facts},
    image::Image,
    journal::{Event, Journal, Key, State},
    refusal::FsError,
    step::{Slot, Step, Trade},
    store::Store,
};

/// How many changes are pruned on the way of one that is made.
const PRUNED_MAX: usize = 16;
/// How many are looked at for that.
const SCANNED_MAX: usize = 256;
/// How many names are removed on the way of one change.
pub(crate) const REMOVED_MAX: u32 = 256;
/// How many when a node is opened.
pub(crate) const REMOVED_MAX_OPENING: u32 = 100_000;
/// The largest tree that is weighed, in entries.
const WEIGHED_MAX: u64 = 100_000;
/// How many directories below each other are held open.
const DEPTH_MAX: usize = 256;
const MILLIS_A_DAY: u64 = 24 * 60 * 60 * 1000;

/// Records as pruned what is older than its folder keeps things, some of it.
pub(crate) fn prune_expired(
    journal: &mut Journal,
    folders: &Folders,
    now: Timestamp,
) -> Result<usize, FsError> {
    let end = |folder: &str| {
        let root = folders.roots().iter().find(|root| **root.name() == *folder)?;
        let age = u64::from(root.keep().days?).saturating_mul(MILLIS_A_DAY);
        now.as_millis().checked_sub(age)
    };
    let shelf = journal.history().shelf();
    let mut expired = Vec::new();
    for root in folders.roots() {
        let Some(end_here) = end(root.name()) else { continue };
        let oldest = shelf.oldest(root.name()).take(SCANNED_MAX);
        let old = oldest.take_while(|(since, _)| since.as_millis() <= end_here);
        expired.extend(old.map(|(_, by)| by));
    }
    let is_over = |slot: &Slot| {
        let item = shelf.item(slot);
        item.is_none_or(|item| end(&item.folder).is_some_and(|end| item.since.as_millis() <= end))
    };
    let all_over = |by: &Key| shelf.at_rest(*by).is_some_and(|slots| slots.iter().all(is_over));
    expired.sort_unstable();
    expired.dedup();
    expired.retain(all_over);
    expired.truncate(PRUNED_MAX);
    for by in &expired {
        prune(journal, *by)?;
    }
    Ok(expired.len())
}

/// Records a change as pruned: what it kept may go then. The bytes that are to go; none if it is not
/// one whose end is known, or is not at rest.
pub(crate) fn prune(journal: &mut Journal, by: Key) -> Result<Option<u64>, FsError> {
    let history = journal.history();
    let is_done = history.get(by).is_some_and(|row| row.state == State::Done);
    let Some(slots) = history.shelf().at_rest(by).filter(|_| is_done) else { return Ok(None) };
    let slots = slots.to_vec();
    let items = slots.iter().filter_map(|slot| history.shelf().item(slot));
    let size_bytes = items.map(|item| item.size_bytes).sum();
    journal.append(Event::Pruned { by, slots })?;
    Ok(Some(size_bytes))
}

/// Leaves of what was pruned long ago only the slots that are still there.
pub(crate) fn forget_what_is_gone(journal: &mut Journal, store: &Store) -> Result<(), FsError> {
    let slots = openat2(
        store.handle(),
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        RESOLVE,
    )?;
    let names = Dir::read_from(&slots)?.map(|entry| Ok(entry?.file_name().to_owned()));
    let names: BTreeSet<CString> = names.collect::<Result<_, FsError>>()?;
    let is_there = |slot: &&Slot| names.contains(&c_name(slot));
    let gone = journal.history().shelf().condemned().filter(|slot| !is_there(slot));
    for slot in gone.cloned().collect::<Vec<_>>() {
        journal.emptied(&slot);
    }
    Ok(())
}

/// The name of a slot: it holds no zero, by what a slot is.
fn c_name(slot: &Slot) -> CString {
    CString::new(slot.as_str()).unwrap_or_default()
}

/// Empties slots that were pruned, until `budget` names are removed. What cannot be removed stays,
/// and is tried again the next time.
pub(crate) fn sweep(journal: &mut Journal, store: &Store, budget: &mut u32) {
    let slots: Vec<Slot> =
        journal.history().shelf().condemned().take(SCANNED_MAX).cloned().collect();
    for slot in slots {
        let Some(condemned) = Condemned::of(journal, &slot) else { continue };
        if *budget > 0 && condemned.remove(store, budget) == Ok(true) {
            journal.emptied(&slot);
        }
    }
}

/// Proof that a slot was pruned by a record, and that the record is written.
struct Condemned<'s> {
    slot: &'s Slot,
}

impl<'s> Condemned<'s> {
    fn of(journal: &Journal, slot: &'s Slot) -> Option<Self> {
        let is_written = journal.is_open().is_ok() && journal.history().shelf().is_condemned(slot);
        is_written.then_some(Self { slot })
    }

    /// Removes what the slot holds: the only code that unlinks a user's bytes. True if nothing is
    /// left. Only in the store, only this name, through no link and onto no other mount.
    fn remove(&self, store: &Store, budget: &mut u32) -> Result<bool, FsError> {
        let (at, name) = (store.handle(), self.slot.as_str());
        let facts = match Facts::of_entry(at, name) {
            Err(FsError::NotFound) => return Ok(true),
            other => other?,
        };
        if facts.mount != Facts::of(at)?.mount {
            return Err(FsError::CrossesMount);
        }
        match facts.kind {
            EntryKind::File => {
                *budget = budget.saturating_sub(1);
                Ok(unlinkat(at, name, AtFlags::empty()).map(|()| true)?)
            }
            EntryKind::Directory => remove_tree(at, &c_name(self.slot), budget),
            EntryKind::Symlink | EntryKind::Other => Err(FsError::NotRegular),
        }
    }
}

/// Removes a directory from below, each name from a directory that is held. No name is a path, no
/// link is followed, and what is mounted somewhere in it ends the removal there.
fn remove_tree(
    at: BorrowedFd<'_>,
    name: &std::ffi::CStr,
    budget: &mut u32,
) -> Result<bool, FsError> {
    let mut held: Vec<(OwnedFd, CString)> = vec![(enter(at, name)?, name.to_owned())];
    while let Some((directory, name)) = held.last() {
        match empty(directory, budget)? {
            Emptied::Inner(inner) if held.len() < DEPTH_MAX => {
                let entered = enter(directory.as_fd(), &inner)?;
                held.push((entered, inner));
            }
            Emptied::Inner(_) => {
                return Err(FsError::LimitExceeded { what: "depth", max: DEPTH_MAX as u64 });
            }
            Emptied::NotYet => return Ok(false),
            Emptied::All => {
                let name = name.clone();
                drop(held.pop());
                let above = held.last().map_or(at, |(directory, _)| directory.as_fd());
                unlinkat(above, &*name, AtFlags::REMOVEDIR)?;
                *budget = budget.saturating_sub(1);
            }
        }
    }
    Ok(true)
}

/// What is left of a directory.
enum Emptied {
    All,
    /// There is no budget for more.
    NotYet,
    /// A directory, which is emptied first.
    Inner(CString),
}

fn empty(directory: &OwnedFd, budget: &mut u32) -> Result<Emptied, FsError> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if kind_of(directory, &entry)? == FileType::Directory {
            return Ok(Emptied::Inner(name.to_owned()));
        }
        if *budget == 0 {
            return Ok(Emptied::NotYet);
        }
        unlinkat(directory, name, AtFlags::empty())?;
        *budget -= 1;
    }
    Ok(if *budget == 0 { Emptied::NotYet } else { Emptied::All })
}

fn kind_of(directory: &OwnedFd, entry: &rustix::fs::DirEntry) -> Result<FileType, FsError> {
    if entry.file_type() != FileType::Unknown {
        return Ok(entry.file_type());
    }
    let stat = rustix::fs::statat(directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode))
}

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

fn enter(at: BorrowedFd<'_>, name: &std::ffi::CStr) -> Result<OwnedFd, FsError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat2(at, name, flags, Mode::empty(), RESOLVE)?)
}

/// Refuses steps that would displace more than is set aside, before anything is done. Trees among
/// what they displace are weighed, and recorded with their weight.
pub(crate) fn has_room(
    journal: &mut Journal,
    folders: &Folders,
    steps: &[Step],
) -> Result<(), FsError> {
    let mut weighed = Vec::new();
    // What comes to the store and what leaves it, by folder.
    let mut flows: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for step in steps {
        let place = folders.locate_for_change(&step.path)?;
        if let Some(item) = journal.history().shelf().item(&step.slot) {
            let (_, out) = flows.entry(&item.folder).or_default();
            *out = out.saturating_add(item.size_bytes);
        }
        let (Trade::Exchange { before, .. } | Trade::Take { before }) = &step.trade else {
            continue;
        };
        let mut size_bytes = before.size_bytes;
        if before.kind == EntryKind::Directory && size_bytes > 0 {
            match weigh(place.root.handle(), &place.relative()) {
                // An earlier step of this change brings it there: it is counted as it stands.
                Err(error) if error.is_absence() => {}
                weight => {
                    size_bytes = weight?;
                    weighed.push(Event::Weighed { slot: step.slot.clone(), size_bytes });
                }
            }
        }
        let (come, _) = flows.entry(place.root.name()).or_default();
        *come = come.saturating_add(size_bytes);
    }
    for root in folders.roots() {
        let (come, out) = flows.get(&**root.name()).copied().unwrap_or_default();
        let kept = journal.history().shelf().kept_bytes(root.name());
        let max = root.keep().bytes.unwrap_or(u64::MAX);
        let wanted = come.saturating_sub(out);
        if wanted > 0 && kept.saturating_add(wanted) > max {
            let folder = root.name().to_string();
            return Err(FsError::QuotaExceeded { folder, kept, wanted, max });
        }
    }
    weighed.into_iter().try_for_each(|event| journal.append(event))
}

/// How long the files of a tree are together.
fn weigh(at: BorrowedFd<'_>, path: &str) -> Result<u64, FsError> {
    let (mut size_bytes, mut seen) = (0u64, 0u64);
    let mut ahead = vec![CString::new(path).map_err(|_| FsError::InvalidPath)?];
    while let Some(path) = ahead.pop() {
        let directory = enter(at, &path)?;
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            seen += 1;
            if seen > WEIGHED_MAX {
                let what = "the number of entries in a tree that is to be kept";
                return Err(FsError::LimitExceeded { what, max: WEIGHED_MAX });
            }
            match kind_of(&directory, &entry)? {
                FileType::Directory => {
                    let inner = [path.to_bytes(), b"/", name].concat();
                    ahead.push(CString::new(inner).map_err(|_| FsError::InvalidPath)?);
                }
                FileType::RegularFile => {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    match rustix::fs::statat(&directory, entry.file_name(), flags) {
                        Ok(stat) => {
                            let size = u64::try_from(stat.st_size).unwrap_or_default();
                            size_bytes = size_bytes.saturating_add(size);
                        }
                        Err(Errno::NOENT) => {}
                        Err(errno) => return Err(errno.into()),
                    }
                }
                FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {}
            }
        }
    }
    Ok(size_bytes)
}

/// The content of a slot, if it is still what was put away.
pub(crate) fn content(store: &Store, slot: &Slot, kept: &Image) -> Result<Vec<u8>, FsError> {
    use std::io::Read as _;
    let (file, facts) = handle::content(store.handle(), slot.as_str())?;
    if facts.size_bytes > CONTENT_BYTES_MAX {
        return Err(FsError::LimitExceeded { what: "kept content", max: CONTENT_BYTES_MAX });
    }
    let mut bytes = Vec::new();
    (&file).take(CONTENT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if Some(clawnet_core::Digest::of_content(&bytes)) == kept.hash {
        Ok(bytes)
    } else {
        Err(FsError::Tampered)
    }
}

/// The most bytes that are given back at once: 100 MiB.
const CONTENT_BYTES_MAX: u64 = 100 << 20;

#[cfg(test)]
mod tests;
