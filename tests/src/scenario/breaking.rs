//! Commands of the world: time, restarts, crashes, faults, and somebody with the disk.
use clawnet_core::Clock as _;
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answer,
    fault::{Call, Fault},
    moment::Moment,
    shelf::Shelf,
    step::Step,
    tampering::Tampering,
    trouble::Trouble,
    world::{Start, World},
};

/// Lets time pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvanceStep {
    by: Moment,
}

impl Step for AdvanceStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.clock.advance(self.by.as_duration());
        Ok(json!({"now": world.clock.now()}))
    }
}

/// Sets the machine's clock, backwards too.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetClockStep {
    to: Moment,
}

impl Step for SetClockStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.clock.set(self.to.as_timestamp());
        Ok(json!({"now": world.clock.now()}))
    }
}

/// Ends the process in order, and starts it again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestartStep {
    #[serde(default)]
    replaying_everything: bool,
    remembering: Option<String>,
    on: Option<String>,
}

impl Step for RestartStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let remembered = self.remembering.as_ref().map(|name| world.checkpoints.find(name));
        let remembered = remembered.transpose()?.cloned();
        let on = self.on.as_ref().map(|name| world.backups.find(name)).transpose()?.cloned();
        world.close();
        if let Some(path) = on {
            world.shelf = Shelf::Folder(path);
        }
        world.open(Start { whole: self.replaying_everything, remembered })?;
        recovered(world)
    }
}

/// Cuts the power, and starts again on what the disk kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrashStep {}

impl Step for CrashStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let lost = world.crash()?;
        let mut result = recovered(world)?;
        if let Some(fields) = result.as_object_mut() {
            fields.insert("lost".into(), lost.into());
        }
        Ok(result)
    }
}

/// What every owner's kernel found when it was opened.
fn recovered(world: &World) -> Result<Value, Trouble> {
    let mut each = Map::new();
    for principal in world.principals() {
        let recovery = answer::recovery(principal.opened()?.kernel.recovery());
        each.insert(principal.name.clone(), recovery);
    }
    Ok(json!({"recovered": each}))
}

/// Makes a call to the store fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultStep {
    call: Call,
    #[serde(default = "first")]
    nth: u64,
    #[serde(default)]
    written: bool,
}

fn first() -> u64 {
    1
}

impl Step for FaultStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        if self.nth == 0 {
            return Err(Trouble::misread("calls are counted from 1"));
        }
        world.faults.plan(Fault { call: self.call, nth: self.nth, written: self.written });
        Ok(json!({"fails": self.nth}))
    }
}

/// Edits the ledger behind the kernel's back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TamperStep {
    how: How,
    record: Option<u64>,
    bit: Option<u64>,
    with: Option<u64>,
    #[serde(default)]
    rehash: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Flip,
    Cut,
    Remove,
    Swap,
    Snapshot,
}

impl Step for TamperStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let owner = world.principal()?.public_key().owner();
        let needed = |field: Option<u64>, name: &str| {
            field.ok_or_else(|| Trouble::misread(format!("to tamper so, say which `{name}`")))
        };
        let record = || needed(self.record, "record");
        let tampering = match self.how {
            How::Snapshot => {
                world.shelf.tamper_snapshot(owner)?;
                return Ok(json!({"tampered": "snapshot"}));
            }
            How::Flip => Tampering::Flip { record: record()?, bit: self.bit.unwrap_or(0) },
            How::Cut => Tampering::Cut { record: record()? },
            How::Remove => Tampering::Remove { record: record()? },
            How::Swap => Tampering::Swap { record: record()?, with: needed(self.with, "with")? },
        };
        world.shelf.tamper(owner, tampering, self.rehash)?;
        Ok(json!({"tampered": self.record}))
    }
}

/// Verifies the whole ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyStep {}

impl Step for VerifyStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let kernel = &world.principal()?.opened()?.kernel;
        Ok(answer::verification(&block_on(kernel.verify())?))
    }
}

/// Keeps the state, to reopen from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotStep {}

impl Step for SnapshotStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let kernel = &world.principal()?.opened()?.kernel;
        Ok(json!({"snapshot": block_on(kernel.snapshot())?}))
    }
}

/// Asks the endpoints about the intents a crash left to them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettleStep {}

impl Step for SettleStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let principal = world.principal()?;
        let node = principal.node_if_any()?;
        let open = principal.opened()?;
        let mut settled = block_on(open.kernel.settle(&*open.probes))?;
        if let Some(node) = node {
            settled += block_on(open.kernel.settle(&*node))?;
        }
        Ok(json!({"settled": settled}))
    }
}
