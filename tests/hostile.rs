//! The node among enemies and accidents: everything here goes through a kernel, as an agent's
//! request would, while another process swaps, saves, mounts, fills the disk or kills.
//!
//! - `racing`: paths that lead elsewhere from one moment to the next.
//! - `saving`: people who save while an agent writes.
//! - `objects`: what lies in a folder and is no content; once as root, once as nobody.
//! - `limits`: no space, no descriptors, no quota left.
//! - `killed`: death and failure at every system call of every change.
//! - `plans`: random requests of two identities, and what they leave alone.
//! - `walls`: each layer forced open, and what the other still stops.
//!
//! Each race proves that it was one. `CLAWNET_RACE=full` runs a million racing opens and a hundred
//! thousand saves. What needs root says so and is skipped without it, unless
//! `CLAWNET_REQUIRE_ROOT` is 1; the same for `strace` and `CLAWNET_REQUIRE_STRACE`.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "an attacker has ambient authority")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at what it is about")]

mod apart;
mod yard;

mod killed;
mod limits;
mod objects;
mod plans;
mod racing;
mod saving;
mod walls;
