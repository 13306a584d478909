//! A kernel to put questions to: in memory, on a clock that is set, with one endpoint whose answers
//! are set too.
use std::{
    fmt::Debug,
    panic::resume_unwind,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use clawnet_core::*;
use futures::executor::block_on;
use serde::Serialize;

/// An owner's kernel and everything around it.
pub(crate) struct Bench {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: ManualClock,
    pub(crate) kernel: Kernel,
    pub(crate) owner: Owner,
    pub(crate) probe: Mount<ProbePoint>,
}

impl Bench {
    /// A new owner at time zero.
    pub(crate) fn new() -> Self {
        Self::open(Arc::default(), ManualClock::default(), Limits::default())
    }

    pub(crate) fn open(store: Arc<MemoryStore>, clock: ManualClock, limits: Limits) -> Self {
        Self::governed(Kernel::governing(key().public_key()).limits(limits), store, clock)
    }

    pub(crate) fn governed(how: Governing, store: Arc<MemoryStore>, clock: ManualClock) -> Self {
        let kernel = block_on(how.open_shared(store.clone(), clock.clone())).unwrap();
        let owner = block_on(kernel.owner(key())).unwrap();
        let probe = kernel.mount("probe", ProbePoint::default());
        Self { store, clock, kernel, owner, probe }
    }

    pub(crate) fn set(&self, millis: u64) {
        self.clock.set(Timestamp::from_millis(millis));
    }

    /// An identity beneath `parent`, and an agent of it.
    pub(crate) fn identity(&self, name: &str, parent: Option<IdentityId>) -> (IdentityId, Agent) {
        let identity = match parent {
            None => block_on(self.owner.identity(name)).unwrap(),
            Some(parent) => block_on(self.owner.delegate(parent, name)).unwrap(),
        };
        (identity, block_on(self.owner.bind(identity, name, "tests")).unwrap())
    }

    pub(crate) fn grant(&self, to: IdentityId, grant: Grant) -> GrantId {
        block_on(self.owner.grant(to, grant)).unwrap()
    }

    /// The intent of the operation that was run last.
    pub(crate) fn last_intent(&self) -> Intent {
        let records = block_on(self.owner.records(self.kernel.head().sequence - 1, 2)).unwrap();
        match records.into_iter().map(|record| record.event).collect::<Vec<_>>().as_slice() {
            [Event::Intent(intent), Event::Outcome(_)] => intent.clone(),
            other => panic!("no intent and outcome, but {other:?}"),
        }
    }
}

/// The owner's key.
pub(crate) fn key() -> SoftwareKey {
    SoftwareKey::from_secret(&[7; 32])
}

/// Somebody else's.
pub(crate) fn other_key() -> SoftwareKey {
    SoftwareKey::from_secret(&[8; 32])
}

pub(crate) const OBSERVE: u8 = 0;
pub(crate) const CHANGE: u8 = 1;
pub(crate) const RELEASE: u8 = 2;

/// One demand of a probe, and whether it is on everything beneath, too.
pub(crate) type Wanted = (Action, Resource, bool);

/// An operation that touches whatever it says, and does nothing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe<const EFFECT: u8> {
    pub(crate) demands: Vec<Wanted>,
    pub(crate) name: String,
    pub(crate) number: u64,
}

impl<const EFFECT: u8> Probe<EFFECT> {
    pub(crate) fn new(demands: &[Wanted], name: &str) -> Self {
        Self { demands: demands.to_vec(), name: name.into(), number: 0 }
    }

    pub(crate) fn on(action: Action, resource: &str) -> Self {
        Self::new(&[(action, resource.parse().unwrap(), false)], "")
    }

    pub(crate) fn below(action: Action, resource: &str) -> Self {
        Self::new(&[(action, resource.parse().unwrap(), true)], "")
    }
}

impl<const EFFECT: u8> Operation for Probe<EFFECT> {
    const KIND: &'static str = match EFFECT {
        OBSERVE => "probe.observe",
        CHANGE => "probe.change",
        _ => "probe.release",
    };
    type Output = u64;
    const EFFECT: Effect = match EFFECT {
        OBSERVE => Effect::Observe,
        CHANGE => Effect::Change,
        _ => Effect::Release,
    };

    fn demands(&self) -> Demands<'_> {
        demands(&self.demands)
    }
}

/// All of `each`, of which there is at least one.
pub(crate) fn demands(each: &[Wanted]) -> Demands<'_> {
    let [first, more @ ..] = each else { panic!("no demands") };
    let first = match first {
        (action, resource, false) => Demands::one(*action, resource),
        (action, resource, true) => Demands::tree(*action, resource),
    };
    more.iter().fold(first, |all, (action, resource, tree)| {
        if *tree { all.and_tree(*action, resource) } else { all.and(*action, resource) }
    })
}

/// What layer 2 says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layer2 {
    Admits(u64),
    Vetoes,
    Panics,
}

/// The endpoint of probes: says what it was told to say, and counts what it performed.
#[derive(Debug)]
pub(crate) struct ProbePoint {
    says: Mutex<Layer2>,
    performed: AtomicU64,
}

impl Default for ProbePoint {
    fn default() -> Self {
        Self { says: Mutex::new(Layer2::Admits(0)), performed: AtomicU64::new(0) }
    }
}

impl ProbePoint {
    pub(crate) fn says(&self, answer: Layer2) {
        *self.says.lock().unwrap() = answer;
    }

    pub(crate) fn performed(&self) -> u64 {
        self.performed.load(Ordering::SeqCst)
    }
}

impl<const EFFECT: u8> Endpoint<Probe<EFFECT>> for ProbePoint {
    fn admit(&self, _: &Probe<EFFECT>, _: &Caller) -> Result<Admission, Denial> {
        let answer = *self.says.lock().unwrap();
        match answer {
            Layer2::Admits(version) => Ok(Admission::at(Version::of(&[&version.to_le_bytes()]))),
            Layer2::Vetoes => Err(Denial::by_endpoint("vetoed", "told to")),
            // A panic, without a report of it on every run.
            Layer2::Panics => resume_unwind(Box::new("dark")),
        }
    }

    async fn perform(&self, task: Authorized<'_, Probe<EFFECT>>) -> Result<u64, Fault> {
        task.confirm()?;
        self.performed.fetch_add(1, Ordering::SeqCst);
        Ok(task.intent())
    }
}

/// Counts answers, and prints how often each was reached.
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) std::collections::BTreeMap<String, u64>);

impl Tally {
    pub(crate) fn count(&mut self, what: impl Debug) {
        *self.0.entry(format!("{what:?}")).or_default() += 1;
    }

    pub(crate) fn of(&self, what: impl Debug) -> u64 {
        self.0.get(&format!("{what:?}")).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub(crate) fn print(&self, title: &str) {
        println!("{title}: {}", self.total());
        for (what, count) in &self.0 {
            println!("  {count:>8}  {what}");
        }
    }
}
