//! The owner's list as a file: which folders exist for agents at all, for whom, and what may go
//! from where to where.
#![doc = include_str!("../WHITELIST.md")]
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{AmbientAuthority, fs::Dir};
use clawnet_core::IdentityId;
use rustix::fs::{CWD, Mode, OFlags, openat};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    folders::{Access, FolderError, Folders, Keep, name_parts},
    label::is_label,
    name::NameRule,
    origin::{Origin, OriginError},
    refusal::FsError,
};

/// A list as it was written: parsed and checked, and nothing opened yet.
///
/// **Promises** that nothing left out means more permission than the same thing said.
/// **Refuses** what it does not know, and says in which line and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a list does nothing until its folders are opened"]
pub struct Whitelist {
    folders: Vec<Declared>,
    flows: Vec<(String, String)>,
    protect: Vec<NameRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    line: usize,
    name: String,
    path: PathBuf,
    access: Access,
    label: String,
    identities: Option<Vec<IdentityId>>,
    keep: Keep,
}

/// Why a list is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhitelistError {
    /// What is written is not a list.
    #[error("line {line}: {why}")]
    Text {
        /// Where.
        line: usize,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A folder cannot be declared as it is written.
    #[error("line {line}: folder `{name}`: {why}")]
    Folder {
        /// Where.
        line: usize,
        /// Which.
        name: String,
        /// Why not.
        why: FolderError,
    },
    /// The file is not one to believe.
    #[error("the file of the list: {0}")]
    Origin(#[from] OriginError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListText {
    format: Spanned<u32>,
    #[serde(default)]
    folder: Vec<Spanned<FolderText>>,
    #[serde(default)]
    flow: Vec<Spanned<FlowText>>,
    #[serde(default)]
    names: NamesText,
    #[serde(rename = "end")]
    _end: EndText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FolderText {
    name: Spanned<String>,
    path: Spanned<String>,
    mode: ModeText,
    label: Option<Spanned<String>>,
    identities: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    keep: KeepText,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum ModeText {
    ReadOnly,
    ReadWrite,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct KeepText {
    bytes: Option<u64>,
    days: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlowText {
    from: Spanned<String>,
    to: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct NamesText {
    #[serde(default)]
    protect: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndText {}

/// What tells a whole list from the first part of one.
const END: &str = "[end]";
const FORMAT: u32 = 1;

impl Whitelist {
    /// Reads a list from its text. Nothing is looked up or opened.
    ///
    /// # Errors
    /// With the line and what would be right.
    pub fn parse(text: &str) -> Result<Self, WhitelistError> {
        let reading = Reading { text };
        let lines = text.lines().map(str::trim);
        let last = lines.rev().find(|line| !line.is_empty() && !line.starts_with('#'));
        if last != Some(END) {
            let why = "the last line has to be `[end]`, so that a list that is half written is \
                       not taken for a shorter one";
            return reading.refuse(text.trim_end().len(), why);
        }
        let written: ListText = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            WhitelistError::Text { line: reading.line(at), why: error.message().to_owned() }
        })?;
        if *written.format.get_ref() != FORMAT {
            return reading.refuse(written.format.span().start, "`format` has to be 1");
        }
        let mut folders: Vec<Declared> = Vec::new();
        for folder in &written.folder {
            let declared = reading.folder(folder)?;
            let same = folders.iter().any(|other| other.name == declared.name);
            if same {
                return reading.refuse(folder.get_ref().name.span().start, "the name is taken");
            }
            folders.push(declared);
        }
        let labels: BTreeSet<&str> = folders.iter().map(|folder| &*folder.label).collect();
        let flows = written.flow.iter().map(|flow| reading.flow(flow, &labels));
        let flows = flows.collect::<Result<_, _>>()?;
        let rules = written.names.protect.iter().map(|rule| {
            let refused = |why| reading.error(rule.span().start, format!("{why}"));
            rule.get_ref().parse().map_err(refused)
        });
        let protect = rules.collect::<Result<_, _>>()?;
        Ok(Self { folders, flows, protect })
    }

    /// Opens its folders, each of which has to be a directory and no link.
    ///
    /// # Errors
    /// With the line of the folder that cannot be declared.
    pub fn open(&self, _: AmbientAuthority) -> Result<Folders, WhitelistError> {
        self.open_after(None)
    }

    /// The same, but what `last` declared as it is declared now is served by the same handle: a
    /// directory that was put in its place is not taken for it.
    pub(crate) fn open_after(&self, last: Option<&Folders>) -> Result<Folders, WhitelistError> {
        let mut folders = Folders::new();
        for declared in &self.folders {
            let (line, name) = (declared.line, declared.name.clone());
            let refuse = |why| WhitelistError::Folder { line, name, why };
            folders = declared.add(folders, last).map_err(refuse)?;
        }
        for (from, to) in &self.flows {
            let refuse = |why| WhitelistError::Folder { line: 0, name: from.clone(), why };
            folders = folders.flow(from, to).map_err(refuse)?;
        }
        Ok(self.protect.iter().cloned().fold(folders, Folders::protect))
    }
}

impl Folders {
    /// Reads the owner's list from the file `name` in `directory`, and opens its folders. A node
    /// that is opened with them watches the file: what it says next holds at once for changes, and
    /// within a second for all else.
    ///
    /// # Errors
    /// When the file is not a regular one of one name, belongs to somebody else than the node or the
    /// superuser, can be written by others, or lies within a folder that it declares; or when the
    /// list is refused.
    pub fn read_from(
        directory: Dir,
        name: &str,
        _: AmbientAuthority,
    ) -> Result<Self, WhitelistError> {
        let source = Origin::new(directory, name)?;
        let (text, ..) = source.read()?;
        let mut folders = read(&source, &text, None)?;
        folders.read_from = Some(source);
        Ok(folders)
    }
}

/// The folders of a list that was read from `source`, which lies in none of them.
pub(crate) fn read(
    source: &Origin,
    text: &str,
    last: Option<&Folders>,
) -> Result<Folders, WhitelistError> {
    let folders = Whitelist::parse(text)?.open_after(last)?;
    for root in folders.roots() {
        source.is_outside(root.name(), root.facts())?;
    }
    Ok(folders)
}

impl Declared {
    fn add(&self, folders: Folders, last: Option<&Folders>) -> Result<Folders, FolderError> {
        let roots = last.map_or(&[][..], Folders::roots);
        let same = roots.iter().find(|root| root.is_declared_as(&self.name, &self.path));
        let folder = match same {
            Some(root) => root.folder(),
            None => Arc::new(open(&self.path)?),
        };
        let mut folders = folders.declare(&self.name, folder, self.access)?;
        folders = folders.labelled(&self.name, &self.label)?.keeping(&self.name, self.keep)?;
        if let Some(identities) = &self.identities {
            folders = folders.only(&self.name, identities)?;
        }
        let root = folders.stand_at(&self.name, self.path.clone())?;
        // What moved since it was declared is declared all the same, and refused until it is back.
        if same.is_none() {
            root.is_there()?;
        }
        Ok(folders)
    }
}

/// Opens a directory by its path. What stands at its end may not be a link.
fn open(path: &Path) -> Result<Dir, FsError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(Dir::from(openat(CWD, path, flags, Mode::empty())?))
}

/// A list while it is read.
struct Reading<'t> {
    text: &'t str,
}

impl Reading<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        1 + before.matches('\n').count()
    }

    fn error(&self, at: usize, why: impl Into<String>) -> WhitelistError {
        WhitelistError::Text { line: self.line(at), why: why.into() }
    }

    fn refuse<T>(&self, at: usize, why: impl Into<String>) -> Result<T, WhitelistError> {
        Err(self.error(at, why))
    }

    fn folder(&self, folder: &Spanned<FolderText>) -> Result<Declared, WhitelistError> {
        let text = folder.get_ref();
        let (name, at) = (text.name.get_ref(), text.name.span().start);
        if let Err(why) = name_parts(name) {
            return self.refuse(at, format!("`name`: {why}; right would be `/work`"));
        }
        let path = Path::new(text.path.get_ref());
        let plain = path.components().all(|part| !matches!(part.as_os_str().to_str(), Some("..")));
        if !path.is_absolute() || !plain || path.parent().is_none() {
            let why = "`path` has to be absolute, without `..`, and not `/` itself";
            return self.refuse(text.path.span().start, why);
        }
        let label = text.label.as_ref().map_or(name, Spanned::get_ref);
        if !is_label(label) {
            let at = text.label.as_ref().map_or(at, |label| label.span().start);
            return self.refuse(at, format!("`label`: {}", FolderError::Label));
        }
        let days = text.keep.days.as_ref();
        if let Some(days) = days.filter(|days| *days.get_ref() == 0) {
            return self.refuse(days.span().start, "`days` has to be at least 1");
        }
        let access = match text.mode {
            ModeText::ReadOnly => Access::ReadOnly,
            ModeText::ReadWrite => Access::ReadWrite,
        };
        let mut keep = Keep::default();
        (keep.bytes, keep.days) = (text.keep.bytes, days.map(|days| *days.get_ref()));
        Ok(Declared {
            line: self.line(folder.span().start),
            name: name.clone(),
            path: path.into(),
            access,
            label: label.clone(),
            identities: text.identities.as_ref().map(|all| self.identities(all)).transpose()?,
            keep,
        })
    }

    fn identities(
        &self,
        all: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<IdentityId>, WhitelistError> {
        if all.get_ref().is_empty() {
            let why = "`identities` names nobody: name some, or leave the folder out";
            return self.refuse(all.span().start, why);
        }
        let each = all.get_ref().iter().map(|id| {
            let refused = |why| self.error(id.span().start, format!("`identities`: {why}"));
            id.get_ref().parse().map_err(refused)
        });
        each.collect()
    }

    fn flow(
        &self,
        flow: &Spanned<FlowText>,
        labels: &BTreeSet<&str>,
    ) -> Result<(String, String), WhitelistError> {
        let FlowText { from, to } = flow.get_ref();
        for (field, label) in [("from", from), ("to", to)] {
            if !labels.contains(label.get_ref().as_str()) {
                let why = format!("`{field}`: no folder is labelled `{}`", label.get_ref());
                return self.refuse(label.span().start, why);
            }
        }
        if from.get_ref() == to.get_ref() {
            return self.refuse(to.span().start, "what has one label flows freely: leave this out");
        }
        Ok((from.get_ref().clone(), to.get_ref().clone()))
    }
}

#[cfg(test)]
mod tests;
