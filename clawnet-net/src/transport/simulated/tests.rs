//! A network that misbehaves as it was told, and as often.
use futures::{FutureExt, executor::block_on};
use std::task::{Context, Waker};

use super::*;
use crate::transport::contract::{self, Sending, Settled, Stage, owner};

/// A transport that lets everything arrive whenever it sends or receives.
struct Driven(SimulatedTransport);

#[async_trait]
impl Transport for Driven {
    async fn send(&self, to: OwnerId, frame: Vec<u8>) -> Result<(), SendError> {
        self.0.send(to, frame).await?;
        self.0.network.deliver();
        Ok(())
    }

    async fn receive(&self) -> Result<Arrived, Closed> {
        self.0.receive().await
    }
}

fn settle(sending: Sending<'_>) -> Settled<'_> {
    Box::pin(async { sending.now_or_never() })
}

fn pair(seed: u64, faults: Faults) -> (SimulatedNetwork, SimulatedTransport, SimulatedTransport) {
    let network = SimulatedNetwork::new(seed, faults);
    let (one, two) = (network.join([owner(1)]).unwrap(), network.join([owner(2)]).unwrap());
    (network, one, two)
}

fn send(from: &SimulatedTransport, to: u8, frame: Vec<u8>) {
    from.send(owner(to), frame).now_or_never().unwrap().unwrap();
}

fn came(at: &SimulatedTransport) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| at.receive_now()).map(|arrived| arrived.frame).collect()
}

/// Four thousand frames of 16 bytes over a network with `faults`, a hundred at a time.
fn flood(seed: u64, faults: Faults) -> (Counts, Vec<Vec<u8>>, Duration) {
    let (network, one, two) = pair(seed, faults);
    let mut all = Vec::new();
    for nth in 0..4000_u64 {
        send(&one, 2, [nth.to_le_bytes(), nth.to_be_bytes()].concat());
        if nth % 100 == 99 {
            network.deliver();
            all.extend(came(&two));
        }
    }
    assert_eq!(network.on_the_way(), 0);
    (network.counts(), all, network.now())
}

#[test]
fn without_faults_it_keeps_the_contract() {
    block_on(contract::check(async || {
        let network = SimulatedNetwork::new(1, Faults::none());
        let join = |nth| Box::new(Driven(network.join([owner(nth), owner(nth + 10)]).unwrap()));
        Stage { one: join(1), two: join(2), settle }
    }));
}

#[test]
fn it_does_each_fault_as_often_as_it_was_told_and_counts_it() {
    let (counts, all, _) = flood(7, Faults::every());
    let about = |count: u64, per_mille: u64| {
        let expect = counts.sent * per_mille / 1000;
        assert!(count.abs_diff(expect) < expect / 3, "{count} is not about {expect}: {counts:?}");
    };
    assert_eq!(counts.sent, 4000);
    about(counts.lost, 100);
    about(counts.doubled, 90);
    about(counts.delayed, 90);
    about(counts.flipped, 18);
    about(counts.truncated, 18);
    assert!(counts.reordered > 150, "{counts:?}");
    let ends = counts.arrived + counts.lost + counts.parted + counts.unclaimed;
    assert_eq!(counts.sent + counts.doubled, ends);
    // And what came is as the counts say.
    assert_eq!(all.len() as u64, counts.arrived);
    let short = all.iter().filter(|frame| frame.len() < 16).count() as u64;
    let wrong =
        |frame: &&Vec<u8>| frame.len() == 16 && !frame[..8].iter().eq(frame[8..].iter().rev());
    assert_eq!(short, counts.truncated);
    assert!(all.iter().filter(wrong).count() as u64 <= counts.flipped);
    assert!(all.iter().filter(wrong).count() as u64 >= counts.flipped * 9 / 10);
}

#[test]
fn each_fault_alone_does_nothing_else() {
    let nothing = Counts { sent: 4000, arrived: 4000, ..Counts::default() };
    let check = |faults: Faults, expect: fn(&mut Counts, Counts)| {
        let (counts, _, _) = flood(3, faults);
        let mut expected = nothing;
        expect(&mut expected, counts);
        assert_eq!(counts, expected);
        assert!(faults == Faults::none() || counts != nothing, "{faults:?} did nothing");
    };
    check(Faults::none(), |_, _| {});
    check(Faults::none().losing(50), |expected, counts| {
        (expected.lost, expected.arrived) = (counts.lost, 4000 - counts.lost);
    });
    check(Faults::none().doubling(50), |expected, counts| {
        (expected.doubled, expected.arrived) = (counts.doubled, 4000 + counts.doubled);
    });
    check(Faults::none().reordering(50), |expected, counts| expected.reordered = counts.reordered);
    check(Faults::none().delaying(50, 90), |expected, counts| expected.delayed = counts.delayed);
    check(Faults::none().flipping(50), |expected, counts| expected.flipped = counts.flipped);
    check(Faults::none().truncating(50), |expected, counts| expected.truncated = counts.truncated);
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(flood(5, Faults::every()), flood(5, Faults::every()));
    assert_ne!(flood(5, Faults::every()).1, flood(6, Faults::every()).1);
}

#[test]
fn what_is_cut_is_lost_both_on_its_way_and_after_until_it_is_healed() {
    let (network, one, two) = pair(1, Faults::none());
    send(&one, 2, vec![1]);
    network.cut(owner(1), owner(2));
    send(&one, 2, vec![2]);
    send(&two, 1, vec![3]);
    network.deliver();
    assert_eq!((came(&two), came(&one)), (vec![], vec![vec![3]]));
    network.part(owner(1), owner(2));
    send(&two, 1, vec![4]);
    network.deliver();
    assert_eq!((came(&one), network.counts().parted), (vec![], 3));
    // Whoever is the owner's host then: a crash does not end a partition.
    drop(two);
    let two = network.join([owner(2)]).unwrap();
    send(&one, 2, vec![5]);
    network.deliver();
    assert_eq!(came(&two), Vec::<Vec<u8>>::new());
    network.heal();
    send(&one, 2, vec![6]);
    network.deliver();
    assert_eq!(came(&two), [vec![6]]);
}

#[test]
fn what_is_on_its_way_to_a_host_that_ends_is_lost() {
    let (network, one, two) = pair(1, Faults::none());
    send(&one, 2, vec![1]);
    drop(two);
    assert_eq!(one.send(owner(2), vec![2]).now_or_never(), Some(Err(SendError::NoRoute)));
    network.deliver();
    assert_eq!(network.counts().unclaimed, 1);
}

#[test]
fn a_lost_frame_gives_its_room_back() {
    let (network, one, two) = pair(1, Faults::none().losing(1000));
    for _ in 0..1000 {
        send(&one, 2, vec![0; 1 << 20]);
    }
    network.set_faults(Faults::none());
    network.part(owner(1), owner(2));
    for nth in 0..1000 {
        send(&one, 2, vec![0; 1 << 20]);
        assert_eq!(network.deliver(), 1, "{nth}");
    }
    network.heal();
    let mut taken = 0;
    while one.send(owner(2), vec![taken]).now_or_never().is_some() {
        taken = taken.saturating_add(1);
    }
    assert_eq!(taken, 255, "room for 256 frames");
    network.deliver();
    assert_eq!(came(&two).len(), 256);
}

#[test]
fn time_moves_only_by_hand() {
    let (network, one, two) = pair(9, Faults::none().delaying(1000, 100));
    send(&one, 2, vec![1]);
    let mut receive = Box::pin(two.receive());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(receive.as_mut().poll(&mut cx).is_pending());
    assert_eq!(network.now(), Duration::ZERO);
    let arrived = network.step().unwrap();
    assert!(arrived > Duration::ZERO && arrived <= Duration::from_millis(100));
    assert!(receive.as_mut().poll(&mut cx).is_ready());
    assert_eq!(network.step(), None);
    network.advance(Duration::from_mins(1));
    assert_eq!(network.now(), arrived + Duration::from_mins(1));
}
