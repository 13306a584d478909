//! Looking deeds up: by way of the index, and nothing is believed that the ledger does not say.
use std::collections::{BTreeMap, HashMap};

use smallvec::SmallVec;

use super::{
    Owner, OwnerError,
    deed::{Answered, Concluded, Consulted, Deed},
    query::{Page, Query},
};
use crate::{
    digest::Digest,
    id::{AgentId, TicketId},
    ledger::{Cursor, Look, LookError, Term},
    policy::AgentState,
    record::{Act, Actor, AuditRecord, Event, OutcomeKind, Recalled},
    rule::Verdict,
    store::{Frame, StoreError},
    time::Timestamp,
};

impl Owner {
    /// The last deeds that `query` describes, the newest first: at most `count_max`, and at most
    /// [`Owner::PAGE_MAX`].
    ///
    /// It goes by an index, so its cost depends on the page and not on the ledger, but where what
    /// is said is common and rarely meets: then it stops after some thousand steps with fewer
    /// deeds, perhaps none, and a [`Page::before`] to go on with. The first query after the ledger
    /// was opened, or after the index was lost, takes longer: it brings the index up to the
    /// present. Queries of one ledger wait for each other.
    pub async fn query(&self, query: &Query, count_max: usize) -> Result<Page, OwnerError> {
        let mut looking = self.ledger.looking().await;
        loop {
            let found = {
                let mut look = looking.begin().await?;
                Search::new(query).page(&mut look, count_max.min(Self::PAGE_MAX)).await
            };
            if let Some(page) = looking.end(found).await? {
                return Ok(page);
            }
        }
    }

    /// How many deeds a page holds at most.
    pub const PAGE_MAX: usize = 1000;

    /// A body by its digest, or what the ledger says became of it.
    pub async fn body(&self, digest: Digest) -> Result<Body, OwnerError> {
        if let Some(bytes) = self.kept_body(digest).await? {
            return Ok(Body::Kept(bytes));
        }
        let mut looking = self.ledger.looking().await;
        loop {
            let found = erasure(&mut looking.begin().await?, digest).await;
            if let Some(body) = looking.end(found).await? {
                return Ok(body);
            }
        }
    }
}

/// What there is of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks must look at each of them")]
pub enum Body {
    /// It is there, and has its digest.
    Kept(Vec<u8>),
    /// The owner had it erased.
    Erased {
        /// The record that says it is gone.
        sequence: u64,
        /// When that was.
        at: Timestamp,
    },
    /// It was never kept, or lost with the store.
    Unknown,
}

async fn erasure(look: &mut Look<'_>, digest: Digest) -> Result<Body, LookError> {
    let mut at = look.head();
    let mut cursor = Cursor::new(Term::body(digest));
    let mut records = Records::default();
    while let Some(sequence) = cursor.seek(look, at).await? {
        if let Some(record) = records.get(look, sequence).await?
            && record.event == (Event::Erased { body: digest })
        {
            return Ok(Body::Erased { sequence, at: record.at });
        }
        at = sequence.saturating_sub(1);
    }
    Ok(Body::Unknown)
}

/// How much one call may cost, in steps over a list: some ten milliseconds.
const WORK_MAX: u64 = 1 << 17;
/// How many records are read before it is looked whether they are what is sought.
const BATCH_MAX: usize = 64;
/// Records so near to each other are read at once.
const NEAR: u64 = 4;
/// What a record is taken to have in bytes, until it is read.
const RECORD_SIZE_BYTES: usize = 512;

/// One query on its way down the ledger.
struct Search<'q> {
    query: &'q Query,
    /// A deed is in each; in each by one of its terms.
    lists: Vec<SmallVec<[Cursor; 3]>>,
    bound: HashMap<AgentId, Option<AgentState>>,
    records: Records,
}

/// What is next on the way down.
enum Next {
    /// This record may be one.
    At(u64),
    /// There are no more.
    End,
    /// It took long enough. At and before this record there may be more.
    Enough(u64),
}

impl<'q> Search<'q> {
    fn new(query: &'q Query) -> Self {
        let lists = query.terms().into_iter();
        let lists = lists.map(|terms| terms.into_iter().map(Cursor::new).collect());
        let (bound, records) = (HashMap::new(), Records::default());
        Self { query, lists: lists.collect(), bound, records }
    }

    async fn page(mut self, look: &mut Look<'_>, count_max: usize) -> Result<Page, LookError> {
        let (since, until, before) = self.query.bounds();
        let mut at = look.head().min(before.unwrap_or(u64::MAX).saturating_sub(1));
        if let Some(until) = until {
            at = at.min(look.first_at(until.as_millis()).await?.saturating_sub(1));
        }
        let from = match since {
            Some(since) => look.first_at(since.as_millis()).await?,
            None => 1,
        };
        let mut deeds = Vec::new();
        loop {
            let mut found = Vec::new();
            let mut end = None;
            while end.is_none() && found.len() < (count_max - deeds.len()).min(BATCH_MAX) {
                match self.next(look, at).await? {
                    Next::At(sequence) if sequence >= from => {
                        found.push(sequence);
                        at = sequence.saturating_sub(1);
                    }
                    Next::At(_) | Next::End => end = Some(None),
                    Next::Enough(at) => end = Some(Some(at.saturating_add(1))),
                }
            }
            self.records.read(look, &found).await?;
            for sequence in found {
                deeds.extend(self.deed(look, sequence).await?);
            }
            if let Some(before) = end {
                return Ok(Page::new(deeds, before));
            }
            if deeds.len() >= count_max || look.work() >= WORK_MAX {
                let before = (at >= from).then(|| at.saturating_add(1));
                return Ok(Page::new(deeds, before));
            }
        }
    }

    /// The last record at or before `at` that is in every list.
    async fn next(&mut self, look: &mut Look<'_>, mut at: u64) -> Result<Next, LookError> {
        let mut agreed = 0;
        let count = self.lists.len();
        for nth in (0..count).cycle() {
            if at == 0 {
                return Ok(Next::End);
            }
            if agreed == count {
                return Ok(Next::At(at));
            }
            if look.work() >= WORK_MAX {
                return Ok(Next::Enough(at));
            }
            let mut found = 0;
            for cursor in self.lists.get_mut(nth).into_iter().flatten() {
                found = found.max(cursor.seek(look, at).await?.unwrap_or(0));
            }
            agreed = if found == at { agreed + 1 } else { 1 };
            at = found;
        }
        Ok(Next::End)
    }

    /// The deed at `sequence`, if it is one that is sought.
    async fn deed(
        &mut self,
        look: &mut Look<'_>,
        sequence: u64,
    ) -> Result<Option<Deed>, LookError> {
        let Some(record) = self.records.get(look, sequence).await? else { return Ok(None) };
        let Actor::Agent { agent, .. } = record.actor else { return Ok(None) };
        let known = self.bound.get(&agent).cloned();
        let bound = if let Some(bound) = known { bound } else { look.bound(agent).await? };
        self.bound.entry(agent).or_insert_with(|| bound.clone());
        let Some(mut deed) = draw(record, bound.as_ref()).filter(|deed| self.query.matches(deed))
        else {
            return Ok(None);
        };
        let name = {
            let inner = look.ledger().peek();
            inner.state.identities.get(&deed.identity).map(|identity| identity.name.clone())
        };
        deed.identity_name = name.unwrap_or_default();
        if deed.verdict == Verdict::Allow {
            deed.outcome = self.outcome(look, sequence).await?;
        }
        if let Some(approval) = &mut deed.approval {
            approval.answer = self.answer(look, approval.ticket).await?;
        }
        Ok(Some(deed))
    }

    /// What came of an intent: mostly the next record says so.
    async fn outcome(
        &mut self,
        look: &mut Look<'_>,
        intent: u64,
    ) -> Result<Option<Concluded>, LookError> {
        let next = self.records.get(look, intent.saturating_add(1)).await?;
        let mut concluded = next.and_then(|record| outcome_in(&record, intent));
        let seen = |one: &Concluded| one.result != OutcomeKind::Interrupted;
        if concluded.as_ref().is_some_and(seen) {
            return Ok(concluded);
        }
        for follower in look.followers(intent).await? {
            let Some(record) = self.records.get(look, follower).await? else { continue };
            match &mut concluded {
                None => concluded = outcome_in(&record, intent),
                Some(concluded) => {
                    concluded.recalled = concluded.recalled.or(recalled_in(&record, intent));
                }
            }
        }
        Ok(concluded)
    }

    /// What the owner said to a question.
    async fn answer(
        &mut self,
        look: &mut Look<'_>,
        ticket: TicketId,
    ) -> Result<Option<Answered>, LookError> {
        let mut cursor = Cursor::new(Term::ticket(ticket));
        let mut at = look.head();
        while let Some(sequence) = cursor.seek(look, at).await? {
            let record = self.records.get(look, sequence).await?;
            if let Some(answer) = record.and_then(|record| answer_in(&record, ticket)) {
                return Ok(Some(answer));
            }
            at = sequence.saturating_sub(1);
        }
        Ok(None)
    }
}

fn outcome_in(record: &AuditRecord, intent: u64) -> Option<Concluded> {
    let Event::Outcome(outcome) = &record.event else { return None };
    (outcome.intent == intent).then(|| Concluded {
        at: record.at,
        evidence: outcome.evidence,
        recalled: None,
        result: outcome.result.clone(),
        sequence: record.sequence,
    })
}

fn recalled_in(record: &AuditRecord, intent: u64) -> Option<Recalled> {
    let Event::Recalled { intent: of, said } = record.event else { return None };
    (of == intent).then_some(said)
}

fn answer_in(record: &AuditRecord, ticket: TicketId) -> Option<Answered> {
    let Event::Act(signed) = &record.event else { return None };
    let (answered, verdict) = if let Act::Approve(approval) = &signed.act {
        (approval.ticket, Verdict::Allow)
    } else if let Act::Reject { ticket } = &signed.act {
        (*ticket, Verdict::Deny)
    } else {
        return None;
    };
    let (at, sequence) = (record.at, record.sequence);
    (answered == ticket).then_some(Answered { at, sequence, verdict })
}

/// What a record says itself of a deed, if it is one.
fn draw(record: AuditRecord, bound: Option<&AgentState>) -> Option<Deed> {
    let Actor::Agent { agent, identity } = record.actor else { return None };
    let mut deed = Deed {
        agent,
        agent_name: bound.map(|bound| bound.name.clone()).unwrap_or_default(),
        approval: None,
        at: record.at,
        cause: None,
        demands: None,
        denial: None,
        identity,
        identity_name: String::new(),
        job: bound.and_then(|bound| bound.job.clone()),
        kind: String::new(),
        mount: None,
        operation: None,
        outcome: None,
        rules: Vec::new(),
        runtime: bound.map(|bound| bound.runtime.clone()).unwrap_or_default(),
        sequence: record.sequence,
        verdict: Verdict::Deny,
    };
    if let Event::Intent(intent) = record.event {
        deed.approval = intent.approval.map(|ticket| Consulted { answer: None, ticket });
        deed.cause = intent.cause;
        deed.demands = Some(intent.demands);
        deed.kind = intent.kind.into_owned();
        deed.mount = Some(intent.mount.as_ref().into());
        deed.operation = Some(intent.operation);
        deed.rules = intent.rules.into_vec();
        deed.verdict = Verdict::Allow;
    } else if let Event::Asked(question) = record.event {
        deed.approval = Some(Consulted { answer: None, ticket: question.ticket });
        deed.cause = question.cause;
        deed.demands = Some(question.demands);
        deed.kind = question.kind;
        deed.mount = Some(question.mount);
        deed.operation = Some(question.operation);
        deed.rules = question.rules;
        deed.verdict = Verdict::Ask;
    } else if let Event::Denied(refused) = record.event {
        deed.cause = refused.cause;
        deed.demands = refused.demands;
        deed.kind = refused.kind;
        deed.operation = refused.operation;
        deed.rules = refused.denial.rule.into_iter().collect();
        deed.denial = Some(refused.denial);
    } else {
        return None;
    }
    Some(deed)
}

/// Records as they are in the log, read a few at once.
#[derive(Default)]
struct Records(BTreeMap<u64, Frame>);

impl Records {
    /// Reads those in `found`, which descends, and what follows each.
    async fn read(&mut self, look: &mut Look<'_>, found: &[u64]) -> Result<(), LookError> {
        self.0.clear();
        for run in found.chunk_by(|later, earlier| later - earlier <= NEAR) {
            let (Some(first), Some(last)) = (run.last(), run.first()) else { continue };
            let (mut next, behind) = (*first, last.saturating_add(2));
            while next <= *last {
                let count = usize::try_from(behind.saturating_sub(next)).unwrap_or(1);
                let read = self.read_from(look, next, count.saturating_mul(RECORD_SIZE_BYTES));
                next = next.saturating_add(read.await?.max(1));
            }
        }
        Ok(())
    }

    /// A record, if there is one of this number.
    async fn get(
        &mut self,
        look: &mut Look<'_>,
        sequence: u64,
    ) -> Result<Option<AuditRecord>, LookError> {
        if sequence == 0 || sequence > look.head() {
            return Ok(None);
        }
        if !self.0.contains_key(&sequence) {
            self.read_from(look, sequence, 1).await?;
        }
        let record = self.0.get(&sequence).map(AuditRecord::from_frame).transpose();
        record.map_err(|error| {
            let position = format!("record {}", error.sequence);
            StoreError::Damaged { position, what: error.what }.into()
        })
    }

    async fn read_from(
        &mut self,
        look: &mut Look<'_>,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<u64, LookError> {
        let frames = look.frames(sequence, size_bytes_max).await?;
        let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        self.0.extend(frames.into_iter().map(|frame| (frame.sequence, frame)));
        Ok(count)
    }
}

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;
