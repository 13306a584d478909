//! The index of a ledger: brought up to date, and looked at.
//!
//! It is a way to records, never the truth: who finds a record by it reads the record and looks
//! whether it is what was sought. So what is wrongly there costs time. What is lost would cost
//! answers, and is noticed: all of it is lost together ([`Store::keep_index`](crate::Store::keep_index)), with the mark that
//! says how far it reaches. That is compared before and after each look, and against the chain
//! hash of the record it names when a ledger was opened; what does not fit is built anew.
use std::collections::HashMap;

use super::{
    Ledger,
    baton::Held,
    postings::{
        BLOCK, Follower, block_of, first_of, followers_of, followers_range, list_of,
        lists_from_the_first, mark_of, mark_range, part_of, time_of, time_range,
    },
    taken::Taken,
    terms::Term,
};
use crate::{
    id::AgentId,
    policy::AgentState,
    record::{Act, AuditRecord, Event},
    store::{Frame, Head, IndexEntry, IndexRange, StoreError},
};

/// How much is read from the store at once.
const CHUNK_BYTES: usize = 1 << 20;
/// What reading an entry or a record costs, in steps over a list.
const READ_WORK: u64 = 64;
/// How many records the index may be behind to be brought up to date by the way.
const LAG_MAX: u64 = 2 * BLOCK;
/// How often the index is built anew before the store is said not to keep it.
const ATTEMPTS_MAX: usize = 3;

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// The index is not what was kept. It is to be built anew.
    #[error("the index is lost or damaged")]
    Lost,
    /// The ledger cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    /// Takes new records into the index, unless somebody is at it or there are too many.
    pub(crate) async fn take_in(&self) {
        let Some(mut taken) = self.taken.try_take() else { return };
        let head = self.peek().head().sequence;
        // It is built by whoever looks at it next, if not here; and only they need it.
        if !taken.known && self.compare(&mut taken).await.is_err() {
            return;
        }
        if head.saturating_sub(taken.head().sequence) <= LAG_MAX {
            drop(self.catch_up(&mut taken, head).await);
        }
    }

    /// Looks at the index as soon as nobody else does: one look at a ledger goes on at a time.
    pub(crate) async fn looking(&self) -> Looking<'_> {
        Looking { ledger: self, taken: self.taken.take().await, attempts: 0 }
    }

    /// Sees to it that `taken` goes on from what the store has, and that this is of this ledger.
    async fn compare(&self, taken: &mut Taken) -> Result<(), LookError> {
        let stored = self.mark().await?.unwrap_or(Head::EMPTY);
        if taken.known && stored == taken.mark() {
            return Ok(());
        }
        if stored == Head::EMPTY && !taken.known {
            *taken = Taken::up_to(stored);
            return Ok(());
        }
        let frames = self.store.read(self.owner, stored.sequence, 1).await?;
        if stored == Head::EMPTY || frames.first().map(Head::after) != Some(stored) {
            return Err(LookError::Lost);
        }
        *taken = Taken::up_to(stored);
        Ok(())
    }

    /// How far the store says its part reaches.
    async fn mark(&self) -> Result<Option<Head>, LookError> {
        let entries = self.store.index(self.owner, mark_range()).await?;
        let mark = entries.first().map(|entry| mark_of(&entry.value).ok_or(LookError::Lost));
        mark.transpose()
    }

    async fn catch_up(&self, taken: &mut Taken, head: u64) -> Result<(), LookError> {
        self.keep_if_full(taken).await?;
        while taken.head().sequence < head {
            let next = taken.head().sequence.saturating_add(1);
            let frames = self.store.read(self.owner, next, CHUNK_BYTES).await?;
            if frames.is_empty() {
                let position = format!("record {next}");
                return Err(StoreError::Damaged { position, what: "it is gone".into() }.into());
            }
            for frame in &frames {
                while let Err(agent) = taken.absorb(frame) {
                    let bound = self.bound(taken, agent).await?;
                    taken.tell(agent, bound);
                }
                self.keep_if_full(taken).await?;
            }
        }
        Ok(())
    }

    /// Moves a full block to the store. Dropped in between, the block is still there to be kept:
    /// twice is once.
    async fn keep_if_full(&self, taken: &mut Taken) -> Result<(), LookError> {
        if taken.is_full() {
            // What was lost meanwhile must not be hidden by a new mark.
            if self.mark().await?.unwrap_or(Head::EMPTY) != taken.mark() {
                return Err(LookError::Lost);
            }
            self.store.keep_index(self.owner, taken.entries()).await?;
            // A store that lost the entries before these does not keep these either.
            if self.mark().await? != Some(taken.head()) {
                return Err(LookError::Lost);
            }
            *taken = Taken::up_to(taken.head());
        }
        Ok(())
    }

    /// How `agent` is bound, or was.
    async fn bound(&self, taken: &Taken, agent: AgentId) -> Result<Option<AgentState>, LookError> {
        if let Some(bound) = self.peek().state.agents.get(&agent) {
            return Ok(Some(bound.clone()));
        }
        let Some(sequence) = self.first_with(taken, Term::binding(agent)).await? else {
            return Ok(None);
        };
        let frames = self.store.read(self.owner, sequence, 1).await?;
        let record = frames.first().and_then(|frame| AuditRecord::from_frame(frame).ok());
        let Some(Event::Act(signed)) = record.map(|record| record.event) else { return Ok(None) };
        let Act::Bind { agent: bound, identity, job, name, runtime } = signed.act else {
            return Ok(None);
        };
        Ok((bound == agent).then_some(AgentState { identity, name, runtime, job }))
    }

    /// The first record that may have `term`.
    async fn first_with(&self, taken: &Taken, term: Term) -> Result<Option<u64>, LookError> {
        let entries = self.store.index(self.owner, lists_from_the_first(term)).await?;
        let (block, list) = match entries.first() {
            Some(entry) => list_of(entry).ok_or(LookError::Lost)?,
            None => (taken.block(), taken.list(term)),
        };
        Ok(list.first().map(|offset| first_of(block).saturating_add(u64::from(*offset))))
    }
}

/// The right to look at the index.
pub(crate) struct Looking<'l> {
    ledger: &'l Ledger,
    taken: Held<'l, Taken>,
    attempts: usize,
}

impl Looking<'_> {
    /// Brings the index up to the present, and begins to look at it.
    pub(crate) async fn begin(&mut self) -> Result<Look<'_>, StoreError> {
        let head = loop {
            match self.prepare().await {
                Ok(head) => break head,
                Err(error) => self.give_up_on(error).await?,
            }
        };
        let (ledger, taken) = (self.ledger, &*self.taken);
        Ok(Look { ledger, taken, head, work: 0, parts: HashMap::new() })
    }

    /// What the look found, or none if it was lost under it: then it begins again.
    pub(crate) async fn end<T>(
        &mut self,
        found: Result<T, LookError>,
    ) -> Result<Option<T>, StoreError> {
        let stored = self.ledger.mark().await.map(|mark| mark.unwrap_or(Head::EMPTY));
        let whole = match (found, stored) {
            (Ok(found), Ok(stored)) if stored == self.taken.mark() => return Ok(Some(found)),
            (Err(error), _) | (_, Err(error)) => error,
            (Ok(_), Ok(_)) => LookError::Lost,
        };
        self.give_up_on(whole).await.map(|()| None)
    }

    async fn prepare(&mut self) -> Result<u64, LookError> {
        self.ledger.compare(&mut self.taken).await?;
        let head = self.ledger.peek().head().sequence;
        self.ledger.catch_up(&mut self.taken, head).await?;
        Ok(head)
    }

    /// Has the index built anew, if that is all there is to it.
    async fn give_up_on(&mut self, error: LookError) -> Result<(), StoreError> {
        match error {
            LookError::Store(error) => return Err(error),
            LookError::Lost if self.attempts >= ATTEMPTS_MAX => {
                let (position, what) = ("index".into(), "the store does not keep it".into());
                return Err(StoreError::Damaged { position, what });
            }
            LookError::Lost => self.attempts += 1,
        }
        self.ledger.store.erase_index(self.ledger.owner).await?;
        *self.taken = Taken::up_to(Head::EMPTY);
        Ok(())
    }
}

/// One look at the index: nothing changes under it.
pub(crate) struct Look<'l> {
    ledger: &'l Ledger,
    taken: &'l Taken,
    head: u64,
    work: u64,
    parts: HashMap<(u64, u64), Vec<Follower>>,
}

impl Look<'_> {
    /// The last record there is to be found.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Whose ledger it is.
    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger
    }

    /// What the look cost so far: a step over a list is one, reading an entry or a record is many.
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    /// Counts one step over a list.
    pub(super) fn step(&mut self) {
        self.work = self.work.saturating_add(1);
    }

    pub(super) fn taken(&self) -> &Taken {
        self.taken
    }

    /// Entries of the store's part.
    pub(super) async fn entries(
        &mut self,
        range: IndexRange,
    ) -> Result<Vec<IndexEntry>, LookError> {
        let entries = self.ledger.store.index(self.ledger.owner, range).await?;
        let read = u64::try_from(entries.len()).unwrap_or(u64::MAX).max(1);
        self.work = self.work.saturating_add(read.saturating_mul(READ_WORK));
        Ok(entries)
    }

    /// Records from `sequence` on: at least one if there is one.
    pub(crate) async fn frames(
        &mut self,
        sequence: u64,
        size_bytes_max: usize,
    ) -> Result<Vec<Frame>, LookError> {
        self.work = self.work.saturating_add(READ_WORK);
        let store = &self.ledger.store;
        Ok(store.read(self.ledger.owner, sequence, size_bytes_max).await?)
    }

    /// How `agent` is bound, or was.
    pub(crate) async fn bound(&mut self, agent: AgentId) -> Result<Option<AgentState>, LookError> {
        self.work = self.work.saturating_add(READ_WORK);
        self.ledger.bound(self.taken, agent).await
    }

    /// The first record that may have `term`.
    pub(crate) async fn first(&mut self, term: Term) -> Result<Option<u64>, LookError> {
        self.work = self.work.saturating_add(READ_WORK);
        self.ledger.first_with(self.taken, term).await
    }

    /// Records that may tell what came of `intent`, other than the one that follows it.
    pub(crate) async fn followers(&mut self, intent: u64) -> Result<Vec<u64>, LookError> {
        let part = part_of(intent);
        if !self.parts.contains_key(&part) {
            let (mut found, mut from) = (Vec::new(), block_of(intent));
            loop {
                let range = followers_range(intent, from, ENTRIES_MAX);
                let entries = self.entries(range).await?;
                for entry in &entries {
                    let (block, followers) = followers_of(entry).ok_or(LookError::Lost)?;
                    found.extend(followers);
                    from = block.saturating_add(1);
                }
                if entries.len() < ENTRIES_MAX {
                    break;
                }
            }
            found.sort_unstable();
            self.parts.insert(part, found);
        }
        let stored = self.parts.get(&part).map_or(&[][..], Vec::as_slice);
        let first = stored.partition_point(|(of, _)| *of < intent);
        let stored = stored.iter().skip(first).take_while(|(of, _)| *of == intent);
        let all = stored.map(|(_, follower)| *follower).chain(self.taken.followers(intent));
        Ok(all.filter(|follower| *follower > intent && *follower <= self.head).collect())
    }

    /// The first record that is not before `at`, or the one after the last.
    pub(crate) async fn first_at(&mut self, at: u64) -> Result<u64, LookError> {
        // The last block that begins before then: the record is in it, or begins the next.
        let (mut low, mut high) = (0, self.taken.block().saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            if self.block_at(middle).await?.is_some_and(|first| first < at) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(1) };
        let (mut low, mut high) = (first_of(block), first_of(low).min(self.head.saturating_add(1)));
        while low < high {
            let middle = low.midpoint(high);
            let frames = self.frames(middle, 1).await?;
            let record = frames.first().and_then(|frame| AuditRecord::from_frame(frame).ok());
            if record.is_some_and(|record| record.at.as_millis() < at) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    async fn block_at(&mut self, block: u64) -> Result<Option<u64>, LookError> {
        if block >= self.taken.block() {
            return Ok(self.taken.first_at().filter(|_| block == self.taken.block()));
        }
        let entries = self.entries(time_range(block)).await?;
        let entry = entries.first().ok_or(LookError::Lost)?;
        time_of(&entry.value).map(Some).ok_or(LookError::Lost)
    }
}

/// How many entries are read at once where one would do mostly.
const ENTRIES_MAX: usize = 8;
