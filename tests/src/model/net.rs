//! Collaboration between owners, said a second time: contacts, consent, sessions, turns, children,
//! and a wire on which anything that was ever sent may arrive at any time.
//!
//! Written from the rules of the protocol and not from the kernel. A step takes the whole world:
//! several kernels, each with its own view of every contact and session, and everything they have
//! said. Loss, delay, duplication, reordering and replay are one rule: **a message that was ever
//! sent may arrive at any time, any number of times, or never**. An owner may also be hostile, and
//! then signs whatever it likes.
//!
//! - [`terms`] is what two owners agree on;
//! - [`command`] names what may happen, what is sent, and what may come of it;
//! - [`side`] is one kernel's view of one session;
//! - [`world`] holds the kernels and the wire, and makes a step;
//! - `contact`, `session`, `entry` and `child` are its rules, a file each;
//! - [`law`] says what must hold after every step, without asking the rules;
//! - [`moves`] lists what may happen next, for a search to try;
//! - [`scene`] is where a search starts and how far it goes;
//! - [`search`] is the search, the only file of the model that needs more than the standard library;
//! - `twin` puts the same commands to real kernels, and compares.
//!
//! Left out: bodies and their sizes, signed heads, stalls, releases, and who speaks for an
//! identity. They do not touch the counts, the floor or the life of a session, but to end it.

pub mod terms;

pub mod command;

pub mod side;

pub mod world;

mod contact;

mod session;

mod entry;

mod child;

pub mod law;

pub mod moves;

pub mod scene;

pub mod search;

#[cfg(test)]
mod twin;
