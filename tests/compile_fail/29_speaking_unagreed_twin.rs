//! Nobody speaks in a session before both owners have agreed.
use clawnet_core::*;
use clawnet_net::*;

async fn speak(session: Session<Open>, agent: Agent) {
    let floor = session.floor(&agent).await;
    drop(floor);
}

fn main() {}
