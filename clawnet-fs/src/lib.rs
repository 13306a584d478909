//! wip

mod refusal;

mod path;

mod name;

mod handle;

mod image;

mod folders;

mod step;

mod journal;

mod store;

mod attributes;

mod pin;

mod pause;

mod engine;

mod recovery;

mod node;

mod read;

mod stat;

mod list;

mod plan;

mod write;

mod mkdir;

mod delete;

mod undo;

#[cfg(test)]
mod tests;

pub use delete::{Delete, Deleted};
pub use folders::{FolderError, Folders};
pub use handle::EntryKind;
pub use journal::Durability;
pub use list::{Direction, Entry, List, Listing, SortBy};
pub use mkdir::{Made, Mkdir};
pub use name::{NameRule, NameRuleError};
pub use node::{Node, OpenError};
pub use path::{FsPath, PathError};
pub use read::{Bytes, Portion, Read};
pub use recovery::Recovered;
pub use refusal::FsError;
pub use stat::{Stat, Status};
pub use undo::{Need, Needs, Undo, Undone};
pub use write::{Content, Expected, Write, Written};
