//! Gathering what a record rests on.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::{
    Bundle, BundleError, FORMAT, RECORDS_MAX, Shown, Unproven,
    case::{answered, belongs_to},
};
use crate::{
    digest::Digest,
    id::{AgentId, GrantId, IdentityId, TicketId},
    ledger::{Cursor, Ledger, Look, LookError, Term},
    note::SignedCheckpoint,
    record::{Act, Actor, AuditRecord, Event, SignedAct},
    rule::RuleId,
    store::{Frame, StoreError},
};

/// The bundle of record `subject` under `checkpoint`, checked as its reader will.
pub(crate) async fn gather(
    ledger: &Ledger,
    subject: u64,
    checkpoint: &SignedCheckpoint,
) -> Result<Bundle, BundleError> {
    let size = checkpoint.checkpoint().size;
    // Also sees to it that the checkpoint is of this ledger.
    ledger.prove(subject, checkpoint).await?;
    let mut gathering = Gathering { ledger, size, records: BTreeMap::new() };
    gathering.deed(subject).await?;
    gathering.keys().await?;
    let mut records = Vec::new();
    for (sequence, frame) in gathering.records {
        let proof = ledger.prove(sequence, checkpoint).await?;
        let text = String::from_utf8(frame.payload.to_vec()).ok();
        let record = text.and_then(|text| RawValue::from_string(text).ok());
        let unreadable = || Unproven::Record { sequence, what: "it is no JSON".into() };
        records.push(Shown {
            path: proof.path().to_vec(),
            previous: previous(ledger, sequence).await?,
            record: record.ok_or_else(unreadable)?,
            sequence,
        });
    }
    let key = ledger.peek().state.founder;
    let checkpoint = checkpoint.clone();
    let bundle = Bundle { checkpoint, format: FORMAT, key, records, subject };
    bundle.check(key)?;
    if bundle.to_string().len() > Bundle::SIZE_BYTES_MAX {
        return Err(BundleError::TooLarge);
    }
    Ok(bundle)
}

/// The chain hash of the record before `sequence`.
async fn previous(ledger: &Ledger, sequence: u64) -> Result<Digest, StoreError> {
    match sequence.checked_sub(1) {
        None | Some(0) => Ok(Digest::ZERO),
        Some(before) => read(ledger, before).await.map(|frame| frame.hash),
    }
}

async fn read(ledger: &Ledger, sequence: u64) -> Result<Frame, StoreError> {
    let frames = ledger.store.read(ledger.owner, sequence, 1).await?;
    let gone = || damaged(sequence, "it is not there".into());
    frames.into_iter().next().ok_or_else(gone)
}

fn damaged(sequence: u64, what: String) -> StoreError {
    StoreError::Damaged { position: format!("record {sequence}"), what }
}

fn record_of(frame: &Frame) -> Result<AuditRecord, StoreError> {
    AuditRecord::from_frame(frame).map_err(|error| damaged(error.sequence, error.what))
}

/// What a record may rest on, or be answered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sought {
    Record(u64),
    Question(TicketId),
    Answer(TicketId),
    Spending(TicketId),
    Outcome(u64),
    Grant(GrantId),
    Binding(AgentId),
    Identity(IdentityId),
    /// What leads from key to key.
    Keys,
}

impl Sought {
    /// What `record` is.
    fn all(record: &AuditRecord) -> Vec<Self> {
        let mut is = vec![Self::Record(record.sequence)];
        if let Event::Asked(question) = &record.event {
            is.push(Self::Question(question.ticket));
        }
        if let Event::Intent(intent) = &record.event {
            is.extend(intent.approval.map(Self::Spending));
        }
        if let Event::Outcome(outcome) = &record.event {
            is.push(Self::Outcome(outcome.intent));
        }
        if let Event::Delegated { grant, identity, .. } = &record.event {
            is.extend([Self::Grant(*grant), Self::Identity(*identity)]);
        }
        if let Event::Act(SignedAct { act, .. }) = &record.event {
            is.extend(answered(act).map(Self::Answer));
            is.extend(Self::made(act));
        }
        is
    }

    fn made(act: &Act) -> Option<Self> {
        if let Act::Grant { grant, .. } = act {
            Some(Self::Grant(*grant))
        } else if let Act::Bind { agent, .. } = act {
            Some(Self::Binding(*agent))
        } else if let Act::Identity { identity, .. } = act {
            Some(Self::Identity(*identity))
        } else {
            None
        }
    }
}

/// Records of one ledger that were found so far.
struct Gathering<'l> {
    ledger: &'l Ledger,
    /// How many the checkpoint covers.
    size: u64,
    records: BTreeMap<u64, Frame>,
}

impl Gathering<'_> {
    /// Record `subject`, the deed it belongs to, and what that rests on.
    async fn deed(&mut self, subject: u64) -> Result<(), BundleError> {
        let mut asked = BTreeSet::new();
        let mut open = vec![Sought::Record(subject)];
        while !open.is_empty() {
            asked.extend(open.iter().copied());
            let found = look(self.ledger, &open, self.size).await?;
            let mut next = BTreeSet::new();
            for frame in found {
                next.extend(self.needs(subject, &record_of(&frame)?));
                self.records.insert(frame.sequence, frame);
            }
            if self.records.len() > RECORDS_MAX {
                return Err(BundleError::TooLarge);
            }
            open = next.difference(&asked).copied().collect();
        }
        Ok(())
    }

    /// What a record of a deed rests on, and what may have come of it.
    fn needs(&self, subject: u64, record: &AuditRecord) -> Vec<Sought> {
        let mut needs = Vec::new();
        let (of, ticket) = belongs_to(&record.event);
        let mut rules: &[RuleId] = &[];
        if let Event::Intent(intent) = &record.event {
            needs.push(Sought::Outcome(record.sequence));
            needs.extend(intent.approval.map(Sought::Question));
            needs.extend(intent.approval.map(Sought::Answer));
            rules = &intent.rules;
        } else if let Event::Asked(question) = &record.event {
            needs.extend([Sought::Answer(question.ticket), Sought::Spending(question.ticket)]);
            rules = &question.rules;
        } else if record.sequence == subject || of.is_some() {
            needs.extend(of.map(Sought::Record));
            needs.extend(ticket.map(Sought::Question));
        } else {
            // What others rest on need not be proven to have a right to be there.
            return needs;
        }
        needs.extend(rules.iter().map(|rule| Sought::Grant(rule.grant)));
        if let Actor::Agent { agent, identity } = record.actor {
            needs.push(Sought::Binding(agent));
            let inner = self.ledger.peek();
            needs.extend(inner.state.chain(identity).into_iter().map(Sought::Identity));
        }
        needs
    }

    /// What leads from the founding key to the one the checkpoint is signed with.
    async fn keys(&mut self) -> Result<(), BundleError> {
        let found = look(self.ledger, &[Sought::Keys], self.size).await?;
        self.records.extend(found.into_iter().map(|frame| (frame.sequence, frame)));
        Ok(())
    }
}

/// The records that are what is sought, among the first `size`.
async fn look(ledger: &Ledger, sought: &[Sought], size: u64) -> Result<Vec<Frame>, StoreError> {
    let mut looking = ledger.looking().await;
    loop {
        let found = {
            let look = looking.begin().await?;
            Search { look, size, found: Vec::new() }.all(sought).await
        };
        if let Some(found) = looking.end(found).await? {
            return Ok(found);
        }
    }
}

/// One look at the index. Nothing is believed that the records do not say.
struct Search<'l> {
    look: Look<'l>,
    size: u64,
    found: Vec<Frame>,
}

impl Search<'_> {
    async fn all(mut self, sought: &[Sought]) -> Result<Vec<Frame>, LookError> {
        for one in sought {
            match *one {
                Sought::Record(sequence) => drop(self.take(sequence, *one).await?),
                Sought::Outcome(intent) => self.outcome(intent).await?,
                Sought::Question(ticket) | Sought::Answer(ticket) | Sought::Spending(ticket) => {
                    self.last(Term::ticket(ticket), *one).await?;
                }
                Sought::Grant(grant) => self.first(Term::grant(grant), *one).await?,
                Sought::Binding(agent) => self.first(Term::binding(agent), *one).await?,
                Sought::Identity(identity) => self.first(Term::making(identity), *one).await?,
                Sought::Keys => self.keys().await?,
            }
        }
        Ok(self.found)
    }

    /// Takes the record at `sequence` if it is what is sought.
    async fn take(&mut self, sequence: u64, sought: Sought) -> Result<bool, LookError> {
        let Some((frame, record)) = self.read(sequence).await? else { return Ok(false) };
        let is = Sought::all(&record).contains(&sought);
        self.found.extend(is.then_some(frame));
        Ok(is)
    }

    async fn read(&mut self, sequence: u64) -> Result<Option<(Frame, AuditRecord)>, LookError> {
        if sequence == 0 || sequence > self.size {
            return Ok(None);
        }
        let frame = self.look.frames(sequence, 1).await?.into_iter().next();
        let frame = frame.ok_or_else(|| damaged(sequence, "it is not there".into()))?;
        let record = record_of(&frame)?;
        Ok(Some((frame, record)))
    }

    async fn outcome(&mut self, intent: u64) -> Result<(), LookError> {
        let mut candidates = vec![intent.saturating_add(1)];
        candidates.extend(self.look.followers(intent).await?);
        for sequence in candidates {
            if self.take(sequence, Sought::Outcome(intent)).await? {
                break;
            }
        }
        Ok(())
    }

    /// What is made by the first record of a term. Only an index that is wrong leads elsewhere.
    async fn first(&mut self, term: Term, sought: Sought) -> Result<(), LookError> {
        let first = self.look.first(term).await?.unwrap_or(0);
        if self.take(first, sought).await? { Ok(()) } else { self.last(term, sought).await }
    }

    /// What is said by the last record of a term that says it.
    async fn last(&mut self, term: Term, sought: Sought) -> Result<(), LookError> {
        let (mut cursor, mut at) = (Cursor::new(term), self.size);
        while let Some(sequence) = cursor.seek(&mut self.look, at).await? {
            if self.take(sequence, sought).await? {
                break;
            }
            at = sequence.saturating_sub(1);
        }
        Ok(())
    }

    /// Each change of the owner's key, and the last certificate of the kernel's.
    async fn keys(&mut self) -> Result<(), LookError> {
        let (mut cursor, mut at) = (Cursor::new(Term::keys()), self.size);
        let mut certified = false;
        while let Some(sequence) = cursor.seek(&mut self.look, at).await? {
            at = sequence.saturating_sub(1);
            let Some((frame, record)) = self.read(sequence).await? else { continue };
            let Event::Act(SignedAct { act, .. }) = record.event else { continue };
            let last = matches!(act, Act::Certify { .. }) && !certified;
            certified |= last;
            self.found.extend((last || matches!(act, Act::Rekey { .. })).then_some(frame));
        }
        Ok(())
    }
}
