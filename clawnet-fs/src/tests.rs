//! Black-box tests: everything goes through a kernel, as an agent's request would.
use std::collections::BTreeMap;

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    About, Action, Actor, Agent, Cause, Claim, Confinement, Endpoint, Grant, Kernel, ManualClock,
    MemoryStore, Misfit, Mount, Operation, Owner, OwnerId, Projection, Refusal, Region, Signer,
    SoftwareKey, Timestamp,
};
use futures::executor::block_on;
use tempfile::TempDir;

use crate::*;

mod approval;
mod attacks;
mod confinement;
mod copying;
mod crash;
mod flow;
mod keeping;
mod listing;
mod held;
mod look;
mod moving;
mod plans;
mod past;
mod race;
mod returning;
mod rollback;
mod rolling;
mod searching;
mod seeing;
mod remote;
mod undoing;

/// One owner with one agent that layer 1 lets do anything to any path, and a node over one folder,
/// `/work`. What is refused here is refused by layer 2.
struct World {
    base: TempDir,
    clock: ManualClock,
    kernel: Kernel,
    owner: Owner,
    agent: Agent,
    node: Option<Mount<Node>>,
    /// The folder as its owner sees it.
    work: Dir,
}

const ALL: [Action; 4] = [Action::Read, Action::List, Action::Write, Action::Delete];

impl World {
    fn new() -> Self {
        Self::lasting(Durability::ProcessSafe)
    }

    fn lasting(durability: Durability) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_000));
        let world = Self::on(durability, clock.clone());
        Self { clock, ..world }
    }

    /// On a clock of the test's own.
    fn on(durability: Durability, clock: impl clawnet_core::Clock) -> Self {
        let base = tempfile::tempdir().unwrap();
        let top = Dir::open_ambient_dir(base.path(), ambient_authority()).unwrap();
        for name in ["work", "state", "outside"] {
            top.create_dir(name).unwrap();
        }
        top.write("outside/file", "outside").unwrap();
        let key = SoftwareKey::from_secret(&[7; 32]);
        let governing = Kernel::governing(key.public_key()).project::<Talks>();
        let opening = governing.open(MemoryStore::new(), clock);
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        let agent = agent(&owner, "work");
        let work = top.open_dir("work").unwrap();
        let clock = ManualClock::default();
        let mut world = Self { base, kernel, clock, owner, agent, node: None, work };
        world.reopen(durability);
        world
    }

    fn folder(&self, name: &str) -> Dir {
        Dir::open_ambient_dir(self.base.path().join(name), ambient_authority()).unwrap()
    }

    /// Opens the node again, as after a crash of the process.
    fn reopen(&mut self, durability: Durability) -> Recovered {
        self.node = None;
        let folders = Folders::new().read_write("/work", self.folder("work")).unwrap();
        let node = Node::open(folders, self.folder("state"), durability).unwrap();
        let recovered = node.recovered().clone();
        self.node = Some(self.kernel.mount("files", node));
        recovered
    }

    /// The same, and the process dies when recovery has made or taken back `steps` more steps.
    /// None if it does not come so far.
    fn reopen_dying_after(&mut self, steps: usize) -> Option<Recovered> {
        self.node = None;
        let folders = Folders::new().read_write("/work", self.folder("work")).unwrap();
        let (hook, state) = (pause::Hook::default(), self.folder("state"));
        let mut left = steps;
        hook.set(move |_| {
            left = left.checked_sub(1).unwrap_or_else(|| {
                std::panic::resume_unwind(Box::new("crash"));
            });
        });
        let durability = Durability::ProcessSafe;
        let opening = || Node::open_with(folders, state, durability, hook);
        let node = std::panic::catch_unwind(std::panic::AssertUnwindSafe(opening)).ok()?.unwrap();
        let recovered = node.recovered().clone();
        self.node = Some(self.kernel.mount("files", node));
        Some(recovered)
    }

    fn mount(&self) -> &Mount<Node> {
        self.node.as_ref().unwrap()
    }

    fn node(&self) -> &Node {
        self.mount().endpoint()
    }

    fn submit<O: Operation>(&self, operation: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>,
    {
        block_on(self.agent.submit(self.mount(), operation))
    }

    /// The code a request is refused with, or `ok`.
    fn code<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>,
    {
        word(&self.submit(operation))
    }

    fn write(&self, at: &str, content: &str) -> Result<Written, Refusal> {
        self.submit(&Write::new(path(at), content))
    }

    fn undo(&self, intent: u64) -> Result<Undone, Refusal> {
        let identity = self.agent.caller().identity();
        let undo = self.node().undo_of(identity, intent).map_err(clawnet_core::Fault::from)?;
        self.submit(&undo)
    }

    /// Every file and directory of the folder, with content, mode and modification time.
    fn tree(&self) -> BTreeMap<String, (Option<Vec<u8>>, u32, u128)> {
        let mut found = BTreeMap::new();
        walk(&self.work, "", &mut found);
        found
    }

    /// What lies in the store.
    fn slots(&self) -> Vec<Vec<u8>> {
        let slots = self.folder("state").open_dir("slots").unwrap();
        let names = slots.entries().unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| slots.read(name).unwrap_or_default()).collect()
    }
}

/// Whatever it is named, it may do everything in `/work`: what a session would be.
#[derive(serde::Serialize, serde::Deserialize)]
struct Talks;

impl Projection for Talks {
    const NAME: &'static str = "talks";
    type Fact = ();

    fn begin(_: OwnerId) -> Self {
        Self
    }

    fn claims(&self, (): &(), _: Actor) -> Result<Vec<Claim>, Misfit> {
        Ok(Vec::new())
    }

    fn check(&self, (): &(), _: &About<'_>) -> Result<(), Misfit> {
        Ok(())
    }

    fn fold(&mut self, (): &(), _: &About<'_>) {}

    fn confine(&self, _: &Cause) -> Option<Confinement> {
        let rules = Grant::new().allow(ALL, Region::subtree("fs:/work").unwrap());
        Some(Confinement { epoch: 1, mandates: vec![(1, rules)] })
    }
}

fn agent(owner: &Owner, name: &str) -> Agent {
    let all = Region::whole_volume().unwrap();
    let grant = ALL.iter().fold(Grant::new(), |grant, action| grant.allow(*action, all.clone()));
    block_on(async {
        let identity = owner.identity(name).await.unwrap();
        owner.grant(identity, grant).await.unwrap();
        owner.bind(identity, "agent", "test").await.unwrap()
    })
}

fn walk(dir: &Dir, above: &str, found: &mut BTreeMap<String, (Option<Vec<u8>>, u32, u128)>) {
    use cap_std::fs::MetadataExt;
    for entry in dir.entries().unwrap() {
        let entry = entry.unwrap();
        let name = format!("{above}/{}", entry.file_name().to_str().unwrap());
        let facts = entry.metadata().unwrap();
        let time = u128::try_from(facts.mtime()).unwrap() << 32
            | u128::try_from(facts.mtime_nsec()).unwrap();
        if facts.is_dir() {
            walk(&entry.open_dir().unwrap(), &name, found);
            found.insert(name, (None, facts.mode(), 0));
        } else {
            let content = facts.is_file().then(|| dir.read(entry.file_name()).unwrap());
            found.insert(name, (content.or_else(|| Some(Vec::new())), facts.mode(), time));
        }
    }
}

fn path(text: &str) -> FsPath {
    text.parse().unwrap()
}

fn word<T>(result: &Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Refusal::Denied(denial)) => format!("denied {}", denial.code),
        Err(Refusal::Failed(fault)) => format!("failed {}", fault.code()),
        Err(other) => other.to_string(),
    }
}
