//! What is left: security events, the ledger, and whether it verifies.
use anyhow::{Result, bail};
use clawnet_core::{Event, Kernel, Owner};

/// How many records are shown of a longer ledger.
const SHOWN_MAX: u64 = 40;
/// How wide a line of the table is.
const WIDTH_MAX: usize = 99;

/// The owner's security events, the latest first.
pub(crate) async fn security_events(owner: &Owner) -> Result<()> {
    println!("\n== The owner's security events, the latest first");
    let events = owner.security_events(10).await?;
    if events.is_empty() {
        println!("   none");
    }
    for record in &events {
        println!("{}", shorten(&record.to_string()));
        if let Event::Denied(refused) = &record.event
            && let Some(near) = &refused.denial.near_miss
        {
            println!("{:>42}nearest: {near}", "");
        }
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
    for record in owner.records(first, usize::MAX).await? {
        println!("{}", shorten(&record.to_string()));
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

/// What fits a line of the table.
fn shorten(what: &str) -> String {
    match what.char_indices().nth(WIDTH_MAX) {
        Some((end, _)) => format!("{}…", what.get(..end).unwrap_or_default()),
        None => what.into(),
    }
}
