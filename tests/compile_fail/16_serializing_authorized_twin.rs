//! An `Authorized` cannot be serialized: what proves stays home.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn leak(task: Authorized<'_, Note>) {
    let text = serde_json::to_string(task.operation());
    drop(text);
}

fn main() {}
