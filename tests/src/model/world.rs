//! One owner's kernel as a pure function: a world and a command give a world and an outcome.
//!
//! A command whose precondition fails changes nothing but the record of it. Whatever the outcome,
//! each command leaves exactly one record. What is acknowledged is durable, so a crash forgets
//! nothing; until the restart everything is denied, while time goes on.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Act, Answer, Command, Denial, Outcome, Party};
use super::oracle::{Chain, Mandate, Rule, RuleId, Verdict, debits, judge};

/// Open questions an identity may have before the next one is denied.
pub const QUESTIONS_OPEN_MAX: usize = 16;
/// How long a question, and the yes to it, stays good.
pub const QUESTION_TTL_MS: u64 = 30 * 60 * 1000;

/// Everything the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The machine's clock, which may be set back.
    pub wall: u64,
    /// The greatest time seen. Never falls, and the only one that decides.
    pub now: u64,
    /// False between a crash and the restart.
    pub up: bool,
    /// Everything is frozen at once, beside what is frozen singly.
    pub frozen: bool,
    /// By name.
    pub identities: BTreeMap<String, Identity>,
    /// By number, from 0 upwards; revoked ones are gone.
    pub grants: BTreeMap<u32, Grant>,
    /// All questions ever asked, by number, from 0 upwards.
    pub tickets: BTreeMap<u32, Ticket>,
    /// Identity and digest of what the owner rejected.
    pub refused: BTreeSet<(String, String)>,
    /// Uses of budgeted rules: the last period with any, and how many.
    pub spent: BTreeMap<RuleId, (u64, u32)>,
    /// One for each command.
    pub records: Vec<Record>,
    /// Cap on open questions, [`QUESTIONS_OPEN_MAX`] unless a test wants it smaller.
    pub questions_open_max: usize,
    /// The number of the next grant.
    pub grant_next: u32,
    /// The id of the next rule.
    pub rule_next: RuleId,
}

/// A role the owner plays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Whose mandates bound this one's.
    pub parent: Option<String>,
    /// Counts changes of authority here or in an ancestor.
    pub epoch: u64,
    /// Frozen by itself.
    pub frozen: bool,
    /// Gone for good.
    pub retired: bool,
}

/// Rules in force for one identity and, as bounds, for those below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    /// Who received it.
    pub to: String,
    /// Numbered by the world, upwards in order of granting.
    pub rules: Vec<Rule>,
}

/// A question to the owner, and the approval that may come of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Who asked.
    pub identity: String,
    /// For which exact operation.
    pub digest: String,
    /// Under which epoch of the identity.
    pub epoch: u64,
    /// On which version of the resource.
    pub version: u64,
    /// First moment at which it is no longer good.
    pub expires: u64,
    /// Where in its life it is.
    pub state: TicketState,
}

/// The life of a ticket: open, then granted, then spent, with four ways to end earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// Waits for the owner.
    Open,
    /// The owner said yes; not used yet.
    Granted,
    /// Used, with the intent of one operation.
    Spent,
    /// The owner said no; remembered.
    Rejected,
    /// The authority it was asked under has changed, or the version it was asked on.
    Revoked,
    /// Nobody answered, or nobody used the answer, in time. Not a rejection.
    Expired,
}

/// What came of which command.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// The command's name.
    pub kind: &'static str,
    /// Its result.
    pub outcome: Outcome,
    /// When, by the clock that never falls.
    pub now: u64,
}

/// Makes one step. Total and pure; on a denial only the record is new.
#[must_use]
pub fn step(world: &World, command: &Command) -> (World, Outcome) {
    let mut next = world.clone();
    let outcome = next.apply(command).unwrap_or_else(|denial| {
        next = world.clone();
        Outcome::Denied(denial)
    });
    next.records.push(Record { kind: command.kind(), outcome: outcome.clone(), now: next.now });
    (next, outcome)
}

impl Default for World {
    fn default() -> Self {
        Self {
            wall: 0,
            now: 0,
            up: true,
            frozen: false,
            identities: BTreeMap::new(),
            grants: BTreeMap::new(),
            tickets: BTreeMap::new(),
            refused: BTreeSet::new(),
            spent: BTreeMap::new(),
            records: Vec::new(),
            questions_open_max: QUESTIONS_OPEN_MAX,
            grant_next: 0,
            rule_next: 0,
        }
    }
}

impl World {
    /// The mandates `identity` acts under, its topmost ancestor's first; none if it is unknown.
    #[must_use]
    pub fn chain(&self, identity: &str) -> Chain {
        let rules = |name: &String| {
            let granted = self.grants.values().filter(|grant| grant.to == *name);
            granted.flat_map(|grant| grant.rules.iter().cloned()).collect()
        };
        self.line(identity).iter().map(|name| Mandate { rules: rules(name) }).collect()
    }

    /// Layer 1's verdict on `act`, for an identity that stands.
    #[must_use]
    pub fn judge(&self, act: &Act) -> Verdict {
        let chain = self.chain(&act.identity);
        judge(&chain, &act.demands, self.now, &|id| self.uses(&chain, id))
    }

    /// Whether `identity` is known and neither it nor one above it is retired or frozen singly.
    #[must_use]
    pub fn stands(&self, identity: &str) -> bool {
        let acts = |name| self.identities.get(name).is_some_and(|it| !it.frozen && !it.retired);
        let line = self.line(identity);
        !line.is_empty() && line.iter().all(acts)
    }

    /// How many questions of `identity` wait for the owner.
    #[must_use]
    pub fn questions_open(&self, identity: &str) -> usize {
        let open = |t: &&Ticket| t.identity == identity && t.state == TicketState::Open;
        self.tickets.values().filter(open).count()
    }

    fn apply(&mut self, command: &Command) -> Result<Outcome, Denial> {
        match command {
            Command::Tick { ms } => self.wall = self.wall.saturating_add(*ms),
            Command::WallJump { to } => self.wall = *to,
            Command::Crash => self.up = false,
            Command::Restart => self.up = true,
            _ if !self.up => return Err(Denial::Down),
            Command::NewIdentity { name, parent } => self.new_identity(name, parent.as_deref())?,
            Command::Grant { to, rules } => return self.grant(to, rules),
            Command::Revoke { grant } => {
                let revoked = self.grants.remove(grant).ok_or(Denial::Unknown)?;
                self.bump(Some(&revoked.to));
            }
            Command::Freeze { identity } => self.set_frozen(identity.as_deref(), true)?,
            Command::Unfreeze { identity } => self.set_frozen(identity.as_deref(), false)?,
            Command::Retire { identity } => {
                self.standing(identity)?.retired = true;
                self.bump(Some(identity));
            }
            Command::Act(act) => return self.act(act),
            Command::Approve { ticket, by } => {
                self.answer(*ticket, *by)?.state = TicketState::Granted;
            }
            Command::Reject { ticket, by } => {
                let question = self.answer(*ticket, *by)?;
                question.state = TicketState::Rejected;
                let refused = (question.identity.clone(), question.digest.clone());
                self.refused.insert(refused);
            }
        }
        self.settle();
        Ok(Outcome::Done)
    }

    fn new_identity(&mut self, name: &str, parent: Option<&str>) -> Result<(), Denial> {
        if self.identities.contains_key(name) {
            return Err(Denial::Taken);
        }
        if let Some(parent) = parent {
            self.standing(parent)?;
        }
        let parent = parent.map(str::to_owned);
        let fresh = Identity { parent, epoch: 0, frozen: false, retired: false };
        self.identities.insert(name.to_owned(), fresh);
        Ok(())
    }

    fn grant(&mut self, to: &str, rules: &[Rule]) -> Result<Outcome, Denial> {
        self.standing(to)?;
        let ids = self.rule_next..;
        let rules: Vec<Rule> =
            ids.zip(rules).map(|(id, rule)| Rule { id, ..rule.clone() }).collect();
        self.rule_next = rules.last().map_or(self.rule_next, |rule| rule.id.saturating_add(1));
        let number = self.grant_next;
        self.grant_next = number.saturating_add(1);
        self.grants.insert(number, Grant { to: to.to_owned(), rules });
        self.bump(Some(to));
        Ok(Outcome::Granted(number))
    }

    fn set_frozen(&mut self, identity: Option<&str>, frozen: bool) -> Result<(), Denial> {
        match identity {
            Some(name) => self.standing(name)?.frozen = frozen,
            None => self.frozen = frozen,
        }
        self.bump(identity);
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<Outcome, Denial> {
        let epoch = self.standing(&act.identity)?.epoch;
        if self.frozen || !self.stands(&act.identity) {
            return Err(Denial::Frozen);
        }
        let verdict = self.judge(act);
        if verdict == Verdict::Deny {
            return Err(Denial::Scope);
        }
        let version = match act.endpoint {
            Answer::Allow(version) => version,
            Answer::Deny => return Err(Denial::Endpoint),
            Answer::Dark => return Err(Denial::Fault),
        };
        let ticket = if verdict == Verdict::Allow {
            None
        } else {
            let same = |t: &Ticket| (&t.identity, &t.digest) == (&act.identity, &act.digest);
            let bound = |t: &Ticket| same(t) && (t.epoch, t.version) == (epoch, version);
            let find = |state| {
                let mut tickets = self.tickets.iter();
                tickets.find(|(_, t)| bound(t) && t.state == state).map(|(number, _)| *number)
            };
            match find(TicketState::Granted) {
                Some(number) => Some(number),
                None => return self.ask(act, (epoch, version), find(TicketState::Open)),
            }
        };
        if let Some(approval) = ticket.and_then(|number| self.tickets.get_mut(&number)) {
            approval.state = TicketState::Spent;
        }
        Ok(Outcome::Ran { ticket, debited: self.debit(act) })
    }

    fn ask(
        &mut self,
        act: &Act,
        (epoch, version): (u64, u64),
        open: Option<u32>,
    ) -> Result<Outcome, Denial> {
        if self.refused.contains(&(act.identity.clone(), act.digest.clone())) {
            return Err(Denial::Refused);
        }
        if let Some(number) = open {
            return Ok(Outcome::Escalated(number));
        }
        if self.questions_open(&act.identity) >= self.questions_open_max {
            return Err(Denial::Fatigue);
        }
        // Asked again on another version: the question, or the yes, about the old one is over.
        let same = |t: &&mut Ticket| (&t.identity, &t.digest) == (&act.identity, &act.digest);
        for superseded in self.pending().filter(same) {
            superseded.state = TicketState::Revoked;
        }
        let number = self.tickets.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let question = Ticket {
            identity: act.identity.clone(),
            digest: act.digest.clone(),
            epoch,
            version,
            expires: self.now.saturating_add(QUESTION_TTL_MS),
            state: TicketState::Open,
        };
        self.tickets.insert(number, question);
        Ok(Outcome::Escalated(number))
    }

    fn debit(&mut self, act: &Act) -> BTreeSet<RuleId> {
        let chain = self.chain(&act.identity);
        let debited = debits(&chain, &act.demands, self.now, &|id| self.uses(&chain, id));
        for rule in chain.iter().flat_map(|link| &link.rules) {
            if let Some(budget) = rule.budget.filter(|_| debited.contains(&rule.id)) {
                let uses = self.uses(&chain, rule.id).saturating_add(1);
                self.spent.insert(rule.id, (budget.period(self.now), uses));
            }
        }
        debited
    }

    fn answer(&mut self, ticket: u32, by: Party) -> Result<&mut Ticket, Denial> {
        if by != Party::Owner {
            return Err(Denial::NotOwner);
        }
        let question = self.tickets.get_mut(&ticket).ok_or(Denial::Unknown)?;
        if question.state == TicketState::Open { Ok(question) } else { Err(Denial::Closed) }
    }

    /// The identity, if neither it nor one above it is retired.
    fn standing(&mut self, name: &str) -> Result<&mut Identity, Denial> {
        let gone = |name: &String| self.identities.get(name).is_none_or(|it| it.retired);
        if self.line(name).iter().any(gone) {
            return Err(Denial::Retired);
        }
        self.identities.get_mut(name).ok_or(Denial::Unknown)
    }

    /// The identity and those above it, topmost first; none if it is unknown.
    fn line(&self, name: &str) -> Vec<String> {
        let above = |name: &&String| self.identities.get(*name)?.parent.as_ref();
        let own = self.identities.get_key_value(name).map(|(name, _)| name);
        let mut line: Vec<String> = std::iter::successors(own, above).cloned().collect();
        line.reverse();
        line
    }

    /// Authority has changed at `root`, or everywhere: what was asked or granted there is void.
    fn bump(&mut self, root: Option<&str>) {
        let below = |name: &String| root.is_none_or(|r| self.line(name).iter().any(|up| up == r));
        let touched: BTreeSet<String> =
            self.identities.keys().filter(|name| below(name)).cloned().collect();
        for (_, identity) in self.identities.iter_mut().filter(|(n, _)| touched.contains(*n)) {
            identity.epoch = identity.epoch.saturating_add(1);
        }
        for ticket in self.pending().filter(|ticket| touched.contains(&ticket.identity)) {
            ticket.state = TicketState::Revoked;
        }
    }

    /// Time has gone on, perhaps: what is late expires.
    fn settle(&mut self) {
        self.now = self.now.max(self.wall);
        let now = self.now;
        for ticket in self.pending().filter(|ticket| ticket.expires <= now) {
            ticket.state = TicketState::Expired;
        }
    }

    fn pending(&mut self) -> impl Iterator<Item = &mut Ticket> {
        let live = |t: &&mut Ticket| matches!(t.state, TicketState::Open | TicketState::Granted);
        self.tickets.values_mut().filter(live)
    }

    fn uses(&self, chain: &[Mandate], id: RuleId) -> u32 {
        let rule = chain.iter().flat_map(|link| &link.rules).find(|rule| rule.id == id);
        let period = rule.and_then(|rule| rule.budget).map(|budget| budget.period(self.now));
        let used = self.spent.get(&id).filter(|(last, _)| Some(*last) == period);
        used.map_or(0, |(_, uses)| *uses)
    }
}

#[cfg(test)]
mod tests {
    use super::super::generate::commands;
    use super::*;

    /// Tells many short stories and looks at each step: before, command, after, outcome.
    fn always(questions_open_max: usize, look: impl Fn(&World, &Command, &World, &Outcome)) {
        for seed in 0..60 {
            let mut world = World { questions_open_max, ..World::default() };
            for command in commands(seed, 150) {
                let (after, outcome) = step(&world, &command);
                look(&world, &command, &after, &outcome);
                world = after;
            }
        }
    }

    #[test]
    fn i2_i3_i9_what_runs_was_let_through_by_both_layers() {
        always(QUESTIONS_OPEN_MAX, |before, command, after, outcome| {
            let Command::Act(act) = command else { return };
            match outcome {
                Outcome::Ran { ticket, .. } => {
                    let Answer::Allow(version) = act.endpoint else { panic!("{act:?}") };
                    let Some(number) = ticket else {
                        return assert_eq!(before.judge(act), Verdict::Allow, "{act:?}");
                    };
                    assert_eq!(before.judge(act), Verdict::Ask, "{act:?}");
                    let (was, is) = (&before.tickets[number], &after.tickets[number]);
                    let epoch = before.identities[&act.identity].epoch;
                    assert_eq!((was.state, is.state), (TicketState::Granted, TicketState::Spent));
                    assert_eq!((&was.identity, &was.digest), (&act.identity, &act.digest));
                    assert_eq!((was.epoch, was.version), (epoch, version));
                    assert!(before.now < was.expires);
                }
                Outcome::Escalated(_) => {
                    assert_eq!(before.judge(act), Verdict::Ask);
                    assert!(matches!(act.endpoint, Answer::Allow(_)));
                }
                Outcome::Denied(_) | Outcome::Done | Outcome::Granted(_) => {
                    assert_eq!((&before.spent, &before.tickets), (&after.spent, &after.tickets));
                }
            }
        });
    }

    #[test]
    fn i8_tickets_follow_their_life() {
        use TicketState::{Expired, Granted, Open, Rejected, Revoked, Spent};
        always(QUESTIONS_OPEN_MAX, |before, command, after, _| {
            for (number, is) in &after.tickets {
                let Some(was) = before.tickets.get(number) else {
                    assert_eq!(is.state, Open);
                    continue;
                };
                let legal = was.state == is.state
                    || match was.state {
                        Open => matches!(is.state, Granted | Rejected | Revoked | Expired),
                        Granted => matches!(is.state, Spent | Revoked | Expired),
                        Spent | Rejected | Revoked | Expired => false,
                    };
                assert!(legal, "{command:?}: {was:?} became {is:?}");
                if (was.state, is.state) == (Open, Granted) {
                    let yes = Command::Approve { ticket: *number, by: Party::Owner };
                    assert_eq!(command, &yes);
                }
            }
        });
    }

    #[test]
    fn i10_nothing_later_uses_the_old_epoch() {
        always(QUESTIONS_OPEN_MAX, |before, command, after, outcome| {
            let live = |t: &&Ticket| matches!(t.state, TicketState::Open | TicketState::Granted);
            for ticket in after.tickets.values().filter(live) {
                assert_eq!(ticket.epoch, after.identities[&ticket.identity].epoch, "{command:?}");
            }
            for (name, was) in &before.identities {
                let authority =
                    |world: &World| (world.chain(name), world.stands(name), world.frozen);
                let kept = authority(before) == authority(after);
                assert!(kept || after.identities[name].epoch > was.epoch, "{command:?}: {name}");
            }
            let Command::Act(act) = command else { return };
            if matches!(outcome, Outcome::Ran { .. } | Outcome::Escalated(_)) {
                let stopped = |name: &String| {
                    before.identities[name].frozen || before.identities[name].retired
                };
                assert!(before.up && !before.frozen);
                assert!(!before.line(&act.identity).iter().any(stopped), "{act:?}");
            }
        });
    }

    #[test]
    fn i11_a_no_is_remembered_and_questions_are_capped() {
        always(2, |before, command, after, outcome| {
            assert!(after.identities.keys().all(|name| after.questions_open(name) <= 2));
            assert!(after.refused.is_superset(&before.refused));
            if let (Command::Act(act), Outcome::Escalated(_)) = (command, outcome) {
                let key = (act.identity.clone(), act.digest.clone());
                assert!(!before.refused.contains(&key), "{act:?}");
            }
        });
    }

    #[test]
    fn time_never_falls_and_each_command_leaves_one_record() {
        always(QUESTIONS_OPEN_MAX, |before, command, after, outcome| {
            assert!(after.now >= before.now);
            assert_eq!(after.records.len(), before.records.len() + 1);
            assert!(after.records.starts_with(&before.records));
            let last = after.records.last().unwrap();
            assert_eq!((last.kind, &last.outcome), (command.kind(), outcome));
            if matches!(outcome, Outcome::Denied(_)) {
                let unrecorded = World { records: before.records.clone(), ..after.clone() };
                assert_eq!(&unrecorded, before);
            }
        });
    }

    #[test]
    fn no_budget_is_exceeded_in_any_period() {
        let mut used_up = 0;
        for seed in 0..200 {
            let (mut world, mut tally) = (World::default(), BTreeMap::new());
            for command in commands(seed, 150) {
                let (after, outcome) = step(&world, &command);
                world = after;
                let Outcome::Ran { debited, .. } = outcome else { continue };
                let rules = world.grants.values().flat_map(|grant| &grant.rules);
                for rule in rules.filter(|rule| debited.contains(&rule.id)) {
                    let budget = rule.budget.unwrap();
                    let period = budget.per_ms.map_or(0, |per_ms| world.now / per_ms);
                    let uses = tally.entry((rule.id, period)).or_insert(0);
                    *uses += 1;
                    assert!(*uses <= budget.limit, "seed {seed}: {rule:?}");
                    used_up += u32::from(*uses == budget.limit);
                }
            }
        }
        assert!(used_up > 20, "only {used_up} budgets were used up");
    }
}
