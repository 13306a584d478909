//! The node: the endpoint through which agents touch files. **Every path by handle, every change
//! kept and undoable.**
//!
//! The kernel (`clawnet_core`) decides whether an identity may. The node decides, for itself and
//! from the owner's own list, whether the folder was ever opened to agents, and lets the operating
//! system decide what a path leads to. Nothing an agent does here is final: what it displaces is
//! kept, and what it deletes is moved.
//!
//! ```
//! # use cap_std::{ambient_authority, fs::Dir};
//! # use clawnet_core::{Action, Grant, Kernel, MemoryStore, Region, Signer, SoftwareKey};
//! # use clawnet_fs::*;
//! # use std::time::SystemTime;
//! # futures::executor::block_on(async {
//! # let temporary = tempfile::tempdir()?;
//! # let top = Dir::open_ambient_dir(temporary.path(), ambient_authority())?;
//! # top.create_dir("work")?;
//! # top.create_dir("node")?;
//! # let key = SoftwareKey::from_secret(&[7; 32]);
//! # let clock = || SystemTime::now().into();
//! # let kernel = Kernel::governing(key.public_key()).open(MemoryStore::new(), clock).await?;
//! # let owner = kernel.owner(key).await?;
//! # let work = owner.identity("work").await?;
//! # owner.grant(work, Grant::new().allow(Action::Write, Region::subtree("fs:/work")?)).await?;
//! # let agent = owner.bind(work, "assistant", "in-process").await?;
//! // The owner's list: which folders exist for agents at all. Handles go in and never come out.
//! let folders = Folders::new().read_write("/work", top.open_dir("work")?)?;
//! let node = Node::open(folders, top.open_dir("node")?, Durability::PowerSafe)?;
//! let files = kernel.mount("files", node);
//!
//! top.write("work/q3.md", "by hand")?;
//! let write = Write::new("/work/q3.md".parse()?, "by an agent");
//! let written = agent.submit(&files, &write).await?;
//! assert_eq!(top.read_to_string("work/q3.md")?, "by an agent");
//!
//! let undo = files.endpoint().undo_of(work, written.intent)?;
//! agent.submit(&files, &undo).await?;
//! assert_eq!(top.read_to_string("work/q3.md")?, "by hand");      // the very file, times and all
//! # Ok::<_, Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! # Two walls
//!
//! 1. **The list.** A path is split here a second time, by code that is not the kernel's, and has
//!    to begin with a declared folder by whole components. Names of keys and secrets are refused
//!    before they exist, in any case and in look-alike letters. A folder may be read-only.
//! 2. **The operating system.** What is left of the path is resolved by one `openat2` beneath the
//!    folder's handle, through no link, onto no other mount. What that opened is looked at, not
//!    looked up again: content is a regular file with exactly one name. A system without `openat2`
//!    is [`FsError::Unsupported`]; there is no weaker way in.
//!
//! Layer 1 stuck on "allow" moves no byte outside the folders; layer 2 stuck on "allow" runs
//! nothing outside the scope. *Assumes* a local Linux file system, and that the owner's own
//! processes do not work against the owner.
//!
//! # How a change is made
//!
//! ```text
//!            the owner's folder            the node's store        the node's journal
//!  intent                                                          INTENT, with both images
//!  fill                                    slot = new content
//!  confirm   is the directory still there? is anything revoked?
//!  trade     path = new content  <======>  slot = old file         one rename, no window
//!  verify                                  is it what was there?   no: trade back, ABORT
//!  record                                  slot = the backup       COMMIT
//! ```
//!
//! A delete is the trade with nothing to come, a new file or directory the trade with nothing to
//! go, an undo the same trades backwards. So the old file is never copied and cannot be lost, not
//! even one that a person saves in the last moment: it is what comes out of the exchange. Then the
//! write either keeps it and says `raced`, or, if it had a condition, trades back and says
//! `conflict`.
//!
//! The new content is made in the store, so nobody meets it half written; the intent names it
//! first, so that a crash at any point is finished or taken back when the node is opened again:
//! see [`Recovered`]. Records are chained; a torn last one is dropped and reported, a broken chain
//! makes the node change nothing and tell no run content it was not told before, and a journal that
//! cannot be written ends everything, reads included.
//!
//! # Operations
//!
//! | kind | type | layer 1 is asked for |
//! |---|---|---|
//! | `fs.read`, `fs.stat` | [`Read`], [`Stat`] | read |
//! | `fs.list` | [`List`] | list; each entry is judged again, and absent if denied |
//! | `fs.search` | [`Search`] | list and read; the same for each file |
//! | `fs.write`, `fs.append`, `fs.mkdir` | [`Write`], [`Append`], [`Mkdir`] | write, on each directory made too |
//! | `fs.copy` | [`Copy`](struct@Copy) | read here, write there; of a directory, on everything beneath |
//! | `fs.move`, `fs.rename` | [`Move`], [`Rename`] | delete and read here, write there; the same |
//! | `fs.delete` | [`Delete`] | delete; of a directory that holds something, on everything beneath |
//! | `fs.history` | [`History`] | list; entries about anything else are absent |
//! | `fs.undo`, `fs.redo` | [`Undo`], [`Redo`] | whatever the way back does, today; read of what it moves |
//! | `fs.rollback` | [`Rollback`] | list for the plan; to run it, all that every way back does |
//!
//! # The way back
//!
//! The file that was displaced is what returns: its bytes, mode and times. Only over what the change
//! left: if a person changed it since, the answer is `conflict` and nothing moves. An undo is a
//! change like any other, so it can be undone. A rollback shows its plan first; run, it checks every
//! item against what the others will have done, then all of it is one change: after a crash it is
//! brought to its end, or, if it no longer fits, taken back. It touches recorded paths and no others,
//! and other programs may see it half way. An identity takes back what it did itself.
//!
//! # Whose content goes where
//!
//! Every folder has a label, its name if the owner says nothing. Content goes from one label to
//! another only by a rule of the owner's ([`Folders::flow`]). A run (the caller's job, or without
//! one its agent) that was told content of a label carries the label for good, over restarts: what
//! it writes may hold what it knows. The node records that before it gives the bytes. What is kept
//! for undo keeps the label of where it was, and returns only there or by a rule. **Not covered**:
//! names, sizes and times that a listing shows, digests in conflicts and conditions, and whatever
//! runs tell each other outside the files.
//!
//! # What is kept
//!
//! Everything displaced is kept, unless the owner sets [`Keep`] for a folder: a change that would
//! displace more than the bytes set aside is refused before anything is done, and what is older
//! than the days set goes, by a record first; undo then says `expired`. [`Node::kept`] shows what is
//! kept, [`Node::content`] gives it back by its digest, [`Node::prune`] lets it go.
//!
//! # What it refuses
//!
//! Links, special files, files with a second name, other mounts, file systems on a network, names
//! that cannot be shown as they are, sizes and counts over a limit (nothing is clamped), changes
//! to a declared folder itself, changes where nothing can be kept, and a second node over one
//! store. [`FsError::code`] is the word for each.
//!
//! # On another machine
//!
//! [`RemoteNode`] is the same endpoint for a node elsewhere: each operation goes there as a directive
//! that the kernel signed, and comes back with a receipt that the node signs and the kernel keeps. The
//! node's end is a [`Station`]: a kernel of its own over its own [`Node`], with its own list, ledger
//! and daybook. A directive takes effect at most once, whatever breaks.
//!
//! # Not yet, and not promised
//!
//! - A look at another machine is answered before it is signed: what somebody on the wire changed in
//!   it is found with the next signature, at most 63 looks or 100 ms of answers later. Content goes
//!   over a link as it is: a link that leaves the machine has to be private. An owner's yes to a
//!   remote change is not bound to the file's present state, which only the node knows.
//! - A folder that is *replaced* under its path is noticed only if the node knows the path: from
//!   the owner's file, or by [`Folders::standing_at`]. One that is removed always is.
//! - A person who overwrites a file in place while an agent replaces it writes into the backup.
//!   That is noticed when it is undone ([`FsError::Tampered`]), and the bytes are in the store.
//! - The journal's end can be cut off by whoever may write the node's directory; the kernel's
//!   ledger then knows of more than the journal.
//! - With [`Durability::ProcessSafe`], a power cut can empty a new file or lose the journal's end.
//!   What was displaced is in the store either way.

pub mod format;
mod refusal;
mod path;
mod name;
mod handle;
mod image;
mod label;
mod origin;
mod folders;
mod whitelist;
mod step;
mod journal;
mod pour;
mod tree;
mod pin;
mod source;
mod store;
mod watch;
mod attributes;
mod sight;
mod pause;
mod engine;
mod recovery;
mod sweep;
mod node;
mod held;
mod flow;
mod keep;
mod read;
mod stat;
mod walk;
mod list;
mod search;
mod plan;
mod need;
mod reversal;
mod history;
mod write;
mod append;
mod course;
mod copy;
mod shift;
mod rename;
mod mkdir;
mod delete;
mod undo;
mod redo;
mod rollback;
mod remote;

#[cfg(test)]
mod tests;

pub use append::Append;
pub use copy::{Copied, Copy};
pub use delete::{Delete, Deleted};
pub use folders::{FolderError, Folders, Keep};
pub use handle::EntryKind;
pub use history::{History, Past, PastChange, Standing};
pub use journal::Durability;
pub use keep::{Kept, Pruned};
pub use list::{After, Details, Direction, Entry, List, Listing, SortBy};
pub use mkdir::{Made, Mkdir};
pub use name::{NameRule, NameRuleError};
pub use need::{Need, Needs};
pub use node::{Health, Node};
pub use origin::OriginError;
pub use path::{FsPath, PathError};
pub use read::{Bytes, Portion, Read};
pub use recovery::Recovered;
pub use redo::{Redo, Redone};
pub use refusal::FsError;
pub use remote::{
    Frame, Heard, LastChange, Link, Pairing, Pin, Post, RemoteNode, Served, Station, StationError,
    UnixLink, Watch, Welcome,
};
pub use rename::Rename;
pub use rollback::{Back, Item, Refused, Rollback, RolledBack, Selection};
pub use search::{Found, Search, Searched};
pub use shift::{Move, Moved};
pub use stat::{Stat, Status};
pub use store::OpenError;
pub use undo::{Undo, Undone};
pub use whitelist::{Whitelist, WhitelistError};
pub use write::{Content, Expected, Write, Written};
