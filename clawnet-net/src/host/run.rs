//! One future that drives a host: takes frames in, works, sends, and waits for what comes next.
use std::{
    collections::BTreeSet,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use clawnet_core::{OwnerId, Timestamp};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};

use super::{Host, HostError, Timer, is_no};
use crate::transport::{Arrived, Closed, SendError, Transport};

impl Host {
    /// Runs until the transport ends: takes frames in, has each judged by the kernel it is for,
    /// answers, sends what is due, and sends it again until it is known to have arrived.
    ///
    /// **Promises** that dropping it loses nothing: what was due still is, and running again goes on
    /// with it. **Refuses** to take more in than there is room for: it receives nothing while too
    /// much waits. Several may run at once, over one transport, on as many threads.
    pub async fn run(
        &self,
        transport: Arc<dyn Transport>,
        timer: Arc<dyn Timer>,
    ) -> Result<(), HostError> {
        let mut running = Running {
            host: self.clone(),
            transport,
            timer,
            receiving: None,
            works: FuturesUnordered::new(),
            sends: FuturesUnordered::new(),
            sending: BTreeSet::new(),
            alarm: None,
        };
        poll_fn(|cx| running.poll(cx)).await
    }
}

type Sent = (OwnerId, Result<(), SendError>);

struct Running {
    host: Host,
    transport: Arc<dyn Transport>,
    timer: Arc<dyn Timer>,
    receiving: Option<BoxFuture<'static, Result<Arrived, Closed>>>,
    works: FuturesUnordered<BoxFuture<'static, ()>>,
    sends: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// To whom.
    sending: BTreeSet<OwnerId>,
    alarm: Option<(Timestamp, BoxFuture<'static, ()>)>,
}

/// Whether there was something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    Nothing,
    Something,
}

impl Running {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HostError>> {
        for _ in 0..ROUNDS_MAX {
            // Whoever brings work from here on calls.
            self.host.attend(cx.waker());
            let received = match self.receive(cx) {
                Ok(did) => did,
                Err(Closed) => return Poll::Ready(Err(HostError::Closed)),
            };
            let did = [received, self.work(cx), self.send(cx), self.wait(cx)];
            if did == [Did::Nothing; 4] {
                return Poll::Pending;
            }
        }
        // Others of the same executor have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn receive(&mut self, cx: &mut Context<'_>) -> Result<Did, Closed> {
        if self.host.has_room().is_err() {
            return Ok(Did::Nothing);
        }
        let receiving = self.receiving.get_or_insert_with(|| {
            let transport = Arc::clone(&self.transport);
            Box::pin(async move { transport.receive().await })
        });
        match receiving.poll_unpin(cx) {
            Poll::Pending => Ok(Did::Nothing),
            Poll::Ready(arrived) => {
                self.receiving = None;
                self.host.deliver(arrived?);
                Ok(Did::Something)
            }
        }
    }

    fn work(&mut self, cx: &mut Context<'_>) -> Did {
        let mut did = Did::Nothing;
        let now = self.host.now();
        while self.works.len() < self.host.limits().at_once_max.max(1) {
            let Some(work) = self.host.next_work(now) else { break };
            let host = self.host.clone();
            self.works.push(Box::pin(async move { host.perform(work).await }));
            did = Did::Something;
        }
        while let Poll::Ready(Some(())) = Pin::new(&mut self.works).poll_next_unpin(cx) {
            did = Did::Something;
        }
        did
    }

    fn send(&mut self, cx: &mut Context<'_>) -> Did {
        let mut did = Did::Nothing;
        while self.sends.len() < SENDS_MAX {
            let Some((peer, frame)) = self.host.desk().leaving.next() else { break };
            let transport = Arc::clone(&self.transport);
            self.sending.insert(peer);
            let (timer, within) = (Arc::clone(&self.timer), self.host.limits().sent_within);
            // Who takes nothing keeps nobody from theirs: an answer that says nothing but no, as
            // strangers have, is taken at once or not at all, and all else within a bounded time.
            let sending = async move {
                let says_no = is_no(&frame);
                let sent = transport.send(peer, frame);
                if says_no {
                    return (peer, sent.now_or_never().unwrap_or(Err(SendError::NoRoute)));
                }
                let (sent, over) = (pin!(sent), pin!(timer.wait(within)));
                match select(sent, over).await {
                    Either::Left((sent, _)) => (peer, sent),
                    Either::Right(((), _)) => (peer, Err(SendError::NoRoute)),
                }
            };
            self.sends.push(Box::pin(sending));
        }
        while let Poll::Ready(Some((peer, sent))) = Pin::new(&mut self.sends).poll_next_unpin(cx) {
            self.sending.remove(&peer);
            self.host.left(peer, sent);
            did = Did::Something;
        }
        did
    }

    /// Waits for the next moment at which something is due.
    fn wait(&mut self, cx: &mut Context<'_>) -> Did {
        let full = self.works.len() >= self.host.limits().at_once_max.max(1);
        let Some(next) = self.host.next_at().filter(|_| !full) else {
            self.alarm = None;
            return Did::Nothing;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != next) {
            let timer = Arc::clone(&self.timer);
            let now = self.host.now().as_millis();
            let duration = Duration::from_millis(next.as_millis().saturating_sub(now).max(1));
            let waiting = async move { timer.wait(duration).await };
            self.alarm = Some((next, Box::pin(waiting)));
        }
        let Some((_, waiting)) = &mut self.alarm else { return Did::Nothing };
        match waiting.poll_unpin(cx) {
            Poll::Pending => Did::Nothing,
            Poll::Ready(()) => {
                self.alarm = None;
                Did::Something
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What was being sent is lost, and sent again; nobody waits for it to be done.
        let mut desk = self.host.desk();
        self.sending.iter().for_each(|peer| desk.leaving.done(*peer));
    }
}

/// How many rounds are made before others have their turn.
const ROUNDS_MAX: usize = 32;
/// How many frames are handed to the transport at once, each to another peer.
const SENDS_MAX: usize = 256;
