//! One kind of identifier is not another.
use clawnet_core::*;

async fn stop(owner: &Owner, identity: IdentityId) {
    let stopped = owner.freeze(identity).await;
    drop(stopped);
}

fn main() {}
