//! How it is told: a line for each thing somebody does, and names where there are identifiers.
use clawnet_net::SessionId;

use crate::{cast::Who, word::Word};

/// Tells what one owner's side does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tale {
    /// To whom.
    pub(crate) ear: Ear,
    /// Whose side.
    pub(crate) who: Who,
}

/// Who hears it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ear {
    /// The process that started this one.
    Parent,
    /// The terminal.
    Terminal,
}

impl Tale {
    /// `voice` is who on that side: the owner, the agent, or the kernel.
    pub(crate) fn tell(self, voice: &str, what: &str) {
        let mut told = String::new();
        let mut who = format!("{:<9} {voice:<7} ", self.who.name());
        for line in wrapped(what, WIDTH_MAX - INDENT) {
            told.extend([who.as_str(), &line, "\n"]);
            who = " ".repeat(INDENT);
        }
        match self.ear {
            Ear::Parent => Word::Tale(told).say(),
            Ear::Terminal => print!("{told}"),
        }
    }
}

/// `text` with names for the owners in it.
pub(crate) fn named(text: &str) -> String {
    Who::ALL
        .iter()
        .fold(text.to_owned(), |text, who| text.replace(&who.id().to_string(), who.name()))
}

/// What is enough of a session's identifier to tell two of them apart.
pub(crate) fn short(session: SessionId) -> String {
    session.to_string().chars().take(10).collect()
}

/// Breaks at spaces; a longer word stays whole.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else if let Some(last) = lines.last_mut() {
            if line > 0 {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

const INDENT: usize = 18;
const WIDTH_MAX: usize = 99;
