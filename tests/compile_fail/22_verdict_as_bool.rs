//! A verdict is no truth value: what is not looked at permits nothing.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn ask(agent: &Agent, note: &Note) -> &'static str {
    let verdict = agent.judge(note).verdict;
    if verdict { "yes" } else { "no" }
}

fn main() {}
