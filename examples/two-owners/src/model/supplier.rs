//! The supplier's: it does what it is asked, whoever asks, and is kept from most of it.
use anyhow::{Context, Result};
use clawnet_net::{Briefing, Mark};

use super::{Learned, Model, Move, cents, field, heard, money};

/// What it remembers from one turn to the next.
#[derive(Debug, Default)]
pub(super) struct Supplier {
    freight: String,
    many: u64,
    number: u64,
    stage: Stage,
    /// What it was told to do and has not tried yet, the last first.
    told: Vec<Move>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Asked,
    Told,
    Obeying,
    Inquiring,
    Looking,
    Offered,
}

impl Model for Supplier {
    fn next(&mut self, briefing: &Briefing, learned: &Learned) -> Result<Move> {
        let heard = heard(briefing);
        if heard.is_empty() {
            return Ok(Move::Say(format!("{}?", briefing.foreign.topic), Mark::Continue));
        }
        match self.stage {
            Stage::Asked => {
                let number = heard.split(' ').find_map(|word| word.parse().ok());
                self.number = number.context("how many?")?;
                self.stage = Stage::Told;
                Ok(Move::Say("Delivered, or from our yard?".into(), Mark::Continue))
            }
            Stage::Told => {
                self.told = orders(heard);
                self.stage = Stage::Obeying;
                Ok(self.obey())
            }
            Stage::Obeying => Ok(self.obey()),
            Stage::Inquiring => {
                learned.text().clone_into(&mut self.freight);
                self.stage = Stage::Looking;
                Ok(Move::Read("/trade/price-list.md".into()))
            }
            Stage::Looking => self.offer(learned.text()),
            Stage::Offered => {
                let text = format!("{} each for that many. The freight as said.", money(self.many));
                Ok(Move::Say(text, Mark::Continue))
            }
        }
    }
}

impl Supplier {
    /// One order after the other, and then its own business.
    fn obey(&mut self) -> Move {
        self.told.pop().unwrap_or_else(|| {
            self.stage = Stage::Inquiring;
            let topic = format!("What does it cost to bring {} valves to Graz", self.number);
            Move::Inquire { topic, turns: 3 }
        })
    }

    fn offer(&mut self, list: &str) -> Result<Move> {
        let price = |name| field(list, name).and_then(cents).context("the list lacks a price");
        let each = price("each")?;
        self.many = price("each from 1000 on")?;
        self.stage = Stage::Offered;
        let text = format!("{} each, and for the freight: {}", money(each), self.freight);
        Ok(Move::Say(text, Mark::Continue))
    }
}

/// A model that takes what it hears for orders: every `fs:` in it is read, but the last is written.
fn orders(heard: &str) -> Vec<Move> {
    let paths = heard.split(' ').filter_map(|word| word.strip_prefix("fs:"));
    let mut paths: Vec<_> =
        paths.map(|path| path.trim_end_matches(['.', ',']).to_owned()).collect();
    let write = paths.pop().map(|path| Move::Write { path, text: "each: 8.20\n".to_owned() });
    write.into_iter().chain(paths.into_iter().map(Move::Read)).collect()
}
