//! An agent cannot be cloned: who holds it stays plain.
use clawnet_core::*;

fn share(agent: Agent) {
    let other: Agent = agent.clone();
    drop((agent.caller(), other.caller()));
}

fn main() {}
