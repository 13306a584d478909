//! The owner's decision that a content shall be gone.
use clawnet_core::{Digest, Store};
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{
    arguments::{Arguments, parse},
    desk::Desk,
    place::Place,
    screen::Screen,
    stop::Stop,
};

pub(super) const COMMAND: Command = Command {
    name: "erase",
    usage: "DIGEST",
    about: "removes a content for good; the ledger records that, and still verifies",
    more: "The contents of questions, archives and evidence are kept by their digests, beside the\n\
           ledger; `show --full` shows whole digests. Copies and exports elsewhere are out of\n\
           reach. Needs the owner's secret key.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let digest: Digest = parse("DIGEST", &arguments.needed("DIGEST")?)?;
    arguments.end(COMMAND.name)?;
    block_on(async {
        let desk = Desk::open(place).await?;
        let owner = desk.owner(place).await?;
        let kept = desk.store.body(owner.id(), digest).await?;
        let Some(kept) = kept else {
            let what = "was never kept here, or is erased already";
            return Err(Stop::absent(format!("the content {digest} {what}")));
        };
        owner.erase(digest).await?;
        let (bytes, record) = (kept.len(), desk.kernel.head().sequence);
        if screen.json() {
            return screen.value(&json!({ "bytes": bytes, "erased": digest, "sequence": record }));
        }
        screen.line(&format!("erased {bytes} bytes, as record {record} says: {digest}"))
    })
}
