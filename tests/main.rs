//! The tests that span crates, one module each.

mod compile;
mod properties;
mod tidy;
mod traits;
mod scenario_files;
