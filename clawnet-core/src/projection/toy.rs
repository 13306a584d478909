//! A projection for tests: a tally that anybody may add to, and errands that agents run.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{About, Projection};
use crate::{
    cause::{Cause, Confinement},
    fact::{Claim, Misfit},
    id::OwnerId,
    key::{PublicKey, Signature},
    record::{Actor, Event},
    rule::Grant,
};

/// What was counted, and which errands are open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) counted: u64,
    owner: OwnerId,
    /// How many records that are no facts there were.
    pub(crate) seen: u64,
    /// Open intents, as far as it was told.
    pub(crate) intents: u64,
    /// By name, since when, by which record, and within which rules.
    errands: BTreeMap<String, (u64, Vec<(u64, Grant)>)>,
    /// What facts are signed by, if not by anybody.
    pub(crate) signer: Option<PublicKey>,
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Told {
    /// So many more, not none.
    Add { by: u64 },
    /// An errand is open, within these rules: all of them at once.
    Errand { name: String, rules: Vec<Grant> },
    /// An errand is over.
    Over { name: String },
    /// No intent is open.
    Idle,
    /// Only the owner can say this.
    Ours,
    /// Panics while it is: read 0, claimed 1, checked 2, folded 3.
    Panic { when: u8 },
    /// So many more, and signed.
    Signed { by: u64, key: PublicKey, signature: Signature },
    /// From here on this key signs.
    Signer { key: PublicKey },
}

pub(crate) fn errand(name: &str, number: u64) -> Cause {
    Cause::new("tally", name, number).unwrap()
}

pub(crate) fn statement(by: u64) -> Vec<u8> {
    format!("toy tally v1\n{by}").into_bytes()
}

fn panic_at(when: u8, fact: &Told) {
    assert!(*fact != Told::Panic { when }, "as told");
}

impl Projection for Tally {
    const NAME: &'static str = "tally";
    type Fact = Told;

    fn begin(owner: OwnerId) -> Self {
        let (counted, seen, intents, errands) = (0, 0, 0, BTreeMap::new());
        Self { counted, owner, seen, intents, errands, signer: None }
    }

    fn claims(&self, fact: &Told, _: Actor) -> Result<Vec<Claim>, Misfit> {
        panic_at(1, fact);
        let Told::Signed { by, key, signature } = fact else { return Ok(Vec::new()) };
        let key = self.signer.unwrap_or(*key);
        Ok(vec![Claim { key, statement: statement(*by), signature: *signature }])
    }

    fn check(&self, fact: &Told, about: &About<'_>) -> Result<(), Misfit> {
        panic_at(2, fact);
        let misfit = |code| Err(Misfit::new(code, "it does not fit"));
        match fact {
            Told::Add { by: 0 } | Told::Signed { by: 0, .. } => misfit("nothing"),
            Told::Ours if about.actor() != Actor::Owner => misfit("not_ours"),
            Told::Idle if self.intents > 0 => misfit("busy"),
            Told::Over { name } if !self.errands.contains_key(name) => misfit("unknown"),
            Told::Add { .. }
            | Told::Errand { .. }
            | Told::Idle
            | Told::Ours
            | Told::Over { .. }
            | Told::Panic { .. }
            | Told::Signed { .. }
            | Told::Signer { .. } => Ok(()),
        }
    }

    fn fold(&mut self, fact: &Told, about: &About<'_>) {
        panic_at(3, fact);
        match fact {
            Told::Add { by } | Told::Signed { by, .. } => self.counted += by,
            Told::Errand { name, rules } => {
                let at = about.sequence();
                let rules = rules.iter().map(|rules| (at, rules.clone())).collect();
                self.errands.insert(name.clone(), (at, rules));
            }
            Told::Over { name } => drop(self.errands.remove(name)),
            Told::Signer { key } => self.signer = Some(*key),
            Told::Idle | Told::Ours | Told::Panic { .. } => {}
        }
    }

    fn is_security_event(fact: &Told) -> bool {
        matches!(fact, Told::Over { .. })
    }

    fn observe(&mut self, event: &Event, about: &About<'_>) {
        self.seen += 1;
        if let Event::Intent(_) = event {
            assert!(about.open_intent(about.sequence()).is_some());
            self.intents += 1;
        } else if let Event::Outcome(outcome) = event {
            assert!(about.open_intent(outcome.intent).is_none());
            self.intents -= 1;
        }
    }

    fn confine(&self, cause: &Cause) -> Option<Confinement> {
        let (epoch, mandates) = self.errands.get(cause.name())?.clone();
        Some(Confinement { epoch, mandates })
    }
}
