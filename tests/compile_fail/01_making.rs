//! Nobody can make an `Authorized`: its fields are private and it has no constructor.
#![allow(unreachable_code, unused_variables)]

#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

fn make(task: Authorized<'_, Note>) -> Authorized<'_, Note> {
    Authorized { admitted: loop {}, entry: loop {}, evidence: loop {} }
}

fn main() {}
