//! The tests that span crates, one module each.

mod attacks;
mod caused;
mod compile;
mod golden;
mod hostile;
mod power;
mod properties;
mod scenario_files;
mod story;
mod syscalls;
mod tidy;
mod traits;
mod verifier;
