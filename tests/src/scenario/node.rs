//! The node of each owner, and the operations on files.
use std::sync::Arc;

use clawnet_core::Agent;
use serde_json::{Map, Value};

use super::{
    trouble::Trouble,
    world::{Work, World},
};

/// A submission of an operation on files.
pub(super) fn submission(
    _: &mut World,
    _: Arc<Agent>,
    (kind, _, _): (&str, &Option<String>, Map<String, Value>),
) -> Result<Work, Trouble> {
    Err(Trouble::Misread(format!("no operation is called `{kind}`")))
}
