//! What is acted upon, and sets of it: the only matching code of layer 1.
//!
//! A resource is a kind and a canonical name of components, `fs:/work/q3.md`. A region is one
//! resource, or one and everything beneath it. Components are compared whole, so a grant on
//! `fs:/work` says nothing about `fs:/workspace`; subset and overlap are exact. There is no
//! wildcard, no negation and no "any of every kind". Text that is not canonical is **refused, never
//! repaired**, so that no two layers can repair it differently.
use std::{borrow::Cow, cmp::Ordering, fmt, hash::Hasher, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use smallvec::SmallVec;

mod parse;

pub use parse::ResourceError;
pub(crate) use parse::is_hidden;

/// The name spaces a resource can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `fs:/work/q3.md`, a path inside the owner's declared folders.
    Path,
    /// `tool:mail.send`; a namespace is what the dots separate.
    Tool,
    /// `env:prod`, an environment.
    Environment,
    /// `repo:host/org/name@refs/heads/main`, a repository, or one ref of it.
    Repository,
    /// `secret:db/password`, something to use but not to show.
    Secret,
    /// `contact:own_…`, another owner.
    Contact,
    /// `net:api.example.com:443`; a region over `net:example.com` covers its subdomains.
    Host,
    /// `identity:idn_…`, one of the owner's own identities.
    Identity,
}

/// One thing an operation touches.
///
/// **Promises** that two equal things have one text, and `text.parse()` of it gives the value
/// back. **Refuses** everything else with a [`ResourceError`]. Cloning shares the name.
#[derive(Clone)]
pub struct Resource(Arc<Name>);

impl Resource {
    /// Which name space it is in.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Its name without the kind: `/work/q3.md` of `fs:/work/q3.md`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.text.split_once(':').map_or("", |(_, name)| name)
    }

    /// Its text, kind included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The same thing one level up, or none at the top of its name space.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (kind, name) = (self.0.kind, self.name());
        let up = match kind {
            Kind::Path => name.rsplit_once('/').filter(|(_, last)| !last.is_empty())?.0,
            Kind::Host if name.contains(':') => name.split_once(':')?.0,
            Kind::Host => name.split_once('.')?.1,
            Kind::Tool | Kind::Environment | Kind::Repository | Kind::Secret => {
                name.rsplit_once(kind.separators())?.0
            }
            Kind::Contact | Kind::Identity => return None,
        };
        let up = if kind == Kind::Path && up.is_empty() { "/" } else { up };
        format!("{}:{up}", kind.prefix()).parse().ok()
    }

    /// The path one component below this one.
    ///
    /// # Errors
    /// When the resource is not a path, or `component` is not one canonical component.
    pub fn child(&self, component: &str) -> Result<Self, ResourceError> {
        if self.0.kind != Kind::Path || component.contains('/') {
            return Err(ResourceError::Component);
        }
        format!("{}/{component}", self.0.text.trim_end_matches('/')).parse()
    }

    /// Every region root this resource can be under, itself last, each with its hash.
    pub(crate) fn prefixes(&self) -> impl Iterator<Item = &Prefix> {
        self.0.prefixes.iter()
    }

    /// The text matching works on, cut at `prefix`.
    pub(crate) fn key_to(&self, prefix: &Prefix) -> &str {
        self.0.key.get(..prefix.end).unwrap_or_default()
    }

    /// The whole text matching works on.
    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }

    /// The last prefix: the resource itself.
    pub(crate) fn own_prefix(&self) -> Prefix {
        self.0.prefixes.last().copied().unwrap_or_default()
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let (kind, key, cuts) = parse::parse(text)?;
        let mut hasher = std::hash::DefaultHasher::new();
        let mut prefixes = SmallVec::with_capacity(cuts.len());
        let mut start = 0;
        for end in cuts {
            hasher.write(key.get(start..end).unwrap_or_default().as_bytes());
            prefixes.push(Prefix { hash: hasher.finish(), end });
            start = end;
        }
        Ok(Self(Arc::new(Name { kind, text: text.into(), key: key.into(), prefixes })))
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.text)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Resource {}

impl PartialOrd for Resource {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Resource {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl std::hash::Hash for Resource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.text)
    }
}

impl<'de> Deserialize<'de> for Resource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A set of resources: one of them, or one and all beneath it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a third kind of set must be looked at everywhere")]
pub enum Region {
    /// This resource and nothing else.
    Exact(Resource),
    /// This resource and everything beneath it.
    Subtree(Resource),
}

impl Region {
    /// Exactly the thing named `text`.
    pub fn exact(text: &str) -> Result<Self, ResourceError> {
        text.parse().map(Self::Exact)
    }

    /// The thing named `text` and everything beneath it. Refuses `fs:/`: who means all of it says
    /// [`Region::whole_volume`], so that a reviewer can search for it.
    pub fn subtree(text: &str) -> Result<Self, ResourceError> {
        match text.parse()? {
            root @ Resource(_) if root.as_str() == "fs:/" => Err(ResourceError::WholeVolume),
            root => Ok(Self::Subtree(root)),
        }
    }

    /// Every path there is.
    pub fn whole_volume() -> Result<Self, ResourceError> {
        "fs:/".parse().map(Self::Subtree)
    }

    /// The topmost resource of the set.
    #[must_use]
    pub fn root(&self) -> &Resource {
        match self {
            Self::Exact(root) | Self::Subtree(root) => root,
        }
    }

    /// Whether `resource` is in the set.
    #[must_use]
    pub fn contains(&self, resource: &Resource) -> bool {
        match self {
            Self::Exact(root) => root == resource,
            Self::Subtree(root) => is_beneath(resource, root),
        }
    }

    /// Whether every member of `other` is in this set: exact, not an estimate.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(resource)) => self.contains(resource),
            (Self::Exact(_), Self::Subtree(_)) => false,
            (Self::Subtree(root), Self::Subtree(inner)) => is_beneath(inner, root),
        }
    }

    /// Whether some resource is in both sets: exact, not an estimate.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.root()) || other.contains(self.root())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(root) => write!(f, "{root}"),
            Self::Subtree(root) => write!(f, "{root} and below"),
        }
    }
}

/// One region root above a resource: where its key ends, and the hash of the key to there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Prefix {
    pub(crate) hash: u64,
    pub(crate) end: usize,
}

struct Name {
    kind: Kind,
    /// What people read and the ledger keeps.
    text: Box<str>,
    /// What matching compares: the text, but host names from the right.
    key: Box<str>,
    prefixes: SmallVec<[Prefix; 8]>,
}

fn is_beneath(resource: &Resource, root: &Resource) -> bool {
    let end = root.own_prefix().end;
    resource.prefixes().any(|prefix| prefix.end == end && resource.key_to(prefix) == root.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(region: &Region, inside: &[&str], outside: &[&str]) {
        for text in inside {
            assert!(region.contains(&text.parse().unwrap()), "{text} in {region}");
        }
        for text in outside {
            assert!(!region.contains(&text.parse().unwrap()), "{text} not in {region}");
        }
    }

    #[test]
    fn components_are_compared_whole() {
        let work = Region::subtree("fs:/work").unwrap();
        check(
            &work,
            &["fs:/work", "fs:/work/a", "fs:/work/a/b"],
            &["fs:/workspace", "fs:/", "fs:/Work"],
        );
        let all = Region::whole_volume().unwrap();
        check(&all, &["fs:/", "fs:/work"], &["env:work", "tool:fs"]);
        let mail = Region::subtree("tool:mail").unwrap();
        check(&mail, &["tool:mail", "tool:mail.send"], &["tool:mailer", "secret:mail"]);
    }

    #[test]
    fn hosts_are_compared_from_the_right() {
        let example = Region::subtree("net:example.com").unwrap();
        let outside = ["net:example.com.evil.net:443", "net:notexample.com:443"];
        check(&example, &["net:example.com:443", "net:api.example.com:8080"], &outside);
        let one = Region::subtree("net:api.example.com:443").unwrap();
        check(&one, &["net:api.example.com:443"], &["net:api.example.com:80"]);
    }

    #[test]
    fn a_repository_covers_its_refs() {
        let repo = Region::subtree("repo:git.host/org/app").unwrap();
        let inside = ["repo:git.host/org/app", "repo:git.host/org/app@refs/heads/main"];
        check(&repo, &inside, &["repo:git.host/org/apple", "repo:git.host/org"]);
        let release = Region::subtree("repo:git.host/org/app@refs/heads/release").unwrap();
        let outside = ["repo:git.host/org/app", "repo:git.host/org/app@refs/heads/main"];
        check(&release, &["repo:git.host/org/app@refs/heads/release/1"], &outside);
    }

    #[test]
    fn subset_and_overlap_are_exact() {
        let of = |text: &str| Region::subtree(text).unwrap();
        let one = |text: &str| Region::exact(text).unwrap();
        assert!(of("fs:/a").includes(&of("fs:/a/b")) && !of("fs:/a/b").includes(&of("fs:/a")));
        assert!(of("fs:/a").includes(&one("fs:/a")) && !one("fs:/a").includes(&of("fs:/a")));
        assert!(of("fs:/a/b").overlaps(&of("fs:/a")) && !of("fs:/a/b").overlaps(&one("fs:/a")));
        assert!(!of("fs:/a").overlaps(&of("fs:/ab")));
    }

    #[test]
    fn parents_and_children_stay_canonical() {
        let path: Resource = "fs:/a/b".parse().unwrap();
        assert_eq!(path.parent().unwrap().as_str(), "fs:/a");
        assert_eq!(path.parent().unwrap().parent().unwrap().as_str(), "fs:/");
        assert_eq!(path.parent().unwrap().parent().unwrap().parent(), None);
        assert_eq!(path.child("c").unwrap().as_str(), "fs:/a/b/c");
        let host: Resource = "net:api.example.com:443".parse().unwrap();
        let above = host.parent().unwrap().parent().unwrap();
        assert_eq!(above.as_str(), "net:example.com");
        assert!(path.child("..").is_err() && path.child("c/d").is_err());
    }
}
