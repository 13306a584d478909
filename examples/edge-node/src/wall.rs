//! Landlock: the wall that holds when everything above it is mistaken.
use std::{fmt, fs, os::fd::AsFd};

use anyhow::{Result, ensure};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// What of Landlock this process got.
pub(crate) struct Level {
    status: RulesetStatus,
    abi: Option<ABI>,
}

impl Level {
    pub(crate) fn is_confined(&self) -> bool {
        self.status != RulesetStatus::NotEnforced
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let abi = self.abi.map_or(0, |abi| abi as u32);
        match self.status {
            RulesetStatus::FullyEnforced => write!(f, "landlock abi {abi}, fully enforced"),
            RulesetStatus::PartiallyEnforced => write!(f, "landlock abi {abi}, partly enforced"),
            RulesetStatus::NotEnforced => f.write_str("unconfined"),
        }
    }
}

/// The newest level this program knows to ask for: scopes for signals and abstract sockets.
const NEWEST: ABI = ABI::V6;

/// Confines this process for good: to `changed` for reading and changing plain files and
/// directories, to `read` for reading, to no network, and to no program but itself.
///
/// Threads that run already would not be confined: there must be none.
pub(crate) fn enter(changed: &[&dyn AsFd], read: &[&dyn AsFd]) -> Result<Level> {
    let threads = fs::read_dir("/proc/self/task")?.count();
    ensure!(threads == 1, "{threads} threads run before the wall is up");
    // Every right there is needs a rule from here on, and these are all the rules there are.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    for (handles, access) in [(changed, changing()), (read, reading())] {
        for handle in handles {
            ruleset = ruleset.add_rule(PathBeneath::new(handle.as_fd(), access))?;
        }
    }
    let status = ruleset.restrict_self()?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => Some(effective_abi),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
    };
    Ok(Level { status: status.ruleset, abi })
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// No execution, no links, no devices, pipes or sockets.
fn changing() -> BitFlags<AccessFs> {
    reading()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::Refer
}
