//! Records, as they are in the store.
use futures::executor::block_on;

use super::{Command, row::Rows};
use crate::{
    arguments::{Arguments, parse},
    names::Names,
    place::Place,
    screen::Screen,
    stop::Stop,
    view::View,
};

pub(super) const COMMAND: Command = Command {
    name: "show",
    usage: "[FROM [COUNT]]",
    about: "records, the last 20 or those from FROM on",
    more: "FROM is a record's number, or -N for the last N. It shows what is there and checks\n\
           nothing: `verify` does. With --json a line is a record with its chain hash, as in an\n\
           export.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let from = From::read(arguments.word())?;
    let count = arguments.word().map(|count| parse::<u64>("COUNT", &count)).transpose()?;
    arguments.end(COMMAND.name)?;
    block_on(async {
        let view = View::open(place).await?;
        let last = view.last().await?;
        let first = from.of(last);
        if first > last {
            return Err(Stop::absent(format!("there is no record {first}: the last is {last}")));
        }
        let until = count.map_or(last, |count| last.min(first.saturating_add(count) - 1));
        let mut rows = Rows::new(Names::before(&view, first).await?, until);
        rows.heading(screen)?;
        let mut next = first;
        while next <= until {
            let frames = view.read(next).await?;
            let Some(end) = frames.last().map(|frame| frame.sequence) else { break };
            for frame in frames.iter().filter(|frame| frame.sequence <= until) {
                rows.show(frame, screen)?;
            }
            next = end + 1;
        }
        view.verdict()
    })
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
pub(super) enum From {
    Number(u64),
    Last(u64),
}

impl From {
    pub(super) fn read(word: Option<String>) -> Result<Self, Stop> {
        let Some(word) = word else { return Ok(Self::Last(SHOWN)) };
        match word.strip_prefix('-') {
            Some(count) => parse("FROM", count).map(Self::Last),
            None => parse("FROM", &word).map(Self::Number),
        }
    }

    /// The first record, of a ledger with so many.
    pub(super) fn of(self, last: u64) -> u64 {
        match self {
            Self::Number(number) => number.max(1),
            Self::Last(count) => last.saturating_sub(count.saturating_sub(1)).max(1),
        }
    }
}

/// How many records are shown to who does not say.
const SHOWN: u64 = 20;
