//! Where the content of something new comes from.
//!
//! What an agent sent is given with the change. Everything else is copied from what the owner has,
//! through a handle, and has to be what the plan said it is: its digest is in the intent.
use std::{collections::BTreeMap, sync::Arc};

use crate::{image::Image, path::FsPath, pin::Grip, step::Step, tree::Tree};

/// Where what comes to one path is from.
#[derive(Debug)]
pub(crate) enum Source {
    /// What the change brings along. Nothing, for a directory.
    Given,
    /// What is at the path now, and then what the change brings along.
    Longer,
    /// The content of another file, which was so.
    Copied { from: FsPath, image: Image },
    /// Everything in another directory.
    Tree(Tree),
}

impl Source {
    /// Where a copy is from.
    pub(crate) const fn from(&self) -> Option<&FsPath> {
        match self {
            Self::Given | Self::Longer => None,
            Self::Copied { from, .. } => Some(from),
            Self::Tree(tree) => Some(tree.from()),
        }
    }

    /// The mode of a copy, before lists and umask.
    pub(crate) fn mode(&self) -> Option<u32> {
        match self {
            Self::Given | Self::Longer => None,
            Self::Copied { image, .. } => Some(image.mode & 0o777),
            Self::Tree(tree) => Some(tree.mode() & 0o777),
        }
    }
}

/// The sources of a change, by the number of the step. Mostly what it brings along.
#[derive(Debug, Default)]
pub(crate) struct Sources(BTreeMap<usize, Source>);

impl Sources {
    pub(crate) fn of(&self, nth: usize) -> &Source {
        self.0.get(&nth).unwrap_or(&Source::Given)
    }

    pub(crate) fn set(&mut self, nth: usize, source: Source) {
        self.0.insert(nth, source);
    }
}

/// What a plan comes to: its steps, and where what they bring is from.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    pub(crate) steps: Vec<Step>,
    pub(crate) sources: Sources,
    /// What was held since layer 2 was asked, and is still so.
    pub(crate) held: Option<(FsPath, Arc<Grip>)>,
}

impl From<Vec<Step>> for Planned {
    fn from(steps: Vec<Step>) -> Self {
        Self { steps, sources: Sources::default(), held: None }
    }
}
