//! A node in a process of its own, behind Landlock.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and opens folders")]

use std::{path::Path, process::ExitCode};

use anyhow::Result;

mod arms;
mod config;
mod demo;
mod door;
mod kernel;
mod serve;
mod wall;
mod walls;

const HELP: &str = "\
A ClawNet node in a process of its own, behind Landlock.

Usage: edge-node demo                    a kernel and a node process, and what goes wrong between them
       edge-node walls                   what each wall stops with the other one forced open
       edge-node init HOME               makes keys, HOME/edge.json and HOME/list/whitelist.toml
       edge-node identity HOME OWNER IDENTITY
                                         says by which id the list names that identity of that owner
       edge-node serve HOME [--unconfined]

`serve` opens the folders of HOME/list/whitelist.toml, confines itself to them and the list, and
listens on HOME/edge.sock to the kernels that HOME/edge.json names. It goes by the list as it changes;
a folder that is added is behind the wall until the node is started again.
It says which level of Landlock it got, and refuses to run without one unless told `--unconfined`.

Exit status: 0 if it was stopped or went as told, 1 if something failed, 2 if the arguments are
wrong, 3 if it could not be confined.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done: Result<ExitCode> = match words.as_slice() {
        ["demo"] => demo::run().map(|()| ExitCode::SUCCESS),
        ["walls"] => walls::run().map(|()| ExitCode::SUCCESS),
        ["walls-arm", arm, base] => arms::run(arm, Path::new(base)).map(|()| ExitCode::SUCCESS),
        ["init", home] => config::init(Path::new(home)).map(|()| ExitCode::SUCCESS),
        ["identity", home, owner, identity] => serve::identity(Path::new(home), owner, identity),
        ["serve", home] => serve::run(Path::new(home), false),
        ["serve", home, "--unconfined"] => serve::run(Path::new(home), true),
        ["--help"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("edge-node: no such use. Try --help.");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("edge-node: {error:#}.");
        ExitCode::FAILURE
    })
}
