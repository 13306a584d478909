//! A layer's yes cannot be serialized.
use clawnet_core::*;

fn leak(admission: &Admission, version: &Version) {
    let text = serde_json::to_string(version);
    drop((admission, version, text));
}

fn main() {}
