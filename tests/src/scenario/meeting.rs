//! Commands between owners: heads that are shown, looked at and compared, and what they prove.
use clawnet_core::{HeadError, Misbehaviour, Offence, Seen, WitnessError, Witnessed};
use futures::executor::block_on;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{answer::plain, step::Step, trouble::Trouble, world::World};

/// Shows the head of a ledger, as of now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresentStep {
    r#as: String,
}

impl Step for PresentStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let shown = block_on(world.principal()?.opened()?.kernel.present())?;
        let size = shown.checkpoint.checkpoint().size;
        world.heads.keep(Some(&self.r#as), sent(&shown)?)?;
        Ok(json!({"shown": size}))
    }
}

/// Looks at the head that somebody else showed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WitnessStep {
    head: String,
    r#as: Option<String>,
    proof: Option<bool>,
}

impl Step for WitnessStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let shown = world.heads.find(&self.head)?.clone();
        let looked = block_on(world.principal()?.opened()?.kernel.witness(&shown, None));
        let Witnessed { seen, cosigned, .. } = match looked {
            Err(WitnessError::NeedsProof { from, .. }) if self.proof.unwrap_or(true) => {
                let theirs = &world.principal_with(shown.owner())?.opened()?.kernel;
                let proof = sent(&block_on(theirs.prove_growth(from, &shown.checkpoint))?)?;
                let kernel = &world.principal()?.opened()?.kernel;
                block_on(kernel.witness(&shown, Some(&proof)))?
            }
            looked => looked?,
        };
        let seen = match seen {
            Seen::First => json!("first"),
            Seen::Grown { from } => json!({"grown": {"from": from}}),
            Seen::Unchanged => json!("unchanged"),
            Seen::Older => json!("older"),
            Seen::Misbehaved(proof) => {
                let offence = offence(proof.verify()?);
                world.accusations.keep(self.r#as.as_deref(), sent(&*proof)?)?;
                json!({"misbehaved": offence})
            }
        };
        Ok(json!({"seen": seen, "cosigned": cosigned.is_some()}))
    }
}

/// Whom an owner's kernel has met.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeersStep {}

impl Step for PeersStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let peers = world.owner(None)?.peers();
        let rows = peers.iter().map(|peer| {
            json!({
                "owner": plain(&peer.owner),
                "size": peer.size,
                "at": peer.at,
                "record": peer.record,
                "misbehaved": peer.misbehaved,
            })
        });
        Ok(json!({"peers": rows.collect::<Vec<_>>()}))
    }
}

/// Checks the proof that somebody misbehaved, as a stranger does: with nothing else at hand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckMisbehaviourStep {
    proof: String,
    forge: Option<Forge>,
}

/// What is altered before somebody checks it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forge {
    /// The two heads in each other's place.
    Order,
    /// What leads from one past to the other is left out.
    Path,
    /// The same head twice.
    Twice,
    /// The acts that say why the key counts are left out.
    Credential,
}

impl Step for CheckMisbehaviourStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let mut proof = world.accusations.find(&self.proof)?.clone();
        match self.forge {
            Some(Forge::Order) => std::mem::swap(&mut proof.earlier, &mut proof.later),
            Some(Forge::Path) => proof.path = None,
            Some(Forge::Twice) => proof.earlier = proof.later.clone(),
            Some(Forge::Credential) => proof.later.credential.acts.clear(),
            None => {}
        }
        let found: Result<Offence, HeadError> = sent::<Misbehaviour>(&proof)?.verify();
        Ok(json!({"owner": plain(&proof.owner()), "offence": offence(found?)}))
    }
}

fn offence(offence: Offence) -> Value {
    match offence {
        Offence::Fork { size } => json!({"fork": {"size": size}}),
        Offence::Rollback { from, to } => json!({"rollback": {"from": from, "to": to}}),
        Offence::Acts { number } => json!({"acts": {"number": number}}),
        _ => json!("unknown"),
    }
}

/// Between owners everything is a text: written here, read there.
fn sent<T: Serialize + DeserializeOwned>(thing: &T) -> Result<T, Trouble> {
    let read = serde_json::to_string(thing).and_then(|text| serde_json::from_str(&text));
    read.map_err(|error| Trouble::said(&error))
}
