//! Links over real sockets, on loopback: between hosts, through a wire that breaks, and with raw
//! clients that mean harm.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use clawnet_core::{
    Kernel, ManualClock, MemoryStore, OwnerId, PublicKey, Signer, SoftwareKey, Timestamp,
};
use tokio::{net::TcpListener, runtime::Handle, time::timeout};

use super::*;
use crate::transport::contract::{self, Sending, Settled, Stage, owner};

mod breaking;
mod claiming;
mod hostile;
mod raw;

/// How long anything may take before a test says that it hangs.
const SOON: Duration = Duration::from_mins(1);

fn secret(nth: u8) -> NodeKey {
    NodeKey::from_secret(&[nth; 32]).unwrap()
}

fn node(nth: u8) -> PublicKey {
    secret(nth).public_key()
}

/// The kernel of owner `nth`, whose key is 100 more.
async fn kernel(nth: u8) -> Arc<Kernel> {
    kernel_of([nth; 32], [100 + nth; 32]).await
}

async fn kernel_of(owners: [u8; 32], own: [u8; 32]) -> Arc<Kernel> {
    let key = |secret| SoftwareKey::from_secret(&secret);
    let clock = ManualClock::at(Timestamp::from_millis(5_000_000));
    let governing = Kernel::governing(key(owners).public_key());
    let kernel = governing.open(MemoryStore::new(), clock).await.unwrap();
    kernel.sign_with(key(own));
    let owner = kernel.owner(key(owners)).await.unwrap();
    owner.certify(key(own).public_key()).await.unwrap();
    Arc::new(kernel)
}

/// Short pauses, so that tests are.
fn limits() -> TlsLimits {
    TlsLimits {
        pause_min: Duration::from_millis(2),
        pause_max: Duration::from_millis(10),
        ..TlsLimits::default()
    }
}

/// Where owners' hosts are, for all hosts of a test.
#[derive(Clone, Default)]
struct Map(Arc<Mutex<Vec<(OwnerId, Route)>>>);

impl Map {
    fn put(&self, nth: u8, address: SocketAddr, node: Option<PublicKey>) {
        let route: Route = format!("wss://{address}/link").parse().unwrap();
        let route = node.into_iter().fold(route, Route::expecting);
        let mut all = self.0.lock().unwrap();
        all.retain(|(known, _)| *known != owner(nth));
        all.push((owner(nth), route));
    }
}

impl Directory for Map {
    fn route(&self, owner: OwnerId) -> Option<Route> {
        let all = self.0.lock().unwrap();
        all.iter().find(|(known, _)| *known == owner).map(|(_, route)| route.clone())
    }
}

/// A host whose node key is `nth`, and which speaks for these owners.
async fn host(nth: u8, owners: &[u8], map: &Map, limits: TlsLimits) -> TlsTransport {
    let transport = TlsTransport::new(Handle::current(), secret(nth), map.clone(), limits).unwrap();
    for owner in owners {
        transport.speak_for(kernel(*owner).await).unwrap();
    }
    transport
}

async fn listening(transport: &TlsTransport) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    transport.listen(listener);
    address
}

/// Two hosts, of owners 1 and 11 and of 2 and 12; the first finds the second, which listens.
async fn pair(known: bool) -> (TlsTransport, TlsTransport) {
    let map = Map::default();
    let one = host(201, &[1, 11], &map, limits()).await;
    let two = host(202, &[2, 12], &map, limits()).await;
    let address = listening(&two).await;
    for owner in [2, 12] {
        map.put(owner, address, known.then(|| node(202)));
    }
    link(&one, &two).await;
    (one, two)
}

/// Has the first link with the host of owner 2, until both sides know it.
async fn link(one: &TlsTransport, two: &TlsTransport) {
    let mut events = two.events();
    timeout(SOON, one.connect(owner(2))).await.unwrap().unwrap();
    up(&mut events).await;
}

/// Waits for an event of this kind, and gives what it says.
async fn event<T>(events: &mut LinkEvents, mut find: impl FnMut(LinkEvent) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = find(events.next().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(SOON, found).await.expect("no such event")
}

async fn refused(events: &mut LinkEvents) -> LinkError {
    event(events, |event| match event {
        LinkEvent::Refused { why } => Some(why),
        LinkEvent::Up { .. } | LinkEvent::Down { .. } => None,
    })
    .await
}

async fn down(events: &mut LinkEvents) -> LinkError {
    event(events, |event| match event {
        LinkEvent::Down { why, .. } => Some(why),
        LinkEvent::Up { .. } | LinkEvent::Refused { .. } => None,
    })
    .await
}

async fn up(events: &mut LinkEvents) -> PublicKey {
    event(events, |event| match event {
        LinkEvent::Up { node } => Some(node),
        LinkEvent::Down { .. } | LinkEvent::Refused { .. } => None,
    })
    .await
}

async fn receive(at: &TlsTransport) -> Arrived {
    timeout(SOON, at.receive()).await.expect("nothing came").unwrap()
}

/// What is not done after so long waits for somebody.
fn settle(sending: Sending<'_>) -> Settled<'_> {
    Box::pin(async { timeout(Duration::from_millis(300), sending).await.ok() })
}

#[tokio::test]
async fn it_keeps_the_contract() {
    for known in [false, true] {
        contract::check(async || {
            let (one, two) = pair(known).await;
            Stage { one: Box::new(one), two: Box::new(two), settle }
        })
        .await;
    }
}

#[tokio::test]
async fn whoever_waits_is_told_of_the_end() {
    let (one, two) = pair(true).await;
    let waiting = async {
        loop {
            if let Err(why) = one.send(owner(2), vec![0; 1 << 20]).await {
                return why;
            }
        }
    };
    let closing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        one.close();
    };
    let (why, received, ()) =
        timeout(SOON, async { tokio::join!(waiting, one.receive(), closing) })
            .await
            .expect("nobody was told");
    assert_eq!((why, received.map(drop)), (SendError::Closed, Err(Closed)));
    assert_eq!(one.send(owner(2), vec![]).await, Err(SendError::Closed));
    assert_eq!(one.connect(owner(2)).await, Err(LinkError::Closed));
    drop(two);
}

#[tokio::test]
async fn a_host_reaches_itself() {
    let (one, _two) = pair(true).await;
    one.send(owner(11), vec![1]).await.unwrap();
    let arrived = receive(&one).await;
    assert_eq!(arrived.frame, [1]);
    assert_eq!(arrived.proven.speaks_for(owner(1)), Ok(()));
}

/// Both find each other, and both begin at once.
#[tokio::test]
async fn hosts_that_dial_each_other_at_once_agree_on_one_link() {
    for round in 0..20 {
        let map = Map::default();
        let one = host(201, &[1], &map, limits()).await;
        let two = host(202, &[2], &map, limits()).await;
        map.put(1, listening(&one).await, (round % 2 == 0).then(|| node(201)));
        map.put(2, listening(&two).await, (round % 3 == 0).then(|| node(202)));
        let send = async |from: &TlsTransport, to| {
            for nth in 0..300_u16 {
                let mut sent = from.send(owner(to), nth.to_le_bytes().to_vec()).await;
                // Where the node is not known yet, the first calls of both may cross.
                while sent == Err(SendError::NoRoute) && nth == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    sent = from.send(owner(to), nth.to_le_bytes().to_vec()).await;
                }
                sent.unwrap();
            }
        };
        let take = async |at: &TlsTransport| {
            for nth in 0..300_u16 {
                assert_eq!(receive(at).await.frame, nth.to_le_bytes(), "round {round}");
            }
        };
        tokio::join!(send(&one, 2), send(&two, 1), take(&one), take(&two));
    }
}
