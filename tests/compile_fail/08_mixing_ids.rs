//! One kind of identifier is not another.
use clawnet_core::*;

async fn stop(owner: &Owner, identity: IdentityId) {
    let stopped = owner.revoke(identity).await;
    drop(stopped);
}

fn main() {}
