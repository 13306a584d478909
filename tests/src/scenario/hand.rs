//! Commands of the owner's hands: folders, and what a person does in them without asking anybody.
use cap_std::fs::Dir;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{fault::Save, principal::Access, step::Step, trouble::Trouble, world::World};

/// Opens a folder to agents, by the owner's own list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FolderStep {
    r#as: String,
    #[serde(default)]
    access: Access,
}

impl Step for FolderStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.principal()?.declare(&self.r#as, self.access)?;
        Ok(json!({"folder": format!("fs:/{}", self.r#as)}))
    }
}

/// Writes a file in place, and makes it and what holds it if they are absent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileWriteStep {
    path: String,
    text: String,
}

impl Step for FileWriteStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        if let Some((above, _)) = path.rsplit_once('/') {
            dir.create_dir_all(above).map_err(|error| Trouble::said(&error))?;
        }
        dir.write(path, &self.text).map_err(|error| Trouble::said(&error))?;
        Ok(json!({"written": self.text.len()}))
    }
}

/// Puts a new file in the place of one, as editors do when they save.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileReplaceStep {
    path: String,
    text: String,
}

impl Step for FileReplaceStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        let save = Save { dir, path: path.to_owned(), text: self.text.clone() };
        save.make().map_err(|error| Trouble::said(&error))?;
        Ok(json!({"written": self.text.len()}))
    }
}

/// Puts a new file in the place of one while the next record is written: after the node looked, and
/// before it acts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileMeanwhileStep {
    path: String,
    text: String,
}

impl Step for FileMeanwhileStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        let (path, text) = (path.to_owned(), self.text.clone());
        world.faults.meanwhile(Save { dir, path, text });
        Ok(json!({"waits": self.path}))
    }
}

/// Reads a file. It is `null` if there is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileReadStep {
    path: String,
}

impl Step for FileReadStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        match dir.read(path) {
            Ok(bytes) => Ok(json!({"text": String::from_utf8_lossy(&bytes)})),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(json!({"text": null})),
            Err(error) => Err(Trouble::said(&error)),
        }
    }
}

/// Removes a file, or a directory and all in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileDeleteStep {
    path: String,
}

impl Step for FileDeleteStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        let is_dir = dir.symlink_metadata(path).map_err(|error| Trouble::said(&error))?.is_dir();
        if is_dir { dir.remove_dir_all(path) } else { dir.remove_file(path) }
            .map_err(|error| Trouble::said(&error))?;
        Ok(json!({"deleted": self.path}))
    }
}

/// Makes a link, to anywhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileLinkStep {
    path: String,
    to: String,
    /// Whether it is a second name for a file, and not a link.
    #[serde(default)]
    hard: bool,
}

impl Step for FileLinkStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        if self.hard {
            let (_, to) = reach(world, &self.to)?;
            dir.hard_link(to, &dir, path).map_err(|error| Trouble::said(&error))?;
        } else {
            dir.symlink_contents(&self.to, path).map_err(|error| Trouble::said(&error))?;
        }
        Ok(json!({"linked": self.path}))
    }
}

/// Lists what a directory holds, sorted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileListStep {
    path: String,
}

impl Step for FileListStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (dir, path) = reach(world, &self.path)?;
        let mut names = Vec::new();
        for entry in dir.read_dir(path).map_err(|error| Trouble::said(&error))? {
            names.push(
                entry
                    .map_err(|error| Trouble::said(&error))?
                    .file_name()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
        names.sort();
        Ok(json!({"names": names}))
    }
}

/// The owner's home, and what `fs:/work/a` is called in it.
fn reach<'p>(world: &mut World, path: &'p str) -> Result<(Dir, &'p str), Trouble> {
    let below = path.strip_prefix("fs:/").filter(|below| !below.is_empty());
    let below = below
        .ok_or_else(|| Trouble::Misread(format!("`{path}` is no file: write `fs:/folder/name`")))?;
    Ok((world.principal()?.own_dir()?, below))
}
