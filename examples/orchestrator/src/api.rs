//! The routes: what is looked at is answered at once, what is decided waits for signatures.
use std::sync::Arc;

use clawnet_core::{OwnerId, Refusal};
use clawnet_net::{Contact, Dialogue, Mark, SessionId, Spoken};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    desk::{Desk, Hand},
    guard::unhex,
    refusal::Wrong,
    server::Server,
    wish::Wish,
};

/// A signature for a statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    signature: String,
}

/// A turn, said by the owner's agent here: within its grants, and read first where the owner wants.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    mark: Mark,
    text: String,
}

/// Answers one request of an owner who is at home here.
pub(crate) async fn answer(
    server: &Server,
    owner: OwnerId,
    (method, path): (&Method, &str),
    body: &[u8],
) -> Result<(StatusCode, Value), Wrong> {
    let desk = server.desk(owner)?;
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let seen = match (method.as_str(), parts.as_slice()) {
        ("GET", ["v1", "sign"]) => desk.unsigned(),
        ("POST", ["v1", "sign", number]) => {
            let signed: Signed = serde_json::from_slice(body)?;
            let signature = unhex(&signed.signature).ok_or(Wrong::Forged)?;
            desk.sign(number.parse().map_err(|_| Wrong::Unknown)?, &signature)?;
            Value::Null
        }
        ("POST", ["v1", "acts"]) => {
            let number = decide(server, &desk, serde_json::from_slice(body)?)?;
            return Ok((StatusCode::ACCEPTED, json!({ "act": number })));
        }
        ("GET", ["v1", "acts", number]) => {
            desk.became(number.parse().map_err(|_| Wrong::Unknown)?)?
        }
        ("GET", ["v1", "contacts"]) => {
            let contacts = desk.hand()?.guest.contacts();
            contacts.iter().map(|(peer, it)| contact(*peer, it)).collect()
        }
        ("GET", ["v1", "sessions"]) => {
            let sessions = desk.hand()?.guest.sessions();
            sessions.iter().map(|(id, it)| session(*id, it)).collect()
        }
        ("GET", ["v1", "audit"]) => audit(&*desk.hand()?).await?,
        ("GET", ["v1", "inbox"]) => inbox(&desk).await?,
        ("GET", ["v1", "sessions", id, "transcript"]) => {
            transcript(&*desk.hand()?, parse(id)?).await?
        }
        ("POST", ["v1", "sessions", id, "turns"]) => {
            return say(&*desk.hand()?, parse(id)?, serde_json::from_slice(body)?).await;
        }
        _ => return Err(Wrong::Unknown),
    };
    Ok((StatusCode::OK, seen))
}

/// It goes on while the client fetches what there is to sign.
fn decide(server: &Server, desk: &Arc<Desk>, wish: Wish) -> Result<u64, Wrong> {
    let number = desk.begin()?;
    let (server, desk) = (server.clone(), desk.clone());
    drop(tokio::spawn(async move {
        let came = wish.come_true(&server, &desk).await;
        desk.done(number, came);
    }));
    Ok(number)
}

fn parse(id: &str) -> Result<SessionId, Wrong> {
    id.parse().map_err(|_| Wrong::Unknown)
}

fn contact(peer: OwnerId, contact: &Contact) -> Value {
    json!({
        "blocked": contact.blocked,
        "bond": contact.bond,
        "name": contact.theirs.as_ref().map(|shown| &shown.name),
        "peer": peer,
        "review": contact.review,
    })
}

fn session(id: SessionId, dialogue: &Dialogue) -> Value {
    let wording = dialogue.amended.as_deref().unwrap_or(&dialogue.wording);
    json!({
        "agreed": { "ours": wording.ours.is_some(), "theirs": wording.theirs.is_some() },
        "floor": dialogue.floor == dialogue.role,
        "last": dialogue.last,
        "peer": dialogue.peer(),
        "session": id,
        "standing": format!("{:?}", dialogue.standing()).to_lowercase(),
        "terms": wording.terms,
        "terms_digest": wording.digest,
        "used": dialogue.used,
    })
}

/// Whether the ledger is as it was written, and what the owner should look at.
async fn audit(hand: &Hand) -> Result<Value, Wrong> {
    let found = hand.guest.kernel().verify().await;
    let found = found.map_err(|error| Wrong::from(clawnet_core::OwnerError::from(error)))?;
    let events = hand.owner.security_events(EVENTS_MAX).await?;
    let events: Vec<_> = events.iter().map(ToString::to_string).collect();
    Ok(json!({
        "acts": found.acts,
        "damage": found.damage.map(|damage| damage.to_string()),
        "events": events,
        "records": found.records,
    }))
}

async fn inbox(desk: &Desk) -> Result<Value, Wrong> {
    let hand = desk.hand()?;
    let mut questions = Vec::new();
    for question in hand.owner.inbox() {
        let content = match &question.content {
            Some(content) => hand.owner.content(content).await?,
            None => None,
        };
        let content = content.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (ticket, kind, reads) = (question.ticket, &question.kind, question.render());
        questions.push(json!({
            "content": content, "kind": kind, "reads": reads, "ticket": ticket
        }));
    }
    Ok(Value::Array(questions))
}

async fn transcript(hand: &Hand, session: SessionId) -> Result<Value, Wrong> {
    let lines = hand.guest.transcript(&hand.owner, session).await?;
    let each = lines.iter().map(|line| {
        let text = match &line.spoken {
            Spoken::Text(text) => Some(text),
            Spoken::Erased | Spoken::Nothing => None,
        };
        let entry = &line.entry.entry;
        let digest = entry.digest();
        json!({
            "digest": digest, "from": line.from, "number": entry.number, "text": text
        })
    });
    Ok(each.collect())
}

async fn say(hand: &Hand, session: SessionId, turn: Turn) -> Result<(StatusCode, Value), Wrong> {
    let open = hand.guest.open(session)?;
    let floor = open.floor(&hand.agent).await?;
    match floor.say(&turn.text, turn.mark).await {
        Ok(number) => Ok((StatusCode::OK, json!({ "number": number }))),
        // Say the same again after the yes.
        Err(Refusal::Escalated(ticket)) => {
            Ok((StatusCode::ACCEPTED, json!({ "asked": ticket.id })))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

const EVENTS_MAX: usize = 100;
