//! An approval cannot be made up: the owner signs one to a question that waits.
use clawnet_core::*;

async fn approve(owner: &Owner, asked: &Question, other: Approval) {
    let yes = owner.approve(asked.ticket).await;
    drop((owner, asked, yes));
}

fn main() {}
