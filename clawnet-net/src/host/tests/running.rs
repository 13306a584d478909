//! Hosts that run by themselves.
use std::task::{Context, Poll};

use futures::future::{self, FutureExt as _};

use super::{houses::Watched, *};
use crate::transport::{Closed, Hub, MemoryTransport, SendError};

/// Time passes when nothing else happens.
struct Idle(ManualClock);

#[async_trait::async_trait]
impl Timer for Idle {
    async fn wait(&self, duration: Duration) {
        let until = self.0.now().after(duration);
        let mut rounds = 0;
        future::poll_fn(|cx| {
            rounds += 1;
            if rounds < 64 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.0.set(self.0.now().max(until));
            Poll::Ready(())
        })
        .await;
    }
}

struct Both {
    clock: ManualClock,
    hosts: [Host; 2],
    transports: [Arc<MemoryTransport>; 2],
}

fn both() -> (Both, One, One) {
    let (clock, hub) = (start(), Hub::new());
    let transports = [1, 2].map(|seed| Arc::new(hub.join([id(seed)]).unwrap()));
    let hosts = [1, 2].map(|seed| {
        Host::over(Arc::new(MemoryStore::new()), clock.clone(), Ring::of([seed])).open()
    });
    let (one, other) = (One::join(&hosts[0], 1), One::join(&hosts[1], 2));
    (Both { clock, hosts, transports }, one, other)
}

impl Both {
    /// Runs both until `done` says so.
    fn until(&self, done: impl Fn() -> bool) {
        let timer: Arc<dyn Timer> = Arc::new(Idle(self.clock.clone()));
        let runs = [0, 1].map(|which| {
            let transport: Arc<dyn crate::transport::Transport> = self.transports[which].clone();
            self.hosts[which].run(transport, timer.clone()).boxed_local()
        });
        let [mut here, mut there] = runs;
        for _ in 0..10_000 {
            if done() {
                return;
            }
            for run in [&mut here, &mut there] {
                let ended = run.poll_unpin(&mut Context::from_waker(Waker::noop()));
                assert!(ended.is_pending(), "{ended:?}");
            }
        }
        panic!("it never happens");
    }
}

#[test]
fn two_hosts_that_run_carry_a_dialogue() {
    let (both, one, other) = both();
    let [here, there] = &both.hosts;
    one.ask(here, other.id());
    both.until(|| other.bond(there, one.id()) == Some(Bond::Asking));
    other.confirm(there, one.id());
    both.until(|| one.bond(here, other.id()) == Some(Bond::Mutual));
    let session = one.propose(here, other.id(), 6);
    both.until(|| other.standing(there, session).is_some());
    other.consent(there, session);
    both.until(|| one.standing(here, session) == Some(Standing::Open));
    for nth in 0..6 {
        // Each time both runs are dropped and begun again.
        let (who, host) = if nth % 2 == 0 { (one, here) } else { (other, there) };
        who.try_say(host, session, &format!("turn {nth}")).unwrap();
        let (listener, at) = if nth % 2 == 0 { (other, there) } else { (one, here) };
        both.until(|| listener.told(at, session).len() == nth + 1);
    }
    both.until(|| one.standing(here, session) == Some(Standing::Ended(Ending::Limit)));
    assert_eq!(one.told(here, session), other.told(there, session));
}

#[test]
fn a_run_ends_with_its_transport() {
    let (both, ..) = both();
    let timer: Arc<dyn Timer> = Arc::new(Idle(both.clock.clone()));
    both.transports[0].close();
    let transport: Arc<dyn crate::transport::Transport> = both.transports[0].clone();
    let ended = block_on(both.hosts[0].run(transport, timer));
    assert!(matches!(ended, Err(HostError::Closed)));
}

/// A transport whose other end never takes anything for those it knows but one.
struct Stuck(Mutex<Vec<OwnerId>>);

#[async_trait::async_trait]
impl crate::transport::Transport for Stuck {
    async fn send(&self, to: OwnerId, _: Vec<u8>) -> Result<(), SendError> {
        if to != id(50) {
            future::pending::<()>().await;
        }
        self.0.lock().unwrap().push(to);
        Ok(())
    }

    async fn receive(&self) -> Result<Arrived, Closed> {
        future::pending().await
    }
}

#[test]
fn strangers_who_take_no_answer_keep_nobody_from_theirs() {
    let clock = start();
    let ring = Ring::of([1]);
    let host = Host::over(Arc::new(MemoryStore::new()), clock.clone(), ring).open();
    One::join(&host, 1);
    let say = |seed: u16| {
        let frame = format!(r#"{{"body":0,"from":"{}","to":"{}"}}"#, id(seed), id(1)).into_bytes();
        let proven = Proven::on_the_word_of_a_transport([id(seed)]);
        host.deliver(Arrived::new(frame, proven));
    };
    let transport = Arc::new(Stuck(Mutex::default()));
    let timer: Arc<dyn Timer> = Arc::new(Idle(clock));
    let mut run = host.run(transport.clone(), timer).boxed_local();
    let mut go = || {
        for _ in 0..2000 {
            assert!(run.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        }
    };
    (100..600).for_each(say);
    go();
    say(50);
    go();
    assert_eq!(*transport.0.lock().unwrap(), [id(50)]);
}

#[test]
fn who_takes_nothing_is_given_up_in_time() {
    let clock = start();
    let host = Host::over(Arc::new(MemoryStore::new()), clock.clone(), Ring::of([1])).open();
    // As many as are sent to at once take nothing; one behind them would.
    for seed in (100..100 + 300).chain([50]) {
        host.desk().leaving.push(id(seed), b"something".to_vec()).unwrap();
    }
    let transport = Arc::new(Stuck(Mutex::default()));
    let timer: Arc<dyn Timer> = Arc::new(Idle(clock.clone()));
    let before = clock.now();
    let mut run = host.run(transport.clone(), timer).boxed_local();
    for _ in 0..100_000 {
        assert!(run.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
        if host.counts().sent > 0 {
            break;
        }
    }
    assert_eq!(*transport.0.lock().unwrap(), [id(50)]);
    assert!(host.counts().unsent > 44, "{:?}", host.counts());
    let within = HostLimits::default().sent_within;
    assert!(clock.now() >= before.after(within), "given up before its time");
}

#[test]
fn what_was_being_sent_when_a_run_was_dropped_keeps_nothing_back() {
    let clock = start();
    let host = Host::over(Arc::new(MemoryStore::new()), clock.clone(), Ring::of([1])).open();
    let push = |text: &[u8]| host.desk().leaving.push(id(100), text.to_vec()).unwrap();
    push(b"first");
    let timer: Arc<dyn Timer> = Arc::new(Idle(clock));
    let mut run = host.run(Arc::new(Stuck(Mutex::default())), timer).boxed_local();
    assert!(run.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(host.leaving(), [], "it is not being sent");
    push(b"second");
    drop(run);
    assert_eq!(host.leaving(), [(id(100), b"second".to_vec())]);
}

#[test]
fn nothing_more_is_received_than_there_is_room_for() {
    let (clock, hub, watched) = (start(), Hub::new(), Watched::new());
    let limits = HostLimits { frames_waiting_all_max: 2, ..HostLimits::default() };
    let hosting = Host::over(watched.clone(), clock.clone(), Ring::of([1])).limits(limits);
    let host = hosting.open();
    let [here, there] = [1, 2].map(|seed| Arc::new(hub.join([id(seed)]).unwrap()));
    // The kernel is long in opening.
    watched.be_slow();
    for _ in 0..6 {
        let frame = format!(r#"{{"body":0,"from":"{}","to":"{}"}}"#, id(2), id(1)).into_bytes();
        assert_eq!(there.send(id(1), frame).now_or_never(), Some(Ok(())));
    }
    let mut run = host.run(here, Arc::new(Idle(clock))).boxed_local();
    for _ in 0..100 {
        assert!(run.poll_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(host.counts().received, 3, "one is worked on, and two wait");
}
