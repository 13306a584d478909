//! A glance at the events of which ledgers mostly consist, in the letters they are written in:
//! one pass over the bytes. What is written in any other way is left to the parser.
use std::borrow::Cow;

use serde::de::IgnoredAny;
use smallvec::SmallVec;

use super::{Glance, Seen, SeenDeclared, SeenIntent, SeenOutcome, Text};

/// What the parser would say of `payload`, or none: then it is asked.
pub(super) fn glance(payload: &[u8]) -> Option<Glance<'_>> {
    let mut scan = Scan(std::str::from_utf8(payload).ok()?);
    scan.past("{\"actor\":")?;
    let actor = Cow::Borrowed(scan.word()?);
    scan.past(",\"at\":")?;
    let at = scan.number()?;
    scan.past(",\"event\":{\"")?;
    let event = if scan.past("intent\":{").is_some() {
        Seen::Intent(scan.intent()?)
    } else if scan.past("outcome\":{").is_some() {
        Seen::Outcome(scan.outcome()?)
    } else {
        Seen::Declared(scan.declared()?)
    };
    scan.past("}}}")?;
    scan.0.is_empty().then_some(Glance { actor, at, event })
}

/// What is still to be looked at.
struct Scan<'p>(&'p str);

impl<'p> Scan<'p> {
    fn intent(&mut self) -> Option<SeenIntent<'p>> {
        let approval = match self.past("\"approval\":") {
            Some(()) => Some(self.word()?.parse().ok()?),
            None => None,
        };
        if approval.is_some() {
            self.past(",")?;
        }
        let cause = match self.past("\"cause\":") {
            Some(()) => Some(Text(Cow::Borrowed(self.word()?))),
            None => None,
        };
        if cause.is_some() {
            self.past(",")?;
        }
        self.past("\"demands\":[")?;
        let mut demands = SmallVec::new();
        loop {
            self.past("[")?;
            self.word()?;
            self.past(",")?;
            demands.push((IgnoredAny, Text(Cow::Borrowed(self.word()?))));
            self.past("]")?;
            if self.past(",").is_none() {
                break;
            }
        }
        self.past("],\"effect\":")?;
        self.word()?;
        self.past(",\"epoch\":")?;
        self.number()?;
        self.past(",\"kind\":")?;
        let kind = Cow::Borrowed(self.word()?);
        self.past(",\"mount\":")?;
        self.word()?;
        self.past(",\"operation\":")?;
        self.object()?;
        self.past(",\"rules\":[")?;
        let mut rules = SmallVec::new();
        loop {
            rules.push(Text(Cow::Borrowed(self.word()?)));
            if self.past(",").is_none() {
                break;
            }
        }
        self.past("]")?;
        if self.past(",\"version\":").is_some() {
            self.word()?;
        }
        Some(SeenIntent { approval, cause, demands, kind, rules })
    }

    fn declared(&mut self) -> Option<SeenDeclared> {
        self.past("declared\":{")?;
        let body = match self.past("\"body\":") {
            Some(()) => Some(self.word()?.parse().ok()?),
            None => None,
        };
        self.past(if body.is_some() { ",\"fact\":{" } else { "\"fact\":{" })?;
        // Nothing follows it, and records are found by nothing that is in it.
        self.0 = self.0.get(self.0.len().checked_sub(3)?..)?;
        Some(SeenDeclared { body })
    }

    fn outcome(&mut self) -> Option<SeenOutcome> {
        let evidence = match self.past("\"evidence\":") {
            Some(()) => Some(self.word()?.parse().ok()?),
            None => None,
        };
        self.past(if evidence.is_some() { ",\"intent\":" } else { "\"intent\":" })?;
        let intent = self.number()?;
        self.past(",\"result\":\"done\"")?;
        Some(SeenOutcome { evidence, intent })
    }

    fn past(&mut self, literal: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    /// A text without escapes.
    fn word(&mut self) -> Option<&'p str> {
        let (word, rest) = self.0.strip_prefix('"')?.split_once('"')?;
        self.0 = rest;
        (!word.as_bytes().contains(&b'\\')).then_some(word)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.parse().ok()
    }

    /// An object, whatever is in it.
    fn object(&mut self) -> Option<()> {
        let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
        for (at, byte) in self.0.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = quoted,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => depth += 1,
                b'}' | b']' if !quoted => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                self.0 = self.0.get(at + 1..).filter(|_| byte == b'}')?;
                return Some(());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
