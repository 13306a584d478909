//! What stands on the command line: words, and options by name, in any order.
use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    fmt::Display,
    str::FromStr,
};

use crate::stop::Stop;

/// The words and options that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    words: VecDeque<String>,
    options: BTreeMap<String, Option<String>>,
}

/// Options that say yes by being there.
const FLAGS: [&str; 5] = ["bodies", "full", "help", "json", "native"];
/// Options that say something.
const VALUES: [&str; 21] = [
    "against",
    "agent",
    "approval",
    "before",
    "count",
    "grant",
    "identity",
    "job",
    "key",
    "kind",
    "resource",
    "runtime",
    "secret",
    "sign",
    "since",
    "store",
    "to",
    "until",
    "verdict",
    "within",
    "checkpoint",
];

impl Arguments {
    /// Reads a command line, without the program's name.
    pub(crate) fn read(line: impl Iterator<Item = OsString>) -> Result<Self, Stop> {
        let mut arguments = Self::default();
        let mut line = line.map(|word| {
            let unreadable =
                |word: OsString| Stop::usage(format!("`{}` is not UTF-8", word.to_string_lossy()));
            word.into_string().map_err(unreadable)
        });
        while let Some(word) = line.next().transpose()? {
            if word == "--" {
                for word in line.by_ref() {
                    arguments.words.push_back(word?);
                }
            } else if let Some(option) = word.strip_prefix("--") {
                arguments.option(option, || line.next().transpose())?;
            } else if word == "-h" {
                arguments.options.insert("help".into(), None);
            } else if is_short_option(&word) {
                return Err(Stop::usage(format!("there is no option `{word}`")));
            } else {
                arguments.words.push_back(word);
            }
        }
        Ok(arguments)
    }

    fn option(
        &mut self,
        option: &str,
        next: impl FnOnce() -> Result<Option<String>, Stop>,
    ) -> Result<(), Stop> {
        let (name, given) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let value = if FLAGS.contains(&name) {
            if given.is_some() {
                return Err(Stop::usage(format!("`--{name}` takes no value")));
            }
            None
        } else if VALUES.contains(&name) {
            let value = if given.is_some() { given } else { next()? };
            Some(value.ok_or_else(|| Stop::usage(format!("`--{name}` needs a value")))?)
        } else {
            return Err(Stop::usage(format!("there is no option `--{name}`")));
        };
        match self.options.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(Stop::usage(format!("`--{name}` is there twice"))),
        }
    }

    /// Takes the next word.
    pub(crate) fn word(&mut self) -> Option<String> {
        self.words.pop_front()
    }

    /// Takes the next word, which has to be there: `what` says as what.
    pub(crate) fn needed(&mut self, what: &str) -> Result<String, Stop> {
        self.word().ok_or_else(|| Stop::usage(format!("{what} is missing")))
    }

    /// Whether this option is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.options.remove(name).is_some()
    }

    /// What this option says.
    pub(crate) fn value(&mut self, name: &str) -> Option<String> {
        self.options.remove(name).flatten()
    }

    /// What this option says, understood.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Stop>
    where
        T::Err: Display,
    {
        let said = self.value(name).map(|value| parse(&format!("--{name}"), &value));
        said.transpose()
    }

    /// Refuses what is left.
    pub(crate) fn end(self, command: &str) -> Result<(), Stop> {
        if let Some(name) = self.options.keys().next() {
            return Err(Stop::usage(format!("`{command}` has no option `--{name}`")));
        }
        match self.words.front() {
            None => Ok(()),
            Some(word) => Err(Stop::usage(format!("`{command}` does not expect `{word}`"))),
        }
    }
}

/// Understands `text`, which stands for `what`.
pub(crate) fn parse<T: FromStr>(what: &str, text: &str) -> Result<T, Stop>
where
    T::Err: Display,
{
    text.parse().map_err(|error| Stop::usage(format!("{what}: `{text}`: {error}")))
}

/// `-x`, but not `-`, which is the standard output, and not `-20`, which is a number.
fn is_short_option(word: &str) -> bool {
    let rest = word.strip_prefix('-');
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Arguments, Stop> {
        Arguments::read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_and_words_come_in_any_order() {
        let mut arguments = read("--json show --count=3 -20 --store a -- --odd").unwrap();
        assert!(arguments.flag("json"));
        assert_eq!(arguments.parsed::<u64>("count").unwrap(), Some(3));
        assert_eq!(arguments.value("store").as_deref(), Some("a"));
        let words: Vec<_> = std::iter::from_fn(|| arguments.word()).collect();
        assert_eq!(words, ["show", "-20", "--odd"]);
        arguments.end("show").unwrap();
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in ["--store", "--forse", "-x", "--json=yes", "--count 1 --count 2"] {
            assert!(matches!(read(wrong), Err(Stop::At(..))), "{wrong}");
        }
        assert!(read("--count x").unwrap().parsed::<u64>("count").is_err());
        assert!(read("--bodies").unwrap().end("show").is_err());
        assert!(read("more").unwrap().end("show").is_err());
    }
}
