//! A server that hosts owners, and an API for their clients, whose keys never leave them.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "an application has a clock and sockets")]
#![expect(clippy::indexing_slicing, reason = "in JSON, what is not there is null")]

use std::process::ExitCode;

mod refusal;
mod book;
mod guard;
mod desk;
mod wish;
mod api;
mod server;
mod client;
mod demo;

const HELP: &str = "\
A server that hosts owners, and an API for their clients, whose keys never leave them.

Usage: orchestrator demo     two servers and two clients, from strangers to a settled matter
       orchestrator --help

Exit status: 0 if it went as told, 1 if something failed, 2 if the arguments are wrong.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo"] => {}
        ["--help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("orchestrator: no such use. Try --help.");
            return ExitCode::from(2);
        }
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(demo::run()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orchestrator: {error:#}.");
            ExitCode::FAILURE
        }
    }
}
