//! The floor is used up by what is said with it.
use clawnet_net::*;

async fn say(floor: Floor<'_>) {
    drop(floor.say("one", Mark::Continue).await);
    drop("two");
}

fn main() {}
