//! The reference model: what "right" means, said a second time and as plainly as possible.
//!
//! Written from the design texts alone. It shares no code with the kernel, neither the path parser
//! nor the matching, and uses the standard library only. Nothing here is fast, indexed or durable:
//! a rule is found by looking at all rules, and a step copies the world. Where kernel and model
//! disagree, one of the two has misread the text, and the test that found it prints the case.
//!
//! - [`oracle`] says what a chain of mandates answers to an operation;
//! - [`command`] names what can happen, and what can come of it;
//! - [`world`] says what one owner's kernel does with one command;
//! - [`generate`] makes policies, requests and commands from a seed, close to the rules in force;
//! - [`net`] says all this of collaboration between owners, and searches every schedule of it.
#![allow(clippy::exhaustive_enums, reason = "whoever compares with the model handles every case")]

pub mod oracle;

pub mod command;

pub mod world;

pub mod generate;

pub mod net;
