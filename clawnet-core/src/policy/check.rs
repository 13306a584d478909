//! Which events may follow the present state: asked before a record is written, and again when
//! one is replayed.
use super::{ActError, DEPTH_MAX, Standing, State};
use crate::{
    id::{GrantId, IdentityId},
    key::{PublicKey, Signature},
    record::{Act, Actor, Event, REKEYS_MAX, SignedAct, key_statement},
    resource::is_hidden,
    rule::Grant,
    time::Timestamp,
};

impl State {
    /// Whether `actor` may cause `event` at `at`. Changes nothing.
    pub(crate) fn check(
        &self,
        (at, actor): (Timestamp, Actor),
        event: &Event,
    ) -> Result<(), ActError> {
        if !may_cause(actor, event) {
            return Err(ActError::OutOfPlace);
        }
        match event {
            Event::Act(signed) => {
                self.check_signature(signed)?;
                self.check_act(&signed.act, at)
            }
            Event::Delegated { agent, grant, identity, name, rules } => {
                let state = self.agents.get(agent).ok_or(ActError::UnknownAgent(*agent))?;
                if self.barred(state.identity).is_some() {
                    return Err(ActError::OutOfPlace);
                }
                self.check_identity(*identity, name, Some(state.identity))?;
                self.check_delegate(name, state.identity)?;
                self.check_grant(*grant, rules, at)
            }
            Event::Outcome(outcome) if !self.intents.contains_key(&outcome.intent) => {
                Err(ActError::OutOfPlace)
            }
            Event::Misbehaved(proof) => self.check_misbehaved(proof),
            Event::Witnessed { checkpoint, credential } => {
                self.check_witnessed(checkpoint, credential.as_ref())
            }
            Event::Asked(_)
            | Event::Checkpoint(_)
            | Event::Declared { .. }
            | Event::Denied(_)
            | Event::Erased { .. }
            | Event::Intent(_)
            | Event::Opened { .. }
            | Event::Outcome(_)
            | Event::Recalled { .. }
            | Event::Recovered { .. }
            | Event::Snapshot { .. } => Ok(()),
        }
    }

    /// Whether the owner may decide so at `at`.
    pub(crate) fn check_act(&self, act: &Act, at: Timestamp) -> Result<(), ActError> {
        match act {
            Act::Approve(approval) => {
                let unknown = ActError::UnknownTicket(approval.ticket);
                let asked = self.questions.get(&approval.ticket).ok_or(unknown.clone())?;
                if asked.granted || asked.question.expires <= at {
                    return Err(unknown);
                }
                let same = asked.question.approval() == *approval
                    && approval.epoch == self.epoch(approval.identity);
                if same { Ok(()) } else { Err(ActError::ApprovalMismatch) }
            }
            Act::Reject { ticket } => {
                let waits = self
                    .questions
                    .get(ticket)
                    .is_some_and(|asked| !asked.granted && at < asked.question.expires);
                if waits { Ok(()) } else { Err(ActError::UnknownTicket(*ticket)) }
            }
            Act::Bind { agent, identity, job, name, runtime } => {
                self.known(*identity)?;
                job.as_deref().map_or(Ok(()), check_name)?;
                check_name(name)?;
                check_name(runtime)?;
                if self.agents.contains_key(agent) { Err(ActError::Taken) } else { Ok(()) }
            }
            Act::Certify { key } => self.check_fresh(*key),
            Act::Dismiss { agent } => {
                self.agents.get(agent).map(drop).ok_or(ActError::UnknownAgent(*agent))
            }
            Act::Freeze { identity } => identity.map_or(Ok(()), |id| self.known(id)),
            Act::Unfreeze { identity: None } if !self.frozen => Err(ActError::NotFrozen),
            // What a fact may follow is for its projection to say.
            Act::Declare { .. } | Act::Erase { .. } | Act::Unfreeze { identity: None } => Ok(()),
            Act::Unfreeze { identity: Some(identity) } => {
                self.known(*identity)?;
                let state = self.identities.get(identity);
                let frozen = state.is_some_and(|state| state.standing == Standing::Frozen);
                if frozen { Ok(()) } else { Err(ActError::NotFrozen) }
            }
            Act::Grant { grant, identity, rules } => {
                self.known(*identity)?;
                self.check_grant(*grant, rules, at)
            }
            Act::Identity { identity, name, parent } => {
                self.check_identity(*identity, name, *parent)
            }
            Act::Rekey { key, proof } => self.check_rekey(*key, proof),
            Act::Retire { identity, .. } => self.known(*identity),
            Act::Revoke { grant } => {
                self.grants.get(grant).map(drop).ok_or(ActError::UnknownGrant(*grant))
            }
        }
    }

    fn check_signature(&self, signed: &SignedAct) -> Result<(), ActError> {
        let number = signed.number;
        let statement = SignedAct::statement(self.owner, number, &signed.act);
        let proven = self.key.verify(&statement, &signed.signature).is_ok();
        if proven && Some(number) == self.acts.checked_add(1) {
            Ok(())
        } else {
            Err(ActError::NotTheOwners { number })
        }
    }

    /// A key has one role, so that a signature by it never says two things.
    fn check_fresh(&self, key: PublicKey) -> Result<(), ActError> {
        let taken = key == self.key || key == self.founder || Some(key) == self.kernel_key;
        if taken { Err(ActError::KeyInUse) } else { Ok(()) }
    }

    /// The new key's holder agreed to become the owner, in just this act.
    fn check_rekey(&self, key: PublicKey, proof: &Signature) -> Result<(), ActError> {
        self.check_fresh(key)?;
        let changes = |signed: &&SignedAct| matches!(signed.act, Act::Rekey { .. });
        if self.credential.iter().filter(changes).count() >= REKEYS_MAX {
            return Err(ActError::TooManyKeys);
        }
        let number = self.acts.saturating_add(1);
        let agreed = key.verify(&key_statement(self.owner, number, key), proof);
        agreed.map_err(|_| ActError::NotTheOwners { number })
    }

    fn check_identity(
        &self,
        identity: IdentityId,
        name: &str,
        parent: Option<IdentityId>,
    ) -> Result<(), ActError> {
        check_name(name)?;
        if self.identities.contains_key(&identity) {
            return Err(ActError::Taken);
        }
        let Some(parent) = parent else { return Ok(()) };
        self.known(parent)?;
        if self.chain(parent).len() < DEPTH_MAX { Ok(()) } else { Err(ActError::TooDeep) }
    }

    /// What an agent makes is bounded, and cannot be taken for what stands beside or above it.
    fn check_delegate(&self, name: &str, parent: IdentityId) -> Result<(), ActError> {
        if self.identities.get(&parent).is_some_and(|state| state.name == name) {
            return Err(ActError::Taken);
        }
        let beside = self.identities.values().filter(|state| state.parent == Some(parent));
        let mut count = 0;
        for state in beside {
            count += 1;
            if state.name == name {
                return Err(ActError::Taken);
            }
        }
        if count < DELEGATES_MAX { Ok(()) } else { Err(ActError::TooMany) }
    }

    fn check_grant(&self, grant: GrantId, rules: &Grant, at: Timestamp) -> Result<(), ActError> {
        rules.check(at)?;
        if self.grants.contains_key(&grant) { Err(ActError::Taken) } else { Ok(()) }
    }

    /// An identity of this ledger that is not retired, nor stands beneath one that is.
    fn known(&self, identity: IdentityId) -> Result<(), ActError> {
        let chain = self.chain(identity);
        if chain.is_empty() {
            return Err(ActError::UnknownIdentity(identity));
        }
        let retired = |id: &&IdentityId| {
            let standing = self.identities.get(*id).map(|state| state.standing);
            matches!(standing, Some(Standing::Retired { .. }))
        };
        chain.iter().find(retired).map_or(Ok(()), |id| Err(ActError::Retired(*id)))
    }
}

/// Whether such an actor causes such events at all.
pub(crate) fn may_cause(actor: Actor, event: &Event) -> bool {
    match event {
        Event::Act(_) => actor == Actor::Owner,
        Event::Asked(_) | Event::Delegated { .. } | Event::Denied(_) | Event::Intent(_) => {
            matches!(actor, Actor::Agent { .. })
        }
        Event::Outcome(_) => actor != Actor::Owner,
        Event::Checkpoint(_)
        | Event::Declared { .. }
        | Event::Erased { .. }
        | Event::Misbehaved(_)
        | Event::Opened { .. }
        | Event::Recalled { .. }
        | Event::Recovered { .. }
        | Event::Snapshot { .. }
        | Event::Witnessed { .. } => actor == Actor::Kernel,
    }
}

/// How many identities agents may make beneath one.
const DELEGATES_MAX: usize = 64;
/// How many characters a name may have.
const NAME_CHARS_MAX: usize = 64;

fn check_name(name: &str) -> Result<(), ActError> {
    let length = name.chars().count();
    let fits = (1..=NAME_CHARS_MAX).contains(&length);
    if fits && !name.contains(is_hidden) && name.trim() == name {
        Ok(())
    } else {
        Err(ActError::Name)
    }
}
