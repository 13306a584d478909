//! One owner, two identities whom layer 1 lets do anything anywhere, and a node over one folder,
//! `/work`. What is refused here is refused by layer 2.
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Action, Agent, AuditRecord, Endpoint, Event, Grant, Kernel, ManualClock, MemoryStore, Mount,
    Operation, Owner, Refusal, Region, Signer as _, SoftwareKey, Timestamp,
};
use clawnet_fs::{Durability, Folders, FsPath, Node, Recovered, Undone, Write, Written};
use futures::executor::block_on;
use tempfile::TempDir;

pub(crate) struct Yard {
    pub(crate) base: TempDir,
    pub(crate) owner: Owner,
    pub(crate) agent: Agent,
    pub(crate) other: Agent,
    kernel: Kernel,
    files: Option<Mount<Node>>,
}

const ALL: [Action; 4] = [Action::Read, Action::List, Action::Write, Action::Delete];

impl Yard {
    pub(crate) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// With everything below this directory.
    pub(crate) fn within(place: &Path) -> Self {
        let base = tempfile::tempdir_in(place).unwrap();
        for name in ["work", "state", "outside"] {
            fs::create_dir(base.path().join(name)).unwrap();
        }
        fs::write(base.path().join("outside/file"), "outside").unwrap();
        let key = SoftwareKey::from_secret(&[7; 32]);
        let clock = ManualClock::at(Timestamp::from_millis(1_000));
        let opening = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock);
        let kernel = block_on(opening).unwrap();
        let owner = block_on(kernel.owner(key)).unwrap();
        let (agent, other) = (allowed(&owner, "first"), allowed(&owner, "second"));
        let mut yard = Self { base, owner, agent, other, kernel, files: None };
        yard.reopen();
        yard
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    /// The words of a path, as a process is told it.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn folder(&self, name: &str) -> Dir {
        Dir::open_ambient_dir(self.path(name), ambient_authority()).unwrap()
    }

    /// Opens the node again, as after the process died.
    pub(crate) fn reopen(&mut self) -> Recovered {
        self.files = None;
        let folders = Folders::new().read_write("/work", self.folder("work")).unwrap();
        let node = Node::open(folders, self.folder("state"), Durability::ProcessSafe).unwrap();
        let recovered = node.recovered().clone();
        self.files = Some(self.kernel.mount("files", node));
        recovered
    }

    pub(crate) fn mount(&self) -> &Mount<Node> {
        self.files.as_ref().unwrap()
    }

    pub(crate) fn submit<O: Operation>(&self, operation: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>,
    {
        self.submit_by(&self.agent, operation)
    }

    pub(crate) fn submit_by<O: Operation>(&self, by: &Agent, it: &O) -> Result<O::Output, Refusal>
    where
        Node: Endpoint<O>,
    {
        block_on(by.submit(self.mount(), it))
    }

    /// Another endpoint under the same kernel.
    pub(crate) fn mount_open<E>(&self, endpoint: E) -> Mount<E> {
        self.kernel.mount("open", endpoint)
    }

    /// The word a request is refused with, or `ok`.
    pub(crate) fn code<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>,
    {
        word(&self.submit(operation))
    }

    pub(crate) fn write(&self, at: &str, content: &str) -> Result<Written, Refusal> {
        self.submit(&Write::new(path(at), content))
    }

    pub(crate) fn undo(&self, by: &Agent, intent: u64) -> Result<Undone, Refusal> {
        let undo = self.mount().endpoint().undo_of(by.caller().identity(), intent);
        self.submit_by(by, &undo.map_err(clawnet_core::Fault::from)?)
    }

    /// What is kept in the store.
    pub(crate) fn kept(&self) -> Vec<Vec<u8>> {
        let slots = fs::read_dir(self.path("state/slots")).unwrap();
        slots.map(|slot| fs::read(slot.unwrap().path()).unwrap_or_default()).collect()
    }

    pub(crate) fn records(&self) -> Vec<AuditRecord> {
        block_on(self.owner.records(1, usize::MAX)).unwrap()
    }

    /// How many requests were decided: each leaves an intent, or a refusal.
    pub(crate) fn decisions(&self) -> usize {
        let decided = |record: &&AuditRecord| {
            matches!(record.event, Event::Intent(_) | Event::Denied(_) | Event::Asked(_))
        };
        self.records().iter().filter(decided).count()
    }
}

fn allowed(owner: &Owner, name: &str) -> Agent {
    let all = Region::whole_volume().unwrap();
    let grant = ALL.iter().fold(Grant::new(), |grant, action| grant.allow(*action, all.clone()));
    block_on(async {
        let identity = owner.identity(name).await.unwrap();
        owner.grant(identity, grant).await.unwrap();
        owner.bind(identity, "agent", "test").await.unwrap()
    })
}

pub(crate) fn path(text: &str) -> FsPath {
    text.parse().unwrap()
}

/// What came of a request, in a word or two.
pub(crate) fn word<T>(result: &Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(Refusal::Denied(denial)) => format!("denied {}", denial.code),
        Err(Refusal::Failed(fault)) => format!("failed {}", fault.code()),
        Err(other) => other.to_string(),
    }
}

/// Everything below a directory, as nobody may have changed it: kind, mode, owner, number of
/// names, modification time and content.
pub(crate) fn snapshot(top: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let at = entry.unwrap().path();
            let facts = fs::symlink_metadata(&at).unwrap();
            let content = if facts.is_dir() {
                ahead.push(at.clone());
                String::new()
            } else if facts.is_file() {
                blake3::hash(&fs::read(&at).unwrap_or_default()).to_string()
            } else {
                fs::read_link(&at).map(|to| format!("{to:?}")).unwrap_or_default()
            };
            let (mode, links) = (facts.permissions().mode(), facts.nlink());
            let times = if facts.is_dir() { (0, 0) } else { (facts.mtime(), facts.mtime_nsec()) };
            let owner = (facts.uid(), facts.gid());
            found.insert(at, format!("{mode:o} {owner:?} {links} {times:?} {content}"));
        }
    }
    found
}

/// Names that only a change under way makes, found below a directory: none is left afterwards.
pub(crate) fn strays(top: &Path) -> Vec<PathBuf> {
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("own_") || name.starts_with("probe.") || name.contains(".tmp")
    };
    snapshot(top).into_keys().filter(ours).collect()
}
