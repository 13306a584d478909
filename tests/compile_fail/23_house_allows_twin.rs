//! The application's own policy has no word for yes.
use clawnet_core::*;

fn restrict() -> Restriction {
    Restriction::None
}

fn main() {}
