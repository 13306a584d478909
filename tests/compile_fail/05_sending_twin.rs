//! An `Authorized` cannot be sent to a thread that outlives the call.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn send(task: Authorized<'_, Note>) {
    std::thread::scope(|scope| _ = scope.spawn(|| drop(task)));
}

fn main() {}
