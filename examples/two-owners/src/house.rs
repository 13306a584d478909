//! One owner's house: their folder, their kernel, and the one identity others meet.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Agent, Clock, Kernel, LocalStore, ManualClock, Mount, Owner, Signer as _, Timestamp,
};
use clawnet_fs::{Durability, Folders, Node};
use clawnet_net::{Party, Presenting, Relations};

use crate::cast::{self, Who};

/// Everything of one owner.
pub(crate) struct House {
    pub(crate) agent: Agent,
    pub(crate) files: Mount<Node>,
    pub(crate) folder: PathBuf,
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) owner: Owner,
    pub(crate) party: Party,
    pub(crate) shown: Presenting,
}

impl House {
    /// Builds it in `folder`, which is not there yet: files, ledger, node, identity and agent.
    pub(crate) async fn build(who: Who, folder: &Path, time: Time) -> Result<Self> {
        for name in ["trade", "private", "deals", "node"] {
            let made = fs::DirBuilder::new().recursive(true).create(folder.join(name));
            made.with_context(|| format!("`{}`", folder.join(name).display()))?;
        }
        for (name, text) in who.files() {
            fs::write(folder.join(name), text)?;
        }
        let (store, _) = LocalStore::open(&folder.join("ledger"))?;
        let governing = Kernel::governing(who.key().public_key()).project::<Relations>();
        let kernel = Arc::new(governing.open(store, time).await?);
        let owner = kernel.owner(who.key()).await?;
        owner.certify(who.kernel_key().public_key()).await?;
        kernel.sign_with(who.kernel_key());
        let open = |name: &str| Dir::open_ambient_dir(folder.join(name), ambient_authority());
        let folders = Folders::new()
            .read_only("/trade", open("trade")?)?
            .read_only("/private", open("private")?)?
            .read_write("/deals", open("deals")?)?
            .flow("/trade", "/deals")?;
        let node = Node::open(folders, open("node")?, Durability::ProcessSafe)?;
        let files = kernel.mount("files", node);
        let identity = owner.identity("trade").await?;
        owner.grant(identity, cast::identity_scope(who)?).await?;
        let agent = owner.bind(identity, "assistant", "scripted").await?;
        let party = Party::of(kernel.clone())?;
        let shown = Presenting::new(identity, who.presented());
        Ok(Self { agent, files, folder: folder.into(), kernel, owner, party, shown })
    }
}

/// Where time comes from: moved by hand where every run is the same, and else the machine's.
#[derive(Debug, Clone)]
pub(crate) enum Time {
    Told(ManualClock),
    Machine,
}

impl Time {
    /// A Monday morning.
    pub(crate) fn told() -> Self {
        Self::Told(ManualClock::at(Timestamp::from_millis(MONDAY_AT_NINE)))
    }

    /// It takes a while to do something.
    pub(crate) fn pass(&self) {
        if let Self::Told(clock) = self {
            clock.advance(Duration::from_secs(10));
        }
    }
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        match self {
            Self::Told(clock) => clock.now(),
            Self::Machine => SystemTime::now().into(),
        }
    }
}

/// 2 March 2026.
const MONDAY_AT_NINE: u64 = 1_772_442_000_000;
