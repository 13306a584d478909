//! The carrier's: one question, one answer.
use anyhow::{Context, Result};
use clawnet_net::{Briefing, Mark};

use super::{Learned, Model, Move, cents, field, heard, money};

#[derive(Debug, Default)]
pub(super) struct Carrier;

impl Model for Carrier {
    fn next(&mut self, briefing: &Briefing, learned: &Learned) -> Result<Move> {
        if *learned == Learned::Nothing {
            return Ok(Move::Read("/trade/rates.md".into()));
        }
        let words: Vec<_> = heard(briefing).split([' ', '?']).collect();
        let valves: u64 = words.iter().find_map(|word| word.parse().ok()).context("how many?")?;
        let to = words.iter().rev().find(|word| !word.is_empty()).context("where to?")?;
        let number = |name: &str| field(learned.text(), name);
        let pallet: u64 = number("valves on a pallet").context("how heavy?")?.parse()?;
        let rate = number(&format!("a pallet to {to}")).and_then(cents);
        let pallets = valves.div_ceil(pallet.max(1));
        let total = money(rate.context("nobody drives there")?.saturating_mul(pallets));
        Ok(Move::Say(format!("{pallets} pallets to {to}, {total} in all."), Mark::Resolved))
    }
}
