//! Operations as they travel: the JSON the kernel judged, and their content beside it.
use clawnet_core::{Endpoint, Operation};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    append::Append,
    copy::Copy,
    delete::Delete,
    history::History,
    list::List,
    mkdir::Mkdir,
    node::Node,
    read::{Portion, Read},
    redo::Redo,
    refusal::FsError,
    rename::Rename,
    rollback::Rollback,
    search::Search,
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
impl Served for History {}
impl Served for List {}
impl Served for Mkdir {}
impl Served for Move {}
impl Served for Redo {}
impl Served for Rename {}
impl Served for Rollback {}
impl Served for Search {}
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
