//! Going down a list of records, from the last to the first, without reading what is stepped over.
use std::collections::VecDeque;

use super::{
    look::{Look, LookError},
    postings::{block_of, first_of, list_of, lists_before, offset_of},
    terms::Term,
};

/// The records that may have one term.
#[derive(Debug)]
pub(crate) struct Cursor {
    term: Term,
    /// The block it is in, and the offsets there.
    current: Option<(u64, Vec<u16>)>,
    /// Blocks read ahead, the next one first.
    ahead: VecDeque<(u64, Vec<u16>)>,
    /// Blocks from here on were read, or stepped over.
    read: Option<u64>,
    /// How many are read next.
    count: usize,
}

/// How many blocks are read ahead at most.
const AHEAD_MAX: usize = 16;

impl Cursor {
    pub(crate) fn new(term: Term) -> Self {
        Self { term, current: None, ahead: VecDeque::new(), read: None, count: 1 }
    }

    /// The last record at or before `at` that may have the term. `at` never grows.
    pub(crate) async fn seek(
        &mut self,
        look: &mut Look<'_>,
        at: u64,
    ) -> Result<Option<u64>, LookError> {
        look.step();
        let block = block_of(at);
        loop {
            if let Some((of, list)) = &self.current {
                let end = if *of == block { offset_of(at) } else { u16::MAX };
                let count = list.partition_point(|offset| *offset <= end);
                if *of <= block
                    && let Some(offset) = count.checked_sub(1).and_then(|nth| list.get(nth))
                {
                    return Ok(Some(first_of(*of).saturating_add(u64::from(*offset))));
                }
            }
            self.current = self.next(look, block).await?;
            if self.current.is_none() {
                return Ok(None);
            }
        }
    }

    /// The next block, at or before `block`.
    async fn next(
        &mut self,
        look: &mut Look<'_>,
        block: u64,
    ) -> Result<Option<(u64, Vec<u16>)>, LookError> {
        let open = look.taken().block();
        let read = *self.read.get_or_insert(open.saturating_add(1));
        if read > open && block >= open {
            self.read = Some(open);
            return Ok(Some((open, look.taken().list(self.term))));
        }
        while let Some(next) = self.ahead.pop_front() {
            if next.0 <= block {
                return Ok(Some(next));
            }
        }
        let before = read.min(open).min(block.saturating_add(1));
        if before == 0 {
            return Ok(None);
        }
        let entries = look.entries(lists_before(self.term, before, self.count)).await?;
        self.count = self.count.saturating_mul(2).min(AHEAD_MAX);
        for entry in &entries {
            self.ahead.push_back(list_of(entry).ok_or(LookError::Lost)?);
        }
        // Below the last of them nothing was read; without any there is nothing.
        self.read = Some(self.ahead.back().map_or(0, |(block, _)| *block));
        Ok(self.ahead.pop_front())
    }
}
