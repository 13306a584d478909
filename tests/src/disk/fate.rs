//! What a power cut leaves of what was not flushed.
use std::ops::Range;

/// One way in which a power cut may end. The first ten are those that are known to hurt; the others
/// are drawn, each piece of 512 bytes for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fate(u8);

impl Fate {
    /// How many there are.
    pub const COUNT: u8 = 64;
    /// Nothing of it survives.
    pub const NOTHING: Self = Self(0);
    /// All of it does.
    pub const ALL: Self = Self(1);

    /// Every one.
    pub fn every() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// One of those that leave a part, any number telling which.
    #[must_use]
    pub fn partial(number: u64) -> Self {
        let parts = u64::from(Self::COUNT - 2);
        Self(2 + u8::try_from(number % parts).unwrap_or(0))
    }

    /// Its number, from 0.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether a change of names that had not returned is kept.
    pub(super) fn keeps_name(self, dice: &mut Dice) -> bool {
        match self {
            Self::NOTHING => false,
            Self::ALL => true,
            Self(_) => dice.below(2) == 0,
        }
    }

    /// What survives of `bytes`, of which `uncertain` was not flushed.
    pub(super) fn survive(
        self,
        bytes: &[u8],
        uncertain: &[Range<usize>],
        dice: &mut Dice,
    ) -> Vec<u8> {
        let certain = uncertain.iter().rev().fold(bytes.len(), |end, range| {
            if range.end >= end { range.start.min(end) } else { end }
        });
        let pieces: Vec<Range<usize>> = uncertain.iter().flat_map(pieces).collect();
        let mut left = bytes.to_vec();
        for (nth, piece) in pieces.iter().enumerate() {
            let from = self.lost_from(piece, (nth == 0, nth + 1 == pieces.len()), dice);
            let lost = left.iter_mut().take(piece.end).skip(from);
            for (place, old) in lost.zip(bytes) {
                *place = match self.0 {
                    STALE => *old,
                    GARBAGE => !*place,
                    _ => 0,
                };
            }
        }
        left.truncate(self.length(certain, bytes.len(), dice));
        left
    }

    /// From where on a piece is lost: its end if it is kept.
    fn lost_from(self, piece: &Range<usize>, end: (bool, bool), dice: &mut Dice) -> usize {
        let (first, last) = end;
        let kept = match self.0 {
            1 | HALF | ONE_PIECE => true,
            0 | ZEROS | STALE | GARBAGE => false,
            LAST_ONLY => last,
            FIRST_LOST => !first,
            LAST_LOST => !last,
            _ => match dice.below(10) {
                0..5 => true,
                5..7 => false,
                _ => return piece.start + dice.below(piece.len()),
            },
        };
        if kept { piece.end } else { piece.start }
    }

    /// How long the file is afterwards: between what was certain and what was written.
    fn length(self, certain: usize, written: usize, dice: &mut Dice) -> usize {
        let more = written - certain;
        match self.0 {
            0 => certain,
            HALF => certain + more / 2,
            ONE_PIECE => written.min((certain / SECTOR_BYTES + 1) * SECTOR_BYTES),
            1..=GARBAGE => written,
            _ if dice.below(2) == 0 => written,
            _ => certain + dice.below(more + 1),
        }
    }
}

const ZEROS: u8 = 2;
const HALF: u8 = 3;
const LAST_ONLY: u8 = 4;
const FIRST_LOST: u8 = 5;
const LAST_LOST: u8 = 6;
const ONE_PIECE: u8 = 7;
const STALE: u8 = 8;
const GARBAGE: u8 = 9;

/// What a disk writes at once.
const SECTOR_BYTES: usize = 512;

/// The pieces of `range` that lie in one sector each.
fn pieces(range: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (mut at, end) = (range.start, range.end);
    std::iter::from_fn(move || {
        let start = at;
        at = end.min((start / SECTOR_BYTES + 1) * SECTOR_BYTES);
        (start < end).then_some(start..at)
    })
}

/// Numbers that look random and are not.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same numbers and name.
    pub(super) fn of(numbers: &[u64], name: &str) -> Self {
        let mut dice = Self(0x0060_21FA);
        for number in numbers.iter().copied().chain(name.bytes().map(u64::from)) {
            dice.0 ^= number;
            dice.next();
        }
        dice
    }

    /// A number below `end`, or 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let drawn = self.next() % (end.max(1) as u64);
        usize::try_from(drawn).unwrap_or(0)
    }

    /// How much of a failing call is done, in 256ths: often nothing, often all.
    pub(super) fn fraction(&mut self) -> usize {
        match self.below(3) {
            0 => 0,
            1 => 256,
            _ => self.below(257),
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.0 = self.0.rotate_left(1);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_certain_is_never_harmed_and_the_fates_differ() {
        let bytes: Vec<u8> = (0..3000_u32).map(|at| u8::try_from(at % 251).unwrap() | 1).collect();
        for uncertain in [[700..900, 900..3000], [0..700, 700..3000], [700..900, 2000..3000]] {
            let adjoin = uncertain[0].end == uncertain[1].start;
            let end = uncertain[usize::from(!adjoin)].start;
            let mut seen = BTreeSet::new();
            for fate in Fate::every() {
                let left =
                    fate.survive(&bytes, &uncertain, &mut Dice::of(&[9, fate.0.into()], "f"));
                let certain = |at: &usize| !uncertain.iter().any(|range| range.contains(at));
                for at in (0..bytes.len()).filter(certain) {
                    assert_eq!(left.get(at), Some(&bytes[at]), "{fate:?}, byte {at}");
                }
                assert!(left.len() <= bytes.len());
                seen.insert(left);
            }
            assert!(seen.len() > 55, "{} of 64 differ", seen.len());
            let left = |fate: Fate| fate.survive(&bytes, &uncertain, &mut Dice::of(&[], ""));
            assert_eq!(left(Fate::ALL), bytes);
            assert_eq!(left(Fate::NOTHING).len(), end);
        }
    }
}
