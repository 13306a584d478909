//! What an agent may ask for: one effect, as data.
use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Error as _, SeqAccess, Visitor},
};
use smallvec::SmallVec;

use crate::{
    canonical::{self, NotCanonical},
    digest::{Digest, OPERATION},
    resource::{Region, Resource},
};

/// One kind of effect, as plain data.
///
/// **Promises** the implementor makes: `demands` names *everything* the operation touches, both
/// ends of a move included (an operation that under-reports is a hole the kernel cannot see), and
/// the serialised form is a function of the value, without fractions. It carries no owner,
/// identity or scope: who asks is the handle's to know, never a field's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operation an agent can submit",
    note = "implement `Operation`: a stable kind, an effect, and every resource it touches"
)]
pub trait Operation: Serialize + Send + Sync {
    /// Its kind, such as `fs.write`: stable, in ledgers for ever. At most 64 of lower case, digits,
    /// dots, `_` and `-`; a program that submits any other does not compile.
    const KIND: &'static str;

    /// What performing it gives back.
    type Output: Send;

    /// Whether it only looks, changes something, or lets something leave.
    const EFFECT: Effect;

    /// Every action on every resource, at most 128.
    fn demands(&self) -> Demands<'_>;

    /// Bytes the owner may want to read before saying yes, such as what is to be written. The
    /// operation's serialised form then names their digest and size, never the bytes.
    fn content(&self) -> Option<&[u8]> {
        None
    }
}

/// What an operation does to the world, and so how durable its intent must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a fourth effect must be looked at everywhere")]
pub enum Effect {
    /// Looks only. Its intent may be durable up to 100 ms late.
    Observe,
    /// Changes something. Its intent is durable before it runs.
    Change,
    /// Lets something leave, such as a message. Its intent is durable before it runs.
    Release,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What is done to a resource. A closed vocabulary: it is what makes a question to the
        /// owner readable, and an unknown word an error instead of a rule that never matches.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Action { $($(#[$doc])* $name,)* }

        impl Action {
            /// Every action there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word for it, as in rules, records and questions.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

actions! {
    /// See a thing's content.
    Read = "read",
    /// See what there is.
    List = "list",
    /// Make or change a thing.
    Write = "write",
    /// Take a thing away.
    Delete = "delete",
    /// Invoke a tool.
    Call = "call",
    /// Let something leave towards somebody.
    Send = "send",
    /// Use a secret without seeing it.
    Use = "use",
    /// Push to a repository.
    Push = "push",
    /// Change what runs in an environment.
    Deploy = "deploy",
    /// Ask the manager for advice.
    Consult = "consult",
    /// Hand part of the own scope on.
    Delegate = "delegate",
}

impl Action {
    pub(crate) const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, UnknownAction> {
        let known = Self::ALL.iter().find(|action| action.as_str() == text);
        known.copied().ok_or_else(|| UnknownAction(text.into()))
    }
}

/// A word that names no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown action `{0}`")]
pub struct UnknownAction(String);

/// Every (action, resource) an operation touches. Never empty.
#[derive(Debug, Clone)]
pub struct Demands<'o> {
    first: Demand<'o>,
    more: Vec<Demand<'o>>,
}

/// One action on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand<'o> {
    /// What is done.
    pub action: Action,
    /// To what.
    pub resource: &'o Resource,
    /// To it alone, or to all of it.
    pub extent: Extent,
}

/// How far down a demand reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a third extent must be judged everywhere")]
pub enum Extent {
    /// The resource.
    Itself,
    /// The resource and everything that is or could be beneath it, whatever there is now: one rule
    /// against any of that is a rule against the demand, and only a rule about all of it is for it.
    /// What nothing can be beneath, such as a contact, is demanded by itself.
    Subtree,
}

impl<'o> Demand<'o> {
    /// The action on the resource alone.
    pub(crate) const fn on(action: Action, resource: &'o Resource) -> Self {
        Self { action, resource, extent: Extent::Itself }
    }

    /// The action on all that `region` holds.
    pub(crate) const fn within(action: Action, region: &'o Region) -> Self {
        match region {
            Region::Exact(resource) => Self::on(action, resource),
            Region::Subtree(resource) => Self { action, resource, extent: Extent::Subtree },
        }
    }

    /// What is touched, as a set.
    #[must_use]
    pub fn region(&self) -> Region {
        match self.extent {
            Extent::Itself => Region::Exact(self.resource.clone()),
            Extent::Subtree => Region::Subtree(self.resource.clone()),
        }
    }
}

impl<'o> Demands<'o> {
    /// One action on one resource.
    #[must_use]
    pub const fn one(action: Action, resource: &'o Resource) -> Self {
        Self::only(Demand::on(action, resource))
    }

    /// One action on a resource and everything beneath it.
    #[must_use]
    pub const fn tree(action: Action, resource: &'o Resource) -> Self {
        Self::only(Demand { action, resource, extent: Extent::Subtree })
    }

    /// This one.
    pub(crate) const fn only(first: Demand<'o>) -> Self {
        Self { first, more: Vec::new() }
    }

    /// And another.
    #[must_use]
    pub fn and(mut self, action: Action, resource: &'o Resource) -> Self {
        self.more.push(Demand::on(action, resource));
        self
    }

    /// And another, on a resource and everything beneath it.
    #[must_use]
    pub fn and_tree(mut self, action: Action, resource: &'o Resource) -> Self {
        self.more.push(Demand { action, resource, extent: Extent::Subtree });
        self
    }

    /// Each of them, in the order they were named.
    pub fn iter(&self) -> impl Iterator<Item = &Demand<'o>> {
        std::iter::once(&self.first).chain(&self.more)
    }
}

impl Demands<'_> {
    /// The same as data, as records keep it.
    pub(crate) fn recorded(&self) -> Demanded {
        Demanded(self.iter().map(|demand| (demand.action, demand.region())).collect())
    }
}

/// What an operation touches, as records keep it. Written as `[["write","fs:/work/q3.md"]]`, and
/// `["delete","fs:/work/old","subtree"]` for all there is beneath, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demanded(SmallVec<[(Action, Region); 1]>);

impl Demanded {
    /// Each action and what it is done to.
    pub fn iter(&self) -> impl Iterator<Item = (Action, &Region)> {
        self.0.iter().map(|(action, region)| (*action, region))
    }
}

impl Serialize for Demanded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Line))
    }
}

impl<'de> Deserialize<'de> for Demanded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lines = SmallVec::<[Read; 1]>::deserialize(deserializer)?;
        Ok(Self(lines.into_iter().map(|Read(demand)| demand).collect()))
    }
}

/// One demand as it is written.
struct Line<'a>(&'a (Action, Region));

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            (action, Region::Exact(resource)) => (action, resource).serialize(serializer),
            (action, Region::Subtree(resource)) => {
                (action, resource, SUBTREE).serialize(serializer)
            }
        }
    }
}

/// One demand as it is read.
struct Read((Action, Region));

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Read;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an action, a resource, and `subtree` if all beneath it is meant")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Read, A::Error> {
                let short = || A::Error::custom("a demand is an action and a resource");
                let action = parts.next_element()?.ok_or_else(short)?;
                let resource = parts.next_element()?.ok_or_else(short)?;
                let region = match parts.next_element::<Cow<'de, str>>()? {
                    None => Region::Exact(resource),
                    Some(word) if word == SUBTREE => Region::Subtree(resource),
                    Some(_) => return Err(A::Error::custom("unknown extent of a demand")),
                };
                match parts.next_element::<de::IgnoredAny>()? {
                    None => Ok(Read((action, region))),
                    Some(_) => Err(A::Error::custom("a demand has at most three parts")),
                }
            }
        }
        deserializer.deserialize_seq(Parts)
    }
}

const SUBTREE: &str = "subtree";

/// Whether `text` can stand in ledgers for ever: lower case, digits, dots, `_` and `-`.
pub(crate) const fn is_kind(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        if !matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-') {
            return false;
        }
        rest = others;
    }
    !text.is_empty() && text.len() <= 64
}

/// A short stable word for what went wrong, such as `not_found`: for programs, and in ledgers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code of the program's own, in `snake_case`.
    #[must_use]
    pub const fn new(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// At most 64 bytes of it: records are bounded.
    pub(crate) fn bounded(self) -> Self {
        let end = self.0.floor_char_boundary(CODE_BYTES_MAX);
        if end == self.0.len() {
            return self;
        }
        Self(self.0.get(..end).unwrap_or_default().to_owned().into())
    }
}

const CODE_BYTES_MAX: usize = 64;

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An operation whose canonical bytes are fixed: what is judged is what is recorded and performed.
#[derive(Debug)]
pub(crate) struct Request<'o, O> {
    pub(crate) operation: &'o O,
    pub(crate) demands: Demands<'o>,
    pub(crate) bytes: Vec<u8>,
}

/// The most canonical bytes an operation may have. Larger content goes by digest.
const OPERATION_BYTES_MAX: usize = 64 * 1024;
/// How much one operation may touch: each of it is judged, recorded and found again.
const DEMANDS_MAX: usize = 128;

impl<'o, O: Operation> Request<'o, O> {
    /// Encodes `operation`, once.
    pub(crate) fn of(operation: &'o O) -> Result<Self, OperationError> {
        let mut bytes = Vec::with_capacity(128);
        canonical::write(operation, &mut bytes)?;
        if bytes.len() > OPERATION_BYTES_MAX {
            return Err(OperationError::TooLarge { size_bytes: bytes.len() });
        }
        let demands = operation.demands();
        let count = demands.iter().count();
        if count > DEMANDS_MAX {
            return Err(OperationError::TooMuch { count });
        }
        Ok(Self { operation, demands, bytes })
    }

    /// What an approval names: the kind, the endpoint's name, the canonical bytes, the content
    /// that travels with them, and what it happens because of.
    pub(crate) fn digest(&self, mount: &str, because: Option<&str>) -> Digest {
        let content = self.operation.content().map(Digest::of_content);
        digest_of((O::KIND, mount), &self.bytes, (content.as_ref(), because))
    }

    /// The canonical bytes as text, which JSON always is.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

/// The digest of an operation of this kind at that mount. What happens because of something has
/// another than what does not; all that happens because of one session has the same.
pub(crate) fn digest_of(
    (kind, mount): (&str, &str),
    bytes: &[u8],
    (content, because): (Option<&Digest>, Option<&str>),
) -> Digest {
    let content = content.map_or(&[][..], |digest| digest.as_bytes());
    let own = [kind.as_bytes(), mount.as_bytes(), bytes, content];
    let Some(because) = because else { return OPERATION.digest(&own) };
    let [kind, mount, bytes, content] = own;
    OPERATION.digest(&[kind, mount, bytes, content, because.as_bytes()])
}

/// Why an operation cannot be judged: it has no canonical bytes, or too many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OperationError {
    /// See [`NotCanonical`].
    #[error("operation has {0}")]
    NotCanonical(#[from] NotCanonical),
    /// More than 64 KiB.
    #[error("operation has {size_bytes} canonical bytes of at most 65536")]
    TooLarge { size_bytes: usize },
    /// More than 128 demands.
    #[error("operation touches {count} things, of at most {DEMANDS_MAX}")]
    TooMuch { count: usize },
}
