//! Paths as the node takes them: canonical for the kernel, and split once more by layer 2.
use std::{borrow::Cow, fmt, str::FromStr};

use clawnet_core::{Kind, Resource, ResourceError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::refusal::FsError;

/// A canonical path in the node's namespace, `fs:/work/q3.md`.
///
/// Its serialised form is that text and nothing else is read back. [`FromStr`] takes a path without
/// the `fs:` too, for people. Nothing is repaired: a text with `..`, `//` or an invisible character
/// is refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FsPath(Resource);

impl FsPath {
    /// The resource the kernel judges.
    #[must_use]
    pub fn resource(&self) -> &Resource {
        &self.0
    }

    /// Its text, `fs:` included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The directory that holds it, or none at the top.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(Self)
    }

    /// What is called `name` in this directory.
    ///
    /// # Errors
    /// When `name` is not one canonical component.
    pub fn child(&self, name: &str) -> Result<Self, PathError> {
        self.0.child(name).map(Self).map_err(PathError::NotCanonical)
    }

    /// What is beneath this directory at `relative`, such as `a/b.md`.
    ///
    /// # Errors
    /// When that is no canonical path.
    pub fn below(&self, relative: &str) -> Result<Self, PathError> {
        let text = format!("{}/{relative}", self.as_str().trim_end_matches('/'));
        text.parse().map(Self).map_err(PathError::NotCanonical)
    }

    /// The directories between `base` and this path, topmost first; `base` itself is not one.
    ///
    /// # Errors
    /// When the path is not beneath `base`.
    pub fn between(&self, base: &Self) -> Result<Vec<Self>, PathError> {
        let mut found = Vec::new();
        let mut at = self.parent().ok_or(PathError::NotBeneath)?;
        while &at != base {
            let above = at.parent().ok_or(PathError::NotBeneath)?;
            found.push(at);
            at = above;
        }
        found.reverse();
        Ok(found)
    }

    /// What is left of it below `base`: nothing if it is `base` itself, none if it is elsewhere.
    pub(crate) fn rest_below(&self, base: &Self) -> Option<&str> {
        let rest = self.as_str().strip_prefix(base.as_str())?;
        if rest.is_empty() || base.as_str().ends_with('/') {
            Some(rest)
        } else {
            rest.strip_prefix('/')
        }
    }

    /// Whether it is `base` or lies beneath it.
    pub(crate) fn is_beneath(&self, base: &Self) -> bool {
        self.rest_below(base).is_some()
    }

    /// Its components, split and checked by layer 2 itself: this shares no code with the kernel's
    /// parser, so that one mistake cannot open both layers.
    pub(crate) fn parts(&self) -> Result<Vec<&str>, FsError> {
        split(self.as_str())
    }
}

/// The path's components, if every one of them is plain.
pub(crate) fn split(text: &str) -> Result<Vec<&str>, FsError> {
    let rest = text.strip_prefix("fs:/").ok_or(FsError::InvalidPath)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let parts: Vec<&str> = rest.split('/').collect();
    let deep = parts.len() > COMPONENTS_MAX || rest.len() > PATH_BYTES_MAX;
    if deep || !parts.iter().all(|part| is_plain(part)) {
        return Err(FsError::InvalidPath);
    }
    Ok(parts)
}

const PATH_BYTES_MAX: usize = 4095;
const COMPONENTS_MAX: usize = 128;
const COMPONENT_BYTES_MAX: usize = 255;

/// One component that means exactly what it shows.
pub(crate) fn is_plain(part: &str) -> bool {
    let special = matches!(part, "" | "." | "..") || part.len() > COMPONENT_BYTES_MAX;
    let seen = |b: &u8| (b' '..=b'~').contains(b) && !matches!(b, b'/' | b'\\');
    if !special && part.as_bytes().iter().all(seen) {
        return true;
    }
    !special && !part.chars().any(|c| c == '/' || c == '\\' || is_unseen(c))
}

pub(crate) fn is_unseen(c: char) -> bool {
    let bidi = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c);
    let empty =
        matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}');
    bidi || empty || matches!(c, '\u{2028}' | '\u{2029}') || c.is_control()
}

impl FromStr for FsPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let full =
            if text.starts_with('/') { format!("fs:{text}").into() } else { Cow::from(text) };
        let resource: Resource = full.parse().map_err(PathError::NotCanonical)?;
        if resource.kind() == Kind::Path { Ok(Self(resource)) } else { Err(PathError::NotAPath) }
    }
}

impl fmt::Display for FsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for FsPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FsPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let resource = Resource::deserialize(deserializer)?;
        if resource.kind() == Kind::Path {
            Ok(Self(resource))
        } else {
            Err(D::Error::custom(PathError::NotAPath))
        }
    }
}

/// Why a text is no path of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The kernel's parser refuses it.
    #[error(transparent)]
    NotCanonical(ResourceError),
    /// It names something, but no file or directory.
    #[error("resource is not a path")]
    NotAPath,
    /// It is not where it was said to be.
    #[error("path is not beneath the given directory")]
    NotBeneath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_two_splits_for_itself() {
        assert_eq!(split("fs:/a/b.md"), Ok(vec!["a", "b.md"]));
        assert_eq!(split("fs:/"), Ok(vec![]));
        for bad in ["/a", "fs:a", "fs:/a/../b", "fs:/a//b", "fs:/a/", "fs:/a\\b", "fs:/a\u{202e}b"]
        {
            assert_eq!(split(bad), Err(FsError::InvalidPath), "{bad}");
        }
        assert_eq!(split(&format!("fs:{}", "/a".repeat(129))), Err(FsError::InvalidPath));
    }

    #[test]
    fn one_spelling_is_serialised() {
        let path: FsPath = "/work/q3.md".parse().unwrap();
        assert_eq!(serde_json::to_string(&path).unwrap(), r#""fs:/work/q3.md""#);
        assert!(serde_json::from_str::<FsPath>(r#""/work/q3.md""#).is_err());
        assert!(serde_json::from_str::<FsPath>(r#""env:prod""#).is_err());
        assert_eq!("env:prod".parse::<FsPath>(), Err(PathError::NotAPath));
    }

    #[test]
    fn directories_between_are_named_from_the_top() {
        let (path, base): (FsPath, FsPath) = ("/a/b/c/d".parse().unwrap(), "/a".parse().unwrap());
        let names: Vec<String> =
            path.between(&base).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["fs:/a/b", "fs:/a/b/c"]);
        assert_eq!(base.between(&path), Err(PathError::NotBeneath));
    }
}
