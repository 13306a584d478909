//! A ledger can be read and not written: there is no way to append from outside.
use clawnet_core::*;

async fn write(kernel: &Kernel, owner: &Owner) {
    let records = owner.records(1, 1).await;
    drop((kernel, owner, records));
}

fn main() {}
