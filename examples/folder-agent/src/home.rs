//! Where things are: the folder, the part of it for the agent, and the state beside it.
use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use cap_std::{ambient_authority, fs::Dir};
use clawnet_core::SoftwareKey;

/// A folder and the places around it.
pub(crate) struct Home {
    folder: PathBuf,
    state: PathBuf,
    made: bool,
}

impl Home {
    /// Finds the folder, or makes one with realistic files.
    pub(crate) fn find(folder: Option<String>, state: Option<String>) -> Result<Self> {
        let made = folder.is_none();
        let folder = match folder {
            Some(folder) => PathBuf::from(folder),
            None => sample_folder()?,
        };
        let folder = fs::canonicalize(&folder)
            .with_context(|| format!("cannot open the folder `{}`", folder.display()))?;
        if !folder.is_dir() {
            bail!("`{}` is not a folder", folder.display());
        }
        let state = match state {
            Some(state) => PathBuf::from(state),
            None => sibling(&folder)?,
        };
        if lies_in(&state, &folder)? {
            bail!("the state directory is inside the folder, where the agent could reach it");
        }
        let home = Self { folder, state, made };
        home.part()?;
        make_private(&home.state)?;
        Ok(home)
    }

    /// The folder, as the node takes it.
    pub(crate) fn folder(&self) -> Result<Dir> {
        open(&self.folder)
    }

    /// The node's own directory.
    pub(crate) fn node_state(&self) -> Result<Dir> {
        let path = self.state.join("node");
        make_private(&path)?;
        open(&path)
    }

    /// Where the ledger is.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.state.join("ledger")
    }

    /// The first folder in the folder: what the identity is about.
    pub(crate) fn part(&self) -> Result<String> {
        let Some(name) = self.names(Path::is_dir).into_iter().next() else {
            bail!("`{}` has no folder in it to give to the agent", self.folder.display());
        };
        Ok(name)
    }

    /// Something in the folder that is not in `part`.
    pub(crate) fn outside(&self, part: &str) -> String {
        let other = self.names(|_| true).into_iter().find(|name| name != part);
        other.unwrap_or_else(|| "elsewhere.md".into())
    }

    /// The owner's key: made once, readable by its owner only.
    pub(crate) fn key(&self) -> Result<SoftwareKey> {
        use std::{io::Write, os::unix::fs::OpenOptionsExt};
        let path = self.state.join("owner.key");
        let mut secret = [0; 32];
        if let Ok(kept) = fs::read(&path) {
            secret = kept
                .try_into()
                .map_err(|_| anyhow::anyhow!("`{}` is not a key of 32 bytes", path.display()))?;
        } else {
            getrandom::fill(&mut secret).context("no randomness for a key")?;
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("cannot write the key to `{}`", path.display()))?;
            file.write_all(&secret)?;
            file.sync_all()?;
        }
        Ok(SoftwareKey::from_secret(&secret))
    }

    /// Where everything is, for whoever reads the beginning.
    pub(crate) fn introduce(&self) {
        println!("folder  {}", self.folder.display());
        println!("state   {}", self.state.display());
    }

    /// How to go on, for whoever reads the end.
    pub(crate) fn farewell(&self) {
        if self.made {
            println!("\nThe folder stays. Go on with the same ledger:");
            let (folder, state) = (self.folder.display(), self.state.display());
            println!("  cargo run -p folder-agent -- {folder} --state {state}");
        }
    }

    /// The names in the folder that do not begin with a dot, sorted.
    fn names(&self, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let wanted = entries.filter(|entry| wanted(&entry.path()));
        let mut names: Vec<String> =
            wanted.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    }
}

fn open(path: &Path) -> Result<Dir> {
    Dir::open_ambient_dir(path, ambient_authority())
        .with_context(|| format!("cannot open `{}`", path.display()))
}

/// Whether `path`, which need not exist yet, would be in `folder`.
fn lies_in(path: &Path, folder: &Path) -> Result<bool> {
    let path = std::path::absolute(path)?;
    let found = path.ancestors().find_map(|above| fs::canonicalize(above).ok());
    Ok(found.is_some_and(|found| found.starts_with(folder)))
}

/// Makes a directory nobody else may enter.
fn make_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot make the state directory `{}`", path.display()))
}

/// `.NAME.clawnet` beside the folder.
fn sibling(folder: &Path) -> Result<PathBuf> {
    match (folder.parent(), folder.file_name().and_then(|name| name.to_str())) {
        (Some(parent), Some(name)) => Ok(parent.join(format!(".{name}.clawnet"))),
        _ => bail!("`{}` has no place beside it; name one with --state", folder.display()),
    }
}

fn sample_folder() -> Result<PathBuf> {
    let root = tempfile::Builder::new().prefix("folder-agent-").tempdir()?.keep();
    let folder = root.join("documents");
    for (name, text) in SAMPLE {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    Ok(folder)
}

const SAMPLE: [(&str, &str); 6] = [
    ("acme-renewal/brief.md", "# Renewal with Acme\n\nTheir contract ends on 31 March.\n"),
    ("acme-renewal/offer.csv", "item,seats,price\nplatform,120,48000\nsupport,120,9600\n"),
    ("acme-renewal/notes/call-1.md", "Ann asked for a longer term and a lower price.\n"),
    ("acme-renewal/.env", "CRM_TOKEN=not-for-agents\n"),
    ("payroll/march.csv", "name,net\nBo,4100\nCy,3900\n"),
    ("will.txt", "To be opened by my sister.\n"),
];
