//! What is on its way between owners: one line, which a file moves by hand.
use std::collections::BTreeSet;

use serde::Deserialize;

use super::trouble::Trouble;

/// Every message that was sent and has not arrived, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Wire {
    flights: Vec<Flight>,
    /// Ways that are cut: from whom, to whom.
    cut: BTreeSet<(String, String)>,
}

/// One message on its way, over a link that has proven to speak for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) bytes: Vec<u8>,
}

/// Which message on the wire: by its place, counted from 1, or the first that is so.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a place on the wire, or {\"from\", \"to\", \"carries\"}")]
pub(super) enum Which {
    Nth(usize),
    First(Wanted),
}

/// What a message has to be like. Whatever is absent may be anything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) carries: Option<String>,
}

impl Wire {
    pub(super) fn flights(&self) -> &[Flight] {
        &self.flights
    }

    pub(super) fn put(&mut self, flight: Flight) {
        self.flights.push(flight);
    }

    /// The place of a message, counted from 0. `carries` says what one carries.
    pub(super) fn place(
        &self,
        which: &Which,
        carries: impl Fn(&Flight) -> String,
    ) -> Result<usize, Trouble> {
        let found = match which {
            Which::Nth(nth) => nth.checked_sub(1).filter(|place| *place < self.flights.len()),
            Which::First(Wanted { from, to, carries: what }) => {
                let fits = |wanted: &Option<String>, found: &str| {
                    wanted.as_deref().is_none_or(|wanted| wanted == found)
                };
                self.flights.iter().position(|flight| {
                    fits(from, &flight.from)
                        && fits(to, &flight.to)
                        && what.as_ref().is_none_or(|what| *what == carries(flight))
                })
            }
        };
        found.ok_or_else(|| Trouble::Said("no such message is on the wire".into()))
    }

    /// Takes the message at a place off the wire.
    pub(super) fn take(&mut self, place: usize) -> Result<Flight, Trouble> {
        if place < self.flights.len() {
            Ok(self.flights.remove(place))
        } else {
            Err(Trouble::Said("no such message is on the wire".into()))
        }
    }

    /// Puts a second one behind the message at a place.
    pub(super) fn double(&mut self, place: usize) {
        if let Some(flight) = self.flights.get(place).cloned() {
            self.flights.insert(place + 1, flight);
        }
    }

    /// Lets these go first, in this order, and what is left after them.
    pub(super) fn reorder(&mut self, first: &[usize]) -> Result<(), Trouble> {
        let places: BTreeSet<_> = first.iter().copied().collect();
        let known = places.iter().all(|place| (1..=self.flights.len()).contains(place));
        if !known || places.len() != first.len() {
            let what = "the order names places on the wire, counted from 1, each once";
            return Err(Trouble::misread(what));
        }
        let mut flights: Vec<_> = std::mem::take(&mut self.flights).into_iter().map(Some).collect();
        let mut ordered = Vec::with_capacity(flights.len());
        for place in first {
            ordered.extend(flights.get_mut(place - 1).and_then(Option::take));
        }
        ordered.extend(flights.into_iter().flatten());
        self.flights = ordered;
        Ok(())
    }

    /// Loses everything that is to arrive there from here on.
    pub(super) fn cut(&mut self, from: &str, to: &str) {
        self.cut.insert((from.into(), to.into()));
    }

    /// Mends every way, and gives those that were cut.
    pub(super) fn heal(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.cut).into_iter().collect()
    }

    pub(super) fn is_cut(&self, flight: &Flight) -> bool {
        self.cut.contains(&(flight.from.clone(), flight.to.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_goes_first_and_the_rest_keeps_its_order() {
        let mut wire = Wire::default();
        for nth in 1..=4 {
            wire.put(Flight { from: "a".into(), to: "b".into(), bytes: vec![nth] });
        }
        wire.reorder(&[3, 1]).unwrap();
        let order: Vec<_> = wire.flights().iter().map(|flight| flight.bytes.clone()).collect();
        assert_eq!(order, [[3], [1], [2], [4]]);
        assert!(wire.reorder(&[5]).is_err() && wire.reorder(&[1, 1]).is_err());
        assert!(wire.reorder(&[0]).is_err());
    }
}
