//! A small ledger to try everything on.
use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use clawnet_core::{Digest, Signer, SoftwareKey};
use futures::executor::block_on;
use serde_json::json;

use super::Command;
use crate::{arguments::Arguments, place::Place, screen::Screen, stop::Stop};

mod story;
mod workshop;

pub(super) const COMMAND: Command = Command {
    name: "demo",
    usage: "[FOLDER]",
    about: "makes a small ledger to try all of this on",
    more: "FOLDER is `clawnet-demo` if it is not said, and must not be there yet. The keys are\n\
           always the same, and everybody knows them: for trying only.\n",
    run,
};

fn run(mut arguments: Arguments, _: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let folder = PathBuf::from(arguments.word().unwrap_or_else(|| "clawnet-demo".into()));
    arguments.end(COMMAND.name)?;
    let failed = |error| Stop::of_file(&folder, &error);
    DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
    let [owner, kernel] = [OWNER, KERNEL].map(|secret| SoftwareKey::from_secret(&secret));
    let founder = owner.public_key();
    let told = block_on(story::tell(&folder.join("ledger"), owner, kernel))?;
    keep(&folder.join("owner.pub"), &format!("{founder}\n"))?;
    keep(&folder.join("owner.secret"), &hex(OWNER))?;
    keep(&folder.join("kernel.secret"), &hex(KERNEL))?;
    keep(&folder.join("held.checkpoint"), &told.held.to_string())?;
    if screen.json() {
        return screen.value(&json!({
            "approved": told.approved, "content": told.content, "folder": folder, "key": founder,
            "ledger": founder.owner(), "records": told.records,
        }));
    }
    introduce(&folder, &told, screen)
}

fn introduce(folder: &Path, told: &story::Told, screen: &mut Screen) -> Result<(), Stop> {
    let story::Told { records, approved, content, .. } = told;
    let name = folder.display();
    let text = format!(
        "\
{name}/ledger           {records} records of two agents at work
{name}/owner.pub        the owner's public key, to check everything by
{name}/owner.secret     the owner's secret key, to decide
{name}/kernel.secret    the kernel's secret key, to sign checkpoints
{name}/held.checkpoint  what a counterpart has kept

Everybody knows these keys: for trying only. So that you need not say them, in the source's folder:

  alias ledger='cargo run --quiet -p ledger --'
  export LEDGER_STORE={name}/ledger LEDGER_KEY={name}/owner.pub
  export LEDGER_SECRET={name}/owner.secret

Then try

  ledger show
  ledger verify --against {name}/held.checkpoint
  ledger stats
  ledger query --job release-4.2
  ledger query --verdict deny --since 2026-03-02
  ledger prove {approved} {name}/proof.json
  ledger check-proof {name}/proof.json
  ledger export --bodies {name}/export.jsonl
  ledger verify {name}/export.jsonl
  ledger erase {content}
  ledger follow

and what happens to one changed byte:

  printf X | dd of={name}/ledger/segments/00000001.log bs=1 seek=5000 conv=notrunc
  ledger verify
"
    );
    screen.bytes(text.as_bytes())
}

fn keep(path: &Path, text: &str) -> Result<(), Stop> {
    let failed = |error| Stop::of_file(path, &error);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)
}

fn hex(bytes: [u8; 32]) -> String {
    format!("{}\n", Digest::from_bytes(bytes))
}

/// Secrets that are none.
const OWNER: [u8; 32] = [0x11; 32];
const KERNEL: [u8; 32] = [0x22; 32];
