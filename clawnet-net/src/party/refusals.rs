//! What was refused, counted: a flood fills no ledger, and tells nobody anything.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use clawnet_core::OwnerId;

use crate::{id::SessionId, reason::Reason, said::Refused};

/// The answer to whatever nobody here is known for: an unknown owner, an unknown identity, an agent,
/// a manager, a stranger's message, one over a link that has not proven whose it is, or of somebody
/// who is blocked. The same bytes always, whoever asks whom: there is nothing to learn from it.
pub const NOBODY: &[u8] = concat!(
    r#"{"body":{"refused":{"of":""#,
    "0000000000000000000000000000000000000000000000000000000000000000",
    r#"","reason":"unknown"}},"from":"own_00000000000000000000000000000000","#,
    r#""to":"own_00000000000000000000000000000000"}"#,
)
.as_bytes();

/// How many counterparts are counted apart. The others are counted as strangers.
const PEERS_MAX: usize = 1024;

/// How often what was refused from whom, since the process began.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    counts: BTreeMap<(Option<OwnerId>, Reason), u64>,
    peers: BTreeSet<OwnerId>,
}

impl Refusals {
    /// Counts one more, and gives what is to be recorded: the first, the second, the fourth, …
    pub(super) fn count(
        &self,
        peer: Option<OwnerId>,
        reason: Reason,
        session: Option<SessionId>,
    ) -> Option<Refused> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peer.filter(|peer| counts.knows(*peer));
        let count = counts.counts.entry((peer, reason)).or_default();
        *count = count.saturating_add(1);
        let recorded = count.is_power_of_two();
        recorded.then_some(Refused { count: *count, heads: None, peer, reason, session })
    }
}

impl Refusals {
    /// Counts so many more at once, and gives what is to be recorded: the count so far, where the
    /// first, the second, the fourth, … is among them.
    pub(super) fn count_many(
        &self,
        (peer, reason): (Option<OwnerId>, Reason),
        times: u64,
    ) -> Option<Refused> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peer.filter(|peer| counts.knows(*peer));
        let count = counts.counts.entry((peer, reason)).or_default();
        let before = *count;
        *count = count.saturating_add(times);
        let recorded = before.leading_zeros() != count.leading_zeros();
        recorded.then_some(Refused { count: *count, heads: None, peer, reason, session: None })
    }
}

impl Counts {
    fn knows(&mut self, peer: OwnerId) -> bool {
        if self.peers.len() < PEERS_MAX {
            self.peers.insert(peer);
        }
        self.peers.contains(&peer)
    }
}
