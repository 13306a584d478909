//! The events of which ledgers mostly consist, written letter by letter: the very bytes that
//! serialising them gives, in a fraction of the time. A test compares the two.
use super::{Actor, Event, Intent, Outcome, OutcomeKind};
use crate::{
    approval::Version, digest::Digest, fact::Fact, operation::Effect, resource::Region,
    rule::RuleId, time::Timestamp,
};

/// Appends the record to `out`, if it is one of those. What it fails with, serialising does too.
pub(super) fn write(
    out: &mut Vec<u8>,
    (at, actor): (Timestamp, Actor),
    event: &Event,
) -> Option<Result<(), serde_json::Error>> {
    let mut hot = Hot { out, failed: None };
    match event {
        Event::Declared { body, fact } => {
            hot.front(at, actor);
            hot.declared(*body, fact);
        }
        Event::Intent(intent) => {
            hot.front(at, actor);
            hot.intent(intent);
        }
        Event::Outcome(outcome @ Outcome { result: OutcomeKind::Done, .. }) => {
            hot.front(at, actor);
            hot.outcome(outcome);
        }
        Event::Act(_)
        | Event::Asked(_)
        | Event::Checkpoint(_)
        | Event::Delegated { .. }
        | Event::Denied(_)
        | Event::Erased { .. }
        | Event::Misbehaved(_)
        | Event::Opened { .. }
        | Event::Outcome(_)
        | Event::Recalled { .. }
        | Event::Recovered { .. }
        | Event::Snapshot { .. }
        | Event::Witnessed { .. } => return None,
    }
    hot.raw("}}}");
    Some(hot.failed.map_or(Ok(()), Err))
}

struct Hot<'o> {
    out: &'o mut Vec<u8>,
    failed: Option<serde_json::Error>,
}

impl Hot<'_> {
    fn front(&mut self, at: Timestamp, actor: Actor) {
        self.raw("{\"actor\":");
        match actor {
            Actor::Agent { agent, identity } => {
                self.raw("\"");
                self.raw(agent.text(&mut [0; 28]));
                self.raw("@");
                self.raw(identity.text(&mut [0; 28]));
                self.raw("\"");
            }
            Actor::Kernel => self.raw("\"kernel\""),
            Actor::Owner => self.raw("\"owner\""),
        }
        self.raw(",\"at\":");
        self.number(at.as_millis());
        self.raw(",\"event\":{\"");
    }

    fn declared(&mut self, body: Option<Digest>, fact: &Fact) {
        self.raw("declared\":{");
        if let Some(body) = body {
            self.raw("\"body\":");
            self.digest(body);
            self.raw(",");
        }
        self.raw("\"fact\":{\"projection\":");
        self.text(fact.projection());
        self.raw(",\"said\":");
        self.raw(fact.as_str());
        self.raw("}");
    }

    fn intent(&mut self, intent: &Intent) {
        self.raw("intent\":{");
        if let Some(ticket) = intent.approval {
            self.raw("\"approval\":\"");
            self.raw(ticket.text(&mut [0; 28]));
            self.raw("\",");
        }
        if let Some(cause) = &intent.cause {
            self.raw("\"cause\":\"");
            self.raw(cause.as_str());
            self.raw("\",");
        }
        self.raw("\"demands\":[");
        for (nth, (action, region)) in intent.demands.iter().enumerate() {
            self.raw(if nth == 0 { "[\"" } else { ",[\"" });
            self.raw(action.as_str());
            self.raw("\",");
            self.text(region.root().as_str());
            self.raw(match region {
                Region::Exact(_) => "]",
                Region::Subtree(_) => ",\"subtree\"]",
            });
        }
        self.raw(match intent.effect {
            Effect::Observe => "],\"effect\":\"observe\",\"epoch\":",
            Effect::Change => "],\"effect\":\"change\",\"epoch\":",
            Effect::Release => "],\"effect\":\"release\",\"epoch\":",
        });
        self.number(intent.epoch);
        self.raw(",\"kind\":");
        self.text(&intent.kind);
        self.raw(",\"mount\":");
        self.text(&intent.mount);
        self.raw(",\"operation\":");
        self.raw(intent.operation.as_str());
        self.raw(",\"rules\":[");
        for (nth, RuleId { grant, index }) in intent.rules.iter().enumerate() {
            self.raw(if nth == 0 { "\"" } else { ",\"" });
            self.raw(grant.text(&mut [0; 28]));
            self.raw("#");
            self.number((*index).into());
            self.raw("\"");
        }
        self.raw("]");
        if let Some(version) = &intent.version {
            self.raw(",\"version\":");
            self.version(version);
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.raw("outcome\":{");
        if let Some(evidence) = outcome.evidence {
            self.raw("\"evidence\":");
            self.digest(evidence);
            self.raw(",");
        }
        self.raw("\"intent\":");
        self.number(outcome.intent);
        self.raw(",\"result\":\"done\"");
    }

    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    /// Text that may have to be escaped.
    fn text(&mut self, text: &str) {
        if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
            let written = serde_json::to_writer(&mut *self.out, text);
            self.failed = self.failed.take().or(written.err());
            return;
        }
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    fn number(&mut self, number: u64) {
        let (mut digits, mut first, mut rest) = ([b'0'; 20], 20, number);
        for (place, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
            (first, rest) = (place, rest / 10);
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(digits.get(first..).unwrap_or_default());
    }

    fn digest(&mut self, digest: Digest) {
        self.raw("\"");
        self.raw(crate::digest::hex(digest.as_bytes(), &mut [0; 64]));
        self.raw("\"");
    }

    fn version(&mut self, version: &Version) {
        let written = serde_json::to_writer(&mut *self.out, version);
        self.failed = self.failed.take().or(written.err());
    }
}
