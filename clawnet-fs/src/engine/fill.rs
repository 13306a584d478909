//! What is to come to a path, made in its slot: with its content, and with what it is besides.
use std::{fs::File, io::Write, os::fd::AsFd};

use rustix::fs::Mode;

use super::Engine;
use crate::{
    attributes::{self, DIRECTORY_MODE, FILE_MODE, PRIVATE_MODE},
    handle::{EntryKind, Facts},
    image::Image,
    journal::Durability,
    pin::Pin,
    pour,
    refusal::FsError,
    source::Source,
    step::{Step, Trade},
};

impl Engine<'_> {
    /// Makes what is to come to the path. If that fails the slot is empty again. What was made is
    /// to be held until the change has ended: see [`Progress`](super::Progress).
    pub(super) fn fill(
        self,
        pin: &Pin<'_>,
        step: &mut Step,
        content: (&Source, &[u8]),
    ) -> Result<Option<File>, FsError> {
        let (after, replaces) = match &step.trade {
            Trade::Exchange { after, .. } => (after.clone(), true),
            Trade::Place { after } => (after.clone(), false),
            Trade::Take { .. } | Trade::Shift { .. } => return Ok(None),
        };
        let wanted = content.0.mode();
        let made = match (after.kind, replaces) {
            (EntryKind::Directory, _) => {
                let mode = wanted.map_or(DIRECTORY_MODE, |mode| Mode::from(mode) | Mode::RWXU);
                self.store.create_directory(&step.slot, mode)?
            }
            (_, true) => {
                let mode = pin.seen().map_or(PRIVATE_MODE, |seen| usual(seen.facts.mode));
                self.store.create(&step.slot, mode)?
            }
            (_, false) => {
                let mode = wanted.map_or(FILE_MODE, |mode| Mode::from(mode) | Mode::RUSR);
                self.store.create(&step.slot, mode)?
            }
        };
        let coming = Coming { source: content.0, bytes: content.1, after: &after, replaces };
        match self.furnish(pin, &made, &coming) {
            Ok(facts) => {
                step.trade.set_after(after.made(&facts));
                Ok(Some(made))
            }
            Err(error) => {
                self.discard(step)?;
                Err(error)
            }
        }
    }

    fn furnish(self, pin: &Pin<'_>, made: &File, coming: &Coming<'_>) -> Result<Facts, FsError> {
        let Coming { source, bytes, after, replaces } = *coming;
        let opened;
        let old = match pin.seen() {
            _ if !replaces => None,
            Some(seen) => Some((&seen.file, &seen.facts)),
            None => {
                opened = Image::open_unread(pin.handle(), pin.name())?;
                Some((&opened.0, &opened.1))
            }
        };
        if after.kind == EntryKind::Directory {
            // First, so that what is made in it gets from it what it is to get.
            attributes::inherit((pin.directory(), pin.facts()), source.mode(), made)?;
        }
        match source {
            Source::Given if after.kind == EntryKind::File => (&*made).write_all(bytes)?,
            Source::Given => {}
            Source::Longer => {
                let old = old.map(|(file, facts)| (file, facts.size_bytes));
                pour::lengthen(old, bytes, (made, after))?;
            }
            Source::Copied { from, image } => pour::copy(self.folders, from, image, made)?,
            Source::Tree(tree) => {
                tree.build(self.folders, made, self.durability == Durability::PowerSafe)?;
            }
        }
        let facts = if let Some((old, facts)) = old {
            attributes::take_over(old, facts, made)?
        } else {
            if after.kind == EntryKind::File {
                attributes::inherit((pin.directory(), pin.facts()), source.mode(), made)?;
            }
            Facts::of(made.as_fd())?
        };
        if self.durability == Durability::PowerSafe {
            made.sync_all()?;
        }
        Ok(facts)
    }

    /// Empties the slot of a step whose change does not come to be.
    pub(crate) fn discard(self, step: &Step) -> Result<(), FsError> {
        match step.trade.after() {
            Some(after) if after.kind == EntryKind::Directory && after.size_bytes > 0 => {
                self.store.discard_tree(&step.slot)
            }
            _ => self.store.discard(&step.slot),
        }
    }
}

/// The bits that a replacement takes over. Nobody else looks into the store.
const fn usual(mode: u32) -> Mode {
    Mode::from_bits_retain(mode & 0o777)
}

/// What is about to come to a path.
struct Coming<'a> {
    source: &'a Source,
    bytes: &'a [u8],
    after: &'a Image,
    replaces: bool,
}
