//! What each ledger says in the end, beside what the others say.
use anyhow::{Result, ensure};
use clawnet_net::SessionId;
use serde::{Deserialize, Serialize};

use crate::tale::{short, wrapped};

/// One owner's account of everything: plain data, so that it can come from another process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) deeds: Vec<String>,
    pub(crate) events: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) sessions: Vec<Told>,
    pub(crate) verified: String,
    pub(crate) who: String,
}

/// A session, as one ledger has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) entries: Vec<Row>,
    pub(crate) session: SessionId,
    pub(crate) standing: String,
    pub(crate) topic: String,
}

/// An entry.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) digest: String,
    pub(crate) number: u64,
    pub(crate) what: String,
    pub(crate) who: String,
}

/// Shows all of them, and refuses if two ledgers tell another story.
pub(crate) fn show(accounts: &[Account]) -> Result<()> {
    for (nth, one) in accounts.iter().enumerate() {
        for told in &one.sessions {
            for other in accounts.iter().skip(nth + 1) {
                let same = other.sessions.iter().find(|it| it.session == told.session);
                if let Some(there) = same {
                    side_by_side((one, told), (other, there))?;
                }
            }
        }
    }
    for account in accounts {
        println!("\n== The {}", account.who);
        println!("ledger    {}", account.verified);
        section("because of sessions", &account.deeds);
        section("security events", &account.events);
        section("files", &account.files);
    }
    Ok(())
}

fn section(title: &str, lines: &[String]) {
    println!("{title}");
    if lines.is_empty() {
        println!("    none");
    }
    for line in lines.iter().flat_map(|line| wrapped(line, LINE_CHARS)) {
        println!("    {line}");
    }
}

fn side_by_side((one, here): (&Account, &Told), (other, there): (&Account, &Told)) -> Result<()> {
    println!("\n== Both ledgers: \"{}\", session {}", here.topic, short(here.session));
    println!("{:>3}  {:<9} {:<WHAT_CHARS$}  {:<9} {}", "no", "who", "what", one.who, other.who);
    for (row, same) in here.entries.iter().zip(&there.entries) {
        let digest = |row: &Row| row.digest.chars().take(8).collect::<String>();
        let Row { number, what, who, .. } = row;
        println!("{number:>3}  {who:<9} {what:<WHAT_CHARS$}  {:<9} {}", digest(row), digest(same));
    }
    println!("     {:<9} {}", one.who, here.standing);
    println!("     {:<9} {}", other.who, there.standing);
    let same = here.entries == there.entries && here.standing == there.standing;
    ensure!(same, "two ledgers tell another story");
    println!("     the same in the same order");
    Ok(())
}

/// How many characters there are for what somebody said.
pub(crate) const WHAT_CHARS: usize = 60;
const LINE_CHARS: usize = 95;
