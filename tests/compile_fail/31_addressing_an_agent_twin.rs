//! Only an identity has an address: no agent has, and so no manager.
use clawnet_core::*;
use clawnet_net::*;

fn address(owner: OwnerId, whom: IdentityId) -> Address {
    Address::of(owner, whom)
}

fn main() {}
