//! An approval cannot be made up: the owner signs one to a question that waits.
use clawnet_core::*;

async fn approve(owner: &Owner, asked: &Question) {
    let yes = Approval { digest: asked.digest, epoch: asked.epoch, expires: asked.expires, identity: asked.identity, ticket: asked.ticket, version: asked.version.clone() };
    drop((owner, asked, yes));
}

fn main() {}
