//! Whether records bear each other: what one deed rests on, among records that are proven.
use std::collections::BTreeMap;

use super::{
    Granted, Unproven, Who,
    proven::{Facts, Grantor},
};
use crate::{
    approval::Question,
    id::{IdentityId, OwnerId, TicketId},
    operation::Demanded,
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
        let intent = match &subject.event {
            Event::Intent(intent) => Some((subject, intent)),
            Event::Outcome(outcome) => Some(self.intent(subject, outcome.intent)?),
            Event::Recalled { intent, .. } => Some(self.intent(subject, *intent)?),
            Event::Asked(question) => self.spending(question.ticket),
            Event::Act(signed) => answered(&signed.act).and_then(|ticket| self.spending(ticket)),
            _ => None,
        };
        let ticket = match (&subject.event, intent) {
            (_, Some((_, intent))) => intent.approval,
            (Event::Asked(question), None) => Some(question.ticket),
            (Event::Act(signed), None) => answered(&signed.act),
            (_, None) => None,
        };
        if let Some(ticket) = ticket {
            self.asked((subject, ticket), intent, &mut facts)?;
        }
        if let Some((record, intent)) = intent {
            self.intended(record, intent, &mut facts)?;
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
        let answer = self.records.values().find(|record| {
            let Event::Act(signed) = &record.event else { return false };
            answered(&signed.act) == Some(ticket)
        });
        if let Some(answer) = answer {
            let missing = unfounded(answer, "the question to the owner");
            let in_time = asked.sequence < answer.sequence && answer.at < question.expires;
            let same = match &answer.event {
                Event::Act(SignedAct { act: Act::Approve(approval), .. }) => {
                    *approval == question.approval()
                }
                _ => true,
            };
            if !in_time || !same {
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
        let outcome = self.records.values().find_map(|outcome| match &outcome.event {
            Event::Outcome(of) if of.intent == record.sequence => Some((outcome, of)),
            _ => None,
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
    /// one for each demand, in force then.
    fn rules(
        &self,
        (on, identity): (&AuditRecord, IdentityId),
        rules: &[RuleId],
        demands: &Demanded,
    ) -> Borne<Vec<Granted>> {
        let missing = || unfounded(on, "the grants of its rules");
        let mut found = Vec::new();
        for rule in rules {
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
            let bears = |action, resource| {
                let mut own = own.clone();
                own.any(|Granted { text, .. }| {
                    text.actions().contains(action) && text.region().contains(resource)
                })
            };
            let all = demands.iter().all(|(action, resource)| bears(action, resource));
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
        let bound = before.filter_map(|record| match &record.event {
            Event::Act(SignedAct { act: Act::Bind { agent: bound, .. }, .. })
                if *bound == agent =>
            {
                Some((record, record.event.clone()))
            }
            _ => None,
        });
        let bound = bound.last();
        let missing = unfounded(on, "the act that binds its agent");
        let Some((
            bound,
            Event::Act(SignedAct {
                act: Act::Bind { identity: to, job, name, runtime, .. }, ..
            }),
        )) = bound
        else {
            return Err(missing);
        };
        if to != identity {
            return Err(missing);
        }
        let called = self.made(identity, on.sequence).map(|(_, name, _)| name.to_owned());
        Ok(Some(Who {
            agent,
            name,
            runtime,
            job,
            identity,
            identity_name: called.unwrap_or_default(),
            bound: bound.sequence,
        }))
    }

    /// An identity and those above it, each made before `on`.
    fn ancestry(&self, on: &AuditRecord, identity: IdentityId) -> Borne<Vec<IdentityId>> {
        let mut chain = Vec::new();
        let (mut next, mut before) = (Some(identity), on.sequence);
        while let Some(identity) = next {
            let made = self.made(identity, before);
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
            match (&record.event, record.actor) {
                (Event::Act(SignedAct { act, .. }), _) => match act {
                    Act::Identity { identity: made, name, parent } if *made == identity => {
                        Some((*sequence, name.as_str(), *parent))
                    }
                    _ => None,
                },
                (
                    Event::Delegated { identity: made, name, .. },
                    Actor::Agent { identity: parent, .. },
                ) if *made == identity => Some((*sequence, name.as_str(), Some(parent))),
                _ => None,
            }
        })
    }

    /// The grant of a rule, to whom it was issued, and by which record before `before`.
    fn grant(
        &self,
        rule: &RuleId,
        before: u64,
    ) -> Option<(&'r Grant, IdentityId, &'r AuditRecord)> {
        self.records.range(..before).find_map(|(_, record)| match &record.event {
            Event::Act(SignedAct { act: Act::Grant { grant, identity, rules }, .. })
            | Event::Delegated { grant, identity, rules, .. }
                if *grant == rule.grant =>
            {
                Some((rules, *identity, record))
            }
            _ => None,
        })
    }

    fn intent(&self, on: &AuditRecord, sequence: u64) -> Borne<(&'r AuditRecord, &'r Intent)> {
        let record = self.records.get(&sequence).filter(|_| sequence < on.sequence);
        let found = record.and_then(|record| match &record.event {
            Event::Intent(intent) => Some((record, intent)),
            _ => None,
        });
        found.ok_or(unfounded(on, "its intent"))
    }

    fn spending(&self, ticket: TicketId) -> Option<(&'r AuditRecord, &'r Intent)> {
        self.records.values().find_map(|record| match &record.event {
            Event::Intent(intent) if intent.approval == Some(ticket) => Some((record, intent)),
            _ => None,
        })
    }

    fn question(&self, ticket: TicketId) -> Option<(&'r AuditRecord, &'r Question)> {
        self.records.values().find_map(|record| match &record.event {
            Event::Asked(question) if question.ticket == ticket => Some((record, question)),
            _ => None,
        })
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
}

/// The question an act answers.
pub(super) fn answered(act: &Act) -> Option<TicketId> {
    match act {
        Act::Approve(approval) => Some(approval.ticket),
        Act::Reject { ticket } => Some(*ticket),
        _ => None,
    }
}

fn is_approval(record: &AuditRecord) -> bool {
    matches!(&record.event, Event::Act(SignedAct { act: Act::Approve(_), .. }))
}

fn unfounded(on: &AuditRecord, what: &'static str) -> Unproven {
    Unproven::Unfounded { sequence: on.sequence, what }
}
