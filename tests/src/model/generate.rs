//! Policies, requests and commands from a seed, made where mistakes live: beside the rules.
//!
//! Of the requests, 55 % follow from a rule in force, 30 % are such a request with one thing
//! changed (trimmed, a sibling like `work` to `workspace`, `/../b`, upper case, the edge of a
//! window), and 15 % are garbage from a small alphabet that collides. One seed, one result.

use std::collections::BTreeMap;

use super::command::{Act, Answer, Command, OperationEffect, Outcome, Party};
use super::oracle::{
    Budget, Chain, Demand, Effect, Mandate, Region, Resource, Rule, RuleId, Verdict, Window, judge,
};
use super::world::{TicketState, World, step};

/// A stream of numbers that depends on the seed alone (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Starts the stream.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or(0)
    }

    /// True in so many of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `from`, if there is any.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let place = self.below(u64::try_from(from.len()).ok()?);
        from.get(usize::try_from(place).ok()?)
    }

    fn small(&mut self, end: u32) -> u32 {
        u32::try_from(self.below(end.into())).unwrap_or(0)
    }

    fn word(&mut self, from: &[&str]) -> String {
        self.pick(from).copied().unwrap_or("a").to_owned()
    }
}

/// A demand as text: a path is to be parsed, on both sides, each by its own parser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// What is to be done.
    pub action: String,
    /// The kind of the resource.
    pub kind: String,
    /// A path for kind `fs`; else components with `/` between them.
    pub text: String,
    /// And everything beneath it.
    pub tree: bool,
}

impl Request {
    /// Names `resource` in text.
    #[must_use]
    pub fn on(action: &str, resource: &Resource) -> Self {
        let root = if resource.kind == "fs" { "/" } else { "" };
        let text = format!("{root}{}", resource.parts.join("/"));
        Self { action: action.to_owned(), kind: resource.kind.clone(), text, tree: false }
    }

    /// The demand, unless the path is refused.
    #[must_use]
    pub fn demand(&self) -> Option<Demand> {
        let parts: Vec<&str> = self.text.split('/').collect();
        let resource = if self.kind == "fs" {
            Resource::path(&self.text)?
        } else {
            Resource::new(&self.kind, &parts)
        };
        Some(Demand { action: self.action.clone(), resource, tree: self.tree })
    }
}

/// One question to layer 1, with all that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The mandates.
    pub chain: Chain,
    /// One operation's demands; a single one that is not canonical denies it.
    pub requests: Vec<Request>,
    /// The kernel's clock.
    pub now: u64,
    /// Uses in the present period; absent: none.
    pub spent: BTreeMap<RuleId, u32>,
}

impl Case {
    /// The parsed demands, unless a path is refused.
    #[must_use]
    pub fn demands(&self) -> Option<Vec<Demand>> {
        self.requests.iter().map(Request::demand).collect()
    }

    /// What the oracle says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let spent = |id| self.spent.get(&id).copied().unwrap_or(0);
        let judged = |demands: Vec<Demand>| judge(&self.chain, &demands, self.now, &spent);
        self.demands().map_or(Verdict::Deny, judged)
    }
}

/// Makes a question to layer 1.
#[must_use]
pub fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let chain = chain(&mut dice, NOON, 1);
    let mut now = NOON;
    let last = chain.last().map_or(&[][..], |link| &link.rules);
    let mut requests = vec![request(&mut dice, last, &mut now)];
    if dice.chance(20) {
        requests.push(request(&mut dice, last, &mut now.clone()));
    }
    let budgeted = chain.iter().flat_map(|link| &link.rules).filter(|rule| rule.budget.is_some());
    let spent = budgeted.map(|rule| (rule.id, dice.small(3))).collect();
    Case { chain, requests, now, spent }
}

/// Makes a chain of one to three mandates. Later ones mostly repeat or narrow what is above.
#[must_use]
pub fn chain(dice: &mut Dice, now: u64, unit: u64) -> Chain {
    let links = dice.pick(&[1, 1, 2, 2, 3]).copied().unwrap_or(1);
    let mut chain = Chain::new();
    for _ in 0..links {
        let above = chain.last().map(|link: &Mandate| link.rules.clone()).unwrap_or_default();
        chain.push(Mandate { rules: rules(dice, &above, (now, unit)) });
    }
    let ids = 0..;
    for (id, rule) in ids.zip(chain.iter_mut().flat_map(|link| &mut link.rules)) {
        rule.id = id;
    }
    chain
}

/// Makes the rules of one mandate below the rules `above`, with windows around `now` whose length
/// is counted in `unit`s.
#[must_use]
pub fn rules(dice: &mut Dice, above: &[Rule], (now, unit): (u64, u64)) -> Vec<Rule> {
    if above.is_empty() {
        let mut rules: Vec<Rule> = Vec::new();
        for _ in 0..2 + dice.below(3) {
            let mut fresh = rule(dice, now, unit);
            if let Some(other) = dice.pick(&rules).cloned().filter(|_| dice.chance(40)) {
                beside(dice, &mut fresh, other);
            }
            rules.push(fresh);
        }
        if let Some(other) = dice.pick(&rules).cloned().filter(|_| dice.chance(15)) {
            let mut within = rule(dice, now, unit);
            beside(dice, &mut within, other);
            rules.push(Rule { effect: Effect::Ask, ..within });
        }
        return rules;
    }
    let mut rules = Vec::new();
    for upper in above {
        let mut lower = rule(dice, now, unit);
        if dice.chance(80) {
            lower.region = upper.region.clone();
            lower.actions.clone_from(&upper.actions);
        }
        if dice.chance(60) {
            lower.effect = upper.effect;
        }
        rules.push(lower);
    }
    rules
}

/// Makes a request near one of `rules`, and moves `now` to the edge of its window if that is what
/// the request is about.
pub fn request(dice: &mut Dice, rules: &[Rule], now: &mut u64) -> Request {
    let there = |rule: &&Rule| rule.window.holds(*now) && rule.effect != Effect::Deny;
    let in_force: Vec<&Rule> = rules.iter().filter(there).collect();
    let all: Vec<&Rule> = rules.iter().collect();
    let from = if in_force.is_empty() || dice.chance(15) { &all } else { &in_force };
    let Some(rule) = dice.pick(from).copied() else { return garbage(dice) };
    let request = match dice.below(100) {
        0..55 => derived(dice, rule),
        55..85 => mutated(dice, rule, now),
        _ => garbage(dice),
    };
    if dice.chance(25) { all_of(dice, rule, request) } else { request }
}

/// The same of everything beneath it, or of all that the rule is about, or is beneath.
fn all_of(dice: &mut Dice, rule: &Rule, request: Request) -> Request {
    let (Region::Subtree(top) | Region::Exact(top)) = &rule.region;
    let mut top = top.clone();
    let request = match dice.below(10) {
        0..3 => request,
        3..9 => Request { text: Request::on("", &top).text, kind: top.kind, ..request },
        _ => {
            if top.parts.len() > 1 {
                top.parts.pop();
            }
            let action = dice.pick(&rule.actions).cloned().unwrap_or_default();
            Request { text: Request::on("", &top).text, kind: top.kind, action, tree: true }
        }
    };
    Request { tree: true, ..request }
}

/// Makes a story of `length` commands, starting from an empty world.
#[must_use]
pub fn commands(seed: u64, length: usize) -> Vec<Command> {
    let mut story = Story { dice: Dice::new(seed), world: World::default(), asked: Vec::new() };
    (0..length).map(|_| story.tell()).collect()
}

/// A world being told, so that the next command can be about what is in it.
#[derive(Debug, Clone)]
struct Story {
    dice: Dice,
    world: World,
    asked: Vec<Act>,
}

impl Story {
    fn tell(&mut self) -> Command {
        let command = self.command();
        let (world, outcome) = step(&self.world, &command);
        self.world = world;
        if let (Command::Act(act), Outcome::Escalated(_)) = (&command, outcome) {
            self.asked.push(act.clone());
        }
        command
    }

    fn command(&mut self) -> Command {
        let empty = self.world.grants.is_empty();
        let nobody = !self.world.identities.keys().any(|name| self.world.stands(name));
        match self.dice.below(if empty { 13 } else { 100 }) {
            _ if !self.world.up && self.dice.chance(60) => Command::Restart,
            _ if nobody && self.dice.chance(60) => self.new_identity(),
            0..4 => self.new_identity(),
            4..12 => self.grant(),
            12 => Command::WallJump { to: self.edge() },
            13..16 => Command::Tick { ms: self.dice.below(12) * MINUTE_MS },
            16 => Command::Revoke { grant: self.dice.small(12) },
            17 => Command::Freeze { identity: self.frozen_or_any(false) },
            18..22 => Command::Unfreeze { identity: self.frozen_or_any(true) },
            22 => Command::Retire { identity: self.identity() },
            23..34 => Command::Approve { ticket: self.ticket(), by: self.party() },
            34..37 => Command::Reject { ticket: self.ticket(), by: self.party() },
            37 => Command::Crash,
            38 => Command::Restart,
            _ => Command::Act(self.act()),
        }
    }

    fn new_identity(&mut self) -> Command {
        let known = self.world.identities.len();
        let name = if self.dice.chance(80) { known } else { known / 2 };
        let name = format!("id{name}");
        let parent = Some(self.identity()).filter(|it| it != NOBODY && self.dice.chance(60));
        Command::NewIdentity { name, parent }
    }

    fn grant(&mut self) -> Command {
        let to = self.identity();
        let parent = self.world.identities.get(&to).and_then(|it| it.parent.clone());
        let above = parent.map(|name| self.world.chain(&name)).unwrap_or_default();
        let above = above.last().map_or(&[][..], |link| &link.rules);
        let rules = rules(&mut self.dice, above, (self.world.now, 10 * MINUTE_MS));
        Command::Grant { to, rules }
    }

    fn act(&mut self) -> Act {
        if self.dice.chance(35) {
            let granted: Vec<u32> = self.tickets(TicketState::Granted);
            let known = granted.iter().filter_map(|number| self.world.tickets.get(number));
            let known: Vec<(String, String)> =
                known.map(|it| (it.identity.clone(), it.digest.clone())).collect();
            let waits = |act: &&Act| known.contains(&(act.identity.clone(), act.digest.clone()));
            let waiting: Vec<Act> = self.asked.iter().filter(waits).cloned().collect();
            let recent = self.asked.get(self.asked.len().saturating_sub(6)..).unwrap_or_default();
            let from = if waiting.is_empty() { recent } else { &waiting };
            if let Some(again) = self.dice.pick(from).cloned() {
                let endpoint =
                    if self.dice.chance(80) { again.endpoint } else { answer(&mut self.dice) };
                return Act { endpoint, ..again };
            }
        }
        let identity = self.identity();
        let chain = self.world.chain(&identity);
        let last = chain.last().map_or(&[][..], |link| &link.rules);
        let count = if self.dice.chance(15) { 2 } else { 1 };
        let demands: Vec<Demand> = (0..count).filter_map(|_| self.demand(last)).collect();
        let action = demands.first().map_or("none", |demand| &demand.action).to_owned();
        let names: Vec<String> = demands.iter().map(name).collect();
        Act {
            identity,
            kind: format!("do.{action}"),
            digest: format!("{} #{}", names.join(" "), self.dice.small(2)),
            effect: match action.as_str() {
                "read" | "list" => OperationEffect::Observe,
                "send" => OperationEffect::Release,
                _ => OperationEffect::Change,
            },
            demands,
            endpoint: answer(&mut self.dice),
        }
    }

    /// A path that no parser takes never becomes an operation: try again.
    fn demand(&mut self, rules: &[Rule]) -> Option<Demand> {
        (0..4).find_map(|_| request(&mut self.dice, rules, &mut self.world.now.clone()).demand())
    }

    /// Mostly one that can act; at times a retired or unknown one.
    fn identity(&mut self) -> String {
        let all = self.world.identities.iter();
        let live = all.clone().map(|(name, _)| name).filter(|name| self.world.stands(name));
        let live: Vec<&String> = live.collect();
        let holds = |name: &&String| self.world.grants.values().any(|grant| grant.to == **name);
        let able: Vec<&String> = live.iter().copied().filter(holds).collect();
        let (from, other) = match self.dice.below(100) {
            0..85 => (able, live),
            85..95 => (live, able),
            _ => (all.map(|(name, _)| name).collect(), Vec::new()),
        };
        let found = self.dice.pick(if from.is_empty() { &other } else { &from });
        found.map_or_else(|| NOBODY.to_owned(), |name| (*name).clone())
    }

    fn frozen_or_any(&mut self, frozen: bool) -> Option<String> {
        if self.dice.chance(if self.world.frozen { 60 } else { 15 }) {
            return None;
        }
        let all = self.world.identities.iter();
        let wanted = all.filter(|(_, it)| it.frozen == frozen && !it.retired);
        let wanted: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        self.dice.pick(&wanted).cloned().or_else(|| Some(self.identity()))
    }

    fn tickets(&self, state: TicketState) -> Vec<u32> {
        let all = self.world.tickets.iter();
        all.filter(|(_, it)| it.state == state).map(|(number, _)| *number).collect()
    }

    fn ticket(&mut self) -> u32 {
        let open = self.tickets(TicketState::Open);
        let open = open.get(open.len().saturating_sub(3)..).unwrap_or_default();
        let any = self.dice.small(20);
        if self.dice.chance(85) { self.dice.pick(open).copied().unwrap_or(any) } else { any }
    }

    fn party(&mut self) -> Party {
        if self.dice.chance(90) { Party::Owner } else { Party::Other }
    }

    /// A moment at which something begins, ends or expires, or just before it.
    fn edge(&mut self) -> u64 {
        let rules = self.world.grants.values().flat_map(|grant| &grant.rules);
        let ends = rules.flat_map(|rule| [rule.window.from, rule.window.until]).flatten();
        let mut edges: Vec<u64> = ends.collect();
        edges.extend(self.world.tickets.values().map(|ticket| ticket.expires));
        let soon = |edge: &u64| *edge < self.world.now.saturating_add(40 * MINUTE_MS);
        edges.retain(soon);
        let edge = self.dice.pick(&edges).copied().unwrap_or(MINUTE_MS);
        edge.saturating_sub(self.dice.below(2))
    }
}

fn rule(dice: &mut Dice, now: u64, unit: u64) -> Rule {
    let kind = dice.word(&["fs", "fs", "fs", "tool", "env", "repo", "secret", "contact", "net"]);
    let depth = 1 + dice.below(2);
    let parts = (0..depth).map(|_| dice.word(WORDS)).collect();
    let place = Resource { kind, parts };
    let end = |dice: &mut Dice, back: u64, span: u64| {
        let at = now.saturating_add(dice.below(span) * unit).saturating_sub(back * unit);
        dice.chance(40).then_some(at)
    };
    Rule {
        effect: match dice.below(100) {
            0..67 => Effect::Allow,
            67..85 => Effect::Ask,
            _ => Effect::Deny,
        },
        actions: (0..=dice.below(3)).map(|_| dice.word(ACTIONS)).collect(),
        region: if dice.chance(80) { Region::Subtree(place) } else { Region::Exact(place) },
        window: Window { from: end(dice, 8, 11), until: end(dice, 2, 20) },
        budget: dice
            .chance(15)
            .then(|| Budget { limit: dice.small(4), per_ms: dice.chance(50).then_some(3 * unit) }),
        id: 0,
    }
}

/// Moves `fresh` to where `other` is, or just below it, so that the two meet.
fn beside(dice: &mut Dice, fresh: &mut Rule, other: Rule) {
    fresh.actions = other.actions;
    fresh.region = match other.region {
        Region::Subtree(mut top) if dice.chance(60) => {
            top.parts.push(dice.word(WORDS));
            Region::Subtree(top)
        }
        region @ (Region::Subtree(_) | Region::Exact(_)) => region,
    };
}

fn derived(dice: &mut Dice, rule: &Rule) -> Request {
    let (Region::Subtree(top) | Region::Exact(top)) = &rule.region;
    let mut thing = top.clone();
    if matches!(rule.region, Region::Subtree(_)) {
        thing.parts.extend((0..dice.below(3)).map(|_| dice.word(WORDS)));
    }
    let action = dice.pick(&rule.actions).map_or("read", String::as_str);
    Request::on(action, &thing)
}

fn mutated(dice: &mut Dice, rule: &Rule, now: &mut u64) -> Request {
    let mut request = derived(dice, rule);
    let (Region::Subtree(top) | Region::Exact(top)) = &rule.region;
    let parent = request.text.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
    match dice.below(12) {
        0 => request.text = parent,
        1 => request.text = format!("{}space", Request::on("", top).text),
        2 => request.text = format!("{}/../{}", request.text, dice.word(WORDS)),
        3 => request.text = request.text.to_uppercase(),
        4 => request.action = dice.word(ACTIONS),
        5 => request.kind = dice.word(&["fs", "tool", "env"]),
        6 => request.text.push_str(&dice.word(&["/", "//a", "/.", "\\a", "\0", "\u{202e}"])),
        7 => request.text = format!("{parent}/{}", dice.word(WORDS)),
        8 => *now = rule.window.from.unwrap_or(*now),
        9 => *now = rule.window.from.unwrap_or(*now).saturating_sub(1),
        10 => *now = rule.window.until.unwrap_or(*now),
        _ => *now = rule.window.until.map_or(*now, |until| until.saturating_sub(1)),
    }
    request
}

fn garbage(dice: &mut Dice) -> Request {
    let bits = ["/", "/", "/", "a", "work", "..", ".", "space", " ", "%2e", "\0", "é", "A"];
    let text = (0..dice.below(7)).map(|_| dice.word(&bits)).collect();
    let kind = dice.word(&["fs", "fs", "fs", "tool", "env", "", "FS"]);
    let action = dice.word(&["read", "write", "list", "Read", "", "read "]);
    Request { action, kind, text, tree: false }
}

fn answer(dice: &mut Dice) -> Answer {
    match dice.below(100) {
        0..85 => Answer::Allow(dice.below(10) / 8),
        85..93 => Answer::Deny,
        _ => Answer::Dark,
    }
}

fn name(demand: &Demand) -> String {
    let Demand { action, resource, tree } = demand;
    let below = if *tree { " and below" } else { "" };
    format!("{action} {}:{}{below}", resource.kind, resource.parts.join("/"))
}

const WORDS: &[&str] = &["work", "workspace", "a", "b", "Work"];
const ACTIONS: &[&str] = &["read", "write", "list", "send"];
const NOBODY: &str = "nobody";
const NOON: u64 = 50;
const MINUTE_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::super::command::Denial;
    use super::*;

    #[test]
    fn at_least_a_fifth_is_allowed() {
        let mut mix = BTreeMap::new();
        for seed in 0..20_000 {
            *mix.entry(case(seed).verdict()).or_insert(0) += 1;
        }
        println!("{mix:?}");
        assert!(mix[&Verdict::Allow] >= 4_000 && mix[&Verdict::Ask] >= 1_000, "{mix:?}");
    }

    #[test]
    fn stories_reach_every_outcome() {
        let (mut mix, mut acts, mut allowed) = (BTreeMap::new(), 0, 0);
        for seed in 0..150 {
            let mut world = World { questions_open_max: 3, ..World::default() };
            for command in commands(seed, 150) {
                let (next, outcome) = step(&world, &command);
                if let Command::Act(act) = &command {
                    acts += 1;
                    allowed += u32::from(world.judge(act) == Verdict::Allow);
                    let name = match &outcome {
                        Outcome::Ran { ticket: Some(_), .. } => "ran, approved".to_owned(),
                        Outcome::Ran { .. } => "ran".to_owned(),
                        Outcome::Escalated(_) => "escalated".to_owned(),
                        Outcome::Denied(denial) => format!("{denial:?}"),
                        Outcome::Done | Outcome::Granted(_) => panic!("{outcome:?}"),
                    };
                    *mix.entry(name).or_insert(0) += 1;
                }
                world = next;
            }
        }
        println!("{acts} acts, {allowed} allowed by layer 1: {mix:?}");
        assert!(allowed * 5 >= acts, "{allowed} of {acts}");
        let denials = [Denial::Down, Denial::Unknown, Denial::Retired, Denial::Frozen];
        let more = [Denial::Scope, Denial::Endpoint, Denial::Fault, Denial::Refused];
        let names = denials.iter().chain(&more).chain(&[Denial::Fatigue]).map(|d| format!("{d:?}"));
        for name in names.chain(["ran, approved", "ran", "escalated"].map(str::to_owned)) {
            assert!(mix.get(&name).is_some_and(|hits| *hits >= 20), "{name}: {mix:?}");
        }
    }

    /// The rule once more, with one thing wrong; 0 is right.
    fn planted(bug: u32, case: &Case) -> Verdict {
        let split = |text: &str| {
            let text = text.strip_prefix('/').unwrap_or(text);
            Resource { kind: "fs".into(), parts: text.split('/').map(str::to_owned).collect() }
        };
        let parse = |request: &Request| match request.demand() {
            None if bug == 9 && request.text.contains("..") => {
                let (action, resource) = (request.action.clone(), split(&request.text));
                Some(Demand { action, resource, tree: request.tree })
            }
            demand => demand,
        };
        let demands: Option<Vec<Demand>> = case.requests.iter().map(parse).collect();
        let Some(demands) = demands else { return Verdict::Deny };
        let demands = if bug == 14 { &demands[..1] } else { &demands[..] };
        let links = if bug == 10 { &case.chain[..1] } else { &case.chain[..] };
        let members = |link: &Mandate, demand: &Demand| {
            let mut all = demand.members(&link.rules);
            match bug {
                15 => all = vec![Demand { tree: false, ..demand.clone() }],
                16 if demand.tree => all = all.into_iter().step_by(2).collect(),
                17 => all = all.split_off(all.len().saturating_sub(2)),
                _ => {}
            }
            all
        };
        let all = links.iter().flat_map(|link| {
            let each = demands.iter().flat_map(move |demand| members(link, demand));
            each.map(move |demand| planted_one(bug, case, (link, &demand)))
        });
        if bug == 8 { all.max().unwrap() } else { all.min().unwrap() }
    }

    fn planted_one(bug: u32, case: &Case, (link, demand): (&Mandate, &Demand)) -> Verdict {
        let meets = |rule: &&Rule| {
            let window = Window { until: rule.window.until.map(|end| end + 1), ..rule.window };
            let lapsed = bug == 7 && rule.effect == Effect::Deny;
            let in_time = if bug == 2 { window } else { rule.window }.holds(case.now) || lapsed;
            let (Region::Subtree(top) | Region::Exact(top)) = &rule.region;
            let (outer, inner) = (top.parts.join("/"), demand.resource.parts.join("/"));
            let (low, deep) = (outer.to_lowercase(), inner.to_lowercase());
            let subtree = matches!(rule.region, Region::Subtree(_));
            let prefix = subtree && inner.starts_with(&outer);
            let folded = low == deep || (subtree && deep.starts_with(&format!("{low}/")));
            let inside = rule.region.contains(&demand.resource)
                || (top.kind == demand.resource.kind
                    && ((bug == 1 && prefix) || (bug == 11 && folded)));
            in_time && inside && rule.actions.contains(&demand.action)
        };
        let left = |rule: &Rule| {
            let used = case.spent.get(&rule.id).copied().unwrap_or(0);
            rule.budget.is_none_or(|budget| used < budget.limit)
        };
        let mut met: Vec<&Rule> = link.rules.iter().filter(meets).collect();
        let depth = |rule: &Rule| {
            let (Region::Subtree(top) | Region::Exact(top)) = &rule.region;
            top.parts.len()
        };
        if bug == 3 {
            let most = met.iter().map(|rule| depth(rule)).max().unwrap_or(0);
            met.retain(|rule| depth(rule) == most);
        }
        let deny = met.iter().any(|r| r.effect == Effect::Deny);
        let asks: Vec<&&Rule> = met.iter().filter(|r| r.effect == Effect::Ask).collect();
        let spent_ask = asks.iter().any(|rule| !left(rule));
        let ask = if bug == 13 { asks.iter().any(|rule| left(rule)) } else { !asks.is_empty() };
        let allow = met.iter().any(|r| r.effect == Effect::Allow && (bug == 12 || left(r)));
        match () {
            () if bug == 4 && ask && !spent_ask => Verdict::Ask,
            () if bug == 5 && allow && !deny => Verdict::Allow,
            () if deny || (spent_ask && bug != 13) => Verdict::Deny,
            () if ask && (bug != 6 || allow) => Verdict::Ask,
            () if allow => Verdict::Allow,
            () => Verdict::Deny,
        }
    }

    #[test]
    fn every_planted_bug_is_found_soon() {
        let wrong = |bug, seed: &u64| planted(bug, &case(*seed)) != case(*seed).verdict();
        assert_eq!((0..20_000).find(|seed| wrong(0, seed)), None);
        for bug in 1..=17 {
            let mut found: Vec<u64> = (0..15)
                .map(|run| (run * 2_000..).take(2_000).position(|seed| wrong(bug, &seed)))
                .map(|place| place.map_or(2_000, |place| place as u64))
                .collect();
            found.sort_unstable();
            println!("bug {bug}: median {} worst {}", found[7], found[14]);
            assert!(found[14] < 2_000, "bug {bug}: {found:?}");
        }
    }
}
