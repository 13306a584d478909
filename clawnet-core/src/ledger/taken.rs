//! The block that is not in the store yet: what its records can be found by, in memory.
use std::collections::{BTreeSet, HashMap};

use smallvec::SmallVec;

use super::{
    postings::{
        BLOCK, Follower, block_of, follower_entries, list_entry, mark_entry, offset_of, time_entry,
    },
    terms::{self, Glance, Seen, SeenIntent, Term, Text},
};
use crate::{
    id::AgentId,
    policy::AgentState,
    record::{Actor, AuditRecord, Event},
    rule::Verdict,
    store::{Frame, Head, IndexEntry},
};

/// What was taken in of a ledger: everything to `mark` is in the store, what follows is here.
#[derive(Debug)]
pub(super) struct Taken {
    /// The mark was compared with the store's since the ledger was opened.
    pub(super) known: bool,
    mark: Head,
    head: Head,
    first_at: u64,
    places: HashMap<Term, Place>,
    lists: Vec<Vec<u16>>,
    followers: BTreeSet<Follower>,
    bound: HashMap<AgentId, Option<AgentState>>,
    seen: Memory,
}

impl Default for Taken {
    fn default() -> Self {
        let mut nothing = Self::up_to(Head::EMPTY);
        nothing.known = false;
        nothing
    }
}

/// Which of the lists.
type Place = usize;
type Places = SmallVec<[Place; 6]>;

/// What texts come to, so that each is parsed and hashed once a block.
#[derive(Debug, Default)]
struct Memory {
    actors: HashMap<Box<str>, Places>,
    kinds: HashMap<Box<str>, Places>,
    resources: HashMap<Box<str>, Places>,
    rules: HashMap<Box<str>, Places>,
}

impl Taken {
    /// All that is in the store, up to `mark`, and nothing after it.
    pub(super) fn up_to(mark: Head) -> Self {
        Self {
            known: true,
            mark,
            head: mark,
            first_at: 0,
            places: HashMap::new(),
            lists: Vec::new(),
            followers: BTreeSet::new(),
            bound: HashMap::new(),
            seen: Memory::default(),
        }
    }

    /// The last record in the store's part.
    pub(super) fn mark(&self) -> Head {
        self.mark
    }

    /// The last record taken in.
    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// The block in memory.
    pub(super) fn block(&self) -> u64 {
        block_of(self.mark.sequence.saturating_add(1))
    }

    /// Whether the block is complete, and belongs into the store.
    pub(super) fn is_full(&self) -> bool {
        self.head.sequence >= self.mark.sequence.saturating_add(BLOCK)
    }

    /// The records of the block that have `term`.
    pub(super) fn list(&self, term: Term) -> Vec<u16> {
        let place = self.places.get(&term);
        place.and_then(|place| self.lists.get(*place)).cloned().unwrap_or_default()
    }

    /// What the block tells of `intent`.
    pub(super) fn followers(&self, intent: u64) -> impl Iterator<Item = u64> {
        let range = (intent, 0)..=(intent, u64::MAX);
        self.followers.range(range).map(|(_, follower)| *follower)
    }

    /// The time of the block's first record, if it has one.
    pub(super) fn first_at(&self) -> Option<u64> {
        (self.head.sequence > self.mark.sequence).then_some(self.first_at)
    }

    /// Takes the next record in, or says how which agent was bound it has to be told first.
    pub(super) fn absorb(&mut self, frame: &Frame) -> Result<(), AgentId> {
        let offset = offset_of(frame.sequence);
        let at = match Glance::at(frame) {
            Some(Glance { actor, at, event: Seen::Intent(intent) }) => {
                let actor = self.actor(&actor)?;
                self.add(&actor, offset);
                self.intent(&intent, offset);
                at
            }
            Some(Glance { at, event: Seen::Declared(declared), .. }) => {
                if let Some(body) = declared.body {
                    self.add_term(Term::body(body), offset);
                }
                at
            }
            Some(Glance { at, event: Seen::Outcome(outcome), .. }) => {
                if let Some(evidence) = outcome.evidence {
                    self.add_term(Term::body(evidence), offset);
                }
                self.follow(outcome.intent, frame.sequence);
                at
            }
            None => self.absorb_whole(frame)?,
        };
        if self.head.sequence == self.mark.sequence {
            self.first_at = at;
        }
        self.head = Head::after(frame);
        Ok(())
    }

    /// Tells how `agent` was bound, if anybody knows.
    pub(super) fn tell(&mut self, agent: AgentId, bound: Option<AgentState>) {
        self.bound.insert(agent, bound);
    }

    /// The block as the store is to keep it.
    pub(super) fn entries(&self) -> Vec<IndexEntry> {
        let block = self.block();
        let lists = self
            .places
            .iter()
            .filter_map(|(term, place)| Some(list_entry(*term, block, self.lists.get(*place)?)));
        let mut entries: Vec<_> = lists.collect();
        let followers: Vec<_> = self.followers.iter().copied().collect();
        entries.extend(follower_entries(block, &followers));
        entries.push(time_entry(block, self.first_at));
        entries.push(mark_entry(self.head));
        entries
    }

    fn absorb_whole(&mut self, frame: &Frame) -> Result<u64, AgentId> {
        // What is no record is found by nothing: verifying says what is wrong with it.
        let Ok(record) = AuditRecord::from_frame(frame) else { return Ok(self.first_at) };
        let deed = matches!(record.event, Event::Asked(_) | Event::Denied(_) | Event::Intent(_));
        let bound = match record.actor {
            Actor::Agent { agent, .. } if deed => self.bound.get(&agent).ok_or(agent)?.as_ref(),
            Actor::Agent { .. } | Actor::Kernel | Actor::Owner => None,
        };
        let terms = terms::of(&record, bound);
        for term in terms {
            self.add_term(term, offset_of(record.sequence));
        }
        if let Event::Recalled { intent, .. } = record.event {
            self.follow(intent, record.sequence);
        }
        Ok(record.at.as_millis())
    }

    fn intent(&mut self, intent: &SeenIntent<'_>, offset: u16) {
        let kind = self.memory(
            |seen| &mut seen.kinds,
            &intent.kind,
            |kind| smallvec::smallvec![Term::verdict(Verdict::Allow), Term::kind(kind)],
        );
        self.add(&kind, offset);
        for (_, resource) in &intent.demands {
            let places = self.memory(
                |seen| &mut seen.resources,
                &resource.0,
                |text| {
                    let resource = text.parse().ok();
                    resource.iter().flat_map(Term::of_resource).collect()
                },
            );
            self.add(&places, offset);
        }
        for rule in &intent.rules {
            let places = self.memory(
                |seen| &mut seen.rules,
                &rule.0,
                |_| rule.grant().into_iter().map(Term::grant).collect(),
            );
            self.add(&places, offset);
        }
        if let Some(term) = intent.cause.as_ref().and_then(Text::cause) {
            self.add_term(term, offset);
        }
        if let Some(ticket) = intent.approval {
            self.add_term(Term::ticket(ticket), offset);
        }
    }

    fn actor(&mut self, text: &str) -> Result<Places, AgentId> {
        if let Some(places) = self.seen.actors.get(text) {
            return Ok(places.clone());
        }
        let Some(actor) = Actor::of_text(text) else { return Ok(Places::new()) };
        let Actor::Agent { agent, .. } = actor else { return Ok(Places::new()) };
        let terms = Term::of_actor(actor, self.bound.get(&agent).ok_or(agent)?.as_ref());
        Ok(self.memory(|seen| &mut seen.actors, text, |_| terms))
    }

    /// What `text` came to before, or comes to now.
    fn memory(
        &mut self,
        of: impl Fn(&mut Memory) -> &mut HashMap<Box<str>, Places>,
        text: &str,
        terms: impl FnOnce(&str) -> terms::Terms,
    ) -> Places {
        if let Some(places) = of(&mut self.seen).get(text) {
            return places.clone();
        }
        let places: Places = terms(text).into_iter().map(|term| self.place(term)).collect();
        of(&mut self.seen).insert(text.into(), places.clone());
        places
    }

    fn follow(&mut self, intent: u64, follower: u64) {
        // What comes next is looked at anyway.
        if follower != intent.saturating_add(1) {
            self.followers.insert((intent, follower));
        }
    }

    fn place(&mut self, term: Term) -> Place {
        let next = self.lists.len();
        let place = *self.places.entry(term).or_insert(next);
        if place == next {
            self.lists.push(Vec::new());
        }
        place
    }

    fn add_term(&mut self, term: Term, offset: u16) {
        let place = self.place(term);
        self.add(&[place], offset);
    }

    fn add(&mut self, places: &[Place], offset: u16) {
        for place in places {
            // A record that names a thing twice is found once.
            if let Some(list) = self.lists.get_mut(*place)
                && list.last() != Some(&offset)
            {
                list.push(offset);
            }
        }
    }
}
