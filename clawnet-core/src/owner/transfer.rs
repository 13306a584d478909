//! What the owner takes out of the kernel.
use std::io::Write;

use super::Owner;
use crate::{
    bundle::{Bundle, BundleError, gather},
    ledger::Progress,
    note::SignedCheckpoint,
    transfer::{Export, ExportError, Transferred, export},
};

impl Owner {
    /// Writes the whole ledger to `out`, up to where it ends now, verified as it goes: appends may
    /// go on meanwhile. Memory stays bounded, by one chunk of records or one body. `progress` is
    /// told how far it is, some times a second.
    ///
    /// It holds everything this ledger does, and nothing of another owner. [`Import`] reads it; so
    /// can anybody, with the key the ledger began with. Records that only observed may be in it up
    /// to 100 ms before they are durable here.
    ///
    /// [`Import`]: crate::Import
    pub async fn export(
        &self,
        out: &mut (dyn Write + Send),
        how: Export,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Transferred, ExportError> {
        export(&self.ledger, out, how, &mut progress).await
    }

    /// Proves record `sequence`, and what it rests on, to whoever knows the key this ledger began
    /// with: see [`Bundle`] for what that is and what it discloses.
    pub async fn bundle(
        &self,
        sequence: u64,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Bundle, BundleError> {
        gather(&self.ledger, sequence, checkpoint).await
    }
}
