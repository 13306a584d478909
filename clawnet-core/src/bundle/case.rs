//! Whether records bear each other: what one deed rests on, among records that are proven.
use std::collections::{BTreeMap, BTreeSet};

use super::{
    Granted, Unproven, Who,
    proven::{Facts, Grantor},
};
use crate::{
    approval::Question,
    cause::Cause,
    id::{IdentityId, OwnerId, TicketId},
    operation::Demanded,
    policy::DEPTH_MAX,
    record::{Act, Actor, AuditRecord, Event, Intent, OutcomeKind, SignedAct},
    rule::{Grant, RuleId, Verdict},
};

/// Records that are proven, by sequence.
pub(super) type Records = BTreeMap<u64, AuditRecord>;

/// What is known of one deed.
pub(super) struct Case<'r> {
    pub(super) owner: OwnerId,
    pub(super) records: &'r Records,
}

type Borne<T> = Result<T, Unproven>;

impl<'r> Case<'r> {
    /// What the records prove about the one at `subject`.
    pub(super) fn prove(&self, subject: u64) -> Borne<Facts> {
        let subject = self
            .records
            .get(&subject)
            .ok_or(Unproven::Unfounded { sequence: subject, what: "itself" })?;
        let mut facts = Facts::about(subject);
        let (of, of_ticket) = belongs_to(&subject.event);
        let intent = match (&subject.event, of, of_ticket) {
            (Event::Intent(intent), _, _) => Some((subject, intent)),
            (_, Some(intent), _) => Some(self.intent(subject, intent)?),
            (_, None, Some(ticket)) => self.spending(ticket),
            (_, None, None) => None,
        };
        let ticket = intent.map_or(of_ticket, |(_, intent)| intent.approval);
        if let Some(ticket) = ticket {
            self.asked((subject, ticket), intent, &mut facts)?;
        }
        if let Some((record, intent)) = intent {
            self.intended(record, intent, &mut facts)?;
        }
        if matches!(subject.event, Event::Outcome(_)) && facts.outcome.as_ref() != Some(subject) {
            return Err(unfounded(subject, "being the one outcome of its intent"));
        }
        if facts.who.is_none() {
            facts.who = self.who(subject)?;
        }
        Ok(facts)
    }

    /// A question, its answer, and that the intent is what was asked about.
    fn asked(
        &self,
        (on, ticket): (&AuditRecord, TicketId),
        spent: Option<(&'r AuditRecord, &'r Intent)>,
        facts: &mut Facts,
    ) -> Borne<()> {
        let missing = unfounded(on, "the question to the owner");
        let (asked, question) = self.question(ticket).ok_or(missing.clone())?;
        if !question.is_what_it_says(self.owner, asked.sequence) {
            return Err(missing);
        }
        if (Actor::Agent { agent: question.agent, identity: question.identity }) != asked.actor {
            return Err(missing);
        }
        facts.who = self.who(asked)?;
        let about = (asked, question.identity);
        facts.rules = self.rules(about, &question.rules, &question.demands)?;
        let answer =
            self.records.values().find(|record| act_of(record).and_then(answered) == Some(ticket));
        if let Some(answer) = answer {
            let missing = unfounded(answer, "the question to the owner");
            let in_time = asked.sequence < answer.sequence && answer.at < question.expires;
            let other = matches!(
                &answer.event,
                Event::Act(SignedAct { act: Act::Approve(approval), .. })
                    if *approval != question.approval()
            );
            if !in_time || other {
                return Err(missing);
            }
        }
        if let Some((record, intent)) = spent {
            let missing = unfounded(record, "the owner's approval");
            let approved = answer.filter(|answer| is_approval(answer)).ok_or(missing.clone())?;
            let in_time = approved.sequence < record.sequence && record.at < question.expires;
            if !in_time || !is_of(question, record, intent) {
                return Err(missing);
            }
        }
        facts.question = Some(asked.clone());
        facts.answer = answer.cloned();
        Ok(())
    }

    fn intended(&self, record: &AuditRecord, intent: &Intent, facts: &mut Facts) -> Borne<()> {
        facts.who = self.who(record)?;
        let Some(Who { identity, .. }) = facts.who else {
            return Err(unfounded(record, "an agent"));
        };
        facts.rules = self.rules((record, identity), &intent.rules, &intent.demands)?;
        let asks = |granted: &Granted| granted.text.effect() == Verdict::Ask;
        if intent.approval.is_none() && facts.rules.iter().any(asks) {
            return Err(unfounded(record, "the owner's approval"));
        }
        let outcome = self.records.values().find_map(|outcome| {
            let Event::Outcome(of) = &outcome.event else { return None };
            (of.intent == record.sequence).then_some((outcome, of))
        });
        if let Some((outcome, of)) = outcome {
            let by_kernel = outcome.actor == Actor::Kernel && of.result == OutcomeKind::Interrupted;
            if outcome.sequence <= record.sequence || outcome.actor != record.actor && !by_kernel {
                return Err(unfounded(outcome, "its intent"));
            }
        }
        facts.intent = Some(record.clone());
        facts.outcome = outcome.map(|(outcome, _)| outcome.clone());
        Ok(())
    }

    /// The rules that let something pass, with the grants they are of: of every grantor at least
    /// one for each demand, about all of it, in force then.
    fn rules(
        &self,
        (on, identity): (&AuditRecord, IdentityId),
        rules: &[RuleId],
        demands: &Demanded,
    ) -> Borne<Vec<Granted>> {
        let missing = || unfounded(on, "the grants of its rules");
        let mut found = Vec::new();
        let mut used = BTreeSet::new();
        for rule in rules {
            // A rule is used once. What is looked at must not be many times what there is.
            if !used.insert(*rule) {
                return Err(missing());
            }
            let (grant, holder, issued) = self.grant(rule, on.sequence).ok_or_else(missing)?;
            let text = grant.rules().get(usize::from(rule.index)).ok_or_else(missing)?;
            let holds = text.window().holds(on.at) && text.effect() != Verdict::Deny;
            if !holds {
                return Err(missing());
            }
            let by = match issued.actor {
                Actor::Agent { identity, .. } => Grantor::Identity(identity),
                Actor::Kernel | Actor::Owner => Grantor::Owner,
            };
            found.push(Granted {
                rule: *rule,
                text: text.clone(),
                holder,
                by,
                sequence: issued.sequence,
                at: issued.at,
            });
        }
        for holder in self.ancestry(on, identity)? {
            let mut own = found.iter().filter(|granted| granted.holder == holder).peekable();
            let bears = |action, region| {
                let mut own = own.clone();
                own.any(|Granted { text, .. }| {
                    text.actions().contains(action) && text.region().includes(region)
                })
            };
            let all = demands.iter().all(|(action, region)| bears(action, region));
            if own.peek().is_none() || !all {
                return Err(missing());
            }
        }
        Ok(found)
    }

    /// Who caused a record, if an agent did, and how it came to act.
    fn who(&self, on: &AuditRecord) -> Borne<Option<Who>> {
        let Actor::Agent { agent, identity } = on.actor else { return Ok(None) };
        self.ancestry(on, identity)?;
        let before = self.records.range(..on.sequence).map(|(_, record)| record);
        let mut bound = before.filter_map(|record| {
            let Act::Bind { agent: bound, identity, job, name, runtime } = act_of(record)? else {
                return None;
            };
            (*bound == agent).then_some((record.sequence, *identity, (name, runtime, job)))
        });
        let (sequence, _, (name, runtime, job)) = bound
            .next_back()
            .filter(|(_, to, _)| *to == identity)
            .ok_or(unfounded(on, "the act that binds its agent"))?;
        let called = self.made(identity, on.sequence).map(|(_, name, _)| name.to_owned());
        Ok(Some(Who {
            agent,
            name: name.clone(),
            runtime: runtime.clone(),
            job: job.clone(),
            identity,
            identity_name: called.unwrap_or_default(),
            bound: sequence,
        }))
    }

    /// An identity and those above it, each made before `on`.
    fn ancestry(&self, on: &AuditRecord, identity: IdentityId) -> Borne<Vec<IdentityId>> {
        let mut chain = Vec::new();
        let (mut next, mut before) = (Some(identity), on.sequence);
        while let Some(identity) = next {
            // No kernel lets them stand deeper.
            let made = self.made(identity, before).filter(|_| chain.len() < DEPTH_MAX);
            let (sequence, _, parent) = made.ok_or(unfounded(on, "the record of its identity"))?;
            chain.push(identity);
            (next, before) = (parent, sequence);
        }
        Ok(chain)
    }

    /// Where an identity was made before `before`, its name, and whose scope limits it.
    fn made(
        &self,
        identity: IdentityId,
        before: u64,
    ) -> Option<(u64, &'r str, Option<IdentityId>)> {
        self.records.range(..before).find_map(|(sequence, record)| {
            let (made, name, parent) = if let Event::Delegated { identity, name, .. } =
                &record.event
            {
                let Actor::Agent { identity: parent, .. } = record.actor else { return None };
                (identity, name, Some(parent))
            } else {
                let Act::Identity { identity, name, parent } = act_of(record)? else { return None };
                (identity, name, *parent)
            };
            (*made == identity).then_some((*sequence, name.as_str(), parent))
        })
    }

    /// The grant of a rule, to whom it was issued, and by which record before `before`.
    fn grant(
        &self,
        rule: &RuleId,
        before: u64,
    ) -> Option<(&'r Grant, IdentityId, &'r AuditRecord)> {
        self.records.range(..before).find_map(|(_, record)| {
            let (issued, holder, rules) = if let Event::Delegated {
                grant, identity, rules, ..
            } = &record.event
            {
                (grant, identity, rules)
            } else {
                let Act::Grant { grant, identity, rules } = act_of(record)? else { return None };
                (grant, identity, rules)
            };
            (*issued == rule.grant).then_some((rules, *holder, record))
        })
    }

    fn intent(&self, on: &AuditRecord, sequence: u64) -> Borne<(&'r AuditRecord, &'r Intent)> {
        let record = self.records.get(&sequence).filter(|_| sequence < on.sequence);
        record.and_then(intent_of).ok_or(unfounded(on, "its intent"))
    }

    fn spending(&self, ticket: TicketId) -> Option<(&'r AuditRecord, &'r Intent)> {
        let mut intents = self.records.values().filter_map(intent_of);
        intents.find(|(_, intent)| intent.approval == Some(ticket))
    }

    fn question(&self, ticket: TicketId) -> Option<(&'r AuditRecord, &'r Question)> {
        self.records.values().find_map(|record| {
            let Event::Asked(question) = &record.event else { return None };
            (question.ticket == ticket).then_some((record, question))
        })
    }
}

fn intent_of(record: &AuditRecord) -> Option<(&AuditRecord, &Intent)> {
    let Event::Intent(intent) = &record.event else { return None };
    Some((record, intent))
}

fn act_of(record: &AuditRecord) -> Option<&Act> {
    let Event::Act(signed) = &record.event else { return None };
    Some(&signed.act)
}

/// The intent an event says it belongs to, and the question.
pub(super) fn belongs_to(event: &Event) -> (Option<u64>, Option<TicketId>) {
    if let Event::Outcome(outcome) = event {
        (Some(outcome.intent), None)
    } else if let Event::Recalled { intent, .. } = event {
        (Some(*intent), None)
    } else if let Event::Asked(question) = event {
        (None, Some(question.ticket))
    } else if let Event::Act(signed) = event {
        (None, answered(&signed.act))
    } else {
        (None, None)
    }
}

/// Whether an intent is exactly what a question asked about.
fn is_of(question: &Question, record: &AuditRecord, intent: &Intent) -> bool {
    let for_whom =
        matches!(record.actor, Actor::Agent { identity, .. } if identity == question.identity);
    for_whom
        && intent.operation == question.operation
        && intent.demands == question.demands
        && intent.epoch == question.epoch
        && intent.kind == question.kind
        && *intent.mount == *question.mount
        && intent.version == question.version
        && because(intent.cause.as_ref()) == because(question.cause.as_ref())
}

fn because(cause: Option<&Cause>) -> Option<&str> {
    cause.map(Cause::source)
}

/// The question an act answers.
pub(super) fn answered(act: &Act) -> Option<TicketId> {
    if let Act::Approve(approval) = act {
        return Some(approval.ticket);
    }
    let Act::Reject { ticket } = act else { return None };
    Some(*ticket)
}

fn is_approval(record: &AuditRecord) -> bool {
    matches!(&record.event, Event::Act(SignedAct { act: Act::Approve(_), .. }))
}

fn unfounded(on: &AuditRecord, what: &'static str) -> Unproven {
    Unproven::Unfounded { sequence: on.sequence, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approval::OperationText,
        digest::Digest,
        id::{AgentId, GrantId},
        key::Signature,
        operation::{Action, Demands, Effect},
        resource::{Region, Resource},
        time::Timestamp,
    };

    const OWNER: OwnerId = OwnerId::from_bytes([7; 16]);

    /// Records of somebody who signs what no kernel would: identities, one beneath the other, each
    /// with two grants, and an intent of the last.
    fn records(depth: u64, demands: &[Resource], useless: usize) -> Records {
        let mut records = Records::new();
        let mut add = |actor, event| {
            let sequence = records.len() as u64 + 1;
            let (hash, at) = (Digest::ZERO, Timestamp::default());
            records.insert(sequence, AuditRecord { sequence, hash, at, actor, event });
        };
        let act = |act| Event::Act(SignedAct::new(act, 1, Signature::from_bytes([0; 64])));
        let made = |nth| IdentityId::made_at(OWNER, nth, 0);
        let grant = |nth| GrantId::made_at(OWNER, nth, 0);
        let mut rules = smallvec::SmallVec::new();
        for nth in 1..=depth {
            let (identity, name) = (made(nth), "n".to_owned());
            let parent = (nth > 1).then(|| made(nth - 1));
            add(Actor::Owner, act(Act::Identity { identity, name, parent }));
            let all = Grant::new().allow(Action::Read, Region::whole_volume().unwrap());
            add(Actor::Owner, act(Act::Grant { grant: grant(nth), identity, rules: all }));
            rules.push(RuleId { grant: grant(nth), index: 0 });
        }
        for _ in 0..useless {
            rules.insert(0, RuleId { grant: grant(depth), index: 0 });
        }
        let (agent, identity) = (AgentId::made_at(OWNER, 1, 0), made(depth));
        let (name, runtime) = ("a".to_owned(), "here".to_owned());
        add(Actor::Owner, act(Act::Bind { agent, identity, job: None, name, runtime }));
        let first = Demands::one(Action::Read, &demands[0]);
        let all = demands[1..].iter().fold(first, |all, one| all.and(Action::Read, one));
        let intent = Intent {
            cause: None,
            approval: None,
            demands: all.recorded(),
            effect: Effect::Observe,
            epoch: 1,
            kind: "test.look".into(),
            mount: "place".into(),
            operation: OperationText::new("null"),
            rules,
            version: None,
        };
        add(Actor::Agent { agent, identity }, Event::Intent(intent));
        records
    }

    fn check(records: &Records, proven: bool) {
        let subject = *records.keys().last().unwrap();
        let case = Case { owner: OWNER, records };
        assert_eq!(case.prove(subject).is_ok(), proven, "{} records", records.len());
    }

    #[test]
    fn what_no_kernel_writes_is_not_followed_through_at_length() {
        let one: Vec<Resource> = vec!["fs:/a".parse().unwrap()];
        check(&records(4, &one, 0), true);
        check(&records(5, &one, 0), false);
        check(&records(1, &one, 1), false);
    }
}
