//! Runs scenario files against the real kernel.
fn main() {}
