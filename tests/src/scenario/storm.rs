//! A network with faults by chance, from a seed: everything is sent until everything arrived.
use std::collections::BTreeMap;

use clawnet_core::OwnerId;
use clawnet_net::{Counts, Faults, Party, SimulatedNetwork, SimulatedTransport, Transport as _};
use futures::{FutureExt as _, executor::block_on};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{carrying::collect, step::Step, trouble::Trouble, world::World};

/// Carries everything over a network that loses, doubles, reorders and spoils, each in so many of a
/// thousand, and sends it again until nobody has anything to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StormStep {
    seed: u64,
    #[serde(default)]
    lose: u16,
    #[serde(default)]
    double: u16,
    #[serde(default)]
    reorder: u16,
    #[serde(default)]
    flip: u16,
    #[serde(default)]
    truncate: u16,
    #[serde(default = "often")]
    rounds: u32,
}

fn often() -> u32 {
    256
}

/// Everybody's side, and their way to the others.
struct Hosts {
    network: SimulatedNetwork,
    hosts: BTreeMap<OwnerId, (Party, SimulatedTransport)>,
}

impl Step for StormStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let faults = Faults::none()
            .losing(self.lose)
            .doubling(self.double)
            .reordering(self.reorder)
            .flipping(self.flip)
            .truncating(self.truncate);
        let mut hosts = Hosts::new(world, SimulatedNetwork::new(self.seed, faults))?;
        collect(world)?;
        while let Ok(flight) = world.wire.take(0) {
            let (from, to) = (world.names.owner(&flight.from)?, world.names.owner(&flight.to)?);
            hosts.send(from, to, flight.bytes);
        }
        hosts.pump();
        let mut rounds = 0;
        while rounds < self.rounds && hosts.send_all() {
            hosts.pump();
            rounds += 1;
        }
        let Counts { sent, arrived, lost, doubled, reordered, flipped, truncated, .. } =
            hosts.network.counts();
        Ok(json!({
            "quiet": rounds < self.rounds,
            "rounds": rounds,
            "counts": {
                "sent": sent, "arrived": arrived, "lost": lost, "doubled": doubled,
                "reordered": reordered, "flipped": flipped, "truncated": truncated,
            },
        }))
    }
}

impl Hosts {
    fn new(world: &mut World, network: SimulatedNetwork) -> Result<Self, Trouble> {
        let mut hosts = BTreeMap::new();
        for name in world.everybody() {
            let owner = world.names.owner(&name)?;
            let Ok(party) = world.party(Some(&name)) else { continue };
            let transport = network.join([owner]).map_err(|error| Trouble::said(&error))?;
            hosts.insert(owner, (party, transport));
        }
        Ok(Self { network, hosts })
    }

    /// What finds no room at once is lost, as by any network.
    fn send(&self, from: OwnerId, to: OwnerId, frame: Vec<u8>) {
        if let Some((_, transport)) = self.hosts.get(&from) {
            _ = transport.send(to, frame).now_or_never();
        }
    }

    /// Sends everything that is not known to have arrived, and says whether there was anything.
    fn send_all(&mut self) -> bool {
        let mut frames = Vec::new();
        for (from, (party, _)) in &self.hosts {
            for to in self.hosts.keys().filter(|to| *to != from) {
                party.again(*to);
                let each = block_on(party.outgoing(*to)).into_iter();
                frames.extend(each.map(|frame| (*from, *to, frame)));
            }
        }
        let any = !frames.is_empty();
        for (from, to, frame) in frames {
            self.send(from, to, frame);
        }
        any
    }

    /// Lets everything arrive, and everything that is answered.
    fn pump(&self) {
        while self.network.on_the_way() > 0 {
            self.network.deliver();
            for (own, (party, transport)) in &self.hosts {
                while let Some(arrived) = transport.receive_now() {
                    let answers = block_on(party.receive(&arrived.frame, &arrived.proven));
                    let back = arrived.proven.owners().first().copied();
                    for answer in answers {
                        if let Some(back) = back {
                            self.send(*own, back, answer);
                        }
                    }
                }
            }
        }
    }
}
