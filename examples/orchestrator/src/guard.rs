//! The first layer: a request is an owner's, fresh, and here for the first time, or it is nothing.
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use clawnet_core::{Digest, OwnerId, PublicKey, Signature, Timestamp};
use hyper::http::request::Parts;

use crate::{book::Book, refusal::Wrong};

/// The nonces that were seen, as long as their requests would be fresh.
#[derive(Debug, Default)]
pub(crate) struct Guard(Mutex<BTreeMap<OwnerId, BTreeMap<String, u64>>>);

/// What an owner signs of a request. The server's key is in it: it is worth nothing elsewhere.
pub(crate) struct Statement<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) method: &'a str,
    pub(crate) node: PublicKey,
    pub(crate) nonce: &'a str,
    pub(crate) path: &'a str,
    pub(crate) time: u64,
}

impl Statement<'_> {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { body, method, node, nonce, path, time } = self;
        let body = Digest::of_content(body);
        let lines = format!("{node}\n{method}\n{path}\n{body}\n{time}\n{nonce}");
        format!("clawnet request v1\n{lines}").into_bytes()
    }
}

impl Guard {
    /// Whose request it is.
    ///
    /// **Refuses** what is not signed, not by an owner who is at home here, not within half a minute
    /// of now, or was here before. A nonce counts only behind a signature that verifies, so nobody
    /// uses up another's.
    pub(crate) fn admit(
        &self,
        (book, node): (&Book, PublicKey),
        (parts, body): (&Parts, &[u8]),
        now: Timestamp,
    ) -> Result<OwnerId, Wrong> {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let owner = header(OWNER).and_then(|text| text.parse().ok()).ok_or(Wrong::Unsigned)?;
        let time: u64 = header(TIME).and_then(|text| text.parse().ok()).ok_or(Wrong::Unsigned)?;
        let nonce = header(NONCE).filter(|text| (16..=64).contains(&text.len()));
        let nonce = nonce.ok_or(Wrong::Unsigned)?;
        let signature = header(SIGNATURE).and_then(unhex).ok_or(Wrong::Unsigned)?;
        let key = book.key(owner).ok_or(Wrong::Foreign)?;
        let now = now.as_millis();
        if now.abs_diff(time) > FRESH_MS {
            return Err(Wrong::Stale);
        }
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let statement = Statement { body, method, node, nonce, path, time };
        key.verify(&statement.bytes(), &signature).map_err(|_| Wrong::Forged)?;
        self.note(owner, (nonce, time), now)?;
        Ok(owner)
    }

    fn note(&self, owner: OwnerId, (nonce, time): (&str, u64), now: u64) -> Result<(), Wrong> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nonces = seen.entry(owner).or_default();
        nonces.retain(|_, time| now.abs_diff(*time) <= FRESH_MS);
        if nonces.contains_key(nonce) {
            return Err(Wrong::Replayed);
        }
        if nonces.len() >= NONCES_MAX {
            return Err(Wrong::Busy);
        }
        nonces.insert(nonce.to_owned(), time);
        Ok(())
    }
}

/// A signature in 128 hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Option<Signature> {
    let mut bytes = [0; 64];
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Signature::from_bytes(bytes))
}

pub(crate) const OWNER: &str = "clawnet-owner";
pub(crate) const TIME: &str = "clawnet-time";
pub(crate) const NONCE: &str = "clawnet-nonce";
pub(crate) const SIGNATURE: &str = "clawnet-signature";
const FRESH_MS: u64 = 30_000;
/// How many requests an owner may make within the time they are fresh.
const NONCES_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use clawnet_core::{Signer as _, SoftwareKey};
    use futures::executor::block_on;
    use hyper::Request;

    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    /// A request of the owner with this seed, signed for the server `node` as of `time`.
    fn signed(seed: u8, node: PublicKey, (nonce, time): (&str, u64)) -> Parts {
        let key = SoftwareKey::from_secret(&[seed; 32]);
        let statement = Statement { body: b"", method: "GET", node, nonce, path: "/v1/sign", time };
        let signature = block_on(key.sign(&statement.bytes())).unwrap();
        let hex =
            signature.as_bytes().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let request = Request::get("/v1/sign")
            .header(OWNER, key.public_key().owner().to_string())
            .header(TIME, time)
            .header(NONCE, nonce)
            .header(SIGNATURE, hex);
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_what_is_signed_for_here_and_now_is_admitted_once() {
        let public = |seed| SoftwareKey::from_secret(&[seed; 32]).public_key();
        let (guard, book) = (Guard::default(), Book::of([(public(1), [3; 32])]));
        let (node, nonce) = (public(9), "0123456789abcdef");
        let admit = |parts: &Parts, body: &[u8], now| {
            let now = Timestamp::from_millis(now);
            guard.admit((&book, node), (parts, body), now).map(drop)
        };
        let request = signed(1, node, (nonce, NOW));
        assert_eq!(admit(&request, b"{}", NOW), Err(Wrong::Forged));
        assert_eq!(admit(&request, b"", NOW + FRESH_MS + 1), Err(Wrong::Stale));
        assert_eq!(admit(&request, b"", NOW - FRESH_MS - 1), Err(Wrong::Stale));
        assert_eq!(admit(&request, b"", NOW), Ok(()));
        assert_eq!(admit(&request, b"", NOW + FRESH_MS), Err(Wrong::Replayed));
        assert_eq!(
            admit(&signed(1, public(8), ("another-nonce-x", NOW)), b"", NOW),
            Err(Wrong::Unsigned)
        );
        assert_eq!(
            admit(&signed(1, public(8), ("another-nonce-xy", NOW)), b"", NOW),
            Err(Wrong::Forged)
        );
        assert_eq!(admit(&signed(2, node, (nonce, NOW)), b"", NOW), Err(Wrong::Foreign));
    }
}
