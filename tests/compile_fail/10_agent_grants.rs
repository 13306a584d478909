//! An agent cannot grant itself anything.
use clawnet_core::*;

async fn widen(agent: &Agent, owner: &Owner, grant: Grant) {
    let identity = agent.caller().identity();
    let made = agent.grant(identity, grant).await;
    drop((owner, made));
}

fn main() {}
