//! Turns between two hosts, over WebSocket and TLS.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clawnet_core::{Follow, MemoryStore};
use clawnet_net::{
    Host, HostLimits, NodeKey, Rate, Route, TlsLimits, TlsTransport, TokioTimer, Transport,
};
use tokio::{net::TcpListener, runtime::Builder};

use crate::{
    per_second, print,
    town::{Citizen, agree, host, id, meet},
    turns::text,
};

#[path = "../tls/echo.rs"]
mod echo;

const TURNS: u32 = 100;

/// Turns a second over TLS on loopback, beside what an echo over the same does: there and back is
/// two turns.
pub(crate) fn turns() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let during = Duration::from_secs(2);
    let echo = runtime.block_on(echo::rate(1, 1000, during));
    let one = runtime.block_on(rate(1));
    let echo_16 = runtime.block_on(echo::rate(16, 1000, during));
    let many = runtime.block_on(rate(16));
    print("turns_tls_1", one, "1/s");
    print("turns_tls_1_ratio", one / (2.0 * echo), "x");
    print("turns_tls", many, "1/s");
    print("turns_tls_ratio", many / (2.0 * echo_16), "x");
}

fn node(nth: u8) -> NodeKey {
    NodeKey::from_secret(&[200 + nth; 32]).unwrap()
}

fn transport(nth: u8, to: Option<Route>) -> TlsTransport {
    let runtime = tokio::runtime::Handle::current();
    TlsTransport::new(runtime, node(nth), move |_| to.clone(), TlsLimits::default()).unwrap()
}

fn speaking(first: usize, count: usize) -> Host {
    let mut limits = HostLimits::default();
    limits.from_sender = Rate::per_second(1_000_000);
    limits.for_owner = Rate::per_second(1_000_000);
    host(Arc::new(MemoryStore::new()), first..first + count, limits)
}

/// Turns a second of so many pairs at once, each pair with one session after another.
async fn rate(pairs: usize) -> f64 {
    let (here, there) = (speaking(0, pairs), speaking(1000, pairs));
    let mut all = Vec::new();
    for nth in 0..pairs {
        let one = Citizen::join(&here, nth, &[id(1000 + nth)]).await;
        let other = Citizen::join(&there, 1000 + nth, &[id(nth)]).await;
        meet(&one, &other).await;
        let mut sessions = Vec::new();
        for _ in 0..200 / pairs.min(5) {
            sessions.push(agree(&one, &other, TURNS).await);
        }
        all.push((one, other, sessions));
    }
    let two = transport(2, None);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route: Route = format!("wss://{}/", listener.local_addr().unwrap()).parse().unwrap();
    for nth in 0..pairs {
        two.speak_for(there.speaker(id(1000 + nth))).unwrap();
    }
    two.listen(listener);
    let one = transport(1, Some(route.expecting(node(2).public_key())));
    for nth in 0..pairs {
        one.speak_for(here.speaker(id(nth))).unwrap();
    }
    one.connect(id(1000)).await.unwrap();
    let mut running = Vec::new();
    for (host, transport) in [(here, one), (there, two)] {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        running.push(tokio::spawn(async move { host.run(transport, Arc::new(TokioTimer)).await }));
    }
    let turns: usize = all.iter().map(|(.., sessions)| sessions.len() * TURNS as usize).sum();
    let begin = Instant::now();
    let mut talking = Vec::new();
    for (one, other, sessions) in all {
        let (one, other) = (Arc::new(one), Arc::new(other));
        for (who, parity) in [(one, 0), (other, 1)] {
            let sessions = sessions.clone();
            talking.push(tokio::spawn(async move {
                for session in sessions {
                    speak(&who, session, parity).await;
                }
            }));
        }
    }
    for one in talking {
        one.await.unwrap();
    }
    let rate = per_second(turns, begin);
    running.iter().for_each(tokio::task::JoinHandle::abort);
    rate
}

/// One side of a session: whenever it has the floor, it speaks.
async fn speak(who: &Citizen, session: clawnet_net::SessionId, parity: u32) {
    let open = who.guest.open(session).unwrap();
    let mut follow: Follow = who.owner.follow(who.guest.kernel().head().sequence);
    for nth in (parity..TURNS).step_by(2) {
        while who.guest.session(session).unwrap().last < u64::from(nth) {
            follow.next().await.unwrap();
        }
        who.say(&open, &text(nth)).await;
    }
    while who.guest.session(session).unwrap().last < u64::from(TURNS) {
        follow.next().await.unwrap();
    }
}
