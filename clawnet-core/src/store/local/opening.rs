//! Opening: the index if it can be had, the segments from there on, and what must be put right.
use std::{io, path::Path, sync::Arc};

use super::{
    committer::{Committer, Tail},
    disk::{Disk, set_aside},
    group::Footer,
    index::{Index, Known, Watermark},
    io_failed,
    queue::Queue,
    replay::{Found, Replay},
    segment::{self, HEADER_SIZE_BYTES, Position},
};
use crate::store::StoreError;

/// What opening a [`LocalStore`](super::LocalStore) found and did.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Opened {
    /// How many records there are, in all logs.
    pub records: u64,
    /// How many logs there are.
    pub logs: usize,
    /// How many segments there are.
    pub segments: usize,
    /// How many records were read again and verified: those behind the index's watermark.
    pub replayed: u64,
    /// How many bytes of a torn end were cut. They were never acknowledged as durable.
    pub torn_size_bytes: u64,
    /// Where the cut was made.
    pub torn_at: Option<String>,
    /// Why the index was rebuilt, if it was. A watermark ahead of the segments says that either
    /// the index is foreign or the end of the segments is gone: compare with a checkpoint.
    pub index_rebuilt: Option<String>,
    /// Damage that is no torn end. Nothing was cut, and the store only reads.
    pub damage: Option<StoreError>,
}

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
    let (index, known, mut index_rebuilt) = open_index(&*disk, !segments.is_empty())?;
    let certain = known.as_ref().map_or(Position::NONE, |known| known.watermark.position);
    let from_start = || Replay::from_start(&index, certain).run(&*disk, &segments);
    let found = match known {
        Some(Known { ends, watermark, suspect: false }) => {
            let found = Replay::behind(&index, ends, watermark).run(&*disk, &segments)?;
            if found.damage.is_some() {
                // What the index said may be what is wrong, and every end must be the best known.
                index_rebuilt = Some("the segments do not continue it".to_owned());
                from_start()?
            } else {
                found
            }
        }
        _ => from_start()?,
    };
    if found.damage.is_some() {
        index.freeze();
    } else {
        settle(&*disk, &index, &found)?;
    }
    let opened = report(&found, segments.len(), index_rebuilt);
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

fn report(found: &Found, segments: usize, index_rebuilt: Option<String>) -> Opened {
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
    }
}

type OpenIndex = (Index, Option<Known>, Option<String>);

/// Opens the index behind a marker, so that an opening that never returned is not tried twice.
fn open_index(disk: &dyn Disk, due: bool) -> Result<OpenIndex, StoreError> {
    let Some(dir) = disk.index() else { return Ok((Index::default(), None, None)) };
    let failed = |source| io_failed("marking the opening of the index", source);
    let left = disk.size_bytes(MARKER).map_err(failed)?.is_some();
    disk.keep(MARKER, b"").map_err(failed)?;
    let opened = if left {
        Err("an earlier opening of it did not return".to_owned())
    } else {
        Index::open(dir).and_then(|(index, known)| match known {
            Some(known) if !known.suspect && !ends_a_group(disk, &known.watermark) => {
                Err("its watermark is ahead of the segments".to_owned())
            }
            None if due => Ok((index, None, Some("it had no watermark".to_owned()))),
            Some(known) if known.suspect => {
                Ok((index, Some(known), Some("damage was found before".to_owned())))
            }
            known => Ok((index, known, None)),
        })
    };
    let opened = opened.unwrap_or_else(|why| replace_index(dir, why));
    disk.remove(MARKER).map_err(failed)?;
    Ok(opened)
}

/// Starts anew beside what could not be used; in memory if not even that works.
fn replace_index(dir: &Path, why: String) -> OpenIndex {
    let fresh = set_aside(dir).map_err(|error: io::Error| error.to_string());
    match fresh.and_then(|()| Index::open(dir)) {
        Ok((index, _)) => (index, None, Some(why)),
        Err(error) => (Index::default(), None, Some(format!("{why}; in memory, for {error}"))),
    }
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
