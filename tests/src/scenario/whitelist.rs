//! Commands of the owner about the node: the list as a file, and what the node says about itself.
use clawnet_core::IdentityId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{principal::Access, step::Step, trouble::Trouble, world::World};

/// Writes the owner's list, a file that the node reads and notices when it changes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhitelistStep {
    #[serde(default)]
    folders: Vec<FolderText>,
    #[serde(default)]
    flows: Vec<(String, String)>,
    #[serde(default)]
    protect: Vec<String>,
    /// What the file says instead, word for word.
    text: Option<String>,
    /// Whether it is removed.
    #[serde(default)]
    missing: bool,
}

/// One folder of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderText {
    r#as: String,
    #[serde(default)]
    access: Access,
    label: Option<String>,
    identities: Option<Vec<String>>,
    #[serde(default)]
    keep: KeepText,
}

/// What undo may keep of a folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepText {
    bytes: Option<u64>,
    days: Option<u32>,
}

impl Step for WhitelistStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let text = match &self.text {
            _ if self.missing => None,
            Some(text) => Some(text.clone()),
            None => Some(self.list(world)?),
        };
        world.principal()?.write_list(text.as_deref())?;
        health(world)
    }
}

impl WhitelistStep {
    fn list(&self, world: &mut World) -> Result<String, Trouble> {
        let mut text = String::from("format = 1\n");
        for folder in &self.folders {
            text.push_str(&folder.list(world)?);
        }
        for (from, to) in &self.flows {
            add(&mut text, format_args!("[[flow]]\nfrom = {from:?}\nto = {to:?}"));
        }
        add(&mut text, format_args!("[names]\nprotect = {:?}\n[end]", self.protect));
        Ok(text)
    }
}

impl FolderText {
    fn list(&self, world: &mut World) -> Result<String, Trouble> {
        let mode = match self.access {
            Access::ReadWrite => "read-write",
            Access::ReadOnly => "read-only",
        };
        let owner = world.principal()?;
        owner.own_dir()?.create_dir_all(&self.r#as)?;
        let (name, path) = (format!("/{}", self.r#as), owner.place_of(&self.r#as));
        let path = path.display().to_string();
        let mut text = String::from("[[folder]]\n");
        add(&mut text, format_args!("name = {name:?}\npath = {path:?}\nmode = {mode:?}"));
        if let Some(label) = &self.label {
            add(&mut text, format_args!("label = {label:?}"));
        }
        if let Some(names) = &self.identities {
            let found = names.iter().map(|name| world.names.find::<IdentityId>(name));
            let ids: Vec<String> =
                found.map(|id| id.map(|id| id.to_string())).collect::<Result<_, _>>()?;
            add(&mut text, format_args!("identities = {ids:?}"));
        }
        let KeepText { bytes, days } = self.keep;
        let bytes = bytes.map(|bytes| format!("bytes = {bytes}"));
        let days = days.map(|days| format!("days = {days}"));
        let keep: Vec<String> = bytes.into_iter().chain(days).collect();
        if !keep.is_empty() {
            add(&mut text, format_args!("keep = {{ {} }}", keep.join(", ")));
        }
        Ok(text)
    }
}

/// One more line.
fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

/// Makes the node read the list again, and open its folders again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadStep {}

impl Step for ReloadStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let node = world.principal()?.node()?;
        node.endpoint().reload().map_err(|error| Trouble::said(&error))?;
        health(world)
    }
}

/// What the owner should know about the node.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthStep {}

impl Step for HealthStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        health(world)
    }
}

fn health(world: &mut World) -> Result<Value, Trouble> {
    let health = world.principal()?.node()?.endpoint().health();
    Ok(json!({
        "log_unavailable": health.log_unavailable,
        "moved": health.moved,
        "whitelist_unavailable": health.whitelist_unavailable,
    }))
}

/// A person takes a folder away, or puts it somewhere else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderMoveStep {
    from: String,
    to: String,
}

impl Step for FolderMoveStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let dir = world.principal()?.own_dir()?;
        dir.rename(&self.from, &dir, &self.to)?;
        Ok(json!({"moved": self.from}))
    }
}
