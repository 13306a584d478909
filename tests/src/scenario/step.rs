//! One command, ready to be carried out.
use serde_json::Value;

use super::{trouble::Trouble, world::World};

/// A command of a file.
pub(super) trait Step {
    /// Carries it out. The result speaks of identifiers; whoever prints it puts names in.
    fn run(&self, world: &mut World) -> Result<Value, Trouble>;
}
