//! Opening: the index if it can be had, the segments from there on, and what must be put right.
use std::{io, path::Path, sync::Arc};

use super::{
    committer::{Committer, Tail},
    disk::{Disk, set_aside},
    group::Footer,
    index::{Ends, Index, Known, Watermark},
    io_failed,
    opened::{Missing, Opened},
    queue::Queue,
    replay::{Found, Replay},
    segment::{self, HEADER_SIZE_BYTES, Position, damaged},
};
use crate::store::StoreError;

/// The parts of an open store.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) index: Arc<Index>,
    pub(super) queue: Arc<Queue>,
    pub(super) committer: Committer,
}

/// Reads what there is on `disk` and puts it right.
pub(super) fn open(
    disk: Box<dyn Disk>,
    segment_size_bytes_max: u32,
) -> Result<(Parts, Opened), StoreError> {
    let disk: Arc<dyn Disk> = Arc::from(disk);
    let segments = segment::numbers(&*disk)?;
    let OpenIndex { index, known, mut rebuilt } = open_index(&*disk, !segments.is_empty())?;
    let certain = known.as_ref().map(|known| known.watermark);
    let whole = certain.is_none_or(|certain| ends_a_group(&*disk, &certain));
    let from_start = || {
        let certain = certain.map_or(Position::NONE, |certain| certain.position);
        Replay::from_start(&index, certain).run(&*disk, &segments)
    };
    let mut found = match known {
        Some(Known { ends: Ends::Known(ends), watermark }) if whole => {
            let found = Replay::behind(&index, ends, watermark).run(&*disk, &segments)?;
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
    let missing = certain.filter(|_| !whole).and_then(|certain| found.lacks(certain));
    if found.damage.is_some() {
        index.freeze(certain);
    } else {
        settle(&*disk, &index, &found)?;
    }
    let opened = report(&found, segments.len(), (rebuilt, missing));
    let position = found.tail;
    let node_position = found.watermark.node_position;
    let tail = Tail { position, node_position, segment_size_bytes_max };
    let damage = found.damage.map(|damage| (damage, found.damaged_until));
    let queue = Arc::new(Queue::behind(found.ends, damage));
    let index = Arc::new(index);
    let parts = (Arc::clone(&disk), Arc::clone(&index), Arc::clone(&queue));
    let committer = Committer::at(tail, parts);
    Ok((Parts { disk, index, queue, committer }, opened))
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
/// may have written without a flush.
fn settle(disk: &dyn Disk, index: &Index, found: &Found) -> Result<(), StoreError> {
    let Position { segment, offset } = found.tail;
    if segment > 0 {
        let name = segment::name(segment);
        let failed = |source| io_failed(&format!("settling {name}"), source);
        if found.torn_size_bytes > 0 {
            disk.truncate(&name, offset.into()).map_err(failed)?;
        }
        disk.create(&name).and_then(|()| disk.sync(&name)).map_err(failed)?;
    }
    if found.replayed > 0 {
        index.write(&found.changed, Some(found.watermark));
    }
    Ok(())
}

fn report(
    found: &Found,
    segments: usize,
    (index_rebuilt, missing): (Option<String>, Option<Missing>),
) -> Opened {
    let cut = found.damage.is_none() && found.torn_size_bytes > 0;
    Opened {
        records: found.watermark.node_position,
        logs: found.ends.len(),
        segments,
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

/// Whether the group that ends at the watermark is the one it was taken from.
fn ends_a_group(disk: &dyn Disk, watermark: &Watermark) -> bool {
    let mut bytes = [0; Footer::SIZE_BYTES];
    let before = u64::from(watermark.position.offset).checked_sub(bytes.len() as u64);
    let Some(offset) = before.filter(|before| *before >= HEADER_SIZE_BYTES as u64) else {
        return false;
    };
    let read = disk.read_at(&segment::name(watermark.position.segment), offset, &mut bytes);
    read.is_ok_and(|read| read == bytes.len())
        && Footer::parse(&bytes).is_some_and(|footer| {
            (footer.hash, footer.node_position) == (watermark.hash, watermark.node_position)
        })
}

const MARKER: &str = "index.opening";
