//! Three owners and their agents: contact, consent, a deal, a question to a third, and everything
//! that was refused on the way.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and opens folders")]

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use futures::executor::block_on;

mod cast;
mod account;
mod word;
mod tale;
mod house;
mod model;
mod seat;
mod person;
mod report;
mod room;
mod child;
mod parent;

use cast::Who;

const HELP: &str = "\
Three owners and their agents: contact, consent, a deal, and what was refused on the way.

Usage: two-owners [OPTIONS]

Options:
  --processes  each of them in a process of its own, over TLS on this machine
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
    if words == ["--help"] {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let Some(played) = play(&words) else {
        eprintln!("two-owners: no such use. Try --help.");
        return ExitCode::from(2);
    };
    match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("two-owners: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

/// Plays it as the arguments say. None if they say nothing that can be understood.
fn play(words: &[&str]) -> Option<Result<()>> {
    let (apart, words) = match words {
        // What `--processes` starts.
        ["owner", name, folder] => return Some(child::play(Who::named(name)?, folder.as_ref())),
        ["--processes", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match words {
        [] => Some(tempfile::tempdir().map_err(Into::into).and_then(|it| tell(it.path(), apart))),
        ["--state", folder] => Some(tell_anew(folder.as_ref(), apart)),
        _ => None,
    }
}

fn tell_anew(folder: &Path, apart: bool) -> Result<()> {
    ensure!(!folder.exists(), "`{}` is there already", folder.display());
    let made = std::fs::create_dir_all(folder);
    made.with_context(|| format!("`{}` cannot be made", folder.display()))?;
    tell(folder, apart)
}

fn tell(folder: &Path, apart: bool) -> Result<()> {
    print!("{INTRODUCTION}");
    if apart { parent::play(folder) } else { block_on(room::play(folder)) }
}
