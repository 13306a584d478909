//! An agent on a real folder: it reads, is denied, asks, is undone and revoked, and all of it is in
//! a ledger that verifies.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and opens folders")]

use std::process::ExitCode;

use anyhow::Result;
use futures::executor::block_on;

mod desk;
mod home;
mod report;
mod story;

use desk::Desk;
use home::Home;
use story::Story;

const HELP: &str = "\
An agent acts on a real folder through the ClawNet kernel.

Usage: folder-agent [OPTIONS] [FOLDER]

FOLDER is a folder of yours with at least one folder in it: the agent's identity `work` may look
around in the first of them, must ask before it writes there, and may do nothing anywhere else. It
writes one note, `clawnet-note.md`, and takes it back. Without FOLDER a temporary one is made.

Options:
  --state DIR  where ledger, key and kept files live [default: a sibling of FOLDER]; it has to be
               on the same file system as FOLDER, and a second run goes on where it left off
  --yes        say yes to every question, for scripts
  --help       print this

Exit status: 0 if everything went as told, 1 if something failed, 2 if the arguments are wrong.
";

fn main() -> ExitCode {
    let wishes = match Wishes::read(std::env::args().skip(1)) {
        Ok(wishes) if wishes.help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(wishes) => wishes,
        Err(wrong) => {
            eprintln!("folder-agent: {wrong}. Try --help.");
            return ExitCode::from(2);
        }
    };
    match block_on(run(wishes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("folder-agent: {error:#}.");
            ExitCode::FAILURE
        }
    }
}

async fn run(wishes: Wishes) -> Result<()> {
    let home = Home::find(wishes.folder, wishes.state)?;
    let desk = Desk { always_yes: wishes.yes };
    let story = Story::open(home).await?;
    story.tell(&desk).await?;
    report::security_events(story.owner()).await?;
    report::ledger(story.owner()).await?;
    report::verification(story.kernel()).await?;
    story.home().farewell();
    Ok(())
}

/// What the command line asks for.
#[derive(Debug, Default, PartialEq)]
struct Wishes {
    folder: Option<String>,
    state: Option<String>,
    yes: bool,
    help: bool,
}

impl Wishes {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wishes = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--help" | "-h" => wishes.help = true,
                "--yes" | "-y" => wishes.yes = true,
                "--state" => {
                    let state = arguments.next().ok_or("`--state` needs a directory")?;
                    wishes.state = Some(state);
                }
                option if option.starts_with('-') => return Err(format!("no option `{option}`")),
                _ if wishes.folder.is_some() => return Err("there is more than one folder".into()),
                _ => wishes.folder = Some(argument),
            }
        }
        Ok(wishes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_refused() {
        let read = |line: &str| Wishes::read(line.split_whitespace().map(String::from));
        assert!(read("--yes docs --state there").is_ok_and(|w| w.yes && w.state.is_some()));
        for wrong in ["--state", "--force", "a b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
