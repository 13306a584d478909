//! A program to be killed: changes to files on a real node and a real ledger, until they are done
//! or it dies.
//!
//! Usage: `file_victim FOLDER DEED...`. The ledger is in `FOLDER/ledger`, the node's state in
//! `FOLDER/state`, and the agents' folder is `FOLDER/work`. It prints `READY` when all is open, and
//! after each deed what the agent was told: `ok`, `denied CODE`, `failed CODE`, or `ledger` once
//! the ledger cannot be written. A node that does not open is `unopened WHY`.
use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::{
    Action, Agent, Endpoint, Fault, Grant, Kernel, LocalStore, ManualClock, Mount, Operation,
    Owner, Refusal, Region, Signer as _, SoftwareKey,
};
use clawnet_fs::{
    Append, Copy, Delete, Durability, Folders, FsPath, List, Mkdir, Move, Node, Read, Rename,
    Rollback, Search, Selection, Stat, Write,
};
use futures::executor::block_on;

fn main() -> ExitCode {
    match block_on(live()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "file_victim: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn live() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [folder, deeds @ ..] = words.as_slice() else { bail!("say FOLDER DEED...") };
    let (store, _) = LocalStore::open(&Path::new(folder).join("ledger"))?;
    let key = SoftwareKey::from_secret(&[9; 32]);
    let kernel = Kernel::governing(key.public_key()).open(store, ManualClock::default()).await?;
    let owner = kernel.owner(key).await?;
    let agent = agent(&owner).await?;
    let node = match node(folder) {
        Ok(node) => node,
        Err(error) => return Ok(say(&format!("unopened {error:#}"))?),
    };
    let files = kernel.mount("files", node);
    say("READY")?;
    for deed in deeds {
        say(&Desk { agent: &agent, files: &files, head: kernel.head().sequence }
            .told(deed)
            .await?)?;
    }
    Ok(())
}

fn node(folder: &str) -> Result<Node> {
    let open = |name: &str| {
        Dir::open_ambient_dir(Path::new(folder).join(name), ambient_authority()).context("folder")
    };
    let folders = Folders::new().read_write("/work", open("work")?)?;
    Ok(Node::open(folders, open("state")?, Durability::PowerSafe)?)
}

/// The agent, as it was left or made anew.
async fn agent(owner: &Owner) -> Result<Agent> {
    let (identity, agents) = match owner.find_identity("work") {
        Some(known) => (known.identity, known.agents),
        None => (owner.identity("work").await?, Vec::new()),
    };
    if let Some((agent, _)) = agents.first() {
        return Ok(owner.agent(*agent)?);
    }
    let all = Region::whole_volume()?;
    let actions = [Action::Read, Action::List, Action::Write, Action::Delete];
    let rules = actions.into_iter().fold(Grant::new(), |it, action| it.allow(action, all.clone()));
    owner.grant(identity, rules).await?;
    Ok(owner.bind(identity, "scribe", "tests").await?)
}

/// Who asks, and whom.
struct Desk<'a> {
    agent: &'a Agent,
    files: &'a Mount<Node>,
    head: u64,
}

impl Desk<'_> {
    /// What the agent is told about one deed.
    async fn told(&self, deed: &str) -> Result<String> {
        let (old, base) = (at("old")?, "/work".parse()?);
        Ok(match deed {
            "over" => self.ask(&Write::new(old, "new")).await,
            "create" => self.ask(&Write::new(at("fresh")?, "new")).await,
            "deep" => {
                let write = Write::new(at("a/b/c")?, "deep").creating_dirs_below(&base)?;
                self.ask(&write).await
            }
            "mkdir" => self.ask(&Mkdir::new(at("a/b/c")?).with_parents_below(&base)?).await,
            "delete" => self.ask(&Delete::new(old)).await,
            "append" => self.ask(&Append::new(old, " and more")).await,
            "copy" => self.ask(&Copy::new(old, at("copy")?)).await,
            "copy over" => self.ask(&Copy::new(at("dir/inner")?, old).overwriting()).await,
            "copy all" => self.ask(&Copy::new(at("dir")?, at("copy")?).recursive()).await,
            "move" => self.ask(&Move::new(old, at("dir/moved")?)).await,
            "move over" => self.ask(&Move::new(old, at("dir/inner")?).overwriting()).await,
            "move all" => self.ask(&Move::new(at("dir")?, at("moved")?).recursive()).await,
            "rename" => self.ask(&Rename::new(old, "renamed")?).await,
            "delete all" => self.ask(&Delete::new(at("dir")?).recursive()).await,
            "search" => self.ask(&Search::at(at("dir")?, ["inner"])).await,
            "undo" => self.undo().await,
            "redo" => self.redo().await,
            "rollback" => self.rollback().await?,
            "read" => self.ask(&Read::of(at("dir/inner")?)).await,
            "stat" => self.ask(&Stat::of(at("dir/inner")?)).await,
            "list" => self.ask(&List::of(at("dir")?)).await,
            other => bail!("no deed is called `{other}`"),
        })
    }

    async fn ask<O: Operation>(&self, operation: &O) -> String
    where
        Node: Endpoint<O>,
    {
        match self.agent.submit(self.files, operation).await {
            Ok(_) => "ok".into(),
            Err(Refusal::Denied(denial)) => format!("denied {}", denial.code),
            Err(Refusal::Failed(fault)) => format!("failed {}", fault.code()),
            Err(Refusal::Ledger(_)) => "ledger".into(),
            Err(Refusal::Escalated(_)) => "asked".into(),
        }
    }

    /// Takes back the last change there is.
    async fn undo(&self) -> String {
        let identity = self.agent.caller().identity();
        let node = self.files.endpoint();
        let last = (0..=self.head).rev().find_map(|intent| node.undo_of(identity, intent).ok());
        match last {
            Some(undo) => self.ask(&undo).await,
            None => Fault::new("nothing", "there is nothing to undo").to_string(),
        }
    }
}

impl Desk<'_> {
    /// Does again what was taken back last.
    async fn redo(&self) -> String {
        let identity = self.agent.caller().identity();
        let node = self.files.endpoint();
        let last = (0..=self.head).rev().find_map(|intent| node.redo_of(identity, intent).ok());
        match last {
            Some(redo) => self.ask(&redo).await,
            None => Fault::new("nothing", "there is nothing to redo").to_string(),
        }
    }

    /// Takes back everything this agent did.
    async fn rollback(&self) -> Result<String> {
        let all = Selection::Agent(self.agent.caller().agent());
        let look = Rollback::look("/work".parse()?, all);
        let told = match self.agent.submit(self.files, &look).await {
            Ok(told) => told,
            Err(refused) => return Ok(refused.to_string()),
        };
        Ok(match told.operation {
            Some(operation) => self.ask(&operation).await,
            None => "nothing to take back".into(),
        })
    }
}

fn at(name: &str) -> Result<FsPath> {
    Ok(format!("/work/{name}").parse()?)
}

/// One line in one write: what is printed was acknowledged.
fn say(what: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{what}\n").as_bytes())?;
    out.flush()
}
