//! One owner in a world: the key their name makes, their kernel while it is open, and who acts.
use std::{collections::BTreeMap, io::Write as _, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _},
};
use clawnet_core::{
    Agent, AgentId, Kernel, Limits, ManualClock, Mount, Owner, OwnerError, PublicKey, Signature,
    SignedCheckpoint, Signer, SignerError, SoftwareKey, Store,
};
use clawnet_fs::{Durability, Folders, Node};
use clawnet_net::{Party, Relations};
use futures::executor::block_on;
use serde::Deserialize;

use super::{
    house::HouseRules,
    probe::{Manner, Mirror},
    trouble::Trouble,
};

/// An owner, whether their kernel is open or not.
#[derive(Debug)]
pub(super) struct Principal {
    pub(super) name: String,
    /// Whose keys they have, or had, to decide with: their own first.
    hands: Vec<String>,
    /// The key the kernel is told to sign with at every start.
    kernel_key: Option<String>,
    limits: Limits,
    pub(super) house: HouseRules,
    /// Where the owner's folders are, and what only their node may touch.
    home: PathBuf,
    folders: Vec<(String, Access)>,
    /// Whether the owner's list is a file. Then what it says counts, and nothing else.
    listed: bool,
    open: Option<Open>,
}

/// What agents may do in a folder, by the owner's own list.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
}

/// What ends with a restart.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) kernel: Arc<Kernel>,
    pub(super) probes: Arc<Mount<Mirror>>,
    agents: BTreeMap<AgentId, Arc<Agent>>,
    /// The node, once somebody wanted it.
    node: Option<Arc<Mount<Node>>>,
    /// Collaboration with others, once somebody wanted it.
    party: Option<Party>,
}

/// What a kernel is opened in.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: ManualClock,
    pub(super) manner: Manner,
    /// Whether every record is verified, not only those after the kept state.
    pub(super) whole: bool,
    /// A checkpoint that was kept elsewhere.
    pub(super) remembered: Option<SignedCheckpoint>,
}

/// Whose key signs, if not the owner's.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a name, or {\"forger\": a name}")]
pub(super) enum SignedBy {
    /// Somebody with their own key, as they are.
    Key(String),
    /// Somebody who says they are the owner, and signs with their own key.
    Forger(Forger),
}

/// Who pretends to be the owner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Forger {
    forger: String,
}

impl Principal {
    pub(super) fn new(name: &str, limits: Limits, home: PathBuf) -> Self {
        let (house, folders) = (HouseRules::default(), Vec::new());
        let (hands, kernel_key) = (vec![name.into()], None);
        Self {
            name: name.into(),
            hands,
            kernel_key,
            limits,
            house,
            home,
            folders,
            listed: false,
            open: None,
        }
    }

    /// The key that names the owner's ledger, for good.
    pub(super) fn public_key(&self) -> PublicKey {
        key(&self.name).public_key()
    }

    /// Opens the kernel on what the store holds.
    pub(super) fn open_in(&mut self, surroundings: Surroundings) -> Result<(), Trouble> {
        let Surroundings { store, clock, manner, whole, remembered } = surroundings;
        let governing = Kernel::governing(self.public_key()).limits(self.limits);
        let governing = governing.project::<Relations>();
        let governing = governing.house(self.house.clone());
        let governing = if whole { governing.verifying_everything() } else { governing };
        let own = |signed: &&SignedCheckpoint| {
            signed.checkpoint().owner() == Some(self.public_key().owner())
        };
        let governing = match remembered.as_ref().filter(own) {
            Some(signed) => governing.remembering_checkpoint(signed),
            None => governing,
        };
        let kernel = Arc::new(block_on(governing.open_shared(store, clock))?);
        if let Some(name) = &self.kernel_key {
            kernel.sign_with(key(name));
        }
        let probes = Arc::new(kernel.mount("probe", Mirror(manner)));
        self.open = Some(Open { kernel, probes, agents: BTreeMap::new(), node: None, party: None });
        Ok(())
    }

    /// Gives the kernel a key to sign with, now and at every start.
    pub(super) fn sign_with(&mut self, name: &str) -> Result<(), Trouble> {
        self.opened()?.kernel.sign_with(key(name));
        self.kernel_key = Some(name.into());
        Ok(())
    }

    /// Whose key the kernel signs with.
    pub(super) fn kernel_key(&self) -> Option<&str> {
        self.kernel_key.as_deref()
    }

    /// Remembers that the owner has this key too.
    pub(super) fn take_key(&mut self, name: &str) {
        self.hands.push(name.into());
    }

    /// Lets the kernel and all that came from it go.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) fn opened(&self) -> Result<&Open, Trouble> {
        self.open.as_ref().ok_or_else(|| Trouble::Said(CLOSED.into()))
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Collaboration with others, over a kernel that has a certified key to sign with.
    pub(super) fn party(&mut self) -> Result<Party, Trouble> {
        let open = self.open.as_mut().ok_or_else(|| Trouble::Said(CLOSED.into()))?;
        if let Some(party) = &open.party {
            return Ok(party.clone());
        }
        let party = Party::of(open.kernel.clone()).map_err(|error| Trouble::said(&error))?;
        open.party = Some(party.clone());
        Ok(party)
    }

    /// Puts a folder on the owner's list: made, if it is absent. The node is opened anew with it.
    pub(super) fn declare(&mut self, name: &str, access: Access) -> Result<(), Trouble> {
        self.own_dir()?.create_dir_all(name)?;
        self.folders.push((name.into(), access));
        if let Some(open) = &mut self.open {
            open.node = None;
        }
        self.node().map(drop)
    }

    /// Writes the owner's list, as the file of the node that reads it, or removes it.
    pub(super) fn write_list(&mut self, text: Option<&str>) -> Result<(), Trouble> {
        self.own_dir()?;
        let home = self.home_dir()?;
        match text {
            Some(text) => {
                let mut options = OpenOptions::new();
                options.write(true).create(true).truncate(true).mode(0o600);
                home.open_with("list.new", &options)?.write_all(text.as_bytes())?;
                home.rename("list.new", &home, LIST)?;
            }
            None => home.remove_file(LIST)?,
        }
        if !self.listed {
            self.listed = true;
            if let Some(open) = &mut self.open {
                open.node = None;
            }
        }
        Ok(())
    }

    /// Where a folder of the owner's is on this machine.
    pub(super) fn place_of(&self, folder: &str) -> PathBuf {
        self.home.join("folders").join(folder)
    }

    fn home_dir(&self) -> Result<Dir, Trouble> {
        Ok(Dir::open_ambient_dir(&self.home, ambient_authority())?)
    }

    /// The folders of the owner's list.
    fn declared(&self) -> Result<Folders, Trouble> {
        if self.listed {
            let read = Folders::read_from(self.home_dir()?, LIST, ambient_authority());
            return read.map_err(|error| Trouble::said(&error));
        }
        let (own, mut folders) = (self.own_dir()?, Folders::new());
        for (name, access) in &self.folders {
            let (dir, name) = (own.open_dir(name)?, format!("/{name}"));
            let declared = match access {
                Access::ReadWrite => folders.read_write(&name, dir),
                Access::ReadOnly => folders.read_only(&name, dir),
            };
            folders = declared.map_err(|error| Trouble::said(&error))?;
        }
        Ok(folders)
    }

    /// The directory that holds the owner's folders, in the owner's own hands.
    pub(super) fn own_dir(&self) -> Result<Dir, Trouble> {
        let path = self.home.join("folders");
        Dir::create_ambient_dir_all(&path, ambient_authority())?;
        Ok(Dir::open_ambient_dir(path, ambient_authority())?)
    }

    /// The node, if there is a folder for it.
    pub(super) fn node_if_any(&mut self) -> Result<Option<Arc<Mount<Node>>>, Trouble> {
        if self.folders.is_empty() && !self.listed { Ok(None) } else { self.node().map(Some) }
    }

    /// The node over the owner's folders, as they were declared.
    pub(super) fn node(&mut self) -> Result<Arc<Mount<Node>>, Trouble> {
        if let Some(node) = &self.opened()?.node {
            return Ok(node.clone());
        }
        let (folders, home) = (self.declared()?, self.home_dir()?);
        if !home.exists("node") {
            home.create_dir_with("node", DirBuilder::new().mode(0o700))?;
        }
        // Locked by the node, which a handle that only names a directory cannot be.
        let state = Dir::open_ambient_dir(self.home.join("node"), ambient_authority())?;
        let node = Node::open(folders, state, Durability::ProcessSafe);
        let node = node.map_err(|error| Trouble::said(&error))?;
        let open = self.open.as_mut().ok_or_else(|| Trouble::Said(CLOSED.into()))?;
        let mount = Arc::new(open.kernel.mount("files", node));
        open.node = Some(mount.clone());
        Ok(mount)
    }

    /// The owner's own hand, with whichever of their keys is in force, or that of somebody who
    /// would like it to be.
    pub(super) fn owner(&self, signed_by: Option<&SignedBy>) -> Result<Owner, Trouble> {
        let kernel = &self.opened()?.kernel;
        Ok(match signed_by {
            None => {
                let mut tried =
                    self.hands.iter().rev().map(|name| block_on(kernel.owner(key(name))));
                tried.find(Result::is_ok).unwrap_or(Err(OwnerError::ForeignKey))?
            }
            Some(SignedBy::Key(name)) => block_on(kernel.owner(key(name)))?,
            Some(SignedBy::Forger(Forger { forger })) => {
                block_on(kernel.owner(Forgery { claims: self.public_key(), key: key(forger) }))?
            }
        })
    }

    /// Keeps the handle of an agent, even after it is dismissed: whoever has it may still try.
    pub(super) fn keep(&mut self, agent: Agent) {
        if let Some(open) = &mut self.open {
            open.agents.insert(agent.caller().agent(), Arc::new(agent));
        }
    }

    pub(super) fn agent(&mut self, agent: AgentId) -> Result<Arc<Agent>, Trouble> {
        if let Some(agent) = self.opened()?.agents.get(&agent) {
            return Ok(agent.clone());
        }
        let found = self.owner(None)?.agent(agent)?;
        self.keep(found);
        self.opened()?.agents.get(&agent).cloned().ok_or_else(|| Trouble::Said(CLOSED.into()))
    }
}

/// The key that a name makes: the same in every run.
pub(super) fn key(name: &str) -> SoftwareKey {
    SoftwareKey::from_secret(&blake3::derive_key("clawnet scenario owner key", name.as_bytes()))
}

/// Says it is one key and signs with another.
struct Forgery {
    claims: PublicKey,
    key: SoftwareKey,
}

#[async_trait]
impl Signer for Forgery {
    fn public_key(&self) -> PublicKey {
        self.claims
    }

    async fn sign(&self, statement: &[u8]) -> Result<Signature, SignerError> {
        self.key.sign(statement).await
    }
}

/// What the owner's list is called, where no agent can name it.
const LIST: &str = "list.toml";
const CLOSED: &str = "the kernel is not open: restart it";
