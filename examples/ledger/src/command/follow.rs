//! Records as they come, while another process writes them.
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use futures::executor::block_on;

use super::{Command, row::Rows, show::From};
use crate::{
    arguments::Arguments, names::Names, place::Place, screen::Screen, stop::Stop, view::View,
};

pub(super) const COMMAND: Command = Command {
    name: "follow",
    usage: "[FROM]",
    about: "the same, and those to come",
    more: "Without end, or to the record that --count N makes the last. It looks a few times a\n\
           second at what other processes write, and each look that finds something reads the\n\
           store once: of a store of gigabytes it looks less often.\n",
    run,
};

fn run(mut arguments: Arguments, place: &Place, screen: &mut Screen) -> Result<(), Stop> {
    let from = From::read(arguments.word())?;
    let count = arguments.parsed::<u64>("count")?;
    arguments.end(COMMAND.name)?;
    let folder = place.store()?;
    let (mut rows, mut next) = block_on(async {
        let view = View::open(place).await?;
        let last = view.last().await?;
        let first = from.of(last);
        Ok::<_, Stop>((Rows::new(Names::before(&view, first).await?, last), first))
    })?;
    let end = count.map(|count| next.saturating_add(count));
    rows.heading(screen)?;
    let mut seen = None;
    loop {
        let (looked, written) = (Instant::now(), written(&folder)?);
        if seen != Some(written) {
            seen = Some(written);
            block_on(catch_up(place, (&mut next, end), &mut rows, screen))?;
            if end.is_some_and(|end| next >= end) {
                return Ok(());
            }
        }
        thread::sleep(EVERY.max(looked.elapsed() * 4));
    }
}

/// Shows what there is from `next` on, but nothing from `end` on.
async fn catch_up(
    place: &Place,
    (next, end): (&mut u64, Option<u64>),
    rows: &mut Rows,
    screen: &mut Screen,
) -> Result<(), Stop> {
    let view = View::open_quietly(place).await?;
    let due = |sequence| end.is_none_or(|end| sequence < end);
    while due(*next) {
        let frames = view.read(*next).await?;
        let Some(last) = frames.last().map(|frame| frame.sequence) else { break };
        for frame in frames.iter().filter(|frame| due(frame.sequence)) {
            rows.show(frame, screen)?;
        }
        *next = last + 1;
    }
    screen.flush()
}

/// How many bytes all segments have: more, if anything was written.
fn written(folder: &Path) -> Result<u64, Stop> {
    let segments = folder.join("segments");
    let failed = |error| Stop::of_file(&segments, &error);
    let mut sum = 0;
    for entry in std::fs::read_dir(&segments).map_err(failed)? {
        sum += entry.and_then(|entry| entry.metadata()).map_err(failed)?.len();
    }
    Ok(sum)
}

const EVERY: Duration = Duration::from_millis(150);
