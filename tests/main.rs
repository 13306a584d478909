//! The tests that span crates, one module each.
