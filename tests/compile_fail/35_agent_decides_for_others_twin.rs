//! Who is a contact is for the owner to decide, not for an agent.
use clawnet_core::*;
use clawnet_net::*;

async fn befriend(party: &Party, decider: &Owner, peer: OwnerId, identity: IdentityId) {
    let asked = party.ask(decider, peer, Presenting::new(identity, "work"), "hello").await;
    drop(asked);
}

fn main() {}
