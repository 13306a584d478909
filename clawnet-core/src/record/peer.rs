//! What ledgers show one another: their heads, and the proof that two of them cannot both be so.
//!
//! Everything here is checked with an owner's identifier and nothing else: no clock, no store, no
//! other ledger. What it proves it proves of *keys*: whoever holds one that the owner certified
//! speaks for the ledger, even after another took its place. So retired secrets are to be erased,
//! and a ledger that is restored from an older copy and goes on convicts itself.
use serde::{Deserialize, Serialize};

use super::{Act, SignedAct, key_statement};
use crate::{
    fact::Claim,
    id::OwnerId,
    key::PublicKey,
    note::{NoteError, SignedCheckpoint},
    time::Timestamp,
    tree::ConsistencyProof,
};

/// What leads from an owner's first key, which names them, to the key their kernel signs with: each
/// change of the owner's key and one certificate, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Credential {
    /// The acts.
    pub acts: Vec<SignedAct>,
    /// The owner's first key.
    pub founder: PublicKey,
}

/// How often the owner's key may change: what leads from the first to the last is told to others.
pub(crate) const REKEYS_MAX: usize = 64;
/// The greatest size and number that canonical JSON carries exactly.
const NUMBER_MAX: u64 = Timestamp::MAX.as_millis();

impl Credential {
    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.founder.owner()
    }

    /// The kernel's key, if each act is signed by the key that was the owner's then.
    ///
    /// **Refuses** more acts than a ledger has changes of keys, before it checks any, and acts that
    /// are about something else.
    pub fn verify(&self) -> Result<PublicKey, HeadError> {
        let (key, claims) = self.walk()?;
        for (number, claim) in claims {
            claim.verify().map_err(|_| HeadError::Credential { number })?;
        }
        Ok(key)
    }

    /// The signatures it rests on, none of them looked at yet: for projections, which say what a
    /// fact rests on and verify nothing themselves.
    ///
    /// **Refuses** what cannot verify, whatever the signatures are.
    pub fn claims(&self) -> Result<Vec<Claim>, HeadError> {
        let (_, claims) = self.walk()?;
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    /// The kernel's key and, by act, what has to be signed for that.
    fn walk(&self) -> Result<(PublicKey, Vec<(u64, Claim)>), HeadError> {
        if self.acts.len() > REKEYS_MAX + 1 {
            return Err(HeadError::TooManyActs);
        }
        let owner = self.owner();
        let (mut key, mut certified, mut last) = (self.founder, None, 0);
        let mut claims = Vec::with_capacity(2 * self.acts.len());
        for SignedAct { act, number, signature } in &self.acts {
            let refused = HeadError::Credential { number: *number };
            if *number <= last || *number > NUMBER_MAX {
                return Err(refused);
            }
            let statement = SignedAct::statement(owner, *number, act);
            claims.push((*number, Claim { key, statement, signature: *signature }));
            if let Act::Rekey { key: new, proof } = act {
                let statement = key_statement(owner, *number, *new);
                claims.push((*number, Claim { key: *new, statement, signature: *proof }));
                key = *new;
            } else if let (Act::Certify { key }, None) = (act, certified) {
                certified = Some(*key);
            } else {
                return Err(refused);
            }
            last = *number;
        }
        Ok((certified.ok_or(HeadError::NotCertified)?, claims))
    }

    /// The owner's key as of the last of these acts, if this verifies.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        let key = |signed: &SignedAct| {
            if let Act::Rekey { key, .. } = &signed.act { Some(*key) } else { None }
        };
        self.acts.iter().rev().find_map(key).unwrap_or(self.founder)
    }

    /// The kernel's key, if this verifies.
    #[must_use]
    pub fn certified(&self) -> Option<PublicKey> {
        let key = |signed: &SignedAct| {
            if let Act::Certify { key } = &signed.act { Some(*key) } else { None }
        };
        self.acts.iter().find_map(key)
    }

    /// Whether this is `known`, or what became of it by later acts. What a thief signs with a key
    /// that was replaced does not continue what is known of its successor.
    pub(crate) fn continues(&self, known: &Self) -> bool {
        let last = known.acts.last().map_or(0, |signed| signed.number);
        let (before, since) =
            self.acts.split_at(self.acts.partition_point(|signed| signed.number <= last));
        let certifies = |signed: &SignedAct| matches!(signed.act, Act::Certify { .. });
        let replaced = since.iter().any(certifies);
        let kept = known.acts.iter().filter(|signed| !(replaced && certifies(signed)));
        let same =
            |(one, two): (&SignedAct, &SignedAct)| (one.number, &one.act) == (two.number, &two.act);
        self.founder == known.founder
            && before.len() == kept.clone().count()
            && before.iter().zip(kept).all(same)
    }

    /// The number of two different acts, one here and one in `other`.
    fn clash(&self, other: &Self) -> Option<u64> {
        let twice = |one: &&SignedAct| {
            other.acts.iter().any(|two| one.number == two.number && one.act != two.act)
        };
        self.acts.iter().find(twice).map(|signed| signed.number)
    }
}

/// A ledger's head as its kernel shows it to a counterpart.
///
/// The kernel's key signed the checkpoint as the log, and cosigned it with the time it was shown:
/// up to then nothing contradicts it. So two heads with rising times and falling sizes contradict
/// each other, which two bare checkpoints do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Presented {
    /// The size and the root, with both signatures.
    pub checkpoint: SignedCheckpoint,
    /// Why that key speaks for the ledger.
    pub credential: Credential,
}

impl Presented {
    pub(crate) fn new(checkpoint: SignedCheckpoint, credential: Credential) -> Self {
        Self { checkpoint, credential }
    }

    /// Whose head it says it is.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.credential.owner()
    }

    /// Checks every signature, and gives the time it was shown, by its own kernel's clock, to the
    /// second.
    pub fn verify(&self) -> Result<Timestamp, HeadError> {
        let key = self.credential.verify()?;
        shown_at((self.owner(), key), &self.checkpoint)
    }

    /// The same without what others added to the note, which is no part of what was shown.
    pub(crate) fn alone(self) -> Self {
        let Self { checkpoint, credential } = self;
        match credential.certified() {
            Some(key) => Self { checkpoint: checkpoint.by_log_alone(&key), credential },
            None => Self { checkpoint, credential },
        }
    }

    fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size
    }
}

/// When the kernel of this owner, by this key, showed that head.
pub(crate) fn shown_at(
    (owner, key): (OwnerId, PublicKey),
    signed: &SignedCheckpoint,
) -> Result<Timestamp, HeadError> {
    let said = signed.checkpoint();
    if said.owner() != Some(owner) {
        return Err(HeadError::Foreign);
    }
    if !(1..=NUMBER_MAX).contains(&said.size) {
        return Err(HeadError::Size);
    }
    signed.verify(&key)?;
    Ok(signed.cosigned(&said.origin, &key)?)
}

/// Two heads of one ledger that cannot both be so, and what shows it.
///
/// **Promises**, once verified, that keys which the owner certified signed both, and that no ledger
/// kept as ours are kept ever shows both. Anyone can check it, with the owner's identifier alone.
/// **Refuses** to prove anything by two heads shown within one second: their order is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Misbehaviour {
    /// The head of fewer records; for a rollback, the one shown first.
    pub earlier: Presented,
    /// The other.
    pub later: Presented,
    /// What leads to the later root from another past than the earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<ConsistencyProof>,
}

impl Misbehaviour {
    pub(crate) fn new(
        earlier: Presented,
        later: Presented,
        path: Option<ConsistencyProof>,
    ) -> Self {
        Self { earlier, later, path }
    }

    /// Whose.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.earlier.owner()
    }

    /// Checks every signature in it, and what it comes to.
    pub fn verify(&self) -> Result<Offence, HeadError> {
        if self.earlier.credential.founder != self.later.credential.founder {
            return Err(HeadError::Foreign);
        }
        let offence = self.claim().ok_or(HeadError::NoOffence)?;
        let (first, second) = (self.earlier.verify()?, self.later.verify()?);
        let in_order = first < second || !matches!(offence, Offence::Rollback { .. });
        if in_order { Ok(offence) } else { Err(HeadError::NoOffence) }
    }

    /// What it comes to, if the signatures are good and, for a rollback, the times rise.
    pub(crate) fn claim(&self) -> Option<Offence> {
        let (earlier, later) = (self.earlier.checkpoint.checkpoint(), &self.later.checkpoint);
        let later = later.checkpoint();
        let (from, to) = (self.earlier.size(), self.later.size());
        let fork = Offence::Fork { size: from };
        if let Some(path) = &self.path {
            let about = from < to && (path.from(), path.to()) == (from, to);
            let root = about.then(|| path.earlier_root(&later.root)).flatten()?;
            return (root != earlier.root).then_some(fork);
        }
        if from == to && earlier.root != later.root {
            return Some(fork);
        }
        if from > to {
            return Some(Offence::Rollback { from, to });
        }
        let number = self.earlier.credential.clash(&self.later.credential)?;
        Some(Offence::Acts { number })
    }
}

/// What two contradicting heads come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Offence {
    /// Two pasts of so many records.
    Fork {
        /// How many.
        size: u64,
    },
    /// It was shown with fewer records, later.
    Rollback {
        /// How many it had before.
        from: u64,
        /// And then.
        to: u64,
    },
    /// The owner signed two acts about keys in one place.
    Acts {
        /// Their number.
        number: u64,
    },
}

/// Why a head says nothing, or two of them prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The credential has more acts than a ledger has changes of keys.
    #[error("the credential has more than {REKEYS_MAX} changes of the owner's key")]
    TooManyActs,
    /// An act of the credential is out of order, about something else, or not the owner's.
    #[error("act {number} of the credential is not the owner's")]
    Credential {
        /// The number it bears.
        number: u64,
    },
    /// The credential certifies no key.
    #[error("the credential certifies no key")]
    NotCertified,
    /// Checkpoint and credential are of different ledgers.
    #[error("the checkpoint is of another ledger")]
    Foreign,
    /// No ledger has that many records, or one without records has a certified key.
    #[error("no ledger of that size has a head")]
    Size,
    /// A signature of the checkpoint is missing or wrong.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    /// One ledger can have shown both heads.
    #[error("the heads do not contradict each other")]
    NoOffence,
}
