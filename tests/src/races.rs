//! Schedules that threads of one process may take, on the real kernel: thousands of them, chosen
//! at random by shuttle and said again by their seed.
//!
//! Threads change places where user code runs and where the kernel waits for the disk, never while
//! it holds a lock: in [`Slow`]'s commits, which a thread of its own decides, in the endpoint, and,
//! where parties talk, whenever the clock is asked, which is before every lock.
//! `RACE_SCHEDULES` sets how many schedules each race gets.
use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use clawnet_core::*;
use serde::Serialize;
use shuttle::{Config, Runner, future::block_on, scheduler::RandomScheduler, thread};

use slow::Slow;

mod amending;
mod closing;
mod history;
mod last_turn;
mod receiving;
mod reviewing;
mod sides;
mod slow;

/// Writes somewhere, and does nothing.
#[derive(Debug, Clone, Serialize)]
struct Write {
    #[serde(skip)]
    place: Resource,
    number: u64,
}

impl Operation for Write {
    const KIND: &'static str = "race.write";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.place)
    }
}

/// Lets others go first, in both layers.
#[derive(Debug, Default)]
struct Place {
    performed: AtomicU64,
}

impl Endpoint<Write> for Place {
    fn admit(&self, _: &Write, _: &Caller) -> Result<Admission, Denial> {
        thread::yield_now();
        Ok(Admission::at(Version::of(&[b"1"])))
    }

    async fn perform(&self, task: Authorized<'_, Write>) -> Result<(), Fault> {
        thread::yield_now();
        task.confirm()?;
        self.performed.fetch_add(1, Ordering::SeqCst);
        thread::yield_now();
        Ok(())
    }
}

/// What one thread does.
type Part = Box<dyn FnOnce(&House) + Send>;

/// One owner, one identity, and two agents of it.
struct House {
    store: Arc<Slow>,
    owner: Owner,
    identity: IdentityId,
    agents: [Agent; 2],
    grant: GrantId,
    place: Mount<Place>,
}

impl House {
    fn with(rule: Rule) -> Arc<Self> {
        block_on(async {
            let store = Arc::new(Slow::default());
            let key = || SoftwareKey::from_secret(&[7; 32]);
            let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
            let governing = Kernel::governing(key().public_key());
            let kernel = governing.open_shared(store.clone(), clock).await.unwrap();
            let owner = kernel.owner(key()).await.unwrap();
            let identity = owner.identity("work").await.unwrap();
            let grant = owner.grant(identity, Grant::new().rule(rule)).await.unwrap();
            let one = owner.bind(identity, "one", "tests").await.unwrap();
            let other = owner.bind(identity, "other", "tests").await.unwrap();
            let place = kernel.mount("place", Place::default());
            Arc::new(Self { store, owner, identity, agents: [one, other], grant, place })
        })
    }

    fn write(&self, agent: usize) -> Result<(), Refusal> {
        let operation = Write { place: "fs:/a/b".parse().unwrap(), number: 1 };
        block_on(self.agents[agent].submit(&self.place, &operation))
    }

    /// Runs all at once, with a disk that takes its time, and waits for the last.
    fn at_once(self: &Arc<Self>, each: Vec<Part>) {
        let disk = Slow::run(&self.store);
        let spawn = |part: Part| {
            let house = Arc::clone(self);
            thread::spawn(move || part(&house))
        };
        let parts: Vec<_> = each.into_iter().map(spawn).collect();
        for part in parts {
            part.join().unwrap();
        }
        self.store.stop();
        disk.join().unwrap();
    }

    fn performed(&self) -> u64 {
        self.place.endpoint().performed.load(Ordering::SeqCst)
    }

    /// Intents before the owner's act that `ends` authority, and after it.
    fn intents(&self, ends: impl Fn(&Act) -> bool) -> (usize, usize) {
        let records = block_on(self.owner.records(1, usize::MAX)).unwrap();
        let ended =
            |record: &AuditRecord| matches!(&record.event, Event::Act(signed) if ends(&signed.act));
        let place = records.iter().position(ended).unwrap_or(records.len());
        let count = |part: &[AuditRecord]| {
            part.iter().filter(|record| matches!(record.event, Event::Intent(_))).count()
        };
        (count(&records[..place]), count(&records[place..]))
    }
}

fn rule(effect: Verdict) -> Rule {
    Rule::new(effect, [Action::Write], Region::subtree("fs:/a").unwrap())
}

/// Runs a race under so many schedules, or as many as are asked for.
fn race(schedules: usize, run: impl Fn() + Send + Sync + 'static) -> u64 {
    let asked = env::var("RACE_SCHEDULES").ok().and_then(|count| count.parse().ok());
    let schedules = asked.unwrap_or(schedules);
    let mut config = Config::new();
    // Keys are worked with on these stacks.
    config.stack_size = 1 << 20;
    Runner::new(RandomScheduler::new(schedules), config).run(run);
    schedules as u64
}

/// How often each of two things happened.
#[derive(Debug, Default, Clone)]
struct Mix([Arc<AtomicU64>; 2]);

impl Mix {
    fn count(&self, second: bool) {
        self.0[usize::from(second)].fetch_add(1, Ordering::Relaxed);
    }

    /// Both happened, and not just by chance.
    fn check(&self, what: &str, schedules: u64) {
        let [one, other] = [0, 1].map(|place: usize| self.0[place].load(Ordering::Relaxed));
        println!("{what}: {schedules} schedules, {one} one way and {other} the other");
        assert_eq!(one + other, schedules);
        assert!(one.min(other) > schedules / 100, "{what} hardly ever went both ways");
    }
}

#[test]
fn the_last_of_a_budget_is_spent_once() {
    let mix = Mix::default();
    let seen = mix.clone();
    let schedules = race(10_000, move || {
        let house = House::with(rule(Verdict::Allow).at_most(Budget::uses(1)));
        let ran: Arc<[AtomicU64; 2]> = Arc::default();
        let submit = |agent: usize| -> Part {
            let ran = Arc::clone(&ran);
            Box::new(move |house| match house.write(agent) {
                Ok(()) => _ = ran[agent].fetch_add(1, Ordering::SeqCst),
                Err(Refusal::Denied(denial)) => {
                    assert_eq!(denial.code, DenyCode::BudgetExhausted);
                }
                Err(other) => panic!("{other}"),
            })
        };
        house.at_once(vec![submit(0), submit(1)]);
        let [one, other] = [0, 1].map(|agent: usize| ran[agent].load(Ordering::SeqCst));
        assert_eq!((one + other, house.performed()), (1, 1));
        seen.count(other == 1);
    });
    mix.check("the last of a budget", schedules);
}

#[test]
fn a_yes_and_a_revocation_at_once() {
    let mix = Mix::default();
    let seen = mix.clone();
    let schedules = race(10_000, move || {
        let house = House::with(rule(Verdict::Ask));
        let Err(Refusal::Escalated(ticket)) = house.write(0) else { panic!("not asked") };
        house.at_once(vec![
            Box::new(move |house| {
                if block_on(house.owner.approve(ticket.id)).is_ok() {
                    drop(house.write(0));
                }
            }),
            Box::new(|house| block_on(house.owner.revoke(house.grant)).unwrap()),
        ]);
        let (before, after) = house.intents(|act| matches!(act, Act::Revoke { .. }));
        assert_eq!(after, 0, "an intent after the revocation");
        assert!(house.performed() <= before as u64);
        seen.count(house.performed() == 1);
    });
    mix.check("a yes and a revocation", schedules);
}

#[test]
fn a_yes_is_spent_once() {
    let mix = Mix::default();
    let seen = mix.clone();
    let schedules = race(10_000, move || {
        let house = House::with(rule(Verdict::Ask));
        let Err(Refusal::Escalated(ticket)) = house.write(0) else { panic!("not asked") };
        block_on(house.owner.approve(ticket.id)).unwrap();
        let first = Arc::new(AtomicU64::new(0));
        let submit = |name: u64| -> Part {
            let first = Arc::clone(&first);
            Box::new(move |house| {
                if house.write(0).is_ok() {
                    assert_eq!(first.swap(name, Ordering::SeqCst), 0, "spent twice");
                }
            })
        };
        house.at_once(vec![submit(1), submit(2)]);
        assert_eq!(house.performed(), 1);
        seen.count(first.load(Ordering::SeqCst) == 2);
    });
    mix.check("one yes, two submitters", schedules);
}

#[test]
fn a_freeze_and_a_submission_at_once() {
    let mix = Mix::default();
    let seen = mix.clone();
    let schedules = race(10_000, move || {
        let house = House::with(rule(Verdict::Allow));
        house.at_once(vec![
            Box::new(|house| drop(house.write(0))),
            Box::new(|house| {
                block_on(house.owner.freeze(house.identity)).unwrap();
                let late = house.write(1);
                assert!(late.is_err(), "an effect after the freeze returned");
            }),
        ]);
        let (before, after) = house.intents(|act| matches!(act, Act::Freeze { .. }));
        assert_eq!(after, 0, "an intent after the freeze");
        assert!(house.performed() <= before as u64);
        seen.count(house.performed() == 1);
    });
    mix.check("a freeze and a submission", schedules);
}
