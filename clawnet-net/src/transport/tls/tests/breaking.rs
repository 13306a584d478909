//! A wire that is cut, again and again.
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::{io::copy_bidirectional, net::TcpStream, sync::Notify};

use super::*;
use crate::transport::chance::Chance;

/// Between two hosts: passes on what comes, until it is cut.
struct Wire {
    address: SocketAddr,
    cut: Arc<Notify>,
    /// How many connections were cut.
    cuts: Arc<AtomicUsize>,
}

impl Wire {
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cuts) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let wire = Self { address, cut: Arc::clone(&cut), cuts: Arc::clone(&cuts) };
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (cut, cuts) = (Arc::clone(&cut), Arc::clone(&cuts));
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        () = cut.notified() => { cuts.fetch_add(1, Ordering::SeqCst); }
                    }
                });
            }
        });
        wire
    }
}

/// How many frames go each way, and after how many received the wire is cut.
const FRAMES: u64 = 20_000;
const CUT_EVERY: u64 = 190;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_cuts_lose_repeat_and_reorder_nothing() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    let two = host(202, &[2], &map, limits()).await;
    let wire = Wire::to(listening(&two).await).await;
    map.put(2, wire.address, Some(node(202)));
    link(&one, &two).await;
    let send = async |from: &TlsTransport, to, seed| {
        let mut chance = Chance::from_seed(seed);
        for nth in 0..FRAMES {
            let mut frame = nth.to_le_bytes().to_vec();
            frame.resize(8 + usize::try_from(chance.below(3000)).unwrap(), 0);
            from.send(owner(to), frame).await.unwrap();
        }
    };
    let take = async |at: &TlsTransport, cuts: bool| {
        for nth in 0..FRAMES {
            let frame = receive(at).await.frame;
            assert_eq!(u64::from_le_bytes(frame[..8].try_into().unwrap()), nth);
            if cuts && nth % CUT_EVERY == CUT_EVERY - 1 {
                wire.cut.notify_one();
            }
        }
    };
    tokio::join!(send(&one, 2, 1), send(&two, 1, 2), take(&one, false), take(&two, true));
    let cuts = wire.cuts.load(Ordering::SeqCst);
    assert!(cuts >= 100, "only {cuts} cuts");
}

/// Frames that came and were not taken when the wire was cut are neither sent again nor lost.
#[tokio::test]
async fn what_came_before_a_cut_is_not_given_out_again() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    let two = host(202, &[2], &map, limits()).await;
    let wire = Wire::to(listening(&two).await).await;
    map.put(2, wire.address, Some(node(202)));
    let mut events = two.events();
    for round in 0..10_u8 {
        for nth in 0..10 {
            one.send(owner(2), vec![round, nth]).await.unwrap();
        }
        up(&mut events).await;
        if round % 2 == 0 {
            // Taken on the way, so some of what came is acknowledged and some is not.
            for nth in 0..5 {
                assert_eq!(receive(&two).await.frame, [round, nth]);
            }
        }
        wire.cut.notify_one();
        down(&mut events).await;
        let rest = if round % 2 == 0 { 5..10 } else { 0..10 };
        if round % 3 == 0 {
            up(&mut events).await;
            wire.cut.notify_one();
            down(&mut events).await;
        }
        for nth in rest {
            assert_eq!(receive(&two).await.frame, [round, nth]);
        }
    }
    one.send(owner(2), vec![99]).await.unwrap();
    assert_eq!(receive(&two).await.frame, [99]);
}

#[tokio::test]
async fn a_host_that_does_not_receive_keeps_its_link() {
    let map = Map::default();
    let short = TlsLimits {
        ping_every: Duration::from_millis(100),
        silence_max: Duration::from_millis(600),
        ..limits()
    };
    let one = host(201, &[1], &map, short.clone()).await;
    let two = host(202, &[2], &map, short).await;
    map.put(2, listening(&two).await, Some(node(202)));
    one.connect(owner(2)).await.unwrap();
    let mut events = one.events();
    let mut sent = 0_u64;
    while let Some(done) = settle(Box::pin(one.send(owner(2), vec![0; 100_000]))).await {
        done.unwrap();
        sent += 1;
    }
    let quiet = timeout(Duration::from_millis(1500), events.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    for _ in 0..sent {
        receive(&two).await;
    }
    one.send(owner(2), vec![1]).await.unwrap();
    assert_eq!(receive(&two).await.frame, [1]);
}

#[tokio::test]
async fn a_host_that_begins_anew_is_found_again() {
    let map = Map::default();
    let one = host(201, &[1], &map, limits()).await;
    let mut events = one.events();
    for round in 0..3_u8 {
        let two = host(202, &[2], &map, limits()).await;
        map.put(2, listening(&two).await, Some(node(202)));
        one.send(owner(2), vec![round]).await.unwrap();
        // What the host before had not acknowledged may come again.
        while receive(&two).await.frame != [round] {}
        two.send(owner(1), vec![round, round]).await.unwrap();
        assert_eq!(receive(&one).await.frame, [round, round]);
        drop(two);
        down(&mut events).await;
    }
}

#[tokio::test]
async fn without_a_link_so_much_is_kept_and_then_there_is_no_way() {
    let map = Map::default();
    let short = TlsLimits { patience: Duration::from_millis(50), ..limits() };
    let one = host(201, &[1], &map, short).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    map.put(2, address, Some(node(202)));
    let mut taken = 0_u16;
    let refused = loop {
        let frame = taken.to_le_bytes().to_vec();
        match timeout(SOON, one.send(owner(2), frame)).await.expect("it waits for ever") {
            Ok(()) => taken += 1,
            Err(why) => break why,
        }
    };
    assert_eq!(refused, SendError::NoRoute);
    assert_eq!(taken, 256);
    assert!(matches!(one.connect(owner(2)).await, Err(LinkError::Unreachable(_))));
    // What was taken arrives when somebody is there.
    let two = host(202, &[2], &map, limits()).await;
    two.listen(TcpListener::bind(address).await.unwrap());
    for nth in 0..taken {
        assert_eq!(receive(&two).await.frame, nth.to_le_bytes());
    }
}
