//! Agents that act because of something: what limits them, and that nothing follows its end.
use std::sync::{Arc, Mutex};

use futures::{FutureExt as _, executor::block_on};

use super::*;
use crate::{
    kernel::Kernel,
    key::{Signer as _, SoftwareKey},
    owner::{Owner, Query},
    projection::toy::{Tally, Told, errand},
    resource::Region,
    rule::Budget,
    store::{MemoryStore, Store},
    time::{ManualClock, Timestamp},
};

#[derive(Serialize)]
struct Read {
    path: Resource,
}

impl Operation for Read {
    const KIND: &'static str = "toy.read";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Read, &self.path)
    }
}

type Before = Box<dyn FnOnce() + Send>;

/// Performs anything, and has something happen before it says yes, or before it begins.
#[derive(Default)]
struct Place {
    admitting: Mutex<Option<Before>>,
    beginning: Mutex<Option<Before>>,
    causes: Mutex<Vec<Option<Cause>>>,
    seen: Mutex<Vec<&'static str>>,
}

fn happen(what: &Mutex<Option<Before>>) {
    let before = what.lock().unwrap().take();
    if let Some(before) = before {
        before();
    }
}

impl Endpoint<Read> for Place {
    fn admit(&self, _: &Read, _: &Caller) -> Result<Admission, Denial> {
        happen(&self.admitting);
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Read>) -> Result<(), Fault> {
        self.causes.lock().unwrap().push(task.caller().cause().cloned());
        let beside = path("/work/beside");
        let extends = |word| {
            let extends = task.extends_to(Action::Read, &beside).is_ok();
            self.seen.lock().unwrap().push(if extends { word } else { "no" });
        };
        extends("before");
        happen(&self.beginning);
        extends("after");
        task.confirm()
    }
}

fn path(path: &str) -> Resource {
    format!("fs:{path}").parse().unwrap()
}

fn read(at: &str) -> Read {
    Read { path: path(at) }
}

fn on(at: &str) -> Region {
    Region::subtree(&format!("fs:{at}")).unwrap()
}

fn key() -> SoftwareKey {
    SoftwareKey::from_secret(&[1; 32])
}

struct World {
    store: Arc<MemoryStore>,
    kernel: Arc<Kernel>,
    owner: Owner,
    work: IdentityId,
    agent: Agent,
    place: Mount<Place>,
}

async fn open(store: &Arc<MemoryStore>) -> Kernel {
    let clock = ManualClock::at(Timestamp::from_millis(1000));
    let store: Arc<dyn Store> = store.clone();
    let governing = Kernel::governing(key().public_key()).project::<Tally>();
    governing.open_shared(store, clock).await.unwrap()
}

impl World {
    /// An agent that may read /work and ask about /ask.
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let kernel = Arc::new(open(&store).await);
        let owner = kernel.owner(key()).await.unwrap();
        let work = owner.identity("work").await.unwrap();
        let rules = Grant::new()
            .allow(Action::Read, on("/work"))
            .ask(Action::Read, on("/ask"))
            .deny(Action::Read, on("/work/no"));
        owner.grant(work, rules).await.unwrap();
        let agent = owner.bind(work, "a", "here").await.unwrap();
        let place = kernel.mount("place", Place::default());
        Self { store, kernel, owner, work, agent, place }
    }

    async fn open(&self, name: &str, rules: Vec<Grant>) {
        let name = name.to_owned();
        self.kernel.declare::<Tally>(&Told::Errand { name, rules }, None).await.unwrap();
    }

    fn over(&self, name: &str) -> Before {
        let (kernel, name) = (self.kernel.clone(), name.to_owned());
        Box::new(move || assert!(kernel.declare_buffered::<Tally>(&Told::Over { name }).is_ok()))
    }

    async fn submit(&self, agent: &Agent, at: &str) -> Result<(), Refusal> {
        agent.submit(&self.place, &read(at)).await
    }

    async fn code(&self, agent: &Agent, at: &str) -> DenyCode {
        match self.submit(agent, at).await {
            Err(Refusal::Denied(denial)) => denial.code,
            other => panic!("{other:?}"),
        }
    }

    /// How many intents there are.
    async fn intents(&self) -> usize {
        let records = self.owner.records(1, usize::MAX).await.unwrap();
        records.iter().filter(|record| matches!(record.event, Event::Intent(_))).count()
    }

    async fn ticket(&self, agent: &Agent, at: &str) -> crate::approval::Ticket {
        match self.submit(agent, at).await {
            Err(Refusal::Escalated(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }
}

fn all() -> Grant {
    ["/work", "/ask", "/x"].iter().fold(Grant::new(), |all, at| all.allow(Action::Read, on(at)))
}

#[test]
fn a_cause_limits_an_agent_besides_its_scope() {
    block_on(async {
        let world = World::new().await;
        let narrow = Grant::new().allow(Action::Read, on("/work/q3")).allow(Action::Read, on("/x"));
        world.open("trip", vec![all(), narrow]).await;
        let agent = world.agent.because(errand("trip", 3)).unwrap();
        assert_eq!(agent.caller().cause(), Some(&errand("trip", 3)));
        world.submit(&agent, "/work/q3/a").await.unwrap();
        world.submit(&world.agent, "/work/q4").await.unwrap();
        let Err(Refusal::Denied(denial)) = world.submit(&agent, "/work/q4").await else { panic!() };
        assert_eq!((denial.code, denial.rule, denial.near_miss), (DenyCode::NoGrant, None, None));
        assert_eq!(denial.reason.as_deref(), Some("confined by record 5"));
        assert_eq!(world.code(&agent, "/x").await, DenyCode::NoGrant);
        assert_eq!(agent.judge(&read("/work/q4")).verdict, Verdict::Deny);
        assert_eq!(agent.judge(&read("/work/q3")).verdict, Verdict::Allow);
        assert_eq!(*world.place.endpoint().seen.lock().unwrap(), ["no", "no", "before", "after"]);
        let causes = world.place.endpoint().causes.lock().unwrap().clone();
        assert_eq!(causes, [Some(errand("trip", 3)), None]);
    });
}

#[test]
fn without_what_permits_it_a_cause_permits_nothing() {
    block_on(async {
        let world = World::new().await;
        let code = |made: Result<Agent, Denial>| made.unwrap_err().code;
        assert_eq!(code(world.agent.because(errand("trip", 1))), DenyCode::CauseOver);
        let foreign = "net:trip#1".parse().unwrap();
        assert_eq!(code(world.agent.because(foreign)), DenyCode::CauseOver);
        world.open("none", Vec::new()).await;
        let none = world.agent.because(errand("none", 1)).unwrap();
        assert_eq!(world.code(&none, "/work").await, DenyCode::CauseOver);
        let rule = crate::rule::Rule::new(Verdict::Allow, [Action::Read], on("/work"));
        let counted = Grant::new().rule(rule.at_most(Budget::uses(9)));
        world.open("counted", vec![all(), counted]).await;
        let counted = world.agent.because(errand("counted", 1)).unwrap();
        assert_eq!(world.code(&counted, "/work").await, DenyCode::CauseMetered);
        assert_eq!(counted.judge(&read("/work")).code, Some(DenyCode::CauseMetered));
        assert_eq!(world.intents().await, 0);
    });
}

#[test]
fn nobody_gets_out_of_a_confinement() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        world.open("other", vec![all()]).await;
        let own = Region::exact(&format!("identity:{}", world.work)).unwrap();
        let right = Grant::new().allow(Action::Delegate, own.clone());
        world.owner.grant(world.work, right.clone()).await.unwrap();
        world.open("handing", vec![all(), right]).await;
        let agent = world.agent.because(errand("trip", 1)).unwrap();
        let again = agent.because(errand("other", 1)).unwrap_err();
        assert_eq!(again.code, DenyCode::CauseHeld);
        let agent = world.agent.because(errand("handing", 1)).unwrap();
        let handed = agent.delegate("intern", all()).await;
        let Err(Refusal::Denied(denial)) = handed else { panic!("{handed:?}") };
        assert_eq!(denial.code.to_string(), "no grant covers it");
        let both = Grant::new().allow(Action::Read, on("/work")).allow(Action::Delegate, own);
        world.open("both", vec![both]).await;
        let agent = world.agent.because(errand("both", 1)).unwrap();
        let handed = agent.delegate("intern", all()).await;
        let Err(Refusal::Denied(denial)) = handed else { panic!("{handed:?}") };
        assert_eq!(denial.code.to_string(), "cause_held");
        world.agent.delegate("intern", all()).await.unwrap();
    });
}

#[test]
fn nothing_follows_the_end_of_a_cause() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        let agent = world.agent.because(errand("trip", 1)).unwrap();
        let place = world.place.endpoint();
        world.submit(&agent, "/work/a").await.unwrap();
        // Over after it was judged, and before the intent.
        *place.admitting.lock().unwrap() = Some(world.over("trip"));
        assert_eq!(world.code(&agent, "/work/a").await, DenyCode::CauseOver);
        assert_eq!(world.intents().await, 1);
        assert_eq!(agent.judge(&read("/work/a")).code, Some(DenyCode::CauseOver));

        // Open again in another epoch: judged afresh. Over after the intent: no effect.
        world.open("trip", vec![all()]).await;
        *place.beginning.lock().unwrap() = Some(world.over("trip"));
        place.seen.lock().unwrap().clear();
        let stopped = world.submit(&agent, "/work/a").await;
        let Err(Refusal::Failed(fault)) = stopped else { panic!("{stopped:?}") };
        assert_eq!(fault.code(), "revoked");
        assert_eq!(*place.seen.lock().unwrap(), ["before", "no"]);
        // Whoever acts of the owner's own accord goes on.
        world.submit(&world.agent, "/work/a").await.unwrap();
        assert_eq!(world.code(&agent, "/work/a").await, DenyCode::CauseOver);
    });
}

#[test]
fn a_confinement_that_changes_is_judged_afresh() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        let agent = world.agent.because(errand("trip", 1)).unwrap();
        world.submit(&agent, "/work/a").await.unwrap();
        let kernel = world.kernel.clone();
        let rules = vec![Grant::new().deny(Action::Read, on("/work"))];
        let narrower = Told::Errand { name: "trip".into(), rules };
        let before: Before =
            Box::new(move || assert!(kernel.declare_buffered::<Tally>(&narrower).is_ok()));
        *world.place.endpoint().admitting.lock().unwrap() = Some(before);
        assert_eq!(world.code(&agent, "/work/a").await, DenyCode::ExplicitDeny);
        assert_eq!(world.intents().await, 1);
    });
}

#[test]
fn a_yes_is_for_what_it_was_asked_because_of() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        world.open("other", vec![all()]).await;
        let because = |name, nth| world.agent.because(errand(name, nth)).unwrap();
        let (trip, next, other) = (because("trip", 1), because("trip", 2), because("other", 1));
        let plain = world.ticket(&world.agent, "/ask/a").await;
        let ticket = world.ticket(&trip, "/ask/a").await;
        assert_eq!(world.ticket(&next, "/ask/a").await, ticket);
        let another = world.ticket(&other, "/ask/a").await;
        assert!(plain.id != ticket.id && another.id != ticket.id && plain.id != another.id);
        let question = world.owner.inbox().into_iter().find(|q| q.ticket == ticket.id).unwrap();
        assert_eq!(question.cause, Some(errand("trip", 1)));
        assert!(question.render().contains("\n  (because of tally:trip#1, "), "{question:?}");
        assert!(question.is_what_it_says(world.owner.id(), 8), "{question:?}");

        world.owner.approve(plain.id).await.unwrap();
        assert_eq!(world.ticket(&trip, "/ask/a").await, ticket);
        world.submit(&world.agent, "/ask/a").await.unwrap();
        world.owner.approve(ticket.id).await.unwrap();
        assert_eq!(world.ticket(&other, "/ask/a").await, another);
        let asked_again = world.ticket(&world.agent, "/ask/a").await;
        assert_ne!(asked_again.id, ticket.id);
        // Another turn of the same errand spends it, once.
        world.submit(&next, "/ask/a").await.unwrap();
        assert_ne!(world.ticket(&trip, "/ask/a").await.id, ticket.id);

        // What was asked before the errand changed is void, and not shown any more.
        let old = world.ticket(&trip, "/ask/a").await;
        world.open("trip", vec![all()]).await;
        assert!(world.owner.inbox().iter().all(|question| question.ticket != old.id));
        world.owner.approve(old.id).await.unwrap();
        assert_ne!(world.ticket(&trip, "/ask/a").await.id, old.id);
    });
}

#[test]
fn what_an_errand_asks_is_asked() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![Grant::new().ask(Action::Read, on("/work"))]).await;
        let agent = world.agent.because(errand("trip", 1)).unwrap();
        let ticket = world.ticket(&agent, "/work/a").await;
        world.owner.approve(ticket.id).await.unwrap();
        world.submit(&agent, "/work/a").await.unwrap();
        assert_eq!(world.code(&agent, "/work/no/a").await, DenyCode::ExplicitDeny);
    });
}

#[test]
fn questions_of_what_is_over_do_not_fill_the_desk() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        let agent = world.agent.because(errand("trip", 1)).unwrap();
        for nth in 0..16 {
            world.ticket(&agent, &format!("/ask/{nth}")).await;
        }
        assert_eq!(world.code(&agent, "/ask/x").await, DenyCode::QuestionLimit);
        world.over("trip")();
        world.ticket(&world.agent, "/ask/x").await;
        assert_eq!(world.owner.inbox().len(), 1);
    });
}

#[test]
fn every_record_of_it_names_the_cause_and_is_found_by_it() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![all()]).await;
        world.open("trips", vec![all()]).await;
        let because = |name, nth| world.agent.because(errand(name, nth)).unwrap();
        let (one, two, other) = (because("trip", 1), because("trip", 2), because("trips", 1));
        world.submit(&one, "/work/a").await.unwrap();
        world.submit(&world.agent, "/work/a").await.unwrap();
        world.submit(&other, "/work/a").await.unwrap();
        world.ticket(&two, "/ask/a").await;
        world.code(&two, "/elsewhere").await;
        let found = async |cause: &str| {
            world.owner.query(&Query::new().cause(cause), 50).await.unwrap().deeds
        };
        let deeds = found("tally:trip").await;
        let told: Vec<_> = deeds.iter().map(|d| (d.verdict, d.cause.clone().unwrap())).collect();
        let (one, two) = (errand("trip", 1), errand("trip", 2));
        let expect = [(Verdict::Deny, two.clone()), (Verdict::Ask, two), (Verdict::Allow, one)];
        assert_eq!(told, expect);
        assert!(deeds[2].to_string().contains("because of tally:trip#1"), "{}", deeds[2]);

        // What follows a dot is a part of it.
        world.open("trip.way", vec![all()]).await;
        let part = world.agent.because(errand("trip.way", 3)).unwrap();
        world.submit(&part, "/work/a").await.unwrap();
        for (cause, count) in
            [("tally:trip", 4), ("tally:trip.way", 1), ("tally:trips", 1), ("tally:tri", 0)]
        {
            assert_eq!(found(cause).await.len(), count, "{cause}");
        }
    });
}

/// Never done with anything.
struct Never;

impl Endpoint<Read> for Never {
    fn admit(&self, _: &Read, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, _: Authorized<'_, Read>) -> Result<(), Fault> {
        std::future::pending().await
    }
}

#[test]
fn a_projection_is_told_how_an_abandoned_intent_ended_before_the_next_fact() {
    block_on(async {
        let world = World::new().await;
        let never = world.kernel.mount("never", Never);
        let operation = read("/work/a");
        let mut submitted = Box::pin(world.agent.submit(&never, &operation));
        assert!((&mut submitted).now_or_never().is_none());
        let declare = || world.kernel.declare::<Tally>(&Told::Idle, None);
        assert!(declare().await.is_err());
        drop(submitted);
        declare().await.unwrap();
        let again = open(&world.store).await;
        assert_eq!(again.damage(), None);
    });
}

#[test]
fn a_fact_has_nobody_look_a_scope_up_again() {
    block_on(async {
        let world = World::new().await;
        let version = || world.agent.seat.ledger.version();
        let before = version();
        world.open("trip", vec![all()]).await;
        world.owner.declare::<Tally>(Told::Ours).await.unwrap();
        assert_eq!(version(), before);
        world.owner.freeze_all().await.unwrap();
        assert!(version() > before);
    });
}

#[test]
fn a_restart_keeps_what_a_cause_permits() {
    block_on(async {
        let world = World::new().await;
        world.open("trip", vec![Grant::new().allow(Action::Read, on("/work/q3"))]).await;
        let again = open(&world.store).await;
        let owner = again.owner(key()).await.unwrap();
        let agent = owner.agent(world.agent.caller().agent()).unwrap();
        let agent = agent.because(errand("trip", 9)).unwrap();
        let place = again.mount("place", Place::default());
        agent.submit(&place, &read("/work/q3")).await.unwrap();
        assert!(agent.submit(&place, &read("/work/q4")).await.is_err());
    });
}
