//! What identities and agents are called, as far as the records that were read tell.
use std::collections::HashMap;

use clawnet_core::{Act, Actor, AgentId, AuditRecord, Event, Frame, IdentityId};

use crate::{stop::Stop, text::shortened, view::View};

/// Names by identifier: for people, who do not remember identifiers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    agents: HashMap<AgentId, String>,
    identities: HashMap<IdentityId, String>,
}

impl Names {
    /// What the records before `until` call whom, of a ledger that is not too long to look.
    pub(crate) async fn before(view: &View, until: u64) -> Result<Self, Stop> {
        let mut names = Self::default();
        let mut next = 1;
        while next < until.min(LOOKED_AT_MAX) {
            let Ok(frames) = view.read(next).await else { break };
            let Some(last) = frames.last() else { break };
            next = last.sequence + 1;
            for frame in
                frames.iter().filter(|frame| frame.sequence < until && names_somebody(frame))
            {
                if let Ok(record) = AuditRecord::from_frame(frame) {
                    names.learn(&record);
                }
            }
        }
        Ok(names)
    }

    /// Takes down whom a record names.
    pub(crate) fn learn(&mut self, record: &AuditRecord) {
        match &record.event {
            Event::Delegated { identity, name, .. } => {
                self.identities.insert(*identity, name.clone());
            }
            Event::Act(signed) => match &signed.act {
                Act::Bind { agent, name, .. } => {
                    self.agents.insert(*agent, name.clone());
                }
                Act::Identity { identity, name, .. } => {
                    self.identities.insert(*identity, name.clone());
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Who caused a record, in a word.
    pub(crate) fn of(&self, actor: &Actor) -> String {
        match actor {
            Actor::Agent { agent, .. } => {
                self.agents.get(agent).cloned().unwrap_or_else(|| shortened(&agent.to_string()))
            }
            other => other.role().to_owned(),
        }
    }

    /// The text, with names in the place of the identifiers that have one.
    pub(crate) fn spoken(&self, text: &str) -> String {
        let mut spoken = String::with_capacity(text.len());
        for word in text.split_inclusive(' ') {
            let id = word.trim_end_matches([' ', ',', ';', ':']);
            let identity = id.parse().ok().and_then(|id| self.identities.get(&id));
            match identity.or_else(|| self.agents.get(&id.parse().ok()?)) {
                Some(name) => {
                    spoken.extend(["`", name, "`"]);
                    spoken.push_str(word.get(id.len()..).unwrap_or_default());
                }
                None => spoken.push_str(word),
            }
        }
        spoken
    }
}

/// Whether a record may name somebody: nearly none does.
fn names_somebody(frame: &Frame) -> bool {
    let by_owner = frame.payload.starts_with(br#"{"actor":"owner""#);
    by_owner || frame.payload.windows(12).take(128).any(|found| found == br#""delegated":"#)
}

/// Beyond this many records, identifiers have to do.
const LOOKED_AT_MAX: u64 = 100_000;
