//! One record in one line.
use clawnet_core::{Act, AuditRecord, Demanded, Event, Frame, OutcomeKind};

use crate::{
    names::Names,
    screen::{Screen, Tint},
    stop::Stop,
    text::{cut, moment},
};

/// Shows records, one after the other, to people or to programs.
#[derive(Debug)]
pub(super) struct Rows {
    names: Names,
    /// How wide the numbers are.
    digits: usize,
}

impl Rows {
    /// Rows of a ledger in which `names` were met, up to a record near `last`.
    pub(super) fn new(names: Names, last: u64) -> Self {
        Self { names, digits: last.to_string().len().max(4) }
    }

    pub(super) fn heading(&self, screen: &mut Screen) -> Result<(), Stop> {
        if screen.json() {
            return Ok(());
        }
        let line =
            format!("{:>1$}  {2:<19}  {3:<12}  what", "no", self.digits, "when (UTC)", "who");
        screen.tinted(Tint::Faint, &line)
    }

    pub(super) fn show(&mut self, frame: &Frame, screen: &mut Screen) -> Result<(), Stop> {
        if screen.json() {
            let Frame { sequence, hash, payload, .. } = frame;
            screen.bytes(format!("{{\"hash\":\"{hash}\",\"record\":").as_bytes())?;
            screen.bytes(payload)?;
            return screen.bytes(format!(",\"sequence\":{sequence}}}\n").as_bytes());
        }
        let record = match AuditRecord::from_frame(frame) {
            Ok(record) => record,
            Err(error) => return Err(Stop::wrong(error)),
        };
        let what = self.what(&record);
        self.names.learn(&record);
        let who = cut(&self.names.of(&record.actor), 12);
        let when = moment(record.at);
        let line = format!("{:>1$}  {when}  {who:<12}  {what}", record.sequence, self.digits);
        screen.tinted(tint(&record.event), &line)
    }

    /// What it says; whoever is named in it for the first time keeps the identifier.
    fn what(&self, record: &AuditRecord) -> String {
        let text = said(&record.event);
        match &record.event {
            Event::Delegated { .. } => text,
            Event::Act(signed) if matches!(signed.act, Act::Identity { .. } | Act::Bind { .. }) => {
                text
            }
            _ => self.names.spoken(&text),
        }
    }
}

/// What a record says; of an operation, all it touches.
pub(super) fn said(event: &Event) -> String {
    match event {
        Event::Asked(asked) => {
            format!("asks for {}, {}", touched(&asked.kind, Some(&asked.demands)), asked.ticket)
        }
        Event::Denied(refused) => {
            let what = touched(&refused.kind, refused.demands.as_ref());
            format!("denied, {}: {what}", refused.denial.code)
        }
        Event::Intent(intent) => {
            let spends = intent.approval.map(|ticket| format!(", spends {ticket}"));
            let what = touched(&intent.kind, Some(&intent.demands));
            format!("will {what}{}", spends.unwrap_or_default())
        }
        event => event.to_string(),
    }
}

/// An operation's kind and the resources it touches.
fn touched(kind: &str, demands: Option<&Demanded>) -> String {
    let mut text = kind.to_owned();
    for (nth, (_, resource)) in demands.iter().flat_map(|demands| demands.iter()).enumerate() {
        text.push_str(if nth == 0 { " " } else { ", " });
        text.push_str(&resource.to_string());
    }
    text
}

fn tint(event: &Event) -> Tint {
    match event {
        Event::Denied(_) => Tint::Bad,
        Event::Asked(_) => Tint::Caution,
        Event::Act(_) | Event::Erased { .. } => Tint::Good,
        Event::Outcome(outcome) if outcome.result != OutcomeKind::Done => Tint::Bad,
        Event::Checkpoint(_) | Event::Snapshot { .. } | Event::Opened { .. } => Tint::Faint,
        _ => Tint::Plain,
    }
}
