//! One mandate's word about a thing and everything beneath it, at once.
//!
//! Every rule about all of the tree is about each thing in it. So the minimum over what is in it
//! is what those rules say, lowered by the rules about some of it that ask or deny. A rule that
//! allows some of it changes nothing, and a use counts with the rules that cover all, and with
//! every ask within.
use super::{Finding, Held, Line, Mandate, Moment, Place, Sum};
use crate::{denial::DenyCode, operation::Demand, resource::Resource, rule::Verdict};

/// How many rules that ask or deny may lie within one demand. Beyond that it is denied: what lies
/// beneath is to be demanded in parts.
pub(super) const RESTRICTING_MAX: usize = 4096;

impl Mandate {
    /// The minimum over the resource and everything that is or could be beneath it.
    pub(super) fn judge_tree(&self, demand: Demand<'_>, at: Moment<'_>) -> Finding {
        let (verdict, mut rules) = match self.judge_at(demand, Place::Below, at) {
            Finding::Pass(verdict, rules) => (verdict, rules),
            denied @ Finding::Deny(..) => return denied,
        };
        let Some(within) = self.within(demand.resource) else {
            return Finding::Deny(DenyCode::TooWide, None);
        };
        let mut sum = Sum::default();
        for (index, entry, _) in within {
            if entry.actions & demand.action.bit() != 0
                && sum.add(entry, self.spent(index, entry, at), at.now).is_break()
            {
                return Finding::Deny(DenyCode::ExplicitDeny, Some(entry.rule));
            }
        }
        if sum.is_silent() {
            return Finding::Pass(verdict, rules);
        }
        match sum.finding() {
            Finding::Pass(lower, more) => {
                rules.extend(more);
                Finding::Pass(verdict.min(lower), rules)
            }
            denied @ Finding::Deny(..) => denied,
        }
    }

    /// The rules that ask or deny and are about some of the tree beneath `root`, but not about all
    /// of it. None if they are too many. The cost grows with them, and not with rules elsewhere.
    pub(super) fn within(
        &self,
        root: &Resource,
    ) -> Option<impl Iterator<Item = (usize, &Line, &Held)>> {
        let prefix = root.own_prefix();
        let at = self.place(root.key(), prefix.hash).filter(|index| {
            let exact = self.entries.get(*index).filter(|entry| entry.exact);
            exact.is_some_and(|entry| entry.effect != Verdict::Allow)
        });
        // What is beneath has this name, a separator, and more: for each separator it stands
        // together in the order of names.
        let each = root.kind().separators().iter().map(|separator| {
            let beneath = format!("{}{separator}", root.key());
            let key = |place: &u32| self.held.get(*place as usize).map_or("", |held| held.key());
            let from = self.restricting.partition_point(|place| key(place) < beneath.as_str());
            let rest = self.restricting.get(from..).unwrap_or_default();
            let count = rest.partition_point(|place| key(place).starts_with(&beneath));
            rest.get(..count).unwrap_or_default()
        });
        let each: smallvec::SmallVec<[&[u32]; 2]> = each.collect();
        if each.iter().map(|places| places.len()).sum::<usize>() > RESTRICTING_MAX {
            return None;
        }
        let beneath = each.into_iter().flatten().map(|place| *place as usize);
        let rule = |index| Some((index, self.entries.get(index)?, self.held.get(index)?));
        Some(at.chain(beneath).filter_map(rule))
    }
}

#[cfg(test)]
mod tests;
