//! An agent cannot say yes for its owner.
use clawnet_core::*;

async fn answer(agent: &Agent, owner: &Owner, ticket: TicketId) {
    let said = owner.approve(ticket).await;
    drop((agent, owner, said));
}

fn main() {}
