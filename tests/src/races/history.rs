//! What a ledger says happened, in its order.
use clawnet_core::{Act, Actor, AgentId, AuditRecord, Event, OutcomeKind, OwnerId};
use clawnet_net::*;

use super::sides::Side;

/// One side's records.
pub(super) struct History(Vec<AuditRecord>);

impl History {
    pub(super) async fn of(side: &Side) -> Self {
        Self(side.owner.records(1, usize::MAX).await.unwrap())
    }

    fn facts(&self) -> impl Iterator<Item = (u64, Said)> {
        self.0.iter().filter_map(|record| {
            let said = if let Event::Declared { fact, .. } = &record.event {
                fact.read::<Relations>().ok()?
            } else if let Event::Act(signed) = &record.event {
                signed.declared::<Relations>()?
            } else {
                return None;
            };
            Some((record.sequence, said))
        })
    }

    /// Every entry that left, with its record.
    pub(super) fn sent(&self) -> Vec<(u64, SignedEntry)> {
        let sent = self.facts().filter_map(|(sequence, said)| {
            let Said::Sent(signed) = said else { return None };
            Some((sequence, *signed))
        });
        sent.collect()
    }

    /// The record a message tells of.
    pub(super) fn place_of(&self, letter: &Letter) -> Option<u64> {
        if let Letter::Act { shown, .. } = letter {
            let mut records = self.0.iter();
            let same =
                |it: &&AuditRecord| matches!(&it.event, Event::Act(act) if *act == shown.act);
            return records.find(same).map(|record| record.sequence);
        }
        // What else there is tells of how things stand, whatever made them so.
        let Letter::Entry { signed, .. } = letter else { return Some(0) };
        let mut sent = self.sent().into_iter();
        sent.find(|(_, sent)| sent.entry == signed.entry).map(|(sequence, _)| sequence)
    }

    /// The last record of what came from somebody.
    pub(super) fn last_of(&self, peer: OwnerId) -> Option<u64> {
        let came =
            self.facts().filter(|(_, said)| matches!(said, Said::Came(it) if it.from == peer));
        came.last().map(|(sequence, _)| sequence)
    }

    /// Where the first fact of a kind is.
    pub(super) fn said(&self, which: impl Fn(&Said) -> bool) -> Option<u64> {
        self.facts().find(|(_, said)| which(said)).map(|(sequence, _)| sequence)
    }

    /// How many facts of a kind there are.
    pub(super) fn count(&self, which: impl Fn(&Said) -> bool) -> usize {
        self.facts().filter(|(_, said)| which(said)).count()
    }

    /// Where the owner's first act of a kind is.
    pub(super) fn act(&self, which: impl Fn(&Act) -> bool) -> Option<u64> {
        let mut records = self.0.iter();
        let found =
            |record: &&AuditRecord| matches!(&record.event, Event::Act(it) if which(&it.act));
        records.find(found).map(|record| record.sequence)
    }

    /// Where everything was begun.
    pub(super) fn intents(&self) -> impl Iterator<Item = u64> {
        let begun = |it: &&AuditRecord| matches!(it.event, Event::Intent(_));
        self.0.iter().filter(begun).map(|record| record.sequence)
    }

    /// Nothing is said, and nothing begun, behind this record.
    pub(super) fn check_silent_after(&self, ends: u64) {
        let late = self.intents().find(|sequence| *sequence > ends);
        assert_eq!(late, None, "an intent after the end");
        let late = self.sent().into_iter().find(|(sequence, _)| *sequence > ends);
        assert!(late.is_none(), "an entry after the end");
    }

    /// Whose deed, of those going on at a record, it is to speak.
    pub(super) fn speaker_at(&self, sequence: u64) -> Option<AgentId> {
        let ends = |record: &AuditRecord| {
            let Event::Outcome(it) = &record.event else { return None };
            (it.result == OutcomeKind::Done).then_some(it.intent)
        };
        let done: Vec<_> =
            self.0.iter().filter(|it| it.sequence > sequence).filter_map(ends).collect();
        let mut before = self.0.iter().rev().filter(|it| it.sequence < sequence);
        let began = before.find(|it| done.contains(&it.sequence))?;
        let Actor::Agent { agent, .. } = began.actor else { return None };
        Some(agent)
    }

    /// Every intent came to something.
    pub(super) fn check_closed(&self) {
        for intent in self.intents() {
            let of = |it: &&AuditRecord| matches!(&it.event, Event::Outcome(out) if out.intent == intent);
            assert_eq!(self.0.iter().filter(of).count(), 1, "an intent without outcome");
        }
    }

    /// What left is numbered in order, beginning with `first`, and by whom it was said.
    pub(super) fn check_numbers(&self, first: u64, step: u64) {
        for (nth, (_, signed)) in (0..).zip(self.sent()) {
            assert_eq!(signed.entry.number, first + nth * step, "numbers are not consecutive");
        }
    }
}
