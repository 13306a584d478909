//! Hosts with owners whose agents talk, over a network that does what networks do.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use clawnet_core::{
    Action, Agent, AgentId, Grant, IdentityId, ManualClock, MemoryStore, Owner, PublicKey, Region,
    Signer as _, SoftwareKey,
};
use futures::{FutureExt as _, executor::block_on};

use super::*;
use crate::{
    contact::{Bond, Presenting},
    dialogue::Standing,
    entry::{Ending, Mark},
    id::SessionId,
    terms::Proposal,
    transport::{Faults, Proven, SimulatedNetwork, SimulatedTransport, Transport as _},
};

mod flood;
mod houses;
mod presence;
mod restart;
mod running;
mod story;
mod unknown;

fn key(seed: u16) -> SoftwareKey {
    let mut secret = [1; 32];
    secret[..2].copy_from_slice(&seed.to_le_bytes());
    SoftwareKey::from_secret(&secret)
}

fn id(seed: u16) -> OwnerId {
    key(seed).public_key().owner()
}

/// Owners by number.
struct Ring(BTreeMap<OwnerId, (u16, PublicKey)>);

impl Ring {
    fn of(seeds: impl IntoIterator<Item = u16>) -> Self {
        Self(seeds.into_iter().map(|seed| (id(seed), (seed, key(seed).public_key()))).collect())
    }
}

impl Keyring for Ring {
    fn founder(&self, owner: OwnerId) -> Option<PublicKey> {
        self.0.get(&owner).map(|(_, founder)| *founder)
    }

    fn kernel_key(&self, owner: OwnerId) -> Option<SoftwareKey> {
        self.0.get(&owner).map(|(seed, _)| key(seed + 10_000))
    }
}

fn start() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_795_000_000_000))
}

/// One owner: their client, which asks its host for everything.
#[derive(Clone, Copy)]
struct One {
    seed: u16,
    identity: IdentityId,
    agent: AgentId,
}

impl One {
    /// Takes the owner in at `host`. Their agent may speak to the first eight.
    fn join(host: &Host, seed: u16) -> Self {
        block_on(async {
            host.certify(id(seed), key(seed)).await.unwrap();
            let guest = host.party(id(seed)).await.unwrap();
            let owner = guest.kernel().owner(key(seed)).await.unwrap();
            let identity = owner.identity("work").await.unwrap();
            let contact = |seed| Region::exact(&format!("contact:{}", id(seed))).unwrap();
            let rules = (1..=8)
                .map(contact)
                .fold(Grant::new(), |rules, region| rules.allow(Action::Send, region));
            owner.grant(identity, rules).await.unwrap();
            let agent = owner.bind(identity, "assistant", "test").await.unwrap();
            Self { seed, identity, agent: agent.caller().agent() }
        })
    }

    fn id(self) -> OwnerId {
        id(self.seed)
    }

    fn handles(self, host: &Host) -> (Guest, Owner, Agent) {
        block_on(async {
            let guest = host.party(self.id()).await.unwrap();
            let owner = guest.kernel().owner(key(self.seed)).await.unwrap();
            let agent = owner.agent(self.agent).unwrap();
            (guest, owner, agent)
        })
    }

    fn shown(self) -> Presenting {
        Presenting::new(self.identity, format!("office {}", self.seed))
    }

    fn ask(self, host: &Host, peer: OwnerId) {
        let (guest, owner, _) = self.handles(host);
        block_on(guest.ask(&owner, peer, self.shown(), "about valves")).unwrap();
    }

    fn confirm(self, host: &Host, peer: OwnerId) {
        let (guest, owner, _) = self.handles(host);
        block_on(guest.confirm(&owner, peer, self.shown())).unwrap();
    }

    fn propose(self, host: &Host, peer: OwnerId, turns: u32) -> SessionId {
        let (guest, owner, _) = self.handles(host);
        let proposal = Proposal::to(peer, "2,000 valves").turns(turns);
        block_on(guest.propose(&owner, proposal)).unwrap()
    }

    fn propose_refused(self, host: &Host, peer: OwnerId) -> String {
        let (guest, owner, _) = self.handles(host);
        block_on(guest.propose(&owner, Proposal::to(peer, "more"))).unwrap_err().to_string()
    }

    fn consent(self, host: &Host, session: SessionId) {
        let (guest, owner, _) = self.handles(host);
        let digest = guest.session(session).unwrap().wording.digest;
        block_on(guest.consent(&owner, session, digest)).unwrap();
    }

    fn bond(self, host: &Host, peer: OwnerId) -> Option<Bond> {
        let guest = block_on(host.party(self.id())).unwrap();
        guest.contact(peer).map(|contact| contact.bond)
    }

    fn standing(self, host: &Host, session: SessionId) -> Option<Standing> {
        let guest = block_on(host.party(self.id())).unwrap();
        guest.session(session).map(|dialogue| dialogue.standing())
    }

    /// Says `text` if it is this side's turn.
    fn try_say(self, host: &Host, session: SessionId, text: &str) -> Result<u64, String> {
        let (guest, _, agent) = self.handles(host);
        let open = guest.open(session).map_err(|error| error.to_string())?;
        block_on(async {
            let floor = open.floor(&agent).await.map_err(|error| error.to_string())?;
            floor.say(text, Mark::Continue).await.map_err(|error| error.to_string())
        })
    }

    /// Everything said in a session: the number, whether it was said here, and the text.
    fn told(self, host: &Host, session: SessionId) -> Vec<(u64, OwnerId, String)> {
        let (guest, owner, _) = self.handles(host);
        let lines = block_on(guest.transcript(&owner, session)).unwrap();
        let each = lines
            .into_iter()
            .map(|line| (line.entry.entry.number, line.from.owner(), format!("{:?}", line.spoken)));
        each.collect()
    }
}

/// One host at its place in a simulated network.
struct Site {
    clock: ManualClock,
    host: Host,
    limits: HostLimits,
    network: SimulatedNetwork,
    seeds: Vec<u16>,
    store: Arc<dyn Store>,
    transport: SimulatedTransport,
}

impl Site {
    fn new(seeds: &[u16], network: &SimulatedNetwork, clock: &ManualClock) -> Self {
        Self::limited(seeds, (network, clock), HostLimits::default())
    }

    fn limited(
        seeds: &[u16],
        (network, clock): (&SimulatedNetwork, &ManualClock),
        limits: HostLimits,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ring = Ring::of(seeds.iter().copied());
        let hosting = Host::over(store.clone(), clock.clone(), ring).limits(limits);
        let transport = network.join(seeds.iter().map(|seed| id(*seed))).unwrap();
        let (clock, network, seeds) = (clock.clone(), network.clone(), seeds.to_vec());
        let host = hosting.open();
        Self { clock, host, limits, network, seeds, store, transport }
    }

    /// The same after a crash: all that was in memory is gone.
    fn restarted(self) -> Self {
        let Self { clock, host, limits, network, seeds, store, transport } = self;
        drop((host, transport));
        let ring = Ring::of(seeds.iter().copied());
        let hosting = Host::over(store.clone(), clock.clone(), ring).limits(limits);
        let transport = network.join(seeds.iter().map(|seed| id(*seed))).unwrap();
        let host = hosting.open();
        host.wake(seeds.iter().map(|seed| id(*seed)));
        Self { clock, host, limits, network, seeds, store, transport }
    }

    /// Takes in what came, does what can be done, sends what leaves. Says whether that was anything.
    fn turn(&self) -> usize {
        let mut did = 0;
        while let Some(arrived) = self.transport.receive_now() {
            self.host.deliver(arrived);
            did += 1;
        }
        did += block_on(self.host.work());
        for (peer, frame) in self.host.leaving() {
            // Where there is no room or no way, the frame is lost.
            _ = self.transport.send(peer, frame).now_or_never();
            did += 1;
        }
        did
    }
}

/// Lets everything happen that happens by itself, and time pass until nothing more is to be sent.
fn settle(sites: &[&Site]) {
    let (network, clock) = (&sites[0].network, &sites[0].clock);
    for _ in 0..10_000 {
        let did: usize = sites.iter().map(|site| site.turn()).sum();
        if did + usize::from(network.step().is_some()) > 0 {
            continue;
        }
        let waiting = sites.iter().filter(|site| site.tries_something());
        let Some(next) = waiting.filter_map(|site| site.host.next_at()).min() else { return };
        clock.set(next.max(clock.now().after(Duration::from_millis(1))));
    }
    panic!("it never settles");
}

impl Site {
    /// Whether anything waits for an answer.
    fn tries_something(&self) -> bool {
        self.host.desk().agenda.lanes_waiting() > 0
    }
}
