//! An agent is bound by the owner, and nobody can make one otherwise.
use clawnet_core::*;

async fn bind(owner: &Owner, identity: IdentityId) -> Result<Agent, OwnerError> {
    Ok(Agent { seat: (owner, identity) })
}

fn main() {}
