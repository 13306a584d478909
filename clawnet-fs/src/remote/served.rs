//! Operations as they travel: the JSON the kernel judged, and their content beside it.
use clawnet_core::{Action, Authorized, Endpoint, Operation};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    append::Append,
    copy::Copy,
    delete::Delete,
    history::{History, Past},
    list::{List, Listing},
    mkdir::Mkdir,
    node::Node,
    path::FsPath,
    read::{Portion, Read},
    redo::Redo,
    refusal::FsError,
    rename::Rename,
    rollback::{Rollback, RolledBack},
    search::{Search, Searched},
    shift::Move,
    stat::Stat,
    undo::Undo,
    write::Write,
};

/// An operation a node performs for a kernel on another machine.
///
/// **Promises** that what the node performs has, byte for byte, the JSON and the content the kernel
/// judged. What is not in the list of this file is performed by no node.
pub trait Served: Operation<Output: Serialize + DeserializeOwned> + DeserializeOwned {
    /// Puts content in that came beside the operation.
    fn fill(&mut self, _: Vec<u8>) {}

    /// Takes out of an answer what goes beside it.
    #[must_use]
    fn take(_: &mut Self::Output) -> Vec<u8> {
        Vec::new()
    }

    /// Puts it back in.
    fn put(_: &mut Self::Output, _: Vec<u8>) {}

    /// Takes out of an answer what layer 1 here does not let be told: the node does not know it.
    ///
    /// # Errors
    /// When what is left would tell of what is not.
    fn narrow(_: &mut Self::Output, _: &Authorized<'_, Self>) -> Result<(), FsError> {
        Ok(())
    }
}

/// The list: what travels has a name in it.
macro_rules! served {
    ($($operation:ident)*) => {
        /// The kinds of all operations that travel, sorted.
        pub(crate) fn kinds() -> Vec<String> {
            let mut kinds = vec![$($operation::KIND.to_owned()),*];
            kinds.sort_unstable();
            kinds
        }

        /// Runs `runner` for the operation of this kind: none, if it does not travel.
        pub(crate) async fn dispatch<R: Runner>(kind: &str, runner: R) -> Option<R::Output> {
            match kind {
                $(kind if kind == $operation::KIND => {
                    Some(runner.run::<$operation>().await)
                })*
                _ => None,
            }
        }
    };
}

served! {
    Append Copy Delete History List Mkdir Move Read Redo Rename Rollback Search Stat Undo Write
}

/// What is to be done with an operation, whichever it is.
pub(crate) trait Runner {
    type Output;

    async fn run<O: Served>(self) -> Self::Output
    where
        Node: Endpoint<O>;
}

impl Served for Copy {}
impl Served for Delete {}
impl Served for Mkdir {}
impl Served for Move {}
impl Served for Redo {}
impl Served for Rename {}
impl Served for Stat {}
impl Served for Undo {}

impl Served for Append {
    fn fill(&mut self, content: Vec<u8>) {
        self.content = content.into();
    }
}

impl Served for Read {
    fn take(output: &mut Portion) -> Vec<u8> {
        std::mem::take(&mut output.content).into_vec()
    }

    fn put(output: &mut Portion, content: Vec<u8>) {
        output.content = content.into();
    }
}

impl Served for List {
    fn narrow(output: &mut Listing, task: &Authorized<'_, Self>) -> Result<(), FsError> {
        let top = &task.operation().path;
        if task.extends_below(Action::List, top.resource()).is_ok() {
            return Ok(());
        }
        // What is in a directory that is not shown is not shown either.
        let lets = |relative: &str| {
            let mut ends = relative.match_indices('/').map(|(at, _)| at).chain([relative.len()]);
            ends.all(|end| {
                let path = relative.get(..end).and_then(|part| top.below(part).ok());
                path.is_some_and(|path| task.extends_to(Action::List, path.resource()).is_ok())
            })
        };
        output.entries.retain(|entry| lets(&entry.relative_path));
        if output.next.as_ref().is_some_and(|next| !lets(&next.relative_path)) {
            let max = Self::ENTRIES_MAX.into();
            let what = "a listing in parts of which one ends with what is not shown";
            return Err(FsError::LimitExceeded { what, max });
        }
        Ok(())
    }
}

impl Served for History {
    fn narrow(output: &mut Past, task: &Authorized<'_, Self>) -> Result<(), FsError> {
        let lets = |path: &FsPath| task.extends_to(Action::List, path.resource()).is_ok();
        output.changes.retain(|change| change.paths.iter().all(lets));
        Ok(())
    }
}

impl Served for Rollback {
    fn narrow(_: &mut RolledBack, task: &Authorized<'_, Self>) -> Result<(), FsError> {
        let operation = task.operation();
        if operation.dry_run { alike(task, &[Action::List], &operation.below) } else { Ok(()) }
    }
}

impl Served for Search {
    fn narrow(_: &mut Searched, task: &Authorized<'_, Self>) -> Result<(), FsError> {
        alike(task, &[Action::List, Action::Read], &task.operation().path)
    }
}

/// Refuses an answer about a tree in which layer 1 here does not let everything be told: what it
/// counts and leaves out would tell of the rest.
fn alike<O: Operation>(
    task: &Authorized<'_, O>,
    actions: &[Action],
    top: &FsPath,
) -> Result<(), FsError> {
    let lets = |action: &Action| task.extends_below(*action, top.resource()).is_ok();
    let what = "on another machine this needs a scope that treats everything beneath alike";
    if actions.iter().all(lets) { Ok(()) } else { Err(FsError::Unsupported(what)) }
}

impl Served for Write {
    fn fill(&mut self, content: Vec<u8>) {
        self.content = content.into();
    }
}

/// The operation of which `json` is the canonical text and `content` the content.
///
/// # Errors
/// When it is not: fields are missing or unknown, or it would be written in another way.
pub(crate) fn operation<O: Served>(json: &str, content: Option<Vec<u8>>) -> Result<O, FsError> {
    let wrong = || FsError::InvalidRequest("not an operation of this kind in its one form");
    let has_content = content.is_some();
    let read: O = match content {
        None => serde_json::from_str(json).map_err(|_| wrong())?,
        Some(content) => {
            let mut value: Value = serde_json::from_str(json).map_err(|_| wrong())?;
            let fields = value.as_object_mut().ok_or_else(wrong)?;
            *fields.get_mut("content").ok_or_else(wrong)? = Value::String(String::new());
            let mut read: O = serde_json::from_value(value).map_err(|_| wrong())?;
            read.fill(content);
            read
        }
    };
    // INVARIANT: what is performed would be written, and so judged and signed, with these bytes.
    let same = serde_json::to_string(&read).is_ok_and(|text| text == json);
    if same && read.content().is_some() == has_content { Ok(read) } else { Err(wrong()) }
}
