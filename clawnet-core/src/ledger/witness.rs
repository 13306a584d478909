//! Heads across ledgers: showing one's own, and comparing a counterpart's with what it showed
//! before.
//!
//! Every exchange carries the sender's head, and the receiver keeps it. Messages may be lost,
//! repeated and reordered: an honest ledger's sizes and times rise together, so of any two of its
//! heads the later shown has no fewer records and begins with the other. Whoever goes back, or
//! shows different pasts to one counterpart, signs the proof of it.
use std::sync::PoisonError;

use super::{AppendError, CheckpointError, Inner, Ledger, ProofError};
use crate::{
    key::{PublicKey, Signer as _},
    note::{Checkpoint, SignedCheckpoint},
    policy::{ActError, Peer},
    record::{Actor, Credential, Event, HeadError, Misbehaviour, Presented},
    store::{Durability, StoreError},
    time::Timestamp,
    tree::{ConsistencyProof, TreeHash},
    verify::Damage,
};

/// What came of looking at a counterpart's head.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a counterpart that misbehaved is not to be trusted further"]
#[non_exhaustive]
pub struct Witnessed {
    /// What it is, beside what was known.
    pub seen: Seen,
    /// The counterpart's checkpoint with a line of this kernel's: that it saw this head, durably,
    /// and nothing that contradicts it. Only for a head that is new, of a ledger nothing was ever
    /// proven against, and if this kernel has a certified key of its own.
    pub cosigned: Option<SignedCheckpoint>,
}

/// What a counterpart's head is beside the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every caller has to look at each of them")]
pub enum Seen {
    /// The first of this ledger. It is believed, for want of another.
    First,
    /// It continues the last one.
    Grown {
        /// How many records that had.
        from: u64,
    },
    /// It is the last one again.
    Unchanged,
    /// It is from before the last one: an old message. It says nothing about the present.
    Older,
    /// It contradicts the last one. The first such proof is in the ledger, among the security
    /// events; show it to whoever should know.
    Misbehaved(Box<Misbehaviour>),
}

/// Why a counterpart's head was not taken. It accuses nobody, and nothing was recorded.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// It does not verify.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It has more records than the last one: the counterpart is to prove that it begins with
    /// those, by [`Kernel::prove_growth`](crate::Kernel::prove_growth).
    #[error("a proof that {to} records begin with {from} is needed")]
    NeedsProof {
        /// How many records the last one had.
        from: u64,
        /// How many this one has.
        to: u64,
    },
    /// The path leads from neither past to this head.
    #[error("the proof does not lead to the head")]
    NotProven,
    /// It is signed by a key that the owner had replaced already, or under acts that do not
    /// continue those that are known: by a thief, perhaps.
    #[error("the credential does not continue the one that is known")]
    Outdated,
    /// It is a head of this ledger itself, and fits it.
    #[error("the head is one of this ledger")]
    Ourselves,
    /// It is a head of this ledger itself, which does not hold it: it was put back, or another
    /// copy goes on with its keys. Nothing is permitted any more.
    #[error("this ledger lost what it signed: {0}")]
    Lost(Damage),
    /// It cannot be recorded.
    #[error(transparent)]
    Act(ActError),
    /// The ledger cannot be read or written.
    #[error("the ledger failed: {0}")]
    Store(#[from] StoreError),
}

impl From<AppendError> for WitnessError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Act(error) => Self::Act(error),
            AppendError::Store(error) => Self::Store(error),
        }
    }
}

impl Ledger {
    /// Signs a checkpoint of all there is, records it, durably, and shows it as of now.
    pub(crate) async fn present(&self) -> Result<Presented, CheckpointError> {
        let (presented, appended) = {
            let mut level = self.level().await?;
            let signed = self.sign(&level)?;
            let inner = &mut level.inner;
            // INVARIANT: the time is at most that of the record, and shown only once that is
            // durable. So no later head, of this run or the next, has an earlier time.
            let cosigned = self.cosign(inner, signed.clone(), None);
            let Some(checkpoint) = cosigned else { return Err(CheckpointError::NoKey) };
            let acts = inner.state.credential.clone();
            let credential = Credential { acts, founder: inner.state.founder };
            let event = Event::Checkpoint(signed);
            let appended = self.seal(inner, &event, Durability::Durable)?;
            (Presented::new(checkpoint, credential), appended)
        };
        self.settle(appended).await?;
        Ok(presented)
    }

    /// Compares a counterpart's head with the last one, and records what is new.
    pub(crate) async fn witness(
        &self,
        shown: &Presented,
        proof: Option<&ConsistencyProof>,
    ) -> Result<Witnessed, WitnessError> {
        let at = shown.verify()?;
        let peer = shown.owner();
        if peer == self.owner {
            return Err(self.meet_itself(shown.checkpoint.checkpoint()).await);
        }
        let shown = shown.clone().alone();
        let (witnessed, appended) = {
            let mut inner = self.lock()?;
            let known = inner.state.peers.get(&peer);
            let seen = judge(known, (&shown, at), proof)?;
            let Some(event) = to_record(known, &seen, &shown) else {
                return Ok(Witnessed { seen, cosigned: None });
            };
            let unmarked = known.is_none_or(|known| known.misbehaved.is_none());
            let about = (Actor::Kernel, &event);
            let appended = self.append(&mut inner, about, Durability::Durable)?;
            let sound = unmarked && !matches!(seen, Seen::Misbehaved(_));
            let key = shown.credential.certified();
            let cosigned = sound.then(|| self.cosign(&inner, shown.checkpoint, key)).flatten();
            (Witnessed { seen, cosigned }, appended)
        };
        self.settle(appended).await?;
        Ok(witnessed)
    }

    /// Cosigns as this ledger's kernel, at the present, if the owner certified the key. Not what is
    /// of a log with that very key: its line could be taken for the log's own.
    fn cosign(
        &self,
        inner: &Inner,
        checkpoint: SignedCheckpoint,
        other: Option<PublicKey>,
    ) -> Option<SignedCheckpoint> {
        let signer = self.signer.lock().unwrap_or_else(PoisonError::into_inner);
        let certified = inner.state.kernel_key.filter(|key| Some(*key) != other);
        let key = signer.as_ref().filter(|key| Some(key.public_key()) == certified)?;
        let name = Checkpoint::of(self.owner, 0, TreeHash::EMPTY).origin;
        checkpoint.cosign(key, &name, self.tick(inner)).ok()
    }

    /// Somebody shows this ledger a head of its own.
    async fn meet_itself(&self, said: &Checkpoint) -> WitnessError {
        match self.lacks(said).await {
            Ok(None) => WitnessError::Ourselves,
            Ok(Some(damage)) => {
                let position = format!("record {}", damage.sequence);
                self.fail(StoreError::Damaged { position, what: damage.what.clone() });
                WitnessError::Lost(damage)
            }
            Err(error) => WitnessError::Store(error),
        }
    }

    /// What is missing of a checkpoint that was signed here, if the ledger does not hold it as it
    /// was.
    pub(super) async fn lacks(&self, said: &Checkpoint) -> Result<Option<Damage>, StoreError> {
        let what = if said.owner() == Some(self.owner) {
            match self.root_at(said.size).await {
                Ok(root) if root == said.root => return Ok(None),
                Err(ProofError::Store(error)) => return Err(error),
                Err(ProofError::Outside { size, .. }) => {
                    let what = format!("a checkpoint of {} records was signed", said.size);
                    return Ok(Some(Damage { sequence: size.saturating_add(1), what }));
                }
                Ok(_) | Err(ProofError::Foreign) => "it, or one before it, is not what was signed",
            }
        } else {
            "the checkpoint that is remembered is of another ledger"
        };
        Ok(Some(Damage { sequence: said.size, what: what.into() }))
    }
}

/// What a head is beside what is known.
fn judge(
    known: Option<&Peer>,
    (shown, at): (&Presented, Timestamp),
    proof: Option<&ConsistencyProof>,
) -> Result<Seen, WitnessError> {
    let Some(known) = known else { return Ok(Seen::First) };
    let (old, new) = (known.head.checkpoint.checkpoint(), shown.checkpoint.checkpoint());
    let (from, to) = (old.size.min(new.size), old.size.max(new.size));
    // A proof of something else, asked for before another message came, is none.
    let proof = proof.filter(|proof| from < to && (proof.from(), proof.to()) == (from, to));
    if let Some(found) = contradiction(known, (shown, at), proof) {
        return Ok(Seen::Misbehaved(Box::new(found)));
    }
    if new.size == old.size {
        return Ok(Seen::Unchanged);
    }
    if new.size < old.size {
        return Ok(Seen::Older);
    }
    // First of all the pasts are compared: whoever goes on from another is not let off with a
    // credential that leads nowhere.
    let proof = proof.ok_or(WitnessError::NeedsProof { from, to })?;
    proof.verify(&old.root, &new.root).map_err(|_| WitnessError::NotProven)?;
    if shown.credential.continues(&known.head.credential) {
        Ok(Seen::Grown { from })
    } else {
        Err(WitnessError::Outdated)
    }
}

/// The proof that a head and the last one cannot both be so, if there is one.
fn contradiction(
    known: &Peer,
    (shown, at): (&Presented, Timestamp),
    proof: Option<&ConsistencyProof>,
) -> Option<Misbehaviour> {
    let (last, size) = (&known.head, |head: &Presented| head.checkpoint.checkpoint().size);
    let rising = if size(last) <= size(shown) { (last, shown) } else { (shown, last) };
    let in_time = if known.at < at { (last, shown) } else { (shown, last) };
    let went_back = known.at != at && size(in_time.0) > size(in_time.1);
    let with = |(earlier, later): (&Presented, &Presented), path: Option<&ConsistencyProof>| {
        let found = Misbehaviour::new(earlier.clone(), later.clone(), path.cloned());
        found.claim().map(|_| found)
    };
    let rolled_back = went_back.then(|| with(in_time, None)).flatten();
    let forked = || proof.and_then(|proof| with(rising, Some(proof)));
    rolled_back.or_else(forked).or_else(|| with(rising, None))
}

/// What is to be written down of it: a head that is new, and the first proof against somebody.
fn to_record(known: Option<&Peer>, seen: &Seen, shown: &Presented) -> Option<Event> {
    match seen {
        Seen::Misbehaved(found) => {
            let first = known.is_some_and(|known| known.misbehaved.is_none());
            first.then(|| Event::Misbehaved(found.clone()))
        }
        Seen::First | Seen::Grown { .. } => {
            let same = known.is_some_and(|known| known.head.credential == shown.credential);
            let credential = (!same).then(|| shown.credential.clone());
            Some(Event::Witnessed { checkpoint: shown.checkpoint.clone(), credential })
        }
        Seen::Unchanged | Seen::Older => None,
    }
}

#[cfg(test)]
mod tests;
