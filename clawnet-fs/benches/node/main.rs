//! What the node costs. Prints `name value unit`, one figure a line.
//!
//! `cargo bench -p clawnet-fs [-- NAME...]` runs all, or those whose name begins so.
//!
//! A ratio is against the plain call that does the same, run in turns with it, the best round of
//! each: whatever else the machine does, it does to both. Everything is warm, on a file system in
//! memory, and the kernel's ledger is in memory too, unless the name says otherwise.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded when printed")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]
#![expect(clippy::panic, reason = "a benchmark that cannot go on stops")]

mod bench;
mod change;
mod look;

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|want| want.starts_with(name));
    if runs("kernel") {
        look::kernel();
    }
    if runs("read") {
        look::read();
    }
    if runs("stat") {
        look::stat();
    }
    if runs("list") {
        look::list();
    }
    if runs("overwrite") {
        change::overwrite();
    }
    if runs("delete") {
        change::delete();
    }
}
