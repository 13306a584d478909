//! A disk in memory that keeps what it promised, and of everything else what a power cut leaves.
//!
//! Every change, and whatever the test notes between them, is on one [`Tape`]. So a run is made
//! once, and the power is cut afterwards: before, in and after each call of that very run, in the
//! order it happened to have. [`Driver`] takes the luck out of the order as well.
//!
//! It is honest: what was flushed is never harmed, a name that [`Disk::create`] returned for stays,
//! and what [`Disk::keep`] puts in place is the old or the new file, whole. What was appended and
//! not flushed is lost, zero, torn or out of order in pieces of 512 bytes, as a [`Fate`] says. A
//! flush that fails drops what it should have written, and the cache still shows it.
use std::{
    future::Future,
    io::{self, ErrorKind},
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use clawnet_core::Disk;

mod fate;
mod platter;
mod tape;

use self::{
    fate::Dice,
    platter::{Change, End},
    tape::Moment,
};
pub use self::{
    fate::Fate,
    platter::Platter,
    tape::{Cut, Stage, Tape},
};

/// A disk in memory. Its clones are handles to it.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<(Mutex<Sim>, Condvar)>);

#[derive(Debug, Default)]
struct Sim {
    platter: Platter,
    start: Platter,
    moments: Vec<Moment>,
    calls: u64,
    fault: Option<Fault>,
    /// Who runs the test, and whether it waits for the disk.
    driver: Option<ThreadId>,
    parked: bool,
    rung: bool,
}

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which of the calls that change something, counted from 1.
    pub call: u64,
    /// What it answers.
    pub kind: ErrorKind,
    /// What becomes of every later call.
    pub then: Then,
    /// How much of the call is done all the same, and with it what a cut may leave.
    pub seed: u64,
}

/// What becomes of the calls after one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a disk works or fails")]
pub enum Then {
    /// They work.
    Works,
    /// They fail until another process has the disk. Cutting a file is seen in the cache all the
    /// same: that fails when it is to be made durable.
    Fails,
    /// They fail and do nothing at all.
    Nothing,
}

impl SimDisk {
    /// A disk with these files, all of them certain.
    #[must_use]
    pub fn holding(platter: Platter) -> Self {
        let sim = Sim { start: platter.clone(), platter, ..Sim::default() };
        Self(Arc::new((Mutex::new(sim), Condvar::new())))
    }

    /// Lets a call fail.
    pub fn fails(&self, fault: Fault) {
        self.sim().fault = Some(fault);
    }

    /// How many calls changed something, or tried to.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.sim().calls
    }

    /// Puts a note on the tape, and tells where it stands.
    #[must_use]
    pub fn note(&self) -> usize {
        let mut sim = self.sim();
        sim.moments.push(Moment::Noted);
        sim.moments.len()
    }

    /// Everything that happened since the disk was made.
    #[must_use]
    pub fn tape(&self) -> Tape {
        let sim = self.sim();
        Tape { start: sim.start.clone(), moments: sim.moments.clone() }
    }

    /// The files, and what of them is certain: what the next process finds while the power stays
    /// on, if a disk is made of it.
    #[must_use]
    pub fn platter(&self) -> Platter {
        self.sim().platter.clone()
    }

    /// Makes this thread the one that calls of others wait for: see [`Driver`].
    #[must_use]
    pub fn driver(&self) -> Driver {
        let mut sim = self.sim();
        (sim.driver, sim.parked) = (Some(thread::current().id()), false);
        Driver(self.clone())
    }

    /// No panic leaves it half changed: a call is one change under the lock.
    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, name: &str, change: Change) -> io::Result<()> {
        let (sim, turn) = &*self.0;
        let sim = sim.lock().unwrap_or_else(PoisonError::into_inner);
        let here = thread::current().id();
        let not_yet = |sim: &mut Sim| sim.driver.is_some_and(|it| it != here) && !sim.parked;
        let waited = turn.wait_timeout_while(sim, PATIENCE, not_yet);
        let mut sim = waited.unwrap_or_else(PoisonError::into_inner).0;
        let needs = !matches!(change, Change::Create | Change::Keep(_) | Change::Remove);
        if needs && sim.platter.bytes(name).is_none() {
            return Err(ErrorKind::NotFound.into());
        }
        sim.calls += 1;
        let name: Arc<str> = name.into();
        sim.platter.begin(&name, &change);
        sim.moments.push(Moment::Begins(name.clone(), change.clone()));
        let calls = sim.calls;
        let fault = sim
            .fault
            .filter(|fault| fault.call == calls || fault.call < calls && fault.then != Then::Works);
        let end = fault.map_or(End::Done, |fault| End::Failed { done: fault.done(calls, &change) });
        sim.platter.end(&name, &change, end);
        sim.moments.push(Moment::Ends(name, change, end));
        fault.map_or(Ok(()), |fault| Err(io::Error::new(fault.kind, "simulated")))
    }
}

impl Fault {
    /// How many 256ths of a call are done that fails by it.
    fn done(&self, call: u64, change: &Change) -> usize {
        match (self.then, change) {
            _ if call == self.call => Dice::of(&[self.seed, call], "").fraction(),
            (Then::Fails, Change::Truncate(_)) => 256,
            _ => 0,
        }
    }
}

/// How long a call waits for the driver, which then is stuck in something else.
const PATIENCE: Duration = Duration::from_secs(10);

impl Disk for SimDisk {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        Ok(self.sim().platter.list(folder))
    }

    fn size_bytes(&self, name: &str) -> io::Result<Option<u64>> {
        Ok(self.sim().platter.bytes(name).map(|bytes| bytes.len() as u64))
    }

    fn read_at(&self, name: &str, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.sim().platter.bytes(name).ok_or(ErrorKind::NotFound)?;
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(from..).unwrap_or_default();
        let size_bytes = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..size_bytes), rest.get(..size_bytes)) {
            into.copy_from_slice(rest);
        }
        Ok(size_bytes)
    }

    fn create(&self, name: &str) -> io::Result<()> {
        self.change(name, Change::Create)
    }

    fn append(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(name, Change::Append(bytes.into()))
    }

    fn rewrite(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        self.change(name, Change::Rewrite(start..start.saturating_add(bytes.len())))
    }

    fn sync(&self, name: &str) -> io::Result<()> {
        self.change(name, Change::Sync)
    }

    fn truncate(&self, name: &str, size_bytes: u64) -> io::Result<()> {
        self.change(name, Change::Truncate(usize::try_from(size_bytes).unwrap_or(usize::MAX)))
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(name, Change::Keep(bytes.into()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change(name, Change::Remove)
    }
}

/// Runs futures so that nothing happens at once: as long as the driver has anything to do, whoever
/// else calls the disk waits. What was acknowledged too early is therefore acted on, and on the
/// tape, before the call that would have made it true.
#[derive(Debug)]
pub struct Driver(SimDisk);

impl Driver {
    /// Waits for `future`, and lets others to the disk only while there is nothing but to wait.
    pub fn drive<F: Future>(&self, future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Bell(self.0.clone())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let (sim, turn) = &*self.0.0;
            let mut sim = sim.lock().unwrap_or_else(PoisonError::into_inner);
            sim.parked = !sim.rung;
            turn.notify_all();
            let rung = turn.wait_while(sim, |sim| !sim.rung);
            let mut sim = rung.unwrap_or_else(PoisonError::into_inner);
            (sim.parked, sim.rung) = (false, false);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.sim().driver = None;
        self.0.0.1.notify_all();
    }
}

/// Wakes the driver, and counts it as busy from that very moment.
struct Bell(SimDisk);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut sim = self.0.sim();
        (sim.parked, sim.rung) = (false, true);
        drop(sim);
        self.0.0.1.notify_all();
    }
}
