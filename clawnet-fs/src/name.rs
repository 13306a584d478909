//! Names no agent may see or make: the deny-only part of layer 2.
//!
//! A rule is an exact name, a beginning or an end. It holds for every component below a declared
//! folder, for what exists and for what does not, and without regard to case. A name that only
//! *looks* like a protected one is refused too; other names in any script are nobody's business.
//!
//! Protected unless the owner says more ([`NameRule`], `[names]` in the owner's list):
//!
//! | what | names |
//! |---|---|
//! | environment files | `.env`, `.env.*`; but not `.env.example`, `.sample`, `.template`, `.dist` |
//! | private keys | `*.pem`, `*.key`, `*.p8`, `*.ppk`, `id_rsa*`, `id_dsa*`, `id_ecdsa*`, `id_ed25519*` |
//! | key stores | `*.p12`, `*.pfx`, `*.jks`, `*.keystore`, `*.keytab`, `*.kdbx`, `*.kdb` |
//! | places that hold little else | `.ssh`, `.gnupg`, `.aws`, `.azure`, `.kube`, `.password-store` |
//! | saved credentials | `.git-credentials`, `.netrc`, `_netrc`, `.pgpass`, `.my.cnf`, `.pypirc`, `.htpasswd`, `.dockercfg`, `.s3cfg`, `.boto`, `.vault-token` |
//!
//! Not among them, since projects keep them for everybody to read: `.envrc`, `.npmrc`, `.docker`,
//! `*.crt`, `*.gpg`, `secrets.yaml`. Who keeps secrets in those protects them.
use std::{fmt, str::FromStr};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::refusal::FsError;

/// One rule about names. It can only deny.
///
/// Written as the owner's list has it: `secrets.yaml` is that name, `id_*` what begins so, and
/// `*.wallet` what ends so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRule {
    shape: Shape,
    /// Lower-case ASCII.
    text: String,
    /// What the text looks like when letters are hard to tell.
    blurred: String,
    /// Names it would hold for, and does not.
    except: &'static [&'static str],
}

impl NameRule {
    /// Protects exactly this name.
    ///
    /// # Errors
    /// When `name` is empty, holds a `/` or a `*`, or is not ASCII: only ASCII can be folded here.
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
        let plain = !text.is_empty() && text.is_ascii() && !text.contains(['/', '*']);
        if plain { Ok(Self::known(shape, text)) } else { Err(NameRuleError) }
    }

    fn known(shape: Shape, text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        Self { shape, blurred: text.chars().map(blur).collect(), text, except: &[] }
    }

    /// Whether it holds for a name, without regard to case.
    fn holds(&self, name: &str) -> bool {
        let excepted = || self.except.iter().any(|except| name.eq_ignore_ascii_case(except));
        self.shape.fits(name.as_bytes(), self.text.as_bytes()) && !excepted()
    }

    /// Whether it holds for what a name looks like.
    fn holds_blurred(&self, name: &str) -> bool {
        let excepted =
            || self.except.iter().any(|except| except.chars().map(blur).eq(name.chars()));
        self.shape.fits(name.as_bytes(), self.blurred.as_bytes()) && !excepted()
    }
}

impl FromStr for NameRule {
    type Err = NameRuleError;

    fn from_str(text: &str) -> Result<Self, NameRuleError> {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (None, None) => Self::exact(text),
            (None, Some(start)) => Self::prefix(start),
            (Some(end), None) => Self::suffix(end),
            (Some(_), Some(_)) => Err(NameRuleError),
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
#[error("a name rule is one ASCII name, or a piece of one with a `*` before or after it")]
pub struct NameRuleError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Exact,
    Prefix,
    Suffix,
}

impl Shape {
    fn fits(self, name: &[u8], text: &[u8]) -> bool {
        let piece = match self {
            Self::Exact => Some(name),
            Self::Prefix => name.get(..text.len()),
            Self::Suffix => name.len().checked_sub(text.len()).and_then(|from| name.get(from..)),
        };
        piece.is_some_and(|piece| piece.eq_ignore_ascii_case(text))
    }
}

/// All rules in force.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    rules: Vec<NameRule>,
    /// The letters that rules begin with, and those that rules end with: most names have neither,
    /// and are done with.
    first: Letters,
    last: Letters,
}

/// A set of ASCII characters.
#[derive(Debug, Clone, Copy, Default)]
struct Letters(u128);

impl Letters {
    fn add(&mut self, letter: Option<&u8>) {
        self.0 |= letter.map_or(0, |letter| 1u128.checked_shl((*letter).into()).unwrap_or(0));
    }

    fn has(self, letter: Option<&u8>) -> bool {
        let letter = letter.map(u8::to_ascii_lowercase).filter(u8::is_ascii);
        letter.is_some_and(|letter| self.0 >> letter & 1 == 1)
    }
}

impl Names {
    pub(crate) fn add(&mut self, rule: NameRule) {
        match rule.shape {
            Shape::Exact | Shape::Prefix => self.first.add(rule.text.as_bytes().first()),
            Shape::Suffix => self.last.add(rule.text.as_bytes().last()),
        }
        self.rules.push(rule);
    }

    /// Whether one component may be named at all. Nothing is allocated for an ASCII name.
    pub(crate) fn judge(&self, name: &str) -> Result<(), FsError> {
        if self.protect(name) {
            return Err(FsError::ProtectedName);
        }
        // Spaces around a name and dots after it are seen by nobody.
        let bare = name.trim().trim_end_matches(['.', ' ']);
        if bare.len() != name.len() && self.protect(bare) {
            return Err(FsError::ConfusableName);
        }
        if !name.is_ascii() && self.resembles(name) {
            return Err(FsError::ConfusableName);
        }
        Ok(())
    }

    fn protect(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        (self.first.has(bytes.first()) || self.last.has(bytes.last()))
            && self.rules.iter().any(|rule| rule.holds(name))
    }

    fn resembles(&self, name: &str) -> bool {
        let look = look_of(name);
        let look = look.trim().trim_end_matches(['.', ' ']);
        self.rules.iter().any(|rule| rule.holds_blurred(look))
    }
}

impl Default for Names {
    fn default() -> Self {
        let mut names = Self { rules: Vec::new(), first: Letters(0), last: Letters(0) };
        let all = [(Shape::Exact, EXACT), (Shape::Prefix, PREFIX), (Shape::Suffix, SUFFIX)];
        for (shape, texts) in all {
            for text in texts {
                names.add(NameRule::known(shape, text));
            }
        }
        let variants = NameRule::known(Shape::Prefix, ".env.");
        names.add(NameRule { except: ENV_EXAMPLES, ..variants });
        names
    }
}

const EXACT: &[&str] = &[
    ".env",
    ".ssh",
    ".gnupg",
    ".aws",
    ".azure",
    ".kube",
    ".password-store",
    ".git-credentials",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".pypirc",
    ".htpasswd",
    ".dockercfg",
    ".s3cfg",
    ".boto",
    ".vault-token",
];
const PREFIX: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
const SUFFIX: &[&str] = &[
    ".pem",
    ".key",
    ".p8",
    ".ppk",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".keytab",
    ".kdbx",
    ".kdb",
];
/// What projects show instead of their environment files.
const ENV_EXAMPLES: &[&str] = &[".env.example", ".env.sample", ".env.template", ".env.dist"];

/// The lower-case ASCII name that `name` can be mistaken for, other characters as they are.
///
/// Compatibility forms (full width, mathematical, circled, ligatures) are taken apart, marks and
/// what shows nothing are left out, and letters of other scripts become what they are drawn like.
fn look_of(name: &str) -> String {
    let seen = name.nfkd().filter(|c| !is_combining_mark(*c) && !is_blank(*c));
    seen.map(plain).flat_map(char::to_lowercase).map(plain).map(blur).collect()
}

/// What shows nothing, and is not refused in a path already.
fn is_blank(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn plain(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    LOOKS.iter().find(|(_, alike)| alike.contains(c)).map_or(c, |(plain, _)| *plain)
}

/// What cannot be told apart in many fonts becomes one.
const fn blur(c: char) -> char {
    match c {
        'i' | '1' | '|' | '!' => 'l',
        '0' => 'o',
        other => other,
    }
}

/// Letters of other scripts that are drawn like an ASCII character. Capitals stand here where the
/// small letter is drawn otherwise.
const LOOKS: &[(char, &str)] = &[
    ('a', "аαɑᴀꭺАΑᎪ"),
    ('b', "вьβʙᏴᏏᛒВΒƅ"),
    ('c', "сϲᴄꮯСϹᏟⅽ"),
    ('d', "ԁɗᴅᏧꮷԀᎠđð"),
    ('e', "еєεᴇꭼЕΕᎬɛҽ"),
    ('f', "ƒꜰϝғẝꞙ"),
    ('g', "ɡցɢԍᏀɣğ"),
    ('h', "һհʜнНΗᎻħ"),
    ('i', "іιıɩᎥІΙɪꙇ"),
    ('j', "јϳյᴊЈᎫȷ"),
    ('k', "кκᴋқКΚᏦҡ"),
    ('l', "ⅼӏӀʟᏞľłǀاו"),
    ('m', "мⅿᴍМΜᎷ"),
    ('n', "ոпηɴΝņռ"),
    ('o', "оοօσᴏОΟՕøס०੦௦о٥ه໐"),
    ('p', "рρᴘРΡᏢƿþ"),
    ('q', "ԛգզ"),
    ('r', "гᴦʀꭇᎡᏒɾ"),
    ('s', "ѕꜱЅᏚꮪʂ"),
    ('t', "тτᴛТΤᎢŧ"),
    ('u', "υսᴜμцʋս"),
    ('v', "ѵνᴠⅴᏙ"),
    ('w', "ԝωᴡɯшѡᎳ"),
    ('x', "хχⅹХΧ᙮×ҳ"),
    ('y', "уγʏүУΥҮყ"),
    ('z', "ᴢΖᏃʐ"),
    ('.', "。·‧∙⋅•٠۰ꓸ܁܂᛫・"),
    ('_', "ˍ‗"),
    ('-', "‐‑‒–—−﹘ー"),
    ('1', "١۱"),
    ('2', "ƨᒿշ"),
    ('5', "ƽ"),
    ('8', "Ȣȣ৪"),
    ('9', "৭੧୨"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: &Result<(), FsError>) {
        assert_eq!(&Names::default().judge(name), expect, "{name:?}");
    }

    #[test]
    fn protected_names_fold_case() {
        let folded = [".ENV", ".Env.Local", ".SSH", "server.PEM", "ID_RSA.pub", ".Git-Credentials"];
        let kinds = [".env.production", ".env.staging.local", ".env~", "id_ecdsa_sk", "id_dsa.bak"];
        let stores = ["a.jks", "b.keystore", ".aws", ".netrc", "_netrc", ".gnupg", "AuthKey.p8"];
        for name in folded.into_iter().chain(stores).chain(kinds).chain(EXACT.iter().copied()) {
            let expect = if name == ".env~" { Ok(()) } else { Err(FsError::ProtectedName) };
            check(name, &expect);
        }
    }

    #[test]
    fn what_projects_show_everybody_is_shown() {
        for name in ENV_EXAMPLES.iter().copied().chain([
            "env",
            ".envrc",
            ".environment",
            "key",
            "notes.md",
            "ssh",
            "pem.txt",
            ".npmrc",
            "aws",
            "id_card.png",
            "keyboard.rs",
            "monkey",
            "a.pem.md",
            "Makefile",
            ".gitignore",
            "1.2.3",
            ".ENV.Example",
            "tokens.css",
            "credentials.rs",
            "a.pub",
            " spaced ",
            "end.",
            "...a",
        ]) {
            check(name, &Ok(()));
        }
        check(".env.example.local", &Err(FsError::ProtectedName));
    }

    #[test]
    fn look_alikes_are_refused() {
        for name in [
            ".еnv",
            ".ſsh",
            ".\u{ff45}nv",
            "server.\u{212a}ey",
            ".e\u{301}nv",
            "․env",
            ".ＥＮＶ",
            ".𝐞𝐧𝐯",
            ".ⓔⓝⓥ",
            ".ᵉⁿᵛ",
            ".еnѵ.local",
            "іd_rsa",
            "ıd_ed25519",
            "id_rsа.pub",
            "ｉｄ＿ｒｓａ",
            "server.рем",
            "k.ＰＥＭ",
            "a.p１2",
            "a.кey",
            ".ssһ",
            ".ЅЅН",
            "。ssh",
            "·env",
            ".en\u{fe0f}v",
            ".e\u{34f}nv",
            ".ѕѕh",
            ".ɢnupg",
            ".git‐credentials",
            ".aωs",
            ".Aws\u{3164}",
            "ӏd_rsa.\u{e0001}",
            ".env ",
            " .env",
            ".env.",
            ".env\u{a0}",
            "id_ecdsа",
            "store.jкѕ",
        ] {
            let got = Names::default().judge(name);
            assert!(got == Err(FsError::ConfusableName) || name == ".env.", "{name:?} {got:?}");
        }
        check(".env.", &Err(FsError::ProtectedName));
    }

    #[test]
    fn other_scripts_are_nobodys_business() {
        for name in [
            "заметки.md",
            "πρόγραμμα",
            "日本語.txt",
            "Übersicht.md",
            "ключ",
            "ключ.txt",
            "файл.env.txt",
            "مذكرات.txt",
            "הערות.md",
            "नोट्स.txt",
            "노트.md",
            "мир.кеys",
            "ÉTÉ.pdf",
            "naïve.rs",
            "𝛼.tex",
            "café .md",
            "отчёт 2026.xlsx",
            "ssh-конфиг.md",
            "😀.png",
            "sn°1.txt",
        ] {
            check(name, &Ok(()));
        }
    }

    #[test]
    fn a_rule_is_a_piece_of_one_name() {
        assert!(NameRule::exact("a/b").is_err() && NameRule::prefix("").is_err());
        for bad in ["*", "", "a*b", "*a*", "**a", "a/b", "ключ", "*/"] {
            assert_eq!(bad.parse::<NameRule>(), Err(NameRuleError), "{bad}");
        }
        let mut names = Names::default();
        for text in ["*.Wallet", "seed*", "secrets.yaml"] {
            let rule: NameRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text.to_lowercase());
            names.add(rule);
        }
        for name in ["my.WALLET", "Seeds.txt", "SECRETS.yaml"] {
            assert_eq!(names.judge(name), Err(FsError::ProtectedName));
        }
        assert_eq!(names.judge("ѕecrets.yaml"), Err(FsError::ConfusableName));
        assert_eq!(names.judge("secrets.yml"), Ok(()));
        let mut examples = Names::default();
        examples.add(NameRule::prefix(".env").unwrap());
        assert_eq!(examples.judge(".env.example"), Err(FsError::ProtectedName));
    }
}
