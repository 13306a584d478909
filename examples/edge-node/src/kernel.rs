//! The other side: an owner's kernel, an agent, and a tap on the link between kernel and node.
use std::{
    io,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use clawnet_core::{
    Action, Agent, Grant, Kernel, MemoryStore, Mount, Owner, PublicKey, Refusal, Region, Signer,
    SoftwareKey,
};
use clawnet_fs::{Frame, Link, Pairing, RemoteNode, Served, UnixLink};

/// An owner's kernel with one agent, which layer 1 lets do everything under `/work`.
pub(crate) struct Desk {
    pub(crate) kernel: Kernel,
    pub(crate) owner: Owner,
    pub(crate) agent: Agent,
    pub(crate) key: PublicKey,
}

fn secret() -> Result<SoftwareKey> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(SoftwareKey::from_secret(&secret))
}

impl Desk {
    pub(crate) async fn open() -> Result<Self> {
        let (owner_key, own) = (secret()?, secret()?);
        let key = own.public_key();
        let governing = Kernel::governing(owner_key.public_key());
        let kernel = governing.open(MemoryStore::new(), || SystemTime::now().into()).await?;
        let owner = kernel.owner(owner_key).await?;
        owner.certify(key).await?;
        kernel.sign_with(own);
        let work = owner.identity("work").await?;
        let all = [Action::Read, Action::List, Action::Write, Action::Delete];
        owner.grant(work, Grant::new().allow(all, Region::subtree("fs:/work")?)).await?;
        let agent = owner.bind(work, "assistant", "demo").await?;
        Ok(Self { kernel, owner, agent, key })
    }

    /// Asks the node, and tells what came of it.
    pub(crate) async fn ask<O: Served>(
        &self,
        edge: &Mount<RemoteNode>,
        operation: &O,
    ) -> Result<O::Output, String> {
        let submitted = self.agent.submit(edge, operation).await;
        submitted.map_err(|refusal| {
            let failed =
                if let Refusal::Failed(fault) = &refusal { Some(fault.code()) } else { None };
            failed.map_or_else(|| refusal.to_string(), str::to_owned)
        })
    }
}

/// A link to the node which remembers what went over it, and can say it again.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Mutex<Tapped>>);

struct Tapped {
    link: UnixLink,
    sent: Vec<Frame>,
}

impl Tap {
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("no node listens")?;
        let tapped = Tapped { link: UnixLink::new(stream), sent: Vec::new() };
        Ok(Self(Arc::new(Mutex::new(tapped))))
    }

    pub(crate) fn pair(&self, node: PublicKey, kernel: PublicKey) -> Result<RemoteNode> {
        Ok(RemoteNode::pair(Box::new(self.clone()), Pairing::new(node, kernel))?)
    }

    fn locked<T>(&self, with: impl FnOnce(&mut Tapped) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// The last frame that was sent.
    pub(crate) fn last(&self) -> Option<Frame> {
        self.locked(|tapped| tapped.sent.last().cloned())
    }

    /// Sends a frame as a stranger on the wire would, and gives what the node says to it.
    pub(crate) fn say(&self, frame: &Frame) -> Result<String> {
        let within = Duration::from_secs(10);
        let answer = self.locked(|tapped| {
            tapped.link.send(frame, within)?;
            tapped.link.receive(within)
        });
        let answer = answer?.context("the node says nothing")?;
        Ok(String::from_utf8_lossy(answer.head()).into_owned())
    }
}

impl Link for Tap {
    fn send(&mut self, frame: &Frame, within: Duration) -> io::Result<()> {
        self.locked(|tapped| {
            tapped.sent.push(frame.clone());
            tapped.link.send(frame, within)
        })
    }

    fn receive(&mut self, within: Duration) -> io::Result<Option<Frame>> {
        self.locked(|tapped| tapped.link.receive(within))
    }
}
