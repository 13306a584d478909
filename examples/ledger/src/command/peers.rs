//! What counterparts showed of their ledgers.
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{
    arguments::Arguments,
    desk::Desk,
    place::Place,
    screen::{Screen, Tint},
    stop::{Status, Stop},
    text::{grouped, moment},
};

pub(super) const COMMAND: Command = Command {
    name: "peers",
    usage: "",
    about: "the last heads of other ledgers, and whether any of them was caught",
    more: "Ends with status 1 if one of them was: the record it names holds the proof. Needs the\n\
           owner's secret key.\n",
    run,
};

fn run(arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    arguments.end(COMMAND.name)?;
    block_on(async {
        let desk = Desk::open(place).await?;
        let peers = desk.owner(place).await?.peers();
        if peers.is_empty() {
            return Err(Stop::absent("no counterpart has shown a head of its ledger"));
        }
        for peer in &peers {
            if screen.json() {
                screen.value(&json!({
                    "at": peer.at, "misbehaved": peer.misbehaved, "owner": peer.owner,
                    "record": peer.record, "root": peer.root, "size": peer.size,
                }))?;
                continue;
            }
            let (size, when) = (grouped(peer.size), moment(peer.at));
            let head = format!("{}  {when}  {size} records, record {}", peer.owner, peer.record);
            match peer.misbehaved {
                None => screen.line(&head)?,
                Some(proof) => {
                    screen.tinted(Tint::Bad, &format!("{head}: CAUGHT, record {proof}"))?;
                }
            }
        }
        let caught = peers.iter().any(|peer| peer.misbehaved.is_some());
        if caught { Err(Stop::Told(Status::Wrong)) } else { Ok(()) }
    })
}
