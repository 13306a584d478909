//! What is left: security events, the ledger, and whether it verifies.
#![expect(clippy::wildcard_enum_match_arm, reason = "what is new is shown as it is")]

use anyhow::{Result, bail};
use clawnet_core::{Actor, AuditRecord, Event, Kernel, OutcomeKind, Owner};

/// How many records are shown of a longer ledger.
const SHOWN_MAX: u64 = 40;
/// How wide the last column is.
const WIDTH_MAX: usize = 90;

/// The owner's security events, the latest first.
pub(crate) async fn security_events(owner: &Owner) -> Result<()> {
    println!("\n== The owner's security events, the latest first");
    let events = owner.security_events(10).await?;
    if events.is_empty() {
        println!("   none");
    }
    for event in &events {
        println!("   {:>5}  {}", event.sequence, what(&event.event));
    }
    Ok(())
}

/// The end of the ledger, as a table.
pub(crate) async fn ledger(owner: &Owner) -> Result<()> {
    println!("\n== The ledger");
    let last = owner.records(1, usize::MAX).await?.last().map_or(0, |record| record.sequence);
    let first = last.saturating_sub(SHOWN_MAX).max(1);
    if first > 1 {
        println!("   (records before {first} are not shown)");
    }
    println!("   {:>5}  {:<24}  {:<9}  what", "no.", "when", "who");
    for record in owner.records(first, usize::MAX).await? {
        let AuditRecord { sequence, at, event, .. } = &record;
        println!("   {sequence:>5}  {at}  {:<9}  {}", who(&record), shorten(&what(event)));
    }
    Ok(())
}

/// Whether every record is as it was written.
pub(crate) async fn verification(kernel: &Kernel) -> Result<()> {
    let verified = kernel.verify().await?;
    if let Some(damage) = verified.damage {
        bail!("{damage}");
    }
    println!("\n== Verified");
    println!("   {} records, {} acts signed by the owner", verified.records, verified.acts);
    println!("   head {}", verified.head);
    Ok(())
}

fn who(record: &AuditRecord) -> &'static str {
    match record.actor {
        Actor::Agent { .. } => "agent",
        Actor::Owner => "owner",
        _ => "kernel",
    }
}

fn what(event: &Event) -> String {
    match event {
        Event::Act(signed) => act(&signed.act),
        Event::Asked(question) => format!("asks the owner: {}, {}", question.kind, question.ticket),
        Event::Denied(refused) => {
            let on = refused.operation.as_ref().map_or(String::new(), |text| path(text.as_str()));
            format!("{}{on}: {}", refused.kind, refused.denial)
        }
        Event::Intent(intent) => {
            let spends =
                intent.approval.map_or(String::new(), |ticket| format!(", spends {ticket}"));
            format!("will {}{}{spends}", intent.kind, path(intent.operation.as_str()))
        }
        Event::Outcome(outcome) => match &outcome.result {
            OutcomeKind::Done => format!("did {}", outcome.intent),
            OutcomeKind::Failed { code, .. } => format!("failed {}: {code}", outcome.intent),
            _ => format!("interrupted {}", outcome.intent),
        },
        Event::Opened { .. } => "opens the ledger".into(),
        Event::Checkpoint { .. } => "keeps the state".into(),
        Event::Recovered { closed } => format!("closed {closed} interrupted intents"),
        other => format!("{other:?}"),
    }
}

/// What fits a line of the table; security events are shown whole.
fn shorten(what: &str) -> String {
    match what.char_indices().nth(WIDTH_MAX) {
        Some((end, _)) => format!("{}…", what.get(..end).unwrap_or_default()),
        None => what.into(),
    }
}

/// The path an operation names, if it names one.
fn path(operation: &str) -> String {
    let rest = operation.split_once(r#""path":""#).map(|(_, rest)| rest);
    let name = rest.and_then(|rest| rest.split('"').next());
    name.map_or(String::new(), |name| format!(" {name}"))
}

fn act(act: &clawnet_core::Act) -> String {
    use clawnet_core::Act;
    match act {
        Act::Approve(approval) => format!("says yes to {}", approval.ticket),
        Act::Reject { ticket } => format!("says no to {ticket}"),
        Act::Identity { name, identity, .. } => format!("makes the identity `{name}`, {identity}"),
        Act::Bind { name, agent, .. } => format!("binds the agent `{name}`, {agent}"),
        Act::Grant { grant, rules, .. } => format!("grants {grant}, {} rules", rules.rules().len()),
        Act::Revoke { grant } => format!("revokes {grant}"),
        other => format!("{other:?}"),
    }
}
