//! The files of a simulated disk: what is read from the cache, and what of it is certain.
use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::fate::{Dice, Fate};

/// Files by their names. Cheap to copy: files are shared until they are changed.
#[derive(Debug, Clone, Default)]
pub struct Platter(BTreeMap<Arc<str>, Entry>);

#[derive(Debug, Clone, Default)]
struct Entry {
    now: Option<File>,
    before: Before,
}

/// What a power cut may put back in place of a file.
#[derive(Debug, Clone, Default)]
enum Before {
    /// Nothing else: the name is certain.
    #[default]
    Certain,
    /// The file it was, or its absence.
    Was(Option<File>),
}

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Arc<Vec<u8>>,
    /// Written and not flushed.
    pending: Vec<Range<usize>>,
    /// Dropped by a flush that failed: the cache shows it, and no later flush writes it.
    lost: Vec<Range<usize>>,
}

/// A change of one file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Create,
    Append(Arc<[u8]>),
    /// Of the same bytes that are there.
    Rewrite(Range<usize>),
    Sync,
    Truncate(usize),
    Keep(Arc<[u8]>),
    Remove,
}

/// How a change ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Done,
    /// With so many 256ths of it done all the same.
    Failed {
        done: usize,
    },
}

impl Platter {
    /// The bytes of a file, as the cache shows them.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Arc<Vec<u8>>> {
        Some(self.0.get(name)?.now.as_ref()?.bytes.clone())
    }

    /// The names in `folder`, without it.
    #[must_use]
    pub fn list(&self, folder: &str) -> Vec<String> {
        let present = self.0.iter().filter(|(_, entry)| entry.now.is_some());
        let names = present.filter_map(|(name, _)| name.strip_prefix(folder)?.strip_prefix('/'));
        names.map(str::to_owned).collect()
    }

    /// Whether a power cut leaves exactly this.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.0.values().all(|entry| {
            let certain = |file: &File| file.pending.is_empty() && file.lost.is_empty();
            matches!(entry.before, Before::Certain) && entry.now.as_ref().is_none_or(certain)
        })
    }

    /// What a power cut leaves of it: certain from then on.
    #[must_use]
    pub fn after(&self, fate: Fate, seed: u64) -> Self {
        let survivors = self.0.iter().filter_map(|(name, entry)| {
            let mut dice = Dice::of(&[seed, fate.number().into()], name);
            let file = match &entry.before {
                Before::Was(before) if !fate.keeps_name(&mut dice) => before.as_ref(),
                Before::Was(_) | Before::Certain => entry.now.as_ref(),
            };
            let now = Some(file?.after(fate, &mut dice));
            Some((name.clone(), Entry { now, before: Before::Certain }))
        });
        Self(survivors.collect())
    }

    /// Whether the same files are shown. Quick where they are shared.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let shown = |(name, entry): (&Arc<str>, &Entry)| {
            entry.now.as_ref().map(|file| (name.clone(), file.bytes.clone()))
        };
        let (mut ours, mut theirs) =
            (self.0.iter().filter_map(shown), other.0.iter().filter_map(shown));
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some((name, bytes)), Some((other, others))) => {
                    let same = Arc::ptr_eq(&bytes, &others) || bytes == others;
                    if name != other || !same {
                        return false;
                    }
                }
                (None, Some(_)) | (Some(_), None) => return false,
            }
        }
    }

    /// Starts a change. Until it ends, a power cut may leave anything between before and after.
    pub(super) fn begin(&mut self, name: &Arc<str>, change: &Change) {
        let entry = self.0.entry(name.clone()).or_default();
        match change {
            Change::Append(bytes) => {
                let file = entry.now.get_or_insert_default();
                let start = file.bytes.len();
                Arc::make_mut(&mut file.bytes).extend_from_slice(bytes);
                file.pending.push(start..file.bytes.len());
            }
            Change::Sync | Change::Rewrite(_) => {}
            Change::Create if entry.now.is_some() => {}
            Change::Create => entry.replace(Some(File::default())),
            Change::Truncate(size_bytes) => {
                let cut = entry.now.clone().map(|file| file.cut(*size_bytes));
                entry.replace(cut);
            }
            Change::Keep(bytes) => {
                entry.replace(Some(File { bytes: Arc::new(bytes.to_vec()), ..File::default() }));
            }
            Change::Remove => entry.replace(None),
        }
    }

    /// Ends the change that was begun last on the file.
    pub(super) fn end(&mut self, name: &str, change: &Change, end: End) {
        let Some(entry) = self.0.get_mut(name) else { return };
        match (change, end) {
            (Change::Append(_), End::Done) | (Change::Rewrite(_), End::Failed { .. }) => {}
            (Change::Rewrite(range), End::Done) => entry.flushed(|file| {
                // What the disk has is not harmed by having it written again.
                let (again, lost) = std::mem::take(&mut file.lost)
                    .into_iter()
                    .partition(|lost| range.start <= lost.start && lost.end <= range.end);
                file.lost = lost;
                file.pending.extend::<Vec<_>>(again);
            }),
            (Change::Append(bytes), End::Failed { done }) => {
                let left = bytes.len() - bytes.len() * done.min(256) / 256;
                let cut = entry.now.take().map(|file| file.shortened(left));
                entry.now = cut;
            }
            (Change::Sync, End::Done) => entry.flushed(|file| file.pending.clear()),
            (Change::Sync, End::Failed { .. }) => entry.flushed(|file| {
                let dropped = std::mem::take(&mut file.pending);
                file.lost.extend(dropped);
            }),
            (_, End::Done) => entry.before = Before::Certain,
            (_, End::Failed { done: 0 }) => {
                if let Before::Was(before) = std::mem::take(&mut entry.before) {
                    entry.now = before;
                }
            }
            // It took effect in the cache, and nobody knows how far it got from there.
            (_, End::Failed { .. }) => {}
        }
        if entry.now.is_none() && matches!(entry.before, Before::Certain) {
            self.0.remove(name);
        }
    }
}

impl Entry {
    fn replace(&mut self, now: Option<File>) {
        self.before = Before::Was(std::mem::replace(&mut self.now, now));
    }

    fn flushed(&mut self, change: impl FnOnce(&mut File)) {
        if let Some(file) = &mut self.now {
            change(file);
        }
    }
}

impl File {
    fn cut(mut self, size_bytes: usize) -> Self {
        Arc::make_mut(&mut self.bytes).truncate(size_bytes);
        for ranges in [&mut self.pending, &mut self.lost] {
            ranges.retain(|range| range.start < size_bytes);
            for range in ranges {
                range.end = range.end.min(size_bytes);
            }
        }
        self
    }

    fn shortened(self, by: usize) -> Self {
        let size_bytes = self.bytes.len().saturating_sub(by);
        self.cut(size_bytes)
    }

    fn after(&self, fate: Fate, dice: &mut Dice) -> Self {
        let mut uncertain = [self.pending.as_slice(), &self.lost].concat();
        if uncertain.is_empty() {
            return self.clone();
        }
        uncertain.sort_by_key(|range| range.start);
        let bytes = Arc::new(fate.survive(&self.bytes, &uncertain, dice));
        Self { bytes, ..Self::default() }
    }
}
