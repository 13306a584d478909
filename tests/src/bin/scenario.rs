//! Runs scenario files against the real kernel and node.
use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_tests::scenario::{Ending, commands, run};

fn main() -> ExitCode {
    let wish = match Wish::read(env::args().skip(1)) {
        Ok(wish) => wish,
        Err(why) => return misread(&why),
    };
    if wish.help {
        let all = commands().collect::<Vec<_>>().join(", ");
        return match writeln!(io::stdout(), "{HELP}\nCommands: {all}.\n{MORE}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => misread(&error.to_string()),
        };
    }
    if wish.files.is_empty() {
        return misread("name at least one file of commands, or `--help`");
    }
    let mut worst = 0;
    for file in &wish.files {
        let ended = carry_out(file, wish.store.as_deref());
        let code = match ended {
            Ok(Ending::Held) => 0,
            Ok(Ending::Broken(count)) => {
                say(&format!("{}: {count} expectations did not hold", file.display()));
                1
            }
            Ok(Ending::Misread(why)) | Err(why) => {
                say(&why);
                2
            }
        };
        worst = worst.max(code);
    }
    ExitCode::from(worst)
}

/// What the command line asks for.
#[derive(Default)]
struct Wish {
    help: bool,
    store: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Wish {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wish = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-h" | "--help" => wish.help = true,
                "--store" => {
                    let folder = words.next().ok_or("`--store` wants the name of a folder")?;
                    wish.store = Some(folder.into());
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("`{flag}` is unknown: there are `--store` and `--help`"));
                }
                file => wish.files.push(file.into()),
            }
        }
        Ok(wish)
    }
}

fn carry_out(file: &Path, store: Option<&Path>) -> Result<Ending, String> {
    let name = file.display().to_string();
    let text = read(file).map_err(|error| format!("{name}: it cannot be read: {error}"))?;
    let store = store.map(|folder| fresh(folder, file)).transpose()?;
    let mut out = io::stdout().lock();
    let ended = run((&name, &text), store.as_deref(), &mut out);
    ended.map_err(|error| format!("{name}: nothing can be printed: {error}"))
}

/// A folder for one file's world, which no other world may be in.
fn fresh(folder: &Path, file: &Path) -> Result<PathBuf, String> {
    let world = folder.join(file.file_stem().unwrap_or_default());
    let made = Dir::create_ambient_dir_all(folder, ambient_authority())
        .and_then(|()| Dir::open_ambient_dir(folder, ambient_authority()))
        .and_then(|dir| dir.create_dir(file.file_stem().unwrap_or_default()));
    match made {
        Ok(()) => Ok(world),
        Err(error) => {
            let what = "cannot be made, and a world wants a new folder";
            Err(format!("{}: `{}` {what}: {error}", file.display(), world.display()))
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let folder = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = Dir::open_ambient_dir(folder.unwrap_or(Path::new(".")), ambient_authority())?;
    folder.read_to_string(file.file_name().unwrap_or_default())
}

fn misread(why: &str) -> ExitCode {
    say(why);
    ExitCode::from(2)
}

fn say(what: &str) {
    // There is nobody left to tell if this cannot be written.
    drop(writeln!(io::stderr(), "scenario: {what}"));
}

const HELP: &str = "\
Runs scenario files against the real kernel and node, under a simulated clock.

Usage: scenario [--store DIR] FILE...

Each FILE holds one world: a command in JSON on each line, blank lines, and lines beginning with #.
A result is printed for each command, as one line of JSON. `expect` in a command is a partial match
on its result; a command without it must not end in an error.

  --store DIR   keep ledgers and folders in DIR/<file>, by the embedded store; in memory otherwise
  --help        this text

Exit status: 0 all expectations held, 1 some did not, 2 a file could not be read or understood.
";

const MORE: &str = "\
For example:

  {\"do\":\"identity\",\"as\":\"work\"}
  {\"do\":\"bind\",\"as\":\"bot\",\"to\":\"work\"}
  {\"do\":\"grant\",\"to\":\"work\",\"rules\":[{\"effect\":\"ask\",\"actions\":[\"call\"],\
\"region\":{\"subtree\":\"tool:mail\"}}]}
  {\"do\":\"submit\",\"by\":\"bot\",\"as\":\"t1\",\"kind\":\"probe.release\",\
\"demands\":[[\"call\",\"tool:mail.send\"]],\"expect\":{\"escalated\":\"t1\"}}
  {\"do\":\"approve\",\"ticket\":\"t1\"}

`tests/SCENARIOS.md` describes every command with an example.";
