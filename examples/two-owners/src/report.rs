//! One owner's account of what happened, from their ledger and their folder.
use anyhow::{Result, ensure};
use clawnet_core::{Deed, Demanded, Event, OutcomeKind, Query, Verdict};
use clawnet_net::{Line, Spoken, Standing, What};

use crate::{
    account::{Account, Row, Told, WHAT_CHARS},
    cast::Who,
    seat::Seat,
    tale::named,
};

impl Account {
    pub(crate) async fn of(seat: &Seat) -> Result<Self> {
        let house = &seat.house;
        let mut sessions = Vec::new();
        let mut deeds = Vec::new();
        for (session, dialogue) in house.party.sessions() {
            let lines = house.party.transcript(&house.owner, session).await?;
            let standing = match dialogue.standing() {
                Standing::Ended(ending) => format!("{ending:?}").to_lowercase(),
                Standing::Invited | Standing::Open | Standing::Paused => "not over".to_owned(),
            };
            let (used, of) = (dialogue.used, dialogue.terms().turns_max);
            let standing = format!("{standing}, {used} of {of} turns used");
            let entries = lines.iter().map(Row::of).collect();
            let topic = dialogue.terms().topic.clone();
            let cause = format!("net:{session}");
            let found = house.owner.query(&Query::new().cause(&cause), DEEDS_MAX).await?.deeds;
            deeds.extend(found);
            sessions.push(Told { entries, session, standing, topic });
        }
        deeds.sort_by_key(|deed| deed.sequence);
        let deeds = deeds.iter().map(deed).collect();
        let verification = house.kernel.verify().await?;
        ensure!(verification.damage.is_none(), "the {}'s ledger does not verify", seat.who.name());
        let (records, acts) = (verification.records, verification.acts);
        let verified = format!("verifies: {records} records, {acts} of them signed by the owner");
        let events = house.owner.security_events(DEEDS_MAX).await?;
        let events = events.iter().rev().map(|record| event(record.sequence, &record.event));
        let (events, files) = (events.collect(), files(seat)?);
        let who = seat.who.name().to_owned();
        Ok(Self { deeds, events, files, sessions, verified, who })
    }
}

impl Row {
    fn of(line: &Line) -> Self {
        let entry = &line.entry.entry;
        let what = match (&entry.what, &line.spoken) {
            (What::Turn(turn), Spoken::Text(text)) => {
                let draws = if turn.results.is_empty() { "" } else { "on an answer: " };
                format!("{draws}\"{}\"", cut(text, WHAT_CHARS - 2 - draws.len()))
            }
            (What::Turn(_), _) => "a turn, erased".to_owned(),
            (What::Draw { turns, .. }, _) => format!("sets {turns} turns aside"),
            (What::GiveBack { used, .. }, _) => format!("gives back all but {used}"),
        };
        let who = Who::of(line.from.owner()).map_or("somebody", Who::name).to_owned();
        Self { digest: entry.digest().to_string(), number: entry.number, what, who }
    }
}

fn deed(deed: &Deed) -> String {
    let mut what = deed.kind.clone();
    for (action, region) in deed.demands.iter().flat_map(Demanded::iter) {
        what = format!("{what}, {action} {}", named(&region.to_string()));
    }
    let came = match (deed.verdict, &deed.outcome) {
        (Verdict::Allow, Some(outcome)) if outcome.result == OutcomeKind::Done => "done",
        (Verdict::Allow, _) => "not done",
        (Verdict::Ask, _) => "asked the owner",
        (Verdict::Deny, _) => "denied",
    };
    format!("{:>4}  {what:<60} {came}", deed.sequence)
}

fn event(sequence: u64, event: &Event) -> String {
    let what = if let Event::Denied(refused) = event {
        format!("{}: {}", refused.kind, refused.denial)
    } else {
        cut(&format!("{event:?}"), WHAT_CHARS)
    };
    format!("{sequence:>4}  {}", named(&what))
}

fn files(seat: &Seat) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for folder in ["trade", "private", "deals"] {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(seat.house.folder.join(folder))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        for name in names {
            let text = std::fs::read_to_string(seat.house.folder.join(folder).join(&name))?;
            let (path, text) = (format!("/{folder}/{name}"), text.trim().replace('\n', "; "));
            files.push(format!("{path:<26} {text}"));
        }
    }
    Ok(files)
}

/// The beginning of a text that is too long.
fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", beginning.trim_end())
}

const DEEDS_MAX: usize = 200;
