//! Commands about one record and all it rests on, in a text that needs nothing else.
use clawnet_core::{AuditRecord, Bundle, Proven};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer::plain, step::Step, trouble::Trouble, world::World};

/// Gathers what proves a record to whoever knows the key that names the ledger.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleStep {
    record: u64,
    under: String,
    r#as: Option<String>,
}

impl Step for BundleStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let under = world.checkpoints.find(&self.under)?.clone();
        let bundle = block_on(world.owner(None)?.bundle(self.record, &under))?;
        let text = bundle.to_string();
        let shows = field(&mut read(&text)?, "/records", |records| {
            let records = records.as_array().into_iter().flatten();
            records.filter_map(|record| record.get("sequence")?.as_u64()).collect::<Vec<_>>()
        })?;
        world.bundles.keep(self.r#as.as_deref(), text)?;
        Ok(json!({"bundle": self.record, "shows": shows}))
    }
}

/// Checks a bundle with the key of an owner's name, as whoever has nothing else does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckBundleStep {
    bundle: String,
    of: Option<String>,
    forge: Option<Forge>,
    without: Option<u64>,
}

/// What is altered before somebody checks it.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forge {
    /// A path of hashes.
    Path,
    /// The time in a record.
    Record,
    /// How many records the checkpoint covers.
    Checkpoint,
    /// Which record it is about.
    Subject,
}

impl Step for CheckBundleStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let founder = match &self.of {
            Some(owner) => world.principal_named(owner)?.public_key(),
            None => world.principal()?.public_key(),
        };
        let mut text = read(world.bundles.find(&self.bundle)?)?;
        self.alter(&mut text)?;
        let bundle: Bundle = text.to_string().parse()?;
        Ok(proven(&bundle.check(founder)?))
    }
}

impl CheckBundleStep {
    fn alter(&self, bundle: &mut Value) -> Result<(), Trouble> {
        if let Some(sequence) = self.without {
            field(bundle, "/records", |records| {
                let Some(records) = records.as_array_mut() else { return };
                records.retain(|record| record.get("sequence") != Some(&sequence.into()));
            })?;
        }
        match self.forge {
            Some(Forge::Path) => field(bundle, "/records/0/path/0", |hash| {
                *hash = "0".repeat(64).into();
            }),
            Some(Forge::Record) => field(bundle, "/records/0/record/at", |at| *at = json!(1)),
            Some(Forge::Subject) => {
                let first = field(bundle, "/records/0/sequence", |first| first.clone())?;
                field(bundle, "/subject", |subject| *subject = first)
            }
            Some(Forge::Checkpoint) => field(bundle, "/checkpoint", |note| {
                let lines: Vec<_> = note.as_str().unwrap_or_default().split('\n').collect();
                let lines = lines.iter().enumerate();
                let longer = lines.map(|(at, line)| if at == 1 { "1000" } else { *line });
                *note = longer.collect::<Vec<_>>().join("\n").into();
            }),
            None => Ok(()),
        }
    }
}

/// What a bundle proves, in short.
fn proven(proven: &Proven) -> Value {
    let at = |record: &Option<AuditRecord>| record.as_ref().map(|record| record.sequence);
    let rules = proven.rules.iter().map(|granted| plain(&granted.rule)).collect::<Vec<_>>();
    json!({
        "owner": plain(&proven.owner),
        "record": proven.subject.sequence,
        "who": proven.who.as_ref().map(|who| format!("{}@{}", who.agent, who.identity)),
        "rules": rules,
        "asked": at(&proven.question),
        "answered": at(&proven.answer),
        "intent": at(&proven.intent),
        "outcome": at(&proven.outcome),
        "under": proven.checkpoint.size,
    })
}

fn read(text: &str) -> Result<Value, Trouble> {
    serde_json::from_str(text).map_err(|error| Trouble::said(&error))
}

/// Does something with a place in a bundle, which every bundle has.
fn field<R>(
    bundle: &mut Value,
    place: &str,
    with: impl FnOnce(&mut Value) -> R,
) -> Result<R, Trouble> {
    let nothing = || Trouble::misread(format!("the bundle has no {place}"));
    bundle.pointer_mut(place).map(with).ok_or_else(nothing)
}
