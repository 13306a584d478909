//! A file node does nothing for who does not come through the kernel.
use clawnet_core::*;
use clawnet_fs::{Node, Read};

async fn read(agent: &Agent, node: &Mount<Node>, read: &Read) {
    let result = agent.submit(node, read).await;
    drop((agent, result));
}

fn main() {}
