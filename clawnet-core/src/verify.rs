//! Checking a ledger record by record, with the owner's key and nothing else.
//!
//! What an outsider needs: it trusts no store, no kernel and no state. [`format`](mod@crate::format)
//! says the same for any language.
use std::{collections::BTreeMap, fmt};

use crate::{
    digest::Digest,
    id::OwnerId,
    key::{PublicKey, Signature},
    note::SignedCheckpoint,
    record::{
        Act, Actor, AuditRecord, Credential, Event, SignedAct, chain, key_statement, shown_at,
    },
    store::{Frame, Head},
    tree::{Frontier, TreeHash},
};

/// Checks one ledger from its first record on, in order.
///
/// **Promises** that every record it lets pass stands at its place in the one chain, that every
/// act of the owner among them was signed by the key that was the owner's then, and every
/// checkpoint by the kernel's key that the owner had certified, over the tree that was there; and
/// that every head of a counterpart, and every proof against one, bears the signatures it needs.
/// **Refuses** the first record of which any of that is not so, and everything after it.
///
/// It does not judge again whether the kernel decided rightly: opening a ledger does.
#[derive(Debug, Clone)]
pub struct Verifier {
    keys: Keys,
    /// The kernels' keys of those whose heads are in the ledger.
    peers: BTreeMap<OwnerId, PublicKey>,
    checkpoints: u64,
    head: Head,
    at: u64,
    tree: Frontier,
    damage: Option<Damage>,
}

impl Verifier {
    /// Of the ledger that began with the owner's key `founder`.
    #[must_use]
    pub fn new(founder: PublicKey) -> Self {
        Self {
            keys: Keys::of(founder),
            peers: BTreeMap::new(),
            checkpoints: 0,
            head: Head::EMPTY,
            at: 0,
            tree: Frontier::default(),
            damage: None,
        }
    }

    /// Checks the next record.
    pub fn check(&mut self, frame: &Frame) -> Result<(), Damage> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        self.check_next(frame).map_err(|what| {
            let damage = Damage { sequence: self.head.sequence.saturating_add(1), what };
            self.damage.insert(damage).clone()
        })
    }

    /// What was found so far.
    #[must_use]
    pub fn found(&self) -> Verification {
        Verification {
            records: self.head.sequence,
            head: self.head.hash,
            root: self.tree.root(),
            acts: self.keys.acts,
            checkpoints: self.checkpoints,
            damage: self.damage.clone(),
        }
    }

    /// The last record that is as it was written.
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// The kernel's key that is in force after what was checked.
    #[must_use]
    pub fn kernel_key(&self) -> Option<PublicKey> {
        self.keys.kernel
    }

    fn check_next(&mut self, frame: &Frame) -> Result<(), String> {
        follows(self.keys.owner, self.head, frame)?;
        let (at, name) = front_of(&frame.payload).ok_or("it does not begin like a record")?;
        if at < self.at {
            return Err("its time is before the record before it".into());
        }
        let by_agent = frame.payload.starts_with(AGENT_PREFIX) && BY_AGENTS.contains(&name);
        if !by_agent || frame.sequence == 1 {
            let record = AuditRecord::from_frame(frame).map_err(|error| error.what)?;
            self.check_event(&record)?;
        }
        self.tree.push(TreeHash::leaf(frame.sequence, frame.hash), |_, _| ());
        (self.at, self.head) = (at, Head::after(frame));
        Ok(())
    }

    fn check_event(&mut self, record: &AuditRecord) -> Result<(), String> {
        let first = record.sequence == 1;
        match (&record.event, record.actor) {
            (Event::Opened { format, key }, Actor::Kernel) => {
                check_opening((record.sequence, self.keys.owner), *format, *key)
            }
            _ if first => Err(NO_OPENING.into()),
            (Event::Act(signed), Actor::Owner) => self.check_act(signed),
            (Event::Checkpoint(signed), Actor::Kernel) => {
                check_checkpoint((self.keys.owner, self.keys.kernel), &self.tree, signed)?;
                self.checkpoints += 1;
                Ok(())
            }
            (Event::Misbehaved(proof), Actor::Kernel) => {
                proof.verify().map(drop).map_err(|error| error.to_string())
            }
            (Event::Witnessed { checkpoint, credential }, Actor::Kernel) => {
                self.check_witnessed(checkpoint, credential.as_ref())
            }
            (
                Event::Declared { .. }
                | Event::Erased { .. }
                | Event::Outcome(_)
                | Event::Recalled { .. }
                | Event::Recovered { .. },
                Actor::Kernel,
            ) => Ok(()),
            (Event::Snapshot { signature, state }, Actor::Kernel) => {
                let (owner, kernel) = (self.keys.owner, self.keys.kernel);
                let statement = Event::snapshot_statement(owner, record.sequence, *state);
                check_snapshot(kernel, (&statement, signature))
            }
            _ => Err(format!("it is not the {}'s to cause", record.actor.role())),
        }
    }

    /// A counterpart's kernel signed the head, by the last credential there was for it.
    fn check_witnessed(
        &mut self,
        signed: &SignedCheckpoint,
        credential: Option<&Credential>,
    ) -> Result<(), String> {
        let peer = signed.checkpoint().owner().ok_or("it saw the head of no ledger")?;
        let key = match credential {
            Some(shown) if shown.owner() != peer => Err("the credential is of another ledger")?,
            Some(shown) => shown.verify().map_err(|error| error.to_string())?,
            None => *self.peers.get(&peer).ok_or("it saw a head without a credential")?,
        };
        shown_at((peer, key), signed).map_err(|error| error.to_string())?;
        self.peers.insert(peer, key);
        Ok(())
    }

    fn check_act(&mut self, signed: &SignedAct) -> Result<(), String> {
        let number = self.keys.acts.saturating_add(1);
        if signed.number != number {
            return Err(format!("act {} stands in the place of act {number}", signed.number));
        }
        self.keys.take(signed)
    }
}

/// Whose word counts: the keys in force after some acts of the owner.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys {
    pub(crate) owner: OwnerId,
    key: PublicKey,
    /// What the kernel signs with, if the owner certified anything.
    pub(crate) kernel: Option<PublicKey>,
    /// The number of the last act.
    pub(crate) acts: u64,
}

impl Keys {
    /// Before the first act.
    pub(crate) fn of(founder: PublicKey) -> Self {
        Self { owner: founder.owner(), key: founder, kernel: None, acts: 0 }
    }

    /// Checks that the owner signed this at its number, and goes on from it. Which number may be
    /// next is the caller's to say.
    pub(crate) fn take(&mut self, signed: &SignedAct) -> Result<(), String> {
        let SignedAct { act, number, signature } = signed;
        let statement = SignedAct::statement(self.owner, *number, act);
        self.key.verify(&statement, signature).map_err(|_| "its signature is not the owner's")?;
        if let Act::Certify { key } = act {
            self.kernel = Some(*key);
        }
        if let Act::Rekey { key, proof } = act {
            let agreed = key.verify(&key_statement(self.owner, *number, *key), proof);
            agreed.map_err(|_| "the new key did not agree")?;
            self.key = *key;
        }
        self.acts = *number;
        Ok(())
    }
}

/// What verifying a ledger found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// How many records are as they were written, from the first on.
    pub records: u64,
    /// The chain hash of the last of them.
    pub head: Digest,
    /// The root of the tree over them.
    pub root: TreeHash,
    /// How many acts of the owner are among them, each with a valid signature.
    pub acts: u64,
    /// How many checkpoints are among them, each signed by the certified key of its time.
    pub checkpoints: u64,
    /// Where it breaks, if it does.
    pub damage: Option<Damage>,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, acts, checkpoints, head, .. } = self;
        write!(f, "{records} records, {acts} acts, {checkpoints} checkpoints, head {head}")?;
        self.damage.as_ref().map_or(Ok(()), |damage| write!(f, "; {damage}"))
    }
}

/// Where a ledger is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("the ledger breaks at record {sequence}: {what}")]
pub struct Damage {
    /// The first record that is wrong; those before it are as they were written.
    pub sequence: u64,
    /// What is wrong with it.
    pub what: String,
}

/// The version of the record format.
pub(crate) const FORMAT: u16 = 1;

/// Whether `frame` is what was appended behind `head`.
pub(crate) fn follows(owner: OwnerId, head: Head, frame: &Frame) -> Result<(), String> {
    if frame.sequence != head.sequence.saturating_add(1) {
        return Err(format!("record {} stands in its place", frame.sequence));
    }
    if chain(owner, frame.sequence, head.hash, &frame.payload) == frame.hash {
        Ok(())
    } else {
        Err("its content does not have its hash".into())
    }
}

/// Whether this opens the ledger of `owner`, at its beginning.
pub(crate) fn check_opening(
    (sequence, owner): (u64, OwnerId),
    format: u16,
    key: PublicKey,
) -> Result<(), String> {
    if format != FORMAT {
        return Err(format!("format {format} is unknown"));
    }
    let opens = sequence == 1 && key.owner() == owner;
    if opens { Ok(()) } else { Err("it opens a ledger of somebody else".into()) }
}

/// What is said of a first record that opens nothing.
pub(crate) const NO_OPENING: &str = "it does not open a ledger";

/// Whether the kernel signed the digest of a kept state.
pub(crate) fn check_snapshot(
    kernel_key: Option<PublicKey>,
    (statement, signature): (&[u8], &Signature),
) -> Result<(), String> {
    let key = kernel_key.ok_or("its state is kept by a key the owner never certified")?;
    key.verify(statement, signature).map_err(|_| "its state is not signed by the kernel".into())
}

/// Whether a checkpoint in the ledger is of the tree over everything before it, by the kernel.
pub(crate) fn check_checkpoint(
    (owner, kernel_key): (OwnerId, Option<PublicKey>),
    tree: &Frontier,
    signed: &SignedCheckpoint,
) -> Result<(), String> {
    let said = signed.checkpoint();
    if said.owner() != Some(owner) {
        return Err("its checkpoint is of another ledger".into());
    }
    if (said.size, said.root) != (tree.size(), tree.root()) {
        return Err("its checkpoint is not of the records before it".into());
    }
    let key = kernel_key.ok_or("its checkpoint is by a key the owner never certified")?;
    signed.verify(&key).map_err(|error| format!("its checkpoint: {error}"))
}

/// How the payload of a record begins that an agent caused; see `record::Body`.
const AGENT_PREFIX: &[u8] = br#"{"actor":"agt_"#;

/// What agents cause. None of it says anything about keys.
const BY_AGENTS: [&[u8]; 5] = [b"asked", b"delegated", b"denied", b"intent", b"outcome"];

/// The time a payload states and the name of its event, without reading the rest of it.
fn front_of(payload: &[u8]) -> Option<(u64, &[u8])> {
    let rest = payload.strip_prefix(br#"{"actor":""#)?;
    let (_, rest) = until_quote(rest)?;
    let rest = rest.strip_prefix(br#","at":"#)?;
    let (mut at, mut digits) = (0_u64, 0);
    for digit in rest.iter().take_while(|byte| byte.is_ascii_digit()) {
        at = at.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        digits += 1;
    }
    let event = rest.get(digits..)?.strip_prefix(br#","event":{""#)?;
    Some((at, until_quote(event)?.0))
}

/// What is before the next quote, and what is behind it.
fn until_quote(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((text.get(..end)?, text.get(end.checked_add(1)?..)?))
}

#[cfg(test)]
mod tests;
