//! What happens, step by step.
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use clawnet_core::{
    Action, Agent, Grant, GrantId, IdentityId, Kernel, LocalStore, Mount, Operation, Owner,
    Refusal, Region, Resource, Signer, Standing,
};
use clawnet_fs::{Durability, Entry, Folders, FsPath, List, Node, Read, Write, Written};

use crate::{desk::Desk, home::Home};

/// An agent at work in one part of a folder.
pub(crate) struct Story {
    home: Home,
    kernel: Kernel,
    owner: Owner,
    files: Mount<Node>,
    agent: Agent,
    grant: GrantId,
    part: FsPath,
    outside: FsPath,
}

impl Story {
    /// Opens kernel and node, and gives the identity `work` its part.
    pub(crate) async fn open(home: Home) -> Result<Self> {
        home.introduce();
        let key = home.key()?;
        let (store, _) = LocalStore::open(&home.ledger()).context("cannot open the ledger")?;
        let clock = || SystemTime::now().into();
        let kernel = Kernel::governing(key.public_key()).open(store, clock).await?;
        if let Some(damage) = kernel.damage() {
            bail!("{damage}; nothing is permitted on it");
        }
        match kernel.recovery() {
            recovery if recovery.records == 0 => println!("ledger  new"),
            recovery => println!("ledger  {recovery}"),
        }
        let owner = kernel.owner(key).await?;
        let folders = Folders::new().read_write("/folder", home.folder()?)?;
        let node = Node::open(folders, home.node_state()?, Durability::PowerSafe)?;
        let files = kernel.mount("folder", node);
        kernel.settle(&files).await?;

        let part: FsPath = format!("/folder/{}", home.part()?).parse()?;
        let outside = format!("/folder/{}", home.outside(&home.part()?)).parse()?;
        let (identity, agent) = work(&owner).await?;
        let grant = grant(&owner, identity, &part).await?;
        Ok(Self { home, kernel, owner, files, agent, grant, part, outside })
    }

    pub(crate) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// All of it.
    pub(crate) async fn tell(&self, desk: &Desk) -> Result<()> {
        let file = self.look_around().await?;
        step("The agent reaches outside its part");
        self.expect_denied(&Read::of(self.outside.clone())).await?;
        if let Some(written) = self.write_a_note(desk).await? {
            self.take_it_back(desk, &written).await?;
        }
        step("The owner revokes the grant");
        self.owner.revoke(self.grant).await?;
        println!("   revoked {}", self.grant);
        self.expect_denied(&Read::of(file)).await
    }

    async fn look_around(&self) -> Result<FsPath> {
        step("The agent looks around in its part");
        let listing = self.agent.submit(&self.files, &List::of(self.part.clone())).await?;
        for entry in &listing.entries {
            println!("   {:<28} {:>8} bytes", entry.name(), size_of(entry));
        }
        let files = listing.entries.iter().filter(|entry| size_of(entry) > 0);
        for entry in files {
            let read = Read::of(listing.path_of(entry)?).range(0, 4096);
            if let Ok(portion) = self.agent.submit(&self.files, &read).await {
                let text = String::from_utf8_lossy(portion.content.as_slice()).into_owned();
                let first = text.lines().next().unwrap_or_default();
                println!("   {} begins: {}", entry.name(), first.escape_debug());
                return Ok(listing.path_of(entry)?);
            }
        }
        Ok(self.part.child("missing.md")?)
    }

    /// A write asks; the yes is spent by the write; the next one asks again.
    async fn write_a_note(&self, desk: &Desk) -> Result<Option<Written>> {
        step("The agent writes a note, which has to be asked about");
        let path = self.part.child("clawnet-note.md")?;
        let run = self.kernel.head().sequence;
        let note = format!("# Note\n\nWritten by an agent, at record {run} of its ledger.\n");
        let write = Write::new(path, note);
        let Some(written) = self.submit_asking(desk, &write).await? else {
            println!("   and the same question is not put twice:");
            self.expect_denied(&write).await?;
            return Ok(None);
        };
        println!("   written: {} bytes, intent {}", written.size_bytes, written.intent);
        step("The same write once more: the yes is spent");
        match self.agent.submit(&self.files, &write).await {
            Err(Refusal::Escalated(ticket)) => println!("   asked again, ticket {}", ticket.id),
            Err(refusal) => println!("   {refusal}"),
            Ok(_) => bail!("a yes was spent twice"),
        }
        Ok(Some(written))
    }

    /// An undo is an operation like any other: judged, asked about and recorded.
    async fn take_it_back(&self, desk: &Desk, written: &Written) -> Result<()> {
        step("The note is taken back, which is asked about too");
        let identity = self.agent.caller().identity();
        let undo = self.files.endpoint().undo_of(identity, written.intent)?;
        if let Some(undone) = self.submit_asking(desk, &undo).await? {
            println!("   intent {} was undone by intent {}", undone.reversed, undone.intent);
        }
        Ok(())
    }

    /// Submits; if the owner is asked, submits again after a yes. None after a no.
    async fn submit_asking<O>(&self, desk: &Desk, operation: &O) -> Result<Option<O::Output>>
    where
        O: Operation,
        Node: clawnet_core::Endpoint<O>,
    {
        match self.agent.submit(&self.files, operation).await {
            Ok(output) => return Ok(Some(output)),
            Err(Refusal::Escalated(ticket)) => {
                if !desk.answer(&self.owner, ticket).await? {
                    println!("   the owner said no");
                    return Ok(None);
                }
            }
            Err(refusal) => return Err(refusal.into()),
        }
        Ok(Some(self.agent.submit(&self.files, operation).await?))
    }

    async fn expect_denied<O>(&self, operation: &O) -> Result<()>
    where
        O: Operation,
        Node: clawnet_core::Endpoint<O>,
    {
        match self.agent.submit(&self.files, operation).await {
            Err(refusal @ Refusal::Denied(_)) => println!("   {refusal}"),
            Err(refusal) => return Err(refusal.into()),
            Ok(_) => bail!("what should have been denied was done"),
        }
        Ok(())
    }
}

fn size_of(entry: &Entry) -> u64 {
    entry.details.map_or(0, |details| details.size_bytes)
}

fn step(title: &str) {
    println!("\n== {title}");
}

/// The identity `work` and its agent, from an earlier run if there was one.
async fn work(owner: &Owner) -> Result<(IdentityId, Agent)> {
    let known = owner.identities();
    let live = known.iter().find(|one| one.name == "work" && one.standing == Standing::Live);
    let identity = match live {
        Some(one) => one.identity,
        None => owner.identity("work").await?,
    };
    let agent = match live.and_then(|one| one.agents.first()) {
        Some((agent, _)) => owner.agent(*agent)?,
        None => owner.bind(identity, "assistant", "folder-agent").await?,
    };
    Ok((identity, agent))
}

/// Looking is allowed in `part`; changing it is asked about; everything else is denied.
async fn grant(owner: &Owner, identity: IdentityId, part: &FsPath) -> Result<GrantId> {
    let place: &Resource = part.resource();
    let rules = Grant::new()
        .allow([Action::Read, Action::List], Region::Subtree(place.clone()))
        .ask([Action::Write, Action::Delete], Region::Subtree(place.clone()));
    println!("\nThe identity `work` may, from now on:");
    rules.rules().iter().for_each(|rule| println!("   {rule}"));
    Ok(owner.grant(identity, rules).await?)
}
