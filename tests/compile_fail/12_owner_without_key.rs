//! The right to decide is had from the kernel, for the owner's key, and cannot be made.
#![allow(unreachable_code, unused_variables)]

use clawnet_core::*;

async fn decide(kernel: &Kernel, key: SoftwareKey) -> Result<Owner, OwnerError> {
    Ok(Owner { ledger: loop {}, signer: Box::new(key) })
}

fn main() {}
