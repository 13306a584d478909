//! The file an owner's list is read from: only if nobody else can have written it.
use std::{fs::File, io::Read, os::fd::AsFd};

use cap_std::fs::Dir;
use rustix::{
    fs::{OFlags, openat},
    process::geteuid,
    time::{ClockId, clock_gettime},
};

use crate::{
    handle::{self, Facts, Moment},
    path::is_plain,
    refusal::FsError,
};

/// One file in one directory.
#[derive(Debug)]
pub(crate) struct Origin {
    directory: Dir,
    name: String,
}

/// What the file was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal(Facts);

/// Why the file is not one to believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// Its name leads elsewhere.
    #[error("its name is not one plain component")]
    Name,
    /// A link, a directory, a pipe, or a file with a second name.
    #[error("it is not a regular file with one name: {0}")]
    NotPlain(FsError),
    /// Someone else's.
    #[error("it belongs to somebody else: it has to be the node's own or the superuser's")]
    Foreign,
    /// Others may write it.
    #[error("its group or others may write it: take that away (`chmod go-w`)")]
    Writable,
    /// Longer than any list.
    #[error("it is longer than {SIZE_BYTES_MAX} bytes")]
    TooLong,
    /// It is being written.
    #[error("it changed while it was read")]
    Changing,
    /// It holds something else than text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// An agent could write it.
    #[error("it lies within the declared folder `{0}`: agents could change it")]
    WithinFolder(String),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(FsError),
}

/// The longest list.
const SIZE_BYTES_MAX: u64 = 1 << 20;
/// How often a file that changes under the reader is read again.
const READS_MAX: u32 = 3;
/// How old a change must be to be told from the next by its time: several ticks of a slow clock.
const SETTLED_MILLIS: i64 = 60;

impl Origin {
    pub(crate) fn new(directory: Dir, name: &str) -> Result<Self, OriginError> {
        let name = name.to_owned();
        if is_plain(&name) { Ok(Self { directory, name }) } else { Err(OriginError::Name) }
    }

    /// The whole text, what the file was, and whether that tells it from the next change.
    pub(crate) fn read(&self) -> Result<(String, Seal, bool), OriginError> {
        for _ in 0..READS_MAX {
            let now = clock_gettime(ClockId::RealtimeCoarse);
            let (file, facts) =
                handle::content(self.directory.as_fd(), &self.name).map_err(not_plain)?;
            let seal = Seal::of(facts)?;
            let mut bytes = Vec::new();
            let read = (&file).take(SIZE_BYTES_MAX + 1).read_to_end(&mut bytes);
            read.map_err(|error| OriginError::Unreadable(error.into()))?;
            if bytes.len() as u64 > SIZE_BYTES_MAX {
                return Err(OriginError::TooLong);
            }
            if self.is_still(&file, &seal)? {
                let settled = is_before(facts.changed, (now.tv_sec, now.tv_nsec));
                let text = String::from_utf8(bytes).map_err(|_| OriginError::NotText)?;
                return Ok((text, seal, settled));
            }
        }
        Err(OriginError::Changing)
    }

    /// Whether what was read is what is there, under its name.
    fn is_still(&self, file: &File, seal: &Seal) -> Result<bool, OriginError> {
        let open = Facts::of(file.as_fd()).map_err(OriginError::Unreadable)?;
        Ok(open == seal.0 && self.seal()? == *seal)
    }

    /// What the file is now, without reading it.
    pub(crate) fn seal(&self) -> Result<Seal, OriginError> {
        let facts = Facts::of_entry(self.directory.as_fd(), &self.name);
        let facts = facts.map_err(OriginError::Unreadable)?;
        facts.gate().map_err(not_plain)?;
        Seal::of(facts)
    }

    /// Refuses a folder that holds the file, or the directory the file is in.
    pub(crate) fn is_outside(&self, name: &str, root: &Facts) -> Result<(), OriginError> {
        let within = || -> Result<bool, FsError> {
            // The handle may be good for paths only, and may have been opened long ago.
            let at = openat(
                &self.directory,
                ".",
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            )?;
            handle::is_within(at.as_fd(), root)
        };
        match within() {
            Ok(false) => Ok(()),
            Ok(true) => Err(OriginError::WithinFolder(name.to_owned())),
            Err(error) => Err(OriginError::Unreadable(error)),
        }
    }
}

impl Seal {
    fn of(facts: Facts) -> Result<Self, OriginError> {
        if facts.user != 0 && facts.user != geteuid().as_raw() {
            return Err(OriginError::Foreign);
        }
        if facts.mode & 0o022 != 0 {
            return Err(OriginError::Writable);
        }
        Ok(Self(facts))
    }
}

fn not_plain(error: FsError) -> OriginError {
    if matches!(error, FsError::NotRegular | FsError::HardLinked | FsError::WrongKind) {
        OriginError::NotPlain(error)
    } else {
        OriginError::Unreadable(error)
    }
}

fn is_before(moment: Moment, now: (i64, i64)) -> bool {
    let millis = |(seconds, nanoseconds): (i64, i64)| {
        seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
    };
    millis((moment.0, moment.1.into())).saturating_add(SETTLED_MILLIS) < millis(now)
}
