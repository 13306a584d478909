//! Where the owner sits: questions are read here and answered.
use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Result;
use clawnet_core::{Owner, Ticket};

/// How questions are answered.
pub(crate) struct Desk {
    pub(crate) always_yes: bool,
}

impl Desk {
    /// Shows the question as the kernel renders it, and takes the owner's answer down.
    pub(crate) async fn answer(&self, owner: &Owner, ticket: Ticket) -> Result<bool> {
        let inbox = owner.inbox();
        let Some(question) = inbox.iter().find(|question| question.ticket == ticket.id) else {
            println!("   The question is not open any more.");
            return Ok(false);
        };
        println!("   The kernel asks the owner:");
        question.render().lines().for_each(|line| println!("   | {line}"));
        if let Some(content) = &question.content
            && let Some(bytes) = owner.content(content).await?
        {
            println!("   | ---- the content, {} bytes ----", content.size_bytes);
            let text = String::from_utf8_lossy(&bytes);
            text.lines().take(8).for_each(|line| println!("   | {}", line.escape_debug()));
        }
        if self.is_yes()? {
            owner.approve(ticket.id).await?;
            Ok(true)
        } else {
            owner.reject(ticket.id).await?;
            Ok(false)
        }
    }

    /// Anything but a yes is a no; so is silence.
    fn is_yes(&self) -> Result<bool> {
        if self.always_yes {
            println!("   Yes, says --yes.");
            return Ok(true);
        }
        print!("   Say yes? [y/N] ");
        io::stdout().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        if !io::stdin().is_terminal() {
            println!("{}", line.trim());
        }
        Ok(matches!(line.trim(), "y" | "Y" | "yes"))
    }
}
