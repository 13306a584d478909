//! Names no agent may see or make: the deny-only part of layer 2.
//!
//! A rule is an exact name, a beginning or an end. It holds for every component below a declared
//! folder, for what exists and for what does not, and without regard to case. A name that only
//! *looks* like a protected one is refused too; other names in any script are nobody's business.
use std::fmt;

use crate::refusal::FsError;

/// One rule about names. It can only deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRule {
    shape: Shape,
    /// Lower-case ASCII.
    text: String,
}

impl NameRule {
    /// Protects exactly this name.
    ///
    /// # Errors
    /// When `name` is empty, holds a `/`, or is not ASCII: only ASCII can be folded here.
    pub fn exact(name: &str) -> Result<Self, NameRuleError> {
        Self::of(Shape::Exact, name)
    }

    /// Protects every name that begins so.
    ///
    /// # Errors
    /// As [`NameRule::exact`].
    pub fn prefix(start: &str) -> Result<Self, NameRuleError> {
        Self::of(Shape::Prefix, start)
    }

    /// Protects every name that ends so.
    ///
    /// # Errors
    /// As [`NameRule::exact`].
    pub fn suffix(end: &str) -> Result<Self, NameRuleError> {
        Self::of(Shape::Suffix, end)
    }

    fn of(shape: Shape, text: &str) -> Result<Self, NameRuleError> {
        let plain = !text.is_empty() && text.is_ascii() && !text.contains('/');
        if plain { Ok(Self { shape, text: text.to_ascii_lowercase() }) } else { Err(NameRuleError) }
    }

    fn holds(&self, folded: &str) -> bool {
        match self.shape {
            Shape::Exact => folded == self.text,
            Shape::Prefix => folded.starts_with(&self.text),
            Shape::Suffix => folded.ends_with(&self.text),
        }
    }
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            Shape::Exact => write!(f, "{}", self.text),
            Shape::Prefix => write!(f, "{}*", self.text),
            Shape::Suffix => write!(f, "*{}", self.text),
        }
    }
}

/// A text that cannot be a name rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name rule is a piece of one ASCII name")]
pub struct NameRuleError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Exact,
    Prefix,
    Suffix,
}

/// All rules in force.
#[derive(Debug, Clone)]
pub(crate) struct Names(Vec<NameRule>);

impl Names {
    pub(crate) fn add(&mut self, rule: NameRule) {
        self.0.push(rule);
    }

    /// Whether one component may be named at all.
    pub(crate) fn judge(&self, name: &str) -> Result<(), FsError> {
        if self.protect(&name.to_ascii_lowercase()) {
            return Err(FsError::ProtectedName);
        }
        if !name.is_ascii() && self.protect(&look_of(name)) {
            return Err(FsError::ConfusableName);
        }
        Ok(())
    }

    fn protect(&self, folded: &str) -> bool {
        self.0.iter().any(|rule| rule.holds(folded))
    }
}

impl Default for Names {
    /// Environment files, keys and key stores.
    fn default() -> Self {
        let of = |shape, text: &&str| NameRule { shape, text: (*text).to_owned() };
        let exact = EXACT.iter().map(|text| of(Shape::Exact, text));
        let prefix = PREFIX.iter().map(|text| of(Shape::Prefix, text));
        let suffix = SUFFIX.iter().map(|text| of(Shape::Suffix, text));
        Self(exact.chain(prefix).chain(suffix).collect())
    }
}

const EXACT: &[&str] = &[".env", ".env.local", ".env.production", ".ssh"];
const PREFIX: &[&str] = &["id_rsa", "id_ed25519"];
const SUFFIX: &[&str] = &[".pem", ".key", ".p12", ".pfx", ".ppk", ".kdbx"];

/// The lower-case ASCII name that `name` can be mistaken for, other characters as they are.
fn look_of(name: &str) -> String {
    name.chars().filter(|c| !is_mark(*c)).map(look_of_char).collect()
}

/// Combining marks, which sit on the letter before them.
fn is_mark(c: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&c) || ('\u{20d0}'..='\u{20ff}').contains(&c)
}

fn look_of_char(c: char) -> char {
    // Full-width forms mirror ASCII at a fixed distance.
    if ('\u{ff01}'..='\u{ff5e}').contains(&c) {
        let ascii = char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c);
        return ascii.to_ascii_lowercase();
    }
    let c = c.to_lowercase().next().unwrap_or(c);
    LOOKS.iter().find(|(_, alike)| alike.contains(c)).map_or(c, |(plain, _)| *plain)
}

/// Lower-case letters of other scripts that are drawn like an ASCII character, and accented forms.
const LOOKS: &[(char, &str)] = &[
    ('a', "аαɑàáâãäåā"),
    ('c', "сϲçćč"),
    ('d', "ԁɗď"),
    ('e', "еєεéèêëēė"),
    ('f', "ƒ"),
    ('h', "һհ"),
    ('i', "іιıïìíîī"),
    ('k', "кκ\u{212a}"),
    ('l', "ⅼӏ"),
    ('m', "мⅿ"),
    ('n', "ոпñń"),
    ('o', "оοօòóôõö"),
    ('p', "рρ"),
    ('r', "гṛ"),
    ('s', "ѕſśš"),
    ('v', "ѵνⅴ"),
    ('x', "хχ"),
    ('y', "уγýÿ"),
    ('.', "․。．‧·"),
    ('_', "＿ˍ"),
    ('0', "०"),
    ('1', "１"),
    ('2', "２"),
    ('5', "５"),
    ('9', "９"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: &Result<(), FsError>) {
        assert_eq!(&Names::default().judge(name), expect, "{name}");
    }

    #[test]
    fn protected_names_fold_case() {
        for name in
            [".env", ".ENV", ".Env.Local", ".ssh", ".SSH", "server.PEM", "id_rsa", "ID_RSA.pub"]
        {
            check(name, &Err(FsError::ProtectedName));
        }
        for name in ["env", ".envrc", "key", "notes.md", "ssh", "pem.txt"] {
            check(name, &Ok(()));
        }
    }

    #[test]
    fn look_alikes_are_refused_and_other_scripts_are_not() {
        for name in [".еnv", ".ſsh", ".\u{ff45}nv", "server.\u{212a}ey", ".e\u{301}nv", "․env"]
        {
            check(name, &Err(FsError::ConfusableName));
        }
        for name in ["заметки.md", "πρόγραμμα", "日本語.txt", "Übersicht.md", "ключ"]
        {
            check(name, &Ok(()));
        }
    }

    #[test]
    fn a_rule_is_a_piece_of_one_name() {
        assert!(NameRule::exact("a/b").is_err() && NameRule::prefix("").is_err());
        let mut names = Names::default();
        names.add(NameRule::suffix(".Wallet").unwrap());
        assert_eq!(names.judge("my.WALLET"), Err(FsError::ProtectedName));
    }
}
