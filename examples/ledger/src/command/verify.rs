//! Whether a ledger is what was written.
use std::{fs::File, path::Path};

use clawnet_core::{
    Frame, Import, ImportError, OwnerId, SignedCheckpoint, StoreError, Verification, Verifier,
};
use futures::executor::block_on;
use serde_json::json;

use super::{Command, checkpoint};
use crate::{
    arguments::Arguments,
    place::Place,
    progress::Meter,
    screen::{Screen, Tint, remark},
    stop::{Status, Stop},
    text::grouped,
    view::View,
};

pub(super) const COMMAND: Command = Command {
    name: "verify",
    usage: "[EXPORT]",
    about: "whether every record is as it was written; of the store, or of an export",
    more: "Checks the chain, the tree, every act's signature by the owner, and every checkpoint's\n\
           by the key the owner certified: with the owner's first public key and nothing else.\n\
           It does not see that the end was cut off, unless somebody kept a checkpoint elsewhere:\n\
           --against FILE checks that the ledger still begins with all that one covers.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let export = arguments.word();
    let against = arguments.value("against");
    arguments.end(COMMAND.name)?;
    let held = against.map(|file| checkpoint::read(Path::new(&file))).transpose()?;
    match (export, held) {
        (Some(_), Some(_)) => Err(Stop::usage("`--against` is for a store, not for an export")),
        (Some(file), None) => verify_export(Path::new(&file), place, screen),
        (None, held) => block_on(verify_store(held, place, screen)),
    }
}

fn verify_export(path: &Path, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let file = File::open(path).map_err(|error| Stop::of_file(path, &error))?;
    let mut meter = Meter::start();
    let read =
        Import::of(place.founder()?).verify(file, |progress| meter.tell(progress.records, 0));
    let read = match (read, screen.json()) {
        (Err(error), true) if !matches!(error, ImportError::Source(_)) => {
            screen.value(&json!({ "verified": false, "what": error.to_string() }))?;
            return Err(Stop::Told(Status::Wrong));
        }
        (read, _) => read?,
    };
    meter.finish(read.found.records);
    Report { found: read.found, broken: None, held: None, damaged: false }.show(screen)
}

async fn verify_store(
    held: Option<SignedCheckpoint>,
    place: &Place,
    screen: &mut Screen,
) -> Result<(), Stop> {
    let view = View::open(place).await?;
    let mut meter = Meter::start();
    let mut verifier = Verifier::new(view.founder);
    let mut held = held.map(|note| Held { note, compared: None });
    let (mut next, mut unread) = (1, None);
    loop {
        let frames = match view.read(next).await {
            Ok(frames) => frames,
            Err(StoreError::Damaged { position, what }) => {
                unread = Some(format!("{what} (at {position})"));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = frames.last() else { break };
        next = last.sequence + 1;
        if !check_all(&mut verifier, &frames, held.as_mut()) {
            break;
        }
        meter.tell(next - 1, view.end().unwrap_or(0));
    }
    let found = verifier.found();
    meter.finish(found.records);
    let gone = || view.end().filter(|end| *end >= next).map(|_| "it is gone".to_owned());
    let broken = match &found.damage {
        Some(damage) => Some((damage.sequence, damage.what.clone())),
        None => unread.or_else(gone).map(|what| (found.records + 1, what)),
    };
    let held = held.map(|held| held.verdict(view.log, &found));
    // A crash leaves such an end, and so does who damages the last group.
    if view.opened.torn_size_bytes > 0 {
        let torn = grouped(view.opened.torn_size_bytes);
        remark(&format!("{torn} bytes behind the last record are no whole group of records"));
    }
    let damaged = view.opened.damage.is_some();
    Report { found, broken, held, damaged }.show(screen)
}

/// Checks records, and says whether all of them are as they were written.
fn check_all(verifier: &mut Verifier, frames: &[Frame], mut held: Option<&mut Held>) -> bool {
    for frame in frames {
        if verifier.check(frame).is_err() {
            return false;
        }
        if let Some(held) = held.as_mut()
            && held.note.checkpoint().size == frame.sequence
        {
            held.compare(verifier);
        }
    }
    true
}

/// A checkpoint that somebody kept elsewhere.
struct Held {
    note: SignedCheckpoint,
    compared: Option<Result<(), String>>,
}

impl Held {
    /// Compares it with the records it covers: all that were checked, and no more.
    fn compare(&mut self, verifier: &Verifier) {
        let (said, found) = (self.note.checkpoint(), verifier.found());
        self.compared = Some(match verifier.kernel_key() {
            _ if said.root != found.root => {
                Err(format!("it covers others than the first {} records", said.size))
            }
            None => Err("the owner had certified no key that could sign it".to_owned()),
            Some(key) => self.note.verify(&key).map_err(|error| error.to_string()),
        });
    }

    /// How many records are those that were signed, or why not all.
    fn verdict(self, log: OwnerId, found: &Verification) -> Result<u64, String> {
        if self.note.checkpoint().owner() != Some(log) {
            return Err(format!("it is of {}", self.note.checkpoint().origin));
        }
        let (size, has) = (self.note.checkpoint().size, found.records);
        let cut = || Err(format!("it covers {size} records, of which only {has} are there"));
        self.compared.unwrap_or_else(cut).map(|()| size)
    }
}

/// What came of verifying.
struct Report {
    found: Verification,
    broken: Option<(u64, String)>,
    held: Option<Result<u64, String>>,
    /// The store is, there or elsewhere.
    damaged: bool,
}

impl Report {
    fn show(&self, screen: &mut Screen) -> Result<(), Stop> {
        if screen.json() {
            self.value(screen)?;
        } else {
            self.lines(screen)?;
        }
        let wrong = self.damaged || self.broken.is_some() || matches!(self.held, Some(Err(_)));
        if wrong { Err(Stop::Told(Status::Wrong)) } else { Ok(()) }
    }

    fn value(&self, screen: &mut Screen) -> Result<(), Stop> {
        let Verification { records, acts, checkpoints, head, root, .. } = &self.found;
        let mut value = json!({
            "acts": acts, "checkpoints": checkpoints, "head": head, "records": records,
            "root": root, "verified": self.broken.is_none() && !self.damaged,
        });
        if let (Some((sequence, what)), Some(value)) = (&self.broken, value.as_object_mut()) {
            value.insert("damage".into(), json!({ "sequence": sequence, "what": what }));
        }
        if let (Some(held), Some(value)) = (&self.held, value.as_object_mut()) {
            let held = match held {
                Ok(size) => json!({ "good": true, "size": size }),
                Err(what) => json!({ "good": false, "what": what }),
            };
            value.insert("held".into(), held);
        }
        screen.value(&value)
    }

    fn lines(&self, screen: &mut Screen) -> Result<(), Stop> {
        let Verification { records, acts, checkpoints, head, root, .. } = &self.found;
        let count = grouped(*records);
        if let Some((sequence, what)) = &self.broken {
            screen.tinted(Tint::Bad, &format!("broken       at record {sequence}: {what}"))?;
            screen.line(&format!("intact       the {count} records before it"))?;
        } else if self.damaged {
            let line = format!("damaged      the store is, behind or beside these {count} records");
            screen.tinted(Tint::Bad, &line)?;
        } else {
            let line = format!("verified     {count} records, each as it was written");
            screen.tinted(Tint::Good, &line)?;
        }
        screen.line(&format!("acts         {}, each signed by the owner", grouped(*acts)))?;
        let signed = "each signed by the key the owner certified";
        screen.line(&format!("checkpoints  {}, {signed}", grouped(*checkpoints)))?;
        match &self.held {
            Some(Ok(size)) => {
                let line =
                    format!("held         the ledger begins with the {} it covers", grouped(*size));
                screen.tinted(Tint::Good, &line)?;
            }
            Some(Err(what)) => {
                screen.tinted(Tint::Bad, &format!("held         not of this ledger: {what}"))?;
            }
            None => {}
        }
        screen.whole(&format!("last record  {head}"))?;
        screen.whole(&format!("root         {root}"))
    }
}
