//! An operation cannot be submitted to an endpoint that does not serve it.
#[path = "shared/desk.rs"]
mod desk;

use clawnet_core::*;
use desk::{Desk, Note};

struct Board;

async fn call(agent: &Agent, desk: &Mount<Desk>, board: &Mount<Board>, note: &Note) {
    let result = agent.submit(board, note).await;
    drop((desk, board, result));
}

fn main() {}
