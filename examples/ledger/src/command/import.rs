//! A whole ledger, taken in from elsewhere.
use std::{fs::File, path::Path};

use clawnet_core::{Import, LocalStore, Transferred};
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{
    arguments::Arguments,
    place::Place,
    progress::Meter,
    screen::Screen,
    stop::Stop,
    text::{grouped, with},
};

pub(super) const COMMAND: Command = Command {
    name: "import",
    usage: "FILE",
    about: "takes an export into the store, verified before anything is kept",
    more: "The store is made if it is not there. The ledger there has to be empty, or a beginning\n\
           of the export: then the rest is appended. It needs --key, the owner's first public\n\
           key, from somewhere you trust: anybody can make a ledger.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let file = arguments.needed("FILE")?;
    arguments.end(COMMAND.name)?;
    let (founder, folder) = (place.founder()?, place.folder()?);
    let path = Path::new(&file);
    let source = File::open(path).map_err(|error| Stop::of_file(path, &error))?;
    block_on(async {
        let (store, _) = LocalStore::open(&folder)?;
        let mut meter = Meter::start();
        let import = Import::of(founder);
        let importing = import.into_store(source, &store, |progress| {
            meter.tell(progress.records, progress.of);
        });
        let Transferred { found, bodies, .. } = importing.await?;
        meter.finish(found.records);
        if screen.json() {
            let value =
                json!({ "bodies": bodies, "ledger": founder.owner(), "records": found.records });
            return screen.value(&value);
        }
        let (records, folder) = (grouped(found.records), folder.display());
        screen.line(&format!("{folder} holds the {records} records of {file}{}", with(bodies)))
    })
}
