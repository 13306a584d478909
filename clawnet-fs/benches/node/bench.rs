//! One owner, one agent that may do anything, one folder, and the clock.
use std::{
    path::Path,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant, SystemTime},
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Action, Agent, Endpoint, Grant, Kernel, Limits, Mount, Operation, Region, Signer, SoftwareKey,
    Store,
};
use clawnet_fs::{Durability, Folders, FsPath, Node};
use futures::executor::block_on;
use tempfile::TempDir;

/// How often each side of a comparison has its turn.
const ROUNDS: usize = 60;

/// A kernel over a node over one folder, `/work`.
pub(crate) struct Bench {
    pub(crate) kernel: Kernel,
    pub(crate) agent: Agent,
    pub(crate) files: Mount<Node>,
    /// The folder as its owner sees it.
    pub(crate) work: Dir,
    _base: TempDir,
}

impl Bench {
    /// In memory, all of it.
    pub(crate) fn in_memory(store: impl Store) -> Self {
        Self::new(Path::new("/dev/shm"), store, (Durability::ProcessSafe, Limits::default()))
    }

    pub(crate) fn new(
        under: &Path,
        store: impl Store,
        (class, limits): (Durability, Limits),
    ) -> Self {
        let base = tempfile::tempdir_in(under).unwrap();
        let top = Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
        top.create_dir("work").unwrap();
        top.create_dir("state").unwrap();
        let key = SoftwareKey::from_secret(&[7; 32]);
        let clock = || SystemTime::now().into();
        let governing = Kernel::governing(key.public_key()).limits(limits);
        let kernel = block_on(governing.open(store, clock)).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        let identity = block_on(owner.identity("work")).unwrap();
        let all = [Action::Read, Action::List, Action::Write, Action::Delete];
        let grant = Grant::new().allow(all, Region::subtree("fs:/work").unwrap());
        block_on(owner.grant(identity, grant)).unwrap();
        let agent = block_on(owner.bind(identity, "agent", "bench")).unwrap();
        let work = top.open_dir("work").unwrap();
        let folders = Folders::new().read_write("/work", top.open_dir("work").unwrap()).unwrap();
        let node = Node::open(folders, top.open_dir("state").unwrap(), class).unwrap();
        let files = kernel.mount("files", node);
        Self { kernel, agent, files, work, _base: base }
    }

    /// One operation, start to end.
    pub(crate) fn submit<O: Operation>(&self, operation: &O) -> O::Output
    where
        Node: Endpoint<O>,
    {
        at_once(self.agent.submit(&self.files, operation)).unwrap()
    }
}

pub(crate) fn path(text: &str) -> FsPath {
    text.parse().unwrap()
}

/// What nothing has to be waited for: an executor would be measured too.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it has to be waited for"),
    }
}

/// Microseconds a call of each, in turns: the best round of each.
pub(crate) fn in_turns<const N: usize>(count: u32, mut sides: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (side, best) in sides.iter_mut().zip(&mut best) {
            let started = Instant::now();
            for _ in 0..count {
                side();
            }
            *best = best.min(micros(started.elapsed()) / f64::from(count));
        }
    }
    best
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

pub(crate) fn print(name: &str, value: f64, unit: &str) {
    let digits = if value < 100.0 { 2 } else { 0 };
    println!("{name} {value:.digits$} {unit}");
}
