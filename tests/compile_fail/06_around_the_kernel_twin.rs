//! An endpoint cannot be called around the kernel: it takes an `Authorized`, not an operation.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::{Desk, Note};

async fn call(agent: &Agent, at: &Mount<Desk>, note: &Note) {
    let result = agent.submit(at, note).await;
    drop((agent, result));
}

fn main() {}
