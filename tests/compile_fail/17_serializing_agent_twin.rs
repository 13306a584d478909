//! The right to ask cannot be serialized.
use clawnet_core::*;

fn leak(agent: &Agent) {
    let text = serde_json::to_string(&agent.caller().agent());
    drop(text);
}

fn main() {}
