//! What `admit` looked at, held on to until it is acted on: nothing gets between the two.
use std::sync::Arc;

use clawnet_core::{Admission, Authorized, Caller, Denial, Operation};

use crate::{
    folders::{Folders, Place},
    node::Node,
    path::FsPath,
    refusal::FsError,
};

/// A look at one path: what was opened there, and under which list of the owner's.
///
/// **Promises** that what is performed is performed on what layer 2 let pass. **Refuses** to outlive
/// the list it was judged by: if the owner exchanged it since, the look is taken anew.
#[derive(Debug)]
pub(crate) struct Held<T> {
    folders: Arc<Folders>,
    /// None if nothing was there.
    found: Option<T>,
}

/// What a look wants to know of a place.
pub(crate) type Open<T> = fn(&Place<'_, '_>) -> Result<T, FsError>;

impl<T: Send + Sync + 'static> Held<T> {
    /// Looks at a path. That nothing is there is no refusal: the outcome says so.
    pub(crate) fn of(
        node: &Node,
        (caller, path): (&Caller, &FsPath),
        open: Open<T>,
    ) -> Result<Self, FsError> {
        node.is_sound()?;
        let folders = node.folders();
        let place = folders.locate_for(caller.identity(), path);
        let found = match place.and_then(|place| open(&place)) {
            Ok(found) => Some(found),
            Err(error) if error.is_absence() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { folders, found })
    }

    /// Acts on what was held, or on a new look if the owner's list is not the one it was held under.
    pub(crate) fn act<O: Operation, R>(
        (node, task, path): (&Node, &Authorized<'_, O>, &FsPath),
        open: Open<T>,
        act: impl FnOnce(&Folders, &T) -> Result<R, FsError>,
    ) -> Result<R, FsError> {
        node.is_sound()?;
        let anew;
        let held = match task.held::<Self>() {
            Some(held) if Arc::ptr_eq(&held.folders, &node.folders()) => held,
            Some(_) | None => {
                anew = Self::of(node, (task.caller(), path), open)?;
                &anew
            }
        };
        act(&held.folders, held.found.as_ref().ok_or(FsError::NotFound)?)
    }

    /// For `admit`: the yes, with the look in its hand.
    pub(crate) fn admit(
        node: &Node,
        of: (&Caller, &FsPath),
        open: Open<T>,
    ) -> Result<Admission, Denial> {
        let held = Self::of(node, of, open)?;
        Ok(Admission::unversioned().holding(held))
    }
}
