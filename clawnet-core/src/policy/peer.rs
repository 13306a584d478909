//! What is known of counterparts' ledgers: of each the last head that continued the one before.
use serde::{Deserialize, Serialize};

use super::{ActError, PEERS_MAX, State};
use crate::{
    id::OwnerId,
    note::SignedCheckpoint,
    record::{Credential, HeadError, Misbehaviour, Presented, shown_at},
    time::Timestamp,
};

/// One counterpart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// Its last head: the greatest one, as it was first shown.
    pub(crate) head: Presented,
    /// When that was shown, by its own clock.
    pub(crate) at: Timestamp,
    /// The record that says so.
    pub(crate) sequence: u64,
    /// The record with the first proof against it.
    pub(crate) misbehaved: Option<u64>,
}

impl State {
    /// Whether such a head may follow what is known: more records, not before the last one was
    /// shown, by a key that its owner certified then or later.
    pub(super) fn check_witnessed(
        &self,
        signed: &SignedCheckpoint,
        credential: Option<&Credential>,
    ) -> Result<(), ActError> {
        let said = signed.checkpoint();
        let peer = said.owner().filter(|peer| *peer != self.owner).ok_or(HeadError::Foreign)?;
        let known = self.peers.get(&peer);
        let key = match (credential, known) {
            (Some(credential), _) => credential.verify()?,
            (None, Some(known)) => {
                known.head.credential.certified().ok_or(HeadError::NotCertified)?
            }
            (None, None) => return Err(HeadError::NotCertified.into()),
        };
        let at = shown_at((peer, key), signed)?;
        if credential.is_some_and(|credential| credential.owner() != peer) {
            return Err(HeadError::Foreign.into());
        }
        let Some(known) = known else {
            let room = self.peers.len() < PEERS_MAX;
            return if room { Ok(()) } else { Err(ActError::TooManyPeers) };
        };
        let last = &known.head;
        let follows = said.size > last.checkpoint.checkpoint().size
            && at >= known.at
            && credential.is_none_or(|credential| credential.continues(&last.credential));
        if follows { Ok(()) } else { Err(ActError::OutOfPlace) }
    }

    /// Whether this is the first proof against somebody whose head is known.
    pub(super) fn check_misbehaved(&self, proof: &Misbehaviour) -> Result<(), ActError> {
        let peer = self.peers.get(&proof.owner()).ok_or(ActError::OutOfPlace)?;
        if peer.misbehaved.is_some() {
            return Err(ActError::OutOfPlace);
        }
        proof.verify()?;
        Ok(())
    }

    pub(super) fn witness(
        &mut self,
        sequence: u64,
        signed: &SignedCheckpoint,
        credential: Option<&Credential>,
    ) {
        let Some(peer) = signed.checkpoint().owner() else { return };
        let known = self.peers.remove(&peer);
        let misbehaved = known.as_ref().and_then(|known| known.misbehaved);
        let before = known.map(|known| known.head.credential);
        let Some(credential) = credential.cloned().or(before) else { return };
        let key = credential.certified();
        let at = key.and_then(|key| signed.cosigned(&signed.checkpoint().origin, &key).ok());
        let at = at.unwrap_or_default();
        let head = Presented::new(signed.clone(), credential);
        self.peers.insert(peer, Peer { head, at, sequence, misbehaved });
    }

    pub(super) fn mark(&mut self, sequence: u64, peer: OwnerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.misbehaved = Some(sequence);
        }
    }
}
