//! Why an agent acts, if not of its owner's own accord, and what then limits it besides its
//! identity's scope.
use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{operation::is_kind, rule::Grant};

/// Why an agent acts, if not of its owner's own accord: something a projection knows, such as a
/// session, and a number in it, such as a turn. Written as one word, `net:ses_7c20f1…#3`. What
/// follows a dot names a part of it, and is found with all of it.
///
/// **Promises** to be bounded, and to have one form. It proves nothing: what it permits is for the
/// projection to say, whenever somebody acts because of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    word: Arc<str>,
    /// Where the projection's name ends, and the source.
    ends: (u8, u8),
    number: u64,
}

/// The greatest number: what canonical JSON carries exactly.
const NUMBER_MAX: u64 = (1 << 53) - 1;

impl Cause {
    /// `name` of the projection `projection`, and a number in it.
    ///
    /// **Refuses** names that are not at most 64 of lower case, digits, dots, `_` and `-`.
    pub fn new(projection: &str, name: &str, number: u64) -> Result<Self, NotACause> {
        if !is_kind(projection) || !is_kind(name) || number > NUMBER_MAX {
            return Err(NotACause);
        }
        let word = format!("{projection}:{name}#{number}").into();
        let colon = u8::try_from(projection.len()).map_err(|_| NotACause)?;
        let hash = u8::try_from(projection.len() + 1 + name.len()).map_err(|_| NotACause)?;
        Ok(Self { word, ends: (colon, hash), number })
    }

    /// The whole word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.word
    }

    /// Who knows what it is: a projection's name.
    #[must_use]
    pub fn projection(&self) -> &str {
        self.word.get(..usize::from(self.ends.0)).unwrap_or_default()
    }

    /// What the projection calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.word.get(usize::from(self.ends.0) + 1..usize::from(self.ends.1)).unwrap_or_default()
    }

    /// The word without the number: the same for everything that happens because of one thing.
    #[must_use]
    pub fn source(&self) -> &str {
        self.word.get(..usize::from(self.ends.1)).unwrap_or_default()
    }

    /// Whether it is `source`, or a part of it: `net:ses_7c20f1….turns` is one of `net:ses_7c20f1…`.
    pub(crate) fn is_within(&self, source: &str) -> bool {
        let rest = self.source().strip_prefix(source);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

impl FromStr for Cause {
    type Err = NotACause;

    fn from_str(text: &str) -> Result<Self, NotACause> {
        let (projection, rest) = text.split_once(':').ok_or(NotACause)?;
        let (name, number) = rest.split_once('#').ok_or(NotACause)?;
        let cause = Self::new(projection, name, number.parse().map_err(|_| NotACause)?)?;
        // A number has one form.
        if cause.as_str() == text { Ok(cause) } else { Err(NotACause) }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.word)
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A text is not of the form `projection:name#number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cause of the form `projection:name#number`")]
pub struct NotACause;

/// What limits whoever acts because of something, besides their identity's scope.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a projection makes it, of just these")]
pub struct Confinement {
    /// Counts every change to it: a decision of another epoch is void.
    pub epoch: u64,
    /// What it rests on, by the record that says so, and what that permits: each is a mandate, and
    /// the verdict the minimum over all of them. None at all permits nothing. Rules that count uses
    /// are not borne: a confinement with one permits nothing.
    pub mandates: Vec<(u64, Grant)>,
}

impl Confinement {
    /// Whether a rule of it counts uses, for which there is no meter.
    pub(crate) fn is_metered(&self) -> bool {
        let rules = self.mandates.iter().flat_map(|(_, grant)| grant.rules());
        rules.into_iter().any(|rule| rule.budget().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<(&str, &str, u64)>) {
        let read = text.parse::<Cause>();
        let parts = read.as_ref().ok().map(|c| (c.projection(), c.name(), c.number()));
        assert_eq!(parts, expect, "{text}");
        if let Ok(cause) = &read {
            assert_eq!(
                (cause.to_string().as_str(), cause.source()),
                (text, &text[..text.rfind('#').unwrap()])
            );
        }
    }

    #[test]
    fn a_cause_is_one_bounded_word() {
        check("net:ses_7c20#3", Some(("net", "ses_7c20", 3)));
        check("net:a#9007199254740991", Some(("net", "a", 9_007_199_254_740_991)));
        let long = "x".repeat(64);
        check(&format!("{long}:{long}#0"), Some((&long, &long, 0)));
        for bad in ["", "net", "net:a", "net#3", ":a#1", "net:#1", "net:a#", "net:a#01", "net:a#+1"]
        {
            check(bad, None);
        }
        for bad in ["Net:a#1", "net:a b#1", "net:a:b#1", "net:a#b#1", "net:a#9007199254740992"] {
            check(bad, None);
        }
        check(&format!("net:{long}x#1"), None);
    }
}
