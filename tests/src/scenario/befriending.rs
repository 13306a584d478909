//! Commands about contacts: what an owner decides about another owner.
use clawnet_core::{OwnerId, Signer as _};
use clawnet_net::{Bond, Contact, Presenting, Review};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::plain, parties::decided, principal::key, step::Step, trouble::Trouble, world::World,
};

/// Asks somebody to become a contact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactAskStep {
    by: Option<String>,
    peer: String,
    shows: String,
    name: Option<String>,
    #[serde(default)]
    note: String,
}

impl Step for ContactAskStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let presenting = presenting(world, (&self.shows, self.name.as_deref()))?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let asked = block_on(party.ask(&owner, peer, presenting, &self.note));
        decided(asked, |()| json!({"asked": peer}))
    }
}

/// Says yes to somebody who asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactConfirmStep {
    by: Option<String>,
    peer: String,
    shows: String,
    name: Option<String>,
}

impl Step for ContactConfirmStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let presenting = presenting(world, (&self.shows, self.name.as_deref()))?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let confirmed = block_on(party.confirm(&owner, peer, presenting));
        decided(confirmed, |()| json!({"confirmed": peer}))
    }
}

/// Shows a contact another identity from here on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactPresentStep {
    by: Option<String>,
    peer: String,
    shows: String,
    name: Option<String>,
}

impl Step for ContactPresentStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let presenting = presenting(world, (&self.shows, self.name.as_deref()))?;
        let identity = presenting.identity;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let shown = block_on(party.present(&owner, peer, presenting));
        decided(shown, |()| json!({"shows": identity}))
    }
}

/// Who a contact meets, and what it is called: by the identity's own name, if by no other.
fn presenting(world: &World, (shows, name): (&str, Option<&str>)) -> Result<Presenting, Trouble> {
    Ok(Presenting::new(world.names.find(shows)?, name.unwrap_or(shows)))
}

/// Decides which turns to a contact the owner reads before they leave.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactReviewStep {
    by: Option<String>,
    peer: String,
    review: Review,
}

impl Step for ContactReviewStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let reviewed = block_on(party.review(&owner, peer, self.review));
        decided(reviewed, |()| json!({"review": self.review}))
    }
}

/// Takes note that a contact signs with another key now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactAcceptKeyStep {
    by: Option<String>,
    peer: String,
    key: String,
}

impl Step for ContactAcceptKeyStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let accepted = key(&self.key).public_key();
        let (party, owner) = world.hand(self.by.as_deref())?;
        let taken = block_on(party.accept_key(&owner, peer, accepted));
        decided(taken, |()| json!({"accepted": self.key}))
    }
}

macro_rules! about_peer {
    ($(
        $(#[$doc:meta])*
        $step:ident: $verb:ident, $said:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $step {
            by: Option<String>,
            peer: String,
        }

        impl Step for $step {
            fn run(&self, world: &mut World) -> Result<Value, Trouble> {
                let peer = world.names.owner(&self.peer)?;
                let (party, owner) = world.hand(self.by.as_deref())?;
                decided(block_on(party.$verb(&owner, peer)), |()| json!({$said: peer}))
            }
        }
    )*};
}

about_peer! {
    /// Ends a contact, or does not become one.
    ContactRemoveStep: remove, "removed";
    /// Hears nothing more of somebody.
    ContactBlockStep: block, "blocked";
    /// Hears somebody again.
    ContactUnblockStep: unblock, "unblocked";
}

/// What is known of a counterpart.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactStep {
    by: Option<String>,
    peer: String,
}

impl Step for ContactStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peer = world.names.owner(&self.peer)?;
        let party = world.party(self.by.as_deref())?;
        Ok(json!({"contact": party.contact(peer).map(|contact| known(&contact))}))
    }
}

/// Everybody who asked, was asked, or is a contact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactsStep {
    by: Option<String>,
}

impl Step for ContactsStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let party = world.party(self.by.as_deref())?;
        let mut rows: Vec<(String, Bond, OwnerId)> = Vec::new();
        for (peer, contact) in party.contacts() {
            rows.push((world.whose(peer)?, contact.bond, peer));
        }
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        let rows = rows.iter().map(|(_, bond, peer)| json!({"peer": peer, "bond": bond}));
        Ok(json!({"contacts": rows.collect::<Vec<_>>()}))
    }
}

fn known(contact: &Contact) -> Value {
    json!({
        "bond": contact.bond,
        "blocked": contact.blocked,
        "distrusted": contact.distrusted,
        "changed_key": plain(&contact.changed_key()),
        "ours": plain(&contact.ours),
        "theirs": plain(&contact.theirs),
        "review": contact.review,
        "note": contact.note(),
    })
}
