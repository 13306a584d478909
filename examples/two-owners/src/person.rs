//! What the owner does in person. Each is a signed act in the owner's own ledger.
use anyhow::{Context, Result};
use clawnet_core::Question;
use clawnet_fs::{FsPath, Read};
use clawnet_net::{
    Bond, Dialogue, Ending, Proposal, Review, SessionId, Side, Spoken, Standing, Terms,
};

use crate::{
    cast::{self, Who},
    seat::{Did, Seat},
    tale::named,
};

impl Seat {
    /// Answers whatever waits for the owner: one thing at a time.
    pub(crate) async fn decide(&self) -> Result<Did> {
        for (peer, contact) in self.house.party.contacts() {
            if contact.bond == Bond::Asking {
                let name = contact.theirs.map(|shown| shown.name).unwrap_or_default();
                let who = Who::of(peer).map_or("somebody", Who::name);
                let what = format!("is asked to be a contact by the {who}, \"{name}\"; confirms");
                self.tale.tell("owner", &what);
                self.house.party.confirm(&self.house.owner, peer, self.house.shown.clone()).await?;
                return Ok(Did::Something);
            }
        }
        for (session, dialogue) in self.house.party.sessions() {
            if dialogue.standing() == Standing::Invited && dialogue.wording.ours.is_none() {
                self.agree(session, &dialogue).await?;
                return Ok(Did::Something);
            }
            if is_to_release(&dialogue) {
                self.release(session).await?;
                return Ok(Did::Something);
            }
        }
        match self.house.owner.inbox().first() {
            Some(question) => self.answer(question).await,
            None => Ok(Did::Nothing),
        }
    }

    /// What nobody asked for: with this it begins.
    pub(crate) async fn begin(&self) -> Result<Did> {
        let bond = |who: Who| self.house.party.contact(who.id()).map(|contact| contact.bond);
        match self.who {
            Who::Supplier => match (bond(Who::Carrier), bond(Who::Buyer)) {
                (None, _) => self.ask(Who::Carrier, "We send valves all over the country.").await,
                (Some(Bond::Mutual), None) => {
                    self.ask(Who::Buyer, "We make the valves you look for.").await?;
                    let (owner, buyer) = (&self.house.owner, Who::Buyer.id());
                    self.house.party.review(owner, buyer, Review::WhenSensitive).await?;
                    self.tale
                        .tell("owner", "wants to read turns to the buyer that draw on anything");
                    Ok(Did::Something)
                }
                (Some(_), _) => Ok(Did::Nothing),
            },
            Who::Buyer
                if bond(Who::Supplier) == Some(Bond::Mutual)
                    && self.house.party.sessions().is_empty() =>
            {
                self.propose().await
            }
            Who::Buyer | Who::Carrier => Ok(Did::Nothing),
        }
    }

    async fn propose(&self) -> Result<Did> {
        let deal = Proposal::to(Who::Supplier.id(), "Valves for the new season");
        let deal = deal.turns(12).scope(cast::deal_scope()?);
        let session = self.house.party.propose(&self.house.owner, deal).await?;
        let dialogue = self.house.party.session(session).context("nothing was drafted")?;
        self.tale.tell("owner", "proposes a session to the supplier, and agrees to its terms:");
        self.show(dialogue.terms(), &dialogue.wording.digest.to_string());
        Ok(Did::Something)
    }

    async fn ask(&self, who: Who, note: &str) -> Result<Did> {
        self.tale.tell("owner", &format!("asks the {} to be a contact: \"{note}\"", who.name()));
        let shown = self.house.shown.clone();
        self.house.party.ask(&self.house.owner, who.id(), shown, note).await?;
        Ok(Did::Something)
    }

    /// In the end: the agent may look into what is private, if it is not on account of others.
    pub(crate) async fn look_into_own_affairs(&self) -> Result<()> {
        if self.who != Who::Supplier {
            return Ok(());
        }
        let path: FsPath = "/private/bottom-line.md".parse()?;
        let read = Read::of(path);
        let portion = self.house.agent.submit(&self.house.files, &read).await?;
        let text = portion.content.as_text().unwrap_or_default().trim();
        let what =
            format!("reads fs:/private/bottom-line.md for its own owner, and may: \"{text}\"");
        self.tale.tell("agent", &what);
        Ok(())
    }

    async fn agree(&self, session: SessionId, dialogue: &Dialogue) -> Result<()> {
        let wording = &dialogue.wording;
        let what = match dialogue.role {
            Side::Initiator => "agrees to what the agent worded:",
            Side::Responder => "is invited to a session, and agrees to its terms:",
        };
        self.tale.tell("owner", what);
        self.show(&wording.terms, &wording.digest.to_string());
        self.house.party.consent(&self.house.owner, session, wording.digest).await?;
        Ok(())
    }

    /// The terms, as an owner reads them.
    fn show(&self, terms: &Terms, digest: &str) {
        let topic = &terms.topic;
        let (turns, bytes) = (terms.turns_max, terms.bytes_max / 1024);
        let digest: String = digest.chars().take(12).collect();
        let line = |text: &str| self.tale.tell("", &format!("| {text}"));
        line(&format!("\"{topic}\", {turns} turns of at most {bytes} KiB, terms {digest}"));
        for (level, grant) in terms.scope.iter().enumerate() {
            for rule in grant.rules() {
                line(&named(&format!("level {level}: {rule}")));
            }
        }
    }

    async fn answer(&self, question: &Question) -> Result<Did> {
        self.tale.tell("owner", &format!("is asked about {}, and reads:", question.kind));
        if let Some(content) = &question.content {
            let bytes = self.house.owner.content(content).await?.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            self.tale.tell("", &format!("| {}", named(&text)));
        }
        self.house.owner.approve(question.ticket).await?;
        self.tale.tell("owner", "says yes, to just these words in just this place");
        Ok(Did::Something)
    }

    /// What was said here may be told one level up: in the agent's own last words.
    async fn release(&self, session: SessionId) -> Result<()> {
        let lines = self.house.party.transcript(&self.house.owner, session).await?;
        let last = lines.into_iter().next_back().context("nothing was said")?;
        let Spoken::Text(answer) = last.spoken else { anyhow::bail!("the answer is gone") };
        self.tale.tell("owner", &format!("lets it be told one level up: \"{answer}\""));
        self.house.party.release(&self.house.owner, session, &answer).await?;
        Ok(())
    }
}

/// The far end of a question that was answered.
fn is_to_release(dialogue: &Dialogue) -> bool {
    dialogue.role == Side::Responder
        && dialogue.terms().parent().is_some()
        && dialogue.standing() == Standing::Ended(Ending::Resolved)
        && dialogue.released.is_none()
}
