//! Commands that carry a ledger elsewhere: exports, what happens to them on the way, and imports.
use clawnet_core::{Export, Import, Transferred};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{step::Step, trouble::Trouble, world::World};

/// Writes a whole ledger down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportStep {
    r#as: String,
    #[serde(default)]
    form: Form,
    #[serde(default)]
    bodies: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Form {
    #[default]
    JsonLines,
    Native,
}

impl Step for ExportStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let how = match self.form {
            Form::JsonLines => Export::json_lines(),
            Form::Native => Export::native(),
        };
        let how = if self.bodies { how.with_bodies() } else { how };
        let mut bytes = Vec::new();
        let done = block_on(world.owner(None)?.export(&mut bytes, how, |_| ()))?;
        world.exports.keep(Some(&self.r#as), bytes)?;
        Ok(transferred(&done))
    }
}

fn transferred(done: &Transferred) -> Value {
    let found = &done.found;
    json!({
        "records": found.records,
        "acts": found.acts,
        "checkpoints": found.checkpoints,
        "bodies": done.bodies,
    })
}

/// Changes an export behind everybody's back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditExportStep {
    export: String,
    r#as: String,
    how: How,
    line: Option<usize>,
    with: Option<usize>,
    byte: Option<usize>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum How {
    Flip,
    Cut,
    Drop,
    Repeat,
    Swap,
}

impl Step for EditExportStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut edited = world.exports.find(&self.export)?.clone();
        let nothing = || Trouble::misread("the export has no such place to edit");
        self.edit(&mut edited).ok_or_else(nothing)?;
        world.exports.keep(Some(&self.r#as), edited)?;
        Ok(json!({"edited": self.r#as}))
    }
}

impl EditExportStep {
    /// Nothing, if there is no such line or byte. Lines and bytes are counted from 1.
    fn edit(&self, export: &mut Vec<u8>) -> Option<()> {
        let mut lines: Vec<_> = export.split_inclusive(|byte| *byte == b'\n').collect();
        let line = self.line.and_then(|line| line.checked_sub(1)).filter(|at| *at < lines.len());
        let before = line.and_then(|line| lines.get(..line)).unwrap_or_default();
        let at = before.concat().len() + self.byte.unwrap_or(1).checked_sub(1)?;
        match self.how {
            How::Flip => {
                *export.get_mut(at)? ^= 1;
                return Some(());
            }
            How::Cut => {
                export.get(at)?;
                export.truncate(at);
                return Some(());
            }
            How::Drop => drop(lines.remove(line?)),
            How::Repeat => {
                let again = *lines.get(line?)?;
                lines.insert(line?, again);
            }
            How::Swap => {
                let with = self.with?.checked_sub(1).filter(|at| *at < lines.len())?;
                lines.swap(line?, with);
            }
        }
        *export = lines.concat();
        Some(())
    }
}

/// Verifies an export, with the key that names its ledger and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyExportStep {
    export: String,
    of: Option<String>,
}

impl Step for VerifyExportStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let founder = match &self.of {
            Some(owner) => world.principal_named(owner)?.public_key(),
            None => world.principal()?.public_key(),
        };
        let export = world.exports.find(&self.export)?;
        Ok(transferred(&Import::of(founder).verify(export.as_slice(), |_| ())?))
    }
}

/// Takes an export in, and starts again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportStep {
    export: String,
    #[serde(default)]
    into: Place,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// A new store, to which everybody else moves along.
    #[default]
    New,
    /// The one there is.
    Present,
}

impl Step for ImportStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let export = world.exports.find(&self.export)?.clone();
        Ok(transferred(&world.import(&export, self.into == Place::New)?))
    }
}
