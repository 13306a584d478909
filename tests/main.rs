//! The tests that span crates, one module each.

mod attacks;
mod compile;
mod power;
mod properties;
mod scenario_files;
mod syscalls;
mod tidy;
mod traits;
