//! The scope rule as quantifiers over lists: which verdict a chain of mandates gives.
//!
//! A mandate denies if any deny rule matches, else asks if any ask rule does, else allows if any
//! allow rule does, else denies. A chain gives the minimum of its mandates, an operation the
//! minimum over its demands, a demand on a tree the minimum over all that is or could be in it. No
//! rules, no mandates or no demands: deny.

use std::collections::BTreeSet;

/// What is done to a resource, by name.
pub type Action = String;
/// Names one rule, and with it the counter of its budget.
pub type RuleId = u32;
/// Mandates under which somebody acts, the owner's first. The empty chain denies.
pub type Chain = Vec<Mandate>;
/// Uses of a rule so far in the present period of its budget.
pub type Spent<'a> = &'a dyn Fn(RuleId) -> u32;

/// The answer, in this order: joining answers takes the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No.
    Deny,
    /// Yes, if the owner says so to this very operation.
    Ask,
    /// Yes.
    Allow,
}

/// What a matching rule wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Beats everything in its mandate.
    Deny,
    /// Beats allow; needs no allow beside it.
    Ask,
    /// Allows what nothing else in its mandate denies or asks about.
    Allow,
}

/// One thing: components under a kind (`fs`, `tool`, `env`, `repo`, `secret`, `contact`, `net`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Things of different kinds never meet.
    pub kind: String,
    /// From the outermost inwards.
    pub parts: Vec<String>,
}

impl Resource {
    /// Names a thing by its components, unchecked.
    #[must_use]
    pub fn new(kind: &str, parts: &[&str]) -> Self {
        Self { kind: kind.to_owned(), parts: parts.iter().map(|&part| part.to_owned()).collect() }
    }

    /// Reads an absolute, canonical path. Anything else is refused, never repaired; so is `/`,
    /// which names no component. NFC and confusables are not looked at here.
    #[must_use]
    pub fn path(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.strip_prefix('/')?.split('/').collect();
        let plain = text.len() <= PATH_BYTES_MAX
            && parts.len() <= PATH_PARTS_MAX
            && parts.iter().all(|part| plain_part(part));
        plain.then(|| Self::new("fs", &parts))
    }
}

/// A set of things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// A node and everything below it, by components. Without components: all of the kind.
    Subtree(Resource),
    /// One thing.
    Exact(Resource),
}

impl Region {
    /// Whether `thing` is in the set.
    #[must_use]
    pub fn contains(&self, thing: &Resource) -> bool {
        match self {
            Self::Subtree(top) => top.kind == thing.kind && thing.parts.starts_with(&top.parts),
            Self::Exact(one) => one == thing,
        }
    }

    /// Whether some thing is in both sets.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let top = |region: &Self| match region {
            Self::Subtree(top) | Self::Exact(top) => top.clone(),
        };
        self.contains(&top(other)) || other.contains(&top(self))
    }

    /// Whether everything in `other` is in this set.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(thing)) | (Self::Subtree(_), Self::Subtree(thing)) => {
                self.contains(thing)
            }
            (Self::Exact(_), Self::Subtree(_)) => false,
        }
    }
}

/// When a rule is there: `[from, until)`, an absent end being open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Window {
    /// First moment at which the rule is there.
    pub from: Option<u64>,
    /// First moment at which it is there no longer.
    pub until: Option<u64>,
}

impl Window {
    /// Whether `now` is inside.
    #[must_use]
    pub fn holds(&self, now: u64) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// How often a rule may serve. On a deny rule it means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget {
    /// Uses in one period.
    pub limit: u32,
    /// Length of the period; periods are counted from zero. Absent (or zero): one, for ever.
    pub per_ms: Option<u64>,
}

impl Budget {
    /// The number of the period that `now` is in.
    #[must_use]
    pub fn period(&self, now: u64) -> u64 {
        self.per_ms.and_then(|per_ms| now.checked_div(per_ms)).unwrap_or(0)
    }
}

/// Effect over actions x region x window x budget.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// What it wants where it matches.
    pub effect: Effect,
    /// The actions it speaks of, by exact name.
    pub actions: Vec<Action>,
    /// The things it speaks of.
    pub region: Region,
    /// Outside it the rule is not there, whatever its effect.
    pub window: Window,
    /// Without one it serves for ever.
    pub budget: Option<Budget>,
    /// Its name, and its place in the order in which budgets are used up.
    pub id: RuleId,
}

impl Rule {
    /// Whether the rule speaks of `demand` at `now`: of all of it, or of some of it.
    #[must_use]
    pub fn applies(&self, demand: &Demand, now: u64) -> bool {
        self.window.holds(now)
            && self.actions.contains(&demand.action)
            && self.region.meets(&demand.region())
    }

    /// Whether the rule speaks of all of `demand` at `now`.
    #[must_use]
    pub fn covers(&self, demand: &Demand, now: u64) -> bool {
        self.applies(demand, now) && self.region.covers(&demand.region())
    }

    fn used_up(&self, spent: Spent<'_>) -> bool {
        self.budget.is_some_and(|budget| spent(self.id) >= budget.limit)
    }
}

/// All rules by one grantor: one link of the chain. Silent, it denies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mandate {
    /// In no order that means anything.
    pub rules: Vec<Rule>,
}

/// One action on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Demand {
    /// What is to be done.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// And to everything beneath it.
    pub tree: bool,
}

impl Demand {
    /// What it is about.
    #[must_use]
    pub fn region(&self) -> Region {
        let thing = self.resource.clone();
        if self.tree { Region::Subtree(thing) } else { Region::Exact(thing) }
    }

    /// Of all that it is about, one of each sort that `rules` could tell apart, each by itself:
    /// what a rule names, what no rule names beneath that, and the same for the top.
    pub(super) fn members(&self, rules: &[Rule]) -> Vec<Self> {
        let alone = |resource: Resource| Self { resource, tree: false, ..self.clone() };
        if !self.tree {
            return vec![self.clone()];
        }
        let named = rules.iter().map(|rule| match &rule.region {
            Region::Subtree(top) | Region::Exact(top) => top,
        });
        let named = named.filter(|thing| self.region().contains(thing)).chain([&self.resource]);
        let each = named.flat_map(|thing| {
            let mut below = thing.clone();
            below.parts.push(UNNAMED.to_owned());
            [alone(thing.clone()), alone(below)]
        });
        each.collect()
    }
}

/// A component that is in no rule.
const UNNAMED: &str = "\0";

/// Judges an operation: the minimum over all mandates and demands.
#[must_use]
pub fn judge(chain: &[Mandate], demands: &[Demand], now: u64, spent: Spent<'_>) -> Verdict {
    let each = chain.iter().filter_map(|link| {
        let single = demands.iter().flat_map(|demand| demand.members(&link.rules));
        single.map(|demand| one(link, (&demand, now), spent)).min()
    });
    if demands.is_empty() { Verdict::Deny } else { each.min().unwrap_or(Verdict::Deny) }
}

/// The budgeted rules that lose one use when the operation runs; nothing where it may not run.
///
/// For each mandate and demand: where it allows, no rule if one without a budget allows it, else
/// the lowest id with uses left; where it asks, every ask rule that matches, since each of them
/// bounds what runs. A rule met by several demands loses one use. Of a tree that is said by the
/// rules about all of it, and every ask rule about some of it loses one, too.
#[must_use]
pub fn debits(
    chain: &[Mandate],
    demands: &[Demand],
    now: u64,
    spent: Spent<'_>,
) -> BTreeSet<RuleId> {
    let mut debited = BTreeSet::new();
    if judge(chain, demands, now, spent) == Verdict::Deny {
        return debited;
    }
    for (link, demand) in chain.iter().flat_map(|l| demands.iter().map(move |d| (l, d))) {
        let there = |effect| {
            let rules = link.rules.iter().filter(move |rule| rule.effect == effect);
            rules.filter(|rule| rule.covers(demand, now))
        };
        let asks = link.rules.iter().filter(|rule| rule.effect == Effect::Ask);
        let asks = asks.filter(|rule| rule.budget.is_some() && rule.applies(demand, now));
        debited.extend(asks.map(|rule| rule.id));
        if there(Effect::Ask).next().is_some() {
            // Needs no allow beside it.
        } else if !there(Effect::Allow).any(|rule| rule.budget.is_none()) {
            debited.extend(there(Effect::Allow).filter(|r| !r.used_up(spent)).map(|r| r.id).min());
        }
    }
    debited
}

fn one(mandate: &Mandate, (demand, now): (&Demand, u64), spent: Spent<'_>) -> Verdict {
    let any = |effect, used_up: Option<bool>| {
        let mut there = mandate.rules.iter().filter(|rule| rule.applies(demand, now));
        there.any(|r| r.effect == effect && used_up.is_none_or(|is| r.used_up(spent) == is))
    };
    if any(Effect::Deny, None) || any(Effect::Ask, Some(true)) {
        Verdict::Deny
    } else if any(Effect::Ask, None) {
        Verdict::Ask
    } else if any(Effect::Allow, Some(false)) {
        Verdict::Allow
    } else {
        Verdict::Deny
    }
}

fn plain_part(part: &str) -> bool {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\\' | '\u{61c}' | '\u{180e}' | '\u{feff}')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}')
    };
    (1..=PART_BYTES_MAX).contains(&part.len())
        && part != "."
        && part != ".."
        && !part.contains(hidden)
}

const PATH_BYTES_MAX: usize = 4095;
const PATH_PARTS_MAX: usize = 128;
const PART_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::super::generate::{Case, Dice, case, chain};
    use super::*;

    const CASES: u64 = 20_000;

    /// Runs `law` on many cases with the free numbers it needs, and prints the case it fails on.
    fn law(holds: impl Fn(&Case, &[Demand], &mut Dice) -> bool) {
        for seed in 0..CASES {
            let case = case(seed);
            let Some(demands) = case.demands() else { continue };
            assert!(holds(&case, &demands, &mut Dice::new(!seed)), "seed {seed}: {case:#?}");
        }
    }

    fn at(case: &Case, chain: &[Mandate], demands: &[Demand], now: u64) -> Verdict {
        judge(chain, demands, now, &|id| case.spent.get(&id).copied().unwrap_or(0))
    }

    fn with(case: &Case, effect: Effect, dice: &mut Dice) -> (Chain, usize) {
        let mut wider = case.chain.clone();
        let place = usize::try_from(dice.below(wider.len() as u64)).unwrap();
        let donor = wider.iter().flat_map(|link| link.rules.clone()).collect::<Vec<_>>();
        let rule = dice.pick(&donor).unwrap().clone();
        wider[place].rules.push(Rule { effect, budget: None, ..rule });
        (wider, place)
    }

    #[test]
    fn law_2_delegating_never_widens() {
        law(|case, demands, dice| {
            let mut longer = case.chain.clone();
            longer.extend(chain(dice, case.now, 1));
            at(case, &longer, demands, case.now) <= at(case, &case.chain, demands, case.now)
        });
    }

    #[test]
    fn laws_3_and_4_joining_chains_is_the_minimum() {
        law(|case, demands, dice| {
            let (a, b, c) = (&case.chain, &chain(dice, 50, 1), &chain(dice, 50, 1));
            let judged = |chain: &[Mandate]| at(case, chain, demands, case.now);
            let join = |a: &[Mandate], b: &[Mandate]| [a, b].concat();
            judged(&join(a, b)) == judged(a).min(judged(b))
                && judged(&join(a, a)) == judged(a)
                && judged(&join(a, b)) == judged(&join(b, a))
                && judged(&join(&join(a, b), c)) == judged(&join(a, &join(b, c)))
        });
    }

    #[test]
    fn laws_5_and_6_what_an_added_rule_may_do() {
        law(|case, demands, dice| {
            let before = at(case, &case.chain, demands, case.now);
            let mut judged = |effect| {
                let (wider, place) = with(case, effect, dice);
                let added = wider[place].rules.last().unwrap();
                let met = demands.iter().any(|demand| added.applies(demand, case.now));
                (at(case, &wider, demands, case.now), met)
            };
            let (denied, met) = judged(Effect::Deny);
            let deny = denied <= before && (!met || denied == Verdict::Deny);
            let (asked, met) = judged(Effect::Ask);
            let ask = asked <= Verdict::Ask || (asked <= before && !met);
            deny && ask && judged(Effect::Allow).0 >= before
        });
    }

    #[test]
    fn law_7_order_duplicates_and_splitting_mean_nothing() {
        law(|case, demands, _| {
            let mut other = case.chain.clone();
            other.reverse();
            for link in &mut other {
                link.rules.reverse();
                let split = link.rules.iter().flat_map(|rule| {
                    let part =
                        |action: &Action| Rule { actions: vec![action.clone()], ..rule.clone() };
                    rule.actions.iter().map(part)
                });
                link.rules.extend(split.collect::<Vec<_>>());
            }
            at(case, &other, demands, case.now) == at(case, &case.chain, demands, case.now)
        });
    }

    /// A plain `covers`: each rule that lets through lies in an allow rule of every link above,
    /// in links that only allow, for ever and without budget.
    fn inside(mandate: &Mandate, chain: &[Mandate]) -> bool {
        let plain =
            |r: &Rule| (r.effect, r.window, r.budget) == (Effect::Allow, Window::default(), None);
        let within = |inner: &Rule, outer: &Rule| {
            inner.actions.iter().all(|action| outer.actions.contains(action))
                && outer.region.covers(&inner.region)
        };
        chain.iter().all(|link| link.rules.iter().all(plain))
            && mandate.rules.iter().filter(|rule| rule.effect != Effect::Deny).all(|inner| {
                chain.iter().all(|link| link.rules.iter().any(|outer| within(inner, outer)))
            })
    }

    #[test]
    fn law_8_inside_means_pointwise_below() {
        let mut allowed_inside = 0;
        for seed in 0..CASES {
            let case = case(seed);
            let (Some(demands), Some((last, above))) = (case.demands(), case.chain.split_last())
            else {
                continue;
            };
            let plain = |link: &Mandate| {
                let rules = link.rules.iter().filter(|rule| rule.effect == Effect::Allow);
                let free =
                    |rule: &Rule| Rule { window: Window::default(), budget: None, ..rule.clone() };
                Mandate { rules: rules.map(free).collect() }
            };
            let above: Chain = above.iter().map(plain).collect();
            if above.is_empty() || !inside(last, &above) {
                continue;
            }
            let below = at(&case, std::slice::from_ref(last), &demands, case.now);
            assert!(below <= at(&case, &above, &demands, case.now), "seed {seed}: {case:#?}");
            allowed_inside += u32::from(below > Verdict::Deny);
        }
        assert!(allowed_inside > 100, "only {allowed_inside} cases say anything");
    }

    #[test]
    fn law_10_time_works_through_windows_only() {
        law(|case, demands, dice| {
            let held = |now: u64| {
                let rules = case.chain.iter().flat_map(|link| &link.rules);
                rules.map(|rule| rule.window.holds(now)).collect::<Vec<_>>()
            };
            let later = 30 + dice.below(50);
            let verdict = at(case, &case.chain, demands, case.now);
            let named = |link: &Mandate, demand: &Demand| {
                let allows = |r: &Rule| r.effect == Effect::Allow && r.covers(demand, case.now);
                link.rules.iter().any(allows)
            };
            let witnessed = case.chain.iter().all(|link| demands.iter().all(|d| named(link, d)));
            (held(later) != held(case.now) || at(case, &case.chain, demands, later) == verdict)
                && (verdict != Verdict::Allow || witnessed)
        });
    }

    #[test]
    fn spending_never_raises_and_debits_stay_within_limits() {
        law(|case, demands, _| {
            let spent = |id| case.spent.get(&id).copied().unwrap_or(0);
            let more = |id| spent(id).saturating_add(1);
            let judged = |spent: Spent<'_>| judge(&case.chain, demands, case.now, spent);
            let debited = debits(&case.chain, demands, case.now, &spent);
            let mut rules = case.chain.iter().flat_map(|link| &link.rules);
            judged(&more) <= judged(&spent)
                && rules
                    .all(|r| !debited.contains(&r.id) || (r.budget.is_some() && !r.used_up(&spent)))
        });
    }

    #[test]
    fn law_9_nothing_denies() {
        let resource = Resource::new("fs", &["a"]);
        let demand = Demand { action: "read".into(), resource, tree: false };
        let all = Rule {
            effect: Effect::Allow,
            actions: vec!["read".into()],
            region: Region::Subtree(Resource::new("fs", &[])),
            window: Window::default(),
            budget: None,
            id: 0,
        };
        let open = Mandate { rules: vec![all] };
        let judged = |chain: &[Mandate], demands: &[Demand]| judge(chain, demands, 0, &|_| 0);
        let (open, silent, demands) = ([open], Mandate::default(), [demand]);
        assert_eq!(judged(&open, &demands), Verdict::Allow);
        assert_eq!(judged(&open, &[]), Verdict::Deny);
        assert_eq!(judged(&[], &demands), Verdict::Deny);
        assert_eq!(judged(&[open[0].clone(), silent], &demands), Verdict::Deny);
    }

    #[test]
    fn paths_are_refused_never_repaired() {
        let (long, deep) = (format!("/{}", "a".repeat(255)), "/a".repeat(128));
        let wide = format!("{}/b", long.repeat(16));
        assert_eq!(wide.len(), 4098);
        let good = ["/a", "/a/b c", "/%2e%2e/~/$x/*", "/...", "/日本/é", &long, &deep];
        let bad = [
            "",
            "/",
            "a",
            "//",
            "/a/",
            "/a//b",
            "/./a",
            "/a/..",
            "/../a",
            "/a\\b",
            "/a\0",
            "/a\n",
            "/a\u{85}",
            "/a\u{202e}b",
            "/a\u{200b}",
            "/\u{feff}a",
            "/a\u{2066}",
            &wide,
            &format!("{long}a"),
            &format!("{deep}/a"),
        ];
        for text in good {
            let parts = Resource::path(text).map(|path| format!("/{}", path.parts.join("/")));
            assert_eq!(parts.as_deref(), Some(text));
        }
        for text in bad {
            assert_eq!(Resource::path(text), None, "{text:?}");
        }
    }
}
