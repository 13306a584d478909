//! An endpoint is mounted by a kernel, and by nobody else.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Desk;

fn mount(kernel: &Kernel) -> Mount<Desk> {
    Mount { name: "desk".into(), endpoint: Desk, ledger: kernel }
}

fn main() {}
