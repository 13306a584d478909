//! What the owner sees of what is kept, and what the owner may do with it. No agent reaches this:
//! it is not an operation, and takes the node itself.
use clawnet_core::{Digest, Timestamp};

use crate::{
    node::Node,
    path::FsPath,
    pause::Point,
    refusal::FsError,
    sweep::{self, REMOVED_MAX},
};

/// One thing that is kept for undo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The intent whose undo needs it.
    pub intent: u64,
    /// Where it was.
    pub path: FsPath,
    /// Whose content it is.
    pub label: String,
    /// The digest of its content, of a file of at most 1 MiB or one that an agent wrote.
    pub digest: Option<Digest>,
    /// How long it is. Of a directory, all the files in it together.
    pub size_bytes: u64,
    /// Since when it is kept.
    pub since: Timestamp,
}

/// What pruning came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Pruned {
    /// How many changes cannot be undone any more.
    pub changes: u64,
    /// How long what they kept was.
    pub size_bytes: u64,
}

impl Node {
    /// Everything that is kept for undo, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn kept(&self) -> Result<Vec<Kept>, FsError> {
        let journal = self.journal()?;
        let mut all = Vec::new();
        for (_, item) in journal.history().shelf().items() {
            let change = journal.change(item.by)?;
            let step = change.steps.get(item.nth).ok_or(FsError::Tampered)?;
            all.push(Kept {
                intent: item.by.intent,
                path: step.path.clone(),
                label: item.label.to_string(),
                digest: item.hash,
                size_bytes: item.size_bytes,
                since: item.since,
            });
        }
        all.sort_by(|a, b| (a.since, a.intent, &a.path).cmp(&(b.since, b.intent, &b.path)));
        Ok(all)
    }

    /// Removes what changes from before `before` kept. They cannot be undone any more, and say so:
    /// that is recorded before the bytes go. What is open or in conflict stays.
    ///
    /// # Errors
    /// When it cannot be recorded. What was recorded goes all the same, at the latest when the node
    /// is opened again.
    pub fn prune(&self, before: Timestamp) -> Result<Pruned, FsError> {
        self.is_sound()?;
        let mut journal = self.journal()?;
        let kept = journal.history().shelf();
        let since = |by| journal.history().get(by).map(|row| row.at);
        let old: Vec<_> =
            kept.changes().filter(|by| since(*by).is_some_and(|at| at < before)).collect();
        let mut pruned = Pruned::default();
        for by in old {
            if let Some(size_bytes) = self.noting(sweep::prune(&mut journal, by))? {
                pruned.changes += 1;
                pruned.size_bytes += size_bytes;
            }
        }
        self.hook().at(Point::Pruned);
        loop {
            let mut budget = REMOVED_MAX;
            sweep::sweep(&mut journal, self.store(), &mut budget);
            if budget == REMOVED_MAX {
                return Ok(pruned);
            }
        }
    }

    /// The kept content of a digest, if any is kept.
    ///
    /// # Errors
    /// When it is not any more what was put away, or longer than 100 MiB.
    pub fn content(&self, digest: Digest) -> Result<Option<Vec<u8>>, FsError> {
        let journal = self.journal()?;
        let mut all = journal.history().shelf().items();
        let Some((slot, item)) = all.find(|(_, item)| item.hash == Some(digest)) else {
            return Ok(None);
        };
        let change = journal.change(item.by)?;
        let step = change.steps.get(item.nth).ok_or(FsError::Tampered)?;
        let kept = step.trade.before().ok_or(FsError::Tampered)?;
        sweep::content(self.store(), slot, kept).map(Some)
    }
}
