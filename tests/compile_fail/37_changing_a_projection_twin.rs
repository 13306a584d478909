//! The state of a projection is changed by records alone.
use clawnet_core::*;

fn change<P: Projection>(kernel: &Kernel) {
    let looked = kernel.read(|state: &P| std::mem::size_of_val(state));
    drop(looked);
}

fn main() {}
