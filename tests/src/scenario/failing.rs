//! Commands of the disk under the embedded store: calls that fail, power that does, and copies.
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    spindle::{Leaves, Says},
    step::Step,
    trouble::Trouble,
    world::World,
};

/// Puts every ledger on a simulated disk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskStep {}

impl Step for DiskStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.use_disk()?;
        Ok(json!({"disk": "simulated"}))
    }
}

/// Makes a call to the disk fail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskFaultStep {
    #[serde(default = "first")]
    call: u64,
    says: Says,
    #[serde(default)]
    lasting: bool,
}

impl Step for DiskFaultStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let call = counted(self.call)?;
        world.shelf.disk()?.fail(call, self.says, self.lasting);
        Ok(json!({"fails": call}))
    }
}

/// Cuts the power in a call to the disk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PowerLossStep {
    #[serde(default = "first")]
    call: u64,
    #[serde(default)]
    leaves: Leaves,
}

impl Step for PowerLossStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let call = counted(self.call)?;
        world.shelf.disk()?.lose_power(call, self.leaves);
        Ok(json!({"cut_in": call}))
    }
}

fn first() -> u64 {
    1
}

fn counted(call: u64) -> Result<u64, Trouble> {
    if call == 0 { Err(Trouble::misread("calls are counted from 1")) } else { Ok(call) }
}

/// Copies the store while it is in use.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupStep {
    r#as: String,
}

impl Step for BackupStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let place = world.home.another();
        let copied = world.local()?.backup(&place, &mut |_| ())?;
        world.backups.keep(Some(&self.r#as), place)?;
        Ok(json!({"logs": copied.logs, "records": copied.records, "bodies": copied.bodies}))
    }
}
