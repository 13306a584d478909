//! An owner's client: it has the key, reads what it signs, and tells the server everything else.
use std::{fmt::Write as _, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use clawnet_core::{OwnerId, PublicKey, Signer as _, SoftwareKey};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::sleep};

use crate::{
    guard::{self, Statement},
    server::now,
};

/// One owner's client.
pub(crate) struct Client {
    pub(crate) door: SocketAddr,
    pub(crate) key: SoftwareKey,
    pub(crate) name: &'static str,
    /// The server it means.
    pub(crate) node: PublicKey,
    pub(crate) nonce: u64,
}

/// A request that is signed, and can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) method: &'static str,
    pub(crate) path: String,
}

impl Client {
    pub(crate) fn id(&self) -> OwnerId {
        self.key.public_key().owner()
    }

    /// A request of now.
    pub(crate) async fn seal(
        &mut self,
        (method, path): (&'static str, &str),
        body: &Value,
    ) -> Result<Sealed> {
        self.seal_at((method, path), body, now().as_millis()).await
    }

    pub(crate) async fn seal_at(
        &mut self,
        (method, path): (&'static str, &str),
        body: &Value,
        time: u64,
    ) -> Result<Sealed> {
        self.nonce += 1;
        let nonce = format!("{:032x}", self.nonce);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (node, bytes) = (self.node, body.as_bytes());
        let statement = Statement { body: bytes, method, node, nonce: &nonce, path, time };
        let signature = self.key.sign(&statement.bytes()).await?;
        let headers = vec![
            (guard::OWNER, self.id().to_string()),
            (guard::TIME, time.to_string()),
            (guard::NONCE, nonce),
            (guard::SIGNATURE, hex(signature.as_bytes())),
        ];
        Ok(Sealed { body, headers, method, path: path.to_owned() })
    }

    /// Sends it, and gives status and answer.
    pub(crate) async fn send(&self, sealed: Sealed) -> Result<(u16, Value)> {
        let stream = TcpStream::connect(self.door).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(sealed.method).uri(&sealed.path);
        request = request.header("host", self.door.to_string());
        for (name, value) in sealed.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(sealed.body)))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, serde_json::from_slice(&body)?))
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Value> {
        let sealed = self.seal(("GET", path), &Value::Null).await?;
        let (status, value) = self.send(sealed).await?;
        ensure!(status == 200, "{path}: {status} {value}");
        Ok(value)
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let sealed = self.seal(("POST", path), body).await?;
        self.send(sealed).await
    }

    /// Has something decided: reads what there is to sign meanwhile, and signs what it expects.
    pub(crate) async fn decide(&mut self, wish: Value) -> Result<Value> {
        let (status, begun) = self.post("/v1/acts", &wish).await?;
        ensure!(status == 202, "{status} {begun}");
        let path = format!("/v1/acts/{}", begun["act"]);
        for _ in 0..TRIES {
            self.sign_what_waits(&wish).await?;
            let sealed = self.seal(("GET", &path), &Value::Null).await?;
            let (_, became) = self.send(sealed).await?;
            if became["state"] == "waiting" {
                sleep(PAUSE).await;
                continue;
            }
            return Ok(became);
        }
        bail!("{wish} never comes true")
    }

    async fn sign_what_waits(&mut self, wish: &Value) -> Result<()> {
        let waiting = self.get("/v1/sign").await?;
        for waits in waiting.as_array().context("no list")? {
            let statement = waits["statement"].as_str().context("no statement")?;
            self.check(statement, wish)?;
            let signature = hex(self.key.sign(statement.as_bytes()).await?.as_bytes());
            let path = format!("/v1/sign/{}", waits["number"]);
            let (status, said) = self.post(&path, &json!({ "signature": signature })).await?;
            ensure!(status == 200, "{status} {said}");
        }
        Ok(())
    }

    /// The server cannot have anything signed but what was wished for, in this owner's ledger.
    fn check(&self, statement: &str, wish: &Value) -> Result<()> {
        let (first, rest) = statement.split_once('\n').context("not a statement")?;
        let own = self.id().to_string();
        if first == "clawnet owner handle v1" {
            ensure!(rest.starts_with(&own), "another's ledger");
            return Ok(());
        }
        ensure!(first == "clawnet owner act v1", "no act: {first}");
        let said: Value = serde_json::from_str(rest)?;
        ensure!(said["ledger"] == own.as_str(), "another's ledger");
        let act = only(&said["act"]).context("no act")?;
        let wanted = only(wish).context("no wish")?;
        let expected: &[&str] = match wanted {
            "enrol" => &["certify", "identity", "bind"],
            "ask" | "confirm" => &["grant", "declare"],
            "approve" => &["approve"],
            "reject" => &["reject"],
            _ => &["declare"],
        };
        ensure!(expected.contains(&act), "the server wants `{act}` signed for `{wanted}`");
        Ok(())
    }

    /// Asks until `found` finds something.
    pub(crate) async fn until<T>(
        &mut self,
        path: &str,
        found: impl Fn(&Value) -> Option<T>,
    ) -> Result<T> {
        for _ in 0..TRIES {
            let value = self.get(path).await?;
            if let Some(found) = value.as_array().and_then(|all| all.iter().find_map(&found)) {
                return Ok(found);
            }
            sleep(PAUSE).await;
        }
        bail!("{}: nothing of the kind comes at {path}", self.name)
    }
}

/// The one name in `{"name":…}`.
fn only(value: &Value) -> Option<&str> {
    let fields = value.as_object()?;
    fields.keys().next().filter(|_| fields.len() == 1).map(String::as_str)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

const TRIES: u32 = 1500;
const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let key = SoftwareKey::from_secret(&[1; 32]);
        let node = SoftwareKey::from_secret(&[2; 32]).public_key();
        Client { door: ([127, 0, 0, 1], 9).into(), key, name: "ada", node, nonce: 0 }
    }

    #[test]
    fn a_server_gets_nothing_signed_but_what_was_wished_for() {
        let (client, wish) = (client(), json!({ "pause": { "session": "ses_1" } }));
        let check = |statement: &str| client.check(statement, &wish).is_ok();
        let act = |act: &str, ledger: &str| {
            format!("clawnet owner act v1\n{{\"act\":{act},\"ledger\":\"{ledger}\",\"number\":4}}")
        };
        let (own, other) = (client.id().to_string(), format!("own_{}", "0".repeat(32)));
        assert!(check(&act("{\"declare\":{}}", &own)));
        assert!(!check(&act("{\"declare\":{}}", &other)));
        assert!(!check(&act("{\"rekey\":{}}", &own)));
        assert!(!check(&act("{\"declare\":{},\"rekey\":{}}", &own)));
        assert!(check(&format!("clawnet owner handle v1\n{own} 3 00")));
        assert!(!check(&format!("clawnet owner handle v1\n{other} 3 00")));
        assert!(!check("clawnet vouched v1\nnet.entry\n{}"));
    }
}
