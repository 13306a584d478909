//! An open entry: the intent is in the ledger, its outcome is not yet.
//!
//! This file performs the last check. The scope judges once more, under the lock, at the record's
//! own time and in the present epoch; a yes of the owner is looked up and spent in the same append.
//! So no intent follows a revocation, uses what is spent, or stands outside a window.
use std::sync::Arc;

use super::{Inner, Ledger};
use crate::{
    approval::{ContentRef, OperationText, Question, Ticket, Version},
    denial::{Denial, DenyCode, Layer},
    digest::Digest,
    id::{AgentId, IdentityId, TicketId},
    operation::Effect,
    record::{Actor, Event, Intent, Outcome, OutcomeKind},
    rule::Verdict,
    scope::Judgement,
    store::{Commit, Durability, StoreError},
    time::Timestamp,
};

/// Everything an intent will say, once it is let through.
pub(crate) struct Draft<'d> {
    pub(crate) agent: AgentId,
    pub(crate) identity: IdentityId,
    pub(crate) kind: &'static str,
    pub(crate) effect: Effect,
    pub(crate) operation: &'d str,
    pub(crate) digest: &'d dyn Fn() -> Digest,
    /// The scope's judgement at a moment.
    pub(crate) judge: &'d dyn Fn(Timestamp) -> Judgement,
    /// What scope and house policy together said before the lock was taken.
    pub(crate) verdict: Verdict,
    pub(crate) epoch: u64,
    pub(crate) version: Option<Version>,
    pub(crate) mount: &'d Arc<str>,
    /// Content the owner may read, once it is kept.
    pub(crate) content: Option<ContentRef>,
}

/// What became of an attempt to open an entry.
pub(crate) enum Opening<'l> {
    /// The intent is in the ledger.
    Open(Entry<'l>, Commit),
    /// The owner is asked. With a commit if the question is new.
    Asked(Ticket, Option<Commit>),
    /// The owner must not be asked, or need not.
    Denied(Denial),
    /// What the draft was judged on has changed: judge again.
    Stale,
}

/// The open entry of one intent.
///
/// **Promises** that its intent was appended after every check. **Refuses** to be lost: dropped
/// without an outcome, it is closed as interrupted by the next append.
#[must_use]
#[derive(Debug)]
pub(crate) struct Entry<'l> {
    ledger: &'l Ledger,
    sequence: u64,
    actor: Actor,
    class: Durability,
    open: bool,
}

impl<'l> Entry<'l> {
    /// Checks the draft a last time and appends its intent.
    pub(crate) fn open(ledger: &'l Ledger, draft: &Draft<'_>) -> Result<Opening<'l>, StoreError> {
        let mut inner = ledger.lock()?;
        let now = ledger.tick(&inner);
        if inner.state.epoch(draft.identity) != draft.epoch
            || inner.state.agents.get(&draft.agent).is_none_or(|a| a.identity != draft.identity)
        {
            return Ok(Opening::Stale);
        }
        let judgement = (draft.judge)(now);
        let verdict = draft.verdict.min(judgement.verdict);
        let approval = match verdict {
            Verdict::Allow => None,
            Verdict::Ask => match ask(ledger, &mut inner, draft, now)? {
                Answer::Granted(ticket) => Some(ticket),
                Answer::Other(opening) => return Ok(opening),
            },
            Verdict::Deny => return Ok(Opening::Stale),
        };
        let class = match draft.effect {
            Effect::Observe if !ledger.limits.durable_reads => Durability::Buffered,
            Effect::Observe | Effect::Change | Effect::Release => Durability::Durable,
        };
        let intent = Event::Intent(Intent {
            approval,
            effect: draft.effect,
            epoch: draft.epoch,
            kind: draft.kind.into(),
            mount: draft.mount.clone(),
            operation: OperationText::new(draft.operation),
            rules: judgement.rules,
            version: draft.version.clone(),
        });
        let actor = Actor::Agent { agent: draft.agent, identity: draft.identity };
        let appended = ledger.append(&mut inner, (actor, &intent), class);
        let appended = appended.map_err(|error| ledger.store_error(error))?;
        let entry = Self { ledger, sequence: appended.sequence, actor, class, open: true };
        Ok(Opening::Open(entry, appended.commit))
    }

    /// The intent's place in the ledger.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Records what came of it, durably if the intent was.
    pub(crate) async fn close(
        mut self,
        result: OutcomeKind,
        evidence: Option<Digest>,
    ) -> Result<(), StoreError> {
        let outcome = Event::Outcome(Outcome { evidence, intent: self.sequence, result });
        let appended = {
            let mut inner = self.ledger.lock()?;
            let appended = self.ledger.append(&mut inner, (self.actor, &outcome), self.class);
            self.open = false;
            appended.map_err(|error| self.ledger.store_error(error))?
        };
        self.ledger.settle(appended.commit).await
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.open {
            self.ledger.abandon(self.sequence);
        }
    }
}

enum Answer<'l> {
    Granted(TicketId),
    Other(Opening<'l>),
}

/// The owner's answer to exactly this, or the question.
fn ask<'l>(
    ledger: &'l Ledger,
    inner: &mut Inner,
    draft: &Draft<'_>,
    now: Timestamp,
) -> Result<Answer<'l>, StoreError> {
    let digest = (draft.digest)();
    let same = inner.state.asked(draft.identity, digest).filter(|asked| {
        let question = &asked.question;
        now < question.expires
            && question.epoch == draft.epoch
            && question.version == draft.version
            && question.kind == draft.kind
    });
    if let Some(asked) = same {
        let ticket = Ticket { id: asked.question.ticket, expires: asked.question.expires };
        let waits = Answer::Other(Opening::Asked(ticket, None));
        return Ok(if asked.granted { Answer::Granted(ticket.id) } else { waits });
    }
    let denied = |code| Ok(Answer::Other(Opening::Denied(Denial::of(Layer::Owner, code))));
    if inner.state.is_rejected(draft.identity, digest) {
        return denied(DenyCode::Rejected);
    }
    if inner.state.waiting(draft.identity, now) >= ledger.limits.questions_open_max {
        return denied(DenyCode::QuestionLimit);
    }
    let ticket = Ticket {
        id: TicketId::made_at(ledger.owner, inner.head().sequence + 1, 0),
        expires: now.after(ledger.limits.question_ttl),
    };
    let name = inner.state.identities.get(&draft.identity).map(|state| state.name.clone());
    let question = Event::Asked(Question {
        agent: draft.agent,
        content: draft.content,
        digest,
        epoch: draft.epoch,
        expires: ticket.expires,
        identity: draft.identity,
        kind: draft.kind.into(),
        name: name.unwrap_or_default(),
        operation: OperationText::new(draft.operation),
        rules: (draft.judge)(now).rules.to_vec(),
        ticket: ticket.id,
        version: draft.version.clone(),
    });
    let actor = Actor::Agent { agent: draft.agent, identity: draft.identity };
    let appended = ledger.append(inner, (actor, &question), Durability::Durable);
    let appended = appended.map_err(|error| ledger.store_error(error))?;
    Ok(Answer::Other(Opening::Asked(ticket, Some(appended.commit))))
}
