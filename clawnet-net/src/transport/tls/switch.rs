//! Everybody a transport knows, and everything that came.
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clawnet_core::{OwnerId, PublicKey};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch},
    task::JoinSet,
};
use tokio_rustls::rustls::ServerConfig;

use super::{
    claim::{ClaimError, Speaker},
    limits::{OWNERS_MAX, TlsLimits},
    node::{NodeKey, fresh_name},
    peer::{Peer, Status},
    refusal::{LinkError, LinkEvent},
    route::Directory,
    wire::MESSAGE_BYTES_MAX,
};
use crate::transport::{Arrived, Closed, Proven, chance::Chance};

/// What one transport's tasks share.
pub(super) struct Switch {
    pub(super) key: NodeKey,
    pub(super) server: Arc<ServerConfig>,
    pub(super) limits: TlsLimits,
    pub(super) directory: Box<dyn Directory>,
    /// Whom this host speaks for itself.
    pub(super) own: Proven,
    known: Mutex<Known>,
    /// The number of the last speaker.
    spoken: AtomicU64,
    sender: mpsc::UnboundedSender<Item>,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<Item>>,
    room: Arc<Semaphore>,
    events: broadcast::Sender<LinkEvent>,
    closed: watch::Sender<bool>,
    tasks: Mutex<JoinSet<()>>,
    runtime: Handle,
    chance: Mutex<Chance>,
}

#[derive(Default)]
struct Known {
    peers: BTreeMap<PublicKey, Arc<Peer>>,
    /// Which node proved last to speak for an owner.
    owners: BTreeMap<OwnerId, PublicKey>,
    /// For how many each node did, over all its links.
    proven: BTreeMap<PublicKey, usize>,
    /// Connections between TLS and link.
    greeting: BTreeMap<PublicKey, usize>,
    speakers: BTreeMap<u64, Arc<dyn Speaker>>,
    /// The number of each owner's speaker.
    numbers: BTreeMap<OwnerId, u64>,
    contacts: BTreeMap<String, watch::Receiver<Contact>>,
}

/// How it went to call somewhere for the first time, not knowing which node is there.
#[derive(Clone)]
pub(super) enum Contact {
    Trying,
    Made(Arc<Peer>, Proven),
    Failed(LinkError),
}

/// A frame that came.
struct Item {
    arrived: Arrived,
    /// To whom to say that it was taken: the peer, its session and the frame's number.
    from: Option<(Arc<Peer>, u64, u64)>,
    /// Given back when it is taken.
    _room: OwnedSemaphorePermit,
}

/// What a frame costs besides its bytes.
const ITEM_BYTES: usize = 256;
/// How many events wait for somebody to look before the oldest are dropped.
const EVENTS_MAX: usize = 256;

impl Switch {
    pub(super) fn new(
        runtime: Handle,
        key: NodeKey,
        directory: Box<dyn Directory>,
        limits: TlsLimits,
    ) -> Result<Self, LinkError> {
        let server = key.server().map_err(|error| LinkError::NotTls(error.to_string()))?;
        let (sender, inbox) = mpsc::unbounded_channel();
        let room = limits.inbox_bytes_max.clamp(MESSAGE_BYTES_MAX + ITEM_BYTES, 1 << 30);
        Ok(Self {
            key,
            server: Arc::new(server),
            directory,
            own: Proven::on_the_word_of_a_transport([]),
            known: Mutex::default(),
            spoken: AtomicU64::new(0),
            sender,
            inbox: tokio::sync::Mutex::new(inbox),
            room: Arc::new(Semaphore::new(room)),
            events: broadcast::Sender::new(EVENTS_MAX),
            closed: watch::Sender::new(false),
            tasks: Mutex::default(),
            runtime,
            chance: Mutex::new(Chance::from_seed(limits.seed)),
            limits,
        })
    }

    /// Runs a task until the transport ends.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        if !self.is_closed() {
            tasks.spawn_on(task, &self.runtime);
        }
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        let peers: Vec<_> = self.known().peers.values().cloned().collect();
        for peer in peers {
            peer.close();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits for the end.
    pub(super) async fn ends(&self) {
        let mut closed = self.closed.subscribe();
        drop(closed.wait_for(|closed| *closed).await);
    }

    pub(super) fn tell(&self, event: LinkEvent) {
        // Nobody may be looking.
        drop(self.events.send(event));
    }

    pub(super) fn events(&self) -> broadcast::Receiver<LinkEvent> {
        self.events.subscribe()
    }

    /// How long to wait before the next attempt, after so many.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.limits.pause_min.saturating_mul(1 << attempts.min(20));
        let pause = doubled.min(self.limits.pause_max);
        let mut chance = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis((millis / 2).saturating_add(chance.below(millis.saturating_add(1))))
    }
}

/// Frames that came.
impl Switch {
    /// Room for a frame of this size, when there is.
    pub(super) async fn room(&self, size_bytes: usize) -> Result<OwnedSemaphorePermit, LinkError> {
        let cost = u32::try_from(size_bytes.saturating_add(ITEM_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await;
        room.map_err(|_| LinkError::Closed)
    }

    /// Puts a frame before the host.
    pub(super) fn give(
        &self,
        arrived: Arrived,
        from: Option<(Arc<Peer>, u64, u64)>,
        room: OwnedSemaphorePermit,
    ) {
        // The receiver lives as long as the switch.
        drop(self.sender.send(Item { arrived, from, _room: room }));
    }

    pub(super) async fn take(&self) -> Result<Arrived, Closed> {
        let item = tokio::select! {
            biased;
            () = self.ends() => None,
            item = async { self.inbox.lock().await.recv().await } => item,
        };
        let Item { arrived, from, .. } = item.ok_or(Closed)?;
        if let Some((peer, epoch, number)) = from {
            peer.taken_here(epoch, (number, arrived.frame.len()));
        }
        Ok(arrived)
    }
}

/// Everybody it knows.
impl Switch {
    /// The peer with this key, new if need be.
    pub(super) fn peer(self: &Arc<Self>, node: PublicKey) -> Result<Arc<Peer>, LinkError> {
        if node == self.key.public_key() {
            return Err(LinkError::Itself);
        }
        let mut known = self.known();
        if let Some(peer) = known.peers.get(&node) {
            return Ok(Arc::clone(peer));
        }
        if known.peers.len() >= self.limits.peers_max.max(1) {
            let idle = known.peers.values().find(|peer| known.is_idle(peer)).cloned();
            known.forget(&idle.ok_or(LinkError::TooManyNodes)?);
        }
        let peer = Arc::new(Peer::new(node, fresh_name()?));
        known.peers.insert(node, Arc::clone(&peer));
        drop(known);
        self.spawn(mourn(Arc::clone(self), Arc::clone(&peer)));
        Ok(peer)
    }

    pub(super) fn knows(&self, peer: &Arc<Peer>) -> bool {
        self.known().knows(peer)
    }

    /// A node has proven to speak for an owner.
    pub(super) fn proves(&self, owner: OwnerId, peer: &Arc<Peer>) {
        let mut known = self.known();
        if known.knows(peer) {
            known.proves(owner, peer.node);
        }
    }

    pub(super) fn peer_of(&self, owner: OwnerId) -> Option<Arc<Peer>> {
        let known = self.known();
        known.owners.get(&owner).and_then(|node| known.peers.get(node)).cloned()
    }

    /// Counts a connection that is not a link yet.
    pub(super) fn greet(self: &Arc<Self>, node: PublicKey) -> Result<Greeting, LinkError> {
        let mut known = self.known();
        let count = known.greeting.entry(node).or_default();
        if *count >= self.limits.handshakes_per_node_max.max(1) {
            return Err(LinkError::TooManyConnections);
        }
        *count += 1;
        Ok(Greeting { switch: Arc::clone(self), node })
    }

    pub(super) fn speak_for(&self, speaker: Arc<dyn Speaker>) -> Result<(), LinkError> {
        let owner = speaker.owner();
        let mut known = self.known();
        if known.speakers.len() >= OWNERS_MAX && !known.numbers.contains_key(&owner) {
            return Err(ClaimError::TooMany.into());
        }
        let number = self.spoken().saturating_add(1);
        if let Some(before) = known.numbers.insert(owner, number) {
            known.speakers.remove(&before);
        }
        known.speakers.insert(number, speaker);
        self.spoken.store(number, Ordering::Release);
        let peers: Vec<_> = known.peers.values().cloned().collect();
        drop(known);
        self.own.add(owner);
        for peer in peers {
            peer.wake();
        }
        Ok(())
    }

    pub(super) fn cede(&self, owner: OwnerId) {
        let mut known = self.known();
        if let Some(number) = known.numbers.remove(&owner) {
            known.speakers.remove(&number);
        }
        drop(known);
        self.own.remove(owner);
    }

    /// The number of the last speaker: quick to ask, for each frame.
    pub(super) fn spoken(&self) -> u64 {
        self.spoken.load(Ordering::Acquire)
    }

    /// The first speaker after the one with this number.
    pub(super) fn speaker_after(&self, number: u64) -> Option<(u64, Arc<dyn Speaker>)> {
        let known = self.known();
        let next = known.speakers.range(number.saturating_add(1)..).next();
        next.map(|(number, speaker)| (*number, Arc::clone(speaker)))
    }

    /// How it goes or went to call at `url`; if nobody has called, `call` begins to.
    pub(super) fn contact(
        &self,
        url: &str,
        call: impl FnOnce(watch::Sender<Contact>),
    ) -> watch::Receiver<Contact> {
        let mut known = self.known();
        if let Some(contact) = known.contacts.get(url) {
            return contact.clone();
        }
        let (sender, contact) = watch::channel(Contact::Trying);
        known.contacts.insert(url.to_owned(), contact.clone());
        drop(known);
        call(sender);
        contact
    }

    pub(super) fn forget_contact(&self, url: &str) {
        self.known().contacts.remove(url);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn knows(&self, peer: &Arc<Peer>) -> bool {
        self.peers.get(&peer.node).is_some_and(|known| Arc::ptr_eq(known, peer))
    }

    /// Whether nothing is lost when it is forgotten now.
    fn is_idle(&self, peer: &Peer) -> bool {
        peer.is_idle() && !self.greeting.contains_key(&peer.node)
    }

    /// A node that goes on proving, link after link, is remembered for as many owners as one link
    /// has: what it proved before is forgotten.
    fn proves(&mut self, owner: OwnerId, node: PublicKey) {
        let count = self.proven.entry(node).or_default();
        if *count >= OWNERS_MAX {
            *count = 0;
            self.owners.retain(|_, proven| *proven != node);
        }
        if self.owners.insert(owner, node) != Some(node) {
            *count += 1;
        }
    }

    fn forget(&mut self, peer: &Arc<Peer>) {
        if self.knows(peer) {
            self.peers.remove(&peer.node);
            self.proven.remove(&peer.node);
            self.owners.retain(|_, node| *node != peer.node);
            self.contacts.retain(|_, contact| {
                !matches!(&*contact.borrow(), Contact::Made(made, _) if Arc::ptr_eq(made, peer))
            });
            peer.close();
        }
    }
}

/// A connection that is counted.
pub(super) struct Greeting {
    switch: Arc<Switch>,
    node: PublicKey,
}

impl Drop for Greeting {
    fn drop(&mut self) {
        let mut known = self.switch.known();
        if let Some(count) = known.greeting.get_mut(&self.node) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                known.greeting.remove(&self.node);
            }
        }
        // What did not become a link leaves nothing behind.
        let peer = known.peers.get(&self.node).cloned();
        if let Some(peer) = peer.filter(|peer| known.is_idle(peer) && peer.is_strange()) {
            known.forget(&peer);
        }
    }
}

/// Lets hope go, and then the peer, when it is gone for long.
async fn mourn(switch: Arc<Switch>, peer: Arc<Peer>) {
    let mut status = peer.status();
    loop {
        if status.wait_for(|status| *status != Status::Up).await.is_err() || !switch.knows(&peer) {
            return;
        }
        let up = status.wait_for(|status| *status == Status::Up);
        if tokio::time::timeout(switch.limits.patience, up).await.is_ok() {
            continue;
        }
        peer.give_up();
        if peer.is_standing() {
            drop(status.wait_for(|status| *status == Status::Up).await);
            continue;
        }
        let up = status.wait_for(|status| *status == Status::Up);
        if tokio::time::timeout(switch.limits.forget_after, up).await.is_err() {
            switch.known().forget(&peer);
            return;
        }
    }
}
