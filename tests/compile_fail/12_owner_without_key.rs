//! The right to decide is had from the kernel, for the owner's key, and cannot be made.
use clawnet_core::*;

fn decide(kernel: &Kernel, key: SoftwareKey) -> Result<Owner, OwnerError> {
    Ok(Owner { ledger: kernel, signer: Box::new(key) })
}

fn main() {}
