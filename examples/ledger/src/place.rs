//! Where the store is, and whose ledger in it is meant.
use std::{
    env,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clawnet_core::{Digest, PublicKey, Signer, SoftwareKey};

use crate::{arguments::Arguments, stop::Stop};

/// What `--store`, `--key` and `--secret` say, or else the environment.
#[derive(Debug)]
pub(crate) struct Place {
    store: Option<String>,
    key: Option<String>,
    secret: Option<String>,
}

impl Place {
    pub(crate) fn of(arguments: &mut Arguments) -> Self {
        let mut said = |name, variable| {
            let set = || env::var(variable).ok().filter(|value| !value.is_empty());
            arguments.value(name).or_else(set)
        };
        Self {
            store: said("store", "LEDGER_STORE"),
            key: said("key", "LEDGER_KEY"),
            secret: said("secret", "LEDGER_SECRET"),
        }
    }

    /// The store's folder, as it was said.
    pub(crate) fn folder(&self) -> Result<PathBuf, Stop> {
        let said = self.store.as_ref().ok_or_else(|| Stop::usage("which store? say `--store DIR`"));
        said.map(PathBuf::from)
    }

    /// The store's folder, in which there is a store: looking for one does not make one.
    pub(crate) fn store(&self) -> Result<PathBuf, Stop> {
        let folder = self.folder()?;
        let segments = folder.join("segments");
        match std::fs::metadata(&segments) {
            Ok(found) if found.is_dir() => Ok(folder),
            Ok(_) => Err(Stop::of_file(&segments, &std::io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let what = format!("there is no store in `{}`", folder.display());
                Err(Stop::At(crate::stop::Status::Unreachable, what))
            }
            Err(error) => Err(Stop::of_file(&segments, &error)),
        }
    }

    /// The public key the ledger began with: its name.
    pub(crate) fn founder(&self) -> Result<PublicKey, Stop> {
        match &self.key {
            Some(text) => Ok(PublicKey::from_bytes(key("--key", text)?)),
            None if self.secret.is_some() => Ok(self.owner()?.public_key()),
            None => Err(Stop::usage("whose ledger? say `--key KEY`, the owner's public key")),
        }
    }

    /// The owner's secret key.
    pub(crate) fn owner(&self) -> Result<SoftwareKey, Stop> {
        let file = self
            .secret
            .as_ref()
            .ok_or_else(|| Stop::usage("this needs the owner's secret key: say `--secret FILE`"))?;
        secret(Path::new(file))
    }
}

/// A secret key, from a file of 32 bytes or of 64 hexadecimal digits.
pub(crate) fn secret(path: &Path) -> Result<SoftwareKey, Stop> {
    key_in(path).map(|bytes| SoftwareKey::from_secret(&bytes))
}

/// A key as 64 hexadecimal digits, or as a file.
fn key(what: &str, text: &str) -> Result<[u8; 32], Stop> {
    match text.parse::<Digest>() {
        Ok(digits) => Ok(*digits.as_bytes()),
        Err(_) if Path::new(text).is_file() => key_in(Path::new(text)),
        Err(_) => {
            let said = format!("{what}: `{text}` is neither 64 hexadecimal digits nor a file");
            Err(Stop::usage(said))
        }
    }
}

fn key_in(path: &Path) -> Result<[u8; 32], Stop> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| Stop::of_file(path, &error))?;
    let read = file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|error| Stop::of_file(path, &error))?;
    if let Ok(bytes) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(bytes);
    }
    let digits =
        std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse::<Digest>().ok());
    digits.map(|digits| *digits.as_bytes()).ok_or_else(|| {
        let what = "is no key: it has neither 32 bytes nor 64 hexadecimal digits";
        Stop::usage(format!("`{}` {what}", path.display()))
    })
}

const KEY_FILE_BYTES_MAX: u64 = 128;
