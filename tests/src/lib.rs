//! What the tests of ClawNet share: the reference model and the scenario runner.

pub mod model;
pub mod readme;
pub mod scenario;
