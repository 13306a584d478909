//! A question to the owner about one exact operation, and the one signed yes it can get.
//!
//! An approval is bound to the identity, the operation's digest, the policy epoch, the version of
//! what it acts on, and an expiry. It is spent in the same append as the intent it permits. What
//! the owner reads is made here, from the canonical bytes: an agent's description never gets near.
use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::{
    cause::Cause,
    digest::{Digest, OPERATION},
    id::{AgentId, IdentityId, OwnerId, TicketId},
    operation::{Demanded, digest_of},
    resource::Region,
    rule::RuleId,
    time::Timestamp,
};

/// The canonical JSON of an operation, as it was judged, recorded and performed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationText(Box<RawValue>);

impl OperationText {
    /// Takes canonical text; what is no JSON becomes `null`, which no operation encodes to.
    pub(crate) fn new(text: &str) -> Self {
        Self(RawValue::from_string(text.into()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for OperationText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for OperationText {}

impl fmt::Debug for OperationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The state of the resource an operation was judged against, where the endpoint can tell one.
/// Written as a digest, or as the word `absent`: a state of its own, and not the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(Option<Digest>);

impl Version {
    /// There is nothing there yet.
    #[must_use]
    pub const fn absent() -> Self {
        Self(None)
    }

    /// The state described by these parts, such as size, time and content digest.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(Some(OPERATION.digest(parts)))
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            None => serializer.serialize_str(ABSENT),
            Some(digest) => digest.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        if text == ABSENT {
            return Ok(Self(None));
        }
        text.parse().map(|digest| Self(Some(digest))).map_err(D::Error::custom)
    }
}

const ABSENT: &str = "absent";

/// Content the owner may want to read before saying yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContentRef {
    /// Its BLAKE3 digest, under which [`Owner::content`](crate::Owner::content) finds it.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
}

/// What an agent gets instead of an effect: the owner was asked. Submit the same operation again
/// after the yes, and it is judged afresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ticket {
    /// Which question.
    pub id: TicketId,
    /// When silence becomes a no.
    pub expires: Timestamp,
}

/// One question to the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Question {
    /// Which agent asks.
    pub agent: AgentId,
    /// Because of what, if not of the owner's own accord. A yes is void for anything that happens
    /// because of something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The epoch of what limited it because of that. A yes is void in any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confinement: Option<u64>,
    /// Content to read before deciding, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentRef>,
    /// What the operation would touch.
    pub demands: Demanded,
    /// The digest of kind, endpoint, operation, and what it happens because of: what a yes is a
    /// yes to.
    pub digest: Digest,
    /// The policy epoch of the identity when it asked. A yes is void in any other.
    pub epoch: u64,
    /// When silence becomes a no.
    pub expires: Timestamp,
    /// For which identity.
    pub identity: IdentityId,
    /// The operation's kind.
    pub kind: String,
    /// The endpoint's name.
    pub mount: String,
    /// What the identity is called.
    pub name: String,
    /// The operation itself.
    pub operation: OperationText,
    /// The rules that ask.
    pub rules: Vec<RuleId>,
    /// The question's identifier.
    pub ticket: TicketId,
    /// What it would act on, as it stood. A yes is void for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

impl Question {
    /// The question as the owner reads it: the kind, then a line for everything of which all that
    /// lies beneath is touched, then a line for every field of the operation, with text quoted and
    /// escaped so that no value can pass for another line.
    #[must_use]
    pub fn render(&self) -> String {
        let name = self.name.escape_debug();
        let mount = self.mount.escape_debug();
        let mut text = format!("`{name}` ({}) asks for {}", self.identity, self.kind);
        _ = writeln!(text, " at `{mount}`");
        if let Some(cause) = &self.cause {
            _ = writeln!(text, "  (because of {cause}, not of your own accord)");
        }
        for (action, region) in self.demands.iter() {
            if let Region::Subtree(root) = region {
                let root = shown(root.as_str());
                _ = writeln!(text, "  ({action} on {root} and everything beneath it)");
            }
        }
        match serde_json::from_str(self.operation.as_str()) {
            Ok(serde_json::Value::Object(fields)) => {
                for (name, value) in fields {
                    render_field(&mut text, &name, &value);
                }
            }
            Ok(value) => render_field(&mut text, "operation", &value),
            Err(_) => text.push_str("  operation: unreadable, reject it\n"),
        }
        if let Some(version) = &self.version {
            text.push_str(match version {
                Version(None) => "  (there is nothing there yet)\n",
                Version(Some(_)) => "  (valid only for what is there now)\n",
            });
        }
        _ = write!(text, "  expires {}, digest {}", self.expires, self.digest);
        text
    }

    /// Whether it asks about the operation it shows, and bears the name of its own place: `sequence`
    /// of `owner`'s ledger.
    pub(crate) fn is_what_it_says(&self, owner: OwnerId, sequence: u64) -> bool {
        let content = self.content.as_ref().map(|content| &content.digest);
        let operation = self.operation.as_str().as_bytes();
        let named = (self.kind.as_str(), self.mount.as_str());
        digest_of(named, operation, (content, self.cause.as_ref().map(Cause::source)))
            == self.digest
            && TicketId::made_for(owner, sequence, self.digest) == self.ticket
    }

    /// What a yes to this question states.
    pub(crate) fn approval(&self) -> Approval {
        Approval {
            digest: self.digest,
            epoch: self.epoch,
            expires: self.expires,
            identity: self.identity,
            ticket: self.ticket,
            version: self.version.clone(),
        }
    }
}

/// What the owner signs when saying yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// What exactly is approved: the digest of kind and canonical operation.
    pub digest: Digest,
    /// In which policy epoch of the identity.
    pub epoch: u64,
    /// Until when.
    pub expires: Timestamp,
    /// For whom.
    pub identity: IdentityId,
    /// In answer to which question.
    pub ticket: TicketId,
    /// For which state of what it acts on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
}

fn render_field(text: &mut String, name: &str, value: &serde_json::Value) {
    let name: String = name.chars().flat_map(char::escape_default).collect();
    // Printable text stays readable; controls and invisible marks are escaped. Quotes and
    // backslashes are escaped already, by JSON.
    _ = writeln!(text, "  {name}: {}", shown(&value.to_string()));
}

/// Text of JSON, as people may see it: what hides in it is escaped.
pub(crate) fn shown(json: &str) -> String {
    json.chars().map(visible).collect()
}

fn visible(c: char) -> String {
    if matches!(c, '"' | '\\' | '\'') { c.into() } else { c.escape_debug().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Action;

    #[test]
    fn no_value_can_pass_for_another_line() {
        let forged = r#"{"path":"fs:/a","note":["x\n  path: \"fs:/b\"\u202e","\u2028\u009b"]}"#;
        let question = Question {
            agent: AgentId::made_at(OwnerId::of_key(&[0; 32]), 1, 0),
            cause: None,
            confinement: None,
            content: None,
            demands: crate::operation::Demands::one(Action::Write, &"fs:/a".parse().unwrap())
                .and_tree(Action::Delete, &"fs:/old".parse().unwrap())
                .recorded(),
            digest: Digest::ZERO,
            epoch: 0,
            expires: Timestamp::default(),
            identity: IdentityId::made_at(OwnerId::of_key(&[0; 32]), 1, 0),
            kind: "fs.write".into(),
            mount: "files".into(),
            name: "work".into(),
            operation: OperationText::new(forged),
            rules: Vec::new(),
            ticket: TicketId::made_at(OwnerId::of_key(&[0; 32]), 1, 0),
            version: Some(Version::absent()),
        };
        let text = question.render();
        assert_eq!(text.lines().filter(|line| line.starts_with("  path:")).count(), 1, "{text}");
        let second = text.lines().nth(1).unwrap();
        assert_eq!(second, "  (delete on fs:/old and everything beneath it)");
        for hidden in [r"\u{202e}", r"\u{2028}", r"\u{9b}", "nothing there yet"] {
            assert!(text.contains(hidden), "{hidden} in {text}");
        }
    }
}
