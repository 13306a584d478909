//! Three owners and their agents: contact, consent, a deal, a question to a third, and everything
//! that was refused on the way.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and opens folders")]

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use futures::executor::block_on;

mod cast;
mod tale;
mod house;
mod model;
mod seat;
mod person;
mod account;
mod room;

const HELP: &str = "\
Three owners and their agents: contact, consent, a deal, and what was refused on the way.

Usage: two-owners [OPTIONS]

Options:
  --state DIR  where the three folders and ledgers are left, to be looked at; DIR must not be there
               yet [default: a temporary one, which is removed]
  --help       print this

Exit status: 0 if both ledgers of each session tell the same, 1 if something failed, 2 if the
arguments are wrong.
";

const INTRODUCTION: &str = "\
Three owners, each with a folder, a key, a kernel, a ledger and an agent of their own. The buyer
wants valves, the supplier has some, the carrier brings them. Their models are lists of moves.

";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let played = match words.as_slice() {
        [] => play(None),
        ["--state", folder] => play(Some(folder.into())),
        ["--help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("two-owners: no such use. Try --help.");
            return ExitCode::from(2);
        }
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two-owners: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

fn play(state: Option<PathBuf>) -> Result<()> {
    print!("{INTRODUCTION}");
    if let Some(folder) = state {
        ensure!(!folder.exists(), "`{}` is there already", folder.display());
        return block_on(room::play(&folder));
    }
    let folder = tempfile::tempdir().context("no place for files")?;
    block_on(room::play(folder.path()))
}
