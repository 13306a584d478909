//! Why nothing was done: one word for programs, one sentence for people.
use clawnet_core::{Denial, Digest, Fault};
use rustix::io::Errno;

/// Why the node did not do it. Said by `admit` it is a [`Denial`], said by `perform` a [`Fault`];
/// the word is the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FsError {
    /// The path is not canonical by layer 2's own reading, or a name is not one component.
    #[error("the path is not canonical")]
    InvalidPath,
    /// The fields of the operation contradict each other.
    #[error("invalid request: {0}")]
    InvalidRequest(&'static str),
    /// The journal knows this intent number already, so the ledger is not the one it was kept with:
    /// ledger and node state are kept, and removed, together.
    #[error("the node's state knows intent {intent} of another ledger")]
    ForeignLedger {
        /// The number both use.
        intent: u64,
    },
    /// No declared folder holds the path.
    #[error("no folder of the owner's list holds it")]
    NotWhitelisted,
    /// The owner's list cannot be read, or is not a list: until it is, nothing is served.
    #[error("the owner's list of folders is unavailable: {0}")]
    WhitelistUnavailable(String),
    /// Content of one label would come to a place of another without the owner's rule.
    #[error(
        "content labelled `{from}` may not come to `{to}`: the owner can add a flow from `{from}` \
         to `{to}`"
    )]
    FlowDenied {
        /// Whose content.
        from: String,
        /// Where it would be.
        to: String,
    },
    /// Keeping what would be displaced takes more than the owner set aside for the folder.
    #[error("{kept} bytes are kept of at most {max} in `{folder}`: {wanted} more do not fit")]
    QuotaExceeded {
        /// Which folder.
        folder: String,
        /// How much is kept of it.
        kept: u64,
        /// How much more would have to be.
        wanted: u64,
        /// How much may be.
        max: u64,
    },
    /// The folder may be read only.
    #[error("the owner declared this folder read-only")]
    ReadOnly,
    /// A name that no agent may see or make, whether or not it exists.
    #[error("the name is protected")]
    ProtectedName,
    /// A name that can be mistaken for a protected one.
    #[error("the name looks like a protected one")]
    ConfusableName,
    /// It would move, remove or replace a declared folder, or what holds one.
    #[error("a declared folder cannot be changed itself")]
    RootProtected,
    /// A size, count or depth is over its limit. Nothing is clamped.
    #[error("{what} is over the limit of {max}")]
    LimitExceeded {
        /// What is too large.
        what: &'static str,
        /// How large it may be.
        max: u64,
    },
    /// There is nothing there.
    #[error("not found")]
    NotFound,
    /// The directory that should hold it is not there.
    #[error("the parent directory does not exist")]
    ParentNotFound,
    /// Something is there already.
    #[error("it exists already")]
    Exists,
    /// A directory where a file is needed, or the other way round.
    #[error("it is of another kind")]
    WrongKind,
    /// A directory that holds something.
    #[error("the directory is not empty")]
    NotEmpty,
    /// A directory that holds something, without having said that all of it is meant.
    #[error("the directory holds something and the operation is not recursive")]
    NotRecursive,
    /// A name that is not one plain component.
    #[error("the name is not one plain component")]
    InvalidName,
    /// A thing cannot be put inside itself, or in the place of what holds it.
    #[error("it would come to lie in itself")]
    IntoItself,
    /// A link, pipe, socket or device, in the path or at its end.
    #[error("a link or special file is in the way")]
    NotRegular,
    /// A file with more than one name: the others may be anywhere.
    #[error("the file has more than one name")]
    HardLinked,
    /// The path leads onto another mount.
    #[error("the path crosses into another mount")]
    CrossesMount,
    /// A directory is no longer where the decision was made.
    #[error("a directory moved while it was acted on")]
    Moved,
    /// What is there is not what the operation is about.
    #[error("conflict: expected {}, found {}", shown(*.expected), shown(*.found))]
    Conflict {
        /// The digest of the content expected, if one was known.
        expected: Option<Digest>,
        /// The digest of the content found, if there is any and it is small enough to tell.
        found: Option<Digest>,
    },
    /// The operation has no reverse: it did not complete.
    #[error("the operation left nothing to undo")]
    NotReversible,
    /// It was undone before. Undo the undo to redo it.
    #[error("the operation is already undone")]
    AlreadyUndone,
    /// What the operation kept is kept no longer: the owner's limits on space and age say so.
    #[error("what was kept for undo has expired")]
    Expired,
    /// It touches something that is not beneath the rollback's path.
    #[error("the operation reaches beyond the path of the rollback")]
    Outside,
    /// Layer 1 would not let its paths be listed by now.
    #[error("the operation touched what may not be listed")]
    NotListed,
    /// Some of a rollback's reversals do not fit, so nothing was taken back.
    #[error("nothing was taken back: {}", listed(.0))]
    RollbackRefused(Vec<(u64, FsError)>),
    /// What was kept is no longer what was put away.
    #[error("what was kept for undo is not what was put away")]
    Tampered,
    /// The disk or quota is full.
    #[error("no space left")]
    NoSpace,
    /// The journal takes no more changes. The owner closes the node, puts its directory away, and
    /// opens it over a new one: what the old one kept can then no longer be undone.
    #[error("the node's journal is full at {changes_max} changes: the owner has to begin another")]
    JournalFull {
        /// How many it takes.
        changes_max: u64,
    },
    /// The node's journal cannot be written, or is damaged.
    #[error("the node's journal is unavailable: {0}")]
    LogUnavailable(String),
    /// The file system or system cannot do it safely.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
    /// The kernel says no: something was revoked between the intent and the effect.
    #[error("{0}")]
    Stopped(Fault),
    /// The operating system said no.
    #[error("the operating system said: {0}")]
    Io(String),
}

impl FsError {
    /// The stable word for it, in records and on wires.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidPath => "invalid_path",
            Self::InvalidRequest(_) => "invalid_request",
            Self::ForeignLedger { .. } => "foreign_ledger",
            Self::NotWhitelisted => "not_whitelisted",
            Self::WhitelistUnavailable(_) => "whitelist_unavailable",
            Self::FlowDenied { .. } => "flow_denied",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::ReadOnly => "read_only",
            Self::ProtectedName => "protected_name",
            Self::ConfusableName => "confusable_name",
            Self::RootProtected => "root_protected",
            Self::LimitExceeded { .. } => "limit_exceeded",
            Self::NotFound => "not_found",
            Self::ParentNotFound => "parent_not_found",
            Self::Exists => "exists",
            Self::WrongKind => "wrong_kind",
            Self::NotEmpty => "not_empty",
            Self::NotRecursive => "not_recursive",
            Self::InvalidName => "invalid_name",
            Self::IntoItself => "into_itself",
            Self::NotRegular => "not_regular",
            Self::HardLinked => "hard_linked",
            Self::CrossesMount => "crosses_mount",
            Self::Moved => "moved",
            Self::Conflict { .. } => "conflict",
            Self::NotReversible => "not_reversible",
            Self::AlreadyUndone => "already_undone",
            Self::Expired => "expired",
            Self::Outside => "outside",
            Self::NotListed => "not_listed",
            Self::RollbackRefused(_) => "rollback_refused",
            Self::Tampered => "tampered",
            Self::NoSpace => "no_space",
            Self::JournalFull { .. } => "journal_full",
            Self::LogUnavailable(_) => "log_unavailable",
            Self::Unsupported(_) => "unsupported",
            Self::Stopped(_) => "stopped",
            Self::Io(_) => "io",
        }
    }

    /// Nothing there, or nowhere it could be.
    pub(crate) const fn is_absence(&self) -> bool {
        matches!(self, Self::NotFound | Self::ParentNotFound)
    }

    /// A missing thing becomes a missing parent.
    pub(crate) fn of_parent(self) -> Self {
        if self == Self::NotFound { Self::ParentNotFound } else { self }
    }
}

impl From<Errno> for FsError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::EXIST => Self::Exists,
            Errno::NOTDIR | Errno::ISDIR => Self::WrongKind,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::LOOP | Errno::NXIO => Self::NotRegular,
            Errno::XDEV | Errno::BUSY => Self::CrossesMount,
            Errno::AGAIN => Self::Moved,
            Errno::NAMETOOLONG => Self::InvalidPath,
            Errno::NOSPC | Errno::DQUOT => Self::NoSpace,
            Errno::NOSYS => Self::Unsupported("the system lacks a call this needs"),
            other => Self::Io(std::io::Error::from(other).to_string()),
        }
    }
}

impl From<std::io::Error> for FsError {
    fn from(error: std::io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => errno.into(),
            None => Self::Io(error.to_string()),
        }
    }
}

impl From<FsError> for Denial {
    fn from(error: FsError) -> Self {
        Self::by_endpoint(error.code(), error.to_string())
    }
}

impl From<FsError> for Fault {
    fn from(error: FsError) -> Self {
        if let FsError::Stopped(fault) = error {
            return fault;
        }
        Self::new(error.code(), error.to_string())
    }
}

/// Refuses what is over a limit: nothing is clamped.
pub(crate) fn within(what: &'static str, size: u64, max: u64) -> Result<(), FsError> {
    if size > max { Err(FsError::LimitExceeded { what, max }) } else { Ok(()) }
}

fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "nothing, or what has no digest".into(), |digest| digest.to_string())
}

/// The first of them: a sentence is bounded.
fn listed(refused: &[(u64, FsError)]) -> String {
    let shown = refused.iter().take(LISTED_MAX);
    let mut text: Vec<String> =
        shown.map(|(intent, error)| format!("intent {intent}: {error}")).collect();
    if refused.len() > LISTED_MAX {
        text.push(format!("and {} more", refused.len() - LISTED_MAX));
    }
    text.join("; ")
}

const LISTED_MAX: usize = 8;
