//! The path: one straight line from an agent's wish to a recorded outcome.
//!
//! ```text
//!  agent.submit(&mount, &operation)
//!      |
//!      v   Bound ----> Permit ------> Admitted ----> Entry -------> Authorized --> perform --> Outcome
//!          who?        layer 1        layer 2        intent,        borrows the    effect      durable
//!                      scope          veto           durable        entry
//!                      \_ ask: ticket to the owner; the same operation submitted again after the
//!                         yes is judged afresh
//! ```
//!
//! Each box is a type made only where its check is performed.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use crate::{
    approval::{ContentRef, OperationText, Ticket},
    bound::{Bound, Seat, Unbound},
    cause::Cause,
    denial::{Denial, DenyCode, Layer},
    endpoint::{Admitted, Endpoint, Fault, Mount},
    ledger::{AppendError, Appended, Content, Draft, Entry, Opening},
    operation::{Demands, Operation, Request, is_kind},
    permit::Permit,
    policy::ActError,
    record::{Actor, Event, OutcomeKind, Refused},
    rule::Verdict,
    store::{Durability, StoreError},
};

/// Why an operation had no effect, or none that is promised.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "an agent must handle each way of not succeeding")]
pub enum Refusal {
    /// Governance said no. Nothing was tried.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The owner was asked. Submit the same operation again after the yes.
    #[error("the owner was asked, ticket {}", .0.id)]
    Escalated(Ticket),
    /// Governance said yes and the effect failed.
    #[error(transparent)]
    Failed(#[from] Fault),
    /// The kernel cannot keep its promise: it denies everything until it is opened again. If the
    /// effect was tried, recovery will find its intent.
    #[error("the ledger cannot be written: {0}")]
    Ledger(#[from] StoreError),
}

/// How often an operation is judged again because the policy changed under it.
const ATTEMPTS_MAX: usize = 8;

pub(crate) async fn submit<O, E>(
    seat: &Seat,
    mount: &Mount<E>,
    operation: &O,
) -> Result<O::Output, Refusal>
where
    O: Operation,
    E: Endpoint<O>,
{
    let recorded = Mutex::new(None);
    let result = follow_path(seat, mount, operation, &recorded).await;
    // Nothing is waited for unless the store cannot keep up. Then whoever is refused waits like
    // everybody else: asking on and on must not fill the memory.
    let last = recorded.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = last {
        seat.ledger.settle(last).await?;
    }
    result
}

/// The record of a refusal, to be as durable as it has to be.
type Recorded = Mutex<Option<Appended>>;

async fn follow_path<O, E>(
    seat: &Seat,
    mount: &Mount<E>,
    operation: &O,
    recorded: &Recorded,
) -> Result<O::Output, Refusal>
where
    O: Operation,
    E: Endpoint<O>,
{
    const { assert!(is_kind(O::KIND), "an operation's kind has lower-case words, dots and digits") };
    // Serialising is the application's code: what panics there is malformed.
    let made = catch_unwind(AssertUnwindSafe(|| Request::of(operation).map_err(|e| e.to_string())));
    let request = match made.unwrap_or_else(|_| Err("serialising it panicked".into())) {
        Ok(request) => request,
        Err(error) => {
            let denial = Denial::of(Layer::Scope, DenyCode::Malformed).because(error);
            return Err(refuse((seat, recorded), O::KIND, None, denial));
        }
    };
    let asked = || Some((&request.demands, request.text()));
    let refuse = |denial| refuse((seat, recorded), O::KIND, asked(), denial);
    let refuse_kept = |error| {
        if let StoreError::TooLarge { size_bytes, .. } = error {
            let what = format!("{size_bytes} bytes of content cannot be shown to the owner");
            return refuse(Denial::of(Layer::Owner, DenyCode::Malformed).because(what));
        }
        Refusal::Ledger(seat.ledger.fail(error))
    };
    if !mount.is_of(&seat.ledger) {
        return Err(refuse(Denial::of(Layer::Identity, DenyCode::Foreign)));
    }
    let mut content = operation.content().map_or(Content::None, |_| Content::Unkept);
    for _ in 0..ATTEMPTS_MAX {
        let bound = match Bound::prove(seat) {
            Ok(bound) => bound,
            Err(Unbound::Denied(denial)) => return Err(refuse(denial)),
            Err(Unbound::Ledger(error)) => return Err(Refusal::Ledger(error)),
        };
        let permit = Permit::judge(bound, &request).map_err(&refuse)?;
        let admitted = Admitted::ask(permit, mount).map_err(&refuse)?;
        match enter(&admitted, mount.shared_name(), content)? {
            Opening::Stale => {}
            // Keeping takes time, so everything is judged afresh afterwards.
            Opening::Keep => content = keep_content(seat, operation).await.map_err(&refuse_kept)?,
            Opening::Denied(denial) => return Err(refuse(denial)),
            Opening::Asked(ticket, asked) => {
                if let Some(asked) = asked {
                    seat.ledger.settle(asked).await?;
                }
                return Err(Refusal::Escalated(ticket));
            }
            Opening::Open(entry, intent) => {
                seat.ledger.settle(intent).await?;
                return conclude((seat, mount), &admitted, entry).await;
            }
        }
    }
    Err(refuse(Denial::of(Layer::Scope, DenyCode::Unsettled)))
}

/// Opens the entry of an admitted operation: the last check, and the intent.
fn enter<'a, O: Operation>(
    admitted: &Admitted<'a, O>,
    mount: &Arc<str>,
    content: Content,
) -> Result<Opening<'a>, StoreError> {
    let permit = admitted.permit();
    let (bound, request) = (permit.bound(), permit.request());
    let seat = bound.seat();
    // Content may be large, and to hand it out is the application's code: not under the lock.
    let digest = (permit.verdict() == Verdict::Ask)
        .then(|| request.digest(mount, seat.caller().cause().map(Cause::source)));
    let draft = Draft {
        agent: seat.caller().agent(),
        identity: seat.caller().identity(),
        cause: seat.caller().cause(),
        confined: bound.scope().confining.epoch,
        kind: O::KIND,
        effect: O::EFFECT,
        demands: &request.demands,
        operation: request.text(),
        digest,
        judged: permit.judged(),
        judge: &|now| permit.judge_at(now),
        verdict: permit.verdict(),
        epoch: bound.scope().epoch,
        version: admitted.version().cloned(),
        mount,
        content,
    };
    Entry::open(&seat.ledger, &draft)
}

/// Lets the endpoint act under the open entry, and records what came of it.
async fn conclude<O, E>(
    (seat, mount): (&Seat, &Mount<E>),
    admitted: &Admitted<'_, O>,
    entry: Entry<'_>,
) -> Result<O::Output, Refusal>
where
    O: Operation,
    E: Endpoint<O>,
{
    let evidence = OnceLock::new();
    let result = match admitted.may_begin(&entry) {
        Ok(()) => mount.perform(admitted, &entry, &evidence).await,
        Err(stale) => Err(stale),
    };
    let evidence = evidence.into_inner();
    let result = match evidence.as_ref().and_then(|evidence| evidence.body.as_deref()) {
        // What failed anyway says so itself.
        Some(body) => {
            let kept = keep_evidence(seat, body).await?;
            result.and_then(|output| kept.map(|()| output))
        }
        None => result,
    };
    let evidence = evidence.map(|evidence| evidence.digest);
    let outcome = match &result {
        Ok(_) => OutcomeKind::Done,
        Err(fault) => {
            let (code, what) = fault.parts();
            OutcomeKind::Failed { code, what }
        }
    };
    entry.close(outcome, evidence).await?;
    Ok(result?)
}

/// Keeps what backs an outcome, before the outcome names it. What is too large is the operation's
/// own fault, and the store is as good as before; without a store nothing can be promised any more.
async fn keep_evidence(seat: &Seat, body: &[u8]) -> Result<Result<(), Fault>, StoreError> {
    match seat.ledger.store.keep_body(seat.ledger.owner, body).await {
        Ok(_) => Ok(Ok(())),
        Err(StoreError::TooLarge { size_bytes, .. }) => {
            let what = format!("{size_bytes} bytes of evidence are too many to be kept");
            Ok(Err(Fault::new("evidence", what)))
        }
        Err(error) => Err(seat.ledger.fail(error)),
    }
}

/// Keeps what the owner may want to read, before the question is asked.
async fn keep_content<O: Operation>(seat: &Seat, operation: &O) -> Result<Content, StoreError> {
    let Some(bytes) = operation.content() else { return Ok(Content::None) };
    let digest = seat.ledger.store.keep_body(seat.ledger.owner, bytes).await?;
    Ok(Content::Kept(ContentRef { digest, size_bytes: bytes.len() as u64 }))
}

/// Records a refusal, which needs not wait for the disk: nothing happened. What does not fit into
/// one record is left out of it.
fn refuse(
    (seat, recorded): (&Seat, &Recorded),
    kind: &'static str,
    asked: Option<(&Demands<'_>, &str)>,
    denial: Denial,
) -> Refusal {
    let event = |asked: Option<(&Demands<'_>, &str)>| {
        Event::Denied(Refused {
            cause: seat.caller().cause().cloned(),
            demands: asked.map(|(demands, _)| demands.recorded()),
            denial: denial.clone(),
            kind: kind.into(),
            operation: asked.map(|(_, operation)| OperationText::new(operation)),
        })
    };
    let caller = seat.caller();
    let actor = Actor::Agent { agent: caller.agent(), identity: caller.identity() };
    let append = |event: &Event| {
        let mut inner = seat.ledger.lock()?;
        seat.ledger.append(&mut inner, (actor, event), Durability::Buffered)
    };
    let appended = match append(&event(asked)) {
        Err(AppendError::Act(ActError::TooLarge { .. })) => append(&event(None)),
        appended => appended,
    };
    match appended {
        Ok(appended) => {
            let mut last = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some(appended);
            Refusal::Denied(denial.for_agent())
        }
        Err(error) => Refusal::Ledger(seat.ledger.store_error(error)),
    }
}

#[cfg(test)]
mod tests;
