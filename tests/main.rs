//! The tests that span crates, one module each.

mod properties;
mod tidy;
mod traits;
mod scenario_files;
