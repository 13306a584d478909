//! Commands of the owner: what only a person decides.
use clawnet_core::{AgentId, GrantId, IdentityId, Limits, TicketId};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::plain,
    house::{HouseRule, Says},
    moment::Moment,
    name::Id,
    principal::SignedBy,
    rules::{RegionText, RuleText, grant},
    step::Step,
    trouble::Trouble,
    world::World,
};

/// Brings an owner into the world, or turns to one who is there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnerStep {
    r#as: String,
    limits: Option<LimitsText>,
}

/// Bounds on what may pile up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsText {
    questions_open_max: Option<usize>,
    question_ttl: Option<Moment>,
    checkpoint_every: Option<u64>,
    snapshot_every: Option<u64>,
    durable_reads: Option<bool>,
}

impl LimitsText {
    fn read(&self) -> Limits {
        let mut limits = Limits::default();
        limits.questions_open_max = self.questions_open_max.unwrap_or(limits.questions_open_max);
        limits.question_ttl = self.question_ttl.map_or(limits.question_ttl, Moment::as_duration);
        limits.checkpoint_every = self.checkpoint_every.unwrap_or(limits.checkpoint_every);
        limits.snapshot_every = self.snapshot_every.unwrap_or(limits.snapshot_every);
        limits.durable_reads = self.durable_reads.unwrap_or(limits.durable_reads);
        limits
    }
}

impl Step for OwnerStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let limits = self.limits.as_ref().map_or_else(Limits::default, LimitsText::read);
        let new = world.turn_to(&self.r#as, limits)?;
        if !new && self.limits.is_some() {
            return Err(Trouble::misread("limits are set when an owner first comes"));
        }
        Ok(json!({"owner": self.r#as, "new": new}))
    }
}

/// Makes an identity, beneath another or beneath the owner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityStep {
    r#as: String,
    under: Option<String>,
}

impl Step for IdentityStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.names.check_free(&self.r#as)?;
        let parent = self.under.as_ref().map(|under| world.names.find(under)).transpose()?;
        let owner = world.owner(None)?;
        let identity = match parent {
            Some(parent) => block_on(owner.delegate(parent, &self.r#as))?,
            None => block_on(owner.identity(&self.r#as))?,
        };
        world.names.give_new(&self.r#as, Id::Identity(identity));
        Ok(json!({"identity": identity}))
    }
}

/// Lets an agent ask for an identity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BindStep {
    r#as: String,
    to: String,
    runtime: Option<String>,
    job: Option<String>,
}

impl Step for BindStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        world.names.check_free(&self.r#as)?;
        let identity = world.names.find(&self.to)?;
        let runtime = self.runtime.as_deref().unwrap_or("scenario");
        let owner = world.owner(None)?;
        let agent = match &self.job {
            Some(job) => block_on(owner.attempt(identity, job, runtime))?,
            None => block_on(owner.bind(identity, &self.r#as, runtime))?,
        };
        let id = agent.caller().agent();
        world.names.give_new(&self.r#as, Id::Agent(id));
        world.belong(id);
        world.principal()?.keep(agent);
        Ok(json!({"agent": id}))
    }
}

/// Issues a grant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantStep {
    r#as: Option<String>,
    to: String,
    rules: Vec<RuleText>,
    signed_by: Option<SignedBy>,
}

impl Step for GrantStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        if let Some(name) = &self.r#as {
            world.names.check_free(name)?;
        }
        let identity = world.names.find(&self.to)?;
        let rules = grant(&self.rules, &world.names)?;
        let owner = world.owner(self.signed_by.as_ref())?;
        let grant = block_on(owner.grant(identity, rules))?;
        world.names.give_or_count(self.r#as.as_deref(), "grant", Id::Grant(grant));
        Ok(json!({"grant": grant}))
    }
}

/// Makes the application's own policy stricter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HouseStep {
    region: RegionText,
    says: Says,
}

impl Step for HouseStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let region = self.region.read(&world.names)?;
        let rule = HouseRule { region, says: self.says.clone() };
        world.principal()?.house.add(rule);
        Ok(json!({"house": "stricter"}))
    }
}

/// Stops an identity, or everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreezeStep {
    identity: Option<String>,
    signed_by: Option<SignedBy>,
}

impl Step for FreezeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let owner = world.owner(self.signed_by.as_ref())?;
        match &self.identity {
            Some(name) => block_on(owner.freeze(world.names.find(name)?))?,
            None => block_on(owner.freeze_all())?,
        }
        Ok(json!({"frozen": self.identity.as_deref().unwrap_or("everything")}))
    }
}

/// Lets an identity, or everything, go on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnfreezeStep {
    identity: Option<String>,
    signed_by: Option<SignedBy>,
}

impl Step for UnfreezeStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let owner = world.owner(self.signed_by.as_ref())?;
        match &self.identity {
            Some(name) => block_on(owner.unfreeze(world.names.find(name)?))?,
            None => block_on(owner.unfreeze_all())?,
        }
        Ok(json!({"unfrozen": self.identity.as_deref().unwrap_or("everything")}))
    }
}

/// Ends an identity for good.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetireStep {
    identity: String,
    signed_by: Option<SignedBy>,
}

impl Step for RetireStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let identity = world.names.find(&self.identity)?;
        let owner = world.owner(self.signed_by.as_ref())?;
        let archive = block_on(owner.retire(identity))?;
        Ok(json!({"retired": archive.identity, "archive": plain(&archive)}))
    }
}

macro_rules! about_one {
    ($(
        $(#[$doc:meta])*
        $step:ident: $field:ident of $id:ident, $verb:ident, $said:literal;
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $step {
            $field: String,
            signed_by: Option<SignedBy>,
        }

        impl Step for $step {
            fn run(&self, world: &mut World) -> Result<Value, Trouble> {
                let id = world.names.find::<$id>(&self.$field)?;
                block_on(world.owner(self.signed_by.as_ref())?.$verb(id))?;
                Ok(json!({$said: id}))
            }
        }
    )*};
}

about_one! {
    /// Says yes to a question.
    ApproveStep: ticket of TicketId, approve, "approved";
    /// Says no to a question.
    RejectStep: ticket of TicketId, reject, "rejected";
    /// Takes a grant back.
    RevokeStep: grant of GrantId, revoke, "revoked";
    /// Ends an agent's right to ask.
    DismissStep: agent of AgentId, dismiss, "dismissed";
}

/// Shows what a retired identity was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchiveStep {
    identity: String,
}

impl Step for ArchiveStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let identity = world.names.find::<IdentityId>(&self.identity)?;
        let archive = block_on(world.owner(None)?.archive(identity))?;
        Ok(json!({"archive": plain(&archive)}))
    }
}
