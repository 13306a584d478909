//! The right to decide is had from the kernel, for the owner's key, and cannot be made.
use clawnet_core::*;

fn decide(kernel: &Kernel, key: SoftwareKey) -> Result<Owner, OwnerError> {
    kernel.owner(key)
}

fn main() {}
