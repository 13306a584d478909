use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    id::{GrantId, OwnerId},
    operation::{Action, Demands},
    resource::Region,
    rule::{Budget, Rule, RuleId, Window},
    scope::{Meter, Scope},
    time::Timestamp,
};

/// Small numbers without end.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A name each of its kind, from the top downwards, with siblings that begin like another.
const NAMES: [&str; 40] = [
    "fs:/",
    "fs:/a",
    "fs:/a-b",
    "fs:/a b",
    "fs:/ab",
    "fs:/a/b",
    "fs:/a/b/c",
    "fs:/a/b-c",
    "fs:/a/bc",
    "fs:/a/z",
    "fs:/b",
    "tool:a",
    "tool:a-b",
    "tool:a.b",
    "tool:a.b.c",
    "tool:ab",
    "tool:a.z",
    "env:a",
    "env:a/b",
    "env:a-b",
    "repo:git.host/o",
    "repo:git.host/o/n",
    "repo:git.host/o/n@refs",
    "repo:git.host/o/n@refs/heads/main",
    "repo:git.host/o/n/sub",
    "repo:git.host/o/n-x",
    "repo:git.host/on",
    "secret:a",
    "secret:a/b",
    "secret:ab",
    "net:com",
    "net:example.com",
    "net:example.com:443",
    "net:api.example.com",
    "net:api.example.com:443",
    "net:api-x.example.com",
    "net:anexample.com",
    "net:example.com.evil.net",
    "contact:own_00000000000000000000000000000001",
    "contact:own_00000000000000000000000000000002",
];

const NOW: Timestamp = Timestamp::from_millis(50);

fn resource(text: &str) -> Resource {
    text.parse().unwrap()
}

fn rule_id(number: usize) -> RuleId {
    let grant = GrantId::made_at(OwnerId::of_key(&[1; 32]), 1, 0);
    RuleId { grant, index: u16::try_from(number).unwrap() }
}

fn held(number: usize, rule: Rule, used: u32) -> Held {
    let meter = rule.budget().map(|budget| {
        let meter = Meter::default();
        (0..used).for_each(|_| meter.spend(budget, NOW));
        meter
    });
    Held { id: rule_id(number), issued: 1, rule, meter }
}

fn any_rule(dice: &mut Dice, names: &[&str], number: usize) -> Held {
    let root = resource(dice.pick(names));
    let region = if dice.chance(70) { Region::Subtree(root) } else { Region::Exact(root) };
    let effect = match dice.below(10) {
        0..5 => Verdict::Allow,
        5..8 => Verdict::Ask,
        _ => Verdict::Deny,
    };
    let actions = if dice.chance(80) { Action::Delete } else { Action::Read };
    let mut rule = Rule::new(effect, actions, region);
    let edge = |dice: &mut Dice| Timestamp::from_millis(49 + dice.below(3) as u64);
    if dice.chance(20) {
        rule = rule.within(Window::from(edge(dice)));
    }
    if dice.chance(20) {
        rule = rule.within(Window::until(edge(dice)));
    }
    if effect != Verdict::Deny && dice.chance(30) {
        rule = rule.at_most(Budget::uses(2));
    }
    held(number, rule, u32::try_from(dice.below(4)).unwrap())
}

fn scope(links: Vec<Vec<Held>>) -> Scope {
    let mandates = links.into_iter().map(|held| Arc::new(Mandate::compile(None, held)));
    Scope {
        epoch: 0,
        barred: None,
        mandates: mandates.collect(),
        confining: crate::scope::Confining::default(),
    }
}

/// What nobody named, one level beneath `root` in each way there is.
fn fresh(root: &Resource) -> Vec<Resource> {
    let (text, name) = (root.as_str().trim_end_matches('/'), root.name());
    let beneath = ["/zz", ".zz", "@zz", ":7"].map(|end| format!("{text}{end}"));
    let host = format!("net:zz.{name}");
    let all = beneath.into_iter().chain([host]).filter_map(|text| text.parse().ok());
    let region = Region::Subtree(root.clone());
    all.filter(|one| one != root && region.contains(one)).collect()
}

/// One of each zone beneath `root`, itself among them: what any two things of one zone are in, is
/// the same.
fn members(root: &Resource, rules: &[Held]) -> Vec<Resource> {
    let region = Region::Subtree(root.clone());
    let roots = rules.iter().map(|held| held.rule.region().root());
    let roots = roots.filter(|root| region.contains(root)).chain([root]);
    roots.flat_map(|root| fresh(root).into_iter().chain([root.clone()])).collect()
}

#[test]
fn a_tree_is_judged_as_the_least_of_what_is_in_it() {
    let (mut dice, mut mix) = (Dice(4), BTreeMap::new());
    for case in 0..60_000 {
        let kind = dice.pick(&["fs:", "fs:", "tool:", "env:", "repo:", "secret:", "net:"]);
        let names: Vec<&str> = NAMES.into_iter().filter(|name| name.starts_with(kind)).collect();
        let links: Vec<Vec<Held>> = (0..=dice.below(2))
            .map(|link| {
                let count = 1 + dice.below(5);
                let any = (0..count).map(|nth| any_rule(&mut dice, &names, 100 * link + nth));
                let mut rules: Vec<_> = any.collect();
                // In half of the cases there is something beneath that can be lowered.
                if case % 2 == 0 {
                    let all = Region::Subtree(resource(names[0]));
                    rules.push(held(
                        100 * link + 50,
                        Rule::new(Verdict::Allow, Action::Delete, all),
                        0,
                    ));
                }
                rules
            })
            .collect();
        let root = resource(dice.pick(&names));
        let all = links.concat();
        let only = |rules: &[RuleId]| {
            let of = |link: &Vec<Held>| {
                link.iter().filter(|held| rules.contains(&held.id)).cloned().collect()
            };
            scope(links.iter().map(of).collect())
        };
        let judging = scope(links.clone());
        let one = |thing: &Resource| judging.judge(&Demands::one(Action::Delete, thing), NOW);
        let least = members(&root, &all).iter().map(|thing| one(thing).verdict).min().unwrap();
        let tree = Demands::tree(Action::Delete, &root);
        let judged = judging.judge(&tree, NOW);
        let text = format!("case {case}: {root} under {all:#?}: {judged:?}");
        if fresh(&root).is_empty() {
            assert!(judged.verdict <= least, "{text}");
            continue;
        }
        assert_eq!(judged.verdict, least, "{text}");
        let lowered = judged.verdict != one(&fresh(&root)[0]).verdict;
        *mix.entry((judged.verdict, lowered)).or_insert(0) += 1;
        if judged.verdict == Verdict::Deny {
            // Who is named does deny, or is spent: without it the answer is another, or its own.
            assert!(judged.code.is_some(), "{text}");
            continue;
        }
        // What is named suffices, and every ask that counts uses is named.
        assert_eq!(only(&judged.rules).judge(&tree, NOW).verdict, judged.verdict, "{text}");
        let region = Region::Subtree(root.clone());
        let counts = all.iter().filter(|held| {
            let Held { rule, .. } = held;
            rule.budget().is_some()
                && rule.effect() == Verdict::Ask
                && rule.window().holds(NOW)
                && rule.actions().contains(Action::Delete)
                && rule.region().overlaps(&region)
        });
        for held in counts {
            assert!(judged.rules.contains(&held.id), "{text}");
        }
    }
    println!("{mix:?}");
    for (verdict, lowered) in [
        (Verdict::Allow, false),
        (Verdict::Ask, false),
        (Verdict::Ask, true),
        (Verdict::Deny, false),
        (Verdict::Deny, true),
    ] {
        assert!(mix[&(verdict, lowered)] >= 500, "{verdict} lowered {lowered}: {mix:?}");
    }
}

fn on(effect: Verdict, region: &str) -> Rule {
    let region = region
        .strip_suffix("/**")
        .map_or_else(|| Region::exact(region).unwrap(), |root| Region::subtree(root).unwrap());
    Rule::new(effect, Action::Delete, region)
}

fn judge(rules: &[(Rule, u32)], root: &str) -> (Scope, crate::scope::Judgement) {
    let rules = rules.iter().enumerate();
    let held = rules.map(|(nth, (rule, used))| held(nth, rule.clone(), *used)).collect();
    let scope = scope(vec![held]);
    let judged = scope.judge(&Demands::tree(Action::Delete, &resource(root)), NOW);
    (scope, judged)
}

#[test]
fn a_use_counts_with_what_covers_all_and_with_each_ask_within() {
    let once = |effect, region| on(effect, region).at_most(Budget::uses(1));
    let (_, judged) = judge(
        &[
            (once(Verdict::Allow, "fs:/a/**"), 0),
            (once(Verdict::Allow, "fs:/a/b/**"), 0),
            (once(Verdict::Ask, "fs:/a/b/c"), 0),
            (once(Verdict::Ask, "fs:/a/d/**"), 0),
            (on(Verdict::Ask, "fs:/a/e/**"), 0),
            (once(Verdict::Ask, "fs:/a-b/**"), 0),
        ],
        "fs:/a",
    );
    assert_eq!(judged.verdict, Verdict::Ask);
    assert_eq!(judged.rules.as_slice(), [0, 2, 3].map(rule_id));
    let spent = (once(Verdict::Ask, "fs:/a/d/**"), 1);
    let (_, judged) = judge(&[(on(Verdict::Allow, "fs:/a/**"), 0), spent], "fs:/a");
    assert_eq!(
        (judged.code, judged.rules.as_slice()),
        (Some(DenyCode::BudgetExhausted), &[rule_id(1)][..])
    );
    let gone = (once(Verdict::Allow, "fs:/a/**"), 1);
    let (_, judged) = judge(&[gone, (on(Verdict::Allow, "fs:/a/b/**"), 0)], "fs:/a");
    assert_eq!(judged.code, Some(DenyCode::BudgetExhausted));
}

#[test]
fn a_no_to_a_tree_says_which_rule_and_how_near_another_came() {
    let demand = |root: &Resource, rules: &[(Rule, u32)]| {
        let (scope, judged) = judge(rules, root.as_str());
        let demands = Demands::tree(Action::Delete, root);
        let explained = scope.explain(*demands.iter().next().unwrap(), NOW);
        (scope.denial(&judged, &demands, NOW).to_string(), explained)
    };
    let root = resource("fs:/a");
    let deep = [(on(Verdict::Allow, "fs:/a/**"), 0), (on(Verdict::Deny, "fs:/a/b/c"), 0)];
    let (text, explained) = demand(&root, &deep);
    assert_eq!(text, format!("denied by scope: forbidden by rule {}", rule_id(1)));
    let found: Vec<_> = explained[0].matching.iter().map(|rule| rule.rule).collect();
    assert_eq!((explained[0].verdict, found), (Verdict::Deny, vec![rule_id(0), rule_id(1)]));
    for part in ["fs:/a", "fs:/a/b/**"] {
        let (text, explained) = demand(&root, &[(on(Verdict::Allow, part), 0)]);
        assert!(text.contains("no grant covers it; nearest rule: allow delete on"), "{text}");
        assert!(text.ends_with(", but that is not all beneath it"), "{text}");
        assert!(explained[0].matching.is_empty() && explained[0].near_miss.is_some());
    }
    let (text, _) = demand(&root, &[(on(Verdict::Allow, "fs:/ab/**"), 0)]);
    assert!(text.ends_with("but the name differs at component 1"), "{text}");
}

#[test]
fn more_rules_than_are_looked_at_deny_and_others_do_not_count() {
    let judged = |within: usize, beside: usize| {
        let names = (0..within).map(|nth| format!("fs:/a/{nth}"));
        let names = names.chain((0..beside).map(|nth| format!("fs:/a-{nth}")));
        let asks = names.enumerate().map(|(nth, name)| {
            held(nth + 1, Rule::new(Verdict::Ask, Action::Read, Region::exact(&name).unwrap()), 0)
        });
        let all = held(0, on(Verdict::Allow, "fs:/a/**"), 0);
        let scope = scope(vec![asks.chain([all]).collect()]);
        scope.judge(&Demands::tree(Action::Delete, &resource("fs:/a")), NOW)
    };
    assert_eq!(judged(RESTRICTING_MAX, 5000).verdict, Verdict::Allow);
    let wide = judged(RESTRICTING_MAX + 1, 0);
    assert_eq!((wide.verdict, wide.code), (Verdict::Deny, Some(DenyCode::TooWide)));
}
