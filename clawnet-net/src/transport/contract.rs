//! What every transport is held to. Each transport's tests run the whole list.
use std::{future::Future, pin::Pin};

use clawnet_core::{OwnerId, Signer, SoftwareKey};
use futures::future::join;

use super::{Arrived, FRAME_BYTES_MAX, SendError, Transport};

/// Two hosts with a way between them. The first speaks for owners 1 and 11, the second for 2 and
/// 12.
pub(super) struct Stage {
    pub(super) one: Box<dyn Transport>,
    pub(super) two: Box<dyn Transport>,
    pub(super) settle: Settle,
}

/// Gives a send the time to be done, and drops it if it still waits then.
pub(super) type Settle = for<'a> fn(Sending<'a>) -> Settled<'a>;
pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;
pub(super) type Settled<'a> =
    Pin<Box<dyn Future<Output = Option<Result<(), SendError>>> + Send + 'a>>;

pub(super) fn owner(nth: u8) -> OwnerId {
    SoftwareKey::from_secret(&[nth; 32]).public_key().owner()
}

/// Runs every check, each on a stage of its own.
pub(super) async fn check(stage: impl AsyncFn() -> Stage) {
    arrives_as_it_was_sent(stage().await).await;
    says_who_is_at_the_other_end(stage().await).await;
    keeps_the_order_both_ways(stage().await).await;
    bounds_a_frame(stage().await).await;
    knows_no_way_to_nobody(stage().await).await;
    pushes_back_by_number(stage().await).await;
    pushes_back_by_size(stage().await).await;
    loses_nothing_when_a_receive_is_dropped(stage().await).await;
}

fn numbered(nth: usize, size_bytes: usize) -> Vec<u8> {
    let mut frame = nth.to_le_bytes().to_vec();
    frame.resize(size_bytes.max(frame.len()), 0);
    frame
}

fn number(arrived: &Arrived) -> usize {
    usize::from_le_bytes(arrived.frame[..size_of::<usize>()].try_into().unwrap())
}

async fn arrives_as_it_was_sent(stage: Stage) {
    let frames = [vec![], vec![0], vec![255; 1000], b"text\n".to_vec(), vec![7; FRAME_BYTES_MAX]];
    for frame in frames {
        stage.one.send(owner(2), frame.clone()).await.unwrap();
        assert_eq!(stage.two.receive().await.unwrap().frame, frame);
    }
}

async fn says_who_is_at_the_other_end(stage: Stage) {
    stage.one.send(owner(12), vec![1]).await.unwrap();
    let proven = stage.two.receive().await.unwrap().proven;
    for (nth, expect) in [(1, true), (11, true), (2, false), (12, false), (3, false)] {
        assert_eq!(proven.speaks_for(owner(nth)).is_ok(), expect, "{nth}");
    }
    stage.two.send(owner(1), vec![2]).await.unwrap();
    let proven = stage.one.receive().await.unwrap().proven;
    assert!(proven.speaks_for(owner(2)).is_ok() && proven.speaks_for(owner(1)).is_err());
}

async fn keeps_the_order_both_ways(stage: Stage) {
    let all = 0..1000;
    let send = async |from: &dyn Transport, to| {
        for nth in all.clone() {
            from.send(owner(to), numbered(nth, nth)).await.unwrap();
        }
    };
    let receive = async |at: &dyn Transport| {
        for nth in all.clone() {
            let arrived = at.receive().await.unwrap();
            assert_eq!((number(&arrived), arrived.frame.len()), (nth, nth.max(8)));
        }
    };
    let (one, two) = (&*stage.one, &*stage.two);
    join(join(send(one, 2), receive(two)), join(send(two, 11), receive(one))).await;
}

async fn bounds_a_frame(stage: Stage) {
    let sent = stage.one.send(owner(2), vec![0; FRAME_BYTES_MAX + 1]).await;
    assert_eq!(sent, Err(SendError::TooLarge));
    stage.one.send(owner(2), vec![3]).await.unwrap();
    assert_eq!(stage.two.receive().await.unwrap().frame, [3]);
}

async fn knows_no_way_to_nobody(stage: Stage) {
    assert_eq!(stage.one.send(owner(3), vec![0]).await, Err(SendError::NoRoute));
}

async fn pushes_back_by_number(stage: Stage) {
    pushes_back(&stage, 0, 256).await;
}

async fn pushes_back_by_size(stage: Stage) {
    pushes_back(&stage, FRAME_BYTES_MAX, 4).await;
}

/// Sends until a send waits, which is after no more than so many; then all that was taken arrives
/// in order, without the one that was dropped waiting, and sending goes on.
async fn pushes_back(stage: &Stage, size_bytes: usize, frames_max: usize) {
    let mut taken = 0;
    while let Some(sent) =
        (stage.settle)(stage.one.send(owner(2), numbered(taken, size_bytes))).await
    {
        sent.unwrap();
        taken += 1;
        assert!(taken <= frames_max, "{taken} frames were taken, and nobody received one");
    }
    for nth in 0..taken {
        assert_eq!(number(&stage.two.receive().await.unwrap()), nth);
    }
    stage.one.send(owner(2), numbered(taken + 7, 0)).await.unwrap();
    assert_eq!(number(&stage.two.receive().await.unwrap()), taken + 7);
}

async fn loses_nothing_when_a_receive_is_dropped(stage: Stage) {
    for nth in 0..100 {
        let both = join(stage.one.send(owner(2), numbered(nth, 0)), async {
            // Asked once, and dropped: before the frame is there, or after.
            let mut receive = stage.two.receive();
            futures::future::poll_immediate(&mut receive).await
        });
        let (sent, early) = both.await;
        sent.unwrap();
        let arrived = match early {
            Some(arrived) => arrived.unwrap(),
            None => stage.two.receive().await.unwrap(),
        };
        assert_eq!(number(&arrived), nth);
    }
}
