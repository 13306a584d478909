//! An open entry: the intent is in the ledger, its outcome is not yet.
//!
//! This file performs the last check. The scope judges once more, under the lock, at the record's
//! own time and in the present epoch; a yes of the owner is looked up and spent in the same append.
//! So no intent follows a revocation, uses what is spent, or stands outside a window.
use std::{sync::Arc, time::Duration};

use super::{AppendError, Appended, CheckpointError, Inner, Ledger};
use crate::{
    approval::{ContentRef, OperationText, Question, Ticket, Version},
    cause::Cause,
    denial::{Denial, DenyCode, Layer},
    digest::Digest,
    fact::Misfit,
    id::{AgentId, IdentityId, TicketId},
    key::{PublicKey, Signature, Signer as _},
    operation::{Demands, Effect},
    policy::ActError,
    projection::Projection,
    record::{Actor, Event, Intent, Outcome, OutcomeKind},
    rule::Verdict,
    scope::Judgement,
    store::{Durability, StoreError},
    time::Timestamp,
};

/// Everything an intent will say, once it is let through.
pub(crate) struct Draft<'d> {
    pub(crate) agent: AgentId,
    pub(crate) identity: IdentityId,
    pub(crate) cause: Option<&'d Cause>,
    /// The epoch of what limits it because of that.
    pub(crate) confined: Option<u64>,
    pub(crate) kind: &'static str,
    pub(crate) effect: Effect,
    pub(crate) demands: &'d Demands<'d>,
    pub(crate) operation: &'d str,
    /// What a yes has to name, if the owner is asked for one.
    pub(crate) digest: Option<Digest>,
    /// The scope's judgement, and when it was made.
    pub(crate) judged: (Timestamp, &'d Judgement),
    /// The scope's judgement at another moment.
    pub(crate) judge: &'d dyn Fn(Timestamp) -> Judgement,
    /// What scope and house policy together said before the lock was taken.
    pub(crate) verdict: Verdict,
    pub(crate) epoch: u64,
    pub(crate) version: Option<Version>,
    pub(crate) mount: &'d Arc<str>,
    pub(crate) content: Content,
}

/// Content the owner may want to read before saying yes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// There is none, or it is not known yet whether anybody will be asked.
    None,
    /// There is some: keep it before the question is asked.
    Unkept,
    /// It is kept.
    Kept(ContentRef),
}

/// What became of an attempt to open an entry.
pub(crate) enum Opening<'l> {
    /// The intent is in the ledger.
    Open(Entry<'l>, Appended),
    /// The owner is asked. With a record if the question is new.
    Asked(Ticket, Option<Appended>),
    /// The owner must not be asked, or need not.
    Denied(Denial),
    /// The owner is to be asked, and first the content kept.
    Keep,
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
    at: Timestamp,
    actor: Actor,
    cause: Option<Cause>,
    confined: Option<u64>,
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
            || inner.confined(draft.cause) != draft.confined
        {
            return Ok(Opening::Stale);
        }
        // In the same epoch, at the same moment and with nothing to count, judging again would say
        // the same again.
        let (at, judged) = draft.judged;
        let metered = inner.state.is_metered(&judged.rules);
        let judgement = if at == now && !metered { judged.clone() } else { (draft.judge)(now) };
        let verdict = draft.verdict.min(judgement.verdict);
        let approval = match verdict {
            Verdict::Allow => None,
            Verdict::Ask => match ask(ledger, &mut inner, draft, now)? {
                Answer::Granted(ticket) => Some(ticket),
                Answer::Other(opening) => return Ok(opening),
            },
            Verdict::Deny => return Ok(Opening::Stale),
        };
        // What is spent must stay spent, so spending waits for the disk, whatever the effect.
        let spends = approval.is_some() || inner.state.is_metered(&judgement.rules);
        let class = match draft.effect {
            Effect::Observe if !ledger.limits.durable_reads && !spends => Durability::Buffered,
            Effect::Observe | Effect::Change | Effect::Release => Durability::Durable,
        };
        let intent = Event::Intent(Intent {
            approval,
            cause: draft.cause.cloned(),
            demands: draft.demands.recorded(),
            effect: draft.effect,
            epoch: draft.epoch,
            kind: draft.kind.into(),
            mount: draft.mount.clone(),
            operation: OperationText::new(draft.operation),
            rules: judgement.rules,
            version: draft.version.clone(),
        });
        let actor = Actor::Agent { agent: draft.agent, identity: draft.identity };
        let appended = match ledger.append(&mut inner, (actor, &intent), class) {
            Err(AppendError::Act(ActError::TooLarge { .. })) => return Ok(too_large()),
            appended => appended.map_err(|error| ledger.store_error(error))?,
        };
        let sequence = appended.sequence;
        // A projection may limit what comes next because of this very intent, and not the intent.
        let confined = inner.confined(draft.cause).or(draft.confined);
        let cause = draft.cause.cloned();
        let entry = Self { ledger, sequence, at: now, actor, cause, confined, class, open: true };
        Ok(Opening::Open(entry, appended))
    }

    /// The intent's place in the ledger.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the intent was recorded.
    pub(crate) fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether the effect may still begin: nothing that was decided on has changed since the
    /// intent, and not so much time has passed that a window or a yes would be stretched.
    pub(crate) fn may_begin(&self, epoch: u64, version: u64) -> Result<(), Stale> {
        if self.ledger.failure().is_some() {
            return Err(Stale::Ledger);
        }
        if self.ledger.now() >= self.at.after(BEGIN_WITHIN) {
            return Err(Stale::Late);
        }
        self.stands(epoch, version)
    }

    /// Whether nothing that was decided on has changed since the intent.
    pub(crate) fn stands(&self, epoch: u64, version: u64) -> Result<(), Stale> {
        if self.ledger.failure().is_some() {
            return Err(Stale::Ledger);
        }
        // What a cause permits may end without any change of policy.
        if self.ledger.version() == version && self.cause.is_none() {
            return Ok(());
        }
        self.stands_in(&self.ledger.peek(), epoch)
    }

    /// The same of the ledger's inside, while it is looked at.
    fn stands_in(&self, inner: &Inner, epoch: u64) -> Result<(), Stale> {
        let Actor::Agent { agent, identity } = self.actor else { return Err(Stale::Revoked) };
        let same = inner.state.epoch(identity) == epoch
            && inner.state.agents.contains_key(&agent)
            && inner.confined(self.cause.as_ref()) == self.confined;
        if same { Ok(()) } else { Err(Stale::Revoked) }
    }

    /// Has the kernel's key sign what `say` makes of that key and the present, if the owner
    /// certified it: for what is told elsewhere on the strength of this entry.
    pub(crate) fn vouch<T>(
        &self,
        say: impl FnOnce(PublicKey, Timestamp) -> (T, Vec<u8>),
    ) -> Result<(T, Signature), CheckpointError> {
        let certified = self.ledger.peek().state.kernel_key;
        let now = self.ledger.now();
        self.ledger.signed_by(certified, |key| {
            let (said, statement) = say(key.public_key(), now);
            (said, key.sign_now(&statement))
        })
    }

    /// Appends a fact, with what goes with it, unless what was decided on has changed by then.
    pub(crate) async fn tell<P: Projection>(
        &self,
        told: &P::Fact,
        (body, epoch): (Option<&[u8]>, u64),
    ) -> Result<u64, AppendError> {
        let stands = |inner: &Inner| {
            let stands = self.stands_in(inner, epoch);
            stands.map_err(|stale| Misfit::new(stale.code(), stale.to_string()))
        };
        self.ledger.tell::<P>(told, body, &stands).await
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
        self.ledger.settle(appended).await
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if self.open {
            self.ledger.abandon(self.sequence);
        }
    }
}

/// Why an effect must not begin any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stale {
    #[error("the policy changed before the effect")]
    Revoked,
    #[error("too much time passed between the intent and the effect")]
    Late,
    #[error("the ledger failed before the effect")]
    Ledger,
}

impl Stale {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Late => "late",
            Self::Ledger => "ledger",
        }
    }
}

/// How long after its intent an effect may begin.
const BEGIN_WITHIN: Duration = Duration::from_secs(10);

fn too_large<'l>() -> Opening<'l> {
    let denial = Denial::of(Layer::Scope, DenyCode::Malformed);
    Opening::Denied(denial.because("it does not fit into one record"))
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
    // Nobody was to be asked when it was judged, and now somebody is.
    let Some(digest) = draft.digest else { return Ok(Answer::Other(Opening::Stale)) };
    let same = inner.state.asked(draft.identity, digest).filter(|asked| {
        let question = &asked.question;
        now < question.expires
            && question.epoch == draft.epoch
            && question.confinement == draft.confined
            && question.version == draft.version
            && question.kind == draft.kind
            && question.mount == **draft.mount
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
    if inner.waiting(draft.identity, now) >= ledger.limits.questions_open_max {
        return denied(DenyCode::QuestionLimit);
    }
    let content = match draft.content {
        Content::None => None,
        Content::Unkept => return Ok(Answer::Other(Opening::Keep)),
        Content::Kept(content) => Some(content),
    };
    let ticket = Ticket {
        id: TicketId::made_for(ledger.owner, inner.head().sequence + 1, digest),
        expires: now.after(ledger.limits.question_ttl),
    };
    let name = inner.state.identities.get(&draft.identity).map(|state| state.name.clone());
    let question = Event::Asked(Question {
        agent: draft.agent,
        cause: draft.cause.cloned(),
        confinement: draft.confined,
        content,
        demands: draft.demands.recorded(),
        digest,
        epoch: draft.epoch,
        expires: ticket.expires,
        identity: draft.identity,
        kind: draft.kind.into(),
        mount: draft.mount.as_ref().into(),
        name: name.unwrap_or_default(),
        operation: OperationText::new(draft.operation),
        rules: (draft.judge)(now).rules.to_vec(),
        ticket: ticket.id,
        version: draft.version.clone(),
    });
    let actor = Actor::Agent { agent: draft.agent, identity: draft.identity };
    let appended = match ledger.append(inner, (actor, &question), Durability::Durable) {
        Err(AppendError::Act(ActError::TooLarge { .. })) => return Ok(Answer::Other(too_large())),
        appended => appended.map_err(|error| ledger.store_error(error))?,
    };
    Ok(Answer::Other(Opening::Asked(ticket, Some(appended))))
}
