//! An `Authorized` cannot be copied.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn copy(task: Authorized<'_, Note>) {
    let again = task.clone();
    drop((task, again));
}

fn main() {}
