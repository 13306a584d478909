//! How much there is of what.
use std::{collections::BTreeMap, fs, path::Path};

use clawnet_core::{AuditRecord, Event, Frame, Timestamp};
use futures::executor::block_on;
use serde_json::{Value, json};

use super::Command;
use crate::{
    arguments::Arguments,
    place::Place,
    progress::Meter,
    screen::Screen,
    stop::Stop,
    text::{grouped, moment, size},
    view::View,
};

pub(super) const COMMAND: Command = Command {
    name: "stats",
    usage: "",
    about: "records by kind, and what the store takes on disk",
    more: "Segments and index are those of all owners in the store; records, checkpoints and bodies\n\
           are the one ledger's.\n",
    run,
};

fn run(arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    arguments.end(COMMAND.name)?;
    let folder = place.store()?;
    block_on(async {
        let view = View::open(place).await?;
        let mut counted = Counted::default();
        let mut meter = Meter::start();
        let last = view.last().await?;
        let mut unread = None;
        while counted.records < last && unread.is_none() {
            match view.read(counted.records + 1).await {
                Ok(frames) if frames.is_empty() => break,
                Ok(frames) => frames.iter().for_each(|frame| counted.count(frame)),
                Err(error) => unread = Some(error),
            }
            meter.tell(counted.records, last);
        }
        meter.finish(counted.records);
        let log = view.log.to_string();
        let stored = Stored {
            segments: Files::of(&folder.join("segments"), |name| !name.starts_with('.'))?,
            bodies: Files::of(&folder.join("bodies"), |name| name.starts_with(&log))?,
            index: Files::of(&folder.join("index"), |_| true)?,
        };
        if screen.json() {
            screen.value(&value(&view, &counted, &stored))?;
        } else {
            lines(&view, &counted, &stored, screen)?;
        }
        unread.map_or(view.verdict(), |error| Err(error.into()))
    })
}

/// What is in the records.
#[derive(Debug, Default)]
struct Counted {
    records: u64,
    size_bytes: u64,
    kinds: BTreeMap<String, u64>,
    acts: BTreeMap<String, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    checkpoint: Option<u64>,
}

impl Counted {
    fn count(&mut self, frame: &Frame) {
        self.records = frame.sequence;
        self.size_bytes += frame.payload.len() as u64;
        let payload = std::str::from_utf8(&frame.payload).unwrap_or_default();
        let kind = named(payload, "\"event\":{\"").unwrap_or("unreadable");
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "act" => {
                let act = named(payload, "\"act\":{\"act\":{\"").unwrap_or("unreadable");
                *self.acts.entry(act.to_owned()).or_default() += 1;
            }
            "checkpoint" => {
                if let Ok(record) = AuditRecord::from_frame(frame)
                    && let Event::Checkpoint(note) = record.event
                {
                    self.checkpoint = Some(note.checkpoint().size);
                }
            }
            _ => {}
        }
        let at = payload.split_once("\"at\":").and_then(|(_, rest)| rest.split_once(','));
        let at = at.and_then(|(at, _)| at.parse().ok()).map(Timestamp::from_millis);
        self.first = self.first.or(at);
        self.last = at.or(self.last);
    }
}

/// The word behind the first place where `front` stands.
fn named<'p>(payload: &'p str, front: &str) -> Option<&'p str> {
    let (_, rest) = payload.split_once(front)?;
    rest.split_once('"').map(|(word, _)| word)
}

/// What is on disk.
#[derive(Debug)]
struct Stored {
    segments: Files,
    bodies: Files,
    index: Files,
}

#[derive(Debug, Default)]
struct Files {
    count: u64,
    size_bytes: u64,
}

impl Files {
    /// The files right in a folder, if there is one.
    fn of(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, Stop> {
        let mut files = Self::default();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(files),
            entries => entries.map_err(|error| Stop::of_file(folder, &error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| Stop::of_file(folder, &error))?;
            // What is gone by now was about to be.
            let Ok(found) = entry.metadata() else { continue };
            if found.is_file() && entry.file_name().to_str().is_some_and(&wanted) {
                files.count += 1;
                files.size_bytes += found.len();
            }
        }
        Ok(files)
    }

    fn value(&self) -> Value {
        json!({ "bytes": self.size_bytes, "count": self.count })
    }
}

fn value(view: &View, counted: &Counted, stored: &Stored) -> Value {
    let Counted { records, size_bytes, kinds, acts, first, last, checkpoint } = counted;
    json!({
        "acts": acts, "bodies": stored.bodies.value(), "bytes": size_bytes, "first": first,
        "index": stored.index.value(), "kinds": kinds, "last": last, "ledger": view.log,
        "last_checkpoint": checkpoint, "records": records, "segments": stored.segments.value(),
        "store": { "ledgers": view.opened.logs, "records": view.opened.records },
    })
}

fn lines(view: &View, counted: &Counted, stored: &Stored, screen: &mut Screen) -> Result<(), Stop> {
    let Counted { records, size_bytes, kinds, acts, .. } = counted;
    screen.whole(&format!("ledger       {}", view.log))?;
    screen.line(&format!("records      {}, {}", grouped(*records), size(*size_bytes)))?;
    if let (Some(first), Some(last)) = (counted.first, counted.last) {
        screen.line(&format!("from         {} to {} UTC", moment(first), moment(last)))?;
    }
    screen.line(&match counted.checkpoint {
        Some(covers) => format!("checkpoint   the last covers {} records", grouped(covers)),
        None => "checkpoint   none yet".to_owned(),
    })?;
    table("kind", kinds, screen)?;
    table("act", acts, screen)?;
    screen.line("")?;
    let Stored { segments, bodies, index } = stored;
    let about =
        |files: &Files| format!("{:>5}   {:>10}", grouped(files.count), size(files.size_bytes));
    let (ledgers, all) = (view.opened.logs, grouped(view.opened.records));
    let whose = format!(
        "of {all} records in {ledgers} {}",
        if ledgers == 1 { "ledger" } else { "ledgers" }
    );
    screen.line(&format!("segments     {}   {whose}", about(segments)))?;
    screen.line(&format!("bodies       {}   not erased", about(bodies)))?;
    screen.line(&format!("index        {}   can be rebuilt", about(index)))
}

fn table(title: &str, counts: &BTreeMap<String, u64>, screen: &mut Screen) -> Result<(), Stop> {
    screen.line("")?;
    for (nth, (name, count)) in counts.iter().enumerate() {
        let title = if nth == 0 { title } else { "" };
        screen.line(&format!("{title:<11}  {name:<12}{:>10}", grouped(*count)))?;
    }
    Ok(())
}
