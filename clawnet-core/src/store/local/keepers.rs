//! The threads that keep bodies, so that nobody waits for a disk while being polled, and bodies that
//! come together share the flushes of the file system's journal.
use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use super::{body, disk::Disk, queue::Queue};
use crate::{
    digest::Digest,
    id::OwnerId,
    store::{Commit, Decider, StoreError},
};

/// Bodies on their way to the disk, and who brings them there.
///
/// **Promises** that each commit is decided, and that dropping this waits for all of them.
#[derive(Debug)]
pub(super) struct Keepers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    disk: Arc<dyn Disk>,
    queue: Arc<Queue>,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// How many threads have nothing to do.
    idle: usize,
    closed: bool,
}

#[derive(Debug)]
struct Job {
    log: OwnerId,
    body: Vec<u8>,
    decider: Decider,
}

/// How many threads there are at most: a journal seldom takes more at once.
const THREADS_MAX: usize = 8;
/// A larger body is kept by whoever asks, without a copy.
const COPIED_SIZE_BYTES_MAX: usize = 256 << 10;

impl Keepers {
    pub(super) fn of(disk: Arc<dyn Disk>, queue: Arc<Queue>) -> Self {
        let (state, work) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { disk, queue, state, work });
        Self { shared, threads: Mutex::default() }
    }

    /// Has a body kept. It is durable when the commit says so.
    pub(super) fn keep(
        &self,
        log: OwnerId,
        content: &[u8],
    ) -> Result<(Digest, Commit), StoreError> {
        let Shared { disk, queue, work, .. } = &*self.shared;
        // Nor is a system that starts no more threads a reason to fail.
        if content.len() > COPIED_SIZE_BYTES_MAX || self.see_to_a_thread().is_err() {
            let digest = body::keep(&**disk, queue, log, content)?;
            return Ok((digest, Commit::ready(Ok(()))));
        }
        queue.writable()?;
        let (decider, commit) = Commit::pending();
        let job = Job { log, body: content.to_vec(), decider };
        self.shared.state().waiting.push_back(job);
        work.notify_one();
        Ok((Digest::of_content(content), commit))
    }

    /// Starts another thread if all are at work, up to so many.
    fn see_to_a_thread(&self) -> io::Result<()> {
        let spare = {
            let state = self.shared.state();
            state.idle > state.waiting.len()
        };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if spare || threads.len() >= THREADS_MAX {
            return Ok(());
        }
        let shared = self.shared.clone();
        let named = thread::Builder::new().name("clawnet-bodies".to_owned());
        match named.spawn(move || shared.run()) {
            Ok(thread) => threads.push(thread),
            // Those there are do.
            Err(_) if !threads.is_empty() => {}
            Err(source) => return Err(source),
        }
        Ok(())
    }
}

impl Drop for Keepers {
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            drop(thread.join());
        }
    }
}

impl Shared {
    /// Keeps what comes, until there is nothing more and will not be.
    fn run(&self) {
        while let Some(Job { log, body, decider }) = self.next() {
            let keep = || body::keep(&*self.disk, &self.queue, log, &body).map(drop);
            let kept = catch_unwind(AssertUnwindSafe(keep)).unwrap_or_else(|_| {
                self.queue.poison();
                Err(StoreError::Poisoned)
            });
            decider.decide(kept);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        state.idle += 1;
        let nothing = |state: &mut State| state.waiting.is_empty() && !state.closed;
        state = self.work.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.waiting.pop_front()
    }

    /// What it guards is whole between any two steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
