//! The right to decide cannot be serialized.
use clawnet_core::*;

fn leak(owner: &Owner) {
    let text = serde_json::to_string(owner);
    drop(text);
}

fn main() {}
