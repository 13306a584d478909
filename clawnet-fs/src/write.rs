//! `fs.write`: a file's whole content, in one step and with what was there kept.
use clawnet_core::{
    Action, Admission, Authorized, Caller, Demands, Denial, Digest, Effect, Endpoint, Fault,
    Operation, Version,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::SerializeStruct,
};

use crate::{
    folders::Folders,
    handle::{self, EntryKind},
    image::{self, Image},
    node::{Changing, Node},
    path::{FsPath, PathError},
    plan::{Look, Plan, is_version, leads_to},
    refusal::{FsError, within},
    source::{Planned, Source},
    step::{Step, Trade},
};

/// Writes a file, new or in place of what is there.
///
/// **Promises** that readers see the old content or the new and never a part, and that the old
/// file is kept as it was. A replacement keeps mode, owner, access list and extended attributes; a
/// new file has what its directory gives, and else mode 0644 less the process's umask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Write {
    /// What to write.
    pub content: Content,
    /// The directories that may be made on the way, topmost first and without a gap. Each is
    /// demanded of layer 1 like the file itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create_dirs: Vec<FsPath>,
    /// What has to be there for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_match: Option<Expected>,
    /// Where.
    pub path: FsPath,
}

/// What a write may expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// Nothing. Serialised as `absent`.
    Absent,
    /// A file with this content. Serialised as the digest.
    Content(Digest),
}

/// Bytes to write. Serialised as their digest and number, `{"blake3":…,"bytes":…}`: that is what is
/// judged, approved and recorded. Read from text, `"content":"hello"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    bytes: Vec<u8>,
    digest: Digest,
}

impl Write {
    /// The most bytes one write takes: 100 MiB.
    pub const SIZE_BYTES_MAX: u64 = 100 << 20;

    /// Writes `content` to `path`, whatever is there.
    #[must_use]
    pub fn new(path: FsPath, content: impl Into<Vec<u8>>) -> Self {
        let content = Content::from(content.into());
        Self { content, create_dirs: Vec::new(), if_match: None, path }
    }

    /// And makes the directories between `base` and the file, if they are missing.
    ///
    /// # Errors
    /// When the file is not beneath `base`.
    pub fn creating_dirs_below(self, base: &FsPath) -> Result<Self, PathError> {
        Ok(Self { create_dirs: self.path.between(base)?, ..self })
    }

    /// Only if the file has this content now.
    #[must_use]
    pub fn if_content_is(self, digest: Digest) -> Self {
        Self { if_match: Some(Expected::Content(digest)), ..self }
    }

    /// Only if nothing is there now.
    #[must_use]
    pub fn if_absent(self) -> Self {
        Self { if_match: Some(Expected::Absent), ..self }
    }
}

impl Operation for Write {
    const KIND: &'static str = "fs.write";
    type Output = Written;
    const EFFECT: Effect = Effect::Change;

    fn demands(&self) -> Demands<'_> {
        let file = Demands::one(Action::Write, self.path.resource());
        let directories = self.create_dirs.iter();
        directories.fold(file, |all, path| all.and(Action::Write, path.resource()))
    }

    fn content(&self) -> Option<&[u8]> {
        Some(&self.content.bytes)
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Written {
    /// Whether the file is new.
    pub created: bool,
    /// The digest of its content.
    pub digest: Digest,
    /// The intent to undo it by.
    pub intent: u64,
    /// Whether somebody saved while it was being written. Their version is what was kept.
    pub raced: bool,
    /// How long it is.
    pub size_bytes: u64,
}

impl Content {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Their digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let digest = Digest::of_content(&bytes);
        Self { bytes, digest }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Content", 2)?;
        fields.serialize_field("blake3", &self.digest)?;
        fields.serialize_field("bytes", &self.bytes.len())?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| text.into_bytes().into())
    }
}

impl Serialize for Expected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_str("absent"),
            Self::Content(digest) => digest.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "absent" => Ok(Self::Absent),
            digest => digest.parse().map(Self::Content).map_err(D::Error::custom),
        }
    }
}

impl Endpoint<Write> for Node {
    fn admit(&self, operation: &Write, caller: &Caller) -> Result<Admission, Denial> {
        check(operation)?;
        for path in &operation.create_dirs {
            self.folders().locate_change_for(caller.identity(), path)?;
        }
        self.may_write(caller, &operation.path)?;
        let look = Look::of((self, caller), &operation.path)?;
        Ok(Admission::at(image::version(&[look.image()])).holding(look))
    }

    async fn perform(&self, task: Authorized<'_, Write>) -> Result<Written, Fault> {
        let operation = task.operation();
        let change = Changing {
            caller: task.caller(),
            intent: task.intent(),
            at: task.at(),
            kind: Write::KIND,
            reverses: Vec::new(),
            content: operation.content.as_slice(),
            strict: operation.if_match.is_some(),
            confirm: &|| task.confirm(),
        };
        let mut created = false;
        let done = self.change(&change, |_, folders| {
            self.may_write(task.caller(), &operation.path)?;
            let planned = plan(folders, &change, operation, (task.version(), task.held()))?;
            created =
                planned.steps.iter().any(|step| step.path == operation.path && is_place(step));
            Ok(planned)
        })?;
        let digest = operation.content.digest();
        task.attest(digest);
        let size_bytes = operation.content.bytes.len() as u64;
        Ok(Written { created, digest, intent: task.intent(), raced: done.raced, size_bytes })
    }
}

fn check(operation: &Write) -> Result<(), FsError> {
    within("the content", operation.content.bytes.len() as u64, Write::SIZE_BYTES_MAX)?;
    leads_to(&operation.create_dirs, &operation.path)
}

fn plan(
    folders: &Folders,
    change: &Changing<'_>,
    operation: &Write,
    (admitted, look): (Option<&Version>, Option<&Look>),
) -> Result<Planned, FsError> {
    check(operation)?;
    let mut plan = Plan::new(folders, change.key()).holding(&operation.path, look);
    operation.create_dirs.iter().try_for_each(|path| plan.directory(path))?;
    let before = plan.image(&operation.path)?;
    is_version(admitted, &[before.as_ref()])?;
    if let Some(expected) = operation.if_match {
        matches(folders, &operation.path, expected, before.as_ref())?;
    }
    let size_bytes = operation.content.bytes.len() as u64;
    let after = Image::planned(size_bytes, operation.content.digest());
    plan.bring(&operation.path, before, after)?;
    Ok(plan.bringing(Source::Given))
}

/// Whether what is there is what the agent thinks is there.
pub(crate) fn matches(
    folders: &Folders,
    path: &FsPath,
    expected: Expected,
    found: Option<&Image>,
) -> Result<(), FsError> {
    let digest = match found {
        Some(image) if image.kind == EntryKind::File && image.hash.is_none() => {
            let place = folders.locate(path)?;
            let (file, facts) = handle::content(place.root.handle(), &place.relative())?;
            within("a file to compare", facts.size_bytes, Write::SIZE_BYTES_MAX)?;
            Some(image::digest(&file, facts.size_bytes)?)
        }
        other => other.and_then(|image| image.hash),
    };
    match expected {
        Expected::Absent if found.is_none() => Ok(()),
        Expected::Content(wanted) if digest == Some(wanted) => Ok(()),
        Expected::Absent => Err(FsError::Conflict { expected: None, found: digest }),
        Expected::Content(wanted) => {
            Err(FsError::Conflict { expected: Some(wanted), found: digest })
        }
    }
}

const fn is_place(step: &Step) -> bool {
    matches!(step.trade, Trade::Place { .. })
}
