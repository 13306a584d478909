//! What one ledger says about others: contacts and sessions, as a fold.
//!
//! [`Relations`] is the projection `net`. Every rule about who may do what to whom is asked here,
//! under the ledger's lock, of the state as it is: what is live, what is agreed, whose turn it is,
//! what is left. What cannot be folded, such as the bytes of a message or the keys that sign, is
//! [`Party`](crate::Party)'s.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clawnet_core::{
    About, Actor, Cause, Claim, Confinement, Event, Intent, Misfit, OwnerId, Projection, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    contact::{Contact, Lately},
    dialogue::{Dialogue, Ended},
    entry::{Ending, LedgerHead},
    id::SessionId,
    reason::Reason,
    said::Said,
};

mod came;
mod confine;
mod consent;
mod decided;
mod draft;
mod due;
mod packed;
mod renewed;
mod spoken;

pub(crate) use confine::Because;
pub(crate) use due::Due;
pub(crate) use renewed::Outdated;

/// Everything one ledger says about contacts and sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relations {
    /// How many asked lately.
    asks: Lately,
    #[serde(deserialize_with = "packed::read")]
    contacts: BTreeMap<OwnerId, Contact>,
    dialogues: BTreeMap<SessionId, Dialogue>,
    /// Peers for whom something is to be sent, and the sessions it is about.
    due: BTreeMap<OwnerId, BTreeSet<SessionId>>,
    /// The number of the act since which this owner signs with the key they have.
    key_since: u64,
    /// Sessions that are over, the oldest first.
    over: VecDeque<SessionId>,
    owner: OwnerId,
    /// How many wait for this owner's answer to become contacts.
    waiting: u32,
}

impl Relations {
    /// What is known of a counterpart.
    #[must_use]
    pub fn contact(&self, peer: OwnerId) -> Option<&Contact> {
        self.contacts.get(&peer)
    }

    /// Every counterpart.
    pub fn contacts(&self) -> impl Iterator<Item = (OwnerId, &Contact)> {
        self.contacts.iter().map(|(peer, contact)| (*peer, contact))
    }

    /// What is held of a session. One that has long been over may be forgotten: the ledger has it.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<&Dialogue> {
        self.dialogues.get(&session)
    }

    /// Every session that is not forgotten.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Dialogue)> {
        self.dialogues.iter().map(|(session, dialogue)| (*session, dialogue))
    }

    /// The other side's ledger, as it was shown in this session last.
    #[must_use]
    pub fn held_head(&self, session: SessionId) -> Option<LedgerHead> {
        self.dialogues.get(&session)?.head
    }

    /// The sessions whose time is over at `now`, and why.
    #[must_use]
    pub fn lapsing(&self, now: Timestamp) -> Vec<(SessionId, Ending)> {
        let each = self.dialogues.iter();
        each.filter_map(|(id, dialogue)| Some((*id, over_at(dialogue, now)?))).collect()
    }

    /// When the time of a session will be over, if nothing is said in any: never later than that,
    /// and earlier only where one waits for its owners.
    pub(crate) fn over_next(&self) -> Option<Timestamp> {
        let going_on = self.dialogues.values().filter(|dialogue| dialogue.ended.is_none());
        going_on.map(over_next).min()
    }

    fn open_dialogue(&self, session: SessionId) -> Result<&Dialogue, Reason> {
        let dialogue = self.dialogues.get(&session).ok_or(Reason::Unknown)?;
        if dialogue.ended.is_some() { Err(Reason::Closed) } else { Ok(dialogue) }
    }

    /// Ends a session, and before it everything beneath it.
    fn end(&mut self, session: SessionId, reason: Ending, at: Timestamp) {
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        if dialogue.ended.is_some() {
            return;
        }
        dialogue.cost = dialogue.used.saturating_add(dialogue.set_aside());
        for child in dialogue.children.clone() {
            self.end(child, Ending::Parent, at);
        }
        let Some(dialogue) = self.dialogues.get_mut(&session) else { return };
        dialogue.ended = Some(Ended { at, reason });
        dialogue.amended = None;
        dialogue.epoch = dialogue.epoch.saturating_add(1);
        let peer = dialogue.peer();
        if let Some(contact) = self.contacts.get_mut(&peer) {
            contact.sessions = contact.sessions.saturating_sub(1);
            // One that nobody else is known to have heard of is nobody else's to hear of: an answer
            // may never come, and an invitation that did arrive lapses there.
            // The consent that waits may be another act by now: it was signed again.
            let waits = contact.pending.iter().any(|it| due::steers(it, session));
            if dialogue.wording.theirs.is_none() && (dialogue.wording.ours.is_none() || waits) {
                dialogue.told = true;
            }
            // What was decided about it is moot, and must not keep later decisions waiting: an answer
            // to it may never come.
            contact.pending.retain(|pending| !due::steers(pending, session));
        }
        self.note_due(session);
        self.over.push_back(session);
        self.forget();
    }

    /// Forgets the oldest sessions that are over, once both sides know.
    fn forget(&mut self) {
        let mut kept = VecDeque::new();
        while self.over.len() + kept.len() > OVER_MAX {
            let Some(oldest) = self.over.pop_front() else { break };
            let told = self.dialogues.get(&oldest).is_none_or(|dialogue| dialogue.told);
            if told || self.over.len() + kept.len() > 2 * OVER_MAX {
                let peer = self.dialogues.remove(&oldest).map(|dialogue| dialogue.peer());
                if let Some(sessions) = peer.and_then(|peer| self.due.get_mut(&peer)) {
                    sessions.remove(&oldest);
                }
            } else {
                kept.push_back(oldest);
                if kept.len() > FORGET_LOOKS {
                    break;
                }
            }
        }
        while let Some(kept) = kept.pop_back() {
            self.over.push_front(kept);
        }
    }

    /// Ends every session with `peer` that `which` picks.
    fn end_with(
        &mut self,
        (peer, at): (OwnerId, Timestamp),
        reason: Ending,
        which: impl Fn(&Dialogue) -> bool,
    ) {
        let picked = |dialogue: &Dialogue| {
            dialogue.peer() == peer && dialogue.ended.is_none() && which(dialogue)
        };
        let each = self.dialogues.iter().filter(|(_, dialogue)| picked(dialogue));
        let each: Vec<_> = each.map(|(id, _)| *id).collect();
        for id in each {
            self.end(id, reason, at);
        }
    }

    /// What may be done because of a session changed.
    fn reconfine(&mut self, session: SessionId) {
        if let Some(dialogue) = self.dialogues.get_mut(&session) {
            dialogue.epoch = dialogue.epoch.saturating_add(1);
        }
    }
}

impl Projection for Relations {
    const NAME: &'static str = "net";
    type Fact = Said;

    fn begin(owner: OwnerId) -> Self {
        Self {
            contacts: BTreeMap::new(),
            dialogues: BTreeMap::new(),
            due: BTreeMap::new(),
            key_since: 0,
            over: VecDeque::new(),
            owner,
            waiting: 0,
            asks: Lately::default(),
        }
    }

    fn claims(&self, fact: &Said, _by: Actor) -> Result<Vec<Claim>, Misfit> {
        match fact {
            Said::Came(came) => Ok(self.claims_of(came)?),
            // What this ledger's own owner and kernel say is theirs by where it stands.
            Said::Arrived { .. }
            | Said::Decided(_)
            | Said::Drafted(_)
            | Said::Ended { .. }
            | Said::Refused(_)
            | Said::Sent(_) => Ok(Vec::new()),
        }
    }

    fn check(&self, fact: &Said, about: &About<'_>) -> Result<(), Misfit> {
        let by_owner = about.actor() == Actor::Owner;
        if by_owner != matches!(fact, Said::Decided(_)) {
            return Err(Misfit::new("out_of_place", "the owner decides, and the kernel reports"));
        }
        match fact {
            Said::Came(came) => Ok(self.check_came(came, about)?),
            Said::Decided(decision) => self.check_decided(decision, about),
            Said::Drafted(terms) => self.check_drafted(terms, about),
            Said::Ended { reason, session } => {
                Ok(self.check_ended((*session, *reason), about.at())?)
            }
            Said::Sent(signed) => Ok(self.check_sent(signed, about)?),
            Said::Arrived { .. } | Said::Refused(_) => Ok(()),
        }
    }

    fn fold(&mut self, fact: &Said, about: &About<'_>) {
        match fact {
            Said::Arrived { act, peer } => self.fold_arrived(*peer, *act),
            Said::Came(came) => self.fold_came(came, about),
            Said::Decided(decision) => self.fold_decided(decision, about),
            Said::Drafted(terms) => self.fold_drafted(terms, about),
            Said::Ended { reason, session } => self.end(*session, *reason, about.at()),
            Said::Refused(refused) => self.fold_refused(refused, about.at()),
            Said::Sent(signed) => self.fold_sent(signed, about),
        }
    }

    fn is_security_event(fact: &Said) -> bool {
        let Said::Refused(refused) = fact else { return false };
        refused.reason == Reason::Contradiction && refused.heads.is_some()
    }

    fn observe(&mut self, event: &Event, about: &About<'_>) {
        if let Event::Act(signed) = event {
            self.observe_act(signed, about);
        } else if let Event::Intent(Intent { cause: Some(cause), kind, .. }) = event
            && cause.projection() == Self::NAME
            && !kind.starts_with("net.")
            && let Some(because) = Because::of(cause)
        {
            self.observe_deed(because.session());
        }
    }

    fn confine(&self, cause: &Cause) -> Option<Confinement> {
        self.confine_to(cause)
    }

    fn confined(&self, cause: &Cause) -> Option<u64> {
        self.confined_by(cause)
    }
}

/// Why the time of a session is over, if it is.
fn over_at(dialogue: &Dialogue, now: Timestamp) -> Option<Ending> {
    let after = |ms: u64| dialogue.last_at.after(std::time::Duration::from_millis(ms));
    if dialogue.ended.is_some() {
        None
    } else if now >= dialogue.terms().expires_at {
        Some(Ending::Expired)
    } else if (!dialogue.opened || dialogue.amended.is_some()) && now >= after(LAPSE_MS) {
        Some(Ending::Lapsed)
    } else if dialogue.opened && !paused(dialogue) && now >= after(dialogue.terms().idle_ms) {
        Some(Ending::Idle)
    } else {
        None
    }
}

/// When its time is over at the earliest, if nothing more is said.
fn over_next(dialogue: &Dialogue) -> Timestamp {
    let after = |ms: u64| dialogue.last_at.after(std::time::Duration::from_millis(ms));
    let waits = !dialogue.opened || dialogue.amended.is_some();
    let silent = if waits { after(LAPSE_MS) } else { after(dialogue.terms().idle_ms) };
    dialogue.terms().expires_at.min(silent)
}

/// A session that an owner paused is not idle: it waits.
fn paused(dialogue: &Dialogue) -> bool {
    dialogue.pauses.ours || dialogue.pauses.theirs
}

/// After how long nobody's answer to terms is a no.
const LAPSE_MS: u64 = 30 * 60 * 1000;
/// How many sessions that are over are remembered, to answer who did not hear of it.
const OVER_MAX: usize = 1024;
/// How many of them are looked at when one is to be forgotten.
const FORGET_LOOKS: usize = 8;

#[cfg(test)]
mod tests;
