//! What the journal's records fold to: a row for every change, and where its steps are written.
//!
//! A row is small and of one size, whatever the change did: the steps stay in the file and are read
//! when somebody wants them. So the most changes a journal takes bound its memory.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use clawnet_core::{AgentId, IdentityId, OwnerId, Timestamp};

use super::{Event, Key, Opened, Shelf, Told, Who};
use crate::{
    label::Labels,
    step::{Slot, Step},
};

/// Every change by its key, and by whose it is.
#[derive(Debug, Default)]
pub(crate) struct History {
    rows: BTreeMap<Key, Row>,
    /// The changes whose end is not recorded, whole. At most one but for what a crash left.
    open: BTreeMap<Key, Change>,
    own: HashMap<(OwnerId, IdentityId), Own>,
    who: Names<Who>,
    kinds: Names<str>,
    /// Which label each folder had, each time that changed.
    labels: Vec<Labels>,
    told: Told,
    shelf: Shelf,
}

/// One change, without its steps.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) state: State,
    pub(crate) raced: bool,
    pub(crate) recovered: bool,
    /// The intents it undoes, in the order they are undone.
    pub(crate) reverses: Box<[u64]>,
    /// Of a change that takes back others: the changes whose steps it was the last to make, forth
    /// or back. Another may take back only some of them.
    pub(crate) roots: Box<[u64]>,
    /// The record that has the steps: of a change that is done, as they were found and left.
    pub(super) mark: Mark,
    who: u32,
    kind: u32,
    /// How many times labels were recorded before it.
    labels: u32,
}

impl Row {
    /// What of a change was not taken back.
    pub(crate) fn in_force(&self, change: Change) -> Change {
        if self.reverses.is_empty() { change } else { change.only(&self.roots) }
    }
}

/// Where a record is in the file, and what it was when it was read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    /// Half of its digest.
    pub(super) seal: [u8; 16],
}

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) by: Key,
    pub(crate) who: Arc<Who>,
    pub(crate) at: Timestamp,
    pub(crate) kind: Arc<str>,
    pub(crate) state: State,
    /// The intents it undoes, in the order they are undone.
    pub(crate) reverses: Vec<u64>,
    /// As they were found and left, once it is done. Of a change that takes back others, and that
    /// was taken back in part: all of them.
    pub(crate) steps: Vec<Step>,
}

impl Change {
    /// The changes whose steps it made, forth or back. Usually only itself.
    pub(crate) fn roots(&self) -> Vec<u64> {
        roots(&self.steps)
    }

    /// Only the steps of these.
    pub(crate) fn only(mut self, roots: &[u64]) -> Self {
        self.steps.retain(|step| step.slot.intent().is_some_and(|root| roots.contains(&root)));
        self
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its intent is the last that is known.
    Open,
    Done,
    /// Done, and taken back by a later change.
    Undone,
    /// Done, and what it kept is kept no longer.
    Expired,
    Aborted,
    /// Half way, for the owner to look at.
    Conflict,
}

/// Which changes of one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which<'a> {
    All,
    OfCause(&'a str),
    OfJob(&'a str),
    OfAgent(AgentId),
}

/// What one identity did, by intent and so by time: the kernel's clock does not fall.
#[derive(Debug, Default)]
struct Own {
    all: Vec<u64>,
    causes: HashMap<Box<str>, Vec<u64>>,
    jobs: HashMap<Box<str>, Vec<u64>>,
    agents: HashMap<AgentId, Vec<u64>>,
}

impl Own {
    fn add(&mut self, who: &Who, intent: u64) {
        put(&mut self.all, intent);
        put(self.agents.entry(who.agent).or_default(), intent);
        for (named, all) in [(&who.job, &mut self.jobs), (&who.cause, &mut self.causes)] {
            let Some(name) = named else { continue };
            if let Some(intents) = all.get_mut(name.as_str()) {
                put(intents, intent);
            } else {
                all.insert(name.as_str().into(), vec![intent]);
            }
        }
    }

    fn of(&self, which: Which<'_>) -> &[u64] {
        match which {
            Which::All => &self.all,
            Which::OfCause(cause) => self.causes.get(cause).map_or(&[], Vec::as_slice),
            Which::OfJob(job) => self.jobs.get(job).map_or(&[], Vec::as_slice),
            Which::OfAgent(agent) => self.agents.get(&agent).map_or(&[], Vec::as_slice),
        }
    }
}

/// Intents nearly come in order: two that were ordered at once may be recorded the other way round.
fn put(intents: &mut Vec<u64>, intent: u64) {
    let place = intents.partition_point(|known| *known < intent);
    intents.insert(place, intent);
}

static NO_LABELS: Labels = Labels::none();

impl History {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    #[cfg(test)]
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }

    pub(crate) fn get(&self, by: Key) -> Option<&Row> {
        self.rows.get(&by)
    }

    /// The change an identity made at an intent. Another identity's is as unknown as none.
    pub(crate) fn of_identity(&self, identity: IdentityId, intent: u64) -> Option<(Key, &Row)> {
        let from = Key { intent, owner: OwnerId::from_bytes([0; 16]) };
        let to = Key { intent, owner: OwnerId::from_bytes([0xff; 16]) };
        let mut found = self.rows.range(from..=to).map(|(by, row)| (*by, row));
        found.find(|(_, row)| self.who(row).is_some_and(|who| who.identity == identity))
    }

    /// What one identity did, newest first, below the intent `before`.
    pub(crate) fn newest(
        &self,
        (owner, identity): (OwnerId, IdentityId),
        which: Which<'_>,
        before: u64,
    ) -> impl Iterator<Item = (Key, &Row)> {
        let intents = self.own.get(&(owner, identity)).map_or(&[][..], |own| own.of(which));
        let end = intents.partition_point(|intent| *intent < before);
        let below = intents.get(..end).unwrap_or_default().iter().rev();
        below.filter_map(move |intent| {
            let by = Key { intent: *intent, owner };
            self.rows.get(&by).map(|row| (by, row))
        })
    }

    /// The first intent of an identity that was recorded after `until`, or one beyond all.
    pub(crate) fn after(&self, whose: (OwnerId, IdentityId), until: Timestamp) -> u64 {
        let intents = self.own.get(&whose).map_or(&[][..], |own| &own.all);
        let is_by_then = |intent: &u64| {
            let by = Key { intent: *intent, owner: whose.0 };
            self.rows.get(&by).is_some_and(|row| row.at <= until)
        };
        intents.get(intents.partition_point(is_by_then)).copied().unwrap_or(u64::MAX)
    }

    /// Which label each folder has had since the last record of them.
    pub(crate) fn labels(&self) -> Option<&Labels> {
        self.labels.last()
    }

    /// Which label each folder had at a change.
    pub(crate) fn labels_of(&self, row: &Row) -> &Labels {
        let last = usize::try_from(row.labels).ok().and_then(|count| count.checked_sub(1));
        last.and_then(|nth| self.labels.get(nth)).unwrap_or(&NO_LABELS)
    }

    /// Which run was told what.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    /// What the store keeps.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn emptied(&mut self, slot: &Slot) {
        self.shelf.emptied(slot);
    }

    pub(crate) fn who(&self, row: &Row) -> Option<&Arc<Who>> {
        self.who.get(row.who)
    }

    pub(crate) fn kind(&self, row: &Row) -> Option<&Arc<str>> {
        self.kinds.get(row.kind)
    }

    /// A change whose end is not recorded.
    pub(super) fn opened(&self, by: Key) -> Option<&Change> {
        self.open.get(&by)
    }

    /// The changes whose end is not recorded.
    pub(crate) fn open(&self) -> Vec<Change> {
        self.open.values().cloned().collect()
    }

    pub(super) fn fold(&mut self, event: Event, mark: Mark) {
        match event {
            Event::Begin { .. } => {}
            Event::Intent(opened) => self.begin(opened, mark),
            Event::Commit { by, raced, recovered, steps } => {
                let at = self.rows.get(&by).map(|row| row.at).unwrap_or_default();
                let labels = self.rows.get(&by).map(|row| self.labels_of(row).clone());
                self.shelf.commit((by, at), &steps, &labels.unwrap_or_default());
                let ended = self.end(by, State::Done).map(|row| {
                    (row.raced, row.recovered, row.mark) = (raced, recovered, mark);
                    (row.reverses.clone(), row.roots.clone())
                });
                let (reverses, roots) = ended.unwrap_or_default();
                for intent in reverses {
                    self.take_back(Key { intent, owner: by.owner }, &roots);
                }
            }
            Event::Abort { by, .. } => {
                if let Some(change) = self.open.get(&by) {
                    self.shelf.end(&change.steps);
                }
                self.end(by, State::Aborted);
            }
            Event::Conflict { by, .. } => drop(self.end(by, State::Conflict)),
            Event::Labels(labels) => self.labels.push(labels),
            Event::Told { owner, who, label } => self.told.add(owner, &who, &label),
            Event::Weighed { slot, size_bytes } => self.shelf.weigh(slot, size_bytes),
            Event::Pruned { by, slots } => {
                self.shelf.prune(slots);
                self.end(by, State::Expired);
            }
        }
    }

    /// Of a change, what has these roots is taken back.
    fn take_back(&mut self, by: Key, roots: &[u64]) {
        let Some(row) = self.rows.get_mut(&by) else { return };
        row.roots = row.roots.iter().copied().filter(|root| !roots.contains(root)).collect();
        if row.roots.is_empty() {
            row.state = State::Undone;
        }
    }

    fn begin(&mut self, opened: Opened, mark: Mark) {
        let Opened { by, who, at, kind, reverses, steps } = opened;
        if let Some(own) = self.own.get_mut(&(by.owner, who.identity)) {
            own.add(&who, by.intent);
        } else {
            let mut own = Own::default();
            own.add(&who, by.intent);
            self.own.insert((by.owner, who.identity), own);
        }
        let (nth_who, who) = self.who.number(Arc::new(who));
        let (nth_kind, kind) = self.kinds.number(kind.into());
        let state = State::Open;
        let row = Row {
            at,
            state,
            raced: false,
            recovered: false,
            roots: if reverses.is_empty() { Box::default() } else { roots(&steps).into() },
            reverses: reverses.clone().into(),
            mark,
            who: nth_who,
            kind: nth_kind,
            labels: u32::try_from(self.labels.len()).unwrap_or(u32::MAX),
        };
        self.shelf.begin(&steps);
        self.rows.insert(by, row);
        self.open.insert(by, Change { by, who, at, kind, state, reverses, steps });
    }

    fn end(&mut self, by: Key, state: State) -> Option<&mut Row> {
        self.open.remove(&by);
        let row = self.rows.get_mut(&by)?;
        row.state = state;
        Some(row)
    }
}

/// The changes that first made these steps, each once, in order.
pub(crate) fn roots(steps: &[Step]) -> Vec<u64> {
    let mut roots: Vec<u64> = steps.iter().filter_map(|step| step.slot.intent()).collect();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// What is said again and again, once.
#[derive(Debug)]
struct Names<T: ?Sized> {
    all: Vec<Arc<T>>,
    numbers: HashMap<Arc<T>, u32>,
}

impl<T: ?Sized> Default for Names<T> {
    fn default() -> Self {
        Self { all: Vec::new(), numbers: HashMap::new() }
    }
}

impl<T: ?Sized + Eq + std::hash::Hash> Names<T> {
    fn number(&mut self, name: Arc<T>) -> (u32, Arc<T>) {
        if let Some((known, number)) = self.numbers.get_key_value(&name) {
            return (*number, known.clone());
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(name.clone());
        self.numbers.insert(name.clone(), number);
        (number, name)
    }

    fn get(&self, number: u32) -> Option<&Arc<T>> {
        self.all.get(usize::try_from(number).ok()?)
    }
}
