//! The owners of a world as they collaborate: whose side, whose hand, and what the kernel says no to.
use clawnet_core::{AgentId, Owner, OwnerId};
use clawnet_net::{NoSession, Party, PartyError, Reason, SessionId};
use serde_json::{Value, json};

use super::{trouble::Trouble, world::World};

impl World {
    /// The name of an owner, or of whose turn it is.
    pub(super) fn name_of(&mut self, owner: Option<&str>) -> Result<String, Trouble> {
        match owner {
            Some(name) => self.principal_named(name).map(|principal| principal.name.clone()),
            None => self.principal().map(|principal| principal.name.clone()),
        }
    }

    /// The side of `owner`, or of whose turn it is. A kernel that was put away is opened for it.
    pub(super) fn party(&mut self, owner: Option<&str>) -> Result<Party, Trouble> {
        let name = self.name_of(owner)?;
        self.wake(&name)?;
        self.principal_named(&name)?.party()
    }

    /// The side and the hand of `owner`, or of whose turn it is.
    pub(super) fn hand(&mut self, owner: Option<&str>) -> Result<(Party, Owner), Trouble> {
        let party = self.party(owner)?;
        let name = self.name_of(owner)?;
        Ok((party, self.principal_named(&name)?.owner(None)?))
    }

    /// The side of an agent's owner.
    pub(super) fn party_of(&mut self, agent: AgentId) -> Result<Party, Trouble> {
        let name = self.principal_of(agent)?.name.clone();
        self.party(Some(&name))
    }

    /// Everybody's name, in order.
    pub(super) fn everybody(&self) -> Vec<String> {
        self.principals().map(|principal| principal.name.clone()).collect()
    }

    /// The name of an owner in this world.
    pub(super) fn whose(&self, owner: OwnerId) -> Result<String, Trouble> {
        Ok(self.principal_with(owner)?.name.clone())
    }

    /// The session of this name.
    pub(super) fn session(&self, name: &str) -> Result<SessionId, Trouble> {
        self.names.find(name)
    }
}

/// What an owner decided: `done`, or why not. What is refused is an error, unless it is expected.
pub(super) fn decided<T>(
    outcome: Result<T, PartyError>,
    done: impl FnOnce(T) -> Value,
) -> Result<Value, Trouble> {
    match outcome {
        Ok(value) => Ok(done(value)),
        Err(PartyError::Refused(reason)) => Ok(refused(reason)),
        Err(error) => Err(Trouble::said(&error)),
    }
}

/// A refusal, in the protocol's word for it.
pub(super) fn refused(reason: Reason) -> Value {
    json!({"refused": reason, "error": reason.to_string()})
}

/// Why a session cannot be driven, in the same words.
pub(super) fn no_session(why: NoSession) -> Value {
    let reason = match why {
        NoSession::Ended(_) => Reason::Closed,
        NoSession::Forged => Reason::Forged,
        NoSession::NotAgreed => Reason::NotOpen,
        NoSession::Open | NoSession::Unknown | _ => Reason::Unknown,
    };
    let mut value = refused(reason);
    if let (NoSession::Ended(ending), Some(fields)) = (why, value.as_object_mut()) {
        fields.insert("ended".into(), json!(ending));
    }
    value
}
