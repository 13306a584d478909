//! The tests that span crates, one module each.

mod properties;
