//! Power loss and failing disks, at every boundary of a run of five hundred operations.
//!
//! The run is made once, on a simulated disk, by two owners' kernels in one store. It has twenty
//! chapters, each a life of the process. Nothing of the order is left to luck: the disk keeps a tape,
//! and the power is cut in it afterwards, before, in and after every call, with several ways each of
//! losing what was not flushed. `CLAWNET_POWER=full` tries all sixty-four ways at every boundary.
#![cfg(test)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the records it is about")]

mod deed;
mod house;
mod work;
mod past;
mod recovery;

use std::{
    env,
    io::ErrorKind,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clawnet_tests::disk::{Cut, Fate, Fault, Platter, SimDisk, Stage, Tape, Then};
use futures::executor::block_on;

use self::{
    deed::{Plan, World},
    house::{House, Kept, Staff},
    past::Past,
    recovery::{Found, Remains},
    work::{Bodies, Journal, Life, Step, script},
};

/// What a chapter begins with.
#[derive(Default)]
struct Start {
    platter: Platter,
    kept: Vec<Kept>,
    staff: [Staff; 2],
    /// How long the ledgers are.
    lengths: [u64; 2],
    bodies: Bodies,
}

/// A chapter: what it began with, and everything that happened in it.
struct Chapter {
    nth: usize,
    first: usize,
    steps: Vec<Step>,
    start: Start,
    tape: Tape,
    journal: Journal,
}

/// The whole run.
struct Run {
    chapters: Vec<Chapter>,
    past: Past,
    /// Everybody's identifiers, which are the same however much of the first chapter is left.
    staff: [Staff; 2],
}

impl Run {
    fn make() -> Self {
        let (mut chapters, mut first) = (Vec::<Chapter>::new(), 0);
        let mut start = Start::default();
        for (nth, steps) in script().into_iter().enumerate() {
            let disk = SimDisk::holding(start.platter.clone());
            let mut life = Life::start(&disk, start.staff.clone(), &start.kept).unwrap();
            if nth == 0 {
                assert_eq!(life.engage(), Ok(()));
            }
            assert_eq!(life.work(&steps, first), Ok(()));
            let lengths = life.lengths();
            let (journal, staff) = life.end();
            let tape = disk.tape();
            let end = tape.cuts().last().unwrap();
            assert!(end.is_certain(), "what was closed in order is on the disk");
            let next = Start {
                platter: end.after(Fate::NOTHING),
                kept: last(&journal.kept),
                staff,
                lengths,
                bodies: journal.bodies(&start.bodies, usize::MAX),
            };
            let (count, start) = (steps.len(), std::mem::replace(&mut start, next));
            chapters.push(Chapter { nth, first, steps, start, tape, journal });
            first += count;
        }
        let disk = SimDisk::holding(start.platter);
        let kept = Mutex::new(start.kept).into();
        let house = block_on(House::open(&World::beside(&disk), &disk, &kept)).unwrap();
        Self { chapters, past: Past::read(&house), staff: start.staff }
    }
}

/// The last state kept of each owner.
fn last(kept: &[Kept]) -> Vec<Kept> {
    let mut left: Vec<Kept> = Vec::new();
    for (_, owner, snapshot) in kept {
        left.retain(|(_, other, _)| other != owner);
        left.push((0, *owner, snapshot.clone()));
    }
    left
}

/// How much is tried.
fn full() -> bool {
    env::var("CLAWNET_POWER").is_ok_and(|value| value == "full")
}

/// What was reached.
#[derive(Debug, Default)]
struct Mix {
    calls: u64,
    boundaries: u64,
    variants: u64,
    /// How many of the variants left a disk that no other of the same moment had left.
    disks: u64,
    openings: u64,
    torn: u64,
    interrupted: u64,
    shortened: u64,
    from_snapshot: u64,
    cut_again: u64,
    again: [u64; 3],
}

impl Mix {
    fn count(&mut self, found: &Found) {
        self.disks += 1;
        self.openings += found.openings;
        self.torn += u64::from(found.torn);
        self.interrupted += found.interrupted;
        self.from_snapshot += u64::from(found.from_snapshot);
        self.cut_again += found.cut_again;
        for (all, more) in self.again.iter_mut().zip(found.again) {
            *all += more;
        }
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.boundaries += other.boundaries;
        self.variants += other.variants;
        self.disks += other.disks;
        self.openings += other.openings;
        self.torn += other.torn;
        self.interrupted += other.interrupted;
        self.shortened += other.shortened;
        self.from_snapshot += other.from_snapshot;
        self.cut_again += other.cut_again;
        for (all, more) in self.again.iter_mut().zip(other.again) {
            *all += more;
        }
    }
}

/// Does `task` for every number below `count`, on as many threads as there are cores.
fn for_each(count: usize, task: impl Fn(usize) -> Mix + Sync) -> Mix {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Mix::default()));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        let work = || {
            while let Some(nth) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count)
            {
                let mix = task(nth);
                total.lock().unwrap().add(&mix);
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    total.into_inner().unwrap()
}

/// The ways to lose what was not flushed that are tried at a cut.
fn fates(cut: &Cut) -> Vec<Fate> {
    if cut.is_certain() {
        return vec![Fate::ALL];
    }
    if full() {
        return Fate::every().collect();
    }
    let drawn = cut.call * 2 + u64::from(cut.stage == Stage::In);
    vec![Fate::NOTHING, Fate::ALL, Fate::partial(drawn * 7), Fate::partial(drawn * 11 + 3)]
}

#[test]
fn a_power_cut_at_any_boundary_loses_nothing_that_was_said_and_repeats_nothing() {
    let run = Run::make();
    let mix = for_each(run.chapters.len(), |nth| cut_everywhere(&run, &run.chapters[nth]));
    println!("{mix:#?}");
    assert!(mix.calls > 1000 && mix.boundaries == 2 * mix.calls + run.chapters.len() as u64);
    assert!(mix.torn > 100 && mix.interrupted > 100 && mix.shortened > 100, "{mix:?}");
    assert!(mix.from_snapshot > 100 && mix.disks - mix.from_snapshot > 100, "{mix:?}");
    assert!(mix.cut_again > 100 && mix.again.iter().all(|count| *count > 50), "{mix:?}");
}

fn cut_everywhere(run: &Run, chapter: &Chapter) -> Mix {
    let mut mix = Mix::default();
    // What was examined of the present moment: no need to look at the same disk again.
    let mut seen: Vec<(Platter, (Vec<Plan>, usize), Found)> = Vec::new();
    for (nth, cut) in chapter.tape.cuts().enumerate() {
        mix.boundaries += 1;
        mix.calls += u64::from(cut.stage == Stage::In);
        if cut.is_certain() {
            seen.clear();
        }
        let mut remains = remains(run, chapter, (nth, &cut));
        let life = (remains.flight.clone(), remains.done.len());
        let bodies = chapter.journal.bodies(&chapter.start.bodies, cut.at);
        let floor = run.past.floor(&chapter.journal, (cut.at, chapter.start.lengths));
        for fate in fates(&cut) {
            mix.variants += 1;
            let platter = cut.after(fate);
            let place = (chapter.nth, cut.stage, cut.call, fate.number());
            remains.what = format!("(chapter, stage, call, fate) {place:?}");
            let known = seen.iter().find(|(other, of, _)| *of == life && other.is_same(&platter));
            let found = known.map(|(.., found)| found.clone());
            let found = found.unwrap_or_else(|| {
                remains.bodies(&platter, &bodies);
                let found = remains.examine(&platter);
                mix.count(&found);
                seen.push((platter, life.clone(), found.clone()));
                found
            });
            remains.nothing_is_lost(&found, floor);
            let whole = run.past.lengths();
            mix.shortened += u64::from(found.left != whole);
        }
    }
    mix
}

/// What is known at a cut.
fn remains<'a>(run: &'a Run, chapter: &Chapter, (nth, cut): (usize, &Cut)) -> Remains<'a> {
    let journal = &chapter.journal;
    let flies = |from: usize, to: Option<usize>| from <= cut.at && to.is_none_or(|to| to > cut.at);
    let flight = journal.tried.iter().filter(|(from, to, _)| flies(*from, *to));
    let done = journal.done.iter().filter(|done| done.at <= cut.at);
    let mut kept = journal.kept.clone();
    // Now and then nothing was kept to start from.
    kept.retain(|(at, ..)| *at <= cut.at && nth % 8 != 7);
    Remains {
        what: String::new(),
        past: &run.past,
        staff: &run.staff,
        kept,
        flight: flight.map(|(_, _, plan)| *plan).collect(),
        done: done.copied().collect(),
        thoroughly: nth % 8 == 3,
        once_more: nth % 8 == 5,
        in_recovery: nth % 128 == 1 || nth % 128 == 42,
        shown: None,
    }
}

#[test]
fn after_a_call_that_fails_nothing_is_promised_until_it_is_opened_again() {
    let run = Run::make();
    let mix = for_each(run.chapters.len(), |nth| fail_everywhere(&run, &run.chapters[nth], faults));
    println!("{mix:#?}");
    assert!(mix.calls > 1000 && mix.interrupted > 100 && mix.torn > 10, "{mix:?}");
}

/// A disk that fails and then does nothing at all that it is told: the flush fails, and cutting off
/// what it did not write fails too. The cache still shows what the disk has not.
#[test]
fn what_neither_a_flush_nor_a_cut_reached_is_not_believed() {
    let run = Run::make();
    let faults =
        |call| vec![Fault { call, kind: ErrorKind::Other, then: Then::Nothing, seed: call }];
    fail_everywhere(&run, &run.chapters[0], faults);
}

/// The failures tried at a call.
fn faults(call: u64) -> Vec<Fault> {
    let kinds = [ErrorKind::StorageFull, ErrorKind::Other];
    let each = |seed| {
        let both = kinds.into_iter().flat_map(|kind| [(kind, Then::Works), (kind, Then::Fails)]);
        both.map(move |(kind, then)| Fault { call, kind, then, seed })
    };
    let nth = usize::try_from(call % 4).unwrap();
    if full() { (0..8).flat_map(each).collect() } else { each(call).skip(nth).take(1).collect() }
}

fn fail_everywhere(run: &Run, chapter: &Chapter, faults: impl Fn(u64) -> Vec<Fault>) -> Mix {
    let mut mix = Mix::default();
    let calls = chapter.tape.cuts().filter(|cut| cut.stage == Stage::In).count() as u64;
    for fault in (1..=calls).flat_map(faults) {
        let disk = SimDisk::holding(chapter.start.platter.clone());
        disk.fails(fault);
        let journal = live(chapter, &disk);
        if disk.calls() < fault.call {
            // What is buffered may have found more company this time.
            continue;
        }
        mix.calls += 1;
        let flight = journal.tried.iter().filter(|(_, to, _)| to.is_none());
        let floor = run.past.floor(&journal, (usize::MAX, chapter.start.lengths));
        let bodies = journal.bodies(&chapter.start.bodies, usize::MAX);
        let mut remains = Remains {
            what: String::new(),
            past: &run.past,
            staff: &run.staff,
            kept: journal.kept.clone(),
            flight: flight.map(|(_, _, plan)| *plan).collect(),
            done: journal.done.clone(),
            thoroughly: fault.call % 8 == 3,
            once_more: true,
            in_recovery: fault.call % 64 == 1,
            shown: None,
        };
        let cut = disk.tape().cuts().last().unwrap();
        let cut = cut.after(Fate::partial(fault.call * 5 + fault.seed));
        let cut = Some(("the power was cut", cut)).filter(|_| full() || fault.call % 8 < 4);
        for (how, platter) in [("it was restarted", disk.platter())].into_iter().chain(cut) {
            mix.variants += 1;
            remains.what = format!("chapter {}, {fault:?}, {how}", chapter.nth);
            remains.shown = (how == "it was restarted").then_some(floor);
            remains.bodies(&platter, &bodies);
            let found = remains.examine(&platter);
            remains.nothing_is_lost(&found, floor);
            mix.count(&found);
        }
    }
    mix
}

/// One life on a disk that fails. What is asked for afterwards is refused.
fn live(chapter: &Chapter, disk: &SimDisk) -> Journal {
    let Some(mut life) = Life::start(disk, chapter.start.staff.clone(), &chapter.start.kept) else {
        return Journal::default();
    };
    let engaged = if chapter.nth == 0 { life.engage() } else { Ok(()) };
    let worked = engaged.and_then(|()| life.work(&chapter.steps, chapter.first));
    // A call that fails while the process ends is told to nobody.
    if worked.is_err() {
        life.is_refused_everything();
    }
    life.end().0
}
