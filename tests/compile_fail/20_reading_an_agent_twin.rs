//! An agent cannot be read from bytes; its identifier can.
use clawnet_core::*;

fn read(bytes: &[u8]) {
    let read = serde_json::from_slice::<AgentId>(bytes);
    drop(read);
}

fn main() {}
