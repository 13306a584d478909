//! Names: what a file calls things, in place of identifiers that nobody can remember.
use std::collections::BTreeMap;

use clawnet_core::{AgentId, GrantId, IdentityId, OwnerId, Resource, TicketId};
use clawnet_net::SessionId;
use serde_json::Value;

use super::{nearest::nearest, trouble::Trouble};

/// Every name a world knows, and the identifier behind it.
#[derive(Debug, Default)]
pub(super) struct Names {
    ids: BTreeMap<String, Id>,
    shown: BTreeMap<String, String>,
    counted: BTreeMap<&'static str, usize>,
}

/// An identifier of any kind.
#[derive(Debug, Clone)]
pub(super) enum Id {
    Agent(AgentId),
    Grant(GrantId),
    Identity(IdentityId),
    Owner(String),
    Session(SessionId),
    Ticket(TicketId),
}

/// A kind of identifier that can be looked up by name.
pub(super) trait Named: Sized {
    /// What it is, with its article.
    const WHAT: &'static str;

    fn of(id: &Id) -> Option<Self>;
}

impl Names {
    /// Gives `id` a name. An identifier that has one is shown under its first, and found by both.
    pub(super) fn give(&mut self, name: &str, id: Id) -> String {
        let first = self.shown.entry(id.text()).or_insert_with(|| name.into()).clone();
        self.ids.entry(name.into()).or_insert(id);
        first
    }

    /// Names what was just made. A ledger that went back makes the same identifiers again: what bore
    /// this one is gone.
    pub(super) fn give_new(&mut self, name: &str, id: Id) {
        self.shown.insert(id.text(), name.into());
        self.ids.insert(name.into(), id);
    }

    /// Shows `text`, a key say, as `name` from here on.
    pub(super) fn show(&mut self, text: String, name: &str) {
        self.shown.entry(text).or_insert_with(|| name.into());
    }

    /// The name of a thing that may have one already, as the same question asked twice.
    pub(super) fn give_or_count(
        &mut self,
        name: Option<&str>,
        what: &'static str,
        id: Id,
    ) -> String {
        match (name, self.shown.get(&id.text())) {
            (Some(name), _) => self.give(name, id),
            (None, Some(known)) => known.clone(),
            (None, None) => {
                let name = self.next(what);
                self.give(&name, id)
            }
        }
    }

    /// A name that nothing has yet: `ticket1`, `ticket2`, ...
    pub(super) fn next(&mut self, what: &'static str) -> String {
        let count = self.counted.entry(what).or_default();
        loop {
            *count += 1;
            let name = format!("{what}{count}");
            if !self.ids.contains_key(&name) {
                return name;
            }
        }
    }

    /// Whether a name would be refused, before anything is done under it.
    pub(super) fn check_free(&self, name: &str) -> Result<(), Trouble> {
        if self.ids.contains_key(name) {
            return Err(Trouble::Misread(format!("the name `{name}` is taken: choose another")));
        }
        Ok(())
    }

    /// What is called `name`, which must be of the kind wanted.
    pub(super) fn find<I: Named>(&self, name: &str) -> Result<I, Trouble> {
        if let Some(found) = self.ids.get(name).and_then(I::of) {
            return Ok(found);
        }
        let what = I::WHAT;
        if let Some(other) = self.ids.get(name) {
            return Err(Trouble::Misread(format!("`{name}` is {}, not {what}", other.what())));
        }
        let known = self.ids.iter().filter(|(_, id)| I::of(id).is_some());
        let near = nearest(name, known.map(|(name, _)| name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Trouble::Misread(format!("nothing is called `{name}`, and {what} is wanted{hint}")))
    }

    /// The owner of this name, or with this identifier, who need not be in this world.
    pub(super) fn owner(&self, text: &str) -> Result<OwnerId, Trouble> {
        if let Ok(owner) = text.parse() {
            return Ok(owner);
        }
        let found = self.find::<String>(text)?;
        found.parse().map_err(|_| Trouble::misread(format!("`{text}` is no owner")))
    }

    /// The identifier of what is called `text`; `text` as it is, if nothing is.
    pub(super) fn id_or_text(&self, text: &str) -> String {
        self.ids.get(text).map_or_else(|| text.to_owned(), Id::text)
    }

    /// The resource a file wrote, with names in place of identifiers: `identity:work`.
    pub(super) fn resource(&self, text: &str) -> Result<Resource, Trouble> {
        let meant = match text.split_once(':') {
            Some((kind @ ("identity" | "contact"), name)) if self.ids.contains_key(name) => {
                let id = self.ids.get(name).map(Id::text).unwrap_or_default();
                format!("{kind}:{id}")
            }
            Some(_) | None => text.to_owned(),
        };
        meant.parse().map_err(|error| Trouble::Said(format!("`{text}` is no resource: {error}")))
    }

    /// Puts names in place of every identifier in `value`.
    pub(super) fn replace_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.replace_in_text(text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.replace_in(item)).collect())
            }
            Value::Object(fields) => {
                let each = fields.into_iter();
                Value::Object(each.map(|(name, value)| (name, self.replace_in(value))).collect())
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }

    pub(super) fn replace_in_text(&self, mut text: String) -> String {
        for (id, name) in &self.shown {
            if text.contains(id.as_str()) {
                text = text.replace(id.as_str(), name);
            }
        }
        text
    }
}

impl Id {
    fn text(&self) -> String {
        match self {
            Self::Agent(id) => id.to_string(),
            Self::Grant(id) => id.to_string(),
            Self::Identity(id) => id.to_string(),
            Self::Owner(id) => id.clone(),
            Self::Session(id) => id.to_string(),
            Self::Ticket(id) => id.to_string(),
        }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Agent(_) => AgentId::WHAT,
            Self::Grant(_) => GrantId::WHAT,
            Self::Identity(_) => IdentityId::WHAT,
            Self::Owner(_) => "an owner",
            Self::Session(_) => SessionId::WHAT,
            Self::Ticket(_) => TicketId::WHAT,
        }
    }
}

macro_rules! named {
    ($($id:ident is $variant:ident, $what:literal;)*) => {$(
        impl Named for $id {
            const WHAT: &'static str = $what;

            fn of(id: &Id) -> Option<Self> {
                if let Id::$variant(id) = id { Some(*id) } else { None }
            }
        }
    )*};
}

impl Named for String {
    const WHAT: &'static str = "an owner";

    fn of(id: &Id) -> Option<Self> {
        if let Id::Owner(id) = id { Some(id.clone()) } else { None }
    }
}

named! {
    AgentId is Agent, "an agent";
    GrantId is Grant, "a grant";
    IdentityId is Identity, "an identity";
    SessionId is Session, "a session";
    TicketId is Ticket, "a ticket";
}
