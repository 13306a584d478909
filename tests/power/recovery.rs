//! What must be so whenever the power is back.
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use clawnet_core::*;
use clawnet_tests::disk::{Fate, Platter, SimDisk};
use futures::executor::block_on;

use super::{
    deed::{CHANGE, Done, OBSERVE, Plan, World, body},
    house::{House, Kept, Staff, owner_id},
    past::Past,
    work::Bodies,
};

/// A disk that somebody opens again, and what is known of what was there.
pub(super) struct Remains<'a> {
    pub(super) what: String,
    pub(super) past: &'a Past,
    pub(super) staff: &'a [Staff; 2],
    pub(super) kept: Vec<Kept>,
    /// What had been submitted and not answered.
    pub(super) flight: Vec<Plan>,
    /// The effects there were.
    pub(super) done: Vec<Done>,
    /// Whether to look at every record, and not only at the last, which names those before it.
    pub(super) thoroughly: bool,
    /// Whether to cut the power once more, when all is done.
    pub(super) once_more: bool,
    /// Whether to cut it at every boundary of the recovery as well.
    pub(super) in_recovery: bool,
    /// How many records of each owner were promised, where the cache may show more than the disk
    /// has. None where all that is found is on it.
    pub(super) shown: Option<[u64; 2]>,
}

/// What opening it found.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// How many records of the past are left in each ledger.
    pub(super) left: [u64; 2],
    pub(super) torn: bool,
    pub(super) interrupted: u64,
    pub(super) from_snapshot: bool,
    /// What came of submitting again: done, asked, refused.
    pub(super) again: [u64; 3],
    pub(super) openings: u64,
    /// How often the power was cut in a recovery.
    pub(super) cut_again: u64,
}

impl Remains<'_> {
    /// Opens, opens again, goes on.
    pub(super) fn examine(&self, platter: &Platter) -> Found {
        let mut found = Found::default();
        let disk = SimDisk::holding(platter.clone());
        let kept = Arc::new(Mutex::new(self.kept.clone()));
        let world = World::beside(&disk);
        let heads = self.recover(&self.open((&world, &disk, &kept), &mut found), &mut found);
        if self.in_recovery {
            self.recover_cut(&disk, &mut found);
        }
        let mut house = self.open((&world, &disk, &kept), &mut found);
        block_on(house.seat()).unwrap();
        self.is_the_same(&house, heads);
        self.go_on((&house, &world), &mut found);
        if self.thoroughly {
            self.verify(&house);
        }
        if !self.once_more {
            return found;
        }
        // Once more, now that everything was acknowledged.
        for desk in &house.desks {
            block_on(desk.owner().identity("more")).unwrap();
        }
        let heads = house.heads();
        let last = disk.tape().cuts().last().expect("there is always an end");
        let left = last.disk_after(Fate::NOTHING);
        drop(house);
        let house = self.open((&world, &left, &kept), &mut found);
        for (owner, head) in heads.iter().enumerate() {
            let frames = house.frames(owner, head.sequence);
            assert_eq!(frames.first().map(Head::after), Some(*head), "{}", self.what);
        }
        found
    }

    fn open(
        &self,
        (world, disk, kept): (&World, &SimDisk, &Arc<Mutex<Vec<Kept>>>),
        found: &mut Found,
    ) -> House {
        found.openings += 1;
        let house = block_on(House::open(world, disk, kept));
        let house = house.unwrap_or_else(|error| panic!("{}: {error}", self.what));
        assert!(house.opened.damage.is_none(), "{}: {:?}", self.what, house.opened);
        for desk in &house.desks {
            assert_eq!(desk.kernel.damage(), None, "{}", self.what);
        }
        house
    }

    /// Compares what the first opening found and wrote with what was there. Answers the heads.
    fn recover(&self, house: &House, found: &mut Found) -> [Head; 2] {
        found.torn = house.opened.torn_size_bytes > 0;
        for owner in 0..2 {
            let recovery = house.desks[owner].kernel.recovery();
            let left = recovery.records;
            let open = self.past.open(owner, left);
            assert_eq!(recovery.closed, open.len() as u64, "{}", self.what);
            found.left[owner] = left;
            found.interrupted += recovery.closed;
            found.from_snapshot |= recovery.from_snapshot > 0;
            let from = if self.thoroughly { 1 } else { left.max(1) };
            let frames = house.frames(owner, from);
            let (old, new) = frames.split_at(frames.len().min(index(left + 1 - from)));
            let past = &self.past.frames[owner];
            let same = past.get(index(from - 1)..index(left)).is_some_and(|past| past == old);
            assert!(same, "{}: the ledger of {owner} is not the front of what it was", self.what);
            let closed: BTreeSet<u64> = new.iter().filter_map(closed).collect();
            assert_eq!(closed, open, "{}: what is open is closed as interrupted", self.what);
        }
        house.heads()
    }

    /// Cuts the power at every boundary of a recovery. The next one finds what this one found.
    fn recover_cut(&self, disk: &SimDisk, found: &mut Found) {
        for cut in disk.tape().cuts() {
            for fate in [Fate::NOTHING, Fate::ALL, Fate::partial(cut.call * 13)] {
                let disk = cut.disk_after(fate);
                let kept = Arc::new(Mutex::new(self.kept.clone()));
                let house = self.open((&World::beside(&disk), &disk, &kept), found);
                for (desk, left) in house.desks.iter().zip(self.shown.unwrap_or(found.left)) {
                    let records = desk.kernel.recovery().records;
                    assert!(records >= left, "{}: {records} of {left} after recovery", self.what);
                }
                drop(house);
                let house = self.open((&World::beside(&disk), &disk, &kept), found);
                self.is_the_same(&house, house.heads());
                found.cut_again += 1;
            }
        }
    }

    /// Recovered twice is recovered once. Only the state may be kept meanwhile, which is so noted.
    fn is_the_same(&self, house: &House, heads: [Head; 2]) {
        assert_eq!(house.opened.torn_size_bytes, 0, "{}", self.what);
        for (owner, head) in heads.into_iter().enumerate() {
            assert_eq!(house.desks[owner].kernel.recovery().closed, 0, "{}", self.what);
            let mut frames = house.frames(owner, head.sequence).into_iter();
            assert_eq!(frames.next().as_ref().map(Head::after), Some(head), "{}", self.what);
            for more in frames {
                let event = AuditRecord::from_frame(&more).unwrap().event;
                assert!(matches!(event, Event::Snapshot { .. }), "{}: {event:?}", self.what);
            }
        }
    }

    /// Submits again what was in flight, and something new. No approval is good twice.
    fn go_on(&self, (house, world): (&House, &World), found: &mut Found) {
        let fresh = (0..2).map(|owner| {
            let id = FRESH + owner as u64;
            Plan { owner, agent: 0, id, effect: CHANGE, on: "fs:/work/new.md", content: false }
        });
        let from = [0, 1].map(|owner: usize| house.desks[owner].kernel.head().sequence + 1);
        for plan in self.flight.iter().copied().chain(fresh) {
            let Some(answer) = block_on(house.submit(&self.staff[plan.owner], &plan)) else {
                continue;
            };
            found.again[match answer {
                Ok(_) => 0,
                Err(Refusal::Escalated(_)) => 1,
                Err(Refusal::Denied(_) | Refusal::Failed(_)) => 2,
                Err(Refusal::Ledger(error)) => panic!("{}: {error}", self.what),
            }] += 1;
        }
        for (owner, from) in from.into_iter().enumerate() {
            let mut spent = self.past.spent(owner, found.left[owner]);
            for frame in house.frames(owner, from) {
                let record = AuditRecord::from_frame(&frame).unwrap();
                let Event::Intent(Intent { approval: Some(ticket), .. }) = record.event else {
                    continue;
                };
                assert!(spent.insert(ticket), "{}: {ticket} is spent twice", self.what);
            }
        }
        let both = self.done.iter().copied().chain(world.done());
        let felt = both.filter(|done| done.effect != OBSERVE);
        let mut intents = BTreeSet::new();
        for done in felt {
            let once = intents.insert((done.owner, done.intent));
            assert!(once, "{}: two effects of one intent, {done:?}", self.what);
        }
    }

    fn verify(&self, house: &House) {
        for desk in &house.desks {
            let verified = block_on(desk.kernel.verify()).unwrap();
            assert_eq!(verified.damage, None, "{}", self.what);
            assert_eq!(verified.head, desk.kernel.head().hash, "{}", self.what);
        }
    }

    /// Whether both ledgers reach as far as was promised.
    pub(super) fn nothing_is_lost(&self, found: &Found, floor: [u64; 2]) {
        let (left, what) = (found.left, &self.what);
        let kept = left.iter().zip(floor).all(|(left, floor)| *left >= floor);
        assert!(kept, "{what}: {left:?} records are left of {floor:?} that were promised");
    }

    /// Looks whether a body is there, or not, as it was acknowledged.
    pub(super) fn bodies(&self, platter: &Platter, bodies: &Bodies) {
        for ((owner, id), there) in bodies {
            let name = format!("bodies/{}-{}", owner_id(*owner), Digest::of_content(&body(*id)));
            let found = platter.bytes(&name);
            assert_eq!(found.is_some(), *there, "{}: body {id} of {owner}", self.what);
            assert!(found.is_none_or(|found| *found == body(*id)), "{}: body {id}", self.what);
        }
    }
}

/// Numbers of operations that nobody submitted before.
const FRESH: u64 = 1 << 40;

fn index(place: u64) -> usize {
    usize::try_from(place).unwrap()
}

/// The intent that a record of the recovery closes.
fn closed(frame: &Frame) -> Option<u64> {
    let record = AuditRecord::from_frame(frame).unwrap();
    match record.event {
        Event::Outcome(Outcome { intent, result: OutcomeKind::Interrupted, .. }) => Some(intent),
        Event::Recovered { .. } | Event::Snapshot { .. } | Event::Opened { .. } => None,
        other => panic!("recovery wrote {other:?}"),
    }
}
