//! The strict parser: canonical text in, components out, or a reason.
use super::Kind;

/// Why a text names no resource. It is never repaired: send another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// It does not begin with a known kind and a colon.
    #[error("resource has no known kind such as `fs:` or `tool:`")]
    Kind,
    /// A path that does not start at the root.
    #[error("path is relative")]
    Relative,
    /// An empty, `.` or `..` component, a trailing separator, or a character that is not allowed.
    #[error("name is not canonical")]
    Component,
    /// The name is not in Unicode normal form C.
    #[error("name is not in Unicode normal form C")]
    NotNormal,
    /// Longer than 4095 bytes, a component longer than 255, or more than 128 components.
    #[error("name is too long or too deep")]
    TooLong,
    /// A subtree over every path, which has a constructor of its own.
    #[error("a region over every path must be asked for as the whole volume")]
    WholeVolume,
}

/// The longest name, the longest component, both in bytes, and the most components.
const NAME_BYTES_MAX: usize = 4095;
const COMPONENT_BYTES_MAX: usize = 255;
const COMPONENTS_MAX: usize = 128;

impl Kind {
    /// What the text of a resource of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Path => "fs",
            Self::Tool => "tool",
            Self::Environment => "env",
            Self::Repository => "repo",
            Self::Secret => "secret",
            Self::Contact => "contact",
            Self::Host => "net",
            Self::Identity => "identity",
        }
    }

    /// What separates the components of its names.
    pub(crate) const fn separators(self) -> &'static [char] {
        match self {
            Self::Path | Self::Secret | Self::Environment => &['/'],
            Self::Tool => &['.'],
            Self::Repository => &['/', '@'],
            Self::Host => &['.', ':'],
            Self::Contact | Self::Identity => &[],
        }
    }
}

const KINDS: [Kind; 8] = [
    Kind::Path,
    Kind::Tool,
    Kind::Environment,
    Kind::Repository,
    Kind::Secret,
    Kind::Contact,
    Kind::Host,
    Kind::Identity,
];

/// The kind, the key to match on, and where each prefix of the key ends.
pub(super) fn parse(text: &str) -> Result<(Kind, String, Vec<usize>), ResourceError> {
    let (prefix, name) = text.split_once(':').ok_or(ResourceError::Kind)?;
    let kind = KINDS.into_iter().find(|kind| kind.prefix() == prefix).ok_or(ResourceError::Kind)?;
    if name.len() > NAME_BYTES_MAX {
        return Err(ResourceError::TooLong);
    }
    let key = match kind {
        Kind::Path => path(name)?,
        Kind::Host => host(name)?,
        Kind::Tool
        | Kind::Environment
        | Kind::Repository
        | Kind::Secret
        | Kind::Contact
        | Kind::Identity => plain(kind, name)?,
    };
    let key = format!("{prefix}:{key}");
    let cuts = cuts(kind, &key, prefix.len() + 1);
    if cuts.len() > COMPONENTS_MAX + 1 {
        Err(ResourceError::TooLong)
    } else {
        Ok((kind, key, cuts))
    }
}

/// Ends of the key's prefixes. A path's first is the root itself.
fn cuts(kind: Kind, key: &str, start: usize) -> Vec<usize> {
    let mut cuts = Vec::with_capacity(8);
    if kind == Kind::Path {
        cuts.push(start);
        if key.len() == start {
            return cuts;
        }
    }
    let body = key.get(start..).unwrap_or_default();
    let inner = body.char_indices().skip(1).filter(|(_, c)| kind.separators().contains(c));
    cuts.extend(inner.map(|(at, _)| start + at));
    cuts.push(key.len());
    cuts
}

/// A path's key has no slash at the root, so that the root is a prefix of every path.
fn path(name: &str) -> Result<String, ResourceError> {
    let rest = name.strip_prefix('/').ok_or(ResourceError::Relative)?;
    if rest.is_empty() {
        return Ok(String::new());
    }
    rest.split('/').try_for_each(path_component)?;
    if unicode_normalization::is_nfc(name) {
        Ok(name.into())
    } else {
        Err(ResourceError::NotNormal)
    }
}

fn path_component(part: &str) -> Result<(), ResourceError> {
    if part.len() > COMPONENT_BYTES_MAX {
        return Err(ResourceError::TooLong);
    }
    if part.is_empty() || part == "." || part == ".." || part.contains(is_hidden) {
        return Err(ResourceError::Component);
    }
    Ok(())
}

/// Controls, backslash, and what is not seen or turns text around: two names that look alike must
/// not be two files.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\\' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// `api.example.com:443` becomes `com.example.api:443`, so that a domain is a prefix.
fn host(name: &str) -> Result<String, ResourceError> {
    let (labels, port) = match name.split_once(':') {
        Some((labels, port)) => (labels, Some(port)),
        None => (name, None),
    };
    let is_label = |label: &str| {
        component(label)?;
        let plain = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
        if plain { Ok(()) } else { Err(ResourceError::Component) }
    };
    labels.split('.').try_for_each(is_label)?;
    let reversed = labels.split('.').rev().collect::<Vec<_>>().join(".");
    let Some(port) = port else { return Ok(reversed) };
    match port.parse::<u16>() {
        Ok(number) if number > 0 && number.to_string() == port => Ok(format!("{reversed}:{port}")),
        _ => Err(ResourceError::Component),
    }
}

fn plain(kind: Kind, name: &str) -> Result<String, ResourceError> {
    let (base, reference) = match (kind, name.split_once('@')) {
        (Kind::Repository, Some((base, reference))) => (base, Some(reference)),
        _ => (name, None),
    };
    for text in std::iter::once(base).chain(reference) {
        match kind.separators().first() {
            Some(separator) => text.split(*separator).try_for_each(component)?,
            None => component(text)?,
        }
    }
    Ok(name.into())
}

fn component(part: &str) -> Result<(), ResourceError> {
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'.' | b'~');
    match part {
        "" | "." | ".." => Err(ResourceError::Component),
        part if part.len() > COMPONENT_BYTES_MAX => Err(ResourceError::TooLong),
        part if part.bytes().all(allowed) => Ok(()),
        _ => Err(ResourceError::Component),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Resource;

    fn check(text: &str, expect: Result<(), ResourceError>) {
        assert_eq!(text.parse::<Resource>().map(drop), expect, "{text:?}");
    }

    #[test]
    fn rejects_rather_than_repairs() {
        for text in ["fs:/", "fs:/notes/q3.md", "fs:/résumé/%2e*~$", "fs:/日本/..."] {
            check(text, Ok(()));
        }
        check("fs:notes", Err(ResourceError::Relative));
        check("/notes", Err(ResourceError::Kind));
        check("file:/notes", Err(ResourceError::Kind));
        for text in ["fs://", "fs:/a//b", "fs:/a/", "fs:/a/./b", "fs:/a/../b", "fs:/..", "fs:/a\\b"]
        {
            check(text, Err(ResourceError::Component));
        }
        for text in ["fs:/a\0b", "fs:/a\nb", "fs:/a\u{202e}b", "fs:/a\u{200b}", "fs:/\u{feff}a"] {
            check(text, Err(ResourceError::Component));
        }
        check("fs:/re\u{301}sume\u{301}", Err(ResourceError::NotNormal));
    }

    #[test]
    fn limits_are_exact() {
        check(&format!("fs:/{}", "a".repeat(255)), Ok(()));
        check(&format!("fs:/{}", "a".repeat(256)), Err(ResourceError::TooLong));
        check(&format!("fs:{}", "/a".repeat(128)), Ok(()));
        check(&format!("fs:{}", "/a".repeat(129)), Err(ResourceError::TooLong));
    }

    #[test]
    fn other_kinds_have_their_own_names() {
        for text in
            ["tool:mail.send", "env:prod/eu", "net:a.b:443", "net:a", "repo:h/o/r@refs/heads/x"]
        {
            check(text, Ok(()));
        }
        for text in
            ["tool:", "tool:a..b", "net:A.b", "net:a:0", "net:a:080", "repo:h//r", "repo:h@a@b"]
        {
            check(text, Err(ResourceError::Component));
        }
        check("secret:a b", Err(ResourceError::Component));
        check("env:*", Err(ResourceError::Component));
    }
}
