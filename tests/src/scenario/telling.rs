//! Commands that ask what became of sessions, at one ledger or at both.
use clawnet_core::{Event, Owner};
use clawnet_net::{Dialogue, Line, Reason, Refused, Relations, Said, Side, Spoken, Standing, What};
use futures::executor::block_on;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer::plain, parties::decided, step::Step, trouble::Trouble, world::World};

/// How a session stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionStep {
    by: Option<String>,
    session: String,
    r#as: Option<String>,
}

impl Step for SessionStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let party = world.party(self.by.as_deref())?;
        let Some(dialogue) = party.session(session) else { return Ok(json!({"session": null})) };
        let wording = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
        world.wordings.keep(self.r#as.as_deref(), wording.digest)?;
        Ok(json!({"session": stands(&dialogue)}))
    }
}

fn stands(dialogue: &Dialogue) -> Value {
    let terms = dialogue.terms();
    let whose = |side: Side| if side == dialogue.role { "ours" } else { "theirs" };
    let amended = dialogue.amended.as_ref().map(|wording| {
        json!({
            "revision": wording.terms.revision,
            "turns_max": wording.terms.turns_max,
            "agreed": {"ours": wording.ours.is_some(), "theirs": wording.theirs.is_some()},
        })
    });
    let wording = &dialogue.wording;
    json!({
        "standing": standing(dialogue.standing()),
        "role": dialogue.role,
        "topic": terms.topic,
        "ours": plain(&dialogue.ours()),
        "theirs": plain(&dialogue.theirs()),
        "parent": plain(&terms.parent()),
        "depth": terms.depth(),
        "revision": terms.revision,
        "agreed": {"ours": wording.ours.is_some(), "theirs": wording.theirs.is_some()},
        "amended": amended,
        "turns_max": terms.turns_max,
        "used": dialogue.used,
        "set_aside": dialogue.set_aside(),
        "left": dialogue.left(),
        "last": dialogue.last,
        "floor": whose(dialogue.floor),
        "pauses": {"ours": dialogue.pauses.ours, "theirs": dialogue.pauses.theirs},
        "speaker": plain(&dialogue.speaker),
        "released": dialogue.released.is_some(),
    })
}

fn standing(standing: Standing) -> Value {
    match standing {
        Standing::Invited => json!("invited"),
        Standing::Open => json!("open"),
        Standing::Paused => json!("paused"),
        Standing::Ended(ending) => json!({"ended": ending}),
    }
}

/// Who said what, as one ledger has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TranscriptStep {
    by: Option<String>,
    session: String,
}

impl Step for TranscriptStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let (party, owner) = world.hand(self.by.as_deref())?;
        let lines = block_on(party.transcript(&owner, session));
        decided(lines, |lines| json!({"lines": lines.iter().map(line).collect::<Vec<_>>()}))
    }
}

fn line(line: &Line) -> Value {
    let (what, mark) = match &line.entry.entry.what {
        What::Turn(turn) => (json!("turn"), plain(&turn.mark)),
        What::Draw { child, turns } => (json!({"draw": child, "turns": turns}), Value::Null),
        What::GiveBack { child, used } => (json!({"give_back": child, "used": used}), Value::Null),
    };
    let text = match &line.spoken {
        Spoken::Text(text) => json!(text),
        Spoken::Erased => json!({"erased": true}),
        Spoken::Nothing => Value::Null,
    };
    json!({
        "number": line.entry.entry.number,
        "from": line.from.to_string(),
        "what": what,
        "mark": mark,
        "text": text,
    })
}

/// Holds the two ledgers of a session side by side.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SameStoryStep {
    session: String,
}

impl Step for SameStoryStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let mut told = Vec::new();
        for name in world.everybody() {
            let Ok((party, owner)) = world.hand(Some(&name)) else { continue };
            if let Some(dialogue) = party.session(session) {
                let lines = block_on(party.transcript(&owner, session));
                let lines = lines.map_err(|error| Trouble::said(&error))?;
                told.push((name, dialogue, lines));
            }
        }
        let [(one, ours, here), (other, theirs, there)] = told.as_slice() else {
            return Err(Trouble::Said("it takes two ledgers that hold the session".into()));
        };
        let differ = |line: &(&Line, &Line)| {
            let same = |line: &Line| (line.entry.clone(), line.from, line.spoken.clone());
            same(line.0) != same(line.1)
        };
        let parts = here.iter().zip(there).find(differ).map(|(line, _)| line.entry.entry.number);
        let counted = |dialogue: &Dialogue| (dialogue.used, dialogue.last, dialogue.set_aside());
        let same = parts.is_none() && here.len() == there.len() && counted(ours) == counted(theirs);
        Ok(json!({
            "same": same,
            "parts_at": parts,
            "entries": {one: here.len(), other: there.len()},
            "used": {one: ours.used, other: theirs.used},
        }))
    }
}

/// What a session beneath another came to, if its far end let it be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultStep {
    by: Option<String>,
    session: String,
}

impl Step for ResultStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let session = world.session(&self.session)?;
        let party = world.party(self.by.as_deref())?;
        Ok(json!({"result": block_on(party.result(session))?}))
    }
}

/// What a ledger says was refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusalsStep {
    by: Option<String>,
    reason: Option<Reason>,
}

impl Step for RefusalsStep {
    fn run(&self, world: &mut World) -> Result<Value, Trouble> {
        let (_, owner) = world.hand(self.by.as_deref())?;
        let all = refusals(&owner, 1)?.into_iter();
        let wanted = all.filter(|it| self.reason.is_none_or(|reason| reason == it.reason));
        Ok(json!({"refusals": wanted.map(|it| written(&it)).collect::<Vec<_>>()}))
    }
}

fn written(refused: &Refused) -> Value {
    json!({
        "reason": refused.reason,
        "count": refused.count,
        "peer": plain(&refused.peer),
        "session": plain(&refused.session),
        "proof": refused.heads.is_some(),
    })
}

/// What a ledger says was refused, from a record on.
pub(super) fn refusals(owner: &Owner, from: u64) -> Result<Vec<Refused>, Trouble> {
    let records = block_on(owner.records(from, usize::MAX))?;
    let each = records.into_iter().filter_map(|record| {
        let Event::Declared { fact, .. } = record.event else { return None };
        let Ok(Said::Refused(refused)) = fact.read::<Relations>() else { return None };
        Some(refused)
    });
    Ok(each.collect())
}
