//! Law 1: the scope engine says what the oracle says, over policies and requests that are made
//! beside each other. With it laws 2 and 3 (every link of the chain is asked), 10 (what lets a
//! request pass is there now) and the order in which budgets are used up.
use std::collections::{BTreeMap, BTreeSet};

use clawnet_core::{Agent, GrantId, Layer, Refusal, Resource, RuleId, Verdict};
use clawnet_tests::model::{
    generate::{Dice, Request, chain, request},
    oracle::{self, Demand, Mandate},
};
use futures::executor::block_on;

use super::{
    bench::{Bench, CHANGE, Probe, Tally, Wanted, demands},
    translate::{self, normal_chain, normal_demand},
};

/// When the generator's windows are about.
pub(super) const NOON: u64 = 50;

/// A chain of mandates in a kernel, one identity and agent for each.
pub(super) struct Line {
    pub(super) bench: Bench,
    pub(super) chain: Vec<Mandate>,
    pub(super) agents: Vec<Agent>,
    names: BTreeMap<RuleId, oracle::RuleId>,
    spent: BTreeMap<oracle::RuleId, (u64, u32)>,
}

impl Line {
    /// Issued at time zero, before any window is over.
    pub(super) fn of(chain: &[Mandate]) -> Self {
        Self::on(Bench::new(), chain)
    }

    /// The same in this kernel.
    pub(super) fn on(bench: Bench, chain: &[Mandate]) -> Self {
        let (mut names, mut agents) = (BTreeMap::new(), Vec::new());
        let mut parent = None;
        for (nth, link) in chain.iter().enumerate() {
            let (identity, agent) = bench.identity(&format!("link{nth}"), parent);
            let (grant, ids) = translate::grant(&link.rules, 0);
            let grant = bench.grant(identity, grant);
            names.extend(ids.iter().zip(0..).map(|(id, index)| (rule_id(grant, index), *id)));
            agents.push(agent);
            parent = Some(identity);
        }
        Self { bench, chain: chain.to_vec(), agents, names, spent: BTreeMap::new() }
    }

    fn rule(&self, id: oracle::RuleId) -> &oracle::Rule {
        self.chain.iter().flat_map(|link| &link.rules).find(|rule| rule.id == id).unwrap()
    }

    pub(super) fn uses(&self, id: oracle::RuleId, now: u64) -> u32 {
        let Some(budget) = self.rule(id).budget else { return 0 };
        let spent = self.spent.get(&id).filter(|(period, _)| *period == budget.period(now));
        spent.map_or(0, |(_, uses)| *uses)
    }

    /// What the oracle says to the first `links` links.
    pub(super) fn oracle(&self, links: usize, asked: &Asked) -> Verdict {
        let Some(demands) = &asked.model else { return Verdict::Deny };
        let spent = |id| self.uses(id, asked.now);
        translate::verdict(oracle::judge(&self.chain[..links], demands, asked.now, &spent))
    }

    /// What the kernel says to the first `links` links.
    pub(super) fn kernel(&self, links: usize, asked: &Asked) -> Verdict {
        let Some(kernel) = &asked.kernel else { return Verdict::Deny };
        let judgement = self.agents[links - 1].judge_demands(&demands(kernel));
        if judgement.verdict > Verdict::Deny {
            let model = asked.model.as_ref().unwrap();
            for rule in judgement.rules.iter().map(|id| self.rule(self.names[id])) {
                assert!(model.iter().any(|demand| rule.applies(demand, asked.now)), "{rule:?}");
            }
            // Beneath a grantor, an agent is not told which rules: some are not its own.
            assert_eq!(judgement.rules.is_empty(), links > 1, "{asked:?}");
        }
        assert_eq!(judgement.code.is_some(), judgement.verdict == Verdict::Deny);
        judgement.verdict
    }

    /// Submits it for real, with the owner's yes if it takes one, and counts what it uses.
    pub(super) fn submit(&mut self, asked: &Asked, (expect, name): (Verdict, &str)) {
        let (Some(kernel), Some(model)) = (&asked.kernel, &asked.model) else { return };
        let operation = Probe::<CHANGE>::new(kernel, name);
        let agent = self.agents.last().unwrap();
        let submit = || block_on(agent.submit(&self.bench.probe, &operation));
        let ran = self.bench.probe.endpoint().performed();
        match (expect, submit()) {
            (Verdict::Allow, Ok(_)) => {}
            (Verdict::Ask, Err(Refusal::Escalated(ticket))) => {
                block_on(self.bench.owner.approve(ticket.id)).unwrap();
                submit().unwrap();
            }
            (Verdict::Deny, Err(Refusal::Denied(denial))) => {
                assert_eq!(denial.layer, Layer::Scope, "{denial}");
                assert_eq!(self.bench.probe.endpoint().performed(), ran);
                return;
            }
            (_, other) => panic!("expected {expect}, got {other:?} for {asked:?}"),
        }
        assert_eq!(self.bench.probe.endpoint().performed(), ran + 1);
        let debits = oracle::debits(&self.chain, model, asked.now, &|id| self.uses(id, asked.now));
        let used = self.bench.last_intent().rules.into_iter().map(|id| self.names[&id]);
        let used: BTreeSet<_> = used.filter(|id| self.rule(*id).budget.is_some()).collect();
        assert_eq!(used, debits, "{asked:?} under {:?}", self.chain);
        for id in debits {
            let period = self.rule(id).budget.unwrap().period(asked.now);
            self.spent.insert(id, (period, self.uses(id, asked.now) + 1));
        }
    }
}

/// The place of a rule in a grant.
pub(super) fn rule_id(grant: GrantId, index: u16) -> RuleId {
    format!("{grant}#{index}").parse().unwrap()
}

/// One operation's demands as each side reads them: nothing where it refuses to.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) now: u64,
    requests: Vec<Request>,
    pub(super) model: Option<Vec<Demand>>,
    pub(super) kernel: Option<Vec<Wanted>>,
}

impl Asked {
    /// Near a rule of the chain, mostly of its last link, at a moment that the rule is about.
    pub(super) fn near(dice: &mut Dice, chain: &[Mandate]) -> Self {
        let last = chain.last().unwrap();
        let any = dice.pick(chain).unwrap();
        let rules = if dice.chance(85) { &last.rules } else { &any.rules };
        let mut now = NOON;
        let mut requests = vec![request(dice, rules, &mut now)];
        if dice.chance(20) {
            requests.push(request(dice, rules, &mut now.clone()));
        }
        let model = requests.iter().map(normal_demand).collect();
        let kernel = requests.iter().map(translate::request).collect();
        Self { now, requests, model, kernel }
    }

    /// The same without what lies beneath, if it is about any of that.
    fn tops(&self) -> Option<Self> {
        let mut model = self.model.clone().filter(|all| all.iter().any(|demand| demand.tree))?;
        for demand in &mut model {
            demand.tree = false;
        }
        Some(Self { now: self.now, requests: Vec::new(), model: Some(model), kernel: None })
    }

    /// Both sides refuse the same paths, but for the root, which the model has no name for.
    fn check_parsers(&self) {
        for request in self.requests.iter().filter(|request| request.kind == "fs") {
            let kernel = format!("fs:{}", request.text).parse::<Resource>();
            let model = request.demand();
            assert!(kernel.is_ok() == model.is_some() || request.text == "/", "{request:?}");
        }
    }
}

/// A policy and requests to it, in the order of their moments.
pub(super) fn questions(seed: u64, count: usize) -> (Dice, Vec<Mandate>, Vec<Asked>) {
    let mut dice = Dice::new(seed);
    let chain = normal_chain(&chain(&mut dice, NOON, 1));
    let mut asked: Vec<_> = (0..count).map(|_| Asked::near(&mut dice, &chain)).collect();
    asked.sort_by_key(|asked| asked.now);
    (dice, chain, asked)
}

#[test]
fn the_engine_says_what_the_oracle_says() {
    const POLICIES: u64 = 1200;
    const REQUESTS: usize = 24;
    let (mut verdicts, mut submitted, mut budgets) = (Tally::default(), Tally::default(), 0);
    let mut trees = Tally::default();
    for seed in 0..POLICIES {
        let (mut dice, chain, asked) = questions(seed, REQUESTS);
        let mut line = Line::of(&chain);
        for (nth, asked) in asked.iter().enumerate() {
            line.bench.set(asked.now);
            asked.check_parsers();
            let mut above = Verdict::Allow;
            for links in 1..=chain.len() {
                let (expect, said) = (line.oracle(links, asked), line.kernel(links, asked));
                assert_eq!(said, expect, "seed {seed}: {links} links, {asked:?}\n{chain:?}");
                assert!(said <= above, "seed {seed}: widened by link {links}: {asked:?}");
                above = said;
            }
            verdicts.count(above);
            if let Some(alone) = asked.tops() {
                trees.count((above, above < line.oracle(chain.len(), &alone)));
            }
            if dice.chance(if above == Verdict::Deny { 5 } else { 35 }) {
                line.submit(asked, (above, &format!("{nth}")));
                submitted.count(above);
            }
        }
        let periods = line.spent.values().map(|(_, uses)| u64::from(*uses));
        budgets += periods.sum::<u64>();
    }
    verdicts.print("decisions, engine = oracle");
    trees.print("of them about trees, and less than of what they begin at");
    submitted.print("of them submitted for real");
    println!("uses of budgets in their last period: {budgets}");
    assert!(verdicts.total() >= 20_000);
    assert!(verdicts.of(Verdict::Allow) * 5 >= verdicts.total(), "too few are allowed");
    assert!(verdicts.of(Verdict::Ask) * 50 >= verdicts.total(), "too few ask");
    assert!(verdicts.of(Verdict::Deny) * 10 >= verdicts.total(), "too few are denied");
    assert!(budgets > 200, "budgets are hardly used");
    let reached = [
        (Verdict::Allow, false),
        (Verdict::Ask, false),
        (Verdict::Ask, true),
        (Verdict::Deny, false),
        (Verdict::Deny, true),
    ];
    for (verdict, less) in reached {
        assert!(trees.of((verdict, less)) >= 40, "too few trees are {verdict}, less: {less}");
    }
    for verdict in [Verdict::Deny, Verdict::Ask, Verdict::Allow] {
        assert!(submitted.of(verdict) > 200, "too few submissions end in {verdict}");
    }
}
