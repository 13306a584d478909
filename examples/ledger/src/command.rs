//! What can be asked for, each in a file of its own.
use crate::{arguments::Arguments, place::Place, screen::Screen, stop::Stop};

mod row;
mod show;
mod follow;
mod verify;
mod stats;
mod checkpoint;
mod prove;
mod check_proof;
mod query;
mod when;
mod export;
mod import;
mod erase;
mod peers;
mod demo;

/// One thing that can be asked for.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What stands behind the name.
    pub(crate) usage: &'static str,
    /// What it does, in one line.
    pub(crate) about: &'static str,
    /// What else there is to say.
    pub(crate) more: &'static str,
    pub(crate) run: Run,
}

type Run = fn(Arguments, &Place, &mut Screen) -> Result<(), Stop>;

/// Groups, and in which way they touch a store.
const GROUPS: [(&str, &[&Command]); 3] = [
    (
        "Look, and change nothing: without a lock, so also while the application runs",
        &[
            &show::COMMAND,
            &follow::COMMAND,
            &verify::COMMAND,
            &stats::COMMAND,
            &checkpoint::COMMAND,
        ],
    ),
    (
        "Open the ledger as its application does: alone, and closing what a crash left open",
        &[
            &query::COMMAND,
            &prove::COMMAND,
            &export::COMMAND,
            &import::COMMAND,
            &erase::COMMAND,
            &peers::COMMAND,
        ],
    ),
    ("Without a ledger", &[&check_proof::COMMAND, &demo::COMMAND, &HELP]),
];

const HELP: Command = Command {
    name: "help",
    usage: "[COMMAND]",
    about: "this, or more about a command",
    more: "",
    run: |arguments, _, screen| help(arguments, screen),
};

const ABOUT: &str = "\
Looks into the ledger of what agents did, proves it, and carries it elsewhere.

Usage: ledger [OPTIONS] COMMAND [ARGUMENTS]
";

const OPTIONS: &str = "
Options, or the environment
  --store DIR    LEDGER_STORE   the store's folder
  --key KEY      LEDGER_KEY     whose ledger: the owner's first public key, 64 hexadecimal digits
                                or a file of them; without it, that of the secret
  --secret FILE  LEDGER_SECRET  the owner's present secret key: 32 bytes or 64 hexadecimal digits
  --json                        JSON for programs: one value, or one in each line
  --full                        identifiers and digests as they are, and lines uncut

Exit status
  0  fine
  1  the ledger, or a proof, checkpoint or export, is not what it claims to be
  2  the command line is wrong
  3  the store or a file cannot be opened, read or written
  4  there is no such ledger, record or body, or nothing matched
  5  the decision is the owner's, and the key is another or the ledger refused
";

/// The command of this name.
pub(crate) fn find(name: &str) -> Result<&'static Command, Stop> {
    let all = || GROUPS.iter().flat_map(|(_, commands)| commands.iter().copied());
    let known = all().find(|command| command.name == name);
    known.ok_or_else(|| Stop::usage(format!("there is no command `{name}`")))
}

/// What there is, or what there is to say about one command.
pub(crate) fn help(mut arguments: Arguments, screen: &mut Screen) -> Result<(), Stop> {
    let about = arguments.word();
    arguments.flag("help");
    arguments.end("help")?;
    if let Some(name) = about {
        return find(&name)?.explain(screen);
    }
    let mut text = ABOUT.to_owned();
    for (group, commands) in GROUPS {
        text.extend(["\n", group, "\n"]);
        for Command { name, usage, about, .. } in commands {
            let line = format!("  {:<24}  {about}\n", format!("{name} {usage}"));
            text.push_str(&line);
        }
    }
    screen.bytes((text + OPTIONS).as_bytes())
}

impl Command {
    /// Shows all there is to say.
    pub(crate) fn explain(&self, screen: &mut Screen) -> Result<(), Stop> {
        let Self { name, usage, about, more, .. } = self;
        screen.bytes(format!("ledger {name} {usage}\n\n{name}: {about}\n").as_bytes())?;
        if more.is_empty() { Ok(()) } else { screen.bytes(format!("\n{more}").as_bytes()) }
    }
}
