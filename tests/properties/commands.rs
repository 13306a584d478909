//! The kernel does what the model's `step` does, command for command, through crashes and jumps of
//! the clock; and what it would do next is the same after reopening, from a kept state and from
//! nothing.
//!
//! Where the two words differ on purpose, the harness says so and the model is asked the question
//! it can answer:
//! - the kernel refuses to let go on what is not frozen, where the model counts it as a change;
//! - names are labels to the kernel and keys to the model, and identities stand four deep at most;
//! - a retired identity's grants are gone from the kernel, and still there to be revoked in the
//!   model; what the owner decides about those beneath it is refused by the model and without
//!   consequence in the kernel;
//! - a kernel that crashes forgets how late it is, back to its last record. So before a crash it
//!   makes one, and after a restart it sees the time that the model saw go by.
use std::{collections::BTreeMap, sync::Arc};

use clawnet_core::{
    Ability, ActError, AgentId, Denial, DenyCode, GrantId, IdentityId, Kernel, Layer, Limits,
    Operation, Overview, OwnerError, Question, Refusal, RuleId, TicketId,
};
use clawnet_tests::model::{
    command::{self, Act, Answer, Command, OperationEffect, Outcome, Party},
    generate::{Dice, commands},
    oracle,
    world::{QUESTIONS_OPEN_MAX, TicketState, World, step},
};
use futures::executor::block_on;

use super::{
    bench::{Bench, CHANGE, Layer2, OBSERVE, Probe, ProbePoint, RELEASE, Tally, key, other_key},
    scope::rule_id,
    translate::{self, normal},
};

/// What came of a command, in the words both sides have.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    Done,
    Ran,
    Escalated(u32),
    Denied(command::Denial),
}

/// Model and kernel, side by side.
struct Pair {
    world: World,
    /// None while it is down.
    bench: Option<Bench>,
    store: Arc<clawnet_core::MemoryStore>,
    clock: clawnet_core::ManualClock,
    limits: Limits,
    identities: BTreeMap<String, (IdentityId, AgentId)>,
    grants: BTreeMap<u32, GrantId>,
    rules: BTreeMap<RuleId, oracle::RuleId>,
    tickets: BTreeMap<u32, TicketId>,
    restarts: u64,
}

impl Pair {
    fn new(questions_open_max: usize) -> Self {
        let mut limits = Limits::default();
        limits.questions_open_max = questions_open_max;
        let (store, clock) = (Arc::default(), clawnet_core::ManualClock::default());
        Self {
            world: World { questions_open_max, ..World::default() },
            bench: Some(Bench::open(Arc::clone(&store), clock.clone(), limits)),
            store,
            clock,
            limits,
            identities: BTreeMap::new(),
            grants: BTreeMap::new(),
            rules: BTreeMap::new(),
            tickets: BTreeMap::new(),
            restarts: 0,
        }
    }

    /// Takes one step on both sides and compares. Says what came of it, unless the command is one
    /// that the two understand differently.
    fn step(&mut self, command: &Command) -> Option<Came> {
        let command = self.put(command)?;
        let before = self.world.clone();
        let (after, outcome) = step(&before, &command);
        self.world = after;
        let expect = match &outcome {
            Outcome::Done | Outcome::Granted(_) => Came::Done,
            Outcome::Ran { .. } => Came::Ran,
            Outcome::Escalated(number) => Came::Escalated(*number),
            Outcome::Denied(denial) => Came::Denied(*denial),
        };
        if self.bench.is_none() && !matches!(command, Command::Restart) {
            self.clock.set(clawnet_core::Timestamp::from_millis(self.world.wall));
            return Some(expect);
        }
        let came = self.kernel(&command, &outcome, &before);
        assert_eq!(came, expect, "{command:?}");
        Some(expect)
    }

    /// The command as both sides understand it.
    fn put(&self, command: &Command) -> Option<Command> {
        match command {
            Command::NewIdentity { parent: Some(name), .. }
            | Command::Grant { to: name, .. }
            | Command::Freeze { identity: Some(name) }
            | Command::Unfreeze { identity: Some(name) }
            | Command::Retire { identity: name }
                if self.is_beneath_retired(name) =>
            {
                None
            }
            Command::NewIdentity { name, parent } => {
                let depth = parent.as_ref().map_or(0, |parent| self.world.chain(parent).len());
                let fits = depth < 4 && !self.identities.contains_key(name);
                fits.then(|| command.clone())
            }
            Command::Grant { to, rules } => {
                let rules = rules.iter().map(normal).collect();
                Some(Command::Grant { to: to.clone(), rules })
            }
            Command::Act(act) => {
                let mut act = act.clone();
                for demand in &mut act.demands {
                    demand.resource = translate::normal_resource(&demand.resource);
                }
                Some(Command::Act(act))
            }
            Command::Revoke { grant } => {
                let to = self.world.grants.get(grant).map(|grant| &grant.to);
                let retired = to.is_some_and(|to| self.world.identities[to].retired);
                (!retired).then(|| command.clone())
            }
            Command::Unfreeze { identity } => {
                let known = |name: &String| self.world.identities.get(name);
                let frozen = match identity {
                    None => self.world.frozen,
                    Some(name) => known(name).is_none_or(|it| it.frozen || it.retired),
                };
                if !frozen && let Some(bench) = &self.bench {
                    let result = match identity {
                        None => block_on(bench.owner.unfreeze_all()),
                        Some(name) => block_on(bench.owner.unfreeze(self.identities[name].0)),
                    };
                    assert!(matches!(result, Err(OwnerError::Act(ActError::NotFrozen))));
                }
                frozen.then(|| command.clone())
            }
            Command::Freeze { .. }
            | Command::Retire { .. }
            | Command::Approve { .. }
            | Command::Reject { .. }
            | Command::Tick { .. }
            | Command::WallJump { .. }
            | Command::Crash
            | Command::Restart => Some(command.clone()),
        }
    }

    /// An answer to any question there ever was, most of which are over.
    fn late_answer(&self, dice: &mut Dice) -> Option<Command> {
        let asked: Vec<u32> = self.world.tickets.keys().copied().collect();
        let (ticket, by) = (*dice.pick(&asked)?, Party::Owner);
        let yes = dice.chance(50);
        Some(if yes { Command::Approve { ticket, by } } else { Command::Reject { ticket, by } })
    }

    fn is_beneath_retired(&self, name: &str) -> bool {
        let known = |name: &str| self.world.identities.get(name);
        let mut above = known(name).and_then(|it| it.parent.as_deref()).and_then(known);
        while let Some(identity) = above {
            if identity.retired {
                return !known(name).is_some_and(|it| it.retired);
            }
            above = identity.parent.as_deref().and_then(known);
        }
        false
    }

    fn kernel(&mut self, command: &Command, outcome: &Outcome, before: &World) -> Came {
        match command {
            Command::Tick { .. } | Command::WallJump { .. } => {
                self.clock.set(clawnet_core::Timestamp::from_millis(self.world.wall));
                drop(self.bench().owner.inbox());
                return Came::Done;
            }
            Command::Crash => {
                self.crash();
                return Came::Done;
            }
            Command::Restart => {
                self.crash();
                self.restart();
                return Came::Done;
            }
            Command::Act(act) => return self.act(act, outcome),
            Command::NewIdentity { .. }
            | Command::Grant { .. }
            | Command::Revoke { .. }
            | Command::Freeze { .. }
            | Command::Unfreeze { .. }
            | Command::Retire { .. }
            | Command::Approve { .. }
            | Command::Reject { .. } => {}
        }
        match self.decide(command, before) {
            Ok(()) => Came::Done,
            Err(error) => Came::Denied(why(&error, outcome)),
        }
    }

    /// What the owner does.
    fn decide(&mut self, command: &Command, before: &World) -> Result<(), OwnerError> {
        let bench = self.bench.as_ref().unwrap();
        let owner = &bench.owner;
        match command {
            Command::NewIdentity { name, parent } => {
                let identity = match parent {
                    None => block_on(owner.identity(name))?,
                    Some(parent) => block_on(owner.delegate(self.id(parent), name))?,
                };
                let agent = block_on(owner.bind(identity, name, "tests"))?;
                let seat = (identity, agent.caller().agent());
                self.identities.insert(name.clone(), seat);
            }
            Command::Grant { to, rules } => {
                let (grant, _) = translate::grant(rules, before.now);
                let grant = block_on(owner.grant(self.id(to), grant))?;
                let number = before.grant_next;
                let named = &self.world.grants[&number].rules;
                let (_, ids) = translate::grant(named, before.now);
                self.rules.extend((0..).zip(ids).map(|(nth, id)| (rule_id(grant, nth), id)));
                self.grants.insert(number, grant);
            }
            Command::Revoke { grant } => {
                let known = self.grants.get(grant).copied();
                block_on(owner.revoke(known.unwrap_or_else(|| nowhere("grt", 0))))?;
            }
            Command::Freeze { identity: None } => block_on(owner.freeze_all())?,
            Command::Freeze { identity: Some(name) } => block_on(owner.freeze(self.id(name)))?,
            Command::Unfreeze { identity: None } => block_on(owner.unfreeze_all())?,
            Command::Unfreeze { identity: Some(name) } => block_on(owner.unfreeze(self.id(name)))?,
            Command::Retire { identity } => block_on(owner.retire(self.id(identity))).map(drop)?,
            Command::Approve { ticket, by } => {
                by_owner(bench, *by)?;
                block_on(owner.approve(self.ticket(*ticket)))?;
            }
            Command::Reject { ticket, by } => {
                by_owner(bench, *by)?;
                block_on(owner.reject(self.ticket(*ticket)))?;
            }
            Command::Act(_)
            | Command::Tick { .. }
            | Command::WallJump { .. }
            | Command::Crash
            | Command::Restart => unreachable!("{command:?} is not the owner's"),
        }
        Ok(())
    }

    fn act(&mut self, act: &Act, outcome: &Outcome) -> Came {
        match act.effect {
            OperationEffect::Observe => self.submit::<OBSERVE>(act, outcome),
            OperationEffect::Change => self.submit::<CHANGE>(act, outcome),
            OperationEffect::Release => self.submit::<RELEASE>(act, outcome),
        }
    }

    fn submit<const EFFECT: u8>(&mut self, act: &Act, outcome: &Outcome) -> Came
    where
        Probe<EFFECT>: Operation<Output = u64>,
        ProbePoint: clawnet_core::Endpoint<Probe<EFFECT>>,
    {
        let bench = self.bench.as_ref().unwrap();
        let Some((_, agent)) = self.identities.get(&act.identity) else {
            let bound = block_on(bench.owner.bind(self.id(&act.identity), "a", "tests"));
            assert!(matches!(bound, Err(OwnerError::Act(ActError::UnknownIdentity(_)))));
            return Came::Denied(command::Denial::Unknown);
        };
        let Ok(agent) = bench.owner.agent(*agent) else {
            assert!(self.world.identities[&act.identity].retired, "{act:?}");
            return Came::Denied(command::Denial::Retired);
        };
        bench.probe.endpoint().says(match act.endpoint {
            Answer::Allow(version) => Layer2::Admits(version),
            Answer::Deny => Layer2::Vetoes,
            Answer::Dark => Layer2::Panics,
        });
        let demands: Option<Vec<_>> = act.demands.iter().map(translate::demand).collect();
        let Some(demands) = demands.filter(|demands| !demands.is_empty()) else {
            // The kernel has no value for it, so nobody can submit it; the model must say no.
            let Outcome::Denied(denial) = outcome else { panic!("{act:?} came to {outcome:?}") };
            return Came::Denied(*denial);
        };
        let operation = Probe::<EFFECT>::new(&demands, &act.digest);
        let (ran, records) = (bench.probe.endpoint().performed(), bench.kernel.head().sequence);
        let result = block_on(agent.submit(&bench.probe, &operation));
        let did_run = bench.probe.endpoint().performed() > ran;
        assert_eq!(did_run, result.is_ok(), "{result:?}");
        let written = bench.kernel.head().sequence - records;
        match result {
            Ok(intent) => {
                assert_eq!((written, intent), (2, records + 1));
                let Outcome::Ran { ticket, debited } = outcome else { return Came::Ran };
                let intent = bench.last_intent();
                let named = ticket.map(|number| self.tickets[&number]);
                assert_eq!(intent.approval, named, "the approval spent");
                let rules = self.world.grants.values().flat_map(|grant| &grant.rules);
                let metered: Vec<_> =
                    rules.filter(|rule| rule.budget.is_some()).map(|rule| rule.id).collect();
                let used = intent.rules.iter().filter_map(|id| self.rules.get(id)).copied();
                let used = used.filter(|id| metered.contains(id)).collect();
                assert_eq!(*debited, used, "budgets used by {act:?}");
                Came::Ran
            }
            Err(Refusal::Escalated(ticket)) => {
                let Outcome::Escalated(number) = outcome else { return Came::Escalated(u32::MAX) };
                let is_new = !self.tickets.contains_key(number);
                assert_eq!(written, u64::from(is_new), "one question is asked once");
                let known = self.tickets.entry(*number).or_insert(ticket.id);
                assert_eq!(*known, ticket.id, "question {number}");
                let expires = self.world.tickets[number].expires;
                assert_eq!(ticket.expires.as_millis(), expires, "question {number}");
                Came::Escalated(*number)
            }
            Err(Refusal::Denied(denial)) => {
                assert_eq!(written, 1, "a refusal is a record");
                Came::Denied(self.no(&denial))
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn no(&self, denial: &Denial) -> command::Denial {
        use command::Denial as No;
        match (denial.layer, &denial.code) {
            (Layer::Identity, DenyCode::Frozen) => No::Frozen,
            (Layer::Identity, DenyCode::Retired | DenyCode::Foreign) => No::Retired,
            // Everything stands still: whether the identity is retired too makes no difference.
            (Layer::Identity, DenyCode::KernelFrozen) => {
                match self.world.records.last().map(|record| &record.outcome) {
                    Some(Outcome::Denied(No::Retired)) => No::Retired,
                    _ => No::Frozen,
                }
            }
            (Layer::Scope, _) => No::Scope,
            (Layer::Endpoint, DenyCode::EndpointFault) => No::Fault,
            (Layer::Endpoint, DenyCode::Endpoint(_)) => No::Endpoint,
            (Layer::Owner, DenyCode::Rejected) => No::Refused,
            (Layer::Owner, DenyCode::QuestionLimit) => No::Fatigue,
            other => panic!("{other:?}"),
        }
    }

    fn bench(&self) -> &Bench {
        self.bench.as_ref().unwrap()
    }

    fn id(&self, name: &str) -> IdentityId {
        let known = self.identities.get(name).map(|(identity, _)| *identity);
        known.unwrap_or_else(|| nowhere("idn", 0))
    }

    fn ticket(&self, number: u32) -> TicketId {
        let known = self.tickets.get(&number).copied();
        known.unwrap_or_else(|| nowhere("tkt", number))
    }

    fn crash(&mut self) {
        if let Some(bench) = self.bench.take() {
            block_on(clawnet_tests::keeping::keep(&bench.kernel, &bench.owner)).unwrap();
        }
    }

    fn restart(&mut self) {
        self.restarts += 1;
        self.clock.set(clawnet_core::Timestamp::from_millis(self.world.now));
        let bench = self.reopen(self.restarts.is_multiple_of(2));
        drop(bench.owner.inbox());
        self.clock.set(clawnet_core::Timestamp::from_millis(self.world.wall));
        self.bench = Some(bench);
    }

    fn reopen(&self, whole: bool) -> Bench {
        let how = Kernel::governing(clawnet_core::Signer::public_key(&key())).limits(self.limits);
        let how = if whole { how.verifying_everything() } else { how };
        let bench = Bench::governed(how, self.store.clone(), self.clock.clone());
        let recovery = bench.kernel.recovery();
        assert_eq!((&recovery.damage, recovery.closed), (&None, 0));
        assert!(!whole || recovery.from_snapshot == 0);
        bench
    }

    /// What the kernel would answer to everything that was ever asked.
    fn answers(&self, bench: &Bench, asked: &[Act]) -> Answers {
        bench.set(self.world.now);
        let inbox = bench.owner.inbox();
        let identities = bench.owner.identities();
        let can = identities.iter().map(|it| bench.owner.what_can(it.identity).unwrap()).collect();
        let judged = asked.iter().filter_map(|act| {
            let agent = bench.owner.agent(self.identities.get(&act.identity)?.1).ok()?;
            let demands: Option<Vec<_>> = act.demands.iter().map(translate::demand).collect();
            let demands = demands.filter(|demands| !demands.is_empty())?;
            Some(format!("{:?}", agent.judge_demands(&super::bench::demands(&demands))))
        });
        Answers { inbox, can, judged: judged.collect(), identities, head: bench.kernel.head() }
    }

    /// Replay gives the state, and every record verifies.
    fn check_replay(mut self, asked: &[Act]) {
        if self.bench.is_none() {
            self.restart();
        }
        let live = self.answers(self.bench(), asked);
        let open = self.world.tickets.values().filter(|it| it.state == TicketState::Open);
        assert_eq!(live.inbox.len(), open.count());
        let verified = block_on(self.bench().kernel.verify()).unwrap();
        assert_eq!((verified.damage, verified.records), (None, live.head.sequence));
        assert_eq!(verified.head, live.head.hash);
        self.bench = None;
        for whole in [false, true] {
            assert_eq!(self.answers(&self.reopen(whole), asked), live, "replay = state");
        }
    }
}

/// Everything that can be seen of a kernel's state.
#[derive(Debug, PartialEq)]
struct Answers {
    inbox: Vec<Question>,
    identities: Vec<Overview>,
    can: Vec<Vec<Ability>>,
    judged: Vec<String>,
    head: clawnet_core::Head,
}

/// An identifier that nothing bears, however long identifiers are.
fn nowhere<T: std::str::FromStr>(prefix: &str, number: u32) -> T {
    let of = |width| format!("{prefix}_{number:0width$x}").parse().ok();
    (8..=64).find_map(of).unwrap()
}

/// The model's word for the kernel's. Where the kernel has one for two of the model's, it is the
/// one expected.
fn why(error: &OwnerError, outcome: &Outcome) -> command::Denial {
    use command::Denial::{Closed, NotOwner, Retired, Unknown};
    match error {
        OwnerError::Act(ActError::Retired(_)) => Retired,
        OwnerError::Act(ActError::UnknownTicket(_)) if *outcome == Outcome::Denied(Closed) => {
            Closed
        }
        OwnerError::Act(
            ActError::UnknownIdentity(_) | ActError::UnknownGrant(_) | ActError::UnknownTicket(_),
        ) => Unknown,
        OwnerError::ForeignKey => NotOwner,
        OwnerError::Act(_) | OwnerError::Signer(_) | OwnerError::Store(_) | _ => {
            panic!("{error} where the model says {outcome:?}")
        }
    }
}

/// Who is not the owner has no handle to decide with.
fn by_owner(bench: &Bench, by: Party) -> Result<(), OwnerError> {
    match by {
        Party::Owner => Ok(()),
        Party::Other => block_on(bench.kernel.owner(other_key())).map(drop),
    }
}

#[test]
fn the_kernel_does_what_the_model_does() {
    use command::Denial::{Endpoint, Fatigue, Fault, Frozen, Refused, Retired, Scope, Unknown};
    const STORIES: u64 = 600;
    let (mut tally, mut skipped) = (Tally::default(), 0);
    for seed in 0..STORIES {
        let mut pair = Pair::new(if seed.is_multiple_of(2) { QUESTIONS_OPEN_MAX } else { 2 });
        let story = commands(seed, 110);
        let mut dice = Dice::new(seed);
        for (nth, command) in story.iter().enumerate() {
            let late = dice.chance(8).then(|| pair.late_answer(&mut dice)).flatten();
            for command in std::iter::once(command).chain(&late) {
                let told = std::panic::AssertUnwindSafe(|| pair.step(command));
                let came = std::panic::catch_unwind(told).unwrap_or_else(|_| {
                    panic!("seed {seed}, command {nth}: {command:?}");
                });
                match came {
                    Some(Came::Escalated(_)) => tally.count((command.kind(), "Escalated")),
                    Some(other) => tally.count((command.kind(), other)),
                    None => skipped += 1,
                }
            }
        }
        let acts = story.into_iter().filter_map(|command| {
            let Command::Act(act) = command else { return None };
            Some(act)
        });
        pair.check_replay(&acts.collect::<Vec<_>>());
    }
    tally.print("commands, kernel = model");
    println!("understood differently: {skipped}");
    assert!(skipped * 20 < tally.total(), "too much is left out");
    let ran = tally.of(("act", Came::Ran));
    let acts = tally.0.iter().filter(|(what, _)| what.starts_with("(\"act\""));
    assert!(ran * 6 > acts.map(|(_, count)| count).sum::<u64>(), "too little runs");
    for why in [Endpoint, Fatigue, Fault, Frozen, Refused, Retired, Scope, Unknown] {
        assert!(tally.of(("act", Came::Denied(why))) >= 20, "acts are hardly denied by {why:?}");
    }
    assert!(tally.of(("act", "Escalated")) > 500);
}
