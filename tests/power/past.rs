//! What the ledgers of a whole run say, read once: every shorter ledger is the front of one of them.
use std::collections::{BTreeMap, BTreeSet};

use clawnet_core::*;

use super::{
    deed::{Done, OBSERVE, Plan},
    house::House,
    work::{Journal, What},
};

/// Both ledgers, and where in them what is.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) frames: [Vec<Frame>; 2],
    /// By the operation's number: its intents, its questions, its refusals.
    deeds: BTreeMap<u64, Places>,
    /// By owner and intent: the outcome.
    outcomes: BTreeMap<(usize, u64), (u64, OutcomeKind)>,
    /// By owner and intent: the approval it spends.
    spent: BTreeMap<(usize, u64), TicketId>,
}

#[derive(Debug, Default)]
struct Places {
    intents: Vec<(usize, u64)>,
    asked: Vec<u64>,
    denied: Vec<u64>,
}

/// The number in an operation's recorded text.
pub(super) fn number(text: &OperationText) -> u64 {
    let value: serde_json::Value = serde_json::from_str(text.as_str()).unwrap();
    value["id"].as_u64().unwrap()
}

impl Past {
    /// Reads both ledgers, and holds them to what is always so.
    pub(super) fn read(house: &House) -> Self {
        let mut past = Self { frames: [house.frames(0, 1), house.frames(1, 1)], ..Self::default() };
        for owner in 0..2 {
            for frame in past.frames[owner].clone() {
                past.note(owner, &AuditRecord::from_frame(&frame).unwrap());
            }
        }
        let tickets: BTreeSet<&TicketId> = past.spent.values().collect();
        assert_eq!(tickets.len(), past.spent.len(), "an approval is spent once");
        past
    }

    /// How long the ledgers are.
    pub(super) fn lengths(&self) -> [u64; 2] {
        [0, 1].map(|owner: usize| self.frames[owner].len() as u64)
    }

    fn note(&mut self, owner: usize, record: &AuditRecord) {
        let at = record.sequence;
        let deeds = &mut self.deeds;
        match &record.event {
            Event::Intent(intent) => {
                deeds.entry(number(&intent.operation)).or_default().intents.push((owner, at));
                if let Some(ticket) = intent.approval {
                    self.spent.insert((owner, at), ticket);
                }
            }
            Event::Outcome(outcome) => {
                let before =
                    self.outcomes.insert((owner, outcome.intent), (at, outcome.result.clone()));
                assert_eq!(before, None, "an intent has one outcome");
            }
            Event::Asked(question) => {
                deeds.entry(number(&question.operation)).or_default().asked.push(at);
            }
            Event::Denied(refused) => {
                let id = number(refused.operation.as_ref().unwrap());
                deeds.entry(id).or_default().denied.push(at);
            }
            _ => {}
        }
    }

    /// Up to where the ledger has to be there for what was said to be true.
    fn needed(&self, said: &What) -> u64 {
        let places = |plan: &Plan| {
            let found = self.deeds.get(&plan.id);
            found.unwrap_or_else(|| panic!("nothing of it is recorded: {said:?}"))
        };
        let outcome = |plan: &Plan, done: bool| {
            let outcomes = places(plan).intents.iter().filter_map(|key| self.outcomes.get(key));
            let told = |result: &OutcomeKind| match result {
                OutcomeKind::Done => done,
                OutcomeKind::Failed { .. } => !done,
                _ => false,
            };
            let mut fitting = outcomes.filter(|(_, result)| told(result));
            fitting.next().unwrap_or_else(|| panic!("no such outcome is recorded: {said:?}")).0
        };
        match said {
            What::Done(plan) => outcome(plan, true),
            What::Failed(plan) => outcome(plan, false),
            What::Denied(plan) => *places(plan).denied.last().expect("a refusal is recorded"),
            What::Asked(plan) => *places(plan).asked.last().expect("a question is recorded"),
            What::Record(head) => head.sequence,
            What::Kept(_) | What::Erased(_) => 0,
        }
    }

    /// Up to where both ledgers have to be there if the power fails at this place of the tape,
    /// in a life that began with ledgers of these lengths.
    pub(super) fn floor(&self, journal: &Journal, (at, start): (usize, [u64; 2])) -> [u64; 2] {
        let mut floor = start;
        let mut raise = |owner: usize, to: u64| floor[owner] = floor[owner].max(to);
        let heard: Vec<_> = journal.said.iter().filter(|said| said.at <= at).collect();
        let durable = heard.iter().filter(|said| !said.what.is_buffered());
        let recorded =
            durable.clone().filter(|s| !matches!(s.what, What::Kept(_) | What::Erased(_)));
        // What is durable makes everything durable that was said before it was asked for.
        let certain = recorded.map(|said| said.from).max().unwrap_or(0);
        let buffered = heard.iter().filter(|said| said.what.is_buffered() && said.at <= certain);
        for said in durable.chain(buffered) {
            raise(said.owner, self.needed(&said.what));
        }
        for done in journal.done.iter().filter(|done| done.at <= at && done.effect != OBSERVE) {
            assert!(self.is_intent_of(done), "an effect without its intent: {done:?}");
            raise(done.owner, done.intent);
        }
        floor
    }

    /// Whether the intent an effect names is its own.
    fn is_intent_of(&self, done: &Done) -> bool {
        let places = self.deeds.get(&done.id);
        places.is_some_and(|places| places.intents.contains(&(done.owner, done.intent)))
    }

    /// Which intents among the first `length` records have no outcome there.
    pub(super) fn open(&self, owner: usize, length: u64) -> BTreeSet<u64> {
        let intents = self.deeds.values().flat_map(|places| &places.intents);
        let own = intents.filter(|(of, at)| *of == owner && *at <= length).map(|(_, at)| *at);
        own.filter(|at| self.outcomes.get(&(owner, *at)).is_none_or(|(end, _)| *end > length))
            .collect()
    }

    /// The approvals spent among the first `length` records.
    pub(super) fn spent(&self, owner: usize, length: u64) -> BTreeSet<TicketId> {
        let own = self.spent.iter().filter(|((of, at), _)| *of == owner && *at <= length);
        own.map(|(_, ticket)| *ticket).collect()
    }
}
