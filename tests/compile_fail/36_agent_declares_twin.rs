//! An agent cannot put a fact in the ledger.
use clawnet_core::*;

async fn declare<P: Projection>(agent: &Agent, owner: &Owner, fact: P::Fact) {
    let declared = owner.declare::<P>(fact).await;
    drop((agent, owner, declared));
}

fn main() {}
