//! What becomes of others while one peer floods.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clawnet_core::{MemoryStore, OwnerId};
use clawnet_net::{Arrived, HostLimits, Proven};
use futures::executor::block_on;

use crate::{
    percentile, print,
    town::{Citizen, agree, host, id, meet},
    turns::text,
};

const TURNS: u32 = 100;
/// How many frames the flooding peer sends for each turn of the others: far more than a link
/// brings in that time.
const FLOOD: usize = 16;

/// How long others wait for a turn to be heard, while a peer sends as fast as it can, beside how
/// long without.
pub(crate) fn flood() {
    let quiet = percentile(waits(0), 99);
    let flooded = percentile(waits(FLOOD), 99);
    print("quiet_p99", quiet.as_secs_f64() * 1e6, "us");
    print("flood_p99", flooded.as_secs_f64() * 1e6, "us");
    print("flood_p99_ratio", flooded.as_secs_f64() / quiet.as_secs_f64(), "x");
}

/// From when a turn leaves until its kernel has recorded it, through the host's queues.
fn waits(flood: usize) -> Vec<Duration> {
    let host = host(Arc::new(MemoryStore::new()), 0..3, HostLimits::default());
    let ends = (id(99), id(2));
    let flooder = Proven::on_the_word_of_a_transport([ends.0]);
    block_on(async {
        let one = Citizen::join(&host, 0, &[id(1)]).await;
        let other = Citizen::join(&host, 1, &[id(0)]).await;
        let _flooded = Citizen::join(&host, 2, &[]).await;
        meet(&one, &other).await;
        let mut waits = Vec::new();
        for _ in 0..20 {
            let session = agree(&one, &other, TURNS).await;
            host.work().await;
            let mut sides = [&one, &other].map(|side| (side, side.guest.open(session).unwrap()));
            for nth in 0..TURNS {
                let [(speaker, open), (listener, _)] = &sides;
                speaker.say(open, &text(nth)).await;
                // What it takes to write them is the peer's.
                let frames: Vec<_> = (0..flood).map(|nth| rubbish(&ends, nth)).collect();
                let begin = Instant::now();
                for frame in frames {
                    host.deliver(Arrived::new(frame, flooder.clone()));
                }
                while listener.guest.session(session).unwrap().last <= u64::from(nth) {
                    host.step().await.unwrap();
                }
                waits.push(begin.elapsed());
                drop(host.leaving());
                sides.reverse();
            }
        }
        waits
    })
}

/// What one peer sends to one owner: as large as a turn, and nothing anybody can use.
fn rubbish((from, to): &(OwnerId, OwnerId), nth: usize) -> Vec<u8> {
    let body = format!("{nth}{}", "x".repeat(1000));
    format!(r#"{{"body":{{"{body}":0}},"from":"{from}","to":"{to}"}}"#).into_bytes()
}
