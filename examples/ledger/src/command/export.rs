//! A whole ledger, written down for elsewhere.
use std::{
    fs::OpenOptions,
    io::{self, BufWriter, IsTerminal},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use clawnet_core::{Export, ExportError, Owner, Progress, Transferred};
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{
    arguments::Arguments,
    desk::Desk,
    place::Place,
    progress::Meter,
    screen::Screen,
    stop::{Status, Stop, with_causes},
    text::{grouped, with},
};

pub(super) const COMMAND: Command = Command {
    name: "export",
    usage: "FILE",
    about: "the whole ledger, verified as it goes; - is the standard output",
    more: "JSON Lines, or with --native the same in fewer bytes; with --bodies also the contents\n\
           that were not erased. FILE must not be there yet. Nothing of another owner is in it.\n\
           What a failure leaves has no end, and `import` and `verify` refuse it. Needs the\n\
           owner's secret key.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let file = arguments.needed("FILE")?;
    let how = if arguments.flag("native") { Export::native() } else { Export::json_lines() };
    let how = if arguments.flag("bodies") { how.with_bodies() } else { how };
    arguments.end(COMMAND.name)?;
    block_on(async {
        let desk = Desk::open(place).await?;
        let owner = desk.owner(place).await?;
        if file == "-" {
            return to_screen(&owner, how, screen).await;
        }
        let path = Path::new(&file);
        let failed = |error: io::Error| Stop::of_file(path, &error);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut out = BufWriter::new(opened.map_err(failed)?);
        let mut meter = Meter::start();
        let tell = |progress: Progress| meter.tell(progress.records, progress.of);
        let done = owner.export(&mut out, how, tell).await;
        let Transferred { found, bodies, .. } =
            done.map_err(|error| stop(&error, &format!("`{file}` is unfinished")))?;
        meter.finish(found.records);
        out.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
        if screen.json() {
            let value = json!({ "bodies": bodies, "file": file, "records": found.records });
            return screen.value(&value);
        }
        let records = grouped(found.records);
        let with = with(bodies);
        screen.line(&format!("exported {records} records to {file}{with}"))
    })
}

async fn to_screen(owner: &Owner, how: Export, screen: &mut Screen) -> Result<(), Stop> {
    if io::stdout().is_terminal() && how != Export::json_lines() {
        return Err(Stop::usage("this is not for a terminal: name a FILE"));
    }
    let done = owner.export(screen.out(), how, |_| ()).await;
    done.map(drop).map_err(|error| stop(&error, "the export is unfinished"))
}

/// Half an export is none, whoever went away.
fn stop(error: &ExportError, what: &str) -> Stop {
    let why = with_causes(error);
    match error {
        ExportError::Damage(_) => Stop::wrong(format!("{what}: {why}")),
        _ => Stop::At(Status::Unreachable, format!("{what}: {why}")),
    }
}
