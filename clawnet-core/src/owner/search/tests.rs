//! What the index leads to is what a scan of the whole ledger finds, whatever happened and whatever
//! is asked. Blocks are of 64 records here, so that there are many.
#![expect(clippy::wildcard_enum_match_arm, reason = "a scan looks at what it looks for")]
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use futures::{FutureExt as _, executor::block_on, future::join_all};

use super::*;
use crate::{
    agent::Agent,
    bound::Caller,
    denial::Denial,
    endpoint::{Admission, Authorized, Endpoint, Fault, Mount, Recall},
    id::{GrantId, IdentityId, OwnerId},
    kernel::Kernel,
    key::SoftwareKey,
    operation::{Action, Demanded, Demands, Effect, Operation},
    resource::{Region, Resource},
    rule::Grant,
    store::{MemoryStore, Store},
    submit::Refusal,
    time::ManualClock,
};

#[derive(serde::Serialize)]
struct Touch {
    /// Each by itself, or with everything beneath it.
    all: Vec<(Resource, bool)>,
    fails: bool,
    number: u64,
}

impl Operation for Touch {
    const KIND: &'static str = "test.touch";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let first = match &self.all[0] {
            (one, false) => Demands::one(Action::Write, one),
            (one, true) => Demands::tree(Action::Write, one),
        };
        self.all.iter().skip(1).fold(first, |all, (one, tree)| {
            if *tree { all.and_tree(Action::Read, one) } else { all.and(Action::Read, one) }
        })
    }
}

#[derive(serde::Serialize)]
struct Glimpse {
    one: Resource,
}

impl Operation for Glimpse {
    const KIND: &'static str = "test.glimpse";
    type Output = ();
    const EFFECT: Effect = Effect::Observe;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.one)
    }

    fn content(&self) -> Option<&[u8]> {
        Some(b"what is glimpsed at")
    }
}

/// Takes one turn to perform, so that others come in between.
#[derive(Default)]
struct Place(AtomicU64);

impl Place {
    async fn rest(&self) {
        let mut rested = false;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut rested, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Endpoint<Touch> for Place {
    fn admit(&self, _: &Touch, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Touch>) -> Result<(), Fault> {
        self.rest().await;
        if task.operation().fails {
            return Err(Fault::new("broken", "told to"));
        }
        let nth = self.0.fetch_add(1, Ordering::Relaxed);
        task.attest(Digest::of_content(&(nth % 8).to_le_bytes()));
        Ok(())
    }
}

impl Endpoint<Glimpse> for Place {
    fn admit(&self, _: &Glimpse, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Glimpse>) -> Result<(), Fault> {
        Ok(())
    }
}

impl Recall for Place {
    fn recall(&self, _: OwnerId, intent: u64) -> Recalled {
        if intent.is_multiple_of(2) { Recalled::Done } else { Recalled::NotDone }
    }
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    fn nth<T>(&mut self, of: &[T]) -> usize {
        self.below(of.len())
    }
}

const RUNTIMES: [&str; 3] = ["codex", "claude-code", "openclaw"];
const JOBS: [&str; 3] = ["J-1", "J-2", "J-3"];
const PLACES: [&str; 10] = [
    "fs:/a/b/c",
    "fs:/a/b/d",
    "fs:/a/b",
    "fs:/a/e",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/elsewhere",
    "net:api.example.com:443",
    "net:example.com",
    "repo:git.host/org/app@refs/heads/main",
];
/// What all is touched of: what holds places, is one, and what lies too deep to be named.
const TREES: [&str; 6] = [
    "fs:/a",
    "fs:/a/b/c",
    "fs:/f/g",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
    "net:example.com",
    "repo:git.host/org/app",
];
const REGIONS: [&str; 8] = [
    "fs:/a",
    "fs:/a/b",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18",
    "fs:/f/g/h/1/2/3/4/5/6/7/8/9/10/11/12/13",
    "net:example.com",
    "repo:git.host/org/app",
    "repo:git.host",
    "tool:none",
];

fn key() -> SoftwareKey {
    SoftwareKey::from_secret(&[7; 32])
}

/// A ledger in the making.
struct World {
    random: Random,
    store: Arc<MemoryStore>,
    clock: ManualClock,
    kernel: Kernel,
    owner: Owner,
    place: Mount<Place>,
    identities: Vec<IdentityId>,
    agents: Vec<Agent>,
    dismissed: Vec<AgentId>,
    grants: Vec<GrantId>,
    tickets: Vec<TicketId>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (store, clock) = (Arc::<MemoryStore>::default(), ManualClock::default());
        let (kernel, owner, place) = Self::open(&store, &clock);
        let (random, dismissed) = (Random(seed.wrapping_mul(0x9e37_79b9) | 1), Vec::new());
        let (identities, agents, grants, tickets) = (vec![], vec![], vec![], vec![]);
        let mut world = Self {
            random,
            store,
            clock,
            kernel,
            owner,
            place,
            identities,
            agents,
            dismissed,
            grants,
            tickets,
        };
        for _ in 0..3 {
            world.identity();
            world.bind();
            world.grant();
        }
        world
    }

    fn open(store: &Arc<MemoryStore>, clock: &ManualClock) -> (Kernel, Owner, Mount<Place>) {
        let governing = Kernel::governing(crate::key::Signer::public_key(&key()));
        let kernel = block_on(governing.open_shared(store.clone(), clock.clone())).unwrap();
        assert_eq!(kernel.damage(), None);
        let owner = block_on(kernel.owner(key())).unwrap();
        let place = kernel.mount("place", Place::default());
        block_on(kernel.settle(&place)).unwrap();
        (kernel, owner, place)
    }

    fn identity(&mut self) {
        let name = format!("identity {}", self.identities.len());
        self.identities.push(block_on(self.owner.identity(&name)).unwrap());
    }

    fn bind(&mut self) {
        let identity = self.random.one(&self.identities);
        let (runtime, job) = (self.random.one(&RUNTIMES), self.random.one(&JOBS));
        let bound = if self.random.below(2) == 0 {
            block_on(self.owner.attempt(identity, job, runtime))
        } else {
            block_on(self.owner.bind(identity, "somebody", runtime))
        };
        self.agents.extend(bound);
    }

    fn grant(&mut self) {
        let identity = self.random.one(&self.identities);
        let region = |text: &str| Region::subtree(text).unwrap();
        let rules = match self.random.below(4) {
            0 => Grant::new().ask([Action::Read, Action::Write], region("fs:/a/b")),
            1 => Grant::new().deny([Action::Write], region("net:example.com")),
            _ => Grant::new()
                .allow([Action::Read, Action::Write], Region::whole_volume().unwrap())
                .allow([Action::Read, Action::Write], region("net:com"))
                .allow([Action::Write, Action::Read], region("repo:git.host/org")),
        };
        self.grants.extend(block_on(self.owner.grant(identity, rules)));
    }

    /// An agent hands on what it may, and somebody acts for the new identity.
    fn delegate(&mut self) {
        let agent = &self.agents[self.random.nth(&self.agents)];
        let identity = agent.caller().identity();
        let own = Region::exact(&format!("identity:{identity}")).unwrap();
        drop(block_on(self.owner.grant(identity, Grant::new().allow(Action::Delegate, own))));
        let all = [Action::Read, Action::Write];
        let rules = Grant::new().allow(all, Region::whole_volume().unwrap());
        let name = format!("beneath {}", self.identities.len());
        if let Ok(identity) = block_on(agent.delegate(&name, rules)) {
            self.identities.push(identity);
            self.agents.push(block_on(self.owner.bind(identity, "helper", "codex")).unwrap());
        }
    }

    fn touch(&mut self) -> Touch {
        let mut one = || {
            let tree = self.random.below(4) == 0;
            let among: &[&str] = if tree { &TREES } else { &PLACES };
            (self.random.one(among).parse().unwrap(), tree)
        };
        let all: Vec<_> = (0..4).map(|_| one()).collect();
        let all = all[..=self.random.below(4)].to_vec();
        Touch { all, fails: self.random.below(8) == 0, number: self.random.below(4) as u64 }
    }

    fn submit(&mut self) {
        let several: Vec<_> = (0..=self.random.below(4))
            .map(|_| (self.random.below(self.agents.len()), self.touch()))
            .collect();
        let all = several.iter().map(|(nth, touch)| self.agents[*nth].submit(&self.place, touch));
        for result in block_on(join_all(all)) {
            if let Err(Refusal::Escalated(ticket)) = result {
                self.tickets.push(ticket.id);
            }
        }
        let one = self.random.one(&PLACES).parse().unwrap();
        let agent = &self.agents[self.random.nth(&self.agents)];
        if let Err(Refusal::Escalated(ticket)) =
            block_on(agent.submit(&self.place, &Glimpse { one }))
        {
            self.tickets.push(ticket.id);
        }
    }

    /// Somebody gives up on what is under way.
    fn give_up(&mut self) {
        let touch = self.touch();
        let nth = self.random.nth(&self.agents);
        drop(self.agents[nth].submit(&self.place, &touch).now_or_never());
    }

    fn reopen(&mut self) {
        let agents: Vec<_> = self.agents.iter().map(|agent| agent.caller().agent()).collect();
        (self.kernel, self.owner, self.place) = Self::open(&self.store, &self.clock);
        self.agents = agents.iter().filter_map(|agent| self.owner.agent(*agent).ok()).collect();
        if self.agents.is_empty() {
            self.identity();
            let last = *self.identities.last().unwrap();
            self.agents.push(block_on(self.owner.bind(last, "late", "codex")).unwrap());
        }
    }

    fn step(&mut self) {
        self.clock.advance(Duration::from_millis(self.random.below(3) as u64));
        match self.random.below(60) {
            0 => self.identity(),
            1 | 2 => self.bind(),
            3 | 4 => self.grant(),
            5..=14 => {
                if let Some(question) = self.owner.inbox().first() {
                    let ticket = question.ticket;
                    if self.random.below(4) == 0 {
                        block_on(self.owner.reject(ticket)).unwrap();
                    } else {
                        block_on(self.owner.approve(ticket)).unwrap();
                    }
                }
            }
            15 if self.agents.len() > 3 => {
                let nth = self.random.below(self.agents.len());
                let agent = self.agents.remove(nth).caller().agent();
                drop(block_on(self.owner.dismiss(agent)));
                self.dismissed.push(agent);
            }
            16 if self.identities.len() > 4 && self.random.below(6) == 0 => {
                let identity = self.random.one(&self.identities);
                drop(block_on(self.owner.retire(identity)));
            }
            17 if self.random.below(4) == 0 => {
                drop(block_on(self.owner.revoke(self.random.one(&self.grants))));
            }
            18 => self.reopen(),
            19 => block_on(self.store.erase_index(self.owner.id())).unwrap(),
            20 | 21 => self.give_up(),
            22 | 23 => self.delegate(),
            _ => self.submit(),
        }
    }

    fn query(&mut self, deeds: &[Deed]) -> Query {
        let mut query = Query::new();
        for _ in 0..=self.random.below(3) {
            let about = if deeds.is_empty() { None } else { Some(&deeds[self.random.nth(deeds)]) };
            let agents: Vec<_> = about.map(|deed| deed.agent).into_iter().collect();
            let agents = [agents, self.dismissed.clone()].concat();
            query = match self.random.below(12) {
                0 => query.identity(self.random.one(&self.identities)),
                1 if !agents.is_empty() => query.agent(self.random.one(&agents)),
                2 => query.runtime(self.random.one(&RUNTIMES)),
                3 => query.job(self.random.one(&JOBS)),
                4 => query.resource(&self.random.one(&PLACES).parse().unwrap()),
                5 => query.within(&Region::subtree(self.random.one(&REGIONS)).unwrap()),
                6 => query.verdict(self.random.one(&[Verdict::Deny, Verdict::Ask, Verdict::Allow])),
                7 if !self.tickets.is_empty() => query.approval(self.random.one(&self.tickets)),
                8 if !self.grants.is_empty() => query.grant(self.random.one(&self.grants)),
                9 => query.kind(self.random.one(&["test.touch", "test.glimpse", "none"])),
                10 => query.since(about.map_or(Timestamp::default(), |deed| deed.at)),
                11 => query.until(about.map_or(Timestamp::MAX, |deed| deed.at)),
                _ => query,
            };
        }
        query
    }
}

/// All deeds, by reading every record and nothing else; the newest first.
fn scan(records: &[AuditRecord]) -> Vec<Deed> {
    let mut bound = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut deeds: BTreeMap<u64, Deed> = BTreeMap::new();
    let mut answers = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::Act(signed) => match &signed.act {
                Act::Bind { agent, identity, job, name, runtime } => {
                    let (identity, name) = (*identity, name.clone());
                    let (runtime, job) = (runtime.clone(), job.clone());
                    bound.insert(*agent, AgentState { identity, name, runtime, job });
                }
                Act::Identity { identity, name, .. } => {
                    names.insert(*identity, name.clone());
                }
                Act::Approve(approval) => {
                    answers.insert(approval.ticket, (record, Verdict::Allow));
                }
                Act::Reject { ticket } => {
                    answers.insert(*ticket, (record, Verdict::Deny));
                }
                _ => {}
            },
            Event::Outcome(outcome) => {
                deeds.get_mut(&outcome.intent).unwrap().outcome = Some(Concluded {
                    at: record.at,
                    evidence: outcome.evidence,
                    recalled: None,
                    result: outcome.result.clone(),
                    sequence: record.sequence,
                });
            }
            Event::Delegated { identity, name, .. } => {
                names.insert(*identity, name.clone());
            }
            Event::Recalled { intent, said } => {
                let deed = deeds.get_mut(intent).unwrap();
                deed.outcome.as_mut().unwrap().recalled = Some(*said);
            }
            Event::Intent(_) | Event::Asked(_) | Event::Denied(_) => {
                let Actor::Agent { agent, .. } = record.actor else { panic!("no agent") };
                let mut deed = draw(record.clone(), bound.get(&agent)).unwrap();
                deed.identity_name = names[&deed.identity].clone();
                deeds.insert(record.sequence, deed);
            }
            _ => {}
        }
    }
    for approval in deeds.values_mut().filter_map(|deed| deed.approval.as_mut()) {
        approval.answer = answers.get(&approval.ticket).map(|(record, verdict)| Answered {
            at: record.at,
            sequence: record.sequence,
            verdict: *verdict,
        });
    }
    deeds.into_values().rev().collect()
}

/// How often something was met.
#[derive(Debug, Default)]
struct Met(BTreeMap<&'static str, usize>);

impl Met {
    fn count(&mut self, what: &'static str, is: bool) {
        *self.0.entry(what).or_default() += usize::from(is);
    }
}

fn check(world: &mut World, met: &mut Met) {
    let records = block_on(world.owner.records(1, usize::MAX)).unwrap();
    let deeds = scan(&records);
    for _ in 0..12 {
        let query = world.query(&deeds);
        let expected: Vec<_> = deeds.iter().filter(|deed| query.matches(deed)).collect();
        let size = 1 + world.random.below(40);
        let (mut found, mut pages, mut next) = (Vec::new(), 0, query.clone());
        loop {
            let page = block_on(world.owner.query(&next, size)).unwrap();
            assert!(page.deeds.len() <= size);
            found.extend(page.deeds);
            pages += 1;
            let Some(before) = page.before else { break };
            next = next.before(before);
            if world.random.below(40) == 0 {
                block_on(world.store.erase_index(world.owner.id())).unwrap();
                met.count("erased between pages", true);
            }
        }
        let places = |deeds: &[&Deed]| deeds.iter().map(|deed| deed.sequence).collect::<Vec<_>>();
        assert_eq!(places(&found.iter().collect::<Vec<_>>()), places(&expected), "{query:?}");
        found.iter().zip(expected).for_each(|(found, expected)| assert_eq!(found, expected));
        met.count("answers", true);
        met.count("answers with deeds", !found.is_empty());
        met.count("answers of several pages", pages > 2);
        met.count("answers over blocks", {
            let ends = found.first().zip(found.last());
            ends.is_some_and(|(last, first)| last.sequence - first.sequence > 128)
        });
        for deed in &found {
            let approval = deed.approval.as_ref();
            let result = deed.outcome.as_ref().map(|outcome| &outcome.result);
            met.count("deeds", true);
            met.count("asked", deed.verdict == Verdict::Ask);
            met.count("delegated", deed.kind == "kernel.delegate");
            met.count("denied", deed.verdict == Verdict::Deny);
            met.count("approved", approval.is_some_and(|approval| approval.answer.is_some()));
            met.count("of dismissed agents", world.dismissed.contains(&deed.agent));
            met.count("failed", matches!(result, Some(OutcomeKind::Failed { .. })));
            met.count("interrupted", result == Some(&OutcomeKind::Interrupted));
            met.count("outcome not next", {
                deed.outcome.as_ref().is_some_and(|outcome| outcome.sequence > deed.sequence + 1)
            });
            let inside = |region: &Region| {
                let touched = deed.demands.iter().flat_map(Demanded::iter);
                let root = region.root();
                let around = |of: &Region| of.contains(root) && of.root() != root;
                touched.map(|(_, of)| of).any(around)
            };
            met.count("within what was touched whole", query.regions.iter().any(inside));
            met.count("recalled", {
                deed.outcome.as_ref().is_some_and(|outcome| outcome.recalled.is_some())
            });
        }
    }
}

#[test]
fn the_index_finds_what_a_scan_finds() {
    let mut met = Met::default();
    for seed in 1..=24 {
        let mut world = World::new(seed);
        for _ in 0..8 {
            (0..30).for_each(|_| world.step());
            check(&mut world, &mut met);
        }
    }
    println!("{met:#?}");
    for (what, least) in [
        ("answers with deeds", 700),
        ("answers of several pages", 300),
        ("answers over blocks", 300),
        ("asked", 500),
        ("denied", 500),
        ("delegated", 30),
        ("approved", 200),
        ("of dismissed agents", 500),
        ("failed", 500),
        ("interrupted", 100),
        ("outcome not next", 1000),
        ("recalled", 50),
        ("erased between pages", 50),
        ("within what was touched whole", 300),
    ] {
        assert!(met.0[what] >= least, "{what}: {}", met.0[what]);
    }
}
