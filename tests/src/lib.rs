//! What the tests of ClawNet share: the simulated disk, a projection, the reference model and the scenario runner.

pub mod disk;
pub mod errand;
pub mod keeping;
pub mod model;
#[cfg(test)]
mod races;
pub mod readme;
pub mod scenario;
