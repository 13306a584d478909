//! Commands about keys: the one the kernel signs with, and the owner's own.
use clawnet_core::Signer as _;
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    principal::{SignedBy, key},
    step::Step,
    trouble::Trouble,
    world::World,
};

/// Lets the kernel sign checkpoints with a key, and gives it that key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertifyStep {
    key: String,
    signed_by: Option<SignedBy>,
}

impl Step for CertifyStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let certified = key(&self.key).public_key();
        block_on(world.owner(self.signed_by.as_ref())?.certify(certified))?;
        world.names.show(certified.to_string(), &self.key);
        world.principal()?.sign_with(&self.key)?;
        Ok(json!({"certified": self.key}))
    }
}

/// Gives the kernel a key to sign with, whether it is certified or not.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignWithStep {
    key: String,
}

impl Step for SignWithStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.names.show(key(&self.key).public_key().to_string(), &self.key);
        world.principal()?.sign_with(&self.key)?;
        Ok(json!({"signs_with": self.key}))
    }
}

/// Lets the owner decide with another key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RekeyStep {
    to: String,
    signed_by: Option<SignedBy>,
}

impl Step for RekeyStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut owner = world.owner(self.signed_by.as_ref())?;
        // The owner has the key before the ledger says so, and whether or not it ever does.
        world.names.show(key(&self.to).public_key().to_string(), &self.to);
        world.principal()?.take_key(&self.to);
        block_on(owner.rekey(key(&self.to)))?;
        Ok(json!({"rekeyed": self.to}))
    }
}
