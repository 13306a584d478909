//! An agent is bound by the owner, and nobody can make one otherwise.
#![allow(unreachable_code, unused_variables)]

use clawnet_core::*;

async fn bind(owner: &Owner, identity: IdentityId) -> Result<Agent, OwnerError> {
    owner.bind(identity, "assistant", "in-process").await
}

fn main() {}
