//! The first so many of a sorted listing, without keeping or sorting all of it.
use std::cmp::Ordering;

use super::{After, Direction, Entry, List, SortBy};

/// An entry and what it is sorted by.
pub(super) struct Ranked {
    value: u64,
    /// The path's first bytes, which nearly always decide.
    front: u64,
    entry: Entry,
}

impl Ranked {
    pub(super) fn new(value: u64, entry: Entry) -> Self {
        Self { value, front: front_of(&entry.relative_path), entry }
    }
}

/// Text begins like this number: what is less is less.
fn front_of(text: &str) -> u64 {
    let mut front = [0; 8];
    for (to, from) in front.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    u64::from_be_bytes(front)
}

/// What is listed so far: never more than twice what may be.
pub(super) struct Selection<'a> {
    max: usize,
    sort: SortBy,
    order: Direction,
    after: Option<&'a After>,
    kept: Vec<Ranked>,
    more: bool,
}

impl<'a> Selection<'a> {
    pub(super) fn of(operation: &'a List) -> Self {
        Self {
            max: usize::try_from(operation.max_entries).unwrap_or(usize::MAX),
            sort: operation.sort,
            order: operation.order,
            after: operation.after.as_ref(),
            kept: Vec::new(),
            more: false,
        }
    }

    pub(super) fn add(&mut self, ranked: Ranked) {
        if self.after.is_some_and(|after| self.is_before(&ranked, after)) {
            return;
        }
        self.kept.push(ranked);
        if self.kept.len() >= self.max.saturating_mul(2).max(1) {
            self.cut();
        }
    }

    /// The entries in their order, and where to go on if there are more.
    pub(super) fn finish(mut self) -> (Vec<Entry>, Option<After>) {
        self.cut();
        let (sort, order) = (self.sort, self.order);
        self.kept.sort_unstable_by(|a, b| compare((sort, order), a, b));
        let last = self.kept.last().filter(|_| self.more);
        let next = last.map(|last| After {
            relative_path: last.entry.relative_path.clone().into(),
            value: last.value,
        });
        (self.kept.into_iter().map(|ranked| ranked.entry).collect(), next)
    }

    fn cut(&mut self) {
        if self.kept.len() <= self.max {
            return;
        }
        self.more = true;
        let by = (self.sort, self.order);
        if self.max > 0 {
            self.kept.select_nth_unstable_by(self.max, |a, b| compare(by, a, b));
        }
        self.kept.truncate(self.max);
    }

    /// Whether an entry is at the place `after` or before it.
    fn is_before(&self, ranked: &Ranked, after: &After) -> bool {
        let path = ranked.entry.relative_path.as_ref();
        let (a, b) = ((ranked.value, path), (after.value, after.relative_path.as_str()));
        ordered((self.sort, self.order), a, b) != Ordering::Greater
    }
}

fn compare(by: (SortBy, Direction), a: &Ranked, b: &Ranked) -> Ordering {
    let decided = a.front != b.front;
    let (path_a, path_b) = (a.entry.relative_path.as_ref(), b.entry.relative_path.as_ref());
    if by.0 == SortBy::Name && decided {
        let least_first = a.front.cmp(&b.front);
        return if by.1 == Direction::Ascending { least_first } else { least_first.reverse() };
    }
    ordered(by, (a.value, path_a), (b.value, path_b))
}

/// By value, equal ones by path.
fn ordered(by: (SortBy, Direction), a: (u64, &str), b: (u64, &str)) -> Ordering {
    let least_first = if by.0 == SortBy::Name { a.1.cmp(b.1) } else { a.0.cmp(&b.0) };
    let sorted = match by.1 {
        Direction::Ascending => least_first,
        Direction::Descending => least_first.reverse(),
    };
    sorted.then_with(|| a.1.cmp(b.1))
}
