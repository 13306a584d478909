//! Words in bytes that come in pieces.
use std::fs::File;

use aho_corasick::{AhoCorasick, Match};
use rustix::io::{pread, retry_on_intr};

use super::Search;
use crate::refusal::FsError;

/// What finds the words.
pub(super) struct Matcher {
    words: AhoCorasick,
    /// Reused for every file.
    buffer: Vec<u8>,
}

/// What the content of one file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) hits: u64,
    /// The lines with a hit, if all of it may be text.
    pub(super) text: Option<String>,
    /// Whether `text` leaves lines out.
    pub(super) truncated: bool,
}

/// How much of a line is shown before and behind a hit, in bytes.
const BESIDE_BYTES: usize = 500;
/// How much is looked at again with the next piece: all that a hit across the border may need.
const OVERLAP_BYTES: usize = BESIDE_BYTES + Search::KEYWORD_BYTES_MAX;
/// How many characters of one file are shown.
const CHARS_MAX: usize = 10_000;
#[cfg(not(test))]
const BUFFER_BYTES: usize = 256 * 1024;
/// So that small files have borders too.
#[cfg(test)]
const BUFFER_BYTES: usize = 2048;

impl Matcher {
    pub(super) fn of(keywords: &[String]) -> Result<Self, FsError> {
        let words = AhoCorasick::builder().ascii_case_insensitive(true).build(keywords);
        let words = words.map_err(|_| FsError::InvalidRequest("the words are too many"))?;
        Ok(Self { words, buffer: Vec::new() })
    }

    /// How often a word is in `text`.
    pub(super) fn hits(&self, text: &str) -> u64 {
        self.words.find_overlapping_iter(text).count() as u64
    }

    /// Searches all of a file, and shows what stands around the hits.
    ///
    /// A hit is counted once it is known what follows it, so where the pieces begin makes no
    /// difference.
    pub(super) fn search(&mut self, file: &File) -> Result<Content, FsError> {
        let Self { words, buffer } = self;
        buffer.resize(BUFFER_BYTES, 0);
        let mut shown = Shown::default();
        let (mut offset, mut held, mut done) = (0_u64, 0, 0);
        loop {
            let fresh = fill(file, offset + held as u64, buffer.get_mut(held..))?;
            let ends = held + fresh < BUFFER_BYTES || offset > Search::FILE_BYTES_MAX;
            shown.binary |= buffer.get(held..held + fresh).is_some_and(|new| new.contains(&0));
            held += fresh;
            let piece = buffer.get(..held).unwrap_or_default();
            let settled = if ends { held } else { held - BESIDE_BYTES };
            let found = words.find_overlapping_iter(piece);
            for hit in found.filter(|hit| hit.end() > done && hit.end() <= settled) {
                shown.add(piece, offset, hit);
            }
            if ends {
                return Ok(shown.into());
            }
            let from = settled.saturating_sub(OVERLAP_BYTES);
            buffer.copy_within(from..held, 0);
            (offset, held, done) = (offset + from as u64, held - from, settled - from);
        }
    }
}

/// Fills `room`, and says how far the file went.
fn fill(file: &File, offset: u64, room: Option<&mut [u8]>) -> Result<usize, FsError> {
    let room = room.unwrap_or_default();
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match retry_on_intr(|| pread(file, &mut *rest, offset + filled as u64))? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// The hits so far, and the lines they are in.
#[derive(Default)]
struct Shown {
    hits: u64,
    text: String,
    chars: usize,
    /// Up to where in the file lines are shown.
    end: u64,
    truncated: bool,
    binary: bool,
}

impl Shown {
    fn add(&mut self, piece: &[u8], offset: u64, hit: Match) {
        self.hits += 1;
        if self.binary || self.truncated || offset + (hit.end() as u64) <= self.end {
            return;
        }
        let seen = usize::try_from(self.end.saturating_sub(offset)).unwrap_or_default();
        let first = hit.start().saturating_sub(BESIDE_BYTES).max(seen);
        let before = piece.get(first..hit.start()).unwrap_or_default();
        let start =
            before.iter().rposition(|byte| *byte == b'\n').map_or(first, |at| first + at + 1);
        let last = piece.len().min(hit.end() + BESIDE_BYTES);
        let behind = piece.get(hit.end()..last).unwrap_or_default();
        let end = behind.iter().position(|byte| *byte == b'\n').map_or(last, |at| hit.end() + at);
        let Some(line) = piece.get(start..end).and_then(text_of) else {
            self.binary = true;
            return;
        };
        let chars = line.chars().count() + 1;
        if self.chars + chars > CHARS_MAX {
            self.truncated = true;
            return;
        }
        self.chars += chars;
        self.text.push_str(line);
        self.text.push('\n');
        self.end = offset + end as u64;
    }
}

/// A line as text: a character that was cut in two at either end is left out.
fn text_of(line: &[u8]) -> Option<&str> {
    let whole = line.iter().position(|byte| byte & 0xc0 != 0x80)?;
    let line = line.get(whole.min(3)..)?;
    match std::str::from_utf8(line) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(line.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

impl From<Shown> for Content {
    fn from(shown: Shown) -> Self {
        let Shown { hits, text, truncated, binary, .. } = shown;
        let text = (!binary && !text.is_empty()).then_some(text);
        Self { hits, truncated: truncated && text.is_some(), text }
    }
}
