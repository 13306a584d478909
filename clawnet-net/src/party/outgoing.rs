//! What is to be sent, from what the ledger says, until it is known to have arrived.
use clawnet_core::{Digest, OwnerId};

use super::Party;
use crate::{
    dialogue::Dialogue,
    entry::{END, ENTRY, End, SignedEnd, SignedEntry},
    id::SessionId,
    lanes::{Load, Token},
    relations::Due,
    said::Shown,
    wire::{Envelope, Letter, To},
};

impl Party {
    /// Those for whom something may wait: ask once after a start, and send to each.
    #[must_use]
    pub fn due(&self) -> Vec<OwnerId> {
        self.desk.read(|net| Some(net.due().collect())).unwrap_or_default()
    }

    /// Waits until there is something new for anybody, and says for whom. Dropping the future loses
    /// nothing.
    pub async fn stirred(&self) -> Vec<OwnerId> {
        self.desk.lanes.stirred().await
    }

    /// What is to be sent to `peer` and was not handed out since [`Party::again`], in its order:
    /// bytes for [`Party::receive`] over there. Dropping the future loses nothing.
    pub async fn outgoing(&self, peer: OwnerId) -> Vec<Vec<u8>> {
        let (taken, look) = match self.desk.lanes.load(peer) {
            Load::Fresh(frames) => return frames,
            Load::All(taken, look) => (taken, look),
        };
        let due = self.desk.read(|net| Some(net.outgoing(peer))).unwrap_or_default();
        let mut frames = Vec::new();
        // What somebody else is still writing down is told when no power cut takes it back.
        if !due.is_empty() && self.desk.kernel.settled().await.is_err() {
            return frames;
        }
        for due in due {
            let what = named(&due);
            // An end is told until theirs has come: only that says what arrived.
            if matches!(what, Token::Entry(..)) && taken.contains(&what) {
                continue;
            }
            // What cannot be made now, because a store does not answer, is made another time.
            if let Some((of, frame)) = self.frame(peer, due).await {
                self.desk.lanes.note(peer, (of, what));
                frames.push(frame);
            }
        }
        self.desk.lanes.seen(peer, look);
        frames
    }

    /// Everything that `peer` is not known to have is handed out again: when a link came up, or
    /// nothing was heard for a while.
    pub fn again(&self, peer: OwnerId) {
        self.desk.lanes.again(peer);
    }

    /// A session goes on: what the other side refused because it was paused is said again.
    pub(super) fn stir_waiting(&self, session: SessionId) {
        let waits = |dialogue: &Dialogue| !dialogue.in_flight.is_empty();
        let peer = self.desk.look(session, |it, _| waits(it).then(|| it.peer())).flatten();
        if let Some(peer) = peer {
            self.desk.lanes.stir(peer);
        }
    }

    /// Sessions ended, one does not know which: whoever has not been told is.
    pub(super) fn stir_ended(&self) {
        let untold = self.desk.read(|net| {
            let over = net.sessions().filter(|(_, it)| it.ended.is_some() && !it.told);
            Some(over.map(|(id, it)| (id, it.peer())).collect::<Vec<_>>())
        });
        for (session, peer) in untold.into_iter().flatten() {
            self.desk.lanes.stir_for(peer, Token::End(session));
        }
    }

    /// A session ended, and with it what was beneath it.
    pub(super) fn stir_beneath(&self, session: SessionId) {
        let peers = self.desk.read(|net| {
            let mut peers = Vec::new();
            let mut next = vec![session];
            while let Some(id) = next.pop() {
                let Some(dialogue) = net.session(id) else { continue };
                peers.push(dialogue.peer());
                next.extend(dialogue.children.iter().copied());
            }
            Some(peers)
        });
        peers.into_iter().flatten().for_each(|peer| self.desk.lanes.stir(peer));
    }

    /// The bytes, and what answers to them name.
    async fn frame(&self, peer: OwnerId, due: Due) -> Option<(Digest, Vec<u8>)> {
        let kernel = &self.desk.kernel;
        let (to, letter) = match due {
            Due::Act { act, terms, text, to } => {
                let text = match text {
                    Some(text) => self.text(text).await?,
                    None => None,
                };
                let terms = terms.map(|terms| *terms);
                let shown = Box::new(Shown::new(*act, kernel.credential(), terms));
                (to, Letter::Act { shown, text })
            }
            Due::End { end, to } => (to, Letter::End(self.signed(end)?)),
            Due::Entry { from, signed, to } => {
                let text = match signed.entry.turn() {
                    Some(turn) => self.text(turn.body).await?,
                    None => None,
                };
                // Signed again: the key it was signed with may be replaced by now.
                let SignedEntry { entry, head, .. } = *signed;
                let signature = kernel.vouch(ENTRY, &entry.said_at(head)).ok()?;
                let signed = Box::new(SignedEntry::new(entry, head, signature));
                let from = from.unwrap_or(0);
                let path = kernel.growth_to(from, signed.head.size).await.ok()?.path;
                (to, Letter::Entry { path, signed, text })
            }
            Due::Keys { .. } => (To::Owner(peer), Letter::Keys(kernel.credential())),
        };
        let envelope = Envelope::new(kernel.owner_id(), to, letter);
        let bytes = envelope.encode().ok()?;
        Some((envelope.body.name(&bytes), bytes))
    }

    /// A text that goes along: what was erased here is not sent any more.
    async fn text(&self, body: Digest) -> Option<Option<String>> {
        self.desk.text(body).await.ok()
    }

    pub(super) fn signed(&self, end: End) -> Option<SignedEnd> {
        let signature = self.desk.kernel.vouch(END, &end.said()).ok()?;
        Some(SignedEnd::new(end, signature))
    }
}

/// What an answer to it is about.
fn named(due: &Due) -> Token {
    match due {
        Due::Act { act, .. } => Token::Act(act.number),
        Due::End { end, .. } => Token::End(end.session),
        Due::Entry { signed, .. } => Token::Entry(signed.entry.session, signed.entry.number),
        Due::Keys { act } => Token::Act(*act),
    }
}
