//! One link of the chain, compiled: every grant by one grantor, indexed by where it holds.
//!
//! A rule sits at the key of its region's root, and a resource knows the hash of each of its own
//! prefixes from when it was parsed. So judging looks at as many places as the resource has
//! components, however many rules there are, and compares whole keys where a hash is found.
use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
};

use smallvec::smallvec;

use super::{Finding, Matching, Moment, RuleState, Rules, first_difference};
use crate::{
    denial::{DenyCode, Difference, NearMiss},
    id::IdentityId,
    operation::{Demand, Extent},
    resource::{Prefix, Region, Resource},
    rule::{Rule, RuleId, Verdict},
    scope::Meter,
    time::Timestamp,
};

mod tree;

/// A rule as it was issued.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: RuleId,
    /// The record that issued it: of two rules that suffice, the older is used.
    pub(crate) issued: u64,
    pub(crate) rule: Rule,
    pub(crate) meter: Option<Meter>,
}

/// All rules by one grantor, immutable.
#[derive(Debug)]
pub(crate) struct Mandate {
    /// Who granted: an identity that delegated, or none for the owner.
    pub(crate) grantor: Option<IdentityId>,
    nodes: HashMap<u64, Node, BuildHasherDefault<Prehashed>>,
    /// Nodes whose hash another key has too: with 64 bits, hardly ever one.
    more: Vec<Node>,
    keys: String,
    /// What judging reads of each rule, and the rule itself, both ordered by key.
    entries: Vec<Line>,
    held: Vec<Held>,
    /// The places of the rules that ask or deny, in the same order.
    restricting: Vec<u32>,
    /// Which depths have a rule at all.
    depths: u128,
    /// More than 4 GiB of region names: not every rule is in the index, so everything is denied.
    overfull: bool,
}

impl Mandate {
    pub(crate) fn compile(grantor: Option<IdentityId>, mut held: Vec<Held>) -> Self {
        held.sort_by(|a, b| {
            let key = |held: &Held| (held.issued, held.id.index);
            a.root().key().cmp(b.root().key()).then_with(|| key(a).cmp(&key(b)))
        });
        let entries = held.iter().map(Line::of).collect();
        let mut mandate = Self {
            grantor,
            nodes: HashMap::default(),
            more: Vec::new(),
            keys: String::new(),
            entries,
            held: Vec::new(),
            restricting: Vec::new(),
            depths: 0,
            overfull: false,
        };
        let mut start = 0;
        for group in held.chunk_by(|a, b| a.root().key() == b.root().key()) {
            let Some(first) = group.first() else { continue };
            mandate.insert(first.root(), start..start + group.len());
            start += group.len();
        }
        let restricts = |(_, held): &(usize, &Held)| held.rule.effect() != Verdict::Allow;
        let places = held.iter().enumerate().filter(restricts);
        let short: Option<Vec<u32>> = places.map(|(nth, _)| u32::try_from(nth).ok()).collect();
        mandate.overfull |= short.is_none();
        mandate.restricting = short.unwrap_or_default();
        mandate.held = held;
        mandate
    }

    /// What this mandate says about one demand.
    pub(crate) fn judge(&self, demand: Demand<'_>, at: Moment<'_>) -> Finding {
        match demand.extent {
            Extent::Itself => self.judge_at(demand, Place::Here, at),
            Extent::Subtree => self.judge_tree(demand, at),
        }
    }

    pub(super) fn judge_at(&self, demand: Demand<'_>, place: Place, at: Moment<'_>) -> Finding {
        if self.overfull {
            return Finding::Deny(DenyCode::Unsettled, None);
        }
        match self.sum(demand, place, at) {
            (_, Some(rule)) => Finding::Deny(DenyCode::ExplicitDeny, Some(rule)),
            (sum, None) => sum.finding(),
        }
    }

    /// The rules at the resource's own place and above it, or the first that denies.
    fn sum(&self, demand: Demand<'_>, place: Place, at: Moment<'_>) -> (Sum<'_>, Option<RuleId>) {
        let mut sum = Sum::default();
        let whole = demand.resource.key().len();
        for (depth, prefix) in demand.resource.prefixes().enumerate() {
            if self.depths >> depth.min(127) & 1 == 0 {
                continue;
            }
            let here = self.place(demand.resource.key_to(prefix), prefix.hash);
            let exact = prefix.end == whole && place == Place::Here;
            for index in here {
                let Some(entry) = self.entries.get(index) else { continue };
                let fits = (exact || !entry.exact) && entry.actions & demand.action.bit() != 0;
                if fits && sum.add(entry, self.spent(index, entry, at), at.now).is_break() {
                    return (sum, Some(entry.rule));
                }
            }
        }
        (sum, None)
    }

    /// Every rule about this action on this resource; of a tree, those about all of it, and those
    /// that ask or deny within.
    pub(super) fn matching(&self, demand: Demand<'_>, now: Timestamp) -> Vec<Matching> {
        let prefixes = demand.resource.prefixes();
        let at = prefixes.flat_map(|prefix| {
            self.place(demand.resource.key_to(prefix), prefix.hash).filter_map(|i| self.held.get(i))
        });
        let region = demand.region();
        let covering = at.filter(|held| {
            held.rule.actions().contains(demand.action) && held.rule.region().includes(&region)
        });
        let tree = demand.extent == Extent::Subtree;
        let within = tree.then(|| self.within(demand.resource)).flatten().into_iter().flatten();
        let within = within.map(|(_, _, held)| held);
        let within = within.filter(|held| held.rule.actions().contains(demand.action));
        let each = covering.chain(within).map(|held| Matching {
            rule: held.id,
            text: held.rule.to_string(),
            state: match () {
                () if held.rule.window().is_over(now) => RuleState::Lapsed,
                () if !held.rule.window().holds(now) => RuleState::NotYet,
                () if held.is_spent(now) => RuleState::Spent,
                () => RuleState::InForce,
            },
        });
        each.collect()
    }

    /// The rule that fails in the fewest respects, among those above what was asked and its
    /// neighbours in the order of names, where the longest common name stands.
    pub(super) fn near_miss(&self, demand: Demand<'_>, now: Timestamp) -> Option<NearMiss> {
        let key = demand.resource.key();
        let here = self.held.partition_point(|held| held.root().key() < key);
        let around = here.saturating_sub(NEIGHBOURS)..(here + NEIGHBOURS).min(self.held.len());
        let above = demand.resource.prefixes().flat_map(|prefix| {
            self.place(demand.resource.key_to(prefix), prefix.hash).take(NEIGHBOURS)
        });
        let candidates = above.chain(around).filter_map(|index| self.held.get(index));
        let positive = candidates.filter(|held| held.rule.effect() != Verdict::Deny);
        let misses = positive.map(|held| held.miss(demand, now));
        let nearest = misses.filter(|miss| !miss.differs.is_empty()).min_by_key(|miss| {
            let component = match miss.differs.first() {
                Some(Difference::Resource { component }) => *component,
                _ => u16::MAX,
            };
            (miss.differs.len(), Reverse(component), miss.rule)
        });
        nearest.filter(|miss| miss.region.root().kind() == demand.resource.kind())
    }

    /// Every region a rule names, for the survey.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.held.iter().map(|held| &held.rule)
    }

    fn insert(&mut self, root: &Resource, entries: Range<usize>) {
        let Prefix { hash, .. } = root.own_prefix();
        let depth = root.prefixes().count() - 1;
        self.depths |= 1 << depth.min(127);
        let start = self.keys.len();
        self.keys.push_str(root.key());
        let (Some(key), Some(entries)) = (short(start..self.keys.len()), short(entries)) else {
            self.overfull = true;
            return;
        };
        let node = Node { key, entries };
        // A key whose hash another has already is looked for among the few of its kind.
        match self.nodes.entry(hash) {
            Entry::Vacant(place) => drop(place.insert(node)),
            Entry::Occupied(_) => self.more.push(node),
        }
    }

    /// The entries at exactly this key.
    fn place(&self, key: &str, hash: u64) -> Range<usize> {
        let same = |node: &&Node| self.keys.get(long(node.key)) == Some(key);
        let Some(node) = self.nodes.get(&hash) else { return 0..0 };
        let found = Some(node).filter(same).or_else(|| self.more.iter().find(same));
        found.map_or(0..0, |node| long(node.entries))
    }

    fn spent(&self, index: usize, entry: &Line, at: Moment<'_>) -> bool {
        entry.metered
            && !at.paid.contains(&entry.rule)
            && self.held.get(index).is_none_or(|held| held.is_spent(at.now))
    }
}

impl Held {
    fn root(&self) -> &Resource {
        self.rule.region().root()
    }

    fn key(&self) -> &str {
        self.root().key()
    }

    /// A budget without a meter cannot be counted, and so is spent.
    pub(crate) fn is_spent(&self, now: Timestamp) -> bool {
        let Some(budget) = self.rule.budget() else { return false };
        self.meter.as_ref().is_none_or(|meter| meter.left(budget, now) == 0)
    }

    fn miss(&self, demand: Demand<'_>, now: Timestamp) -> NearMiss {
        let mut differs = Vec::new();
        let (ruled, asked) = (self.rule.region(), demand.region());
        if !ruled.includes(&asked) && ruled.overlaps(&asked) {
            differs.push(Difference::Extent);
        } else if !ruled.includes(&asked) {
            let component = first_difference(demand.resource, self.root());
            differs.push(Difference::Resource { component });
        }
        if !self.rule.actions().contains(demand.action) {
            differs.push(Difference::Action);
        }
        if !self.rule.window().holds(now) {
            differs.push(Difference::Window);
        }
        if self.is_spent(now) {
            differs.push(Difference::Budget);
        }
        NearMiss {
            actions: self.rule.actions(),
            differs,
            effect: self.rule.effect(),
            region: self.rule.region().clone(),
            rule: self.id,
        }
    }
}

/// Whether the resource itself is meant, or what lies beneath it and no rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Here,
    Below,
}

/// How many rules on either side a near miss is looked for among.
const NEIGHBOURS: usize = 16;

/// Where a key stands and which entries are at it: small, so that more of them are near.
#[derive(Debug)]
struct Node {
    key: (u32, u32),
    entries: (u32, u32),
}

fn short(range: Range<usize>) -> Option<(u32, u32)> {
    Some((u32::try_from(range.start).ok()?, u32::try_from(range.end).ok()?))
}

fn long((start, end): (u32, u32)) -> Range<usize> {
    start as usize..end as usize
}

/// What judging reads of one rule.
#[derive(Debug)]
struct Line {
    rule: RuleId,
    issued: u64,
    from: Timestamp,
    until: Option<Timestamp>,
    actions: u16,
    effect: Verdict,
    exact: bool,
    metered: bool,
}

impl Line {
    fn of(held: &Held) -> Self {
        let (from, until) = held.rule.window().edges();
        Self {
            rule: held.id,
            issued: held.issued,
            from,
            until,
            actions: held.rule.actions().bits(),
            effect: held.rule.effect(),
            exact: matches!(held.rule.region(), Region::Exact(_)),
            metered: held.rule.budget().is_some(),
        }
    }

    /// Unmetered rules are used before metered ones, older before younger.
    fn rank(&self) -> (bool, u64, u16) {
        (self.metered, self.issued, self.rule.index)
    }
}

/// The rules that match, summed up while they go by.
#[derive(Default)]
struct Sum<'e> {
    ask: Option<&'e Line>,
    /// Every ask that counts uses bounds what runs, so each of them is used.
    metered_asks: Rules,
    allow: Option<&'e Line>,
    /// A spent ask denies.
    spent_ask: Option<RuleId>,
    /// What would have let it pass.
    lapsed: bool,
    not_yet: bool,
    spent: bool,
}

impl<'e> Sum<'e> {
    /// Breaks at a deny, which nothing can outweigh.
    fn add(&mut self, entry: &'e Line, spent: bool, now: Timestamp) -> std::ops::ControlFlow<()> {
        let positive = entry.effect != Verdict::Deny;
        if now < entry.from {
            self.not_yet |= positive;
        } else if entry.until.is_some_and(|until| until <= now) {
            self.lapsed |= positive;
        } else {
            match (entry.effect, spent) {
                (Verdict::Deny, _) => return std::ops::ControlFlow::Break(()),
                (Verdict::Ask, true) => self.spent_ask = Some(entry.rule),
                (Verdict::Allow, true) => self.spent = true,
                (Verdict::Ask, false) => {
                    prefer(&mut self.ask, entry);
                    self.metered_asks.extend(entry.metered.then_some(entry.rule));
                }
                (Verdict::Allow, false) => prefer(&mut self.allow, entry),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    /// Whether no rule that is there now says anything.
    fn is_silent(&self) -> bool {
        self.spent_ask.is_none() && self.ask.is_none() && self.allow.is_none()
    }

    fn finding(self) -> Finding {
        match (self.spent_ask, self.ask, self.allow) {
            (Some(rule), _, _) => Finding::Deny(DenyCode::BudgetExhausted, Some(rule)),
            (None, Some(_), _) if !self.metered_asks.is_empty() => {
                Finding::Pass(Verdict::Ask, self.metered_asks)
            }
            (None, Some(ask), _) => Finding::Pass(Verdict::Ask, smallvec![ask.rule]),
            (None, None, Some(allow)) => Finding::Pass(Verdict::Allow, smallvec![allow.rule]),
            (None, None, None) => Finding::Deny(self.silence(), None),
        }
    }

    fn silence(&self) -> DenyCode {
        match () {
            () if self.spent => DenyCode::BudgetExhausted,
            () if self.lapsed => DenyCode::Expired,
            () if self.not_yet => DenyCode::NotYetValid,
            () => DenyCode::NoGrant,
        }
    }
}

fn prefer<'e>(best: &mut Option<&'e Line>, entry: &'e Line) {
    if best.is_none_or(|best| entry.rank() < best.rank()) {
        *best = Some(entry);
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
