//! A proof of one record, for who has neither the store nor our word.
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use clawnet_core::{BundleError, ProofError};
use futures::executor::block_on;
use serde_json::json;

use super::{Command, checkpoint};
use crate::{
    arguments::{Arguments, parse},
    desk::Desk,
    place::Place,
    screen::Screen,
    stop::{Stop, with_causes},
    text::size,
};

pub(super) const COMMAND: Command = Command {
    name: "prove",
    usage: "SEQUENCE [FILE]",
    about: "a proof of one record and what it rests on, for `check-proof`",
    more: "Writes a proof bundle to FILE, or to the standard output: the record, the grants it was\n\
           let through by, the question and the owner's yes, and what came of it, each with its\n\
           path to the last checkpoint, or to the one in --checkpoint FILE. It discloses these\n\
           records whole, and of others nothing but hashes. Needs the owner's secret key.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let sequence: u64 = parse("SEQUENCE", &arguments.needed("SEQUENCE")?)?;
    let file = arguments.word().filter(|file| file != "-").map(PathBuf::from);
    let under = arguments.value("checkpoint");
    arguments.end(COMMAND.name)?;
    let under = under.map(|file| checkpoint::read(Path::new(&file))).transpose()?;
    let bundle = block_on(async {
        let desk = Desk::open(place).await?;
        let owner = desk.owner(place).await?;
        let end = desk.kernel.head().sequence;
        if sequence == 0 || sequence > end {
            return Err(Stop::absent(format!("there is no record {sequence}: the last is {end}")));
        }
        let under = match under {
            Some(note) => note,
            None => checkpoint::last(&*desk.store, (owner.id(), end)).await?,
        };
        owner.bundle(sequence, &under).await.map_err(unproven)
    })?;
    let text = format!("{bundle}\n");
    let Some(path) = file else { return screen.bytes(text.as_bytes()) };
    write_new(&path, text.as_bytes())?;
    let covered = bundle.checkpoint().checkpoint().size;
    let (name, length) = (path.display(), text.len() as u64);
    if screen.json() {
        return screen.value(&json!({ "bytes": length, "file": path, "size": covered }));
    }
    let under = format!("under the checkpoint of {covered} records");
    screen.line(&format!("record {sequence} is proven in {name}, {}, {under}", size(length)))
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| Stop::of_file(path, &error))
}

fn unproven(error: BundleError) -> Stop {
    match error {
        BundleError::Proof(ProofError::Store(error)) => error.into(),
        BundleError::Proof(error @ ProofError::Outside { .. }) => {
            Stop::absent(format!("{error}; `checkpoint --sign` makes one that covers it"))
        }
        error => Stop::wrong(with_causes(&error)),
    }
}
