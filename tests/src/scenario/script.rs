//! A file of commands, carried out from the first line to the last.
use std::{io, path::Path};

use serde_json::{Value, json};

use super::{command::Command, likeness::difference, trouble::Trouble, world::World};

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "whoever runs a file must tell all of them apart")]
pub enum Ending {
    /// Every expectation held.
    Held,
    /// So many did not.
    Broken(u64),
    /// The file could not be understood, and why: it ended there.
    Misread(String),
}

/// Carries out the commands in `text`, in a world of their own, and writes a line of JSON for each.
///
/// `name` is the file's, for messages. The world's ledgers and folders are in `store`, which must
/// not hold another world; in memory and a temporary folder if none is named.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(
    (name, text): (&str, &str),
    store: Option<&Path>,
    out: &mut dyn io::Write,
) -> io::Result<Ending> {
    let lines = match read(name, text) {
        Ok(lines) => lines,
        Err(why) => return Ok(Ending::Misread(why)),
    };
    let mut world = match World::new(store) {
        Ok(world) => world,
        Err(Trouble::Misread(why) | Trouble::Said(why)) => {
            return Ok(Ending::Misread(format!("{name}: {why}")));
        }
    };
    let mut broken = 0;
    for Line { number, command } in lines {
        let result = match command.step.run(&mut world) {
            Ok(result) => world.names.replace_in(result),
            Err(Trouble::Said(why)) => json!({"error": world.names.replace_in_text(why)}),
            Err(Trouble::Misread(why)) => {
                return Ok(Ending::Misread(format!("{name}:{number}: {why}")));
            }
        };
        let differs = match &command.expect {
            Some(expected) => difference(expected, &result),
            None if result.get("error").is_some() => Some("nobody expected an error".into()),
            None => None,
        };
        let mut said = json!({"do": command.name, "line": number, "result": result});
        if let (Some(fields), Some(differs)) = (said.as_object_mut(), &differs) {
            fields.insert("differs".into(), Value::String(format!("{name}:{number}: {differs}")));
        }
        broken += u64::from(differs.is_some());
        writeln!(out, "{said}")?;
    }
    Ok(if broken == 0 { Ending::Held } else { Ending::Broken(broken) })
}

/// One command and where it stands.
struct Line {
    number: usize,
    command: Command,
}

/// Reads everything before anything is carried out. Blank lines and lines that begin with `#` are
/// for people.
fn read(name: &str, text: &str) -> Result<Vec<Line>, String> {
    let lines = text.lines().map(str::trim).zip(1..);
    let commands = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    commands
        .map(|(line, number)| match Command::read(line) {
            Ok(command) => Ok(Line { number, command }),
            Err(why) => Err(format!("{name}:{number}: {why}")),
        })
        .collect()
}
