//! What happened: two agents at work on a Monday morning, and an owner who says yes and no.
use std::{error::Error, path::Path, time::Duration};

use clawnet_core::{
    Action, Agent, CheckpointError, Digest, Endpoint, Grant, Kernel, LocalStore, ManualClock,
    Mount, Operation, Owner, Refusal, Region, SignedCheckpoint, Signer, SoftwareKey, TicketId,
    Timestamp,
};

use super::workshop::{Clear, Deploy, Read, Workshop, Write};
use crate::stop::{Status, Stop};

/// What there is to try it on.
pub(super) struct Told {
    pub(super) records: u64,
    /// An intent that the owner said yes to.
    pub(super) approved: u64,
    /// A content that was kept.
    pub(super) content: Digest,
    /// A checkpoint from the middle.
    pub(super) held: SignedCheckpoint,
}

/// Writes it all down in a new store in `folder`.
pub(super) async fn tell(
    folder: &Path,
    owner: SoftwareKey,
    kernel: SoftwareKey,
) -> Result<Told, Stop> {
    let (store, _) = LocalStore::open(folder)?;
    let clock = ManualClock::at(Timestamp::from_millis(MONDAY_AT_NINE));
    let governing = Kernel::governing(owner.public_key());
    let opened = governing.open(store, clock.clone()).await?;
    let handle = opened.owner(owner).await?;
    handle.certify(kernel.public_key()).await?;
    opened.sign_with(kernel);
    let shop = opened.mount("workshop", Workshop);
    Story { kernel: opened, owner: handle, clock, shop }.tell().await
}

struct Story {
    kernel: Kernel,
    owner: Owner,
    clock: ManualClock,
    shop: Mount<Workshop>,
}

impl Story {
    async fn tell(self) -> Result<Told, Stop> {
        let (content, approved) = self.report().await?;
        self.pass(Duration::from_mins(5));
        let held = self.kernel.checkpoint().await.map_err(unsigned)?;
        self.release().await?;
        self.kernel.checkpoint().await.map_err(unsigned)?;
        self.clear().await?;
        self.pass(Duration::from_mins(1));
        self.owner.freeze_all().await?;
        let records = self.kernel.head().sequence;
        Ok(Told { records, approved, content, held })
    }

    /// An assistant writes a report, which the owner has published.
    async fn report(&self) -> Result<(Digest, u64), Stop> {
        let work = self.owner.identity("work").await?;
        let rules = Grant::new()
            .allow([Action::Read, Action::List], subtree("fs:/reports")?)
            .allow(Action::Write, subtree("fs:/reports/drafts")?)
            .ask(Action::Write, subtree("fs:/reports/published")?);
        self.owner.grant(work, rules).await?;
        let assistant = self.owner.bind(work, "assistant", "claude-code").await?;

        let read = |path| Ok::<_, Stop>(Read { path: resource(path)? });
        self.done(&assistant, &read("fs:/reports/q3/figures.csv")?).await?;
        let draft = Write::new(resource("fs:/reports/drafts/q3.md")?, DRAFT);
        self.done(&assistant, &draft).await?;
        self.denied(&assistant, &read("fs:/payroll/march.csv")?).await?;
        let script = Write::new(resource("fs:/reports/drafts/all.sh")?, "#!/bin/sh\nrm -r /\n");
        self.denied(&assistant, &script).await?;

        let publish = Write::new(resource("fs:/reports/published/q3.md")?, DRAFT);
        let ticket = self.asked(&assistant, &publish).await?;
        self.pass(Duration::from_mins(3));
        self.owner.approve(ticket).await?;
        self.done(&assistant, &publish).await?;
        let intent = self.kernel.head().sequence - 1;
        Ok((Digest::of_content(DRAFT.as_bytes()), intent))
    }

    /// The assistant takes away the drafts, and would take away what is published with them.
    async fn clear(&self) -> Result<(), Stop> {
        let work = self.owner.find_identity("work").ok_or("there is nobody at work");
        let work = work.map_err(other_than_planned)?;
        let assistant = work.agents.first().map(|(agent, _)| self.owner.agent(*agent));
        let assistant = assistant.ok_or("the assistant is gone").map_err(other_than_planned)??;
        let clear = |folder| Ok::<_, Stop>(Clear { folder: resource(folder)? });
        self.done(&assistant, &clear("fs:/reports/drafts")?).await?;
        self.denied(&assistant, &clear("fs:/reports")?).await
    }

    /// A release that one runtime begins and another ends.
    async fn release(&self) -> Result<(), Stop> {
        let release = self.owner.identity("release").await?;
        let rules = Grant::new()
            .allow(Action::Deploy, exact("env:staging")?)
            .ask(Action::Deploy, exact("env:production")?);
        self.owner.grant(release, rules).await?;
        let codex = self.owner.attempt(release, "release-4.2", "codex").await?;
        let deploy = |build, place| Ok::<_, Stop>(Deploy { build, environment: resource(place)? });
        self.failed(&codex, &deploy("4.2-rc1", "env:staging")?).await?;
        let early = deploy("4.2-rc1", "env:production")?;
        let ticket = self.asked(&codex, &early).await?;
        self.owner.reject(ticket).await?;
        self.denied(&codex, &early).await?;
        self.pass(Duration::from_hours(1));
        self.owner.dismiss(codex.caller().agent()).await?;

        let second = self.owner.attempt(release, "release-4.2", "openclaw").await?;
        self.done(&second, &deploy("4.2", "env:staging")?).await?;
        let last = deploy("4.2", "env:production")?;
        let ticket = self.asked(&second, &last).await?;
        self.pass(Duration::from_mins(9));
        self.owner.approve(ticket).await?;
        self.done(&second, &last).await
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    async fn submit<O: Operation<Output = ()>>(
        &self,
        agent: &Agent,
        operation: &O,
    ) -> Result<(), Refusal>
    where
        Workshop: Endpoint<O>,
    {
        self.pass(Duration::from_secs(7));
        agent.submit(&self.shop, operation).await
    }

    async fn done<O: Operation<Output = ()>>(&self, agent: &Agent, op: &O) -> Result<(), Stop>
    where
        Workshop: Endpoint<O>,
    {
        self.submit(agent, op).await.map_err(other_than_planned)
    }

    async fn denied<O: Operation<Output = ()>>(&self, agent: &Agent, op: &O) -> Result<(), Stop>
    where
        Workshop: Endpoint<O>,
    {
        match self.submit(agent, op).await {
            Err(Refusal::Denied(_)) => Ok(()),
            Ok(()) => Err(other_than_planned("an operation was not denied")),
            Err(refusal) => Err(other_than_planned(refusal)),
        }
    }

    async fn failed<O: Operation<Output = ()>>(&self, agent: &Agent, op: &O) -> Result<(), Stop>
    where
        Workshop: Endpoint<O>,
    {
        match self.submit(agent, op).await {
            Err(Refusal::Failed(_)) => Ok(()),
            Ok(()) => Err(other_than_planned("an operation did not fail")),
            Err(refusal) => Err(other_than_planned(refusal)),
        }
    }

    async fn asked<O: Operation<Output = ()>>(
        &self,
        agent: &Agent,
        op: &O,
    ) -> Result<TicketId, Stop>
    where
        Workshop: Endpoint<O>,
    {
        match self.submit(agent, op).await {
            Err(Refusal::Escalated(ticket)) => Ok(ticket.id),
            Ok(()) => Err(other_than_planned("an operation was not asked about")),
            Err(refusal) => Err(other_than_planned(refusal)),
        }
    }
}

fn resource(text: &str) -> Result<clawnet_core::Resource, Stop> {
    text.parse().map_err(other_than_planned)
}

fn subtree(text: &str) -> Result<Region, Stop> {
    Region::subtree(text).map_err(other_than_planned)
}

fn exact(text: &str) -> Result<Region, Stop> {
    Region::exact(text).map_err(other_than_planned)
}

fn unsigned(error: CheckpointError) -> Stop {
    match error {
        CheckpointError::Store(error) => error.into(),
        error => other_than_planned(error),
    }
}

/// The demo is always the same, unless something is broken.
fn other_than_planned(error: impl Into<Box<dyn Error>>) -> Stop {
    Stop::At(Status::Unreachable, format!("the demo went other than planned: {}", error.into()))
}

/// 2 March 2026.
const MONDAY_AT_NINE: u64 = 1_772_442_000_000;
const DRAFT: &str = "# Q3\n\nRevenue grew by 12 %. Mara asked for the names to be left out.\n";
