//! Who said what in a session, as the ledger has it.
use clawnet_core::{Body, Event, Owner};

use super::{Party, PartyError};
use crate::{
    address::Address,
    entry::{SignedEntry, What},
    id::SessionId,
    reason::Reason,
    relations::Relations,
    said::{Came, Evidence, Said},
};

/// One entry of a session, as this ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// What was said, numbered and signed.
    pub entry: SignedEntry,
    /// By whom.
    pub from: Address,
    /// The record that says so.
    pub sequence: u64,
    /// The words, if it is a turn.
    pub spoken: Spoken,
}

/// What there is of the words of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who reads must look at each of them")]
pub enum Spoken {
    /// It was erased, and the entry still verifies.
    Erased,
    /// It has none: turns were drawn, or given back.
    Nothing,
    /// The words.
    Text(String),
}

impl Party {
    /// Everything that was said in a session, in its order.
    pub async fn transcript(
        &self,
        owner: &Owner,
        session: SessionId,
    ) -> Result<Vec<Line>, PartyError> {
        self.check(owner)?;
        let look = self.desk.look(session, |it, _| (it.said.clone(), it.ours(), it.theirs()));
        let (said, ours, theirs) = look.ok_or(Reason::Unknown)?;
        let mut lines = Vec::with_capacity(said.len());
        for sequence in said {
            let record = owner.records(sequence, 1).await?.pop();
            let Some(Event::Declared { fact, .. }) = record.map(|record| record.event) else {
                continue;
            };
            let (entry, from) = match fact.read::<Relations>() {
                Ok(Said::Sent(signed)) => (*signed, ours),
                Ok(Said::Came(came)) => match *came {
                    Came { what: Evidence::Entry(signed), .. } => (signed, theirs),
                    Came { .. } => continue,
                },
                Ok(_) | Err(_) => continue,
            };
            let spoken = match &entry.entry.what {
                What::Turn(turn) => match owner.body(turn.body).await? {
                    Body::Kept(bytes) => Spoken::Text(String::from_utf8_lossy(&bytes).into()),
                    Body::Erased { .. } | Body::Unknown => Spoken::Erased,
                },
                What::Draw { .. } | What::GiveBack { .. } => Spoken::Nothing,
            };
            lines.push(Line { entry, from, sequence, spoken });
        }
        Ok(lines)
    }
}
