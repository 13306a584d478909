//! The last checkpoint, or a new one: what is worth keeping somewhere else.
use std::{fs::File, io::Read, path::Path};

use clawnet_core::{
    AuditRecord, CheckpointError, Event, Frame, OwnerId, SignedCheckpoint, Store, StoreError,
};
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{
    arguments::Arguments,
    desk::Desk,
    place::{self, Place},
    screen::Screen,
    stop::{Status, Stop},
    view::View,
};

pub(super) const COMMAND: Command = Command {
    name: "checkpoint",
    usage: "[--sign FILE]",
    about: "the last signed checkpoint: keep it elsewhere, for `verify --against`",
    more: "A C2SP signed note of the ledger's size and root, as it is in the ledger. --sign FILE\n\
           opens the ledger as its application does, and signs a new one with the kernel's secret\n\
           key in FILE.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let sign = arguments.value("sign");
    arguments.end(COMMAND.name)?;
    let note = block_on(async {
        if let Some(file) = sign {
            return sign_anew(Path::new(&file), place).await;
        }
        let view = View::open(place).await?;
        last(view.store(), (view.log, view.last().await?)).await
    })?;
    if screen.json() {
        let size = note.checkpoint().size;
        return screen
            .value(&json!({ "note": note, "root": note.checkpoint().root, "size": size }));
    }
    screen.bytes(note.to_string().as_bytes())
}

async fn sign_anew(secret: &Path, place: &Place) -> Result<SignedCheckpoint, Stop> {
    let key = place::secret(secret)?;
    let desk = Desk::open(place).await?;
    desk.kernel.sign_with(key);
    desk.kernel.checkpoint().await.map_err(|error| match error {
        CheckpointError::Store(error) => error.into(),
        error => Stop::At(Status::Refused, error.to_string()),
    })
}

/// The last checkpoint in a ledger that ends at record `end`.
pub(super) async fn last(
    store: &dyn Store,
    (log, end): (OwnerId, u64),
) -> Result<SignedCheckpoint, Stop> {
    let mut until = end;
    while until > 0 {
        let first = until.saturating_sub(STEP - 1).max(1);
        let (mut next, mut found) = (first, None);
        while next <= until {
            let frames = match store.read(log, next, CHUNK_BYTES).await {
                Ok(frames) => frames,
                // What is damaged is passed over: what is behind it may be as it was.
                Err(StoreError::Damaged { .. }) => {
                    next += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Some(last) = frames.last().map(|frame| frame.sequence) else { break };
            found = frames.iter().rev().find_map(of_frame).or(found);
            next = last + 1;
        }
        if let Some(found) = found {
            return Ok(found);
        }
        until = first - 1;
    }
    Err(Stop::absent("there is no checkpoint in the ledger; `checkpoint --sign` makes one"))
}

fn of_frame(frame: &Frame) -> Option<SignedCheckpoint> {
    if !frame.payload.starts_with(br#"{"actor":"kernel""#) {
        return None;
    }
    match AuditRecord::from_frame(frame).ok()?.event {
        Event::Checkpoint(note) => Some(note),
        _ => None,
    }
}

/// A checkpoint in a file.
pub(super) fn read(path: &Path) -> Result<SignedCheckpoint, Stop> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| Stop::of_file(path, &error))?;
    let read = file.take(NOTE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Stop::of_file(path, &error))?;
    text.parse().map_err(|error| Stop::wrong(format!("`{}`: {error}", path.display())))
}

const NOTE_BYTES_MAX: u64 = (64 << 10) + 1;
/// Checkpoints are at most about so many records apart.
const STEP: u64 = 1200;
const CHUNK_BYTES: usize = 1 << 20;
