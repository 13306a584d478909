//! What is shown: lines for people or JSON for programs, and never half of one for the other.
use std::{
    env,
    io::{self, BufWriter, IsTerminal, Stdout, Write},
};

use serde_json::Value;

use crate::{
    arguments::Arguments,
    stop::Stop,
    text::{cut, shortened, visible},
};

/// The standard output.
#[derive(Debug)]
pub(crate) struct Screen {
    out: BufWriter<Stdout>,
    json: bool,
    full: bool,
    /// None where it is no terminal: then nothing is cut.
    width: Option<usize>,
    colour: bool,
}

/// What a line is like, for terminals that have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    Plain,
    Faint,
    Good,
    Caution,
    Bad,
}

impl Screen {
    pub(crate) fn of(arguments: &mut Arguments) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        let full = arguments.flag("full");
        let size = if terminal { rustix::termios::tcgetwinsize(&stdout).ok() } else { None };
        let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
        Self {
            out: BufWriter::new(stdout),
            json: arguments.flag("json"),
            full,
            width: columns.filter(|_| !full),
            colour: terminal && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty()),
        }
    }

    /// Whether programs read this.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// One line for people.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.tinted(Tint::Plain, text)
    }

    /// The same, in a colour if there are any.
    pub(crate) fn tinted(&mut self, tint: Tint, text: &str) -> Result<(), Stop> {
        let text = visible(text);
        let text = if self.full { text } else { shortened(&text) };
        self.exact(tint, &text)
    }

    /// A line of which identifiers and digests are left whole, because somebody needs them.
    pub(crate) fn whole(&mut self, text: &str) -> Result<(), Stop> {
        let width = self.width.take();
        let shown = self.exact(Tint::Plain, &visible(text));
        self.width = width;
        shown
    }

    fn exact(&mut self, tint: Tint, text: &str) -> Result<(), Stop> {
        let text = self.width.map_or_else(|| text.to_owned(), |width| cut(text, width));
        let colour = match tint {
            Tint::Plain => None,
            Tint::Faint => Some("2"),
            Tint::Good => Some("32"),
            Tint::Caution => Some("33"),
            Tint::Bad => Some("31"),
        };
        match colour.filter(|_| self.colour) {
            Some(colour) => writeln!(self.out, "\x1b[{colour}m{text}\x1b[0m")?,
            None => writeln!(self.out, "{text}")?,
        }
        Ok(())
    }

    /// One JSON value in one line.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Stop> {
        writeln!(self.out, "{value}")?;
        Ok(())
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.out.write_all(bytes)?;
        Ok(())
    }

    /// Where to write bytes as they are.
    pub(crate) fn out(&mut self) -> &mut (dyn Write + Send) {
        &mut self.out
    }

    /// Shows what is held back.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        Ok(self.out.flush()?)
    }

    /// Shows what is held back, at the end. What was begun and is not read stays unread.
    pub(crate) fn finish(mut self) -> Result<(), Stop> {
        let flushed = self.flush();
        // A reader that went away must not be told again while the buffer is dropped.
        drop(self.out.into_parts());
        flushed
    }
}

/// Says something on the standard error that is not part of the answer.
pub(crate) fn remark(text: &str) {
    eprintln!("ledger: {}", visible(text));
}
