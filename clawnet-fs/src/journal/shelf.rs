//! What the store keeps, by the journal: which slot holds what, since when, and for which folder.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use clawnet_core::{Digest, Timestamp};

use super::Key;
use crate::{
    image::Image,
    label::Labels,
    step::{Slot, Step, Trade},
};

/// Every slot that holds something a change displaced.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    items: BTreeMap<Slot, Item>,
    changes: BTreeMap<Key, Vec<Slot>>,
    /// By folder, oldest first.
    ages: HashMap<Arc<str>, BTreeSet<(Timestamp, Key)>>,
    kept_bytes: HashMap<Arc<str>, u64>,
    /// How much trees hold that were about to be taken.
    weights: HashMap<Slot, u64>,
    /// The slots of changes that are open or in conflict: what they hold nobody knows.
    busy: BTreeSet<Slot>,
    /// The slots that are to be emptied.
    condemned: BTreeSet<Slot>,
}

/// What one slot holds.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    /// The change that put it there.
    pub(crate) by: Key,
    /// Which of its steps.
    pub(crate) nth: usize,
    pub(crate) since: Timestamp,
    pub(crate) size_bytes: u64,
    pub(crate) hash: Option<Digest>,
    /// The folder it came from, by the name it had.
    pub(crate) folder: Arc<str>,
    /// Whose content it is.
    pub(crate) label: Arc<str>,
}

impl Shelf {
    pub(crate) fn item(&self, slot: &Slot) -> Option<&Item> {
        self.items.get(slot)
    }

    /// All of it, by slot.
    pub(crate) fn items(&self) -> impl Iterator<Item = (&Slot, &Item)> {
        self.items.iter()
    }

    /// How much is kept of one folder.
    pub(crate) fn kept_bytes(&self, folder: &str) -> u64 {
        self.kept_bytes.get(folder).copied().unwrap_or_default()
    }

    /// The changes that put something of a folder here, oldest first.
    pub(crate) fn oldest(&self, folder: &str) -> impl Iterator<Item = (Timestamp, Key)> {
        self.ages.get(folder).into_iter().flatten().copied()
    }

    /// Every change that put something here.
    pub(crate) fn changes(&self) -> impl Iterator<Item = Key> {
        self.changes.keys().copied()
    }

    /// What a change put here, unless one of its slots is not at rest.
    pub(crate) fn at_rest(&self, by: Key) -> Option<&[Slot]> {
        let slots = self.changes.get(&by)?;
        (!slots.iter().any(|slot| self.busy.contains(slot))).then_some(slots)
    }

    pub(crate) fn is_condemned(&self, slot: &Slot) -> bool {
        self.condemned.contains(slot)
    }

    pub(crate) fn condemned(&self) -> impl Iterator<Item = &Slot> {
        self.condemned.iter()
    }

    /// A slot is empty.
    pub(super) fn emptied(&mut self, slot: &Slot) {
        self.condemned.remove(slot);
    }

    pub(super) fn weigh(&mut self, slot: Slot, size_bytes: u64) {
        self.weights.insert(slot, size_bytes);
    }

    pub(super) fn begin(&mut self, steps: &[Step]) {
        self.busy.extend(steps.iter().map(|step| step.slot.clone()));
    }

    pub(super) fn end(&mut self, steps: &[Step]) {
        for step in steps {
            self.busy.remove(&step.slot);
            self.weights.remove(&step.slot);
        }
    }

    pub(super) fn commit(&mut self, (by, since): (Key, Timestamp), steps: &[Step], all: &Labels) {
        for (nth, step) in steps.iter().enumerate() {
            let image = match left_in_slot(step) {
                Left::AsItWas => continue,
                Left::Nothing => {
                    self.take_out(&step.slot);
                    continue;
                }
                Left::Something(image) => image,
            };
            self.take_out(&step.slot);
            let unknown = || (Arc::from(""), Arc::from(""));
            let (folder, label) =
                all.of(step.path.as_str()).map_or_else(unknown, |(f, l)| (f.clone(), l.clone()));
            let weight = self.weights.remove(&step.slot);
            let size_bytes = weight.unwrap_or(image.size_bytes);
            *self.kept_bytes.entry(folder.clone()).or_default() += size_bytes;
            self.ages.entry(folder.clone()).or_default().insert((since, by));
            self.changes.entry(by).or_default().push(step.slot.clone());
            let hash = image.hash;
            let item = Item { by, nth, since, size_bytes, hash, folder, label };
            self.items.insert(step.slot.clone(), item);
        }
        self.end(steps);
    }

    pub(super) fn prune(&mut self, slots: Vec<Slot>) {
        for slot in slots {
            self.take_out(&slot);
            self.condemned.insert(slot);
        }
    }

    fn take_out(&mut self, slot: &Slot) {
        let Some(item) = self.items.remove(slot) else { return };
        if let Some(kept) = self.kept_bytes.get_mut(&item.folder) {
            *kept = kept.saturating_sub(item.size_bytes);
        }
        let Some(slots) = self.changes.get_mut(&item.by) else { return };
        slots.retain(|other| other != slot);
        let items = &self.items;
        let folder = |slot: &Slot| items.get(slot).map(|item| &item.folder);
        if !slots.iter().any(|slot| folder(slot) == Some(&item.folder))
            && let Some(ages) = self.ages.get_mut(&item.folder)
        {
            ages.remove(&(item.since, item.by));
        }
        if slots.is_empty() {
            self.changes.remove(&item.by);
        }
    }
}

/// What a step leaves in its slot.
enum Left<'s> {
    Something(&'s Image),
    Nothing,
    /// It does not touch its slot.
    AsItWas,
}

fn left_in_slot(step: &Step) -> Left<'_> {
    match &step.trade {
        Trade::Exchange { before, .. } | Trade::Take { before } => Left::Something(before),
        Trade::Place { .. } => Left::Nothing,
        Trade::Shift { .. } => Left::AsItWas,
    }
}
