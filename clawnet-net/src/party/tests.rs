//! Parties that talk, their bytes carried by hand.
use std::{collections::VecDeque, sync::Arc};

use clawnet_core::{
    Action, Agent, Event, Grant, IdentityId, Kernel, ManualClock, MemoryStore, Owner, OwnerId,
    Refusal, Region, Signer as _, SoftwareKey, Store, Timestamp,
};
use futures::executor::block_on;

use super::*;
use crate::{
    address::Address,
    contact::Presenting,
    entry::{ENTRY, Entry, LedgerHead, Mark, SignedEntry, Turn, What},
    outbox::Place,
    said::{Refused, Said},
    talk::NoFloor,
    terms::Proposal,
    transport::Proven,
    wire::{Envelope, Letter, To},
};

mod beneath;
mod driving;
mod hostile;
mod lost;
mod outbox;
mod refused;
mod renewed;
mod story;
mod ticked;

/// One owner, with all they have.
pub(super) struct One {
    pub(super) agent: Agent,
    clock: ManualClock,
    pub(super) identity: IdentityId,
    pub(super) owner: Owner,
    pub(super) party: Party,
    seed: u8,
    store: Arc<dyn Store>,
}

fn key(seed: u8) -> SoftwareKey {
    SoftwareKey::from_secret(&[seed; 32])
}

async fn kernel(seed: u8, store: &Arc<dyn Store>, clock: &ManualClock) -> Arc<Kernel> {
    let governing = Kernel::governing(key(seed).public_key()).project::<Relations>();
    let kernel = governing.open_shared(store.clone(), clock.clone()).await.unwrap();
    kernel.sign_with(key(seed + 100));
    Arc::new(kernel)
}

pub(super) fn id(seed: u8) -> OwnerId {
    key(seed).public_key().owner()
}

impl One {
    /// The owner with this seed, whose agent may speak to the others.
    pub(super) fn new(seed: u8, clock: &ManualClock) -> Self {
        Self::over(Arc::new(MemoryStore::new()), seed, clock)
    }

    fn over(store: Arc<dyn Store>, seed: u8, clock: &ManualClock) -> Self {
        block_on(async {
            let kernel = kernel(seed, &store, clock).await;
            let owner = kernel.owner(key(seed)).await.unwrap();
            owner.certify(key(seed + 100).public_key()).await.unwrap();
            kernel.sign_with(key(seed + 100));
            let identity = owner.identity("work").await.unwrap();
            let mut rules = Grant::new();
            for other in (1..=4).filter(|other| *other != seed) {
                let contact = Region::exact(&format!("contact:{}", id(other))).unwrap();
                rules = rules.allow(Action::Send, contact);
            }
            owner.grant(identity, rules).await.unwrap();
            let agent = owner.bind(identity, "assistant", "test").await.unwrap();
            let party = Party::of(kernel).unwrap();
            Self { agent, clock: clock.clone(), identity, owner, party, seed, store }
        })
    }

    /// The same after a crash: what was in memory is gone.
    pub(super) fn restarted(self) -> Self {
        let Self { agent, clock, identity, owner, party, seed, store } = self;
        let agent = agent.caller().agent();
        drop((owner, party));
        block_on(async {
            let kernel = kernel(seed, &store, &clock).await;
            assert_eq!(kernel.damage(), None);
            let owner = kernel.owner(key(seed)).await.unwrap();
            let agent = owner.agent(agent).unwrap();
            let party = Party::of(kernel).unwrap();
            Self { agent, clock, identity, owner, party, seed, store }
        })
    }

    pub(super) fn id(&self) -> OwnerId {
        id(self.seed)
    }

    pub(super) fn net(&self) -> Relations {
        self.party.kernel().read(Relations::clone).unwrap()
    }

    fn shown(&self) -> Presenting {
        Presenting::new(self.identity, format!("office {}", self.seed))
    }

    pub(super) fn hear(&self, bytes: &[u8], from: &Self) -> Vec<Vec<u8>> {
        let link = Proven::on_the_word_of_a_transport([from.id()]);
        block_on(self.party.receive(bytes, &link))
    }

    pub(super) fn outgoing(&self, to: &Self) -> Vec<Vec<u8>> {
        block_on(self.party.outgoing(to.id()))
    }

    /// Says `text` in `session`.
    pub(super) fn say(&self, session: SessionId, text: &str, mark: Mark) -> Result<u64, String> {
        let open = self.party.open(session).map_err(|error| error.to_string())?;
        block_on(async {
            let floor = open.floor(&self.agent).await.map_err(|error| {
                let NoFloor::Refused(reason) = error else { return error.to_string() };
                reason.code().to_owned()
            })?;
            floor.say(text, mark).await.map_err(|refusal| refusal.to_string())
        })
    }

    /// The body digests of everything said, in order, with the numbers.
    pub(super) fn told(&self, session: SessionId) -> Vec<(u64, Address, Spoken)> {
        let lines = block_on(self.party.transcript(&self.owner, session)).unwrap();
        lines.into_iter().map(|it| (it.entry.entry.number, it.from, it.spoken)).collect()
    }
}

/// An entry as `one` could send it, signed and with what leads to it, but for what `edit` changes.
/// Nothing of it is in their ledger.
pub(super) fn craft(
    one: &One,
    session: SessionId,
    text: &str,
    edit: impl FnOnce(&mut Entry, &mut LedgerHead),
) -> Envelope {
    let kernel = one.party.kernel();
    let (place, shown, to) = {
        let dialogue = one.party.session(session).unwrap();
        let shown = dialogue.in_flight.back().map(|sent| sent.head.size).or(dialogue.proven);
        (Place::next(&dialogue), shown, To::Identity(dialogue.theirs()))
    };
    let Place { number, previous, session, terms } = place;
    let grown = block_on(kernel.growth(shown.unwrap_or(0))).unwrap();
    let what = What::Turn(Turn::of(text, Mark::Continue, Vec::new()));
    let mut entry = Entry { at: kernel.now(), number, previous, session, terms, what };
    let mut head = LedgerHead { root: grown.root, size: grown.size };
    edit(&mut entry, &mut head);
    let signature = kernel.vouch(ENTRY, &entry.said_at(head)).unwrap();
    let text = entry.turn().map(|_| text.to_owned());
    let signed = Box::new(SignedEntry::new(entry, head, signature));
    Envelope::new(one.id(), to, Letter::Entry { path: grown.path, signed, text })
}

/// What the ledger says was refused, from record `since` on.
pub(super) fn refusals(one: &One, since: u64) -> Vec<Refused> {
    let records = block_on(one.owner.records(since, 1000)).unwrap();
    let refused = records.into_iter().map(|record| {
        let Event::Declared { fact, .. } = record.event else { panic!("{:?}", record.event) };
        let said = fact.read::<Relations>().unwrap();
        let Said::Refused(refused) = said else { panic!("a refusal did something: {said:?}") };
        refused
    });
    refused.collect()
}

/// Carries everything between everybody until nobody has anything to say.
pub(super) fn settle(all: &[&One]) {
    for _ in 0..64 {
        let mut wire: VecDeque<(usize, usize, Vec<u8>)> = VecDeque::new();
        for (from, one) in all.iter().enumerate() {
            for (to, other) in all.iter().enumerate().filter(|(to, _)| *to != from) {
                wire.extend(one.outgoing(other).into_iter().map(|frame| (from, to, frame)));
            }
        }
        if wire.is_empty() {
            return;
        }
        let mut count = 0;
        while let Some((from, to, frame)) = wire.pop_front() {
            let answers = all[to].hear(&frame, all[from]);
            wire.extend(answers.into_iter().map(|answer| (to, from, answer)));
            count += 1;
            assert!(count < 1000, "they never stop answering");
        }
    }
    panic!("they never stop sending");
}

/// Makes contacts of two.
pub(super) fn meet(one: &One, other: &One) {
    block_on(one.party.ask(&one.owner, other.id(), one.shown(), "about valves")).unwrap();
    settle(&[one, other]);
    block_on(other.party.confirm(&other.owner, one.id(), other.shown())).unwrap();
    settle(&[one, other]);
}

/// A session both have agreed to, begun by the first.
pub(super) fn agree(one: &One, other: &One, proposal: Proposal) -> SessionId {
    let session = block_on(one.party.propose(&one.owner, proposal)).unwrap();
    settle(&[one, other]);
    let digest = other.party.session(session).unwrap().wording.digest;
    block_on(other.party.consent(&other.owner, session, digest)).unwrap();
    settle(&[one, other]);
    session
}

/// Two contacts, and a session between them.
pub(super) fn pair(turns: u32) -> (One, One, SessionId) {
    let clock = ManualClock::at(Timestamp::from_millis(1_795_000_000_000));
    let (one, other) = (One::new(1, &clock), One::new(2, &clock));
    meet(&one, &other);
    let session = agree(&one, &other, Proposal::to(other.id(), "2,000 valves").turns(turns));
    (one, other, session)
}
