//! A commit group: the frames of one write and one flush, closed by a footer of 64 bytes.
use std::sync::LazyLock;

use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};

use super::{checksum::checksum, frame::Head, segment::Position};
use crate::digest::Digest;

/// What closes a group, and proves that it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    /// How many frames the node has written, this group's included.
    pub(super) node_position: u64,
    /// How many of them are in this group.
    pub(super) count: u32,
    /// Where the group begins.
    pub(super) start: Position,
    /// A hash over all of the above and the group's frames.
    pub(super) hash: Digest,
}

impl Footer {
    /// How long it is.
    pub(super) const SIZE_BYTES: usize = 64;

    /// Closes the group `frames`, which begins at `start`.
    pub(super) fn over(frames: &[u8], start: Position, node_position: u64, count: u32) -> Self {
        let mut footer = Self { node_position, count, start, hash: Digest::ZERO };
        footer.hash = footer.hash_over(frames);
        footer
    }

    /// Whether it closes exactly this group.
    pub(super) fn closes(&self, frames: &[u8]) -> bool {
        self.hash == self.hash_over(frames)
    }

    /// Its bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(Self::SIZE_BYTES);
        body.extend(self.node_position.to_le_bytes());
        body.extend(self.count.to_le_bytes());
        body.extend(self.start.segment.to_le_bytes());
        body.extend(self.start.offset.to_le_bytes());
        body.extend(self.hash.as_bytes());
        out.extend(MARK);
        out.extend(checksum(&body).to_le_bytes());
        out.extend(body);
    }

    /// Reads a footer, if the bytes begin with one and not a bit of it has changed.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.get(..Self::SIZE_BYTES)?.strip_prefix(&MARK)?;
        let (sum, body) = rest.split_first_chunk()?;
        let (node_position, rest) = body.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (segment, rest) = rest.split_first_chunk()?;
        let (offset, hash) = rest.split_first_chunk()?;
        let segment = u32::from_le_bytes(*segment);
        (u64::from_le_bytes(*sum) == checksum(body)).then_some(Self {
            node_position: u64::from_le_bytes(*node_position),
            count: u32::from_le_bytes(*count),
            start: Position { segment, offset: u32::from_le_bytes(*offset) },
            hash: Digest::from_bytes(*hash.first_chunk()?),
        })
    }

    fn hash_over(&self, frames: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT);
        hasher.update(&self.node_position.to_le_bytes());
        hasher.update(&self.count.to_le_bytes());
        hasher.update(&self.start.to_u64().to_le_bytes());
        hasher.update(frames);
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// A group that is whole.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) footer: Footer,
    frames: &'a [u8],
}

impl<'a> Group<'a> {
    /// Reads the group that begins at `start`, with `bytes`, if it is whole.
    pub(super) fn parse(bytes: &'a [u8], start: Position) -> Option<Self> {
        let mut at = 0_usize;
        loop {
            let rest = bytes.get(at..)?;
            if rest.starts_with(&MARK) {
                let (footer, frames) = (Footer::parse(rest)?, bytes.get(..at)?);
                let whole = footer.start == start && footer.closes(frames);
                return whole.then_some(Self { footer, frames });
            }
            at = at.checked_add(Head::parse(rest)?.size_bytes())?;
        }
    }

    /// Finds the first whole group in `bytes`, which begin at `from`, and how far in it is.
    pub(super) fn find(bytes: &'a [u8], from: Position) -> Option<(usize, Self)> {
        bytes.windows(MARK.len()).enumerate().filter(|(_, mark)| *mark == MARK).find_map(
            |(end, _)| {
                let footer = Footer::parse(bytes.get(end..)?)?;
                let skipped = footer.start.offset.checked_sub(from.offset)?;
                let skipped = usize::try_from(skipped).ok()?;
                let group = bytes.get(skipped..).filter(|_| skipped < end)?;
                let here = footer.start.segment == from.segment;
                here.then(|| Some((skipped, Self::parse(group, footer.start)?)))?
            },
        )
    }

    /// How long it is, footer included.
    pub(super) fn size_bytes(&self) -> usize {
        self.frames.len().saturating_add(Footer::SIZE_BYTES)
    }

    /// Its frames, each with its position.
    pub(super) fn frames(&self) -> impl Iterator<Item = (Position, Head)> {
        let mut at = 0_usize;
        std::iter::from_fn(move || {
            let head = Head::parse(self.frames.get(at..)?)?;
            let position = self.footer.start.plus(at);
            at = at.checked_add(head.size_bytes())?;
            Some((position, head))
        })
    }
}

/// Where a frame has its length: a length no frame has.
const MARK: [u8; 4] = [0xFF; 4];

static CONTEXT: LazyLock<ContextKey> =
    LazyLock::new(|| hash_derive_key_context("clawnet 2026 store group v1"));
