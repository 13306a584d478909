//! The work: five hundred operations in chapters, each of which is one life of the process.
use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
};

use clawnet_core::*;
use clawnet_tests::{
    disk::{Driver, SimDisk},
    keeping::kernel_key,
};
use futures::future::join_all;

use super::{
    deed::{ACTIONS, BROKEN, CHANGE, Done, HALF, OBSERVE, Plan, RELEASE, World, body},
    house::{House, Kept, Staff, in_store, owner_id},
};

/// One thing the application does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Submit(Plan),
    /// Asks, answers, and submits again.
    Ask(Plan, Answer),
    /// Several at once, of both owners.
    Together(Vec<Plan>),
    /// Begins and gives up.
    Abandon(Plan),
    /// Takes a grant back and issues it again.
    Lend(usize),
    /// Stops an identity and lets it go on.
    Freeze(usize),
    /// Keeps the state.
    Checkpoint(usize),
    /// Keeps a body, or erases it.
    Body {
        owner: usize,
        id: u64,
        erase: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Yes,
    No,
    Silence,
}

/// What was said to the application, and what has to be in the ledger for that.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Where on the tape the call was made, and where it returned.
    pub(super) from: usize,
    pub(super) at: usize,
    pub(super) owner: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Done(Plan),
    Failed(Plan),
    Denied(Plan),
    Asked(Plan),
    /// The record at this place: an act, or a checkpoint.
    Record(Head),
    Kept(u64),
    Erased(u64),
}

impl Journal {
    /// The bodies that are there, and those that are gone, by what was said until then.
    pub(super) fn bodies(&self, before: &Bodies, at: usize) -> Bodies {
        let mut bodies = before.clone();
        for said in self.said.iter().filter(|said| said.from <= at) {
            let (id, there) = match &said.what {
                What::Kept(id) => (*id, true),
                What::Erased(id) => (*id, false),
                What::Asked(plan) if plan.content => (plan.id, true),
                _ => continue,
            };
            if said.at <= at {
                bodies.insert((said.owner, id), there);
            } else {
                bodies.remove(&(said.owner, id));
            }
        }
        if let Some(unsure) = &self.unsure {
            bodies.remove(unsure);
        }
        bodies
    }
}

/// By owner and number: whether a body is there.
pub(super) type Bodies = BTreeMap<(usize, u64), bool>;

impl What {
    /// Whether it may be lost by the word of the documentation.
    pub(super) fn is_buffered(&self) -> bool {
        match self {
            Self::Denied(_) => true,
            Self::Done(plan) | Self::Failed(plan) => plan.effect == OBSERVE,
            Self::Asked(_) | Self::Record(_) | Self::Kept(_) | Self::Erased(_) => false,
        }
    }
}

/// One life of the process, from what it found to what it did.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    pub(super) said: Vec<Said>,
    /// What was submitted: from where on the tape, and until where.
    pub(super) tried: Vec<(usize, Option<usize>, Plan)>,
    pub(super) done: Vec<Done>,
    pub(super) kept: Vec<Kept>,
    /// Whether the store said that it failed.
    pub(super) refused: bool,
    /// The body that was being kept or erased then.
    pub(super) unsure: Option<(usize, u64)>,
}

/// A life being lived.
pub(super) struct Life<'a> {
    pub(super) disk: &'a SimDisk,
    driver: Driver,
    world: World,
    kept: Arc<Mutex<Vec<Kept>>>,
    house: House,
    pub(super) staff: [Staff; 2],
    journal: Journal,
}

/// The store failed, and the application stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped;

type Flow<T = ()> = Result<T, Stopped>;

impl<'a> Life<'a> {
    /// Starts the process. None if the store does not open.
    pub(super) fn start(disk: &'a SimDisk, staff: [Staff; 2], kept: &[Kept]) -> Option<Self> {
        let (driver, world) = (disk.driver(), World::beside(disk));
        let before = kept.iter().map(|(_, owner, kept)| (0, *owner, kept.clone())).collect();
        let kept = Arc::new(Mutex::new(before));
        let mut house = driver.drive(House::open(&world, disk, &kept)).ok()?;
        driver.drive(house.seat()).ok()?;
        let journal = Journal::default();
        Some(Self { disk, driver, world, kept, house, staff, journal })
    }

    /// Engages everybody, at the very beginning.
    pub(super) fn engage(&mut self) -> Flow {
        for owner in 0..2 {
            self.act(owner, async |it| it.certify(kernel_key().public_key()).await)?;
            for name in ["work", "home"] {
                let identity = self.act(owner, async |it| it.identity(name).await)?;
                let region = |text| Region::subtree(text).unwrap();
                let rules = Grant::new().allow(ACTIONS, region("fs:/work"));
                let rules = rules.ask(ACTIONS, region("fs:/asked"));
                let rules = rules.deny(ACTIONS, region("fs:/secret"));
                self.act(owner, async |it| it.grant(identity, rules).await)?;
                let agent = self.act(owner, async |it| it.bind(identity, name, "tests").await)?;
                self.staff[owner].identities.push(identity);
                self.staff[owner].agents.push(agent.caller().agent());
            }
            self.lend(owner)?;
        }
        Ok(())
    }

    /// Does the steps, until the store fails.
    pub(super) fn work(&mut self, steps: &[Step], first: usize) -> Flow {
        for (nth, step) in steps.iter().enumerate() {
            let now = (first + nth) as u64;
            self.house.clock.set(Timestamp::from_millis(1000 + now));
            self.step(step)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Flow {
        match step {
            Step::Submit(plan) => self.submit(plan).map(drop),
            Step::Ask(plan, answer) => self.ask(plan, *answer),
            Step::Together(plans) => self.together(plans),
            Step::Abandon(plan) => {
                self.abandon(plan);
                Ok(())
            }
            Step::Lend(owner) => self.lend(*owner),
            Step::Freeze(owner) => {
                let identity = self.staff[*owner].identities[1];
                self.act(*owner, async |it| it.freeze(identity).await)?;
                self.act(*owner, async |it| it.unfreeze(identity).await)
            }
            Step::Checkpoint(owner) => {
                let from = self.disk.note();
                let made = self.driver.drive(self.house.desks[*owner].kernel.snapshot());
                let made = made.map_err(|error| match error {
                    CheckpointError::Store(error) => error,
                    other => panic!("{other}"),
                });
                self.concluded((from, *owner), made).map(drop)
            }
            Step::Body { owner, id, erase } => self.keep(*owner, *id, *erase),
        }
    }

    fn submit(&mut self, plan: &Plan) -> Flow<Option<TicketId>> {
        let from = self.tries(plan);
        let said = self.driver.drive(self.house.submit(&self.staff[plan.owner], plan));
        self.hears(from, plan, &said.expect("agents are bound"))
    }

    fn ask(&mut self, plan: &Plan, answer: Answer) -> Flow {
        let Some(ticket) = self.submit(plan)? else { panic!("{plan:?} is not asked about") };
        match answer {
            Answer::Yes => self.act(plan.owner, async |it| it.approve(ticket).await)?,
            Answer::No => self.act(plan.owner, async |it| it.reject(ticket).await)?,
            Answer::Silence => return Ok(()),
        }
        self.submit(plan).map(drop)
    }

    fn together(&mut self, plans: &[Plan]) -> Flow {
        let from: Vec<usize> = plans.iter().map(|plan| self.tries(plan)).collect();
        let all = plans.iter().map(|plan| self.house.submit(&self.staff[plan.owner], plan));
        let said = self.driver.drive(join_all(all));
        for ((plan, from), said) in plans.iter().zip(from).zip(said) {
            self.hears(from, plan, &said.expect("agents are bound"))?;
        }
        Ok(())
    }

    /// Asks once and goes away: the intent is in the queue, and nobody waits for it.
    fn abandon(&mut self, plan: &Plan) {
        let from = self.tries(plan);
        let said = {
            let submitted = pin!(self.house.submit(&self.staff[plan.owner], plan));
            submitted.poll(&mut Context::from_waker(Waker::noop()))
        };
        assert!(
            !matches!(said, std::task::Poll::Ready(Some(Ok(_)))),
            "{from}: it waits for a disk"
        );
        self.journal.tried.last_mut().expect("tried just now").1 = Some(self.disk.note());
    }

    fn lend(&mut self, owner: usize) -> Flow {
        if let Some(lent) = self.staff[owner].lent.take() {
            self.act(owner, async |it| it.revoke(lent).await)?;
        }
        let rules = Grant::new().allow(ACTIONS, Region::subtree("fs:/lent").unwrap());
        let first = self.staff[owner].identities[0];
        let lent = self.act(owner, async |it| it.grant(first, rules).await)?;
        self.staff[owner].lent = Some(lent);
        Ok(())
    }

    fn keep(&mut self, owner: usize, id: u64, erase: bool) -> Flow {
        let (from, store, log) = (self.disk.note(), &self.house.store, owner_id(owner));
        let (what, said) = if erase {
            let erased = store.erase_body(log, Digest::of_content(&body(id)));
            (What::Erased(id), self.driver.drive(erased))
        } else {
            let kept = self.driver.drive(store.keep_body(log, &body(id)));
            (What::Kept(id), kept.map(drop))
        };
        let at = self.disk.note();
        if said.is_err() {
            self.journal.unsure = Some((owner, id));
            return self.refused();
        }
        self.journal.said.push(Said { from, at, owner, what });
        Ok(())
    }

    /// An act of the owner. When it returned it is the last record.
    fn act<T>(
        &mut self,
        owner: usize,
        act: impl AsyncFnOnce(&Owner) -> Result<T, OwnerError>,
    ) -> Flow<T> {
        let from = self.disk.note();
        let made = self.driver.drive(act(self.house.desks[owner].owner()));
        self.concluded((from, owner), made.map_err(in_store))
    }

    fn concluded<T>(
        &mut self,
        (from, owner): (usize, usize),
        made: Result<T, StoreError>,
    ) -> Flow<T> {
        let at = self.disk.note();
        let Ok(made) = made else { return self.refused() };
        let what = What::Record(self.house.desks[owner].kernel.head());
        self.journal.said.push(Said { from, at, owner, what });
        Ok(made)
    }

    fn tries(&mut self, plan: &Plan) -> usize {
        let from = self.disk.note();
        self.journal.tried.push((from, None, *plan));
        from
    }

    /// Writes down what a submission came to. The answer is the question that was asked, if any.
    fn hears(
        &mut self,
        from: usize,
        plan: &Plan,
        said: &Result<u64, Refusal>,
    ) -> Flow<Option<TicketId>> {
        let at = self.disk.note();
        let (what, ticket) = match said {
            Ok(_) => (What::Done(*plan), None),
            Err(Refusal::Failed(_)) => (What::Failed(*plan), None),
            Err(Refusal::Denied(_)) => (What::Denied(*plan), None),
            Err(Refusal::Escalated(ticket)) => (What::Asked(*plan), Some(ticket.id)),
            Err(Refusal::Ledger(_)) => return self.refused(),
        };
        for tried in self.journal.tried.iter_mut().filter(|tried| tried.0 == from) {
            tried.1 = Some(at);
        }
        self.journal.said.push(Said { from, at, owner: plan.owner, what });
        Ok(ticket)
    }

    fn refused<T>(&mut self) -> Flow<T> {
        self.journal.refused = true;
        Err(Stopped)
    }

    /// Once the disk failed nothing is promised any more: whatever is asked, the answer is no.
    pub(super) fn is_refused_everything(&self) {
        let before = self.world.done();
        for (owner, desk) in self.house.desks.iter().enumerate() {
            for (effect, on) in [
                (OBSERVE, "fs:/work/a"),
                (CHANGE, "fs:/work/a"),
                (RELEASE, "fs:/work/a"),
                (CHANGE, "fs:/asked/a"),
                (CHANGE, "fs:/secret/a"),
            ] {
                let plan = Plan { owner, agent: 0, id: LATE, effect, on, content: false };
                let said = self.driver.drive(self.house.submit(&self.staff[owner], &plan));
                assert!(matches!(said, None | Some(Err(Refusal::Ledger(_)))), "{plan:?}: {said:?}");
            }
            let said = self.driver.drive(desk.owner().identity("late"));
            assert!(matches!(said, Err(OwnerError::Store(_))), "{said:?}");
            let said = self.driver.drive(desk.kernel.snapshot());
            assert!(said.is_err(), "{said:?}");
            let store = &self.house.store;
            let said = self.driver.drive(store.keep_body(owner_id(owner), b"late"));
            assert!(said.is_err(), "{said:?}");
            let said = self.driver.drive(store.head(owner_id(owner)));
            assert!(said.is_err(), "{said:?}");
            assert!(desk.kernel.failure().is_some());
        }
        assert_eq!(self.world.done(), before, "an effect after the disk failed");
    }

    /// How long the ledgers are.
    pub(super) fn lengths(&self) -> [u64; 2] {
        self.house.heads().map(|head| head.sequence)
    }

    /// Ends the process in order.
    pub(super) fn end(self) -> (Journal, [Staff; 2]) {
        let Self { driver, world, kept, house, staff, mut journal, .. } = self;
        drop(driver);
        drop(house);
        journal.done = world.done();
        journal.kept = kept.lock().unwrap().clone();
        (journal, staff)
    }
}

/// How many operations are submitted.
pub(super) const OPERATIONS: u64 = 500;

/// How many of them, about, in one life of the process.
pub(super) const CHAPTER: u64 = 25;

/// The number of an operation that comes too late.
const LATE: u64 = 1 << 41;

/// Numbers of bodies that no operation has.
const BODIES: u64 = 1 << 20;

/// The steps of every chapter.
pub(super) fn script() -> Vec<Vec<Step>> {
    let (mut chapters, mut draft) = (Vec::new(), Draft { dice: 7, id: 0, submitted: 0 });
    while draft.submitted < OPERATIONS {
        let (mut steps, end) = (Vec::new(), OPERATIONS.min(draft.submitted + CHAPTER));
        while draft.submitted < end {
            steps.push(draft.step());
        }
        chapters.push(steps);
    }
    chapters
}

struct Draft {
    dice: u64,
    id: u64,
    submitted: u64,
}

impl Draft {
    fn step(&mut self) -> Step {
        let owner = usize::from(self.below(2) == 0);
        match self.below(100) {
            0..27 => Step::Submit(self.plan(CHANGE, "fs:/work/plan.md")),
            27..37 => Step::Submit(self.plan(RELEASE, "fs:/lent/letter.md")),
            37..55 => Step::Submit(self.plan(OBSERVE, "fs:/work/notes.md")),
            55..62 => Step::Submit(self.plan(CHANGE, "fs:/secret/key")),
            62..66 => Step::Submit(self.plan(CHANGE, BROKEN)),
            66..70 => Step::Submit(self.plan(RELEASE, HALF)),
            70..84 => {
                let answer = match self.below(5) {
                    0 => Answer::No,
                    1 => Answer::Silence,
                    _ => Answer::Yes,
                };
                let effect = [CHANGE, RELEASE, OBSERVE][self.below(3)];
                let plan = self.plan(effect, "fs:/asked/contract.md");
                self.submitted += u64::from(!matches!(answer, Answer::Silence));
                Step::Ask(Plan { content: self.below(2) == 0, ..plan }, answer)
            }
            84..90 => {
                let effects = [CHANGE, OBSERVE, RELEASE, CHANGE];
                Step::Together(effects.map(|effect| self.plan(effect, "fs:/work/many.md")).into())
            }
            90..92 => Step::Abandon(self.plan(CHANGE, "fs:/work/abandoned.md")),
            92..94 => Step::Lend(owner),
            94..96 => Step::Freeze(owner),
            96..98 => Step::Checkpoint(owner),
            _ => Step::Body { owner, id: BODIES + self.id % 4, erase: self.below(2) == 0 },
        }
    }

    fn plan(&mut self, effect: u8, on: &'static str) -> Plan {
        self.id += 1;
        self.submitted += 1;
        // Only the first agent of an owner may use what is lent.
        let agent = if on.starts_with("fs:/lent") { 0 } else { self.below(2) };
        Plan { owner: self.below(2), agent, id: self.id, effect, on, content: false }
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice =
            self.dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from((self.dice >> 33) % end as u64).unwrap()
    }
}
