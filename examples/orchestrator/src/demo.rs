//! Two servers, an owner at each, and their clients: from strangers to a settled matter, over HTTP.
use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use clawnet_core::{Signer as _, SoftwareKey};
use serde_json::{Value, json};

use crate::{
    book::Book,
    client::Client,
    server::{Server, now},
};

pub(crate) async fn run() -> Result<()> {
    let (mut ada, mut ben) = start().await?;
    enrol(&mut ada).await?;
    wrong(&mut ada, &mut ben).await?;
    enrol(&mut ben).await?;
    meet(&mut ada, &mut ben).await?;
    let session = agree(&mut ada, &mut ben).await?;
    talk(&mut ada, &mut ben, &session).await?;
    compare(&mut ada, &mut ben, &session).await
}

/// A server for each, which know of each other.
async fn start() -> Result<(Client, Client)> {
    let mut clients = Vec::new();
    let mut servers = Vec::new();
    let mut places = BTreeMap::new();
    for (seed, name) in [(1, "ada"), (2, "ben")] {
        // Secrets that are none: for trying only.
        let key = SoftwareKey::from_secret(&[seed; 32]);
        let book = Book::of([(key.public_key(), [seed + 100; 32])]);
        let (server, found) = Server::open(book, &[seed + 200; 32]).await?;
        places.insert(key.public_key().owner(), found.route);
        let (door, node) = (found.door, server.node());
        clients.push(Client { door, key, name, node, nonce: 0 });
        servers.push(server);
    }
    for server in servers {
        server.know(places.clone());
    }
    let mut clients = clients.into_iter();
    clients.next().zip(clients.next()).context("two clients")
}

async fn enrol(client: &mut Client) -> Result<()> {
    let name = format!("the office of {}", client.name);
    client.decide(json!({ "enrol": { "name": name } })).await.and_then(|came| done(&came))?;
    say(client, "enrolled: signed a kernel's key, an identity and an agent; the key stayed here");
    Ok(())
}

/// What the first layer is for.
async fn wrong(ada: &mut Client, ben: &mut Client) -> Result<()> {
    say(ada, "tries what does not go:");
    let look = ("GET", "/v1/contacts");
    let sealed = ada.seal(("GET", "/v1/secrets"), &Value::Null).await?;
    expect("unknown route", ada.send(sealed).await?, (404, "unknown_route"))?;
    let mut sealed = ada.seal(look, &Value::Null).await?;
    sealed.headers.clear();
    expect("without a signature", ada.send(sealed).await?, (401, "unsigned"))?;
    let old = now().as_millis().saturating_sub(60_000);
    let sealed = ada.seal_at(look, &Value::Null, old).await?;
    expect("signed a minute ago", ada.send(sealed).await?, (401, "stale"))?;
    let sealed = ada.seal(look, &Value::Null).await?;
    ensure!(ada.send(sealed.clone()).await?.0 == 200, "a good request is refused");
    expect("the same once more", ada.send(sealed).await?, (401, "replayed"))?;
    let mut sealed = ada.seal(look, &Value::Null).await?;
    sealed.path = "/v1/sessions".into();
    expect("signed for another path", ada.send(sealed).await?, (401, "forged"))?;
    let sealed = ben.seal(look, &Value::Null).await?;
    expect("an owner of another server", ada.send(sealed).await?, (403, "foreign_owner"))?;
    let large = json!({ "ask": { "note": "x".repeat(100_000), "peer": ben.id() } });
    let sealed = ada.seal(("POST", "/v1/acts"), &large).await?;
    expect("100,000 bytes", ada.send(sealed).await?, (413, "too_large"))?;
    let sealed = ada.seal(("POST", "/v1/acts"), &json!({ "rule": "the world" })).await?;
    expect("no such decision", ada.send(sealed).await?, (400, "malformed"))?;
    let answer = ada.post("/v1/sign/7", &json!({ "signature": "00".repeat(64) })).await?;
    expect("a signature for nothing", answer, (404, "unknown_route"))?;
    let sealed = ben.seal(look, &Value::Null).await?;
    expect("ben, who has not enrolled", ben.send(sealed).await?, (409, "not_enrolled"))
}

async fn meet(ada: &mut Client, ben: &mut Client) -> Result<()> {
    let ask = json!({ "ask": { "note": "about valves", "peer": ben.id() } });
    done(&ada.decide(ask).await?)?;
    say(ada, "asks ben to be a contact");
    let asking = |it: &Value| (it["bond"] == "asking").then(|| it["name"].to_string());
    let name = ben.until("/v1/contacts", asking).await?;
    say(ben, &format!("is asked by {name}, and confirms"));
    done(&ben.decide(json!({ "confirm": { "peer": ada.id() } })).await?)?;
    ada.until("/v1/contacts", |it| (it["bond"] == "mutual").then_some(())).await?;
    let review = json!({ "review": { "peer": ada.id(), "review": "each_turn" } });
    done(&ben.decide(review).await?)?;
    say(ben, "wants to read each turn to ada before it leaves");
    Ok(())
}

async fn agree(ada: &mut Client, ben: &mut Client) -> Result<String> {
    let propose = json!({ "propose": { "peer": ben.id(), "topic": "2,000 valves", "turns": 6 } });
    let drafted = ada.decide(propose).await?;
    done(&drafted)?;
    let session = drafted["value"]["session"].as_str().context("no session")?.to_owned();
    say(ada, "proposes a session, and agrees to its terms");
    let invited = |it: &Value| {
        let terms = it["terms_digest"].as_str()?.to_owned();
        (it["standing"] == "invited").then_some(terms)
    };
    let terms = ben.until("/v1/sessions", invited).await?;
    let other = "0".repeat(64);
    let answer = ben.decide(json!({ "consent": { "session": session, "terms": other } })).await?;
    expect("ben agrees to terms he was not shown", (409, answer), (409, "mismatch"))?;
    done(&ben.decide(json!({ "consent": { "session": session, "terms": terms } })).await?)?;
    say(ben, "agrees to the same terms");
    ada.until("/v1/sessions", |it| (it["standing"] == "open").then_some(())).await?;
    Ok(session)
}

async fn talk(ada: &mut Client, ben: &mut Client, session: &str) -> Result<()> {
    let path = format!("/v1/sessions/{session}/turns");
    let turn = |text: &str, mark: &str| json!({ "mark": mark, "text": text });
    let has_floor = |it: &Value| (it["floor"] == true).then_some(());
    let question = turn("What do they cost?", "continue");
    expect("ben speaks first", ben.post(&path, &question).await?, (409, "wrong_turn"))?;
    ensure!(ada.post(&path, &question).await?.0 == 200, "ada may not speak");
    say(ada, "\"What do they cost?\"");
    ben.until("/v1/sessions", has_floor).await?;
    let answer = turn("Nine each.", "continue");
    let (status, asked) = ben.post(&path, &answer).await?;
    ensure!(status == 202, "{status} {asked}");
    let content = |it: &Value| Some((it["content"].to_string(), it["ticket"].clone()));
    let (reads, ticket) = ben.until("/v1/inbox", content).await?;
    say(ben, &format!("is asked whether {reads} may leave, and says yes"));
    done(&ben.decide(json!({ "approve": { "ticket": ticket } })).await?)?;
    ensure!(ben.post(&path, &answer).await?.0 == 200, "ben may not say what was approved");
    say(ben, "\"Nine each.\"");
    ada.until("/v1/sessions", has_floor).await?;
    done(&ada.decide(json!({ "pause": { "session": session } })).await?)?;
    let settled = turn("Done: nine each.", "resolved");
    expect(
        "ada speaks while she has it paused",
        ada.post(&path, &settled).await?,
        (409, "paused"),
    )?;
    done(&ada.decide(json!({ "resume": { "session": session } })).await?)?;
    ensure!(ada.post(&path, &settled).await?.0 == 200, "ada may not settle it");
    say(ada, "\"Done: nine each.\" [resolved]");
    Ok(())
}

/// Both servers tell the same, digest by digest.
async fn compare(ada: &mut Client, ben: &mut Client, session: &str) -> Result<()> {
    let ended = |it: &Value| (it["standing"] == "ended(resolved)").then_some(());
    ada.until("/v1/sessions", ended).await?;
    ben.until("/v1/sessions", ended).await?;
    let path = format!("/v1/sessions/{session}/transcript");
    let (here, there) = (ada.get(&path).await?, ben.get(&path).await?);
    ensure!(here == there, "two servers tell another story");
    println!("\nboth servers:");
    for line in here.as_array().context("no transcript")? {
        println!("  {}  {}", line["number"], line["text"]);
    }
    println!("the same in the same order, digest by digest\n");
    for client in [ada, ben] {
        let audit = client.get("/v1/audit").await?;
        ensure!(audit["damage"].is_null(), "{audit}");
        let (acts, events) = (&audit["acts"], audit["events"].as_array().map_or(0, Vec::len));
        let what = format!("ledger verifies; {acts} acts signed by the client; {events} events");
        say(client, &what);
    }
    Ok(())
}

fn say(client: &Client, what: &str) {
    println!("{:<4} {what}", client.name);
}

fn done(came: &Value) -> Result<()> {
    ensure!(came["state"] == "done", "{came}");
    Ok(())
}

fn expect(what: &str, (status, answer): (u16, Value), expect: (u16, &str)) -> Result<()> {
    let code = answer["error"]["code"].as_str().unwrap_or("nothing");
    ensure!((status, code) == expect, "{what}: {status} {answer}");
    println!("     {what:<38} {status} {code}");
    Ok(())
}
