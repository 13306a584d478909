//! The laws that equality with the oracle does not already say: what happens to verdicts when a
//! policy changes. Each is put to the kernel alone, so that an error the model shares would show.
use std::collections::BTreeSet;

use clawnet_core::*;
use clawnet_tests::model::{
    generate::Dice,
    oracle::{self, Mandate},
};
use futures::executor::block_on;

use super::{
    bench::{Bench, OBSERVE, Probe, Tally, demands, key},
    scope::{Asked, Line, NOON, questions},
    translate,
};

/// What the last link of a line says to each request, at each request's moment.
fn verdicts(line: &Line, asked: &[Asked]) -> Vec<Verdict> {
    let agent = line.agents.last().unwrap();
    let says = |asked: &Asked| {
        line.bench.set(asked.now);
        let demands = asked.kernel.as_ref().map(|each| demands(each));
        demands.map_or(Verdict::Deny, |demands| agent.judge_demands(&demands).verdict)
    };
    asked.iter().map(says).collect()
}

/// The rule with this effect, always and as often as wanted.
fn plain(rule: &oracle::Rule, effect: oracle::Effect) -> oracle::Rule {
    oracle::Rule { effect, window: oracle::Window::default(), budget: None, ..rule.clone() }
}

/// Laws 5 and 6, and 2 once more by an agent's own hand.
#[test]
fn a_rule_added_moves_verdicts_its_own_way_only() {
    use oracle::Effect::{Allow, Ask, Deny};
    let (mut tally, mut trees) = (Tally::default(), Tally::default());
    for seed in 0..250 {
        let (mut dice, chain, asked) = questions(1_000_000 + seed, 16);
        let before = verdicts(&Line::of(&chain), &asked);
        for effect in [Deny, Ask, Allow] {
            let mut more = chain.clone();
            let nth = usize::try_from(dice.below(chain.len() as u64)).unwrap();
            let added = plain(dice.pick(&chain[nth].rules).unwrap(), effect);
            let mut added = oracle::Rule { id: 1000, ..added };
            if let oracle::Region::Subtree(top) = &mut added.region
                && top.parts.len() > 1
                && dice.chance(40)
            {
                top.parts.pop();
            }
            more[nth].rules.push(added.clone());
            let after = verdicts(&Line::of(&more), &asked);
            for ((was, is), asked) in before.iter().zip(&after).zip(&asked) {
                let demands = asked.model.iter().flatten();
                let meets = demands.clone().any(|demand| added.applies(demand, asked.now));
                match effect {
                    Deny => assert!(is <= was && !(meets && *is > Verdict::Deny)),
                    // A deny may turn into an ask, and nothing into an allow.
                    Ask => {
                        assert!(*is <= (*was).max(Verdict::Ask), "lifted above ask");
                        assert!(!(meets && *is == Verdict::Allow), "an allow remains");
                    }
                    Allow => assert!(is >= was),
                }
                assert!(meets || was == is, "moved without matching: {asked:?}");
                tally.count((effect, was, is));
                if was != is && asked.model.iter().flatten().any(|demand| demand.tree) {
                    trees.count((effect, was, is));
                }
            }
        }
    }
    tally.print("verdicts before and after a rule is added");
    trees.print("of them about trees, and moved");
    for moved in [
        (Deny, Verdict::Allow, Verdict::Deny),
        (Ask, Verdict::Allow, Verdict::Ask),
        (Allow, Verdict::Deny, Verdict::Allow),
    ] {
        let (effect, was, is) = moved;
        assert!(tally.of((effect, &was, &is)) > 20, "{moved:?} is hardly seen");
        assert!(trees.of((effect, &was, &is)) > 4, "{moved:?} is hardly seen of trees");
    }
}

/// Law 7: order, duplicates, and how rules are spread over grants change nothing.
#[test]
fn order_duplicates_and_splitting_change_nothing() {
    let mut tally = Tally::default();
    for seed in 0..250 {
        let (mut dice, chain, asked) = questions(2_000_000 + seed, 16);
        let before = verdicts(&Line::of(&chain), &asked);
        let shuffled: Vec<Mandate> = chain.iter().map(|link| shuffle(&mut dice, link)).collect();
        assert_eq!(verdicts(&Line::of(&shuffled), &asked), before, "seed {seed}: order");
        let line = Line::of(&vec![Mandate::default(); chain.len()]);
        for (agent, link) in line.agents.iter().zip(&chain) {
            for rule in shuffle(&mut dice, link).rules {
                let twice = if dice.chance(30) && rule.budget.is_none() { 2 } else { 1 };
                for _ in 0..twice {
                    let (grant, _) = translate::grant(std::slice::from_ref(&rule), 0);
                    line.bench.grant(agent.caller().identity(), grant);
                }
            }
        }
        assert_eq!(verdicts(&line, &asked), before, "seed {seed}: a grant for each rule");
        for verdict in before {
            tally.count(verdict);
        }
    }
    tally.print("verdicts that order does not change");
    assert!(tally.of(Verdict::Allow) * 10 > tally.total());
}

fn shuffle(dice: &mut Dice, link: &Mandate) -> Mandate {
    let mut keyed: Vec<_> = link.rules.iter().map(|rule| (dice.roll(), rule.clone())).collect();
    keyed.sort_by_key(|(key, _)| *key);
    Mandate { rules: keyed.into_iter().map(|(_, rule)| rule).collect() }
}

/// Law 2, where it is not the owner who delegates: whatever an agent hands on, the one below can do
/// nothing that the one above cannot.
#[test]
fn an_agent_cannot_hand_on_more_than_it_has() {
    let mut tally = Tally::default();
    for seed in 0..120 {
        let (_, chain, asked) = questions(3_000_000 + seed, 16);
        let line = Line::of(&chain[..1]);
        let agent = &line.agents[0];
        let own = agent.caller().identity();
        let right = Region::exact(&format!("identity:{own}")).unwrap();
        line.bench.grant(own, Grant::new().allow(Action::Delegate, right));
        let everything = ["fs:/work", "fs:/workspace", "fs:/a", "fs:/b", "tool:a", "env:a"];
        let all = everything.iter().map(|text| Region::subtree(text).unwrap());
        let all = all.fold(Grant::new(), |grant, region| {
            grant.allow([Action::Read, Action::Write, Action::List, Action::Send], region)
        });
        let below = block_on(agent.delegate("below", all)).unwrap();
        let below = block_on(line.bench.owner.bind(below, "below", "tests")).unwrap();
        for asked in &asked {
            line.bench.set(asked.now);
            let Some(kernel) = &asked.kernel else { continue };
            let says = |agent: &Agent| agent.judge_demands(&demands(kernel)).verdict;
            assert!(says(&below) <= says(agent), "seed {seed}: {asked:?}");
            tally.count((says(agent), says(&below)));
        }
    }
    tally.print("verdicts above and below an agent's delegation");
    assert!(tally.of((Verdict::Allow, Verdict::Allow)) > 50);
}

/// Law 8: subset and overlap of regions are exact.
#[test]
fn regions_include_and_overlap_exactly() {
    let names =
        ["fs:/a", "fs:/a/b", "fs:/a/bc", "fs:/ab", "fs:/A", "fs:/a/b/c", "tool:a", "tool:a.b"];
    let more = ["net:a", "net:b.a", "net:ba", "net:b.a:1", "env:a", "env:a/b", "fs:/"];
    let things: Vec<Resource> =
        names.iter().chain(&more).map(|text| text.parse().unwrap()).collect();
    let regions: Vec<Region> = things
        .iter()
        .flat_map(|thing| [Region::Exact(thing.clone()), Region::Subtree(thing.clone())])
        .collect();
    let members = |region: &Region| -> BTreeSet<&Resource> {
        things.iter().filter(|thing| region.contains(thing)).collect()
    };
    for (a, b) in regions.iter().flat_map(|a| regions.iter().map(move |b| (a, b))) {
        if a.includes(b) {
            assert!(members(b).is_subset(&members(a)), "{a} does not include {b}");
        }
        assert_eq!(a.overlaps(b), !members(a).is_disjoint(&members(b)), "{a} overlaps {b}");
        let leaf = matches!(b, Region::Exact(_)) || members(b).len() > 1;
        let within = members(b).is_subset(&members(a));
        let whole = matches!((a, b), (Region::Exact(_), Region::Subtree(_)));
        assert!(!leaf || whole || a.includes(b) == within, "{a} and {b}");
    }
}

/// Law 9: a house policy that cannot tell denies, whatever the scope says, and nobody is asked.
#[test]
fn a_house_policy_that_fails_denies() {
    #[derive(Debug, Clone, Copy)]
    enum Fails {
        Says,
        Panics,
        TakesLong,
    }
    struct Faulty(Fails, ManualClock);
    impl HousePolicy for Faulty {
        fn name(&self) -> &'static str {
            "faulty"
        }
        fn restrict(&self, _: &HouseQuestion<'_>) -> Result<Restriction, HouseFault> {
            match self.0 {
                Fails::Says => Err(HouseFault("cannot tell".into())),
                Fails::Panics => std::panic::resume_unwind(Box::new("house")),
                Fails::TakesLong => {
                    self.1.advance(std::time::Duration::from_secs(1));
                    Ok(Restriction::None)
                }
            }
        }
    }
    for fails in [Fails::Says, Fails::Panics, Fails::TakesLong] {
        let clock = ManualClock::default();
        let how = Kernel::governing(Signer::public_key(&key())).house(Faulty(fails, clock.clone()));
        let bench = Bench::governed(how, std::sync::Arc::default(), clock);
        for effect in [Verdict::Allow, Verdict::Ask] {
            let (identity, agent) = bench.identity("work", None);
            let rule = Rule::new(effect, Action::Read, Region::subtree("fs:/a").unwrap());
            bench.grant(identity, Grant::new().rule(rule));
            let operation = Probe::<OBSERVE>::on(Action::Read, "fs:/a/b");
            match block_on(agent.submit(&bench.probe, &operation)) {
                Err(Refusal::Denied(denial)) => {
                    assert_eq!(denial.layer, Layer::House);
                    assert!(matches!(denial.code, DenyCode::HouseFault(_)), "{denial}");
                }
                other => panic!("{fails:?}: {other:?}"),
            }
        }
        assert!(bench.owner.inbox().is_empty());
        assert_eq!(bench.probe.endpoint().performed(), 0);
    }
}

/// Law 10: a verdict depends on the moment only through the windows, at their very edges; and a
/// clock that is set back opens nothing again.
#[test]
fn time_only_goes_on() {
    for (from, until) in [(None, Some(60)), (Some(40), None), (Some(40), Some(60))] {
        let bench = Bench::new();
        let (identity, agent) = bench.identity("work", None);
        let at = Timestamp::from_millis;
        let window = from.map_or(Window::ALWAYS, |from| Window::from(at(from)));
        let window = window.and(until.map_or(Window::ALWAYS, |until| Window::until(at(until))));
        let rule = Rule::new(Verdict::Allow, Action::Read, Region::subtree("fs:/a").unwrap());
        bench.grant(identity, Grant::new().rule(rule.within(window)));
        let operation = Probe::<OBSERVE>::on(Action::Read, "fs:/a/b");
        for now in 0..100 {
            bench.set(now);
            let there =
                from.is_none_or(|from| from <= now) && until.is_none_or(|until| now < until);
            let expect = if there { Verdict::Allow } else { Verdict::Deny };
            assert_eq!(agent.judge(&operation).verdict, expect, "at {now}");
            assert_eq!(block_on(agent.submit(&bench.probe, &operation)).is_ok(), there);
        }
        let last = agent.judge(&operation);
        for now in [0, NOON, 99] {
            bench.set(now);
            assert_eq!(agent.judge(&operation), last, "set back to {now}");
            let ran = block_on(agent.submit(&bench.probe, &operation)).is_ok();
            assert_eq!(ran, last.verdict == Verdict::Allow);
        }
    }
}
