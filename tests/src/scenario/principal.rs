//! One owner in a world: the key their name makes, their kernel while it is open, and who acts.
use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use clawnet_core::{
    Agent, AgentId, Kernel, Limits, ManualClock, Mount, Owner, PublicKey, Signature, Signer,
    SignerError, SoftwareKey, Store,
};
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
    limits: Limits,
    pub(super) house: HouseRules,
    open: Option<Open>,
}

/// What ends with a restart.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) kernel: Kernel,
    pub(super) probes: Arc<Mount<Mirror>>,
    agents: BTreeMap<AgentId, Arc<Agent>>,
}

/// What a kernel is opened in.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: ManualClock,
    pub(super) manner: Manner,
    /// Whether every record is verified, not only those after the kept state.
    pub(super) whole: bool,
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
    pub(super) fn new(name: &str, limits: Limits) -> Self {
        Self { name: name.into(), limits, house: HouseRules::default(), open: None }
    }

    pub(super) fn public_key(&self) -> PublicKey {
        key(&self.name).public_key()
    }

    /// Opens the kernel on what the store holds.
    pub(super) fn open_in(&mut self, surroundings: Surroundings) -> Result<(), Trouble> {
        let Surroundings { store, clock, manner, whole } = surroundings;
        let governing = Kernel::governing(self.public_key()).limits(self.limits);
        let governing = governing.house(self.house.clone());
        let governing = if whole { governing.verifying_everything() } else { governing };
        let kernel = block_on(governing.open_shared(store, clock))?;
        let probes = Arc::new(kernel.mount("probe", Mirror(manner)));
        self.open = Some(Open { kernel, probes, agents: BTreeMap::new() });
        Ok(())
    }

    /// Lets the kernel and all that came from it go.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    pub(super) fn opened(&self) -> Result<&Open, Trouble> {
        self.open.as_ref().ok_or_else(|| Trouble::Said(CLOSED.into()))
    }

    /// The owner's own hand, or that of somebody who would like it to be.
    pub(super) fn owner(&self, signed_by: Option<&SignedBy>) -> Result<Owner, Trouble> {
        let kernel = &self.opened()?.kernel;
        Ok(match signed_by {
            None => kernel.owner(key(&self.name))?,
            Some(SignedBy::Key(name)) => kernel.owner(key(name))?,
            Some(SignedBy::Forger(Forger { forger })) => {
                kernel.owner(Forgery { claims: self.public_key(), key: key(forger) })?
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
fn key(name: &str) -> SoftwareKey {
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

const CLOSED: &str = "the kernel is not open: restart it";
