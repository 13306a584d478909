//! An `Authorized` cannot be kept beyond the call: it borrows its open entry.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::Note;

struct Shelf(std::sync::Mutex<Vec<Authorized<'static, Note>>>);

fn store(shelf: &Shelf, task: Authorized<'_, Note>) {
    let mut kept = shelf.0.lock().unwrap();
    drop(task);
    kept.clear();
}

fn main() {}
