//! A ledger can be read and not written: there is no way to append from outside.
use clawnet_core::*;

async fn write(kernel: &Kernel, owner: &Owner) {
    let records = kernel.ledger.kernel_event(&Event::Recovered { closed: 0 }).await;
    drop((kernel, owner, records));
}

fn main() {}
