//! A ledger on the command line: shown, followed, verified, queried, proven, exported.
#![expect(clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and opens files")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what is new in core is told in core's words")]

use std::{ffi::OsString, process::ExitCode};

mod stop;
mod arguments;
mod place;
mod text;
mod screen;
mod progress;
mod glass;
mod view;
mod desk;
mod names;
mod command;

use arguments::Arguments;
use place::Place;
use screen::Screen;
use stop::Stop;

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => stop.tell(),
    }
}

fn run(line: impl Iterator<Item = OsString>) -> Result<(), Stop> {
    let mut arguments = Arguments::read(line)?;
    let mut screen = Screen::of(&mut arguments);
    let place = Place::of(&mut arguments);
    let word = arguments.word();
    let done = match word.as_deref() {
        Some("help") => command::help(arguments, &mut screen),
        None if arguments.flag("help") => command::help(arguments, &mut screen),
        None => Err(Stop::usage("say what to do")),
        Some(name) => {
            let command = command::find(name)?;
            if arguments.flag("help") {
                command.explain(&mut screen)
            } else {
                (command.run)(arguments, &place, &mut screen)
            }
        }
    };
    done.and(screen.finish())
}
