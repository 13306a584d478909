//! The queue before the disk: where batches are checked and ordered, by the call and not the write.
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    frame,
    index::Watermark,
    segment::{Place, Position},
};
use crate::{
    id::OwnerId,
    store::{Batch, Commit, Decider, Durability, Frame, Head, StoreError},
};

/// Every log's end, enqueued and written, and what lies between the two.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

/// The largest batch, and the largest group but for one batch more than fits: 4 MiB with heads.
pub(super) const BATCH_SIZE_BYTES_MAX: usize = 4 << 20;

/// How much may wait in memory before a buffered commit waits for its group as well: 8 MiB.
pub(super) const WAITING_SIZE_BYTES_MAX: usize = 8 << 20;

/// How long a buffered batch waits for company: half of what is promised, the rest is the flush.
const LAG: Duration = Duration::from_millis(50);

/// One call of append.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) log: OwnerId,
    pub(super) expected: Head,
    pub(super) batch: Batch,
    pub(super) class: Durability,
}

/// A batch in its place, and who waits for it.
#[derive(Debug)]
pub(super) struct Enqueued {
    pub(super) log: OwnerId,
    pub(super) batch: Arc<Batch>,
    pub(super) size_bytes: usize,
    decider: Option<Decider>,
}

/// What is to be written and flushed at once.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batches: Vec<Enqueued>,
    /// Where the logs in it end before it.
    pub(super) ends: HashMap<OwnerId, Position>,
}

impl Queue {
    /// A queue behind what is written.
    pub(super) fn behind(
        ends: HashMap<OwnerId, Place>,
        flushed: Watermark,
        damage: Option<(StoreError, Position)>,
    ) -> Self {
        let logs = ends.into_iter().map(|(log, end)| (log, Log::at(end))).collect();
        let (damage, damaged_until) = damage.unzip();
        let state = State { logs, flushed, damage, damaged_until, ..State::default() };
        Self { state: Mutex::new(state), work: Condvar::new() }
    }

    /// Takes a batch if it continues its log. From here on its place is certain.
    pub(super) fn enqueue(&self, append: Append) -> Commit {
        match self.state().enqueue(append) {
            Ok((commit, wake)) => {
                if wake {
                    self.work.notify_one();
                }
                commit
            }
            Err(error) => Commit::ready(Err(error)),
        }
    }

    /// The end of `log`, not yet written frames included, if it is known to end there.
    pub(super) fn head(&self, log: OwnerId) -> Result<Head, StoreError> {
        let state = self.state();
        state.readable()?;
        state.ends(log)?;
        Ok(state.logs.get(&log).map_or(Head::EMPTY, |log| log.head))
    }

    /// The end of `log` as far as it is written.
    pub(super) fn written(&self, log: OwnerId) -> Result<Place, StoreError> {
        let state = self.state();
        state.readable()?;
        Ok(state.logs.get(&log).map_or(Place::EMPTY, |log| log.written))
    }

    /// The frames of `log` from `sequence` on that are not written, if it is among them.
    pub(super) fn unwritten(&self, log: OwnerId, sequence: u64, mut room: Room) -> Vec<Frame> {
        let state = self.state();
        let Some(log) = state.logs.get(&log).filter(|log| log.written.sequence < sequence) else {
            return Vec::new();
        };
        let frames = log.unwritten.iter().flat_map(|batch| batch.iter());
        let wanted = frames.skip_while(|frame| frame.sequence < sequence);
        wanted.take_while(|frame| room.takes(frame.payload.len())).cloned().collect()
    }

    /// Whether anything may be asked, else why not.
    pub(super) fn readable(&self) -> Result<(), StoreError> {
        self.state().readable()
    }

    /// Whether anything may be changed, else why not.
    pub(super) fn writable(&self) -> Result<(), StoreError> {
        self.state().writable()
    }

    /// Waits for work, and takes as much as one group may hold. None when there will be no more.
    pub(super) fn next(&self) -> Option<Waiting> {
        let mut state = self.state();
        state.asleep = true;
        let idle = |state: &mut State| !state.over() && state.waiting.is_empty();
        state = self.work.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        let lone = |state: &mut State| !state.over() && !state.urgent;
        let waited = self.work.wait_timeout_while(state, LAG, lone);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.asleep = false;
        state.take()
    }

    /// The end of what is flushed. Everything before it stays as it is.
    pub(super) fn flushed(&self) -> Watermark {
        self.state().flushed
    }

    /// Says that `waiting` is on disk, where each of its logs now ends, and where all of them do.
    pub(super) fn settle(
        &self,
        waiting: Waiting,
        ends: &HashMap<OwnerId, Place>,
        flushed: Option<Watermark>,
    ) {
        let mut state = self.state();
        state.flushed = flushed.unwrap_or(state.flushed);
        for done in &waiting.batches {
            state.size_bytes = state.size_bytes.saturating_sub(done.size_bytes);
            if let Some(log) = state.logs.get_mut(&done.log) {
                log.unwritten.pop_front();
                log.written = ends.get(&done.log).copied().unwrap_or(log.written);
            }
        }
        drop(state);
        waiting.decide(&Ok(()));
    }

    /// Ends it: a write or a flush failed, and nothing is promised any more.
    pub(super) fn poison(&self) {
        let mut state = self.state();
        state.stage = Stage::Poisoned;
        let batches = state.waiting.drain(..).collect();
        drop(state);
        self.work.notify_one();
        Waiting { batches, ends: HashMap::new() }.decide(&Err(StoreError::Poisoned));
    }

    /// Refuses changes from here on, because of what was found.
    pub(super) fn damage(&self, found: &StoreError) {
        self.state().damage.get_or_insert_with(|| found.clone());
    }

    /// Has the committer write what is left, and end.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if state.stage == Stage::Open {
            state.stage = Stage::Closing;
        }
        drop(state);
        self.work.notify_one();
    }

    /// A panic under the lock would be ours; the state it leaves is still in order.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Tells everybody who waits for it.
    pub(super) fn decide(self, result: &Result<(), StoreError>) {
        let deciders = self.batches.into_iter().filter_map(|batch| batch.decider);
        deciders.for_each(|decider| decider.decide(result.clone()));
    }
}

/// How much more an answer may hold: at least one frame, then as many as fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    first: bool,
    rest_bytes: usize,
}

impl Room {
    /// Room for one frame, and for more up to `size_bytes_max` of payload in all.
    pub(super) fn of(size_bytes_max: usize) -> Self {
        Self { first: true, rest_bytes: size_bytes_max }
    }

    /// Whether a payload still fits, which then takes its room.
    pub(super) fn takes(&mut self, size_bytes: usize) -> bool {
        let fits = self.first || size_bytes <= self.rest_bytes;
        self.first = false;
        self.rest_bytes = if fits { self.rest_bytes.saturating_sub(size_bytes) } else { 0 };
        fits
    }
}

#[derive(Debug, Default)]
struct State {
    logs: HashMap<OwnerId, Log>,
    waiting: VecDeque<Enqueued>,
    /// What waits or is being written.
    size_bytes: usize,
    /// Somebody waits for the disk.
    urgent: bool,
    /// The committer waits for work.
    asleep: bool,
    stage: Stage,
    flushed: Watermark,
    damage: Option<StoreError>,
    /// What ends before this may have gone on in what is damaged.
    damaged_until: Option<Position>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Closing,
    Poisoned,
}

#[derive(Debug)]
struct Log {
    head: Head,
    written: Place,
    unwritten: VecDeque<Arc<Batch>>,
}

impl Log {
    fn at(end: Place) -> Self {
        let head = Head { sequence: end.sequence, hash: end.hash };
        Self { head, written: end, unwritten: VecDeque::new() }
    }
}

impl State {
    fn readable(&self) -> Result<(), StoreError> {
        if self.stage == Stage::Poisoned { Err(StoreError::Poisoned) } else { Ok(()) }
    }

    fn writable(&self) -> Result<(), StoreError> {
        self.readable()?;
        self.damage.clone().map_or(Ok(()), Err)
    }

    /// Whether `log` is known to end where it seems to, else why not.
    fn ends(&self, log: OwnerId) -> Result<(), StoreError> {
        let end = self.logs.get(&log).map_or(Position::NONE, |log| log.written.position);
        let damage = self.damage.clone().filter(|_| Some(end) < self.damaged_until);
        damage.map_or(Ok(()), Err)
    }

    fn over(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Checks and places a batch. The answer's second half: whether the committer sleeps over it.
    fn enqueue(&mut self, append: Append) -> Result<(Commit, bool), StoreError> {
        let Append { log: owner, expected, batch, class } = append;
        self.writable()?;
        let size_bytes = checked_size_bytes(&batch)?;
        let log = self.logs.entry(owner).or_insert_with(|| Log::at(Place::EMPTY));
        if log.head != expected || !log.head.is_continued_by(&batch) {
            let (expected, found) = (expected.sequence, log.head.sequence);
            return Err(StoreError::Fenced { expected, found });
        }
        log.head = batch.last().map_or(log.head, Head::after);
        let batch = Arc::new(batch);
        log.unwritten.push_back(Arc::clone(&batch));
        self.size_bytes = self.size_bytes.saturating_add(size_bytes);
        let full = self.size_bytes > WAITING_SIZE_BYTES_MAX;
        let (decider, commit) = if class == Durability::Buffered && !full {
            (None, Commit::ready(Ok(())))
        } else {
            let (decider, commit) = Commit::pending();
            (Some(decider), commit)
        };
        let first = self.waiting.is_empty();
        let hurries = !self.urgent && (decider.is_some() || self.size_bytes > HURRY_SIZE_BYTES);
        self.urgent |= hurries;
        self.waiting.push_back(Enqueued { log: owner, batch, size_bytes, decider });
        Ok((commit, self.asleep && (first || hurries)))
    }

    fn take(&mut self) -> Option<Waiting> {
        let (mut batches, mut ends) = (Vec::new(), HashMap::new());
        let mut size_bytes = 0_usize;
        while let Some(next) = self.waiting.pop_front() {
            size_bytes = size_bytes.saturating_add(next.size_bytes);
            if size_bytes > BATCH_SIZE_BYTES_MAX && !batches.is_empty() {
                self.waiting.push_front(next);
                break;
            }
            let end = self.logs.get(&next.log).map_or(Position::NONE, |log| log.written.position);
            ends.insert(next.log, end);
            batches.push(next);
        }
        self.urgent = !self.waiting.is_empty();
        (!batches.is_empty()).then_some(Waiting { batches, ends })
    }
}

fn checked_size_bytes(batch: &[Frame]) -> Result<usize, StoreError> {
    let largest = batch.iter().map(|frame| frame.payload.len()).max().unwrap_or(0);
    let all = batch.iter().map(frame::size_bytes).fold(0, usize::saturating_add);
    for (size_bytes, size_bytes_max) in
        [(largest, Frame::SIZE_BYTES_MAX), (all, BATCH_SIZE_BYTES_MAX)]
    {
        if size_bytes > size_bytes_max {
            return Err(StoreError::TooLarge { size_bytes, size_bytes_max });
        }
    }
    Ok(all)
}

/// From this much on, what is buffered is written without waiting for company.
const HURRY_SIZE_BYTES: usize = BATCH_SIZE_BYTES_MAX;
