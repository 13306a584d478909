//! An `Authorized` is consumed by its use.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn redeem(task: Authorized<'_, Note>) -> u64 {
    task.intent()
}

fn reuse(task: Authorized<'_, Note>) {
    redeem(task);
    let _: fn(Authorized<'_, Note>) -> u64 = redeem;
}

fn main() {}
