//! An endpoint is mounted by a kernel, and by nobody else.
#![allow(unreachable_code, unused_variables)]

#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Desk;

fn mount(kernel: &Kernel) -> Mount<Desk> {
    kernel.mount("desk", Desk)
}

fn main() {}
