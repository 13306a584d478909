//! Who acts is the handle's to say, and nobody can say otherwise.
use clawnet_core::*;

fn act_as(agent: &Agent, owner: OwnerId, identity: IdentityId) -> Caller {
    _ = (owner, identity);
    agent.caller().clone()
}

fn main() {}
