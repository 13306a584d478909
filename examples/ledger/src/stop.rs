//! Why a command ends before it is done, and what the process says by its exit status.
use std::{error::Error, fmt::Display, io, path::Path, process::ExitCode};

use clawnet_core::{Damage, ImportError, NoteError, OwnerError, StoreError};

use crate::text::visible;

/// What programs learn: the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Status {
    /// The ledger, an export, a checkpoint or a proof is not what it claims to be.
    Wrong = 1,
    /// The command line is wrong, or a key or number on it.
    Usage = 2,
    /// The store or a file cannot be opened, read or written.
    Unreachable = 3,
    /// There is no such ledger, record or body, or nothing matched.
    Absent = 4,
    /// The owner's present key is needed, and this is another.
    Refused = 5,
}

/// What people learn.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ends with this status, for this reason.
    At(Status, String),
    /// It ends with this status, and the reason was shown.
    Told(Status),
    /// Whoever read the output went away: nothing is wrong.
    Unread,
}

impl Stop {
    pub(crate) fn wrong(what: impl Display) -> Self {
        Self::At(Status::Wrong, what.to_string())
    }

    pub(crate) fn usage(what: impl Display) -> Self {
        Self::At(Status::Usage, what.to_string())
    }

    pub(crate) fn absent(what: impl Display) -> Self {
        Self::At(Status::Absent, what.to_string())
    }

    /// A file or folder that cannot be had.
    pub(crate) fn of_file(path: &Path, error: &io::Error) -> Self {
        Self::At(Status::Unreachable, format!("`{}`: {error}", path.display()))
    }

    /// Says it on the standard error, and gives the exit status.
    pub(crate) fn tell(self) -> ExitCode {
        let (status, what) = match self {
            Self::At(status, what) => (status, what),
            Self::Told(status) => return ExitCode::from(status as u8),
            Self::Unread => return ExitCode::SUCCESS,
        };
        let hint = if status == Status::Usage { ". Try `ledger help`." } else { "" };
        eprintln!("ledger: {}{hint}", visible(&what));
        ExitCode::from(status as u8)
    }
}

/// Of the output: a reader that went away is none of our business.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::At(Status::Unreachable, format!("cannot write the output: {error}")),
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InUse => Self::At(Status::Unreachable, IN_USE.into()),
            StoreError::Damaged { .. } => Self::wrong(error),
            error => Self::At(Status::Unreachable, with_causes(&error)),
        }
    }
}

impl From<Damage> for Stop {
    fn from(damage: Damage) -> Self {
        Self::wrong(damage)
    }
}

impl From<NoteError> for Stop {
    fn from(error: NoteError) -> Self {
        Self::wrong(format!("the checkpoint is not good: {error}"))
    }
}

impl From<OwnerError> for Stop {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::Store(error) => error.into(),
            OwnerError::ForeignKey => Self::At(Status::Refused, FOREIGN_KEY.into()),
            error => Self::At(Status::Refused, with_causes(&error)),
        }
    }
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => error.into(),
            error @ ImportError::Source(_) => Self::At(Status::Unreachable, with_causes(&error)),
            error => Self::wrong(with_causes(&error)),
        }
    }
}

/// An error and what led to it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

const IN_USE: &str = "another process has the store open, and only one can. End it first; or look \
                      with `show`, `follow`, `verify`, `stats` or `checkpoint`, which need no lock";
const FOREIGN_KEY: &str = "the secret is not that of the ledger's present owner";
