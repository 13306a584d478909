//! What a node's operator decides, in files that no agent and no kernel can reach.
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, Result, bail};
use clawnet_core::{OwnerId, PublicKey, Signer, SoftwareKey};
use serde::{Deserialize, Serialize};

/// `edge.json`: whom the node listens to. Which folders it has is in the list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Whose directives are taken.
    pub(crate) pins: Vec<Pinned>,
    /// The user to become, if started as root.
    #[serde(default)]
    pub(crate) uid: Option<u32>,
}

/// One kernel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pinned {
    pub(crate) kernel: PublicKey,
    pub(crate) owner: OwnerId,
}

impl Config {
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let file = home.join("edge.json");
        let text = fs::read_to_string(&file).with_context(|| format!("`{}`", file.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}`", file.display()))
    }
}

/// The keys of a node: one that signs receipts, one that decides in its ledger.
pub(crate) struct Keys {
    pub(crate) node: SoftwareKey,
    pub(crate) operator: SoftwareKey,
}

impl Keys {
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let key = |name: &str| {
            let file = home.join("keys").join(name);
            let bytes = fs::read(&file).with_context(|| format!("`{}`", file.display()))?;
            let secret = bytes.as_slice().try_into().context("a key has 32 bytes")?;
            anyhow::Ok(SoftwareKey::from_secret(secret))
        };
        Ok(Self { node: key("node")?, operator: key("operator")? })
    }
}

/// Where the list is, in a directory of its own: behind the wall the node reads nothing else of it.
pub(crate) const LIST_DIRECTORY: &str = "list";
/// What the list is called there.
pub(crate) const LIST: &str = "whitelist.toml";
const SAMPLE: &str = r#"format = 1

# [[folder]]
# name = "/work"
# path = "/path/to/a/folder"
# mode = "read-only"

[end]
"#;

/// Makes keys, directories and a sample list, and prints the node's key.
pub(crate) fn init(home: &Path) -> Result<()> {
    for name in ["keys", "list", "state", "state/node", "state/station", "state/ledger"] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(home.join(name))?;
    }
    for name in ["node", "operator"] {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = home.join("keys").join(name);
        let Ok(mut file) = options.open(&file) else { bail!("`{}` exists", file.display()) };
        std::io::Write::write_all(&mut file, &secret)?;
    }
    let file = home.join("edge.json");
    if !file.exists() {
        let sample = Config { pins: Vec::new(), uid: None };
        fs::write(&file, serde_json::to_string_pretty(&sample)?)?;
    }
    let list = home.join(LIST_DIRECTORY).join(LIST);
    if !list.exists() {
        fs::write(&list, SAMPLE)?;
    }
    println!("node {}", Keys::read(home)?.node.public_key());
    Ok(())
}
