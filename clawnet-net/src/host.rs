//! Many owners' kernels over one store, and the way between them and to others.
//!
//! A host opens a kernel when something is for its owner and puts it away when nobody needs it. It
//! decides nothing: a frame is judged by the kernel it is for, and by nobody else. What a host adds
//! is that nobody can make it work for nothing: limits come before work, who waits takes turns, and
//! everything that can grow has a bound.
use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use clawnet_core::{Clock, Governing, OwnerId, Signer, Store, Timestamp};

use self::{
    agenda::{Agenda, Patience},
    header::Header,
    houses::{Ground, Houses},
    intake::{Intake, Waiting, Way},
    leaving::Leaving,
    presence::Attendance,
    strangers::Strangers,
};
use crate::{
    party::NOBODY,
    transport::{Arrived, SendError},
};

mod agenda;
mod bucket;
mod counts;
mod header;
mod houses;
mod intake;
mod keyring;
mod leaving;
mod limits;
mod presence;
mod queue;
mod run;
#[cfg(feature = "tokio")]
mod speaker;
mod strangers;
mod timer;
mod work;

pub use counts::HostCounts;
pub use houses::{Guest, HostError};
pub use keyring::Keyring;
pub use limits::{HostLimits, Rate};
pub use presence::{Presence, Whereabouts};
pub use timer::Timer;
#[cfg(feature = "tokio")]
pub use timer::TokioTimer;

/// Many owners' kernels over one store. Clones are the same host.
///
/// **Promises**
/// - An envelope's address alone decides which kernel it goes to. Between two owners of one host
///   the same bytes go through the same door as from far away.
/// - Whatever an address names that is no live identity of an owner hosted here (an owner nobody
///   knows, an identity that never was, an agent, a manager) has one answer, byte for byte. For an
///   owner who is not hosted, nothing is opened and nothing is read.
/// - Never two kernels of one owner at once.
/// - What is due is sent until it is known to have arrived, whatever becomes of the process: it is
///   kernel state, and [`Host::wake`] finds it after a restart.
///
/// **Refuses** what is over a limit before it looks at what it says; the sender is told `busy`, and
/// sends again later.
///
/// Answers go to owners whom the link has proven to speak for, and to nobody else: who claims to be
/// somebody else hears nothing, and has nothing sent to them.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    houses: Houses,
    limits: HostLimits,
    /// Held for moments, and never while anybody else's code runs.
    desk: Mutex<Desk>,
    attendance: Mutex<Attendance>,
    /// Whoever drives this host and waits.
    workers: Mutex<Vec<Waker>>,
}

/// What there is to do.
struct Desk {
    intake: Intake,
    agenda: Agenda,
    leaving: Leaving,
    counts: HostCounts,
    strangers: Strangers,
    /// Owners whose kernels have something new to send.
    stirred: BTreeSet<OwnerId>,
    frames_first: bool,
    /// When to look next for kernels nobody asks for.
    sweep_at: Timestamp,
}

/// What a host is opened with: what it keeps to, and what its kernels do.
#[must_use = "a host hosts nobody until it is opened"]
pub struct Hosting {
    ground: Ground,
    seed: u64,
}

impl Hosting {
    /// With other limits.
    pub fn limits(mut self, limits: HostLimits) -> Self {
        self.ground.limits = limits;
        self
    }

    /// With kernels that keep to policies of the application's own, or fold facts of other crates.
    pub fn governing(
        mut self,
        with: impl Fn(Governing) -> Governing + Send + Sync + 'static,
    ) -> Self {
        self.ground.governing = Box::new(with);
        self
    }

    /// With chance from `seed`: it moves the moments at which things are sent again, so that hosts
    /// that failed together do not come back together. Nothing secret comes of it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The host.
    #[must_use]
    pub fn open(self) -> Host {
        let Self { ground, seed } = self;
        let limits = ground.limits;
        let (first, longest) = (limits.resend_after, limits.resend_after_max);
        let desk = Desk {
            intake: Intake::new(&limits),
            agenda: Agenda::new(Patience { first, longest, seed }),
            leaving: Leaving::new(limits.frames_leaving_max),
            counts: HostCounts::default(),
            strangers: Strangers::new(limits.strangers),
            stirred: BTreeSet::new(),
            frames_first: false,
            sweep_at: ground.clock.now().after(limits.idle),
        };
        Host(Arc::new(Shared {
            houses: Houses::new(ground),
            limits,
            desk: Mutex::new(desk),
            attendance: Mutex::default(),
            workers: Mutex::default(),
        }))
    }
}

impl fmt::Debug for Hosting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hosting")
    }
}

impl Host {
    /// Begins to describe a host for whomever `keyring` names, with all their ledgers in `store`.
    pub fn over(store: Arc<dyn Store>, clock: impl Clock, keyring: impl Keyring) -> Hosting {
        let (clock, keyring) = (Arc::new(clock), Box::new(keyring));
        let governing = Box::new(|governing| governing);
        let limits = HostLimits::default();
        Hosting { ground: Ground { clock, governing, keyring, limits, store }, seed: 0 }
    }

    /// The side of one owner: found, or opened. Their kernel stays open while it is held.
    ///
    /// # Errors
    /// When they are not hosted here, their kernel cannot be opened, or too many are held open.
    pub async fn party(&self, owner: OwnerId) -> Result<Guest, HostError> {
        self.guest(owner).await
    }

    /// Has the owner certify the key of their kernel here, which [`Keyring`] names, if they have
    /// not: before anybody can speak for them. Begins their ledger if there is none.
    pub async fn certify(
        &self,
        owner: OwnerId,
        signer: impl Signer + 'static,
    ) -> Result<(), HostError> {
        self.0.houses.certify(owner, signer).await
    }

    /// A client of the owner is here, until the presence is dropped: whatever they wait to have sent
    /// is tried at once. Nobody else is told of it: contacts learn that something arrived, never who
    /// was there.
    pub fn arrive(&self, owner: OwnerId) -> Presence {
        self.attendance().come(owner);
        let now = self.now();
        self.desk().agenda.hurry(owner, now);
        self.call_workers();
        Presence { host: self.clone(), owner }
    }

    /// A link to the host of `peer` came up: whatever waits for them is tried at once.
    pub fn reached(&self, peer: OwnerId) {
        let now = self.now();
        self.desk().agenda.reach(peer, now);
        self.call_workers();
    }

    /// Whether a client of the owner is here.
    #[must_use]
    pub fn presence(&self, owner: OwnerId) -> Whereabouts {
        self.attendance().of(owner)
    }

    /// Looks at the kernels of `owners`, one after the other as there is time: whether something is
    /// due, and whether something is over. Call it with everybody after a restart.
    pub fn wake(&self, owners: impl IntoIterator<Item = OwnerId>) {
        let now = self.now();
        for owner in owners {
            self.desk().agenda.visit(owner, Some(now));
        }
        self.call_workers();
    }

    /// Takes in a frame that came over a link. It waits for the kernel it is for, or is turned away.
    pub fn deliver(&self, arrived: Arrived) {
        let Arrived { frame, proven, .. } = arrived;
        let now = self.now();
        self.desk().counts.received += 1;
        if is_no(&frame) {
            // Nobody answers an answer.
            return;
        }
        let Some(header) = Header::of(&frame) else {
            self.desk().counts.unreadable += 1;
            return;
        };
        let counted = self.desk().intake.count((&header, &proven), now);
        let Ok(sender) = counted else {
            self.desk().counts.turned_away += 1;
            let sender = proven.speaks_for(header.from).is_ok().then_some(header.from);
            self.note_turned_away(header.to.map(|to| to.owner()), sender);
            self.answer(sender, No::Busy);
            return;
        };
        let to = header.to.map(|to| to.owner());
        let Some(owner) = to.filter(|owner| self.0.houses.hosts(*owner).is_ok()) else {
            self.desk().counts.unknown += 1;
            self.answer(sender, No::Nobody);
            return;
        };
        if self.desk().intake.count_for(owner, now).is_err() {
            self.desk().counts.turned_away += 1;
            self.note_turned_away(Some(owner), sender);
            self.answer(sender, No::Busy);
            return;
        }
        let waiting = Waiting { frame, from: Some(header.from), way: Way::Over(proven) };
        self.enqueue(owner, sender, waiting);
    }

    /// Does everything that can be done now, one after the other, and says how many pieces of work
    /// that were. What is to leave waits in [`Host::leaving`]. For tests and simulations, which
    /// drive a host by hand; otherwise there is [`Host::run`].
    pub async fn work(&self) -> usize {
        let mut pieces = 0;
        while let Some(work) = self.next_work(self.now()) {
            self.perform(work).await;
            pieces += 1;
        }
        pieces
    }

    /// One piece of work, if there is any: `work` in the smallest steps there are.
    pub async fn step(&self) -> Option<()> {
        let work = self.next_work(self.now())?;
        self.perform(work).await;
        Some(())
    }

    /// What waits to be sent, to whom, in order. It counts as sent.
    #[must_use]
    pub fn leaving(&self) -> Vec<(OwnerId, Vec<u8>)> {
        let mut desk = self.desk();
        let mut all = Vec::new();
        while let Some((peer, frame)) = desk.leaving.next() {
            desk.leaving.done(peer);
            desk.counts.sent += 1;
            all.push((peer, frame));
        }
        all
    }

    /// When there will be something to do, if nothing comes before.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        let desk = self.desk();
        let sweep = (self.0.houses.open_now() > 0).then_some(desk.sweep_at);
        desk.agenda.next_at().into_iter().chain(sweep).min()
    }

    /// How often what waits from `owner` for `peer` was tried in vain, and when it is tried again.
    /// None if nothing waits.
    #[must_use]
    pub fn trying(&self, owner: OwnerId, peer: OwnerId) -> Option<(u32, Timestamp)> {
        self.desk().agenda.trying((owner, peer))
    }

    /// Puts away every kernel that nobody holds, and that nobody asked for anything for as long as
    /// [`HostLimits::idle`]. Says how many.
    pub async fn put_away_idle(&self) -> usize {
        let idle_ms = u64::try_from(self.0.limits.idle.as_millis()).unwrap_or(u64::MAX);
        let before = self.now().as_millis().saturating_sub(idle_ms);
        self.0.houses.put_away_since(Timestamp::from_millis(before)).await
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> HostCounts {
        let mut counts = self.desk().counts;
        counts.opened = self.0.houses.opened();
        counts.open_now = self.0.houses.open_now();
        counts
    }

    fn now(&self) -> Timestamp {
        self.0.houses.now()
    }

    fn limits(&self) -> &HostLimits {
        &self.0.limits
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attendance(&self) -> MutexGuard<'_, Attendance> {
        self.0.attendance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `waker` when there is something to do.
    fn attend(&self, waker: &Waker) {
        let mut workers = self.0.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if !workers.iter().any(|known| known.will_wake(waker)) {
            workers.push(waker.clone());
        }
    }

    fn call_workers(&self) {
        let workers = {
            let mut workers = self.0.workers.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *workers)
        };
        workers.into_iter().for_each(Waker::wake);
    }

    fn has_room(&self) -> Result<(), intake::Over> {
        let waiting = self.desk().intake.waiting();
        if waiting < self.0.limits.frames_waiting_all_max { Ok(()) } else { Err(intake::Over) }
    }

    /// Lets a frame wait for its kernel, and tells those whose frames find no room.
    fn enqueue(&self, owner: OwnerId, sender: Option<OwnerId>, waiting: Waiting) {
        let dropped = {
            let mut desk = self.desk();
            let dropped = desk.intake.push(owner, sender, waiting);
            desk.counts.turned_away += dropped.len() as u64;
            dropped
        };
        for sender in dropped {
            self.answer(sender, No::Busy);
        }
        self.call_workers();
    }

    fn note_turned_away(&self, owner: Option<OwnerId>, sender: Option<OwnerId>) {
        if let Some(owner) = owner.filter(|owner| self.0.houses.hosts(*owner).is_ok()) {
            self.desk().intake.turn_away((owner, sender), 1);
        }
    }

    /// Says no to whom the link has proven, in bytes that say nothing else.
    fn answer(&self, to: Option<OwnerId>, no: No) {
        if let Some(to) = to.filter(|to| self.0.houses.hosts(*to).is_err()) {
            // Where there is no room for it, nothing is said.
            if self.desk().leaving.push(to, no.bytes().to_vec()).is_ok() {
                self.call_workers();
            }
        }
    }

    /// Sends a frame of `owner`'s to `peer`, wherever that is.
    fn route(&self, owner: OwnerId, peer: OwnerId, frame: Vec<u8>) {
        if self.0.houses.hosts(peer).is_ok() {
            if !is_no(&frame) {
                let waiting = Waiting { frame, from: Some(owner), way: Way::Within(owner) };
                self.enqueue(peer, Some(owner), waiting);
            }
            return;
        }
        let mut desk = self.desk();
        if desk.leaving.push(peer, frame).is_err() {
            desk.counts.unsent += 1;
        }
        drop(desk);
        self.call_workers();
    }

    /// A frame was handed over, or not.
    fn left(&self, peer: OwnerId, sent: Result<(), SendError>) {
        let mut desk = self.desk();
        match sent {
            Ok(()) => desk.counts.sent += 1,
            Err(SendError::TooLarge) => desk.counts.unsent += 1,
            Err(SendError::NoRoute | SendError::Closed) => {
                desk.counts.unsent += 1;
                desk.leaving.give_up(peer);
            }
        }
        desk.leaving.done(peer);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

/// The answer to what is over a limit. The same bytes always, as [`NOBODY`](crate::NOBODY) is.
pub const BUSY: &[u8] = concat!(
    r#"{"body":{"refused":{"of":""#,
    "0000000000000000000000000000000000000000000000000000000000000000",
    r#"","reason":"busy"}},"from":"own_00000000000000000000000000000000","#,
    r#""to":"own_00000000000000000000000000000000"}"#,
)
.as_bytes();

/// Says nothing but no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum No {
    Busy,
    Nobody,
}

impl No {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Busy => BUSY,
            Self::Nobody => NOBODY,
        }
    }
}

/// Whether a frame is an answer of a host, which no kernel has anything to do with.
fn is_no(frame: &[u8]) -> bool {
    [BUSY, NOBODY].contains(&frame)
}

#[cfg(test)]
mod tests;
