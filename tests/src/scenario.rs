//! Scenarios: a world of owners, agents and faults, told in JSON lines and held to what it expects.
//!
//! A file is read whole, then carried out against the real kernel and the real node, under a clock
//! that moves only when told. Things have the names the file gives them, so that what it expects
//! stays the same from run to run. `SCENARIOS.md` describes every command.
//!
//! The modules are in the order they build on each other: words and matching first, then what a
//! world consists of, then the commands.

mod nearest;

mod likeness;

mod trouble;

mod moment;

mod name;

mod rules;

mod house;

mod probe;

mod sim;

mod fault;

mod tampering;

mod segment;

mod spindle;

mod shelf;

mod home;

mod kept;

mod principal;

mod wire;

mod world;

mod answer;

mod step;

mod deciding;

mod node;

mod asking;

mod seeing;

mod hand;

mod whitelist;

mod breaking;

mod keyring;

mod proving;

mod bundling;

mod searching;

mod moving;

mod meeting;

mod failing;

mod parties;

mod letter;

mod befriending;

mod agreeing;

mod speaking;

mod telling;

mod carrying;

mod storm;

mod forging;

mod command;

mod script;

pub use command::commands;
pub use script::{Ending, run};
