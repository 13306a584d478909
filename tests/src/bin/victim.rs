//! A program to be killed: governed operations on a real store, until they are done or it dies.
//!
//! Usage: `victim FOLDER FIRST COUNT`. It opens the store in `FOLDER/store`, prints `READY`, and
//! submits operations numbered from FIRST on. The effect of one is its number as a line in
//! `FOLDER/effects`, flushed. Only after the kernel returned it prints what it was told: `ok N`;
//! `act SEQUENCE` for a decision of the owner; `no N` for a refusal and `failed N` for a fault; and
//! `ledger N` once the ledger cannot be written.
use std::{
    env,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use cap_std::{
    ambient_authority,
    fs::{Dir, OpenOptions},
};
use clawnet_core::{
    Action, Admission, Agent, Authorized, Caller, Demands, Denial, Effect, Endpoint, Fault, Grant,
    Kernel, LocalStore, ManualClock, Mount, Operation, Owner, OwnerError, Refusal, Region,
    Resource, Signer as _, SoftwareKey,
};
use futures::executor::block_on;
use serde::Serialize;

fn main() -> ExitCode {
    match block_on(live()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "victim: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn live() -> Result<()> {
    let mut words = env::args().skip(1);
    let mut word = || words.next().context("say FOLDER FIRST COUNT");
    let (folder, first, count) = (word()?, word()?.parse::<u64>()?, word()?.parse::<u64>()?);
    let dir = Dir::open_ambient_dir(&folder, ambient_authority())?;
    let (store, _) = LocalStore::open(&Path::new(&folder).join("store"))?;
    let key = SoftwareKey::from_secret(&[9; 32]);
    let kernel = Kernel::governing(key.public_key()).open(store, ManualClock::default()).await?;
    let owner = kernel.owner(key).await?;
    let own = SoftwareKey::from_secret(&[8; 32]);
    // After the first start it is certified already.
    drop(owner.certify(own.public_key()).await);
    kernel.sign_with(own);
    let agent = agent(&owner).await?;
    let ink = kernel.mount("ink", Ink(dir));
    say("READY")?;
    for number in first..first.saturating_add(count) {
        let on = if number % 4 == 3 { "fs:/asked/line" } else { "fs:/lines/line" };
        let line = Line { number, on: on.parse()? };
        let told = match agent.submit(&ink, &line).await {
            Err(Refusal::Escalated(ticket)) => match owner.approve(ticket.id).await {
                Ok(()) => {
                    say(&format!("act {}", kernel.head().sequence))?;
                    tell(&agent, &ink, &line).await
                }
                Err(OwnerError::Store(_)) => format!("ledger {number}"),
                Err(error) => return Err(error.into()),
            },
            said => told(number, &said),
        };
        say(&told)?;
        if number % 8 == 7 && kernel.snapshot().await.is_err() {
            say(&format!("ledger {number}"))?;
        }
    }
    Ok(())
}

/// The agent, as it was left or made anew. A process may have died before all of it was made.
async fn agent(owner: &Owner) -> Result<Agent> {
    let (identity, agents) = match owner.find_identity("work") {
        Some(known) => (known.identity, known.agents),
        None => (owner.identity("work").await?, Vec::new()),
    };
    if let Some((agent, _)) = agents.first() {
        return Ok(owner.agent(*agent)?);
    }
    let rules = Grant::new().allow(Action::Write, Region::subtree("fs:/lines")?);
    owner.grant(identity, rules.ask(Action::Write, Region::subtree("fs:/asked")?)).await?;
    Ok(owner.bind(identity, "scribe", "tests").await?)
}

async fn tell(agent: &Agent, ink: &Mount<Ink>, line: &Line) -> String {
    told(line.number, &agent.submit(ink, line).await)
}

fn told(number: u64, said: &Result<(), Refusal>) -> String {
    match said {
        Ok(()) => format!("ok {number}"),
        Err(Refusal::Failed(_)) => format!("failed {number}"),
        Err(Refusal::Ledger(_)) => format!("ledger {number}"),
        Err(Refusal::Denied(_) | Refusal::Escalated(_)) => format!("no {number}"),
    }
}

/// One line in one write: what is printed was acknowledged.
fn say(what: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{what}\n").as_bytes())?;
    out.flush()
}

/// A line to be written, once.
#[derive(Debug, Serialize)]
struct Line {
    number: u64,
    on: Resource,
}

impl Operation for Line {
    const KIND: &'static str = "ink.line";
    type Output = ();
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        Demands::one(Action::Write, &self.on)
    }
}

/// Where lines are written. Nothing here would keep one from being written twice.
struct Ink(Dir);

impl Ink {
    fn write(&self, line: &Line) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = self.0.open_with("effects", options.append(true).create(true))?;
        file.write_all(format!("{}\n", line.number).as_bytes())?;
        file.sync_all()
    }
}

impl Endpoint<Line> for Ink {
    fn admit(&self, _: &Line, _: &Caller) -> Result<Admission, Denial> {
        Ok(Admission::unversioned())
    }

    async fn perform(&self, task: Authorized<'_, Line>) -> Result<(), Fault> {
        self.write(task.operation()).map_err(|error| Fault::new("io", error.to_string()))
    }
}
