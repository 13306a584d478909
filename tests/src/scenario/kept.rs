//! What a file remembers under a name and speaks of later: checkpoints, exports, heads, proofs.
use std::collections::BTreeMap;

use super::{nearest::nearest, trouble::Trouble};

/// Everything of one kind that was remembered.
#[derive(Debug)]
pub(super) struct Kept<T> {
    what: &'static str,
    things: BTreeMap<String, T>,
}

impl<T> Kept<T> {
    /// Nothing yet. `what` is the kind, for messages.
    pub(super) fn of(what: &'static str) -> Self {
        Self { what, things: BTreeMap::new() }
    }

    /// Remembers `thing`, if it was given a name.
    pub(super) fn keep(&mut self, name: Option<&str>, thing: T) -> Result<(), Trouble> {
        let Some(name) = name else { return Ok(()) };
        if self.things.insert(name.into(), thing).is_some() {
            return Err(Trouble::Misread(format!("the name `{name}` is taken: choose another")));
        }
        Ok(())
    }

    /// What was remembered as `name`.
    pub(super) fn find(&self, name: &str) -> Result<&T, Trouble> {
        self.things.get(name).ok_or_else(|| {
            let near = nearest(name, self.things.keys().map(String::as_str));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Trouble::Misread(format!("no {} is called `{name}`{hint}", self.what))
        })
    }
}
