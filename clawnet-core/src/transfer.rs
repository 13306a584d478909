//! Carrying a ledger elsewhere: exports that anybody can check, and importing them.
//!
//! An export is one owner's whole ledger, from its first record to the one it ended at when the
//! export began, and if asked for the bodies that were still there. Nothing of another owner is
//! ever in it. There are two forms, of the same content:
//!
//! ```text
//! JSON Lines   {"export":{"format":1,"key":"<founding key>","ledger":"own_…"}}
//!              {"hash":"<hex>","record":<payload>,"sequence":1}
//!              {"body":{"content":"<base64>","digest":"<hex>"}}
//!              {"end":{"hash":"<hex>","sequence":1}}
//!
//! native       clawledg, 1 (u32), founding key (32)
//!              1, length of the payload (u32), sequence (u64), hash (32), payload
//!              2, length of the body (u32), digest (32), body
//!              0, sequence (u64), hash (32)
//! ```
//!
//! Numbers of the native form are little endian. Each line ends in one newline, and has no other
//! form: what is read is what would be written. A body stands right behind the first record that
//! names it. Nothing stands behind the end, which says what the last record was; an export without
//! it is unfinished.
//!
//! **Promises** that what is written was verified first, and that what is read is verified with the
//! founding key alone. **Refuses** everything that is not whole. *Assumes* that who reads an export
//! knows the founding key from elsewhere: anybody can make a ledger.
use std::{io, sync::Arc};

use crate::{
    canonical::is_canonical,
    key::PublicKey,
    record::AuditRecord,
    store::{Frame, StoreError},
    verify::{Damage, Verification},
};

mod write;
mod export;
mod source;
mod read;
mod check;
mod import;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use export::export;
pub use import::Import;

/// How a ledger is written down: see [`Owner::export`](crate::Owner::export).
///
/// ```
/// # use clawnet_core::Export;
/// let for_reading = Export::json_lines();
/// let for_moving = Export::native().with_bodies();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it says how, and exports nothing"]
pub struct Export {
    form: Form,
    bodies: bool,
}

impl Export {
    /// One line of JSON for each record: for people and their tools.
    pub const fn json_lines() -> Self {
        Self { form: Form::JsonLines, bodies: false }
    }

    /// The same as bytes: smaller and faster to read.
    pub const fn native() -> Self {
        Self { form: Form::Native, bodies: false }
    }

    /// With contents of questions, evidence and archives, as far as they were not erased. An
    /// export is a copy: erasing them later does not reach it.
    pub const fn with_bodies(self) -> Self {
        Self { bodies: true, ..self }
    }
}

/// Of two ways to write the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    JsonLines,
    Native,
}

/// What was exported, imported or read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// The records, verified from the first to the last.
    pub found: Verification,
    /// How many bodies were with them, each with the content its digest says.
    pub bodies: u64,
}

/// Why an export was not finished. What was written of it has no end, and says so by that.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// What it was to be written to failed. The ledger goes on.
    #[error("the export cannot be written")]
    Writer(#[source] Arc<io::Error>),
    /// The ledger is not what was written. It is read-only from then on.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The ledger cannot be read, or had failed before.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

/// Why something is not taken for the ledger it says it is.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error("the export cannot be read")]
    Source(#[source] Arc<io::Error>),
    /// It begins like neither form.
    #[error("it is not the export of a ledger")]
    NotAnExport,
    /// It is of a version that this one does not know.
    #[error("export format {0} is unknown")]
    Format(u32),
    /// It is of another ledger than the one asked for.
    #[error("it is the export of a ledger that began with the key {0}")]
    Foreign(PublicKey),
    /// One of its entries is not as an export has it.
    #[error("entry {entry} of the export, behind record {record}: {flaw}")]
    Entry {
        /// Which, counted from 1, the header included: in JSON Lines, the line.
        entry: u64,
        /// The last record before it.
        record: u64,
        /// What is wrong.
        flaw: Flaw,
    },
    /// One of its records is not what was written.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The log it was to be imported into goes on differently, or further.
    #[error("the log holds another record {sequence} than the export")]
    Diverged {
        /// The first record that is known to differ, or that the export does not have.
        sequence: u64,
    },
    /// It was another one when it was read again to be appended. What was appended until then is a
    /// beginning of that other.
    #[error("the export changed while it was imported")]
    Changed,
    /// The store failed. What was appended until then is a beginning of the export, and importing
    /// it again goes on from there.
    #[error("the store failed: {0}")]
    Store(#[from] StoreError),
}

/// What is wrong with an entry of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// It is not of the form, byte for byte.
    #[error("it is malformed")]
    Malformed,
    /// It says it is larger, or is, than a record or body may be.
    #[error("it is larger than a record or body may be")]
    TooLarge,
    /// The export ends in it, or before its end.
    #[error("the export is cut off")]
    CutOff,
    /// The end names another record than the last one.
    #[error("the end is not that of the records before it")]
    End,
    /// Something stands behind the end.
    #[error("something stands behind the end")]
    BehindTheEnd,
    /// A body does not have its digest.
    #[error("the body does not have its digest")]
    NotItsDigest,
    /// The record before a body does not name it.
    #[error("the record before the body does not name it")]
    Unnamed,
    /// A body was there before.
    #[error("the body was there before")]
    Twice,
}

/// The version of both forms.
const FORMAT: u32 = 1;
/// How the native form begins.
const MAGIC: &[u8; 8] = b"clawledg";
/// The largest body: 64 MiB, as a local store keeps it.
const BODY_BYTES_MAX: usize = 64 << 20;
/// The tags of the native form.
const END: u8 = 0;
const RECORD: u8 = 1;
const BODY: u8 = 2;

/// The first line of an export in JSON Lines.
fn first_line(founder: PublicKey) -> String {
    let owner = founder.owner();
    let about = format!(r#""format":{FORMAT},"key":"{founder}","ledger":"{owner}""#);
    format!("{{\"export\":{{{about}}}}}\n")
}

/// The record in a frame, if it is as a kernel writes it: canonical, so that a line it stands in
/// says what it says and nothing else, and with nothing in it that is unknown.
fn record_of(frame: &Frame) -> Result<AuditRecord, Damage> {
    let damage = |what| Damage { sequence: frame.sequence, what };
    if !is_canonical(&frame.payload) {
        return Err(damage("it is not canonical JSON".into()));
    }
    AuditRecord::from_frame(frame).map_err(|error| damage(error.what))
}
