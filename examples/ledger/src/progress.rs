//! How far something is that takes a while: on the standard error, if it is a terminal.
use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::text::grouped;

/// One line that is written over.
#[derive(Debug)]
pub(crate) struct Meter {
    shown: bool,
    began: Instant,
    next: Duration,
    drawn: bool,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let shown = io::stderr().is_terminal();
        Self { shown, began: Instant::now(), next: EVERY, drawn: false }
    }

    /// Shows how far it is, a few times a second. Where the end is not known, `of` is 0.
    pub(crate) fn tell(&mut self, records: u64, of: u64) {
        let spent = self.began.elapsed();
        if self.shown && spent >= self.next {
            self.next = spent + EVERY;
            self.drawn = true;
            let share = (records * 100).checked_div(of);
            let share = share.map(|share| format!(" of {}, {share} %", grouped(of)));
            let share = share.unwrap_or_default();
            let rate = grouped(rate(records, spent));
            eprint!("\r\x1b[K{} records{share}, {rate} a second", grouped(records));
            io::stderr().flush().unwrap_or_default();
        }
    }

    /// Wipes the line, and says how fast it was.
    pub(crate) fn finish(mut self, records: u64) {
        self.wipe();
        let spent = self.began.elapsed();
        if self.shown {
            let rate = grouped(rate(records, spent));
            let seconds = spent.as_secs_f32();
            eprintln!("{} records in {seconds:.2} s, {rate} a second", grouped(records));
        }
    }

    fn wipe(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.wipe();
    }
}

fn rate(records: u64, spent: Duration) -> u64 {
    let nanos = spent.as_nanos().max(1);
    u64::try_from(u128::from(records) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

const EVERY: Duration = Duration::from_millis(200);
