//! Models that are none: short lists of moves, made by what a model would be shown.
use anyhow::Result;
use clawnet_net::{Briefing, Mark};

use crate::cast::Who;

mod buyer;
mod carrier;
mod supplier;

/// What an agent wants to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    /// Read a file of its own house.
    Read(String),
    /// Write one.
    Write { path: String, text: String },
    /// Ask the carrier, on turns of this session.
    Inquire { topic: String, turns: u32 },
    /// Speak.
    Say(String, Mark),
}

/// What an agent thinks with.
pub(crate) trait Model: Send {
    /// The next move in the session it is briefed for. `learned` is what the move before gave: a
    /// text, or why it was refused, or an empty text in the beginning.
    fn next(&mut self, briefing: &Briefing, learned: &Learned) -> Result<Move>;
}

/// What came of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing yet: the floor was just taken.
    Nothing,
    /// A text: of a file, or of an answer from beneath.
    Text(String),
    /// Nothing, and why.
    Refused,
}

impl Learned {
    fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }
}

pub(crate) fn of(who: Who) -> Box<dyn Model> {
    match who {
        Who::Buyer => Box::<buyer::Buyer>::default(),
        Who::Supplier => Box::<supplier::Supplier>::default(),
        Who::Carrier => Box::<carrier::Carrier>::default(),
    }
}

fn heard(briefing: &Briefing) -> &str {
    briefing.foreign.heard.as_deref().unwrap_or_default()
}

/// The value behind `name: ` in a file.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Every amount of money in a text, in cents, in their order.
fn amounts(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '.').filter_map(cents)
}

/// `9.40` as 940. Money has two digits behind the point, and nothing else has.
fn cents(text: &str) -> Option<u64> {
    let (whole, part) = text.trim_end_matches('.').split_once('.')?;
    if part.len() != 2 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(part.parse().ok()?)
}

fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
