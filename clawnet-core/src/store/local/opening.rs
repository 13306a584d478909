//! Opening: the index if it can be had, the segments from there on, and what must be put right.
use std::{io, path::Path, sync::Arc};

use super::{
    committer::{Committer, Tail},
    disk::{Disk, set_aside},
    index::{Ends, Index, Known, Watermark},
    io_failed,
    opened::{Missing, Opened},
    queue::Queue,
    replay::{Found, Replay},
    segment::{self, Position, damaged},
    segments::{Seen, Segments},
    stub,
};
use crate::store::StoreError;

/// The parts of an open store.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) segments: Arc<Segments>,
    pub(super) index: Arc<Index>,
    pub(super) queue: Arc<Queue>,
    pub(super) committer: Committer,
}

/// Reads what there is on `disk` and puts it right.
pub(super) fn open(
    (disk, archive): (Arc<dyn Disk>, Option<Arc<dyn Disk>>),
    segment_size_bytes_max: u32,
) -> Result<(Parts, Opened), StoreError> {
    checked(&*disk)?;
    let segments = Segments::open(Arc::clone(&disk), archive)?;
    let numbers = segments.numbers()?;
    let OpenIndex { index, known, mut rebuilt } = open_index(&*disk, !numbers.is_empty())?;
    let certain = known.as_ref().map(|known| known.watermark);
    let seen = certain.map_or(Seen::Archived, |certain| segments.seen(&certain));
    let from_start = || {
        let certain = certain.map_or(Position::NONE, |certain| certain.position);
        Replay::from_start(&index, certain).run(&segments, &numbers)
    };
    let mut found = match known {
        Some(Known { ends: Ends::Known(ends), watermark }) if seen == Seen::Here => {
            let found = Replay::behind(&index, ends, watermark).run(&segments, &numbers)?;
            if found.damage.is_some() {
                // What the index said may be what is wrong, and every end must be the best known.
                rebuilt = Some("the segments do not continue it".to_owned());
                from_start()?
            } else {
                found
            }
        }
        _ => from_start()?,
    };
    let missing = certain.filter(|_| seen == Seen::No).and_then(|certain| found.lacks(certain));
    if found.damage.is_some() {
        index.freeze(certain);
    } else {
        settle(&*disk, &index, (&found, certain))?;
        settle_stubs(&*disk, &segments)?;
    }
    let opened = report(&found, (numbers.len(), segments.archived_count()), (rebuilt, missing));
    let position = found.tail;
    let node_position = found.watermark.node_position;
    let tail = Tail { position, node_position, segment_size_bytes_max };
    let damage = found.damage.map(|damage| (damage, found.damaged_until));
    let queue = Arc::new(Queue::behind(found.ends, found.watermark, damage));
    let (segments, index) = (Arc::new(segments), Arc::new(index));
    let parts = (Arc::clone(&disk), Arc::clone(&index), Arc::clone(&queue));
    let committer = Committer::at(tail, parts);
    Ok((Parts { disk, segments, index, queue, committer }, opened))
}

impl Found {
    /// Whether what was certain is not there, and not only broken. Then no log is known to end
    /// where it seems to.
    fn lacks(&mut self, certain: Watermark) -> Option<Missing> {
        if self.damage.is_some() && self.tail >= certain.position {
            return None;
        }
        let missing = Missing {
            records_before: certain.node_position,
            records_found: self.watermark.node_position,
        };
        self.damage.get_or_insert_with(|| damaged(self.tail, &missing.to_string()));
        self.damaged_until = self.damaged_until.max(certain.position).max(self.tail);
        Some(missing)
    }
}

/// Cuts what is torn, and makes certain that what was read is on disk: a process that was killed
/// may have written without a flush, and one whose flush failed has left bytes in the cache that no
/// further flush would write. What is behind the index's watermark is written again; what is before
/// it was flushed when the watermark was taken.
fn settle(
    disk: &dyn Disk,
    index: &Index,
    (found, certain): (&Found, Option<Watermark>),
) -> Result<(), StoreError> {
    let Position { segment, offset } = found.tail;
    if segment > 0 {
        let name = segment::name(segment);
        let failed = |source| io_failed(&format!("settling {name}"), source);
        if found.torn_size_bytes > 0 {
            disk.truncate(&name, offset.into()).map_err(failed)?;
        }
        let certain = certain.map_or(Position::NONE, |certain| certain.position);
        let from = if certain.segment == segment { certain.offset } else { 0 };
        rewrite(disk, &name, (from, offset)).map_err(failed)?;
        disk.create(&name).and_then(|()| disk.sync(&name)).map_err(failed)?;
    }
    if !found.changed.is_empty() {
        index.write(&found.changed, Some(found.watermark));
    }
    Ok(())
}

/// Writes a part of a file again.
fn rewrite(disk: &dyn Disk, name: &str, (from, to): (u32, u32)) -> io::Result<()> {
    let mut bytes = vec![0; REWRITE_SIZE_BYTES];
    let (mut at, to) = (u64::from(from), u64::from(to));
    while at < to {
        let size_bytes = usize::try_from(to - at).unwrap_or(REWRITE_SIZE_BYTES);
        bytes.truncate(size_bytes);
        let read = disk.read_at(name, at, &mut bytes)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        disk.rewrite(name, at, bytes.get(..read).unwrap_or_default())?;
        at += read as u64;
    }
    Ok(())
}

/// How much is written again at once.
const REWRITE_SIZE_BYTES: usize = 1 << 20;

/// Removes the stubs of segments that are here again.
fn settle_stubs(disk: &dyn Disk, segments: &Segments) -> Result<(), StoreError> {
    for (number, _) in segments.doubled() {
        let name = stub::name(*number);
        disk.remove(&name).map_err(|source| io_failed(&format!("removing {name}"), source))?;
    }
    Ok(())
}

fn report(
    found: &Found,
    (segments, archived): (usize, usize),
    (index_rebuilt, missing): (Option<String>, Option<Missing>),
) -> Opened {
    let cut = found.damage.is_none() && found.torn_size_bytes > 0;
    Opened {
        records: found.watermark.node_position,
        logs: found.ends.len(),
        segments,
        archived,
        replayed: found.replayed,
        torn_size_bytes: if cut { found.torn_size_bytes } else { 0 },
        torn_at: cut.then(|| found.tail.to_string()),
        index_rebuilt,
        damage: found.damage.clone(),
        missing,
    }
}

/// The index, what it knew, and why it was or must be rebuilt.
struct OpenIndex {
    index: Index,
    known: Option<Known>,
    rebuilt: Option<String>,
}

/// Opens the index behind a marker, so that an opening that never returned is not tried twice.
fn open_index(disk: &dyn Disk, due: bool) -> Result<OpenIndex, StoreError> {
    let fresh = OpenIndex { index: Index::default(), known: None, rebuilt: None };
    let Some(dir) = disk.index() else { return Ok(fresh) };
    let failed = |source| io_failed("marking the opening of the index", source);
    let left = disk.size_bytes(MARKER).map_err(failed)?.is_some();
    disk.keep(MARKER, b"").map_err(failed)?;
    let opened = if left {
        Err("an earlier opening of it did not return".to_owned())
    } else {
        Index::open(dir)
    };
    let opened = match opened {
        Err(why) => replace_index(dir, why),
        Ok((unfit, Some(known))) if matches!(known.ends, Ends::Unfit) => {
            drop(unfit);
            let replaced = replace_index(dir, "its entries do not fit each other".to_owned());
            // That group was flushed, whatever has become of the entries.
            OpenIndex { known: Some(known), ..replaced }
        }
        Ok((index, known)) => {
            let suspect = known.as_ref().is_some_and(|known| matches!(known.ends, Ends::Suspect));
            let rebuilt = if suspect {
                Some("damage was found before".to_owned())
            } else {
                (known.is_none() && due).then(|| "it had no watermark".to_owned())
            };
            OpenIndex { index, known, rebuilt }
        }
    };
    disk.remove(MARKER).map_err(failed)?;
    Ok(opened)
}

/// Starts anew beside what could not be used; in memory if not even that works.
fn replace_index(dir: &Path, why: String) -> OpenIndex {
    let fresh = set_aside(dir).map_err(|error: io::Error| error.to_string());
    let (index, rebuilt) = match fresh.and_then(|()| Index::open(dir)) {
        Ok((index, _)) => (index, why),
        Err(error) => (Index::default(), format!("{why}; in memory, for {error}")),
    };
    OpenIndex { index, known: None, rebuilt: Some(rebuilt) }
}

const MARKER: &str = "index.opening";

/// In a folder that is no store, or not yet: what is not copied whole, and what holds single
/// segments.
pub(super) const UNFINISHED: &str = "unfinished";
pub(super) const ARCHIVE: &str = "archive";

/// Refuses a folder that is no store.
fn checked(disk: &dyn Disk) -> Result<(), StoreError> {
    for (marker, what) in [(UNFINISHED, "an unfinished copy"), (ARCHIVE, "an archive")] {
        let failed = |source| io_failed("looking at the store's folder", source);
        if disk.size_bytes(marker).map_err(failed)?.is_some() {
            return Err(StoreError::NotAStore { what: what.to_owned() });
        }
    }
    Ok(())
}
