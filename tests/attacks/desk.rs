//! A kernel on a store that misbehaves, an endpoint that trusts the kernel, and letters.
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use clawnet_core::*;
use futures::executor::block_on;
use serde::Serialize;

use super::shelf::Shelf;
use crate::properties::bench::key;

/// An owner's kernel, on a shelf.
pub(super) struct Desk {
    pub(super) shelf: Arc<Shelf>,
    pub(super) clock: ManualClock,
    pub(super) kernel: Kernel,
    pub(super) owner: Owner,
}

/// An identity, the agent of it, and the grant it holds.
pub(super) struct Hired {
    pub(super) identity: IdentityId,
    pub(super) grant: GrantId,
    pub(super) agent: Agent,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self::on(Arc::default(), Limits::default())
    }

    pub(super) fn on(shelf: Arc<Shelf>, limits: Limits) -> Self {
        let clock = ManualClock::default();
        let governing = Kernel::governing(key().public_key()).limits(limits);
        let kernel = block_on(governing.open_shared(shelf.clone(), clock.clone())).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        Self { shelf, clock, kernel, owner }
    }

    /// The ledger on `left`, and an agent of it again.
    pub(super) fn reopened(left: Arc<Shelf>, agent: &Agent) -> (Self, Agent) {
        let again = Self::on(left, Limits::default());
        assert_eq!(again.kernel.damage(), None);
        let agent = again.owner.agent(agent.caller().agent()).unwrap();
        (again, agent)
    }

    pub(super) fn hire(&self, rules: Grant) -> Hired {
        hire(&self.owner, rules)
    }

    pub(super) fn till(&self, name: &str) -> Mount<Till> {
        self.kernel.mount(name, Till::default())
    }

    /// Every record there is.
    pub(super) fn events(&self) -> Vec<Event> {
        events(&self.owner)
    }
}

/// A new identity with these rules, and an agent of it.
pub(super) fn hire(owner: &Owner, rules: Grant) -> Hired {
    let identity = block_on(owner.identity("work")).unwrap();
    let grant = block_on(owner.grant(identity, rules)).unwrap();
    let agent = block_on(owner.bind(identity, "assistant", "tests")).unwrap();
    Hired { identity, grant, agent }
}

/// What every record says.
pub(super) fn events(owner: &Owner) -> Vec<Event> {
    let records = block_on(owner.records(1, usize::MAX)).unwrap();
    records.into_iter().map(|record| record.event).collect()
}

/// An endpoint that counts its effects and looks at nothing before them: what keeps it from acting
/// is the kernel.
#[derive(Default)]
pub(super) struct Till {
    pub(super) vetoes: AtomicBool,
    performed: AtomicU64,
}

impl Till {
    pub(super) fn performed(&self) -> u64 {
        self.performed.load(Ordering::SeqCst)
    }
}

impl<O: Operation<Output = u64>> Endpoint<O> for Till {
    fn admit(&self, _: &O, _: &Caller) -> Result<Admission, Denial> {
        if self.vetoes.load(Ordering::SeqCst) {
            return Err(Denial::by_endpoint("withdrawn", "told to"));
        }
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, O>) -> Result<u64, Fault> {
        self.performed.fetch_add(1, Ordering::SeqCst);
        Ok(task.intent())
    }
}

/// An operation whose serialised form, against the advice, says nothing of its content.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Letter {
    to: Resource,
    subject: String,
    #[serde(skip)]
    body: Vec<u8>,
}

impl Letter {
    pub(super) fn new(subject: &str, body: &[u8]) -> Self {
        let to = "fs:/a/post".parse().unwrap();
        Self { to, subject: subject.into(), body: body.to_vec() }
    }
}

impl Operation for Letter {
    const KIND: &'static str = "letter.send";
    type Output = u64;
    const EFFECT: Effect = Effect::Release;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.to)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(&self.body)
    }
}

/// Where everything here happens.
pub(super) fn region() -> Region {
    Region::subtree("fs:/a").unwrap()
}

pub(super) fn allow() -> Grant {
    Grant::new().allow([Action::Read, Action::Write], region())
}

pub(super) fn ask() -> Grant {
    Grant::new().ask([Action::Read, Action::Write], region())
}

/// The question that submitting this asks.
pub(super) fn asked<O: Operation<Output = u64>>(
    agent: &Agent,
    till: &Mount<Till>,
    operation: &O,
) -> TicketId {
    match block_on(agent.submit(till, operation)) {
        Err(Refusal::Escalated(ticket)) => ticket.id,
        other => panic!("{other:?}"),
    }
}

/// One look at a future, with nobody to wake.
pub(super) fn polled<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What a future says that has nothing to wait for. Works inside another one, too.
pub(super) fn at_once<F: Future>(future: F) -> F::Output {
    match polled(std::pin::pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Runs what may never end, so that a test fails where it would hang.
pub(super) fn ends(what: impl FnOnce() + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let running = thread::spawn(move || {
        what();
        ended.send(()).unwrap();
    });
    let said = end.recv_timeout(Duration::from_secs(20));
    assert_ne!(said, Err(mpsc::RecvTimeoutError::Timeout), "it does not end");
    running.join().unwrap();
}
