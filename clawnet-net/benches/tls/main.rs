//! What links between hosts cost, on loopback. Prints `name value unit`.
//!
//! `cargo bench -p clawnet-net --features tokio --bench tls [-- NAME...]` runs all, or those whose
//! name begins so. `tls_echo` is what no transport of this kind can beat.
#![expect(clippy::print_stdout, reason = "figures are what a benchmark is for")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clawnet_core::{
    Kernel, ManualClock, MemoryStore, OwnerId, PublicKey, Signer, SoftwareKey, Timestamp,
};
use clawnet_net::{NodeKey, Route, TlsLimits, TlsTransport, Transport};
use tokio::{net::TcpListener, runtime::Builder};

mod echo;

/// How large a turn's envelope is, about.
const SIZE_BYTES: usize = 1000;
const DURING: Duration = Duration::from_secs(2);

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|want| name.starts_with(want));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if runs("tls_echo") {
        print("tls_echo", runtime.block_on(echo::rate(1, SIZE_BYTES, DURING)), "1/s");
    }
    if runs("tls_echo_16") {
        print("tls_echo_16", runtime.block_on(echo::rate(16, SIZE_BYTES, DURING)), "1/s");
    }
    if runs("link_echo") {
        print("link_echo", runtime.block_on(link_echo()), "1/s");
    }
    if runs("link_stream") {
        print("link_stream", runtime.block_on(link_stream(SIZE_BYTES)), "1/s");
        let rate = runtime.block_on(link_stream(1 << 20));
        print("link_stream_large", rate * 1.048_576, "MB/s");
    }
    if runs("link_up") {
        print("link_up", runtime.block_on(link_up()), "1/s");
    }
}

fn print(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.0} {unit}");
}

/// The node key of host `nth`, and the owner it speaks for.
fn names(nth: u8) -> (PublicKey, OwnerId) {
    let node = NodeKey::from_secret(&[200 + nth; 32]).unwrap().public_key();
    (node, SoftwareKey::from_secret(&[nth; 32]).public_key().owner())
}

async fn host(nth: u8, route: Option<Route>) -> TlsTransport {
    let runtime = tokio::runtime::Handle::current();
    let key = NodeKey::from_secret(&[200 + nth; 32]).unwrap();
    let directory = move |_| route.clone();
    let host = TlsTransport::new(runtime, key, directory, TlsLimits::default()).unwrap();
    let clock = ManualClock::at(Timestamp::from_millis(5_000_000));
    let key = |nth| SoftwareKey::from_secret(&[nth; 32]);
    let governing = Kernel::governing(key(nth).public_key());
    let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
    kernel.sign_with(key(100 + nth));
    let owner = kernel.owner(key(nth)).await.unwrap();
    owner.certify(key(100 + nth).public_key()).await.unwrap();
    host.speak_for(Arc::new(kernel)).unwrap();
    host
}

/// Two linked hosts, and their owners.
async fn pair() -> ((TlsTransport, OwnerId), (TlsTransport, OwnerId)) {
    let two = host(2, None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route: Route = format!("wss://{}/", listener.local_addr().unwrap()).parse().unwrap();
    two.listen(listener);
    let one = host(1, Some(route.expecting(names(2).0))).await;
    one.connect(names(2).1).await.unwrap();
    ((one, names(1).1), (two, names(2).1))
}

/// There and back, one frame at a time.
async fn link_echo() -> f64 {
    let ((one, first), (two, second)) = pair().await;
    let echoing = tokio::spawn(async move {
        while let Ok(arrived) = two.receive().await {
            if two.send(first, arrived.frame).await.is_err() {
                return;
            }
        }
    });
    let asking = tokio::spawn(async move {
        let (begin, mut done) = (Instant::now(), 0_u32);
        while begin.elapsed() < DURING {
            one.send(second, vec![7; SIZE_BYTES]).await.unwrap();
            one.receive().await.unwrap();
            done += 1;
        }
        f64::from(done) / begin.elapsed().as_secs_f64()
    });
    let rate = asking.await.unwrap();
    echoing.abort();
    rate
}

/// One way, as fast as it takes them.
async fn link_stream(size_bytes: usize) -> f64 {
    let ((one, _), (two, second)) = pair().await;
    let sending =
        tokio::spawn(async move { while one.send(second, vec![7; size_bytes]).await.is_ok() {} });
    let (begin, mut done) = (Instant::now(), 0_u32);
    while begin.elapsed() < DURING {
        two.receive().await.unwrap();
        done += 1;
    }
    sending.abort();
    f64::from(done) / begin.elapsed().as_secs_f64()
}

/// Connections that become links, one after another.
async fn link_up() -> f64 {
    let two = host(2, None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route: Route = format!("wss://{}/", listener.local_addr().unwrap()).parse().unwrap();
    two.listen(listener);
    let route = route.expecting(names(2).0);
    let (begin, mut done) = (Instant::now(), 0_u32);
    while begin.elapsed() < DURING {
        let one = host(1, Some(route.clone())).await;
        one.connect(names(2).1).await.unwrap();
        done += 1;
    }
    f64::from(done) / begin.elapsed().as_secs_f64()
}
