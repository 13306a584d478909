//! Commands about the way between owners: what arrives, in which order, and what never does; and
//! about the kernels at its ends.
use clawnet_net::Proven;
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    letter::{answered, carried, described},
    step::Step,
    trouble::Trouble,
    wire::{Flight, Which},
    world::World,
};

/// How many messages may arrive by one command.
const DELIVERED_MAX: usize = 10_000;

/// Puts everything that anybody wants to send on the wire.
pub(super) fn collect(world: &mut World) -> Result<(), Trouble> {
    let all = world.everybody();
    for from in &all {
        let principal = world.principal_named(from)?;
        // Who signs nothing yet, or was put away, sends nothing.
        let Some(party) = principal.is_open().then(|| principal.party().ok()).flatten() else {
            continue;
        };
        for to in all.iter().filter(|to| *to != from) {
            let peer = world.names.owner(to)?;
            for bytes in block_on(party.outgoing(peer)) {
                world.wire.put(Flight { from: from.clone(), to: to.clone(), bytes });
            }
        }
    }
    Ok(())
}

/// Hands a message to whom it goes to, over the link of `link`, and gives the answers.
pub(super) fn hand_over(
    world: &mut World,
    flight: &Flight,
    link: &str,
) -> Result<Vec<Vec<u8>>, Trouble> {
    let party = world.party(Some(&flight.to))?;
    let proven = Proven::on_the_word_of_a_transport([world.names.owner(link)?]);
    Ok(block_on(party.receive(&flight.bytes, &proven)))
}

/// A message, and whose it is.
fn shown(flight: &Flight) -> Map<String, Value> {
    let mut fields = described(&flight.bytes);
    fields.insert("from".into(), flight.from.as_str().into());
    fields.insert("to".into(), flight.to.as_str().into());
    fields
}

/// Lets messages arrive, and the answers to them, until nobody has anything to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliverStep {
    count: Option<usize>,
    from: Option<String>,
    to: Option<String>,
}

/// What arrived.
#[derive(Default)]
struct Report {
    delivered: usize,
    lost: usize,
    messages: Vec<Value>,
    refused: Vec<Value>,
    woke: Vec<String>,
}

impl DeliverStep {
    fn next(&self, world: &World) -> Option<usize> {
        let fits =
            |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|it| it == name);
        let all = world.wire.flights().iter();
        all.enumerate()
            .find(|(_, flight)| fits(&self.from, &flight.from) && fits(&self.to, &flight.to))
            .map(|(place, _)| place)
    }
}

impl Step for DeliverStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        for name in self.from.iter().chain(&self.to) {
            world.names.owner(name)?;
        }
        let mut report = Report::default();
        while self.count.is_none_or(|count| report.delivered + report.lost < count) {
            if self.next(world).is_none() {
                collect(world)?;
            }
            let Some(place) = self.next(world) else { break };
            let flight = world.wire.take(place)?;
            report.arrive(world, flight)?;
            if report.delivered > DELIVERED_MAX {
                return Err(Trouble::Said("they never stop answering".into()));
            }
        }
        collect(world)?;
        Ok(json!({
            "delivered": report.delivered,
            "lost": report.lost,
            "messages": report.messages,
            "refused": report.refused,
            "woke": report.woke,
            "left": world.wire.flights().len(),
        }))
    }
}

impl Report {
    fn arrive(&mut self, world: &mut World, flight: Flight) -> Result<(), Trouble> {
        if world.wire.is_cut(&flight) {
            self.lost += 1;
            return Ok(());
        }
        if world.wake(&flight.to)? {
            self.woke.push(flight.to.clone());
        }
        let answers = hand_over(world, &flight, &flight.from)?;
        self.delivered += 1;
        let mut fields = shown(&flight);
        let kind = fields.get("carries").and_then(Value::as_str).unwrap_or_default();
        if !["taken", "refused"].contains(&kind) {
            fields.extend(answered(&answers));
            let list =
                if fields.contains_key("refused") { &mut self.refused } else { &mut self.messages };
            list.push(Value::Object(fields));
        }
        let Flight { from, to, .. } = flight;
        for bytes in answers {
            world.wire.put(Flight { from: to.clone(), to: from.clone(), bytes });
        }
        Ok(())
    }
}

/// What is on its way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireStep {}

impl Step for WireStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        collect(world)?;
        let all = world.wire.flights().iter().map(|flight| Value::Object(shown(flight)));
        Ok(json!({"wire": all.collect::<Vec<_>>()}))
    }
}

/// The place of a message on the wire, after everybody put theirs there.
pub(super) fn find(world: &mut World, which: &Which) -> Result<usize, Trouble> {
    collect(world)?;
    world.wire.place(which, |flight| carried(&flight.bytes))
}

/// Loses a message, or everything that is on its way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoseStep {
    which: Option<Which>,
}

impl Step for LoseStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut lost = Vec::new();
        if let Some(which) = &self.which {
            let place = find(world, which)?;
            lost.push(Value::Object(shown(&world.wire.take(place)?)));
        } else {
            collect(world)?;
            while let Ok(flight) = world.wire.take(0) {
                lost.push(Value::Object(shown(&flight)));
            }
        }
        Ok(json!({"lost": lost}))
    }
}

/// Sends a message a second time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DoubleStep {
    which: Which,
}

impl Step for DoubleStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let place = find(world, &self.which)?;
        world.wire.double(place);
        let doubled = world.wire.flights().get(place).map(shown);
        Ok(json!({"doubled": doubled}))
    }
}

/// Lets some messages overtake the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReorderStep {
    order: Vec<usize>,
}

impl Step for ReorderStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        collect(world)?;
        world.wire.reorder(&self.order)?;
        let all = world.wire.flights().iter().map(|flight| carried(&flight.bytes));
        Ok(json!({"wire": all.collect::<Vec<_>>()}))
    }
}

/// Loses everything between two owners from here on, or one way.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartitionStep {
    from: String,
    to: String,
    #[serde(default)]
    one_way: bool,
}

impl Step for PartitionStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (from, to) = (world.name_of(Some(&self.from))?, world.name_of(Some(&self.to))?);
        world.wire.cut(&from, &to);
        if !self.one_way {
            world.wire.cut(&to, &from);
        }
        Ok(json!({"parted": [from, to]}))
    }
}

/// Mends every way. What may have been lost on it is sent again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealStep {}

impl Step for HealStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let healed = world.wire.heal();
        for (from, to) in &healed {
            let peer = world.names.owner(to)?;
            world.party(Some(from))?.again(peer);
        }
        Ok(json!({"healed": healed}))
    }
}

/// Sends everything again that the others are not known to have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResendStep {
    by: Option<String>,
}

impl Step for ResendStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let from = world.name_of(self.by.as_deref())?;
        let party = world.party(Some(&from))?;
        for peer in party.due() {
            party.again(peer);
        }
        collect(world)?;
        let own = world.wire.flights().iter().filter(|flight| flight.from == from);
        Ok(json!({"wire": own.map(|flight| Value::Object(shown(flight))).collect::<Vec<_>>()}))
    }
}

/// Closes one owner's kernel. It is opened when somebody wants it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PutAwayStep {
    owner: String,
}

impl Step for PutAwayStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        // What it had to say is on its way by then.
        collect(world)?;
        world.principal_named(&self.owner)?.close();
        Ok(json!({"put_away": self.owner}))
    }
}

/// Opens it again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WakeStep {
    owner: String,
}

impl Step for WakeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        Ok(json!({"woke": world.wake(&self.owner)?}))
    }
}

/// Ends what is over by time, and tells the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TickStep {
    by: Option<String>,
}

impl Step for TickStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut over = Map::new();
        let all = match &self.by {
            Some(name) => vec![name.clone()],
            None => world.everybody(),
        };
        for name in all {
            let Ok(party) = world.party(Some(&name)) else { continue };
            let ended = block_on(party.tick()).map_err(|error| Trouble::said(&error))?;
            over.insert(name, json!(ended));
        }
        Ok(json!({"over": over}))
    }
}
