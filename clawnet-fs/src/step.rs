//! What one change consists of: things that trade places between a path and the store.
//!
//! Four trades are enough for everything, and each is its own reverse read backwards. A *slot* is
//! a name in the store. Before a trade it holds what is to come to the path, after it what was
//! there: new content before, the backup after. So the reverse of a change is the same trades in
//! the opposite order, with `before` and `after` swapped, and so is the reverse of that. A shift
//! uses no slot: it is between two paths, and its reverse is the shift the other way.
use clawnet_core::OwnerId;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{image::Image, path::FsPath};

/// One path and one slot, and what trades places between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) path: FsPath,
    pub(crate) slot: Slot,
    /// The slot is filled by this very change: until it commits, nothing in it is a backup.
    pub(crate) fresh: bool,
    pub(crate) trade: Trade,
}

impl Step {
    /// The step that takes this one back.
    pub(crate) fn reversed(&self) -> Self {
        let path = self.from().unwrap_or(&self.path).clone();
        let trade = self.trade.reversed(&self.path);
        Self { path, slot: self.slot.clone(), fresh: false, trade }
    }

    /// The second path, of a step between two.
    pub(crate) const fn from(&self) -> Option<&FsPath> {
        match &self.trade {
            Trade::Shift { from, .. } => Some(from),
            Trade::Exchange { .. } | Trade::Place { .. } | Trade::Take { .. } => None,
        }
    }

    /// The paths it touches: where it leads to, and where it comes from if that is another.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &FsPath> {
        std::iter::once(&self.path).chain(self.from())
    }
}

/// What is at the path before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Trade {
    /// The path and the slot exchange what they hold.
    Exchange { before: Image, after: Image },
    /// What the slot holds comes to the path, where nothing is.
    Place { after: Image },
    /// What is at the path goes to the slot, where nothing is.
    Take { before: Image },
    /// What is at `from` comes to the path, where nothing is, in one rename.
    Shift { from: FsPath, after: Image },
}

impl Trade {
    pub(crate) const fn before(&self) -> Option<&Image> {
        match self {
            Self::Exchange { before, .. } | Self::Take { before } => Some(before),
            Self::Place { .. } | Self::Shift { .. } => None,
        }
    }

    pub(crate) const fn after(&self) -> Option<&Image> {
        match self {
            Self::Exchange { after, .. } | Self::Place { after } | Self::Shift { after, .. } => {
                Some(after)
            }
            Self::Take { .. } => None,
        }
    }

    pub(crate) fn set_before(&mut self, image: Image) {
        match self {
            Self::Exchange { before, .. } | Self::Take { before } => *before = image,
            Self::Place { .. } | Self::Shift { .. } => {}
        }
    }

    pub(crate) fn set_after(&mut self, image: Image) {
        match self {
            Self::Exchange { after, .. } | Self::Place { after } | Self::Shift { after, .. } => {
                *after = image;
            }
            Self::Take { .. } => {}
        }
    }

    /// Of a shift, `path` is where it led to.
    fn reversed(&self, path: &FsPath) -> Self {
        match self.clone() {
            Self::Exchange { before, after } => Self::Exchange { before: after, after: before },
            Self::Place { after } => Self::Take { before: after },
            Self::Take { before } => Self::Place { after: before },
            Self::Shift { after, .. } => Self::Shift { from: path.clone(), after },
        }
    }
}

/// Where what the `nth` step brings was when the change began, if an earlier step of the same change
/// put it into the store on its way.
pub(crate) fn passed_on<'s>(steps: &'s [Step], nth: usize, step: &Step) -> Option<&'s FsPath> {
    let brings = !step.fresh && step.from().is_none() && step.trade.after().is_some();
    let mut earlier = steps.iter().take(nth).rev();
    let last = earlier.find(|earlier| brings && earlier.slot == step.slot)?;
    last.trade.before().map(|_| &last.path)
}

/// A name in the store. Made of the owner, the intent and a number: never of what a user chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Slot(String);

impl Slot {
    pub(crate) fn of(owner: OwnerId, intent: u64, nth: usize) -> Self {
        Self(format!("{owner}.{intent}.{nth}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The intent it was made for.
    pub(crate) fn intent(&self) -> Option<u64> {
        self.0.split('.').nth(1)?.parse().ok()
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'.';
        if text.starts_with("own_") && text.bytes().all(known) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("not the name of a slot"))
        }
    }
}
