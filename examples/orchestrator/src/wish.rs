//! What an owner may want decided: each becomes acts that only their client can sign.
use std::sync::Arc;

use clawnet_core::{Action, Digest, Grant, OwnerId, Region, TicketId};
use clawnet_net::{Presenting, Proposal, Review, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    desk::{Desk, Hand, Remote},
    refusal::Wrong,
    server::Server,
};

/// One decision, as the client words it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Wish {
    Approve { ticket: TicketId },
    Ask { note: String, peer: OwnerId },
    Block { peer: OwnerId },
    Close { session: SessionId },
    Confirm { peer: OwnerId },
    Consent { session: SessionId, terms: Digest },
    Decline { session: SessionId },
    Enrol { name: String },
    Pause { session: SessionId },
    Propose { peer: OwnerId, topic: String, turns: u32 },
    Reject { ticket: TicketId },
    Remove { peer: OwnerId },
    Resume { session: SessionId },
    Review { peer: OwnerId, review: Review },
}

impl Wish {
    /// Does it, and waits for as many signatures as it takes.
    pub(crate) async fn come_true(self, server: &Server, desk: &Arc<Desk>) -> Result<Value, Wrong> {
        if let Self::Enrol { name } = self {
            return enrol(server, desk, name).await;
        }
        let hand = desk.hand()?;
        let (party, owner) = (&hand.guest, &hand.owner);
        match self {
            Self::Approve { ticket } => owner.approve(ticket).await?,
            Self::Ask { note, peer } => {
                let shown = speak_to(&hand, peer).await?;
                party.ask(owner, peer, shown, &note).await?;
            }
            Self::Block { peer } => party.block(owner, peer).await?,
            Self::Close { session } => party.close(owner, session).await?,
            Self::Confirm { peer } => {
                let shown = speak_to(&hand, peer).await?;
                party.confirm(owner, peer, shown).await?;
            }
            Self::Consent { session, terms } => party.consent(owner, session, terms).await?,
            Self::Decline { session } => party.decline(owner, session).await?,
            Self::Enrol { .. } => {}
            Self::Pause { session } => party.pause(owner, session).await?,
            Self::Propose { peer, topic, turns } => {
                let proposal = Proposal::to(peer, topic).turns(turns);
                let session = party.propose(owner, proposal).await?;
                return Ok(json!({ "session": session }));
            }
            Self::Reject { ticket } => owner.reject(ticket).await?,
            Self::Remove { peer } => party.remove(owner, peer).await?,
            Self::Resume { session } => party.resume(owner, session).await?,
            Self::Review { peer, review } => party.review(owner, peer, review).await?,
        }
        Ok(Value::Null)
    }
}

/// The kernel's key is certified, and there is one identity with one agent.
async fn enrol(server: &Server, desk: &Arc<Desk>, name: String) -> Result<Value, Wrong> {
    let remote = || Remote(desk.clone());
    let id = remote().0.owner();
    server.host().certify(id, remote()).await?;
    let guest = server.host().party(id).await?;
    let owner = guest.kernel().owner(remote()).await?;
    let known = owner.find_identity("work");
    let identity = match &known {
        Some(known) => known.identity,
        None => owner.identity("work").await?,
    };
    let agent = match known.and_then(|known| known.agents.first().map(|(agent, _)| *agent)) {
        Some(agent) => owner.agent(agent)?,
        None => owner.bind(identity, "assistant", "orchestrator").await?,
    };
    server.speak_for(id)?;
    desk.enrolled(Hand { agent, guest, identity, name, owner });
    Ok(json!({ "identity": identity }))
}

/// The identity may speak to `peer`, and is what they meet.
async fn speak_to(hand: &Hand, peer: OwnerId) -> Result<Presenting, Wrong> {
    let contact = Region::exact(&format!("contact:{peer}"));
    let contact = contact.map_err(|error| Wrong::Malformed(error.to_string()))?;
    hand.owner.grant(hand.identity, Grant::new().allow(Action::Send, contact)).await?;
    Ok(Presenting::new(hand.identity, hand.name.as_str()))
}
