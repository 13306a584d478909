//! A network with every fault a network has, from a seed, driven by hand.
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use clawnet_core::OwnerId;

use super::{
    Arrived, Closed, JoinError, Proven, SendError, Transport, bounded,
    chance::Chance,
    inbox::{Inbox, NoRoom, Room},
};

mod faults;
#[cfg(test)]
mod tests;

pub use faults::{Counts, Faults};

/// A network of simulated hosts. Clones are the same network.
///
/// **Promises** that the same seed and the same calls in the same order give the same frames at the
/// same simulated times, and that [`SimulatedNetwork::counts`] counts each fault it did. Nothing
/// moves by itself, nothing sleeps, and no runtime is needed: sending puts a frame on its way,
/// [`SimulatedNetwork::step`] lets the next one arrive, or be lost.
///
/// ```
/// # use clawnet_core::OwnerId;
/// # use clawnet_net::{Faults, SimulatedNetwork, Transport};
/// # futures::executor::block_on(async {
/// let (alice, bob) = (OwnerId::of_key(&[1; 32]), OwnerId::of_key(&[2; 32]));
/// let network = SimulatedNetwork::new(7, Faults::none().losing(500));
/// let (one, two) = (network.join([alice])?, network.join([bob])?);
/// for nth in 0..100 {
///     one.send(bob, vec![nth]).await?;
/// }
/// network.deliver();
/// let came = std::iter::from_fn(|| two.receive_now()).count() as u64;
/// assert_eq!(came + network.counts().lost, 100);
/// assert!(came > 0 && network.counts().lost > 0);
/// # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SimulatedNetwork(Arc<Mutex<Inner>>);

struct Inner {
    chance: Chance,
    faults: Faults,
    counts: Counts,
    now_ms: u64,
    flown: u64,
    owners: BTreeMap<OwnerId, usize>,
    hosts: Vec<Host>,
    /// By when it is due, then by when it was sent.
    on_the_way: BTreeMap<(u64, u64), Flight>,
    /// Ways that are cut: from whose host, to whose host.
    cut: BTreeSet<(OwnerId, OwnerId)>,
    /// How far each way has come.
    ways: BTreeMap<(usize, usize), Way>,
}

#[derive(Clone)]
struct Host {
    inbox: Arc<Inbox>,
    proven: Proven,
}

struct Flight {
    way: (usize, usize),
    frame: Vec<u8>,
    room: Room,
    copy: bool,
}

#[derive(Default)]
struct Way {
    /// When the last frame that keeps its place is due.
    due_ms: u64,
    /// The last frame sent of those that arrived.
    arrived: u64,
}

impl SimulatedNetwork {
    /// A network with nobody there, at time zero.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            chance: Chance::from_seed(seed),
            faults,
            counts: Counts::default(),
            now_ms: 0,
            flown: 0,
            owners: BTreeMap::new(),
            hosts: Vec::new(),
            on_the_way: BTreeMap::new(),
            cut: BTreeSet::new(),
            ways: BTreeMap::new(),
        })))
    }

    /// A host that speaks for `owners`. One that ended may be followed by another.
    pub fn join(
        &self,
        owners: impl IntoIterator<Item = OwnerId>,
    ) -> Result<SimulatedTransport, JoinError> {
        let proven = Proven::on_the_word_of_a_transport([]);
        let host = Host { inbox: Arc::default(), proven };
        let mut inner = self.lock();
        let place = inner.hosts.len();
        inner.hosts.push(host.clone());
        drop(inner);
        let transport = SimulatedTransport { network: self.clone(), place, host };
        owners.into_iter().try_for_each(|owner| transport.speak_for(owner)).map(|()| transport)
    }

    /// From now on, with these faults.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Loses everything from the host of `from` to the host of `to`, whichever they are then, and
    /// what is on its way too.
    pub fn cut(&self, from: OwnerId, to: OwnerId) {
        self.lock().cut.insert((from, to));
    }

    /// Loses everything between the hosts of these two, both ways.
    pub fn part(&self, one: OwnerId, two: OwnerId) {
        self.cut(one, two);
        self.cut(two, one);
    }

    /// Mends every way that was cut.
    pub fn heal(&self) {
        self.lock().cut.clear();
    }

    /// Lets the next frame arrive, or be lost, and gives the time then: none if nothing is on its
    /// way.
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn step(&self) -> Option<Duration> {
        let arrival = self.lock().step()?;
        arrival.happen();
        Some(self.now())
    }

    /// Steps until nothing is on its way, and says how many steps it took.
    #[expect(clippy::must_use_candidate, reason = "called for what it does")]
    pub fn deliver(&self) -> u64 {
        let mut steps = 0;
        while self.step().is_some() {
            steps += 1;
        }
        steps
    }

    /// Lets `duration` pass, and everything arrive that is due in it.
    pub fn advance(&self, duration: Duration) {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let until = self.lock().now_ms.saturating_add(millis);
        while self.lock().next_due().is_some_and(|due_ms| due_ms <= until) {
            self.step();
        }
        self.lock().now_ms = until;
    }

    /// How long it has run, by its own time.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.lock().now_ms)
    }

    /// How many frames are on their way.
    #[must_use]
    pub fn on_the_way(&self) -> usize {
        self.lock().on_the_way.len()
    }

    /// What happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Puts a frame on its way, for which there is room where it goes.
    fn launch(&mut self, way: (usize, usize), frame: Vec<u8>, room: Room) -> Option<Arrival> {
        self.counts.sent += 1;
        let inbox = self.hosts.get(way.1)?.inbox.clone();
        if self.chance.happens(self.faults.lose) {
            self.counts.lost += 1;
            return Some(Arrival { inbox, room, arrived: None });
        }
        if self.chance.happens(self.faults.double)
            && let Ok(room) = inbox.room_now(frame.len())
        {
            self.counts.doubled += 1;
            let due = self.now_ms.saturating_add(1 + self.chance.below(self.late_ms()));
            let copy = Flight { way, frame: frame.clone(), room, copy: true };
            self.fly(due, copy);
        }
        let frame = self.harm(frame);
        let due = self.due(way);
        self.fly(due, Flight { way, frame, room, copy: false });
        None
    }

    fn fly(&mut self, due_ms: u64, flight: Flight) {
        self.flown += 1;
        self.on_the_way.insert((due_ms, self.flown), flight);
    }

    /// How late something can be.
    fn late_ms(&self) -> u64 {
        self.faults.delay_ms_max.max(10)
    }

    fn harm(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let bits = frame.len() as u64 * 8;
        if bits > 0 && self.chance.happens(self.faults.flip) {
            let bit = self.chance.below(bits);
            let place = usize::try_from(bit / 8).unwrap_or(0);
            if let Some(byte) = frame.get_mut(place) {
                *byte ^= 1 << (bit % 8);
                self.counts.flipped += 1;
            }
        }
        if bits > 0 && self.chance.happens(self.faults.truncate) {
            let left = self.chance.below(frame.len() as u64);
            frame.truncate(usize::try_from(left).unwrap_or(0));
            self.counts.truncated += 1;
        }
        frame
    }

    /// When a frame sent now is due: after those before it, unless it is held back and overtaken.
    fn due(&mut self, way: (usize, usize)) -> u64 {
        let mut due = self.now_ms.saturating_add(1);
        if self.chance.happens(self.faults.delay) {
            self.counts.delayed += 1;
            due = due.saturating_add(self.chance.below(self.late_ms()));
        }
        let held_back = self.chance.happens(self.faults.reorder);
        let late_ms = 1 + self.chance.below(self.late_ms());
        let way = self.ways.entry(way).or_default();
        due = due.max(way.due_ms);
        if held_back {
            return due.saturating_add(late_ms);
        }
        way.due_ms = due;
        due
    }

    fn is_cut(&self, (from, to): (usize, usize)) -> bool {
        let speaks = |place: usize, owner: OwnerId| {
            self.hosts.get(place).is_some_and(|host| host.proven.speaks_for(owner).is_ok())
        };
        self.cut.iter().any(|&(one, two)| speaks(from, one) && speaks(to, two))
    }

    fn next_due(&self) -> Option<u64> {
        self.on_the_way.keys().next().map(|(due_ms, _)| *due_ms)
    }

    fn step(&mut self) -> Option<Arrival> {
        let ((due_ms, flown), flight) = self.on_the_way.pop_first()?;
        self.now_ms = self.now_ms.max(due_ms);
        let (from, to) = flight.way;
        let inbox = self.hosts.get(to)?.inbox.clone();
        let mut arrival = Arrival { inbox, room: flight.room, arrived: None };
        if self.is_cut(flight.way) {
            self.counts.parted += 1;
        } else if arrival.inbox.is_closed() {
            self.counts.unclaimed += 1;
        } else {
            self.counts.arrived += 1;
            let way = self.ways.entry(flight.way).or_default();
            if flown < way.arrived && !flight.copy {
                self.counts.reordered += 1;
            }
            if !flight.copy {
                way.arrived = way.arrived.max(flown);
            }
            let proven = self.hosts.get(from)?.proven.clone();
            arrival.arrived = Some(Arrived::new(flight.frame, proven));
        }
        Some(arrival)
    }
}

/// What is done outside the network's lock: those who wait may run at once.
struct Arrival {
    inbox: Arc<Inbox>,
    room: Room,
    arrived: Option<Arrived>,
}

impl Arrival {
    fn happen(self) {
        match self.arrived {
            Some(arrived) => self.inbox.fill(self.room, arrived),
            None => self.inbox.empty(self.room),
        }
    }
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("SimulatedNetwork")
            .field("now_ms", &inner.now_ms)
            .field("on_the_way", &inner.on_the_way.len())
            .field("counts", &inner.counts)
            .finish_non_exhaustive()
    }
}

/// One simulated host's way to the others. Dropping it ends it, as a crash would.
pub struct SimulatedTransport {
    network: SimulatedNetwork,
    place: usize,
    host: Host,
}

impl SimulatedTransport {
    /// Speaks for `owner` too, from now on.
    pub fn speak_for(&self, owner: OwnerId) -> Result<(), JoinError> {
        let mut inner = self.network.lock();
        if inner.owners.get(&owner).is_some_and(|place| *place != self.place) {
            return Err(JoinError::SpokenFor { owner });
        }
        inner.owners.insert(owner, self.place);
        self.host.proven.add(owner);
        Ok(())
    }

    /// Speaks for `owner` no more: who sends to them finds no way here.
    pub fn cede(&self, owner: OwnerId) {
        let mut inner = self.network.lock();
        if inner.owners.get(&owner) == Some(&self.place) {
            inner.owners.remove(&owner);
            self.host.proven.remove(owner);
        }
    }

    /// The next frame, if one has arrived.
    #[must_use]
    pub fn receive_now(&self) -> Option<Arrived> {
        self.host.inbox.take_now()
    }

    /// Takes and gives nothing more. Who waits is told.
    pub fn close(&self) {
        self.host.inbox.close();
        self.network.lock().owners.retain(|_, place| *place != self.place);
    }
}

#[async_trait]
impl Transport for SimulatedTransport {
    async fn send(&self, to: OwnerId, frame: Vec<u8>) -> Result<(), SendError> {
        let frame = bounded(frame)?;
        if self.host.inbox.is_closed() {
            return Err(SendError::Closed);
        }
        let (to, inbox) = {
            let inner = self.network.lock();
            let to = inner.owners.get(&to).copied().ok_or(SendError::NoRoute)?;
            (to, inner.hosts.get(to).map(|host| host.inbox.clone()).ok_or(SendError::NoRoute)?)
        };
        let room = inbox.room(frame.len(), &self.host.inbox).await;
        let room = room.map_err(|_: NoRoom| {
            if self.host.inbox.is_closed() { SendError::Closed } else { SendError::NoRoute }
        })?;
        let lost = self.network.lock().launch((self.place, to), frame, room);
        lost.into_iter().for_each(Arrival::happen);
        Ok(())
    }

    async fn receive(&self) -> Result<Arrived, Closed> {
        self.host.inbox.take().await
    }
}

impl Drop for SimulatedTransport {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SimulatedTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedTransport").field("host", &self.place).finish_non_exhaustive()
    }
}
